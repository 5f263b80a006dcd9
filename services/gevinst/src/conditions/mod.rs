//! Conditions: what gates let projects go on upon, who sees to it, and by when.
//!
//! Every command locks the project first and then the condition, as gates do: commands wait, none deadlocks.

pub mod entity;
pub mod grpc;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait, TryIntoModel};
use time::Date;

use self::entity::{ConditionState, Model, Placed};
use crate::{
    audit::Object,
    auth::Action,
    ctx::{Changes, Command, Ctx},
    error::{Error, Result},
    ids::{ConditionId, GateReviewId, ProjectId},
    projects::{
        self,
        entity::event::{self, Kind},
        rules::Status,
    },
    wire::{day, etag, json_list, today},
};

/// The organisation's conditions, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListConditionsRequest) -> Result<pb::ListConditionsResponse> {
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::ConditionRead)?;
    let (conditions, next_page_token) = page.fetch(&db, entity::find_in(db.organisation())).await?;
    db.listed(conditions.is_empty()).await?;
    Ok(pb::ListConditionsResponse {
        conditions: conditions.into_iter().map(Model::into_proto).collect::<Result<_>>()?,
        next_page_token,
    })
}

/// Says that a condition is met; late, too.
pub async fn meet(ctx: Ctx, request: pb::MeetConditionRequest) -> Result<pb::MeetConditionResponse> {
    let id = ConditionId::parse(&request.condition)?;
    let evidence = json_list(&request.evidence)?;
    ctx.command(Action::ConditionMeet, Object::of(id), async move |command| {
        let (_, placed) = load(&command, id).await?;
        let allowed = command.authorize(&placed)?;
        let before = placed.condition;
        must_be_unsettled(&before)?;
        let mut condition = before.clone().into_active_model();
        condition.evidence = Set(evidence.clone());
        let after = settle(&command, &before, condition, ConditionState::Met, request.reason).await?;
        let changes = settled(&before, &after).set("evidence", evidence);
        let response = pb::MeetConditionResponse { condition: Some(after.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Proposes to let a condition go unmet. A later proposal replaces an earlier one.
pub async fn propose_waiver(
    ctx: Ctx,
    request: pb::ProposeConditionWaiverRequest,
) -> Result<pb::ProposeConditionWaiverResponse> {
    let id = ConditionId::parse(&request.condition)?;
    ctx.command(Action::ConditionProposeWaiver, Object::of(id), async move |command| {
        let (_, placed) = load(&command, id).await?;
        let allowed = command.authorize(&placed)?;
        let before = placed.condition;
        must_be_unsettled(&before)?;
        let mut condition = before.clone().into_active_model();
        condition.waiver_proposer = Set(Some(command.ctx().caller().subject().to_owned()));
        condition.waiver_reason = Set(request.reason);
        let after = save(&command, &before, condition).await?;
        let changes = Changes::default()
            .change("waiver_proposer", before.waiver_proposer.as_deref(), after.waiver_proposer.as_deref())
            .change("waiver_reason", before.waiver_reason.as_str(), after.waiver_reason.as_str());
        // Somebody may say the same again: it is recorded that they did.
        let changes = changes.change("etag", etag(before.version), etag(after.version));
        let response = pb::ProposeConditionWaiverResponse { condition: Some(after.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Waives a condition, as somebody else than who proposed it.
pub async fn approve_waiver(
    ctx: Ctx,
    request: pb::ApproveConditionWaiverRequest,
) -> Result<pb::ApproveConditionWaiverResponse> {
    let id = ConditionId::parse(&request.condition)?;
    ctx.command(Action::ConditionApproveWaiver, Object::of(id), async move |command| {
        let (_, placed) = load(&command, id).await?;
        let allowed = command.authorize(&placed)?;
        let before = placed.condition;
        must_be_unsettled(&before)?;
        if before.waiver_proposer.is_none() {
            return Err(Error::WaiverNotProposed);
        }
        if etag(before.version) != request.etag {
            return Err(Error::EtagStale);
        }
        let condition = before.clone().into_active_model();
        let after = settle(&command, &before, condition, ConditionState::Waived, request.reason).await?;
        let changes = settled(&before, &after);
        let response = pb::ApproveConditionWaiverResponse { condition: Some(after.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Lapses a condition whose last day has passed; a blocking one puts its project on hold. The clock's alone (`clock.rs`).
pub async fn lapse(ctx: Ctx, id: ConditionId) -> Result<()> {
    ctx.command(Action::ConditionLapse, Object::of(id), async move |command| {
        let (project, placed) = load(&command, id).await?;
        let allowed = command.authorize(&placed)?;
        let before = placed.condition;
        if before.state()? != ConditionState::Open || before.due_on >= today(command.ctx().now()) {
            // Nobody is refused anything: somebody was faster.
            return Err(Error::Conflict(DbErr::Custom(format!("condition {id} is not overdue any more"))));
        }
        let condition = before.clone().into_active_model();
        let after = settle(&command, &before, condition, ConditionState::Lapsed, String::new()).await?;
        let mut changes = settled(&before, &after);
        let standing = project.standing()?;
        if after.blocking && standing.must_move().is_ok() {
            let held = projects::stand(&command, &project, standing.stage, Status::OnHold).await?;
            event::record(&command, project.id(), Kind::HeldByCondition, &after.title).await?;
            changes = changes.set("project", project.id().to_string()).change(
                "status",
                project.status.as_str(),
                held.status.as_str(),
            );
        }
        Ok(command.done(allowed, changes, ()))
    })
    .await
}

/// Holds the conditions of a decision to their days: of the calendar, and none in the past.
pub fn must_be_due(conditions: &[pb::NewCondition], today: Date) -> Result<()> {
    let mut wrong = Vec::new();
    for (number, condition) in conditions.iter().enumerate() {
        let field = format!("conditions[{number}].due_on");
        match day(&field, &condition.due_on) {
            Ok(due_on) if due_on < today => wrong.push((field, "has passed: today is the earliest".to_owned())),
            Ok(_) => {}
            Err(Error::FieldInvalid(fields)) => wrong.extend(fields),
            Err(error) => return Err(error),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::FieldInvalid(wrong)) }
}

/// Sets the conditions of a decision, in the command that decides.
pub async fn create(
    command: &Command,
    review: GateReviewId,
    project: ProjectId,
    conditions: &[pb::NewCondition],
) -> Result<Vec<Model>> {
    let ctx = command.ctx();
    let organisation = ctx.organisation()?;
    let set = |(number, new): (usize, &pb::NewCondition)| {
        let id: ConditionId = ctx.new_id();
        Ok(entity::ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project.uuid()),
            gate_review_id: Set(review.uuid()),
            title: Set(new.title.clone()),
            owner: Set(new.owner.clone()),
            due_on: Set(day(&format!("conditions[{number}].due_on"), &new.due_on)?),
            blocking: Set(new.blocking),
            state: Set(<&str>::from(ConditionState::Open).to_owned()),
            evidence: Set(serde_json::Value::Array(Vec::new())),
            waiver_proposer: Set(None),
            waiver_reason: Set(String::new()),
            settled_by: Set(None),
            settle_reason: Set(String::new()),
            settled_at: Set(None),
            version: Set(1),
            created_at: Set(ctx.now()),
        })
    };
    let rows: Vec<entity::ActiveModel> = conditions.iter().enumerate().map(set).collect::<Result<_>>()?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    Ok(entity::Entity::insert_many(rows).exec_with_returning(command.tx()).await?)
}

/// Ends what a superseded decision had set and nobody has met or waived. Gives what it has ended.
pub async fn supersede(command: &Command, review: GateReviewId) -> Result<Vec<Model>> {
    let ctx = command.ctx();
    Ok(entity::supersede(command.tx(), ctx.organisation()?, review, ctx.now()).await?)
}

/// Whether a project waits for a blocking condition whose day has passed.
pub async fn any_lapsed(command: &Command, project: ProjectId) -> Result<bool> {
    let organisation = command.ctx().organisation()?;
    Ok(entity::find_blocking_lapsed(organisation, project).count(command.tx()).await? > 0)
}

/// A condition and its project, both locked. Which project it is never changes, so it can be asked first.
async fn load(command: &Command, id: ConditionId) -> Result<(projects::entity::Model, Placed)> {
    let organisation = command.ctx().organisation()?;
    let found = entity::find_one_in(organisation, id).one(command.tx()).await?.ok_or_else(|| id.not_found())?;
    let project = projects::load(command, ProjectId::new(found.project_id)).await?;
    let placed = entity::placed(command.tx(), organisation, id).await?;
    Ok((project, placed.ok_or_else(|| id.not_found())?))
}

/// One missed day does not end it: what has lapsed can still be met or waived.
fn must_be_unsettled(condition: &Model) -> Result<()> {
    match condition.state()? {
        ConditionState::Open | ConditionState::Lapsed => Ok(()),
        _ => Err(Error::ConditionNotOpen { state: condition.state.clone() }),
    }
}

async fn settle(
    command: &Command,
    before: &Model,
    mut condition: entity::ActiveModel,
    state: ConditionState,
    reason: String,
) -> Result<Model> {
    condition.state = Set(<&str>::from(state).to_owned());
    condition.settled_by = Set(Some(command.ctx().caller().subject().to_owned()));
    condition.settle_reason = Set(reason);
    condition.settled_at = Set(Some(command.ctx().now()));
    save(command, before, condition).await
}

/// Writes a changed condition, under its next version.
async fn save(command: &Command, before: &Model, mut condition: entity::ActiveModel) -> Result<Model> {
    condition.version = Set(before.version + 1);
    Ok(condition.update(command.tx()).await?.try_into_model()?)
}

/// What settling changed, for the audit entry.
fn settled(before: &Model, after: &Model) -> Changes {
    let changes = Changes::default().change("state", before.state.as_str(), after.state.as_str());
    if after.settle_reason.is_empty() { changes } else { changes.set("reason", after.settle_reason.as_str()) }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn due(days: &[&str]) -> Result<(), Vec<String>> {
        let due = |day: &&str| pb::NewCondition { due_on: (*day).to_owned(), ..Default::default() };
        let conditions: Vec<pb::NewCondition> = days.iter().map(due).collect();
        match must_be_due(&conditions, date!(2026 - 11 - 23)) {
            Ok(()) => Ok(()),
            Err(Error::FieldInvalid(fields)) => Err(fields.into_iter().map(|(field, _)| field).collect()),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn today_and_later_taken_the_past_and_what_is_no_day_refused_each_by_its_place() {
        assert_eq!(due(&[]), Ok(()));
        assert_eq!(due(&["2026-11-23", "2999-12-31"]), Ok(()));
        assert_eq!(due(&["2026-11-23", "2026-11-22"]), Err(vec!["conditions[1].due_on".to_owned()]));
        let places = [0, 2].map(|number| format!("conditions[{number}].due_on"));
        assert_eq!(due(&["2026-02-30", "2027-01-01", "2025-12-31"]), Err(places.to_vec()));
    }
}
