//! Gates: submit with a frozen basis, decide once, move the project. The only module that changes a stage (I01).

pub mod basis;
pub mod entity;
pub mod grpc;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, PaginatorTrait, QuerySelect, TryIntoModel};

use self::{
    entity::{Model, Placed, vote},
    rules::{GateCode, Outcome, ReviewState, RiskClass},
};
use crate::{
    access::entity::{authority_rule, token_denial},
    audit::Object,
    auth::{Action, Allowed, Authority, Resource, policy::Deciding},
    benefits,
    ctx::{Changes, Command, Ctx, Reading},
    error::{Error, Result, on_constraint},
    ids::{GateReviewId, OrgUnitId, OrganisationId, ProjectId},
    organisations::entity::{org_unit, organisation},
    projects,
    wire::known,
};

/// The gates that projects pass.
pub async fn model(ctx: Ctx, _: pb::GetGateModelRequest) -> Result<pb::GetGateModelResponse> {
    let db = ctx.read(Action::OrganisationRead)?;
    organisation::find_in(db.organisation()).one(&db).await?;
    db.allowed().await?;
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
    // What nobody has assessed is not called safe.
    let risk = RiskClass::from_repr(request.risk_class).unwrap_or(RiskClass::High);
    ctx.command(Action::GateSubmit, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        let (organisation, submitter) = (command.ctx().organisation()?, command.ctx().caller().subject().to_owned());
        let standing = project.standing()?;
        standing.must_move()?;
        let gate = rules::must_be_next(code, standing.stage)?;

        let now = command.ctx().now();
        let decided = entity::find_decided(organisation, project_id).all(command.tx()).await?;
        let attempt = attempt(&decided, code);
        let unit = unit(&command, organisation, OrgUnitId::new(project.org_unit_id)).await?;
        let benefits = benefits::entity::measured_of(command.tx(), organisation, project_id).await?;
        let asked = basis::Asked { gate: gate.code.into(), attempt, at: now, amount_ore: request.amount_ore, risk };
        let basis = basis::freeze(&asked, &project, &unit, &benefits, &decided)?;

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
            amount_ore: Set(request.amount_ore),
            risk_class: Set(<&str>::from(risk).to_owned()),
            outcome: Set(None),
            decider: Set(None),
            decided_for: Set(None),
            submitted_for: Set(command.ctx().acting_for().map(str::to_owned)),
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
            .set("amount_ore", review.amount_ore.to_string())
            .set("risk_class", review.risk_class.as_str())
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
    let db = ctx.read(Action::GateRead)?;
    let found = entity::placed(&db, db.organisation(), project, id).await?;
    let Placed { review, votes, .. } = db.found(found, id).await?;
    let votes = votes.into_iter().map(vote::Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::GetGateReviewResponse { gate_review: Some(pb::GateReview { votes, ..review.into_proto()? }) })
}

/// A project's reviews, a page at a time, without the texts of their bases: those stay in the database.
pub async fn list(ctx: Ctx, request: pb::ListGateReviewsRequest) -> Result<pb::ListGateReviewsResponse> {
    let project = ProjectId::parse(&request.project)?;
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::GateRead)?;
    let select = entity::find_without_basis_in(db.organisation(), project);
    let (reviews, next_page_token) = page.fetch(&db, select).await?;
    // Empty is an answer only for a project that is there (I25).
    let is_there = !reviews.is_empty()
        || !request.page_token.is_empty()
        || projects::entity::find_one_in(db.organisation(), project).count(&db).await? > 0;
    db.listed(!is_there).await?;
    if !is_there {
        return Err(project.not_found());
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
        let (project, review) = load(&command, project_id, id).await?;
        let ctx = command.ctx();
        let rules = authority_rule::in_force(command.tx(), ctx.organisation()?, ctx.now()).await?;
        let mut deciding = deciding(&project, &review, outcome)?;
        let rule = rules::mandate(&rules, |role| command.holds(role, &project.scopes), &deciding);
        deciding.mandate = rule.map(|(_, rule)| rule.mandate.clone());
        let allowed = command.authorize_deciding(&placed(&project, &review), &deciding)?;
        must_be_open(&review)?;
        let standing = project.standing()?;
        standing.must_move()?;
        let gate = rules::must_be_next(known(&review.gate)?, standing.stage)?;

        // An escalation rests on no rule: it is what is left without one.
        let rule = rule.filter(|_| outcome != Outcome::Escalated);
        let votes = answer(&command, &review, outcome, &request.reason, rule.map(|(id, _)| *id)).await?;
        let asked = |vote: &vote::Model| rules.iter().find(|(id, _)| Some(*id) == vote.authority_rule_id);
        let second = votes.iter().filter_map(asked).any(|(_, rule)| rule.second_required);
        let voted = votes.last().map_or("", |vote| vote.voter.as_str()).to_owned();
        let changes = Changes::default()
            .set("outcome", deciding.outcome.as_str())
            .set("reason", request.reason.as_str())
            .set("amount_ore", review.amount_ore.to_string())
            .set("authority_rule", rule.map(|(id, _)| id.to_string()))
            .set("basis_sha256", review.basis_sha256.as_str());
        let answers = standing_answers(&command, &project, &review, &votes).await?;
        let votes = votes.into_iter().map(vote::Model::into_proto).collect::<Result<_>>()?;
        if !rules::is_decided(answers, outcome, second) {
            let gate_review = Some(pb::GateReview { votes, ..review.into_proto()? });
            let response = pb::DecideGateReviewResponse { gate_review, project: Some(project.into_proto()?) };
            return Ok(command.done(allowed, changes.set("vote", voted), response));
        }
        let mut decided = review.clone().into_active_model();
        decided.outcome = Set(Some(deciding.outcome.clone()));
        decided.decider = Set(Some(voted));
        decided.decided_for = Set(command.ctx().acting_for().map(str::to_owned));
        let decided = end(&command, decided, ReviewState::Decided, request.reason).await?;
        let (stage, status) = rules::after(gate, outcome);
        let moved = projects::stand(&command, &project, stage, status).await?;
        let changes = changes
            .and(projects::changed(&project, &moved))
            .change("state", review.state, decided.state.as_str())
            .set("decider", decided.decider.as_deref())
            .set("decided_for", decided.decided_for.as_deref());
        let response = pb::DecideGateReviewResponse {
            gate_review: Some(pb::GateReview { votes, ..decided.into_proto()? }),
            project: Some(moved.into_proto()?),
        };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// How many answers still count: not those of people who have become the project's manager since, nor of those whose
/// access has been revoked (I03).
async fn standing_answers(
    command: &Command,
    project: &projects::entity::Model,
    review: &Model,
    votes: &[vote::Model],
) -> Result<usize> {
    if votes.len() == 1 {
        return Ok(1);
    }
    let people: Vec<&str> = votes.iter().flat_map(|vote| [vote.voter.as_str(), &vote.principal]).collect();
    let revoked = token_denial::subjects_among(command.tx(), command.ctx().organisation()?, &people).await?;
    let barred = |who: &str| {
        revoked.iter().any(|revoked| revoked == who)
            || [project.project_manager.as_str(), &review.submitter, review.submitted_for()].contains(&who)
    };
    Ok(votes.iter().filter(|vote| !barred(&vote.voter) && !barred(&vote.principal)).count())
}

/// Adds the caller's answer to those given before, which must be the same (an escalation may follow any); gives all.
async fn answer(
    command: &Command,
    review: &Model,
    outcome: Outcome,
    reason: &str,
    rule: Option<uuid::Uuid>,
) -> Result<Vec<vote::Model>> {
    let (ctx, organisation) = (command.ctx(), command.ctx().organisation()?);
    let mut votes = vote::find_in(organisation, GateReviewId::new(review.id)).all(command.tx()).await?;
    let name: &str = outcome.into();
    let voter = ctx.caller().subject();
    let principal = ctx.acting_for().unwrap_or(voter);
    // I03: one answer each, whether given or lent.
    let counts = |who: &str| votes.iter().any(|vote| vote.voter == who || vote.principal == who);
    if counts(voter) || counts(principal) {
        return Err(Error::AlreadyVoted);
    }
    if outcome != Outcome::Escalated
        && let Some(other) = votes.iter().find(|vote| vote.outcome != name)
    {
        return Err(Error::VotesDiffer { outcome: other.outcome.clone() });
    }
    let vote = vote::ActiveModel {
        organisation_id: Set(organisation.uuid()),
        gate_review_id: Set(review.id),
        principal: Set(principal.to_owned()),
        voter: Set(voter.to_owned()),
        outcome: Set(name.to_owned()),
        reason: Set(reason.to_owned()),
        authority_rule_id: Set(rule),
        voted_at: Set(ctx.now()),
    };
    votes.push(vote.insert(command.tx()).await?.try_into_model()?);
    Ok(votes)
}

/// What an answer decides; the rule that it rests on is yet to be found.
fn deciding(project: &projects::entity::Model, review: &Model, outcome: Outcome) -> Result<Deciding> {
    Ok(Deciding {
        amount_ore: review.amount_ore,
        risk: known::<RiskClass>(&review.risk_class)? as i64,
        track: project.track.clone(),
        outcome: <&str>::from(outcome).to_owned(),
        mandate: None,
    })
}

/// Whether the caller may answer GO: what a user interface asks before it shows the button.
pub async fn may_go(
    db: &Reading<'_>,
    authority: &Authority,
    project: &projects::entity::Model,
    review: &Model,
) -> Result<Allowed> {
    let rules = authority_rule::in_force(db, db.organisation(), db.ctx().now()).await?;
    let mut deciding = deciding(project, review, Outcome::Go)?;
    let rule = rules::mandate(&rules, |role| authority.holds(db.ctx().acting_for(), role, &project.scopes), &deciding);
    deciding.mandate = rule.map(|(_, rule)| rule.mandate.clone());
    db.ask_deciding(authority, &placed(project, review), &deciding)
}

/// A review with its project, as the policies see it.
pub fn placed<'a>(project: &'a projects::entity::Model, review: &'a Model) -> Resource<'a> {
    Resource::GateReview {
        organisation: &review.organisation_id,
        scopes: &project.scopes,
        submitter: &review.submitter,
        submitted_for: review.submitted_for(),
        manager: &review.project_manager,
        manager_now: &project.project_manager,
        project_owner: &project.project_owner,
    }
}

/// Takes a submitted review back.
pub async fn withdraw(ctx: Ctx, request: pb::WithdrawGateReviewRequest) -> Result<pb::WithdrawGateReviewResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    ctx.command(Action::GateWithdraw, Object::of(id), async move |command| {
        let (project, review) = load(&command, project_id, id).await?;
        let allowed = command.authorize(placed(&project, &review))?;
        must_be_open(&review)?;
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

/// A review and its project, both locked, the project first as everywhere: commands wait, none deadlocks.
async fn load(command: &Command, project_id: ProjectId, id: GateReviewId) -> Result<(projects::entity::Model, Model)> {
    let project = projects::load(command, project_id).await?;
    let organisation = command.ctx().organisation()?;
    let found = entity::find_one_in(organisation, project_id, id).lock_exclusive().one(command.tx()).await?;
    Ok((project, found.ok_or_else(|| id.not_found())?))
}

fn must_be_open(review: &Model) -> Result<()> {
    if review.state == <&str>::from(ReviewState::Submitted) {
        return Ok(());
    }
    Err(Error::ReviewNotOpen { state: review.state.clone() })
}

async fn end(command: &Command, mut review: entity::ActiveModel, state: ReviewState, reason: String) -> Result<Model> {
    review.state = Set(<&str>::from(state).to_owned());
    review.reason = Set(reason);
    review.ended_at = Set(Some(command.ctx().now()));
    Ok(review.update(command.tx()).await?.try_into_model()?)
}
