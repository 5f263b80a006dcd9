//! Reading and setting the benefit policy.

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, QueryFilter, TryIntoModel};

use super::{
    calendar,
    entity::{self, ActiveModel, Column, Model},
    rules::BenefitPolicy,
};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::{Error, Result, on_constraint},
    ids::{self, BenefitPolicyId},
    wire::{decimal, decimal_text},
};

/// One version: the one asked for, or the one in force.
pub async fn get(ctx: Ctx, request: pb::GetBenefitPolicyRequest) -> Result<pb::GetBenefitPolicyResponse> {
    let db = ctx.read(Action::OrganisationRead)?;
    let mut find = entity::find_in(db.organisation());
    if let Some(version) = request.version {
        find = find.filter(Column::Version.eq(version));
    }
    let found = find.one(&db).await?;
    db.allowed().await?;
    let policy = match (found, request.version) {
        (Some(found), _) => found.into_proto(),
        (None, None | Some(0)) => BenefitPolicy::default().into(),
        (None, Some(version)) => {
            return Err(Error::NotFound { kind: "benefit_policy", id: version.to_string() });
        }
    };
    Ok(pb::GetBenefitPolicyResponse { policy: Some(policy) })
}

/// Sets the policy, whole, in the place of the version named.
pub async fn set(ctx: Ctx, request: pb::SetBenefitPolicyRequest) -> Result<pb::SetBenefitPolicyResponse> {
    let replaces = request.replaces_version;
    let policy = BenefitPolicy {
        version: replaces.saturating_add(1),
        review_months: request.review_months,
        grace_days: request.grace_days,
        missing_days: request.missing_days,
        yellow_below: decimal("yellow_below", &request.yellow_below)?,
        red_below: decimal("red_below", &request.red_below)?,
        realised_from: decimal("realised_from", &request.realised_from)?,
        partly_from: decimal("partly_from", &request.partly_from)?,
    };
    policy.must_be_sound()?;
    ctx.command(Action::BenefitPolicySet, Object::new::<ids::BenefitPolicy>(), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let organisation = command.ctx().organisation()?;
        let before = entity::in_force(command.tx(), organisation).await?;
        if before.version != replaces {
            return Err(Error::EtagStale);
        }
        let id: BenefitPolicyId = command.ctx().new_id();
        let row = ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            version: Set(policy.version),
            review_months: Set(policy.review_months.clone()),
            grace_days: Set(policy.grace_days),
            missing_days: Set(policy.missing_days),
            yellow_below: Set(policy.yellow_below),
            red_below: Set(policy.red_below),
            realised_from: Set(policy.realised_from),
            partly_from: Set(policy.partly_from),
            setter: Set(command.ctx().caller().subject().to_owned()),
            set_at: Set(command.ctx().now()),
            reason: Set(request.reason),
        };
        // Of two that take the place of one version, one comes second.
        let row: Model = row
            .insert(command.tx())
            .await
            .and_then(TryIntoModel::try_into_model)
            .map_err(on_constraint("benefit_policies_version_key", || Error::EtagStale))?;
        if policy.moves_days(&before) {
            calendar::look_at_all(&command).await?;
        }
        let changes = changed(&before, &policy).set("reason", row.reason.as_str());
        let response = pb::SetBenefitPolicyResponse { policy: Some(row.into_proto()) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

fn changed(before: &BenefitPolicy, after: &BenefitPolicy) -> Changes {
    Changes::default()
        .change("version", before.version, after.version)
        .change("review_months", before.review_months.clone(), after.review_months.clone())
        .change("grace_days", before.grace_days, after.grace_days)
        .change("missing_days", before.missing_days, after.missing_days)
        .change("yellow_below", decimal_text(before.yellow_below), decimal_text(after.yellow_below))
        .change("red_below", decimal_text(before.red_below), decimal_text(after.red_below))
        .change("realised_from", decimal_text(before.realised_from), decimal_text(after.realised_from))
        .change("partly_from", decimal_text(before.partly_from), decimal_text(after.partly_from))
}
