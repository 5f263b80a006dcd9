//! Random commands against a small reference model of the project and the review (domain.md, section 4): every answer, every
//! refusal's reason and the state after each must be the model's. `GEVINST_TEST_LONG=1` makes more than 10,000 transitions.

use std::sync::Arc;

use gevinst_proto::v1::{self as pb, GateCode, GateOutcome, GateReviewState, ProjectStatus, Stage};
use proptest::{prelude::*, sample::select, test_runner::Config};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use tokio::runtime::Runtime;

use crate::harness::{World, bare_model, process::tell};

/// Transitions of one sequence, at most.
const LONGEST: usize = 40;

fn sequences() -> u32 {
    if std::env::var("GEVINST_TEST_LONG").is_ok_and(|value| value == "1") { 450 } else { 60 }
}

const STAGES: [Stage; 6] =
    [Stage::Idea, Stage::Analysis, Stage::Execution, Stage::ExecutionScaled, Stage::Realisation, Stage::Closed];
const GATES: [GateCode; 5] = [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5];
const OUTCOMES: [GateOutcome; 6] = [
    GateOutcome::Go,
    GateOutcome::GoWithConditions,
    GateOutcome::Hold,
    GateOutcome::Recycle,
    GateOutcome::Kill,
    GateOutcome::Escalated,
];

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Submits to a gate, or the latest decision to be corrected.
    Submit {
        gate: usize,
        amount: i64,
        corrects: bool,
    },
    /// Prepares the next gate.
    Draft,
    SubmitDraft,
    Decide(usize),
    Withdraw,
    Resume,
    /// Grades the one must of every gate.
    Grade(bool),
    Lesson,
    Appropriate(i64),
    Archive,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Review {
    gate: usize,
    attempt: i32,
    amount: i64,
    draft: bool,
    corrects: bool,
}

/// The last decision that decided anything.
#[derive(Clone, Copy, Debug)]
struct Decision {
    gate: usize,
    attempt: i32,
    outcome: GateOutcome,
    released: i64,
}

/// The model: a project, its open review, and what the gates ask of it.
#[derive(Clone, Debug)]
struct Model {
    stage: usize,
    on_hold: bool,
    stopped: bool,
    archived: bool,
    open: Option<Review>,
    latest: Option<Decision>,
    /// Times that each gate has sent it back, corrected ones left out.
    recycled: [i32; 5],
    /// Whether the must of each gate is graded green.
    green: [bool; 5],
    lesson: bool,
    appropriated: i64,
    authorised: i64,
    /// What the last step must have been answered.
    expected: Result<(), &'static str>,
}

impl Model {
    fn must_move(&self) -> Result<(), &'static str> {
        if self.archived || self.on_hold || self.stopped || self.stage == 5 {
            Err("PROJECT_NOT_ACTIVE")
        } else {
            Ok(())
        }
    }

    fn submit(&mut self, gate: usize, amount: i64, corrects: bool, draft: bool) -> Result<(), &'static str> {
        let attempt = if corrects {
            if self.archived {
                return Err("PROJECT_NOT_ACTIVE");
            }
            let latest = self.latest.ok_or("REVIEW_NOT_LATEST")?;
            if latest.gate != gate {
                return Err("GATE_NOT_NEXT");
            }
            latest.attempt
        } else {
            self.must_move()?;
            if gate != self.stage {
                return Err("GATE_NOT_NEXT");
            }
            1 + self.recycled[gate]
        };
        if self.open.is_some() {
            return Err("REVIEW_ALREADY_OPEN");
        }
        self.open = Some(Review { gate, attempt, amount, draft, corrects });
        Ok(())
    }

    fn decide(&mut self, outcome: GateOutcome) -> Result<(), &'static str> {
        let review = self.open.filter(|review| !review.draft).ok_or("REVIEW_NOT_OPEN")?;
        let goes_on = matches!(outcome, GateOutcome::Go | GateOutcome::GoWithConditions);
        let corrected = self.latest.filter(|_| review.corrects);
        let released = self.authorised - corrected.map_or(0, |decision| decision.released);
        if goes_on && !self.green[review.gate] {
            return Err("CRITERIA_NOT_MET");
        }
        if goes_on && review.amount > 0 && released + review.amount > self.appropriated {
            return Err("APPROPRIATION_MISSING");
        }
        if (outcome == GateOutcome::Kill || (goes_on && review.gate == 4)) && !self.lesson {
            return Err("LESSON_MISSING");
        }
        self.open = None;
        if outcome == GateOutcome::Escalated {
            return Ok(());
        }
        if let Some(corrected) = corrected {
            self.authorised = released;
            if corrected.outcome == GateOutcome::Recycle {
                self.recycled[corrected.gate] -= 1;
            }
        }
        let released = if goes_on { review.amount } else { 0 };
        self.authorised += released;
        self.recycled[review.gate] += i32::from(outcome == GateOutcome::Recycle);
        self.stage = review.gate + usize::from(goes_on);
        self.on_hold = outcome == GateOutcome::Hold;
        self.stopped = outcome == GateOutcome::Kill;
        self.latest = Some(Decision { gate: review.gate, attempt: review.attempt, outcome, released });
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), &'static str> {
        match step {
            Step::Submit { gate, amount, corrects } => self.submit(gate, amount, corrects, false),
            Step::Draft => self.submit(self.stage.min(4), 0, false, true),
            Step::SubmitDraft => {
                let Some(draft) = self.open.filter(|review| review.draft) else { return Err("REVIEW_NOT_DRAFT") };
                self.must_move()?;
                self.open = Some(Review { draft: false, ..draft });
                Ok(())
            }
            Step::Decide(outcome) => self.decide(OUTCOMES[outcome]),
            Step::Withdraw => self.open.take().map(drop).ok_or("REVIEW_NOT_OPEN"),
            Step::Resume if self.archived => Err("PROJECT_NOT_ACTIVE"),
            Step::Resume if !self.on_hold => Err("PROJECT_NOT_ON_HOLD"),
            Step::Resume => {
                self.on_hold = false;
                Ok(())
            }
            // While a decision is being corrected, its gate asks again, wherever the project stands.
            Step::Grade(green) => match self.open.filter(|review| review.corrects) {
                Some(review) => {
                    self.green[review.gate] = green;
                    Ok(())
                }
                None if self.archived || self.stopped || self.stage == 5 => Err("PROJECT_NOT_ACTIVE"),
                None => {
                    self.green[self.stage] = green;
                    Ok(())
                }
            },
            Step::Lesson if self.archived => Err("PROJECT_NOT_ACTIVE"),
            Step::Lesson => {
                self.lesson = true;
                Ok(())
            }
            Step::Appropriate(_) if self.archived => Err("PROJECT_NOT_ACTIVE"),
            Step::Appropriate(amount) => {
                self.appropriated += amount;
                Ok(())
            }
            Step::Archive if self.archived => Err("PROJECT_NOT_ACTIVE"),
            Step::Archive if self.open.is_some() => Err("REVIEW_ALREADY_OPEN"),
            Step::Archive => {
                self.archived = true;
                Ok(())
            }
        }
    }
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        let new = Model {
            stage: 0,
            on_hold: false,
            stopped: false,
            archived: false,
            open: None,
            latest: None,
            recycled: [0; 5],
            green: [false; 5],
            lesson: false,
            appropriated: 0,
            authorised: 0,
            expected: Ok(()),
        };
        Just(new).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Step> {
        let next = model.stage.min(4);
        let amount = select(vec![0, 0, 0, 500, 1_000]);
        let latest = model.latest.map_or(0, |latest| latest.gate);
        prop_oneof![
            6 => amount.clone().prop_map(move |amount| Step::Submit { gate: next, amount, corrects: false }),
            1 => (0..5_usize, amount.clone()).prop_map(|(gate, amount)| Step::Submit { gate, amount, corrects: false }),
            2 => amount.clone().prop_map(move |amount| Step::Submit { gate: latest, amount, corrects: true }),
            1 => (0..5_usize, amount).prop_map(|(gate, amount)| Step::Submit { gate, amount, corrects: true }),
            2 => Just(Step::Draft),
            3 => Just(Step::SubmitDraft),
            8 => Just(Step::Decide(0)),
            6 => (0..OUTCOMES.len()).prop_map(Step::Decide),
            1 => Just(Step::Withdraw),
            3 => Just(Step::Resume),
            5 => Just(Step::Grade(true)),
            1 => Just(Step::Grade(false)),
            1 => Just(Step::Lesson),
            2 => Just(Step::Appropriate(1_000)),
        ]
        // Nothing comes after it: rarely, and late.
        .prop_flat_map(|step| prop_oneof![60 => Just(step), 1 => Just(Step::Archive)])
        .boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        model.expected = model.take(*step);
        model
    }
}

/// The service, and the project that a sequence is about.
struct Tested {
    runtime: Arc<Runtime>,
    world: Arc<World>,
    project: pb::Project,
    /// The newest review, whatever became of it.
    review: Option<pb::GateReview>,
    /// The latest that decided anything.
    latest: Option<String>,
}

impl Tested {
    async fn take(&mut self, step: Step) -> Result<(), String> {
        let world = self.world.clone();
        let (organisation, project) = (world.id(), self.project.id.clone());
        let nothing = || "0199aaaa-0000-7000-8000-000000000000".to_owned();
        let review = || self.review.as_ref().map_or_else(nothing, |review| review.id.clone());
        let none_yet = self.review.is_none();
        let told = match step {
            Step::Submit { gate, amount, corrects } => {
                let request = pb::SubmitGateReviewRequest {
                    amount_ore: amount,
                    supersedes: corrects.then(|| self.latest.clone().unwrap_or_else(nothing)),
                    ..world.submission(&self.project, GATES[gate])
                };
                let answer = world.office().call(request).await;
                answer.map(|answer| self.review = answer.gate_review)
            }
            Step::Draft => {
                let stage = STAGES.iter().position(|stage| *stage == self.project.stage());
                let request = pb::DraftGateReviewRequest {
                    organisation,
                    project,
                    gate: GATES[stage.unwrap_or_default().min(4)].into(),
                    ..Default::default()
                };
                let answer = world.manager().call(request).await;
                answer.map(|answer| self.review = answer.gate_review)
            }
            Step::SubmitDraft => {
                let request = pb::SubmitGateReviewDraftRequest {
                    organisation,
                    project,
                    gate_review: review(),
                    etag: self.review.as_ref().map_or_else(|| "none".to_owned(), |review| review.etag.clone()),
                    ..Default::default()
                };
                world.office().call(request).await.map(|answer| self.review = answer.gate_review)
            }
            Step::Decide(outcome) => {
                let about = pb::GateReview { id: review(), project, ..Default::default() };
                let answer = world.steering().call(world.decision(&about, OUTCOMES[outcome])).await;
                answer.map(|answer| {
                    let decided = answer.gate_review.unwrap();
                    if decided.outcome() != GateOutcome::Escalated {
                        self.latest = Some(decided.id.clone());
                    }
                    self.review = Some(decided);
                })
            }
            Step::Withdraw => {
                let request = pb::WithdrawGateReviewRequest {
                    organisation,
                    project,
                    gate_review: review(),
                    reason: "Forfra.".to_owned(),
                    validate_only: false,
                };
                world.office().call(request).await.map(|answer| self.review = answer.gate_review)
            }
            Step::Resume => {
                let request = pb::ResumeProjectRequest {
                    organisation,
                    project,
                    reason: "Nu kan vi.".to_owned(),
                    ..Default::default()
                };
                world.steering().call(request).await.map(drop)
            }
            Step::Grade(green) => {
                let grade = if green { pb::Grade::Green } else { pb::Grade::Red };
                world.office().call(world.assessment(&self.project, "MUST", grade)).await.map(drop)
            }
            Step::Lesson => world.office().call(world.lesson(&self.project)).await.map(drop),
            Step::Appropriate(amount) => {
                world.office().call(world.appropriation(&self.project, amount)).await.map(drop)
            }
            Step::Archive => {
                let etag = world.reread(&self.project).await.etag;
                let request = pb::ArchiveProjectRequest { organisation, project, etag, validate_only: false };
                world.office().call(request).await.map(drop)
            }
        };
        match told {
            Ok(()) => Ok(()),
            // Before the first there is none to speak of: what is not there is not open, nor a draft.
            Err(failure) if none_yet && failure.reason == "NOT_FOUND" => match step {
                Step::SubmitDraft => Err("REVIEW_NOT_DRAFT".to_owned()),
                Step::Decide(_) | Step::Withdraw => Err("REVIEW_NOT_OPEN".to_owned()),
                _ => Err(failure.reason),
            },
            Err(failure) => Err(failure.reason),
        }
    }
}

impl StateMachineTest for Tested {
    type SystemUnderTest = Self;
    type Reference = Reference;

    fn init_test(_: &Model) -> Self {
        let (runtime, world) = SHARED.with(Clone::clone);
        let project = runtime.block_on(world.project());
        Self { runtime, world, project, review: None, latest: None }
    }

    fn apply(mut tested: Self, model: &Model, step: Step) -> Self {
        let runtime = tested.runtime.clone();
        runtime.block_on(async {
            let told = tested.take(step).await;
            assert_eq!(told, model.expected.map_err(str::to_owned), "{step:?} led to {model:?}");
            let project = tested.world.reread(&tested.project).await;
            let status = match (model.stopped, model.on_hold) {
                (true, _) => ProjectStatus::Stopped,
                (_, true) => ProjectStatus::OnHold,
                _ => ProjectStatus::Active,
            };
            let stands = (project.stage(), project.status(), project.archived);
            assert_eq!(stands, (STAGES[model.stage], status, model.archived), "{step:?} led to {model:?}");
            tested.project = project;
            if let (Some(open), Some(review)) = (model.open, &tested.review) {
                let state = if open.draft { GateReviewState::Draft } else { GateReviewState::Submitted };
                assert_eq!((review.state(), review.gate(), review.attempt), (state, GATES[open.gate], open.attempt));
                assert_eq!(review.supersedes.is_some(), open.corrects);
            }
            if let Step::Decide(_) = step {
                let request = pb::GetProjectFundingRequest {
                    organisation: tested.world.id(),
                    project: tested.project.id.clone(),
                };
                let funding = tested.world.office().call(request).await.unwrap().funding.unwrap();
                assert_eq!(
                    (funding.authorised_ore, funding.appropriated_ore),
                    (model.authorised, model.appropriated),
                    "{step:?} led to {model:?}"
                );
            }
        });
        DONE.with(|done| done.set(done.get() + 1));
        tested
    }
}

thread_local! {
    /// One server and one organisation for all sequences: each has a project of its own.
    static SHARED: (Arc<Runtime>, Arc<World>) = {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = runtime.block_on(async {
            let world = World::new().await;
            let text = |text: &str| Some(pb::LocalizedText { da: text.to_owned(), en: text.to_owned() });
            let must = pb::Criterion {
                code: "MUST".to_owned(),
                title: text("Et krav"),
                remedy: text("Opfyld det."),
                kind: pb::CriterionKind::Assessment.into(),
                strength: pb::CriterionStrength::Must.into(),
                weight: 1,
                principle: pb::Principle::GiveValue.into(),
                gates: GATES.map(i32::from).to_vec(),
                assessors: vec!["portfolio-office".to_owned()],
                ..Default::default()
            };
            let request = pb::PublishGateModelRequest {
                organisation: world.id(),
                definition: Some(pb::GateModelDefinition { criteria: vec![must], ..bare_model() }),
                reason: "Prøve.".to_owned(),
                validate_only: false,
            };
            world.office().call(request).await.unwrap();
            world
        });
        (Arc::new(runtime), Arc::new(world))
    };
    static DONE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

proptest_state_machine::prop_state_machine! {
    #![proptest_config(Config { cases: sequences(), failure_persistence: None, ..Config::default() })]
    fn random_commands(sequential 10..LONGEST => Tested);
}

#[test]
fn every_random_command_is_answered_as_the_model_says() {
    random_commands();
    let done = DONE.with(std::cell::Cell::get);
    tell(&format!("statemachine: {done} transitions in {} sequences, no divergence", sequences()));
    assert!(done >= sequences() as usize * 10, "{done}");
}
