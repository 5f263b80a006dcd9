//! The authority matrix (I04): up to what amount and risk, on which tracks, with which answers a role decides at gates.
//! A rule is never changed: it ends, and another begins.

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QuerySelect, TryIntoModel};
use strum::IntoEnumIterator;

use super::{
    entity::authority_rule::{self, Model},
    rules,
};
use crate::{
    audit::Object,
    auth::{Action, Resource, Role},
    ctx::{Changes, Ctx},
    error::{Error, Result},
    gates::rules::{Outcome, RiskClass},
    ids::{AuthorityRule, AuthorityRuleId},
    projects::rules::Track,
    wire::{day, today},
};

/// Adds a rule.
pub async fn set(ctx: Ctx, request: pb::SetAuthorityRuleRequest) -> Result<pb::SetAuthorityRuleResponse> {
    let role = Role::from_repr(request.role).ok_or_else(|| Error::invalid("role", "is no role"))?;
    let risk = RiskClass::from_repr(request.max_risk_class);
    let risk = risk.ok_or_else(|| Error::invalid("max_risk_class", "is no risk class"))?;
    let tracks = names(&request.tracks, Track::from_repr, Track::iter());
    let outcomes = names(&request.outcomes, Outcome::from_repr, Outcome::iter().filter(|outcome| outcome.is_ruled()));
    let today = today(ctx.now());
    let valid_from = request.valid_from.map(|text| day("valid_from", &text)).transpose()?.unwrap_or(today);
    let valid_until = request.valid_until.map(|text| day("valid_until", &text)).transpose()?;
    rules::must_lie_ahead(valid_from, valid_until, today)?;
    ctx.command(Action::AuthorityRuleSet, Object::new::<AuthorityRule>(), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let id: AuthorityRuleId = command.ctx().new_id();
        let rule = authority_rule::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            role: Set(role.row_name().to_owned()),
            max_amount_ore: Set(request.max_amount_ore),
            max_risk_class: Set(<&str>::from(risk).to_owned()),
            tracks: Set(tracks),
            outcomes: Set(outcomes),
            second_required: Set(request.second_required),
            valid_from: Set(valid_from),
            valid_until: Set(valid_until),
            reason: Set(request.reason),
            set_by: Set(command.ctx().caller().subject().to_owned()),
            set_at: Set(command.ctx().now()),
            ended_by: Set(None),
            ended_at: Set(None),
            end_reason: Set(String::new()),
        };
        let rule: Model = rule.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("role", rule.role.as_str())
            .set("max_amount_ore", rule.max_amount_ore.to_string())
            .set("max_risk_class", rule.max_risk_class.as_str())
            .set("tracks", rule.tracks.clone())
            .set("outcomes", rule.outcomes.clone())
            .set("second_required", rule.second_required)
            .set("valid_from", rule.valid_from.to_string())
            .set("valid_until", rule.valid_until.map(|day| day.to_string()))
            .set("reason", rule.reason.as_str());
        let response = pb::SetAuthorityRuleResponse { authority_rule: Some(rule.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// The names of those asked for; of all when none is.
fn names<T: Into<&'static str>>(
    asked: &[i32],
    known: impl Fn(i32) -> Option<T>,
    all: impl Iterator<Item = T>,
) -> Vec<String> {
    let names = |each: T| each.into().to_owned();
    if asked.is_empty() {
        all.map(names).collect()
    } else {
        asked.iter().filter_map(|number| known(*number)).map(names).collect()
    }
}

/// Ends a rule.
pub async fn end(ctx: Ctx, request: pb::EndAuthorityRuleRequest) -> Result<pb::EndAuthorityRuleResponse> {
    let id = AuthorityRuleId::parse(&request.authority_rule)?;
    ctx.command(Action::AuthorityRuleEnd, Object::of(id), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let organisation = command.ctx().organisation()?;
        let found = authority_rule::find_one_in(organisation, id).lock_exclusive().one(command.tx()).await?;
        let before = found.ok_or_else(|| id.not_found())?;
        if before.ended_at.is_some() {
            return Err(Error::AlreadyEnded { kind: "authority_rule" });
        }
        let mut rule = before.into_active_model();
        rule.ended_by = Set(Some(command.ctx().caller().subject().to_owned()));
        rule.ended_at = Set(Some(command.ctx().now()));
        rule.end_reason = Set(request.reason);
        let rule: Model = rule.update(command.tx()).await?.try_into_model()?;
        let changes =
            Changes::default().set("ended_by", rule.ended_by.as_deref()).set("reason", rule.end_reason.as_str());
        let response = pb::EndAuthorityRuleResponse { authority_rule: Some(rule.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// The matrix, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListAuthorityRulesRequest) -> Result<pb::ListAuthorityRulesResponse> {
    let page = authority_rule::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::AuthorityRuleRead)?;
    let (rules, next_page_token) = page.fetch(&db, authority_rule::find_in(db.organisation())).await?;
    db.allowed().await?;
    let authority_rules = rules.into_iter().map(Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListAuthorityRulesResponse { authority_rules, next_page_token })
}
