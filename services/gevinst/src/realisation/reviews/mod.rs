//! Benefit reviews (G5): after so many months as the policy says, each benefit gets an outcome, by rule from its figures or
//! another with a reason. The figures are kept with it, so that a stranger can come to the same.

pub mod entity;
pub mod rules;

use gevinst_appraisal::{
    progress::progress,
    realisation::{Value, realised_share},
};
use gevinst_proto::v1 as pb;
use rust_decimal::Decimal;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, IntoActiveModel, TryIntoModel};
use time::Date;

use self::{
    entity::{ActiveModel, Model, due},
    rules::{BenefitOutcome, Found},
};
use super::rules::BenefitPolicy;
use crate::{
    audit::Object,
    auth::Action,
    benefits::{
        entity::{benefit, measurement},
        figures::{self, entity::Figures, months},
        planning, register,
        rules::BenefitKind,
    },
    ctx::{Changes, Command, Ctx},
    db::postgres,
    error::{Error, Result},
    ids::{BenefitId, BenefitReviewId, ProjectId},
    wire::{bare, decimal_text, today},
};

/// Records what a review has found of a benefit.
pub async fn record(ctx: Ctx, request: pb::RecordBenefitReviewRequest) -> Result<pb::RecordBenefitReviewResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let asked = BenefitOutcome::from_repr(request.outcome);
    ctx.command(Action::BenefitReview, Object::of(id), async move |command| {
        let place = register::place(&command, id).await?;
        let allowed = command.authorize(&place)?;
        let before = place.benefit;
        if before.realises_from.is_none() {
            return Err(Error::NotInRealisation);
        }
        let organisation = command.ctx().organisation()?;
        let policy = super::entity::in_force(command.tx(), organisation).await?;
        rules::must_be_asked_for(request.number, &policy)?;
        if let Some(number) = request.number {
            rules::must_be_due(due::day(command.tx(), organisation, id, number).await?, today(command.ctx().now()))?;
        }
        let basis = Basis::of(&command, &before).await?;
        let by_rule = basis.found().by_rule(&policy);
        let outcome = basis.found().outcome(by_rule, asked, &request.deviation_reason)?;
        let deviates = by_rule != Some(outcome);
        let review: BenefitReviewId = command.ctx().new_id();
        let row = ActiveModel {
            id: Set(review.uuid()),
            number: Set(request.number),
            outcome: Set(<&str>::from(outcome).to_owned()),
            outcome_by_rule: Set(by_rule.map(|outcome| <&str>::from(outcome).to_owned())),
            deviation_reason: Set(if deviates { request.deviation_reason } else { String::new() }),
            statement: Set(request.statement),
            reviewer: Set(command.ctx().caller().subject().to_owned()),
            reviewed_at: Set(command.ctx().now()),
            ..basis.row(&before, &policy)
        };
        let row: Model = row.insert(command.tx()).await?.try_into_model()?;
        let mut benefit = before.clone().into_active_model();
        benefit.outcome = Set(Some(row.outcome.clone()));
        benefit.outcome_at = Set(Some(row.reviewed_at));
        benefit.version = Set(before.version + 1);
        let after: benefit::Model = benefit.update(command.tx()).await?.try_into_model()?;
        let changes = recorded(&row).change("benefit_outcome", before.outcome, after.outcome.as_deref());
        let (review_shown, benefit) = (Some(row.into_proto()?), Some(after.into_proto()?));
        let response = pb::RecordBenefitReviewResponse { review: review_shown, benefit };
        Ok(command.created(allowed, review, changes, response))
    })
    .await
}

/// The figures that a review rests on.
struct Basis {
    plan: i32,
    baseline: Decimal,
    target: Decimal,
    measurement: Option<measurement::Model>,
    /// Of an economic benefit whose years have begun.
    value: Option<Value>,
    share: Option<(Decimal, pb::ReviewShareBasis)>,
}

impl Basis {
    /// As they are now, against baseline 0 where a gate has frozen one (I14): of an economic benefit the realised share, where
    /// something was planned to date; else how far the newest measurement is, as GetBenefitProgress says it: where measurements are
    /// summed up it stands for a year of such.
    async fn of(command: &Command, benefit: &benefit::Model) -> Result<Self> {
        let (organisation, today) = (command.ctx().organisation()?, today(command.ctx().now()));
        let id = BenefitId::new(benefit.id);
        let month = months::first_day(today);
        let found = figures::entity::figures(command.tx(), organisation, id, month).await?;
        let Figures { measured, plan, baseline, .. } = found.ok_or_else(|| id.not_found())?;
        let row = baseline.unwrap_or(plan);
        let (plan, baseline, target) = (row.number, row.baseline, row.target);
        let economic = benefit.kind()? == BenefitKind::Economic;
        let planned = row.plan(&benefit.into(), today)?;
        let value = (economic && planned.months_gone > 0 && !planned.years.is_empty())
            .then(|| Value::sum(&planned, &planned.appraise()));
        let realised = value.and_then(|value| realised_share(value.realised, value.planned_to_date));
        let actual = measured.latest.as_ref().map(|measurement| measurement.value);
        let a_year = Decimal::from(benefit.measurements_a_year());
        let way = progress(baseline, target, actual.map(|actual| actual * a_year), !economic).value.ok();
        let share = match (realised, way) {
            (Some(share), _) => Some((share, pb::ReviewShareBasis::RealisedShare)),
            (None, Some(way)) => Some((way.value, pb::ReviewShareBasis::Progress)),
            (None, None) => None,
        };
        Ok(Self { plan, baseline, target, measurement: measured.latest, value, share })
    }

    fn found(&self) -> Found {
        Found { is_measured: self.measurement.is_some(), share: self.share.map(|(share, _)| share) }
    }

    /// What of a row the figures say.
    fn row(self, benefit: &benefit::Model, policy: &BenefitPolicy) -> ActiveModel {
        ActiveModel {
            organisation_id: Set(benefit.organisation_id),
            benefit_id: Set(benefit.id),
            plan_number: Set(self.plan),
            baseline: Set(self.baseline),
            target: Set(self.target),
            actual: Set(self.measurement.as_ref().map(|measurement| measurement.value)),
            measurement_id: Set(self.measurement.map(|measurement| measurement.id)),
            realised_ore: Set(self.value.map(|value| value.realised)),
            planned_to_date_ore: Set(self.value.map(|value| value.planned_to_date)),
            share: Set(self.share.map(|(share, _)| share)),
            share_basis: Set(self.share.map(|(_, basis)| bare(basis.as_str_name(), "REVIEW_SHARE_BASIS_"))),
            policy_version: Set(policy.version),
            realised_from: Set(policy.realised_from),
            partly_from: Set(policy.partly_from),
            ..Default::default()
        }
    }
}

fn recorded(row: &Model) -> Changes {
    Changes::default()
        .set("benefit", row.benefit_id.to_string())
        .set("number", row.number)
        .set("outcome", row.outcome.as_str())
        .set("outcome_by_rule", row.outcome_by_rule.as_deref())
        .set("deviation_reason", row.deviation_reason.as_str())
        .set("share", row.share.map(decimal_text))
        .set("share_basis", row.share_basis.as_deref())
        .set("measurement", row.measurement_id.map(|id| id.to_string()))
        .set("plan", row.plan_number)
        .set("policy_version", row.policy_version)
}

/// A benefit's reviews, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListBenefitReviewsRequest) -> Result<pb::ListBenefitReviewsResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::BenefitRead)?;
    let (reviews, next_page_token) = page.fetch(&db, entity::find_in(db.organisation(), id)).await?;
    let has_some = !reviews.is_empty() || !request.page_token.is_empty();
    db.listed_of(has_some, id, benefit::find_one_in(db.organisation(), id)).await?;
    let reviews = reviews.into_iter().map(Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListBenefitReviewsResponse { reviews, next_page_token })
}

/// The reviews that the policy asks for, a page at a time.
pub async fn list_due(
    ctx: Ctx,
    request: pb::ListDueBenefitReviewsRequest,
) -> Result<pb::ListDueBenefitReviewsResponse> {
    let page = due::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let today: Date = today(ctx.now());
    let db = ctx.read(Action::BenefitRead)?;
    let (reviews, next_page_token) = page.fetch(&db, due::find_in(db.organisation(), today)).await?;
    db.listed(reviews.is_empty()).await?;
    let reviews = reviews.into_iter().map(due::Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListDueBenefitReviewsResponse { reviews, next_page_token })
}

/// Since when a project's benefits are realised: since the newest decision that led there and that none has corrected; and
/// whether anything is asked of them: not of a project that was stopped before. Called by every command that changes that,
/// once the project stands where it leads.
pub async fn schedule(command: &Command, project: ProjectId) -> Result<()> {
    let sql = format!(
        "{} UPDATE benefits b SET realises_from = since.day, followed = since.follow FROM (SELECT \
            (SELECT max(passed.day) FROM passed WHERE passed.led_to = 'REALISATION') AS day, \
            p.status <> 'STOPPED' OR EXISTS (SELECT FROM passed WHERE passed.led_to = 'REALISATION') AS follow \
            FROM projects p WHERE p.organisation_id = $1 AND p.id = $2) since \
        WHERE b.organisation_id = $1 AND b.project_id = $2 \
            AND (b.realises_from, b.followed) IS DISTINCT FROM (since.day, since.follow)",
        planning::PASSED
    );
    let values = [command.ctx().organisation()?.uuid().into(), project.uuid().into()];
    command.tx().execute_raw(postgres(sql, values)).await?;
    Ok(())
}
