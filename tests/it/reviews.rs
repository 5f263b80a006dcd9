//! Reviews from draft to decision: who prepares, several deciders, conditions, holds, stops and corrections.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome, GateReviewState, ProjectStatus, Stage};
use time::Duration;
use tonic::Code;

use crate::{
    conditions::{self, Condition},
    harness::{World, bare_model, owner},
};

fn draft(world: &World, project: &pb::Project) -> pb::DraftGateReviewRequest {
    pb::DraftGateReviewRequest {
        organisation: world.id(),
        project: project.id.clone(),
        gate: GateCode::G1.into(),
        amount_ore: 100,
        summary: "Vi vil prøve det af på ét plejecenter.".to_owned(),
        ..Default::default()
    }
}

fn submit_draft(world: &World, review: &pb::GateReview) -> pb::SubmitGateReviewDraftRequest {
    pb::SubmitGateReviewDraftRequest {
        organisation: world.id(),
        project: review.project.clone(),
        gate_review: review.id.clone(),
        etag: review.etag.clone(),
        ..Default::default()
    }
}

fn get(world: &World, review: &pb::GateReview) -> pb::GetGateReviewRequest {
    pb::GetGateReviewRequest {
        organisation: world.id(),
        project: review.project.clone(),
        gate_review: review.id.clone(),
    }
}

/// The latest decision put to its gate again.
async fn corrected(world: &World, review: &pb::GateReview, outcome: GateOutcome) -> pb::DecideGateReviewResponse {
    let request = pb::SubmitGateReviewRequest {
        organisation: world.id(),
        project: review.project.clone(),
        gate: review.gate,
        supersedes: Some(review.id.clone()),
        ..Default::default()
    };
    let correction = world.office().call(request).await.unwrap().gate_review.unwrap();
    world.steering().call(world.decision(&correction, outcome)).await.unwrap()
}

#[tokio::test]
async fn draft_prepared_by_the_manager_and_submitted_by_another_i03() {
    let world = World::new().await;
    let project = world.funded().await;
    let manager = world.person("manager", &[]);
    let review = manager.call(draft(&world, &project)).await.unwrap().gate_review.unwrap();
    assert_eq!((review.state(), review.drafter()), (GateReviewState::Draft, "manager"));
    assert!(review.submit_time.is_none() && review.decision_basis.is_none() && review.submitter.is_empty());
    let failure = world.office().call(world.submission(&project, GateCode::G1)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_ALREADY_OPEN"), "{failure:?}");
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_OPEN"), "{failure:?}");

    let change = pb::UpdateGateReviewDraftRequest {
        organisation: world.id(),
        project: project.id.clone(),
        gate_review: review.id.clone(),
        changes: Some(pb::GateReviewChanges {
            amount_ore: Some(200),
            risk_class: Some(pb::RiskClass::Low.into()),
            summary: None,
        }),
        etag: review.etag.clone(),
        ..Default::default()
    };
    let changed = manager.call(change.clone()).await.unwrap().gate_review.unwrap();
    assert_eq!((changed.amount_ore, changed.risk_class()), (200, pb::RiskClass::Low));
    assert_eq!(changed.summary, review.summary);
    let reader = world.person("r", &[Role::Reader]);
    let failure = reader.call(change.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    // Readiness speaks of what the draft asks for.
    assert_eq!(world.readiness(&project, 7).await.asked.unwrap().amount_ore, 200);

    let both = world.person("manager", &[Role::PortfolioOffice]);
    let failure = both.call(submit_draft(&world, &review)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "SUBMITTER_IS_PROJECT_MANAGER"), "{failure:?}");
    // What was read before the change is not what is submitted.
    let failure = world.office().call(submit_draft(&world, &review)).await.unwrap_err();
    assert!(failure.is(Code::Aborted, "ETAG_STALE"), "{failure:?}");
    let submitted = world.office().call(submit_draft(&world, &changed)).await.unwrap().gate_review.unwrap();
    assert_eq!((submitted.state(), submitted.submitter.as_str()), (GateReviewState::Submitted, "office"));
    let basis: serde_json::Value =
        serde_json::from_str(&submitted.decision_basis.as_ref().unwrap().canonical_json).unwrap();
    assert_eq!(basis["summary"], "Vi vil prøve det af på ét plejecenter.");
    assert_eq!(basis["dossier"]["asked"]["amount_ore"], "200");
    let failure = manager.call(change).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_DRAFT"), "{failure:?}");
    world.steering().call(world.decision(&submitted, GateOutcome::Go)).await.unwrap();
}

#[tokio::test]
async fn draft_taken_back_by_its_drafter_makes_room_for_another() {
    let world = World::new().await;
    let project = world.project().await;
    let manager = world.person("manager", &[]);
    let review = manager.call(draft(&world, &project)).await.unwrap().gate_review.unwrap();
    let withdrawal = pb::WithdrawGateReviewRequest {
        organisation: world.id(),
        project: project.id.clone(),
        gate_review: review.id.clone(),
        reason: "Forfra.".to_owned(),
        validate_only: false,
    };
    let withdrawn = manager.call(withdrawal).await.unwrap().gate_review.unwrap();
    assert_eq!(withdrawn.state(), GateReviewState::Withdrawn);
    let failure = world.office().call(submit_draft(&world, &review)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_DRAFT"), "{failure:?}");
    manager.call(draft(&world, &project)).await.unwrap();
}

#[tokio::test]
async fn hold_says_why_and_go_upon_conditions_names_them() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let hold = world.decision(&review, GateOutcome::Hold);
    let upon = world.decision(&review, GateOutcome::GoWithConditions);
    let past = pb::NewCondition { due_on: "2020-01-01".to_owned(), ..world.condition("2999-12-31") };
    let no_day = pb::NewCondition { due_on: "2026-02-30".to_owned(), ..world.condition("2999-12-31") };
    let cases = [
        (pb::DecideGateReviewRequest { hold_reasons: Vec::new(), ..hold.clone() }, "hold_reasons"),
        (pb::DecideGateReviewRequest { outcome: GateOutcome::Go.into(), ..hold.clone() }, "hold_reasons"),
        (pb::DecideGateReviewRequest { conditions: Vec::new(), ..upon.clone() }, "conditions"),
        (pb::DecideGateReviewRequest { outcome: GateOutcome::Go.into(), ..upon.clone() }, "conditions"),
        (pb::DecideGateReviewRequest { conditions: vec![past], ..upon.clone() }, "conditions[0].due_on"),
        (pb::DecideGateReviewRequest { conditions: vec![no_day], ..upon.clone() }, "conditions[0].due_on"),
    ];
    for (request, field) in cases {
        let failure = world.steering().call(request).await.unwrap_err();
        assert_eq!((failure.code, &failure.fields[..]), (Code::InvalidArgument, &[field.to_owned()][..]));
    }
    let held = world.steering().call(hold).await.unwrap();
    assert_eq!(held.gate_review.unwrap().hold_reasons, [i32::from(pb::HoldReason::ChangeLoad)]);
    assert_eq!(held.project.unwrap().status(), ProjectStatus::OnHold);
}

#[tokio::test]
async fn go_with_conditions_moves_the_stage_and_keeps_the_conditions() {
    let world = World::new().await;
    let project = world.project().await;
    let decided = world.decided(&project, GateCode::G1, GateOutcome::GoWithConditions).await;
    assert_eq!(decided.project.unwrap().stage(), Stage::Analysis);
    let review = decided.gate_review.unwrap();
    let [condition] = &review.conditions[..] else { panic!("{review:?}") };
    assert_eq!((condition.state(), condition.owner.as_str()), (pb::ConditionState::Open, "condition-owner"));
    assert_eq!((condition.gate_review.as_str(), condition.due_on.as_str()), (review.id.as_str(), "2999-12-31"));
    let read = world.office().call(get(&world, &review)).await.unwrap().gate_review.unwrap();
    assert_eq!(read, review);
}

#[tokio::test]
async fn several_deciders_agree_and_who_differs_is_kept_i03() {
    let world = World::new().await;
    let mut model = bare_model();
    model.gates[0].min_deciders = 3;
    let request = pb::PublishGateModelRequest {
        organisation: world.id(),
        definition: Some(model),
        reason: "Tre skal være enige.".to_owned(),
        validate_only: false,
    };
    world.office().call(request).await.unwrap();
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let member = |name: &str| world.person(name, &[Role::SteeringGroup]);
    let upon = world.decision(&review, GateOutcome::GoWithConditions);
    let state = async |name: &str, request: pb::DecideGateReviewRequest| {
        member(name).call(request).await.unwrap().gate_review.unwrap().state()
    };
    assert_eq!(state("first", upon.clone()).await, GateReviewState::Submitted);
    assert_eq!(state("dissenter", world.decision(&review, GateOutcome::Hold)).await, GateReviewState::Submitted);
    let other = pb::DecideGateReviewRequest { conditions: vec![world.condition("2998-12-31")], ..upon.clone() };
    let failure = member("second").call(other).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "VOTES_DIFFER"), "{failure:?}");
    // The same, or none: what the first named is accepted.
    assert_eq!(state("second", upon.clone()).await, GateReviewState::Submitted);
    let accepting = pb::DecideGateReviewRequest { conditions: Vec::new(), ..upon };
    let decided = member("third").call(accepting).await.unwrap().gate_review.unwrap();
    assert_eq!((decided.state(), decided.outcome()), (GateReviewState::Decided, GateOutcome::GoWithConditions));
    assert_eq!((decided.votes.len(), decided.conditions.len()), (4, 1));
    assert_eq!(decided.votes[1].outcome(), GateOutcome::Hold);
}

#[tokio::test]
async fn correction_takes_the_decisions_place_and_leaves_it_as_it_was() {
    let world = World::new().await;
    let project = world.funded().await;
    let submission = pb::SubmitGateReviewRequest { amount_ore: 7_000, ..world.submission(&project, GateCode::G1) };
    let review = world.office().call(submission).await.unwrap().gate_review.unwrap();
    let upon = world.decision(&review, GateOutcome::GoWithConditions);
    let first = world.steering().call(upon).await.unwrap().gate_review.unwrap();
    assert_eq!(world.reread(&project).await.stage(), Stage::Analysis);

    let held = corrected(&world, &first, GateOutcome::Hold).await;
    let (correction, moved) = (held.gate_review.unwrap(), held.project.unwrap());
    assert_eq!((moved.stage(), moved.status()), (Stage::Idea, ProjectStatus::OnHold));
    assert_eq!((correction.supersedes(), correction.attempt), (first.id.as_str(), 1));
    let kept = world.office().call(get(&world, &first)).await.unwrap().gate_review.unwrap();
    assert_eq!((kept.outcome(), kept.superseded_by()), (GateOutcome::GoWithConditions, correction.id.as_str()));
    assert_eq!((kept.decision_basis.clone(), kept.votes.clone()), (first.decision_basis.clone(), first.votes.clone()));
    assert_eq!(kept.conditions[0].state(), pb::ConditionState::Superseded);
    let funding = pb::GetProjectFundingRequest { organisation: world.id(), project: project.id.clone() };
    let funding = world.office().call(funding).await.unwrap().funding.unwrap();
    assert_eq!(funding.authorised_ore, 0);
    assert_eq!(funding.spend_authorities[0].revoked_by_review(), correction.id);

    // Only the latest decision; also of a stop, which thereby is none.
    let request =
        pb::SubmitGateReviewRequest { supersedes: Some(first.id.clone()), ..world.submission(&project, GateCode::G1) };
    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_LATEST"), "{failure:?}");
    world.office().call(world.lesson(&project)).await.unwrap();
    let killed = corrected(&world, &correction, GateOutcome::Kill).await;
    assert_eq!(killed.project.unwrap().status(), ProjectStatus::Stopped);
    let killed = killed.gate_review.unwrap();
    let wrong = pb::SubmitGateReviewRequest {
        gate: GateCode::G2.into(),
        supersedes: Some(killed.id.clone()),
        ..world.submission(&project, GateCode::G2)
    };
    let failure = world.office().call(wrong).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "GATE_NOT_NEXT"), "{failure:?}");
    let escalated = corrected(&world, &killed, GateOutcome::Escalated).await;
    assert_eq!(escalated.project.unwrap().status(), ProjectStatus::Stopped, "passed on: nothing is corrected yet");
    let gone = corrected(&world, &killed, GateOutcome::Go).await;
    let (gone, project) = (gone.gate_review.unwrap(), gone.project.unwrap());
    assert_eq!((project.stage(), project.status()), (Stage::Analysis, ProjectStatus::Active));
    assert_eq!(gone.attempt, 1);
}

#[tokio::test]
async fn correction_at_once_one_stands() {
    let world = World::new().await;
    let project = world.project().await;
    let first = world.decided(&project, GateCode::G1, GateOutcome::Go).await.gate_review.unwrap();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let request = pb::SubmitGateReviewRequest {
                supersedes: Some(first.id.clone()),
                ..world.submission(&project, GateCode::G1)
            };
            let office = world.office();
            tokio::spawn(async move { office.call(request).await })
        })
        .collect();
    let mut open = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => open += 1,
            Err(failure) => assert!(failure.is(Code::FailedPrecondition, "REVIEW_ALREADY_OPEN"), "{failure:?}"),
        }
    }
    assert_eq!(open, 1);
}

#[tokio::test]
async fn kill_records_what_it_had_cost_and_how_long_it_took_s21() {
    let world = World::new().await;
    let project = world.funded().await;
    let submission = pb::SubmitGateReviewRequest { amount_ore: 20_000_000, ..world.submission(&project, GateCode::G1) };
    let review = world.office().call(submission).await.unwrap().gate_review.unwrap();
    world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();
    world.office().call(world.baseline(&project, 63_000_000)).await.unwrap();
    let spend = pb::RecordExpenditureRequest {
        organisation: world.id(),
        project: project.id.clone(),
        amount_ore: 18_000_000,
        spent_on: "2026-01-31".to_owned(),
        purpose: pb::SpendPurpose::Experiments.into(),
        category: pb::CostCategory::Consultants.into(),
        source: "Faktura".to_owned(),
        validate_only: false,
    };
    world.office().call(spend).await.unwrap();
    world.clock.advance(Duration::days(74));
    let killed = world.decided(&project, GateCode::G2, GateOutcome::Kill).await.gate_review.unwrap();
    let stop = killed.stop.unwrap();
    assert_eq!((stop.sunk_cost_ore, stop.days_since_g1, stop.budget_ore), (18_000_000, Some(74), 63_000_000));
    assert_eq!(stop.share_of_budget(), "0.2857");
}

#[tokio::test]
async fn correction_of_what_still_waits_for_its_conditions_and_not_by_a_smaller_mandate_i04() {
    let world = World::shipped().await;
    let project = world.project().await;
    world.made_ready(&project, 0).await;
    let first = world.decided(&project, GateCode::G1, GateOutcome::GoWithConditions).await.gate_review.unwrap();
    // The conditions of the decision that is corrected are none of its correction's (shipped: CONDITIONS_SETTLED).
    let second = corrected(&world, &first, GateOutcome::GoWithConditions).await;
    assert_eq!(second.project.unwrap().stage(), Stage::Analysis);

    let world = World::new().await;
    let project = world.funded().await;
    let submission =
        pb::SubmitGateReviewRequest { amount_ore: 2_000_000_000, ..world.submission(&project, GateCode::G1) };
    let review = world.office().call(submission).await.unwrap().gate_review.unwrap();
    for member in ["first-of-board", "second-of-board"] {
        let board = world.person(member, &[Role::ExecutiveBoard]);
        board.call(world.decision(&review, GateOutcome::Go)).await.unwrap();
    }
    // For nothing at no risk it would be the steering group's; but it undoes what took the board.
    let request = pb::SubmitGateReviewRequest {
        supersedes: Some(review.id.clone()),
        risk_class: pb::RiskClass::Low.into(),
        ..world.submission(&project, GateCode::G1)
    };
    let correction = world.office().call(request).await.unwrap().gate_review.unwrap();
    let failure = world.steering().call(world.decision(&correction, GateOutcome::Hold)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "AUTHORITY_EXCEEDED"), "{failure:?}");
}

#[tokio::test]
async fn correction_where_another_size_would_lead_elsewhere_refused_i01() {
    let world = World::new().await;
    let project = world.project().await;
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    let second = world.decided(&project, GateCode::G2, GateOutcome::Go).await;
    let (review, project) = (second.gate_review.unwrap(), second.project.unwrap());
    let shrink = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { size_class: Some(pb::SizeClass::Xs.into()), ..Default::default() }),
        etag: project.etag.clone(),
        ..Default::default()
    };
    world.office().call(shrink).await.unwrap();
    // G2 of an XS leads to realisation: not where this decision led.
    let request =
        pb::SubmitGateReviewRequest { supersedes: Some(review.id), ..world.submission(&project, GateCode::G2) };
    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "STAGE_NOT_IN_MODEL"), "{failure:?}");
}

#[tokio::test]
async fn grade_of_who_runs_the_project_by_now_counts_no_more() {
    let world = World::shipped().await;
    let project = world.project().await;
    let ready = world.made_ready(&project, 0).await;
    assert!(ready.go_possible, "{:?}", ready.summary);
    let project = world.reread(&project).await;
    let hand_over = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { project_manager: Some("assessor".to_owned()), ..Default::default() }),
        etag: project.etag.clone(),
        ..Default::default()
    };
    world.office().call(hand_over).await.unwrap();
    let now = world.readiness(&project, 0).await;
    let missing = |code: &str| now.criteria.iter().any(|found| found.code == code && found.applies && !found.met);
    assert!(missing("S24_SECURITY_SCREENING") && !missing("S04_AFFECTED"), "{:?}", now.summary);
}

#[tokio::test]
async fn correction_can_be_assessed_at_its_own_gate_wherever_the_project_stands() {
    let world = World::shipped().await;
    let project = world.project().await;
    world.office().call(world.lesson(&project)).await.unwrap();
    let killed = world.decided(&project, GateCode::G1, GateOutcome::Kill).await.gate_review.unwrap();
    let grade = world.assessment(&project, "S24_SECURITY_SCREENING", pb::Grade::Green);
    let failure = world.assessors().call(grade.clone()).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
    let request =
        pb::SubmitGateReviewRequest { supersedes: Some(killed.id.clone()), ..world.submission(&project, GateCode::G1) };
    world.office().call(request).await.unwrap();
    let kept = world.assessors().call(grade).await.unwrap().assessment.unwrap();
    assert_eq!(kept.gate(), GateCode::G1);
}

#[tokio::test]
async fn correction_past_a_lapsed_condition_refused_but_to_pass_it_on() {
    let world = World::new().await;
    let project = world.project().await;
    let first = world.decided(&project, GateCode::G1, GateOutcome::Go).await.gate_review.unwrap();
    let second = world.decided(&project, GateCode::G2, GateOutcome::Recycle).await.gate_review.unwrap();
    let owner = owner().await;
    let lapsed = Condition { state: pb::ConditionState::Lapsed, ..Condition::default() };
    conditions::set(&owner, &world, &first, &lapsed).await;
    let request =
        pb::SubmitGateReviewRequest { supersedes: Some(second.id.clone()), ..world.submission(&project, GateCode::G2) };
    let correction = world.office().call(request).await.unwrap().gate_review.unwrap();
    for outcome in [GateOutcome::Go, GateOutcome::Recycle] {
        let failure = world.steering().call(world.decision(&correction, outcome)).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "CONDITION_LAPSED"), "{failure:?}");
    }
    let passed = world.steering().call(world.decision(&correction, GateOutcome::Escalated)).await.unwrap();
    assert_eq!(passed.gate_review.unwrap().outcome(), GateOutcome::Escalated);
    assert_eq!(world.reread(&project).await.stage(), Stage::Analysis);
}
