//! Gates: submission with a frozen basis, decisions, and the invariants I01 and I03.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome, ProjectStatus, Stage};
use sea_orm::ConnectionTrait;
use tonic::Code;

use crate::harness::{World, runtime_role};

fn get(world: &World, review: &pb::GateReview) -> pb::GetGateReviewRequest {
    pb::GetGateReviewRequest {
        organisation: world.id(),
        project: review.project.clone(),
        gate_review: review.id.clone(),
    }
}

fn withdrawal(world: &World, review: &pb::GateReview) -> pb::WithdrawGateReviewRequest {
    pb::WithdrawGateReviewRequest {
        organisation: world.id(),
        project: review.project.clone(),
        gate_review: review.id.clone(),
        reason: "Vi mangler noget.".to_owned(),
        validate_only: false,
    }
}

fn list(world: &World, project: &pb::Project) -> pb::ListGateReviewsRequest {
    pb::ListGateReviewsRequest { organisation: world.id(), project: project.id.clone(), ..Default::default() }
}

#[tokio::test]
async fn model_five_gates_from_idea_to_closed() {
    let world = World::new().await;
    let request = pb::GetGateModelRequest { organisation: world.id(), gate_model: None };
    let model = world.person("r", &[Role::Reader]).call(request).await.unwrap();
    let whole = model.gates.iter().filter(|gate| gate.size_classes.is_empty());
    let steps: Vec<(GateCode, Stage, Stage)> =
        whole.map(|gate| (gate.code(), gate.from_stage(), gate.to_stage())).collect();
    assert_eq!(
        steps,
        [
            (GateCode::G1, Stage::Idea, Stage::Analysis),
            (GateCode::G2, Stage::Analysis, Stage::Execution),
            (GateCode::G3, Stage::Execution, Stage::ExecutionScaled),
            (GateCode::G4, Stage::ExecutionScaled, Stage::Realisation),
            (GateCode::G5, Stage::Realisation, Stage::Closed),
        ]
    );
}

#[tokio::test]
async fn go_at_every_gate_leads_to_closed() {
    let world = World::new().await;
    let project = world.project().await;
    let steps = [
        (GateCode::G1, Stage::Analysis),
        (GateCode::G2, Stage::Execution),
        (GateCode::G3, Stage::ExecutionScaled),
        (GateCode::G4, Stage::Realisation),
        (GateCode::G5, Stage::Closed),
    ];
    for (gate, stage) in steps {
        let decided = world.decided(&project, gate, GateOutcome::Go).await;
        assert_eq!(decided.project.unwrap().stage(), stage);
    }
    let failure = world.office().call(world.submission(&project, GateCode::G5)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
    assert_eq!(failure.metadata["status"], "CLOSED");
}

#[tokio::test]
async fn submit_gate_that_does_not_follow_refused_i01() {
    let world = World::new().await;
    let project = world.project().await;
    for gate in [GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5] {
        let failure = world.office().call(world.submission(&project, gate)).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "GATE_NOT_NEXT"), "{failure:?}");
        assert_eq!(failure.metadata["next"], "G1");
    }
    assert_eq!(world.reread(&project).await.stage(), Stage::Idea);
}

#[tokio::test]
async fn submit_by_a_reader_denied_by_its_manager_refused_i03() {
    let world = World::new().await;
    let project = world.project().await;
    let reader = world.person("r", &[Role::Reader]);
    let failure = reader.call(world.submission(&project, GateCode::G1)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    // Someone who is both: the role is there, the three-people rule is not kept.
    let both = world.person("manager", &[Role::ProjectManager, Role::PortfolioOffice]);
    let failure = both.call(world.submission(&project, GateCode::G1)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "SUBMITTER_IS_PROJECT_MANAGER"), "{failure:?}");
}

#[tokio::test]
async fn submit_while_one_is_open_refused_also_at_once() {
    let world = World::new().await;
    let project = world.project().await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (office, request) = (world.office(), world.submission(&project, GateCode::G1));
            tokio::spawn(async move { office.call(request).await })
        })
        .collect();
    let mut submitted = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => submitted += 1,
            Err(failure) => assert!(failure.is(Code::FailedPrecondition, "REVIEW_ALREADY_OPEN"), "{failure:?}"),
        }
    }
    assert_eq!(submitted, 1);
}

#[tokio::test]
async fn submit_invalid_gate_names_the_field() {
    let world = World::new().await;
    let project = world.project().await;
    for gate in [0, 9] {
        let request = pb::SubmitGateReviewRequest { gate, ..world.submission(&project, GateCode::G1) };
        let failure = world.office().call(request).await.unwrap_err();
        assert_eq!((failure.code, &failure.fields[..]), (Code::InvalidArgument, &["gate".to_owned()][..]));
    }
}

#[tokio::test]
async fn basis_frozen_at_submission_and_its_hash_recomputable_s32() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "46", "35.50").await;
    world.office().call(world.measurement(&benefit, "41", "2026-01-31")).await.unwrap();
    let review = world.submitted(&project, GateCode::G1).await;
    // What is changed afterwards changes nothing that is decided upon.
    let etag = world.reread(&project).await.etag;
    let rename = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { title: Some("Et andet navn".to_owned()), ..Default::default() }),
        update_mask: None,
        etag,
        validate_only: false,
    };
    world.office().call(rename).await.unwrap();
    world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();

    let basis = world.office().call(get(&world, &review)).await.unwrap().gate_review.unwrap().decision_basis.unwrap();
    assert_eq!(Some(&basis), review.decision_basis.as_ref());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, basis.canonical_json.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(basis.sha256, hex);
    let facts: serde_json::Value = serde_json::from_str(&basis.canonical_json).unwrap();
    let dossier = &facts["dossier"];
    assert_eq!(dossier["project"]["title"], "Et projekt");
    assert_eq!(dossier["project"]["stage"], "STAGE_IDEA");
    assert_eq!(dossier["asked"]["gate"], "GATE_CODE_G1");
    assert_eq!(dossier["benefits"][0]["benefit"]["target"], "35.5");
    assert_eq!(dossier["benefits"][0]["latest_measurement"]["value"], "41");
    // serde_json's own map is sorted: what it writes again is the canonical form, when all else is canonical too.
    assert_eq!(facts.to_string(), basis.canonical_json);
}

#[tokio::test]
async fn decide_three_people_or_refused_i03() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let decision = world.decision(&review, GateOutcome::Go);
    let submitter = world.person("office", &[Role::PortfolioOffice, Role::SteeringGroup]);
    let failure = submitter.call(decision.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "DECIDER_IS_SUBMITTER"), "{failure:?}");
    let manager = world.person("manager", &[Role::SteeringGroup]);
    let failure = manager.call(decision.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "DECIDER_IS_PROJECT_MANAGER"), "{failure:?}");
    let failure = world.office().call(decision.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    assert_eq!(world.reread(&project).await.stage(), Stage::Idea);

    let decided = world.steering().call(decision).await.unwrap();
    let review = decided.gate_review.unwrap();
    assert_eq!((review.state(), review.outcome()), (pb::GateReviewState::Decided, GateOutcome::Go));
    assert_eq!((review.submitter.as_str(), review.decider()), ("office", "steering"));
    assert_eq!(decided.project.unwrap().stage(), Stage::Analysis);
    let refusals = world.audited(&format!("object = \"{}\" AND outcome = REFUSED", review.id)).await;
    let reasons: Vec<&str> = refusals.iter().rev().map(|entry| entry.reason.as_str()).collect();
    assert_eq!(reasons, ["DECIDER_IS_SUBMITTER", "DECIDER_IS_PROJECT_MANAGER", "ROLE_MISSING"]);
}

#[tokio::test]
async fn decide_manager_changed_to_submitter_since_refused_i03() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let request = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { project_manager: Some("office".to_owned()), ..Default::default() }),
        update_mask: None,
        etag: world.reread(&project).await.etag,
        validate_only: false,
    };
    world.office().call(request).await.unwrap();
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "SUBMITTER_IS_PROJECT_MANAGER"), "{failure:?}");
}

#[tokio::test]
async fn decide_by_who_managed_it_at_submission_refused_i03() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    assert_eq!(review.project_manager, "manager");
    // The manager, who sits in the steering group too, hands the project over to get round the rule.
    let both = world.person("manager", &[Role::ProjectManager, Role::SteeringGroup]);
    let request = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { project_manager: Some("straw-man".to_owned()), ..Default::default() }),
        update_mask: None,
        etag: world.reread(&project).await.etag,
        validate_only: false,
    };
    both.call(request).await.unwrap();
    let failure = both.call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "DECIDER_IS_PROJECT_MANAGER"), "{failure:?}");
}

#[tokio::test]
async fn people_named_as_issuers_name_them_are_held_to_i03_too() {
    let world = World::new().await;
    let project = world.project().await;
    let request = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { project_manager: Some("auth0|a+b/c=".to_owned()), ..Default::default() }),
        update_mask: None,
        etag: project.etag.clone(),
        validate_only: false,
    };
    world.office().call(request).await.unwrap();
    let review = world.submitted(&project, GateCode::G1).await;
    let manager = world.person("auth0|a+b/c=", &[Role::SteeringGroup]);
    let failure = manager.call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "DECIDER_IS_PROJECT_MANAGER"), "{failure:?}");
}

#[tokio::test]
async fn decide_at_once_one_decision_stands() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let outcomes = [GateOutcome::Go, GateOutcome::Hold, GateOutcome::Recycle, GateOutcome::Kill];
    let calls: Vec<_> = (0..16)
        .map(|number| {
            let decider = world.person(&format!("decider-{number}"), &[Role::SteeringGroup]);
            let request = world.decision(&review, outcomes[number % 4]);
            tokio::spawn(async move { decider.persist(request).await })
        })
        .collect();
    let mut decided = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => decided.push(answer.gate_review.unwrap()),
            Err(failure) => assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_OPEN"), "{failure:?}"),
        }
    }
    assert_eq!(decided.len(), 1);
    let stored = world.office().call(get(&world, &review)).await.unwrap().gate_review.unwrap();
    assert_eq!(stored, decided[0]);
    let done =
        world.audited(&format!("object = \"{}\" AND action = \"gate.decide\" AND outcome = DONE", review.id)).await;
    assert_eq!(done.len(), 1);
}

#[tokio::test]
async fn decide_retried_with_its_key_same_answer() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let request = world.decision(&review, GateOutcome::Go);
    let first = world.steering().key("decide-1").call(request.clone()).await.unwrap();
    let again = world.steering().key("decide-1").call(request.clone()).await.unwrap();
    assert_eq!(first, again);
    let without_key = world.steering().call(request).await.unwrap_err();
    assert!(without_key.is(Code::FailedPrecondition, "REVIEW_NOT_OPEN"), "{without_key:?}");
}

#[tokio::test]
async fn hold_then_resume_returns_to_the_same_gate() {
    let world = World::new().await;
    let project = world.project().await;
    let held = world.decided(&project, GateCode::G1, GateOutcome::Hold).await.project.unwrap();
    assert_eq!((held.stage(), held.status()), (Stage::Idea, ProjectStatus::OnHold));
    let failure = world.office().call(world.submission(&project, GateCode::G1)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");

    let resume = pb::ResumeProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        reason: "Der er plads i hverdagen igen.".to_owned(),
        ..Default::default()
    };
    let failure = world.office().call(resume.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let resumed = world.steering().call(resume.clone()).await.unwrap().project.unwrap();
    assert_eq!((resumed.stage(), resumed.status()), (Stage::Idea, ProjectStatus::Active));
    let failure = world.steering().call(resume.clone()).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ON_HOLD"), "{failure:?}");
    let blank = pb::ResumeProjectRequest { reason: String::new(), ..resume };
    assert_eq!(world.steering().call(blank).await.unwrap_err().fields, ["reason"]);
    assert_eq!(world.submitted(&project, GateCode::G1).await.attempt, 1);
}

#[tokio::test]
async fn recycle_keeps_the_stage_and_counts_an_attempt() {
    let world = World::new().await;
    let project = world.project().await;
    for attempt in 1..=3 {
        let review = world.submitted(&project, GateCode::G1).await;
        assert_eq!(review.attempt, attempt);
        let decided = world.steering().call(world.decision(&review, GateOutcome::Recycle)).await.unwrap();
        assert_eq!(decided.project.unwrap().stage(), Stage::Idea);
    }
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    assert_eq!(world.submitted(&project, GateCode::G2).await.attempt, 1, "each gate counts its own");
}

#[tokio::test]
async fn kill_stops_for_good_s21() {
    let world = World::new().await;
    let project = world.project().await;
    let killed = world.decided(&project, GateCode::G1, GateOutcome::Kill).await.project.unwrap();
    assert_eq!((killed.stage(), killed.status()), (Stage::Idea, ProjectStatus::Stopped));
    let failure = world.office().call(world.submission(&project, GateCode::G1)).await.unwrap_err();
    assert_eq!(failure.metadata["status"], "STOPPED");
    let failure = world.office().call(world.benefit_request(&project, "1", "2")).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
}

#[tokio::test]
async fn withdraw_by_its_submitter_frees_the_gate() {
    let world = World::new().await;
    let project = world.project().await;
    let owner = world.person("project-owner", &[Role::ProjectOwner]);
    let review = owner.call(world.submission(&project, GateCode::G1)).await.unwrap().gate_review.unwrap();
    let other = world.person("another-owner", &[Role::ProjectOwner]);
    let failure = other.call(withdrawal(&world, &review)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let blank = pb::WithdrawGateReviewRequest { reason: String::new(), ..withdrawal(&world, &review) };
    assert_eq!(owner.call(blank).await.unwrap_err().fields, ["reason"]);
    let withdrawn = owner.call(withdrawal(&world, &review)).await.unwrap().gate_review.unwrap();
    assert_eq!(withdrawn.state(), pb::GateReviewState::Withdrawn);
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_OPEN"), "{failure:?}");
    assert_eq!(failure.metadata["state"], "WITHDRAWN");
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
}

#[tokio::test]
async fn list_newest_first_without_the_texts_of_the_bases() {
    let world = World::new().await;
    let project = world.project().await;
    world.decided(&project, GateCode::G1, GateOutcome::Recycle).await;
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    let reviews = world.office().call(list(&world, &project)).await.unwrap().gate_reviews;
    let outcomes: Vec<GateOutcome> = reviews.iter().map(pb::GateReview::outcome).collect();
    assert_eq!(outcomes, [GateOutcome::Go, GateOutcome::Recycle]);
    for review in &reviews {
        let basis = review.decision_basis.as_ref().unwrap();
        assert!(basis.canonical_json.is_empty() && basis.sha256.len() == 64);
    }
    let go = pb::ListGateReviewsRequest { filter: "outcome = GO".to_owned(), page_size: 1, ..list(&world, &project) };
    assert_eq!(world.office().call(go).await.unwrap().gate_reviews.len(), 1);
    let none = world.office().call(list(&world, &world.project().await)).await.unwrap();
    assert!(none.gate_reviews.is_empty() && none.next_page_token.is_empty());
}

#[tokio::test]
async fn decided_review_cannot_be_changed_by_sql_either() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.decided(&project, GateCode::G1, GateOutcome::Go).await.gate_review.unwrap();
    let db = crate::harness::runtime_role().await;
    for sql in [
        format!("UPDATE gate_reviews SET reason = 'anden' WHERE id = '{}'", review.id),
        format!("DELETE FROM gate_reviews WHERE id = '{}'", review.id),
    ] {
        let scoped = format!(
            "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{{{0}}}}}', true); {sql}",
            world.organisation
        );
        assert!(db.execute_unprepared(&scoped).await.is_err(), "{sql}");
    }
}

/// A basis that the first version with this shape froze: whatever the contract becomes, it is given byte for byte, its hash
/// is that of its bytes, and a paper can be made of it. The file is never written again.
#[tokio::test]
async fn basis_frozen_long_ago_is_given_byte_for_byte_and_can_be_read() {
    const FROZEN: &str = include_str!("../golden/basis_v3.json");
    const SHA256: &str = "5f38817aa3631fb64745f96ccb17719a4d834e357e7139246661d60c6d6813c5";
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, FROZEN.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, SHA256);

    let world = World::new().await;
    let project = world.project().await;
    let sql = format!(
        "SELECT set_config('app.organisation', '{0}', true); INSERT INTO gate_reviews (organisation_id, id, project_id, gate, \
         attempt, state, submitter, project_manager, submitted_at, basis, basis_sha256, outcome, decider, reason, ended_at) \
         VALUES ('{0}', '0199aaaa-0000-7000-8000-00000000ba51', '{1}', 'G3', 1, 'DECIDED', 's', 'm', now(), '{2}', \
         '{SHA256}', 'GO', 'd', 'r', now())",
        world.id(),
        project.id,
        FROZEN.replace('\'', "''")
    );
    runtime_role().await.execute_unprepared(&sql).await.unwrap();
    let review = pb::GateReview {
        id: "0199aaaa-0000-7000-8000-00000000ba51".to_owned(),
        project: project.id.clone(),
        ..Default::default()
    };
    let basis = world.office().call(get(&world, &review)).await.unwrap().gate_review.unwrap().decision_basis.unwrap();
    assert!(basis.canonical_json == FROZEN && basis.sha256 == SHA256);
    let facts: serde_json::Value = serde_json::from_str(FROZEN).unwrap();
    assert_eq!(facts.to_string(), FROZEN, "canonical then, and now");
    let paper = pb::GetDecisionPaperRequest {
        organisation: world.id(),
        project: project.id,
        gate_review: review.id,
        ..Default::default()
    };
    let paper = world.office().over_grpc().call(paper).await.unwrap().paper.unwrap();
    assert!(String::from_utf8(paper.data).unwrap().contains("Sensorgulve på plejecenter"));
}
