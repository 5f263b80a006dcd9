//! Gates: submit with a frozen basis, decide once, move the project. The only module that changes a stage (I01).

pub mod assessments;
pub mod basis;
pub mod criteria;
pub mod drafts;
pub mod entity;
pub mod expression;
pub mod grpc;
pub mod model;
pub mod models;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, IntoActiveModel, QuerySelect, TryIntoModel};

use self::{
    basis::Basis,
    criteria::Always,
    entity::{Model, vote},
    model::GateModel,
    rules::{GateCode, Outcome, ReviewState, RiskClass, Step, Stop},
};
use crate::{
    access::entity::{authority_rule, token_denial},
    audit::Object,
    auth::{Action, Allowed, Authority, Resource, policy::Deciding},
    benefits::planning,
    conditions,
    ctx::{Changes, Command, Ctx, Reading},
    db::postgres,
    dossier::{self, Asked, Known, Sections},
    error::{Error, Result, on_constraint},
    funding::entity::spend_authority,
    ids::{GateReviewId, OrganisationId, ProjectId, SpendAuthorityId},
    projects::{
        self,
        rules::{Stage, Status},
    },
    realisation::reviews,
    wire::{bare, json_list, known, today},
};

/// What a review asks of its gate.
struct Question {
    gate: GateCode,
    amount_ore: i64,
    risk: RiskClass,
    supersedes: Option<GateReviewId>,
    summary: String,
}

impl Question {
    fn read(gate: i32, amount_ore: i64, risk: i32, supersedes: Option<&str>, summary: String) -> Result<Self> {
        Ok(Self {
            gate: GateCode::from_repr(gate).ok_or_else(|| Error::invalid("gate", "is no gate"))?,
            amount_ore,
            // What nobody has assessed is not called safe.
            risk: RiskClass::from_repr(risk).unwrap_or(RiskClass::High),
            supersedes: supersedes.map(GateReviewId::parse).transpose()?,
            summary,
        })
    }

    fn of(review: &Model) -> Result<Self> {
        Ok(Self {
            gate: known(&review.gate)?,
            amount_ore: review.amount_ore,
            risk: known(&review.risk_class)?,
            supersedes: review.supersedes_id.map(GateReviewId::new),
            summary: review.summary.clone(),
        })
    }
}

/// Where a review stands: at the gate that leads on, or at the latest decision, to correct it.
struct Standpoint<'m> {
    step: &'m Step,
    attempt: i32,
}

/// I01: a project goes to the gate that follows its stage. A correction goes back to the gate of the latest decision,
/// whatever came of it.
fn standpoint<'m>(
    found: &Known,
    model: &'m GateModel,
    question: &Question,
    answer: Option<Outcome>,
) -> Result<Standpoint<'m>> {
    let (standing, size) = (found.project.standing()?, found.project.size_class()?);
    let Some(corrected) = question.supersedes else {
        // On hold it goes nowhere; but it can be stopped, or passed on.
        match answer {
            Some(Outcome::Kill | Outcome::Hold | Outcome::Escalated) => standing.must_not_have_ended()?,
            _ => standing.must_move()?,
        }
        let step = rules::must_be_next(question.gate, model.step_from(standing.stage, size))?;
        return Ok(Standpoint { step, attempt: found.attempt(step.code) });
    };
    standing.must_be_listed()?;
    let latest = found.latest().filter(|latest| latest.id == corrected.uuid()).ok_or(Error::ReviewNotLatest)?;
    let gate: GateCode = known(&latest.gate)?;
    if gate != question.gate {
        return Err(Error::GateNotNext { gate: question.gate.into(), next: gate.into() });
    }
    // Where the decision led: with another size or model it would lead elsewhere by now, and nothing can take its place.
    let led_on = latest.outcome.as_deref().and_then(|name| name.parse::<Outcome>().ok()).is_some_and(Outcome::goes_on);
    let leads_there = |step: &&Step| (if led_on { step.to } else { step.from }) == standing.stage;
    let step = model.step_of(gate, size).filter(leads_there);
    let step = step.ok_or_else(|| Error::StageNotInModel { stage: found.project.stage.clone() })?;
    Ok(Standpoint { step, attempt: latest.attempt })
}

/// What is known of a project whose row the command has locked.
async fn know(command: &Command, project: ProjectId) -> Result<Known> {
    let found = dossier::load(command.tx(), command.ctx().organisation()?, project, Sections::ALL).await?;
    found.ok_or_else(|| project.not_found())
}

/// A submission, ready to be written.
struct Frozen {
    basis: Basis,
    criteria: serde_json::Value,
    attempt: i32,
}

/// Freezes what is known, and how the criteria stand on it.
async fn freeze(command: &Command, project: &projects::entity::Model, question: &Question) -> Result<Frozen> {
    let mut found = know(command, project.id()).await?;
    let model = model::of(command.tx(), project).await?;
    let Standpoint { step, attempt } = standpoint(&found, &model, question, None)?;
    let now = command.ctx().now();
    found.ask(Asked {
        gate: step.code,
        attempt,
        amount_ore: question.amount_ore,
        risk: question.risk,
        supersedes: question.supersedes.map(GateReviewId::uuid),
        at: now,
    });
    let results = criteria::results(&model, step, &found.dossier, true).await?;
    let basis = basis::freeze(now, &question.summary, &model, &found.dossier, &results)?;
    Ok(Frozen { basis, criteria: json_list(&results)?, attempt })
}

impl Frozen {
    fn write(self, command: &Command, project: &projects::entity::Model, review: &mut entity::ActiveModel) {
        let ctx = command.ctx();
        review.state = Set(<&str>::from(ReviewState::Submitted).to_owned());
        review.attempt = Set(self.attempt);
        review.submitter = Set(ctx.caller().subject().to_owned());
        review.submitted_for = Set(ctx.acting_for().map(str::to_owned));
        review.project_manager = Set(project.project_manager.clone());
        review.submitted_at = Set(ctx.now());
        review.basis = Set(self.basis.text);
        review.basis_sha256 = Set(self.basis.sha256);
        review.criteria = Set(self.criteria);
        review.gate_model_id = Set(project.gate_model_id);
    }
}

/// A review in its making: nobody has submitted it, and nothing is frozen.
fn open(
    command: &Command,
    id: GateReviewId,
    project: &projects::entity::Model,
    question: &Question,
    attempt: i32,
) -> Result<entity::ActiveModel> {
    Ok(entity::ActiveModel {
        organisation_id: Set(command.ctx().organisation()?.uuid()),
        id: Set(id.uuid()),
        project_id: Set(project.id),
        gate: Set(<&str>::from(question.gate).to_owned()),
        attempt: Set(attempt),
        state: Set(<&str>::from(ReviewState::Draft).to_owned()),
        submitter: Set(String::new()),
        submitted_for: Set(None),
        project_manager: Set(project.project_manager.clone()),
        submitted_at: Set(command.ctx().now()),
        basis: Set(String::new()),
        basis_sha256: Set(String::new()),
        amount_ore: Set(question.amount_ore),
        risk_class: Set(<&str>::from(question.risk).to_owned()),
        outcome: Set(None),
        decider: Set(None),
        decided_for: Set(None),
        reason: Set(String::new()),
        ended_at: Set(None),
        drafter: Set(None),
        summary: Set(question.summary.clone()),
        hold_reasons: Set(Vec::new()),
        supersedes_id: Set(question.supersedes.map(GateReviewId::uuid)),
        gate_model_id: Set(project.gate_model_id),
        criteria: Set(serde_json::json!([])),
        stop: Set(None),
        led_to: Set(None),
    })
}

/// Submits a project to its next gate.
pub async fn submit(ctx: Ctx, request: pb::SubmitGateReviewRequest) -> Result<pb::SubmitGateReviewResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let question = Question::read(
        request.gate,
        request.amount_ore,
        request.risk_class,
        request.supersedes.as_deref(),
        request.summary,
    )?;
    ctx.command(Action::GateSubmit, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        let frozen = freeze(&command, &project, &question).await?;
        let id: GateReviewId = command.ctx().new_id();
        let mut review = open(&command, id, &project, &question, frozen.attempt)?;
        frozen.write(&command, &project, &mut review);
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
            .set("supersedes", review.supersedes_id.map(|id| id.to_string()))
            .set("basis_sha256", review.basis_sha256.as_str());
        let response = pb::SubmitGateReviewResponse { gate_review: Some(review.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// One review, with its basis.
pub async fn get(ctx: Ctx, request: pb::GetGateReviewRequest) -> Result<pb::GetGateReviewResponse> {
    let project = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    let db = ctx.read(Action::GateRead)?;
    let found = entity::placed(&db, db.organisation(), project, id).await?;
    Ok(pb::GetGateReviewResponse { gate_review: Some(db.found(found, id).await?.into_proto()?) })
}

/// A project's reviews, a page at a time, without the texts of their bases: those stay in the database.
pub async fn list(ctx: Ctx, request: pb::ListGateReviewsRequest) -> Result<pb::ListGateReviewsResponse> {
    let project = ProjectId::parse(&request.project)?;
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::GateRead)?;
    let select = entity::find_without_basis_in(db.organisation(), project);
    let (reviews, next_page_token) = page.fetch(&db, select).await?;
    let has_some = !reviews.is_empty() || !request.page_token.is_empty();
    db.listed_of(has_some, project, projects::entity::find_one_in(db.organisation(), project)).await?;
    Ok(pb::ListGateReviewsResponse {
        gate_reviews: reviews.into_iter().map(Model::into_proto).collect::<Result<_>>()?,
        next_page_token,
    })
}

/// Answers at a gate; once enough agree, decides and moves the project: the only way to another stage (I01).
pub async fn decide(ctx: Ctx, request: pb::DecideGateReviewRequest) -> Result<pb::DecideGateReviewResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    let outcome = Outcome::from_repr(request.outcome).ok_or_else(|| Error::invalid("outcome", "is no outcome"))?;
    let given = Given::read(outcome, request, today(ctx.now()))?;
    ctx.command(Action::GateDecide, Object::of(id), async move |command| {
        let (project, review) = load(&command, project_id, id).await?;
        let ctx = command.ctx();
        let rules = authority_rule::in_force(command.tx(), ctx.organisation()?, ctx.now()).await?;
        let corrected = corrected(command.tx(), &review).await?;
        let mut deciding = deciding(&project, &review, corrected.as_ref(), outcome)?;
        let rule = rules::mandate(&rules, |role| command.holds(role, &project.scopes), &deciding);
        deciding.mandate = rule.map(|(_, rule)| rule.mandate.clone());
        let allowed = command.authorize_deciding(&placed(&project, &review), &deciding)?;
        must_be_open(&review)?;
        let mut found = know(&command, project_id).await?;
        let model = model::of(command.tx(), &project).await?;
        let question = Question::of(&review)?;
        let Standpoint { step, .. } = standpoint(&found, &model, &question, Some(outcome))?;
        found.ask(Asked {
            gate: step.code,
            attempt: review.attempt,
            amount_ore: review.amount_ore,
            risk: question.risk,
            supersedes: review.supersedes_id,
            at: ctx.now(),
        });
        // I02: as things stand now, and not as they were frozen.
        let results = criteria::results(&model, step, &found.dossier, true).await?;
        must_be_possible(&model, step, &found, &results, outcome)?;

        // An escalation rests on no rule: it is what is left without one.
        let rule = rule.filter(|_| outcome != Outcome::Escalated);
        let votes = answer(&command, &review, &given, rule.map(|(id, _)| *id)).await?;
        let name = <&str>::from(outcome);
        // An answer counts while the rule that it rests on does (I04).
        let asked = |vote: &&vote::Model| rules.iter().find(|(id, _)| Some(*id) == vote.authority_rule_id);
        let counts =
            |vote: &&vote::Model| vote.outcome == name && (vote.authority_rule_id.is_none() || asked(vote).is_some());
        let agreeing: Vec<&vote::Model> = votes.iter().filter(counts).collect();
        let second = agreeing.iter().filter_map(asked).any(|(_, rule)| rule.second_required);
        let voted = agreeing.last().map_or("", |vote| vote.voter.as_str()).to_owned();
        // What the first who gave this answer named, and those after accepted.
        let conditions = agreeing.first().map(|vote| vote.conditions()).transpose()?.unwrap_or_default();
        let hold_reasons = agreeing.first().map(|vote| vote.hold_reasons.clone()).unwrap_or_default();
        let changes = Changes::default()
            .set("outcome", name)
            .set("reason", given.reason.as_str())
            .set("amount_ore", review.amount_ore.to_string())
            .set("authority_rule", rule.map(|(id, _)| id.to_string()))
            .set("basis_sha256", review.basis_sha256.as_str());
        let agreed = standing_answers(&command, &project, &review, &agreeing).await?;
        let votes = votes.into_iter().map(vote::Model::into_proto).collect::<Result<_>>()?;
        if !rules::is_decided(agreed, outcome, step.min_deciders, second) {
            let gate_review = Some(pb::GateReview { votes, ..review.into_proto()? });
            let response = pb::DecideGateReviewResponse { gate_review, project: Some(project.into_proto()?) };
            return Ok(command.done(allowed, changes.set("vote", voted), response));
        }
        // Named when the first answered, and still to come.
        conditions::must_be_due(&conditions, today(command.ctx().now()))?;
        let mut decided = review.clone().into_active_model();
        decided.outcome = Set(Some(name.to_owned()));
        decided.decider = Set(Some(voted));
        decided.decided_for = Set(command.ctx().acting_for().map(str::to_owned));
        decided.hold_reasons = Set(hold_reasons.clone());
        decided.criteria = Set(json_list(&results)?);
        let stop = (outcome == Outcome::Kill).then(|| stop(&found, command.ctx().now()));
        let stop = stop.map(|stop| serde_json::to_value(stop).map_err(|error| Error::Internal(error.to_string())));
        decided.stop = Set(stop.transpose()?);
        decided.led_to = Set(outcome.goes_on().then(|| <&str>::from(step.to).to_owned()));
        let decided = end(&command, decided, ReviewState::Decided, given.reason).await?;
        supersede(&command, &decided, outcome).await?;
        planning::move_starts(&command, project_id).await?;
        if outcome.goes_on() && step.to as i32 >= Stage::Execution as i32 {
            planning::freeze(&command, project_id).await?;
        }
        let conditions = conditions::create(&command, id, project_id, &conditions).await?;
        let released = release(&command, &model, step, &decided, outcome, &project).await?;
        let (stage, status) = rules::after(step, outcome);
        // As when a project is resumed: what has lapsed is settled first.
        let takes_up = corrected.is_some() && status == Status::Active && outcome != Outcome::Escalated;
        if takes_up && conditions::any_lapsed(&command, project_id).await? {
            return Err(Error::ConditionLapsed);
        }
        let moved = match outcome {
            // Passed on: a correction that nobody has made leaves the project where it is.
            Outcome::Escalated => project.clone(),
            _ => projects::stand(&command, &project, stage, status).await?,
        };
        reviews::schedule(&command, project_id).await?;
        let changes = changes
            .and(projects::changed(&project, &moved))
            .change("state", review.state, decided.state.as_str())
            .set("decider", decided.decider.as_deref())
            .set("decided_for", decided.decided_for.as_deref())
            .set("hold_reasons", hold_reasons)
            .set("conditions", conditions.iter().map(|condition| condition.id.to_string()).collect::<Vec<_>>())
            .set("released_ore", released.map(|ore| ore.to_string()))
            .set("stop", decided.stop.clone());
        let conditions = conditions.into_iter().map(conditions::entity::Model::into_proto).collect::<Result<_>>()?;
        let response = pb::DecideGateReviewResponse {
            gate_review: Some(pb::GateReview { votes, conditions, ..decided.into_proto()? }),
            project: Some(moved.into_proto()?),
        };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// An answer, as it was given.
struct Given {
    outcome: Outcome,
    reason: String,
    hold_reasons: Vec<String>,
    conditions: Vec<pb::NewCondition>,
}

impl Given {
    /// Conditions belong to GO_WITH_CONDITIONS, and reasons to hold to HOLD.
    fn read(outcome: Outcome, request: pb::DecideGateReviewRequest, today: time::Date) -> Result<Self> {
        let mut mistakes = Vec::new();
        if outcome != Outcome::Hold && !request.hold_reasons.is_empty() {
            mistakes.push(("hold_reasons".to_owned(), "belongs to the outcome HOLD only".to_owned()));
        }
        if outcome != Outcome::GoWithConditions && !request.conditions.is_empty() {
            mistakes.push(("conditions".to_owned(), "belongs to the outcome GO_WITH_CONDITIONS only".to_owned()));
        }
        if !mistakes.is_empty() {
            return Err(Error::FieldInvalid(mistakes));
        }
        conditions::must_be_due(&request.conditions, today)?;
        let mut hold_reasons: Vec<String> =
            request.hold_reasons().map(|reason| bare(reason.as_str_name(), "HOLD_REASON_")).collect();
        hold_reasons.sort_unstable();
        Ok(Self { outcome, reason: request.reason, hold_reasons, conditions: request.conditions })
    }
}

/// Whether the outcome can be given at all, as things stand: the track has it, every must is met (I02), there is an
/// appropriation for what is released (I05), and something has been learnt before the end (I20).
fn must_be_possible(
    model: &GateModel,
    step: &Step,
    found: &Known,
    results: &[pb::CriterionResult],
    outcome: Outcome,
) -> Result<()> {
    let track = found.project.track()?;
    let refused = model.track(track).is_some_and(|policy| policy.refused_outcomes.contains(&(outcome as i32)));
    if refused {
        let outcome = <&str>::from(outcome).to_owned();
        return Err(Error::OutcomeNotAllowed { outcome, track: found.project.track.clone() });
    }
    let Always { missing_ore, has_lesson } = Always::of(&found.dossier);
    if outcome.goes_on() {
        let missing = criteria::missing(results);
        if !missing.is_empty() {
            return Err(Error::CriteriaNotMet { criteria: missing.join(",") });
        }
        if missing_ore > 0 {
            return Err(Error::AppropriationMissing { missing_ore });
        }
    }
    let ends = outcome == Outcome::Kill || (outcome.goes_on() && step.to == Stage::Closed);
    if ends && !has_lesson {
        return Err(Error::LessonMissing);
    }
    Ok(())
}

/// What a project has cost by now (S21).
fn stop(found: &Known, now: time::OffsetDateTime) -> Stop {
    let goes_on = |found: &&dossier::Decided| {
        let outcome = found.review.outcome.as_deref().and_then(|name| name.parse::<Outcome>().ok());
        found.superseded_by.is_none() && outcome.is_some_and(Outcome::goes_on)
    };
    let g1 = found.decided.iter().filter(goes_on).find(|found| found.review.gate == <&str>::from(GateCode::G1));
    let days = g1.and_then(|found| found.review.ended_at).map(|then| (today(now) - today(then)).whole_days());
    let funding = found.dossier.funding.clone().unwrap_or_default();
    let newest = found.dossier.plan.as_ref().and_then(|plan| plan.baselines.last());
    Stop {
        sunk_cost_ore: funding.spent_ore,
        days_since_g1: days.and_then(|days| i32::try_from(days).ok()),
        budget_ore: newest.map_or(funding.authorised_ore, |baseline| baseline.budget_ore),
    }
}

/// What a correction takes the place of: its tranche counts no more, and its conditions need not be met. The decision
/// itself stays as it was made.
async fn supersede(command: &Command, decided: &Model, outcome: Outcome) -> Result<()> {
    let Some(corrected) = decided.supersedes_id.filter(|_| outcome != Outcome::Escalated) else {
        return Ok(());
    };
    let revoke = "UPDATE spend_authorities SET revoked_by_review_id = $3, revoked_at = $4 \
        WHERE organisation_id = $1 AND gate_review_id = $2 AND revoked_at IS NULL";
    let values = [decided.organisation_id.into(), corrected.into(), decided.id.into(), command.ctx().now().into()];
    command.tx().execute_raw(postgres(revoke, values)).await?;
    conditions::supersede(command, GateReviewId::new(corrected)).await?;
    Ok(())
}

/// Releases what was asked for, where the answer goes on: a tranche, for experiments only where the track says so (S08).
async fn release(
    command: &Command,
    model: &GateModel,
    step: &Step,
    decided: &Model,
    outcome: Outcome,
    project: &projects::entity::Model,
) -> Result<Option<i64>> {
    if !outcome.goes_on() || decided.amount_ore == 0 {
        return Ok(None);
    }
    let only =
        model.track(project.track()?).is_some_and(|policy| policy.experiments_only.contains(&(step.code as i32)));
    let purpose = if only { pb::SpendPurpose::Experiments } else { pb::SpendPurpose::General };
    let id: SpendAuthorityId = command.ctx().new_id();
    let tranche = spend_authority::ActiveModel {
        organisation_id: Set(decided.organisation_id),
        id: Set(id.uuid()),
        project_id: Set(decided.project_id),
        gate_review_id: Set(decided.id),
        amount_ore: Set(decided.amount_ore),
        purpose: Set(bare(purpose.as_str_name(), "SPEND_PURPOSE_")),
        granted_at: Set(command.ctx().now()),
        revoked_by_review_id: Set(None),
        revoked_at: Set(None),
    };
    tranche.insert(command.tx()).await?;
    Ok(Some(decided.amount_ore))
}

/// How many of these answers still count: not those of people who have become the project's manager since, nor of those
/// whose access has been revoked (I03).
async fn standing_answers(
    command: &Command,
    project: &projects::entity::Model,
    review: &Model,
    votes: &[&vote::Model],
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

/// Adds the caller's answer to those given before; gives all, oldest first.
async fn answer(
    command: &Command,
    review: &Model,
    given: &Given,
    rule: Option<uuid::Uuid>,
) -> Result<Vec<vote::Model>> {
    let (ctx, organisation) = (command.ctx(), command.ctx().organisation()?);
    let mut votes = vote::find_in(organisation, GateReviewId::new(review.id)).all(command.tx()).await?;
    let name: &str = given.outcome.into();
    let voter = ctx.caller().subject();
    let principal = ctx.acting_for().unwrap_or(voter);
    // I03: one answer each, whether given or lent.
    let counts = |who: &str| votes.iter().any(|vote| vote.voter == who || vote.principal == who);
    if counts(voter) || counts(principal) {
        return Err(Error::AlreadyVoted);
    }
    // Who gives an answer after another accepts what that one named, or names the same.
    let (hold_reasons, conditions) = match votes.iter().find(|vote| vote.outcome == name) {
        None if given.outcome == Outcome::Hold && given.hold_reasons.is_empty() => {
            return Err(Error::invalid("hold_reasons", "is missing: say why not now"));
        }
        None if given.outcome == Outcome::GoWithConditions && given.conditions.is_empty() => {
            return Err(Error::invalid("conditions", "is missing: name at least one"));
        }
        None => (given.hold_reasons.clone(), given.conditions.clone()),
        Some(first) => {
            let named = (first.hold_reasons.clone(), first.conditions()?);
            let differs = (!given.hold_reasons.is_empty() && given.hold_reasons != named.0)
                || (!given.conditions.is_empty() && given.conditions != named.1);
            if differs {
                return Err(Error::VotesDiffer { outcome: name.to_owned() });
            }
            named
        }
    };
    let vote = vote::ActiveModel {
        organisation_id: Set(organisation.uuid()),
        gate_review_id: Set(review.id),
        principal: Set(principal.to_owned()),
        voter: Set(voter.to_owned()),
        outcome: Set(name.to_owned()),
        reason: Set(given.reason.clone()),
        authority_rule_id: Set(rule),
        voted_at: Set(ctx.now()),
        hold_reasons: Set(hold_reasons),
        conditions: Set(json_list(&conditions)?),
    };
    votes.push(vote.insert(command.tx()).await?.try_into_model()?);
    Ok(votes)
}

/// The decision that a review corrects.
async fn corrected(db: &impl ConnectionTrait, review: &Model) -> Result<Option<Model>> {
    let Some(id) = review.supersedes_id else {
        return Ok(None);
    };
    let (organisation, project) = (OrganisationId::new(review.organisation_id), ProjectId::new(review.project_id));
    Ok(entity::find_one_in(organisation, project, GateReviewId::new(id)).one(db).await?)
}

/// What an answer decides; the rule that it rests on is yet to be found. I04: who undoes a decision needs the authority that
/// it took.
fn deciding(
    project: &projects::entity::Model,
    review: &Model,
    corrected: Option<&Model>,
    outcome: Outcome,
) -> Result<Deciding> {
    let risk = |review: &Model| Ok::<_, Error>(known::<RiskClass>(&review.risk_class)? as i64);
    let (amount_ore, worst) = match corrected {
        Some(corrected) => (corrected.amount_ore, risk(corrected)?),
        None => (0, 0),
    };
    Ok(Deciding {
        amount_ore: review.amount_ore.max(amount_ore),
        risk: risk(review)?.max(worst),
        track: project.track.clone(),
        outcome: <&str>::from(outcome.authorised_as()).to_owned(),
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
    let corrected = corrected(db, review).await?;
    let mut deciding = deciding(project, review, corrected.as_ref(), Outcome::Go)?;
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
        drafter: review.drafter(),
    }
}

/// Takes a draft or a submitted review back.
pub async fn withdraw(ctx: Ctx, request: pb::WithdrawGateReviewRequest) -> Result<pb::WithdrawGateReviewResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    ctx.command(Action::GateWithdraw, Object::of(id), async move |command| {
        let (project, review) = load(&command, project_id, id).await?;
        let allowed = command.authorize(placed(&project, &review))?;
        if ![ReviewState::Draft, ReviewState::Submitted].map(<&str>::from).contains(&review.state.as_str()) {
            return Err(Error::ReviewNotOpen { state: review.state });
        }
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
