//! Gates: submit with a frozen basis, decide once, move the project. The only module that changes a stage (I01).

pub mod basis;
pub mod entity;
pub mod grpc;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, PaginatorTrait, QuerySelect, TryIntoModel};

use self::{
    entity::Model,
    rules::{GateCode, Outcome, ReviewState},
};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    benefits,
    ctx::{Changes, Command, Ctx},
    error::{Error, Result, on_constraint},
    ids::{GateReviewId, OrgUnitId, OrganisationId, ProjectId},
    organisations::entity::org_unit,
    projects,
    wire::known,
};

/// The gates that projects pass.
pub async fn model(ctx: Ctx, _: pb::GetGateModelRequest) -> Result<pb::GetGateModelResponse> {
    ctx.read(Action::GateRead).await?;
    let gates = rules::GATES.iter().map(|gate| pb::Gate {
        code: gate.code as i32,
        name_da: gate.name.0.to_owned(),
        name_en: gate.name.1.to_owned(),
        from_stage: gate.from as i32,
        to_stage: gate.to as i32,
        question_da: gate.question.0.to_owned(),
        question_en: gate.question.1.to_owned(),
    });
    Ok(pb::GetGateModelResponse { name: rules::MODEL.0.to_owned(), version: rules::MODEL.1, gates: gates.collect() })
}

/// Submits a project to its next gate.
pub async fn submit(ctx: Ctx, request: pb::SubmitGateReviewRequest) -> Result<pb::SubmitGateReviewResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let code = GateCode::from_repr(request.gate).ok_or_else(|| Error::invalid("gate", "is no gate"))?;
    ctx.command(Action::GateSubmit, Object::of(project_id), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let project = projects::load(&command, project_id).await?;
        let (organisation, submitter) = (command.ctx().organisation()?, command.ctx().caller().subject().to_owned());
        let standing = project.standing()?;
        standing.must_move()?;
        let gate = rules::must_be_next(code, standing.stage)?;
        rules::must_not_manage(&submitter, &project.project_manager)?;

        let now = command.ctx().now();
        let decided = entity::find_decided(organisation, project_id).all(command.tx()).await?;
        let attempt = attempt(&decided, code);
        let unit = unit(&command, organisation, OrgUnitId::new(project.org_unit_id)).await?;
        let benefits = benefits::entity::measured_of(command.tx(), organisation, project_id).await?;
        let basis = basis::freeze(gate.code.into(), attempt, now, &project, &unit, &benefits, &decided)?;

        let id: GateReviewId = command.ctx().new_id();
        let review = entity::ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project_id.uuid()),
            gate: Set(<&str>::from(code).to_owned()),
            attempt: Set(attempt),
            state: Set(<&str>::from(ReviewState::Submitted).to_owned()),
            submitter: Set(submitter),
            project_manager: Set(project.project_manager.clone()),
            submitted_at: Set(now),
            basis: Set(basis.text),
            basis_sha256: Set(basis.sha256),
            outcome: Set(None),
            decider: Set(None),
            reason: Set(String::new()),
            ended_at: Set(None),
        };
        let review = review
            .insert(command.tx())
            .await
            .and_then(TryIntoModel::try_into_model)
            .map_err(on_constraint("gate_reviews_one_open", || Error::ReviewAlreadyOpen))?;
        let changes = Changes::default()
            .set("project", project_id.to_string())
            .set("gate", review.gate.as_str())
            .set("attempt", review.attempt)
            .set("state", review.state.as_str())
            .set("basis_sha256", review.basis_sha256.as_str());
        let response = pb::SubmitGateReviewResponse { gate_review: Some(review.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// 1, and one more for each time this gate has sent the project back.
fn attempt(decided: &[Model], gate: GateCode) -> i32 {
    let recycled = |review: &&Model| {
        review.gate == <&str>::from(gate) && review.outcome.as_deref() == Some(Outcome::Recycle.into())
    };
    1 + i32::try_from(decided.iter().filter(recycled).count()).unwrap_or(i32::MAX - 1)
}

async fn unit(command: &Command, organisation: OrganisationId, id: OrgUnitId) -> Result<org_unit::Model> {
    let found = org_unit::find_one_in(organisation, id).one(command.tx()).await?;
    found.ok_or_else(|| id.not_found())
}

/// One review, with its basis.
pub async fn get(ctx: Ctx, request: pb::GetGateReviewRequest) -> Result<pb::GetGateReviewResponse> {
    let project = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    let db = ctx.read(Action::GateRead).await?;
    let found = entity::find_one_in(db.organisation(), project, id).one(&db).await?;
    Ok(pb::GetGateReviewResponse { gate_review: Some(found.ok_or_else(|| id.not_found())?.into_proto()?) })
}

/// A project's reviews, a page at a time, without the texts of their bases: those stay in the database.
pub async fn list(ctx: Ctx, request: pb::ListGateReviewsRequest) -> Result<pb::ListGateReviewsResponse> {
    let project = ProjectId::parse(&request.project)?;
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::GateRead).await?;
    let select = entity::find_without_basis_in(db.organisation(), project);
    let (reviews, next_page_token) = page.fetch(&db, select).await?;
    if reviews.is_empty() && request.page_token.is_empty() {
        // Empty is an answer only for a project that is there (I25).
        let there = projects::entity::find_one_in(db.organisation(), project).count(&db).await?;
        if there == 0 {
            return Err(project.not_found());
        }
    }
    Ok(pb::ListGateReviewsResponse {
        gate_reviews: reviews.into_iter().map(Model::into_proto).collect::<Result<_>>()?,
        next_page_token,
    })
}

/// Decides a submitted review and moves the project: the only way to another stage (I01).
pub async fn decide(ctx: Ctx, request: pb::DecideGateReviewRequest) -> Result<pb::DecideGateReviewResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    let outcome = Outcome::from_repr(request.outcome).ok_or_else(|| Error::invalid("outcome", "is no outcome"))?;
    ctx.command(Action::GateDecide, Object::of(id), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let (project, review) = load(&command, project_id, id).await?;
        let decider = command.ctx().caller().subject().to_owned();
        let managers = [review.project_manager.as_str(), project.project_manager.as_str()];
        rules::must_be_three(&decider, &review.submitter, managers)?;
        let standing = project.standing()?;
        standing.must_move()?;
        let gate = rules::must_be_next(known(&review.gate)?, standing.stage)?;

        let mut decided = review.clone().into_active_model();
        decided.outcome = Set(Some(<&str>::from(outcome).to_owned()));
        decided.decider = Set(Some(decider));
        let decided = end(&command, decided, ReviewState::Decided, request.reason).await?;
        let (stage, status) = rules::after(gate, outcome);
        let moved = projects::stand(&command, &project, stage, status).await?;
        let changes = projects::changed(&project, &moved)
            .change("state", review.state, decided.state.as_str())
            .set("outcome", decided.outcome.as_deref())
            .set("decider", decided.decider.as_deref())
            .set("reason", decided.reason.as_str())
            .set("basis_sha256", decided.basis_sha256.as_str());
        let response = pb::DecideGateReviewResponse {
            gate_review: Some(decided.into_proto()?),
            project: Some(moved.into_proto()?),
        };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Takes a submitted review back.
pub async fn withdraw(ctx: Ctx, request: pb::WithdrawGateReviewRequest) -> Result<pb::WithdrawGateReviewResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    ctx.command(Action::GateWithdraw, Object::of(id), async move |command| {
        let (_, review) = load(&command, project_id, id).await?;
        let allowed = command.authorize(&review)?;
        let withdrawn = review.clone().into_active_model();
        let withdrawn = end(&command, withdrawn, ReviewState::Withdrawn, request.reason).await?;
        let changes = Changes::default()
            .change("state", review.state, withdrawn.state.as_str())
            .set("reason", withdrawn.reason.as_str());
        let response = pb::WithdrawGateReviewResponse { gate_review: Some(withdrawn.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// A submitted review and its project, both locked, the project first as everywhere: commands wait, none deadlocks.
async fn load(command: &Command, project_id: ProjectId, id: GateReviewId) -> Result<(projects::entity::Model, Model)> {
    let project = projects::load(command, project_id).await?;
    let organisation = command.ctx().organisation()?;
    let found = entity::find_one_in(organisation, project_id, id).lock_exclusive().one(command.tx()).await?;
    let review = found.ok_or_else(|| id.not_found())?;
    if review.state != <&str>::from(ReviewState::Submitted) {
        return Err(Error::ReviewNotOpen { state: review.state });
    }
    Ok((project, review))
}

async fn end(command: &Command, mut review: entity::ActiveModel, state: ReviewState, reason: String) -> Result<Model> {
    review.state = Set(<&str>::from(state).to_owned());
    review.reason = Set(reason);
    review.ended_at = Set(Some(command.ctx().now()));
    Ok(review.update(command.tx()).await?.try_into_model()?)
}
