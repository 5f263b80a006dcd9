//! Plans: baselines that are never edited, changes of direction, small steps (S09, S10).

pub mod entity;
pub mod grpc;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, PaginatorTrait, QueryFilter, TryIntoModel,
};
use time::Date;

use self::{
    entity::{Planned, baseline, direction_change, increment},
    rules::Held,
};
use crate::{
    audit::Object,
    auth::Action,
    benefits::{entity::benefit, planning},
    ctx::{Changes, Command, Ctx},
    error::{Error, Result, on_constraint},
    gates,
    ids::{BenefitId, DirectionChangeId, IncrementId, ProjectId},
    projects,
    wire::{day, decimal_text},
};

/// Sets what a project is held to first: baseline 0, once.
pub async fn set_baseline(ctx: Ctx, request: pb::SetProjectBaselineRequest) -> Result<pb::SetProjectBaselineResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let end_on = day("end_on", &request.end_on)?;
    ctx.command(Action::BaselineSet, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        project.standing()?.must_not_have_ended()?;
        let baseline = hold(&command, project_id, 0, request.budget_ore, end_on, request.scope).await?;
        planning::move_starts(&command, project_id).await?;
        let changes = held(&baseline).set("scope", baseline.scope.as_str());
        let response = pb::SetProjectBaselineResponse { baseline: Some(baseline.into()) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Changes direction: the next baseline, and why (S10).
pub async fn change_direction(ctx: Ctx, request: pb::ChangeDirectionRequest) -> Result<pb::ChangeDirectionResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let end_on = day("end_on", &request.end_on)?;
    ctx.command(Action::DirectionChange, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        project.standing()?.must_not_have_ended()?;
        projects::must_have_room(&command, project_id, "direction_changes", "direction_change").await?;
        let organisation = command.ctx().organisation()?;
        let newest = baseline::find_newest_in(organisation, project_id).one(command.tx()).await?;
        let number = newest.ok_or(Error::BaselineMissing)?.number + 1;
        let baseline = hold(&command, project_id, number, request.budget_ore, end_on, request.to.clone()).await?;
        planning::move_starts(&command, project_id).await?;
        let id: DirectionChangeId = command.ctx().new_id();
        let change = direction_change::ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project_id.uuid()),
            from_direction: Set(request.from),
            to_direction: Set(request.to),
            learnt: Set(request.trigger),
            decided_by: Set(command.ctx().caller().subject().to_owned()),
            decided_for: Set(command.ctx().acting_for().map(str::to_owned)),
            decided_at: Set(command.ctx().now()),
            baseline_number: Set(number),
        };
        let change: direction_change::Model = change.insert(command.tx()).await?.try_into_model()?;
        let changes = held(&baseline)
            .set("from", change.from_direction.as_str())
            .set("to", change.to_direction.as_str())
            .set("trigger", change.learnt.as_str())
            .set("decided_for", change.decided_for.as_deref());
        let planned = entity::planned(command.tx(), organisation, project_id).await?;
        let Planned { baselines, direction_changes, increments, .. } = planned.ok_or_else(|| project_id.not_found())?;
        let plan = into_proto(baselines, direction_changes, increments)?;
        let response = pb::ChangeDirectionResponse { direction_change: Some(change.into()), plan: Some(plan) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// Adds a baseline; there is one of each number.
async fn hold(
    command: &Command,
    project: ProjectId,
    number: i32,
    budget_ore: i64,
    end_on: Date,
    scope: String,
) -> Result<baseline::Model> {
    let baseline = baseline::ActiveModel {
        organisation_id: Set(command.ctx().organisation()?.uuid()),
        project_id: Set(project.uuid()),
        number: Set(number),
        budget_ore: Set(budget_ore),
        end_on: Set(end_on),
        scope: Set(scope),
        set_by: Set(command.ctx().caller().subject().to_owned()),
        set_at: Set(command.ctx().now()),
    };
    let inserted = baseline.insert(command.tx()).await.and_then(TryIntoModel::try_into_model);
    inserted.map_err(on_constraint("project_baselines_number_key", || Error::BaselineExists))
}

/// What a baseline holds a project to, for the audit entry.
fn held(baseline: &baseline::Model) -> Changes {
    Changes::default()
        .set("project", baseline.project_id.to_string())
        .set("baseline_number", baseline.number)
        .set("budget_ore", baseline.budget_ore.to_string())
        .set("end_on", baseline.end_on.to_string())
}

/// Plans a small step (S09).
pub async fn plan_increment(ctx: Ctx, request: pb::PlanIncrementRequest) -> Result<pb::PlanIncrementResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let benefit_id = request.benefit.as_deref().map(BenefitId::parse).transpose()?;
    let start_on = day("start_on", &request.start_on)?;
    let end_on = rules::last_day(start_on, request.days)?;
    ctx.command(Action::IncrementPlan, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        project.standing()?.must_not_have_ended()?;
        projects::must_have_room(&command, project_id, "increments", "increment").await?;
        let organisation = command.ctx().organisation()?;
        if let Some(benefit_id) = benefit_id {
            let of_the_project = benefit::Column::ProjectId.eq(project_id.uuid());
            let found = benefit::find_one_in(organisation, benefit_id).filter(of_the_project).count(command.tx());
            if found.await? == 0 {
                return Err(benefit_id.not_found());
            }
        }
        let caps = gates::model::track_caps(&command, &project).await?;
        rules::must_be_small(request.budget_ore, request.days, caps)?;
        let id: IncrementId = command.ctx().new_id();
        let increment = increment::ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project_id.uuid()),
            goal: Set(request.goal),
            benefit_id: Set(benefit_id.map(BenefitId::uuid)),
            scope: Set(request.scope),
            budget_ore: Set(request.budget_ore),
            start_on: Set(start_on),
            end_on: Set(end_on),
            done_criteria: Set(request.done_criteria),
            state: Set(PLANNED.to_owned()),
            result: Set(String::new()),
            planner: Set(command.ctx().caller().subject().to_owned()),
            planned_at: Set(command.ctx().now()),
            ended_by: Set(None),
            ended_at: Set(None),
        };
        let increment: increment::Model = increment.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("project", project_id.to_string())
            .set("goal", increment.goal.as_str())
            .set("benefit", increment.benefit_id.map(|id| id.to_string()))
            .set("scope", increment.scope.as_str())
            .set("budget_ore", increment.budget_ore.to_string())
            .set("start_on", increment.start_on.to_string())
            .set("end_on", increment.end_on.to_string())
            .set("done_criteria", increment.done_criteria.clone())
            .set("state", increment.state.as_str());
        let response = pb::PlanIncrementResponse { increment: Some(increment.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// Ends a step, also of a project that has ended.
pub async fn end_increment(ctx: Ctx, request: pb::EndIncrementRequest) -> Result<pb::EndIncrementResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = IncrementId::parse(&request.increment)?;
    ctx.command(Action::IncrementEnd, Object::of(id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        let organisation = command.ctx().organisation()?;
        let found = increment::find_one_in(organisation, project_id, id).one(command.tx()).await?;
        let before = found.ok_or_else(|| id.not_found())?;
        if before.state != PLANNED {
            return Err(Error::AlreadyEnded { kind: "increment" });
        }
        let mut increment = before.clone().into_active_model();
        increment.state = Set(if request.done { "DONE" } else { "ABANDONED" }.to_owned());
        increment.result = Set(request.result);
        increment.ended_by = Set(Some(command.ctx().caller().subject().to_owned()));
        increment.ended_at = Set(Some(command.ctx().now()));
        let increment: increment::Model = increment.update(command.tx()).await?.try_into_model()?;
        planning::move_starts(&command, project_id).await?;
        let changes = Changes::default()
            .change("state", before.state, increment.state.as_str())
            .set("result", increment.result.as_str())
            .set("ended_by", increment.ended_by.as_deref());
        let response = pb::EndIncrementResponse { increment: Some(increment.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Where an increment is until it ends.
const PLANNED: &str = "PLANNED";

/// A project's plan.
pub async fn get(ctx: Ctx, request: pb::GetProjectPlanRequest) -> Result<pb::GetProjectPlanResponse> {
    let id = ProjectId::parse(&request.project)?;
    let db = ctx.read(Action::ProjectRead)?;
    let found = entity::planned(&db, db.organisation(), id).await?;
    let Planned { baselines, direction_changes, increments, .. } = db.found(found, id).await?;
    Ok(pb::GetProjectPlanResponse { plan: Some(into_proto(baselines, direction_changes, increments)?) })
}

/// A project's plan as the contract shows it, from rows in its order: baselines and changes of direction by number,
/// increments by their first day.
pub fn into_proto(
    baselines: Vec<baseline::Model>,
    direction_changes: Vec<direction_change::Model>,
    increments: Vec<increment::Model>,
) -> Result<pb::ProjectPlan> {
    let held = |row: &baseline::Model| Held { budget_ore: row.budget_ore, end_on: row.end_on };
    let variance = baselines.first().zip(baselines.last()).map(|(first, newest)| {
        let variance = rules::variance(held(first), held(newest));
        pb::Variance {
            budget_ore: variance.budget_ore,
            budget_share: variance.budget_share.map(decimal_text),
            days: variance.days,
            formula: rules::FORMULA.to_owned(),
        }
    });
    Ok(pb::ProjectPlan {
        baselines: baselines.into_iter().map(Into::into).collect(),
        variance,
        direction_changes: direction_changes.into_iter().map(Into::into).collect(),
        increments: increments.into_iter().map(increment::Model::into_proto).collect::<Result<_>>()?,
    })
}
