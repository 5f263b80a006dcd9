//! Strategy goals: what the organisation wants to reach, and what benefit maps lead to (S02, S29). A goal is ended, never
//! removed: maps and frozen bases go on naming it.

pub mod entity;
pub mod grpc;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QuerySelect, TryIntoModel};

use self::entity::Model;
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::{Error, Result, on_constraint},
    ids::{StrategyGoal, StrategyGoalId},
    wire::{bare, day, today},
};

/// Adds a goal.
pub async fn create(ctx: Ctx, request: pb::CreateStrategyGoalRequest) -> Result<pb::CreateStrategyGoalResponse> {
    let principle = Some(request.principle()).filter(|principle| *principle != pb::Principle::Unspecified);
    let principle = principle.map(|principle| bare(principle.as_str_name(), "PRINCIPLE_"));
    let title = request.title.unwrap_or_default();
    ctx.command(Action::StrategyGoalCreate, Object::new::<StrategyGoal>(), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let id: StrategyGoalId = command.ctx().new_id();
        let goal = entity::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            code: Set(request.code.clone()),
            title_da: Set(title.da),
            title_en: Set(title.en),
            principle: Set(principle),
            created_by: Set(command.ctx().caller().subject().to_owned()),
            created_at: Set(command.ctx().now()),
            ends_on: Set(None),
            ended_by: Set(None),
            ended_at: Set(None),
            end_reason: Set(String::new()),
        };
        let taken = || Error::NameTaken { kind: "strategy_goal", name: request.code };
        let inserted = goal.insert(command.tx()).await.and_then(TryIntoModel::try_into_model);
        let goal: Model = inserted.map_err(on_constraint("strategy_goals_code_key", taken))?;
        let changes = Changes::default()
            .set("code", goal.code.as_str())
            .set("title_da", goal.title_da.as_str())
            .set("title_en", goal.title_en.as_str())
            .set("principle", goal.principle.as_deref());
        let response = pb::CreateStrategyGoalResponse { strategy_goal: Some(goal.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// Ends a goal, once.
pub async fn end(ctx: Ctx, request: pb::EndStrategyGoalRequest) -> Result<pb::EndStrategyGoalResponse> {
    let id = StrategyGoalId::parse(&request.strategy_goal)?;
    let ends_on = day("ends_on", &request.ends_on)?;
    rules::must_not_be_over(ends_on, today(ctx.now()))?;
    ctx.command(Action::StrategyGoalEnd, Object::of(id), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let found = entity::find_one_in(command.ctx().organisation()?, id).lock_exclusive().one(command.tx()).await?;
        let before = found.ok_or_else(|| id.not_found())?;
        if before.ends_on.is_some() {
            return Err(Error::AlreadyEnded { kind: "strategy_goal" });
        }
        let mut goal = before.into_active_model();
        goal.ends_on = Set(Some(ends_on));
        goal.ended_by = Set(Some(command.ctx().caller().subject().to_owned()));
        goal.ended_at = Set(Some(command.ctx().now()));
        goal.end_reason = Set(request.reason);
        let goal: Model = goal.update(command.tx()).await?.try_into_model()?;
        let changes = Changes::default().set("ends_on", ends_on.to_string()).set("reason", goal.end_reason.as_str());
        let response = pb::EndStrategyGoalResponse { strategy_goal: Some(goal.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// The organisation's goals, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListStrategyGoalsRequest) -> Result<pb::ListStrategyGoalsResponse> {
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::OrganisationRead)?;
    let (goals, next_page_token) = page.fetch(&db, entity::find_in(db.organisation())).await?;
    db.allowed().await?;
    let strategy_goals = goals.into_iter().map(Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListStrategyGoalsResponse { strategy_goals, next_page_token })
}
