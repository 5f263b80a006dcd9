//! Readiness, criteria and what they decide: musts at decision time (I02), money (I05), lessons (I20).

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, CriterionKind, CriterionStrength, GateCode, GateOutcome, Grade, Stage};
use tonic::Code;

use crate::harness::{World, bare_model};

/// A model that asks one thing at G1.
fn asking(criterion: pb::Criterion) -> pb::GateModelDefinition {
    pb::GateModelDefinition { name: "Ét krav".to_owned(), criteria: vec![criterion], ..bare_model() }
}

fn rule(rule: &str) -> pb::Criterion {
    let text = |text: &str| Some(pb::LocalizedText { da: text.to_owned(), en: text.to_owned() });
    pb::Criterion {
        code: "PROBE".to_owned(),
        title: text("Et krav"),
        remedy: text("Opfyld det."),
        kind: CriterionKind::Rule.into(),
        strength: CriterionStrength::Must.into(),
        weight: 10,
        principle: pb::Principle::GiveValue.into(),
        gates: vec![GateCode::G1.into()],
        rule: rule.to_owned(),
        ..Default::default()
    }
}

async fn under(world: &World, model: pb::GateModelDefinition) -> pb::Project {
    let request = pb::PublishGateModelRequest {
        organisation: world.id(),
        definition: Some(model),
        reason: "Prøve.".to_owned(),
        validate_only: false,
    };
    world.office().call(request).await.unwrap();
    world.project().await
}

fn probe(readiness: &pb::GetGateReadinessResponse) -> &pb::CriterionResult {
    readiness.criteria.iter().find(|criterion| criterion.code == "PROBE").unwrap()
}

#[tokio::test]
async fn readiness_says_what_is_missing_why_and_who_can_in_danish_and_english() {
    let world = World::shipped().await;
    let project = world.project().await;
    let readiness = world.readiness(&project, 0).await;
    assert_eq!((readiness.gate(), readiness.to_stage(), readiness.go_possible), (GateCode::G1, Stage::Analysis, false));
    let security =
        readiness.criteria.iter().find(|criterion| criterion.code == "S24_SECURITY_SCREENING").unwrap().clone();
    let (why, who) = (security.why.unwrap(), security.who.unwrap());
    assert_eq!((why.da.as_str(), why.en.as_str()), ("Ingen har vurderet det endnu.", "Nobody has assessed it yet."));
    assert!(who.da.contains("den sikkerhedsansvarlige") && who.en.contains("the security officer"), "{who:?}");
    assert!(readiness.summary.unwrap().da.contains("S24_SECURITY_SCREENING"));
    // First what is missing, musts before shoulds.
    let order: Vec<_> = readiness.criteria.iter().map(|found| (!found.applies, found.met, found.strength)).collect();
    assert!(order.is_sorted(), "{order:?}");

    let amber = world.assessment(&project, "S24_SECURITY_SCREENING", Grade::Red);
    let officer = world.person("ciso", &[Role::AssessorCiso]);
    officer.call(amber).await.unwrap();
    let again = world.readiness(&project, 0).await;
    let security = again.criteria.iter().find(|criterion| criterion.code == "S24_SECURITY_SCREENING").unwrap();
    assert!(!security.met && security.why.as_ref().unwrap().da.contains("Vurderet rød af ciso; der kræves mindst gul"));
    officer.call(world.assessment(&project, "S24_SECURITY_SCREENING", Grade::Amber)).await.unwrap();
    let again = world.readiness(&project, 0).await;
    let security = again.criteria.iter().find(|criterion| criterion.code == "S24_SECURITY_SCREENING").unwrap();
    assert!(security.met && security.assessment.as_ref().unwrap().grade() == Grade::Amber, "the newest counts");
}

#[tokio::test]
async fn shipped_model_passed_gate_by_gate_as_readiness_says() {
    let world = World::shipped().await;
    let project = world.project().await;
    let amounts = [
        (GateCode::G1, 20_000_000),
        (GateCode::G2, 60_000_000),
        (GateCode::G3, 0),
        (GateCode::G4, 0),
        (GateCode::G5, 0),
    ];
    for (gate, amount_ore) in amounts {
        let before = world.readiness(&project, amount_ore).await;
        assert_eq!((before.gate(), before.go_possible), (gate, false));
        let submission = pb::SubmitGateReviewRequest { amount_ore, ..world.submission(&project, gate) };
        let review = world.office().call(submission.clone()).await.unwrap().gate_review.unwrap();
        let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "CRITERIA_NOT_MET"), "{gate:?}: {failure:?}");
        assert!(!failure.metadata["criteria"].is_empty() && failure.localized.1.contains("(I02)"), "{failure:?}");
        // What is mended counts at once: musts are asked again when it is decided, not as they were frozen.
        let ready = world.made_ready(&project, amount_ore).await;
        assert!(ready.go_possible, "{:?}", ready.summary);
        let decided = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();
        let review = decided.gate_review.unwrap();
        assert!(
            review
                .criteria
                .iter()
                .all(|found| found.met || !found.applies || found.strength() != CriterionStrength::Must)
        );
        assert_eq!(decided.project.unwrap().stage, before.to_stage);
    }
    let request =
        pb::GetGateReadinessRequest { organisation: world.id(), project: project.id.clone(), ..Default::default() };
    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
    // Released in tranches: the first for experiments only (S08).
    let funding = pb::GetProjectFundingRequest { organisation: world.id(), project: project.id };
    let funding = world.office().call(funding).await.unwrap().funding.unwrap();
    assert_eq!((funding.authorised_ore, funding.authorised_for_experiments_ore), (80_000_000, 20_000_000));
}

/// How the criterion stands.
fn stands(readiness: &pb::GetGateReadinessResponse, code: &str) -> (bool, bool) {
    let found = readiness.criteria.iter().find(|found| found.code == code);
    found.map_or((false, false), |found| (found.applies, found.met))
}

#[tokio::test]
async fn benefits_asked_at_g2_profiled_accepted_of_both_kinds_or_with_a_reason_i11_i12() {
    let world = World::shipped().await;
    let project = world.project().await;
    world.made_ready(&project, 0).await;
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    let [benefit] = &world.benefits(&project).await[..] else { panic!("one was asked for") };
    let codes = ["S29_BENEFITS_PROFILED", "I11_OWNERS_ACCEPTED", "S30_KINDS_ANSWERED"];
    let musts = async || {
        let readiness = world.readiness(&project, 0).await;
        codes.map(|code| stands(&readiness, code))
    };
    let review = world.submitted(&project, GateCode::G2).await;
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "CRITERIA_NOT_MET"), "{failure:?}");
    assert!(codes.iter().all(|code| failure.metadata["criteria"].contains(code)), "{failure:?}");
    assert_eq!(musts().await, [(true, false), (true, false), (true, false)]);
    world.plan(benefit).await;
    assert_eq!(musts().await, [(true, true), (true, false), (true, false)]);
    world.accept(benefit).await;
    assert_eq!(musts().await, [(true, true), (true, true), (true, false)]);
    // S30: a disbenefit that costs money is no economic benefit.
    let carried = pb::CreateBenefitRequest { disbenefit: true, ..world.economic_request(&project, "2027-01-01") };
    let carried = world.office().call(carried).await.unwrap().benefit.unwrap();
    world.accept(&carried).await;
    assert_eq!(musts().await, [(true, true), (true, true), (true, false)]);
    let economic = world.office().call(world.economic_request(&project, "2027-01-01")).await.unwrap().benefit.unwrap();
    assert_eq!(musts().await, [(true, true), (true, false), (true, true)], "the new one's owner has not accepted");
    world.accept(&economic).await;
    let ready = world.made_ready(&project, 0).await;
    assert!(ready.go_possible, "{:?}", ready.summary);
    world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();
}

#[tokio::test]
async fn group_that_only_carries_told_at_the_gate_s07() {
    let world = World::shipped().await;
    let project = world.project().await;
    world.made_ready(&project, 0).await;
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    let named = |disbenefit| pb::CreateBenefitRequest {
        groups: vec![pb::BeneficiaryGroup {
            kind: pb::BeneficiaryKind::Employees.into(),
            name: "Natholdet".to_owned(),
        }],
        disbenefit,
        ..world.planned_request(&project, "2027-01-01")
    };
    assert_eq!(stands(&world.readiness(&project, 0).await, "S07_VALUE_TO_ALL"), (true, true));
    world.office().call(named(true)).await.unwrap();
    assert_eq!(stands(&world.readiness(&project, 0).await, "S07_VALUE_TO_ALL"), (true, false));
    world.office().call(named(false)).await.unwrap();
    assert_eq!(stands(&world.readiness(&project, 0).await, "S07_VALUE_TO_ALL"), (true, true));
}

#[tokio::test]
async fn size_xs_takes_the_light_path_and_answers_for_both_gates() {
    let world = World::shipped().await;
    let unit = world.unit("Skole").await;
    let request = pb::RegisterProjectRequest {
        size_class: pb::SizeClass::Xs.into(),
        ..world.registration(&unit, "VR i udskolingen")
    };
    let project = world.office().call(request).await.unwrap().project.unwrap();
    let steps = [(GateCode::G1, Stage::Analysis), (GateCode::G2, Stage::Realisation), (GateCode::G5, Stage::Closed)];
    for (gate, stage) in steps {
        let ready = world.made_ready(&project, 0).await;
        assert_eq!((ready.gate(), ready.go_possible), (gate, true), "{:?}", ready.summary);
        if gate == GateCode::G2 {
            // What G4 asks is asked here too, and increments are not.
            let asked = |code: &str| ready.criteria.iter().any(|found| found.code == code && found.applies);
            assert!(asked("S35_OPERATION_READY") && asked("S34_CHANGE_LOAD") && !asked("S09_INCREMENTS"));
            assert!(!asked("I21_BENEFIT_MAP"), "a small project's registration takes minutes");
        }
        let decided = world.decided(&project, gate, GateOutcome::Go).await;
        assert_eq!(decided.project.unwrap().stage(), stage);
    }
}

#[tokio::test]
async fn must_that_has_failed_since_the_submission_refuses_go_and_nothing_else_i02() {
    let world = World::shipped().await;
    let project = world.project().await;
    world.made_ready(&project, 0).await;
    let review = world.submitted(&project, GateCode::G1).await;
    assert!(
        review.criteria.iter().all(|found| found.met || !found.applies || found.strength() != CriterionStrength::Must)
    );
    let officer = world.person("ux", &[Role::AssessorUx]);
    officer.call(world.assessment(&project, "S24_USABILITY_SCREENING", Grade::Red)).await.unwrap();
    for outcome in [GateOutcome::Go, GateOutcome::GoWithConditions] {
        let failure = world.steering().call(world.decision(&review, outcome)).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "CRITERIA_NOT_MET"), "{failure:?}");
        assert_eq!(failure.metadata["criteria"], "S24_USABILITY_SCREENING");
    }
    let refusals = world.audited(&format!("object = \"{}\" AND reason = \"CRITERIA_NOT_MET\"", review.id)).await;
    assert_eq!(refusals.len(), 2);
    // Not now: that needs no criterion.
    world.steering().call(world.decision(&review, GateOutcome::Hold)).await.unwrap();
}

#[tokio::test]
async fn rule_that_cannot_be_decided_counts_as_not_met_and_says_so() {
    let world = World::new().await;
    let project = under(&world, asking(rule("100 / size(benefits) > 10"))).await;
    let readiness = world.readiness(&project, 0).await;
    let why = probe(&readiness).why.clone().unwrap();
    assert!(!probe(&readiness).met && why.da.starts_with("Reglen kan ikke afgøres"), "{why:?}");
    let review = world.submitted(&project, GateCode::G1).await;
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "CRITERIA_NOT_MET"), "{failure:?}");
    world.benefit(&project, "46", "35").await;
    assert!(probe(&world.readiness(&project, 0).await).met);
    world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();
}

#[tokio::test]
async fn rule_sees_what_is_asked_and_applies_where_it_says() {
    let world = World::new().await;
    let small = pb::Criterion {
        applies_if: "project.track == 'START_SMALL' && asked.risk_class != 'LOW'".to_owned(),
        ..rule("asked.amount_ore <= 500 && asked.attempt == 1 && asked.asked_on > '2026-01-01'")
    };
    let project = under(&world, asking(small)).await;
    for (amount_ore, risk, applies, met) in [
        (500, pb::RiskClass::High, true, true),
        (501, pb::RiskClass::High, true, false),
        (501, pb::RiskClass::Low, false, false),
    ] {
        let request = pb::GetGateReadinessRequest {
            organisation: world.id(),
            project: project.id.clone(),
            amount_ore,
            risk_class: risk.into(),
        };
        let readiness = world.office().call(request).await.unwrap();
        assert_eq!((probe(&readiness).applies, probe(&readiness).met), (applies, met), "{amount_ore} {risk:?}");
    }
}

#[tokio::test]
async fn should_that_is_missing_is_told_and_stops_nothing() {
    let world = World::new().await;
    let should = pb::Criterion { strength: CriterionStrength::Should.into(), ..rule("size(benefits) > 0") };
    let project = under(&world, asking(should)).await;
    let readiness = world.readiness(&project, 0).await;
    assert!(readiness.go_possible && !probe(&readiness).met);
    assert_eq!(readiness.summary.unwrap().en, "Every must is met; 1 shoulds are not.");
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
}

#[tokio::test]
async fn assess_by_whom_the_criterion_names_and_never_graded_by_the_manager() {
    let world = World::shipped().await;
    let project = world.project().await;
    let grade = world.assessment(&project, "S24_SECURITY_SCREENING", Grade::Green);
    let failure = world.person("ux", &[Role::AssessorUx]).call(grade.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let both = world.person("manager", &[Role::AssessorCiso]);
    let failure = both.call(grade.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ASSESSOR_IS_PROJECT_MANAGER"), "{failure:?}");
    let failure = world.service("robot", &[Role::AssessorCiso]).call(grade.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "PERSON_REQUIRED"), "{failure:?}");
    world.person("ciso", &[Role::AssessorCiso]).call(grade).await.unwrap();

    // Evidence is handed in by who runs the project, who needs no role for it.
    let evidence = world.assessment(&project, "S04_AFFECTED", Grade::Green);
    let manager = world.person("manager", &[]);
    let bare = pb::AssessCriterionRequest { evidence: Vec::new(), ..evidence.clone() };
    let failure = manager.call(bare).await.unwrap_err();
    assert_eq!((failure.code, &failure.fields[..]), (Code::InvalidArgument, &["evidence".to_owned()][..]));
    let kept = manager.call(evidence).await.unwrap().assessment.unwrap();
    assert_eq!((kept.gate(), kept.assessor.as_str(), kept.evidence.len()), (GateCode::G1, "manager", 1));

    for (criterion, why) in [("S29_BENEFIT", "a rule"), ("S18_SAFE_GROUND", "asked later"), ("NONSENSE", "unknown")] {
        let failure = world.assessors().call(world.assessment(&project, criterion, Grade::Green)).await.unwrap_err();
        assert_eq!(
            (failure.code, &failure.fields[..]),
            (Code::InvalidArgument, &["criterion".to_owned()][..]),
            "{why}"
        );
    }
    let list = pb::ListCriterionAssessmentsRequest {
        organisation: world.id(),
        project: project.id.clone(),
        filter: "criterion = \"S04_AFFECTED\"".to_owned(),
        ..Default::default()
    };
    assert_eq!(world.office().call(list).await.unwrap().assessments, [kept]);
}

#[tokio::test]
async fn amount_without_appropriation_refused_and_released_with_it_i05() {
    let world = World::new().await;
    let project = world.project().await;
    let submission = pb::SubmitGateReviewRequest { amount_ore: 5_000_000, ..world.submission(&project, GateCode::G1) };
    let review = world.office().call(submission).await.unwrap().gate_review.unwrap();
    world.appropriated(&project, 4_999_999).await;
    let missing = world.readiness(&project, 0).await;
    let money = missing.criteria.iter().find(|found| found.code == "I05").unwrap();
    assert!(!missing.go_possible && money.why.as_ref().unwrap().da.contains("mangler 0,01 kr."), "{money:?}");
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "APPROPRIATION_MISSING"), "{failure:?}");
    assert_eq!(failure.metadata["missing_ore"], "1");
    world.appropriated(&project, 1).await;
    world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();
    let funding = pb::GetProjectFundingRequest { organisation: world.id(), project: project.id.clone() };
    let funding = world.office().call(funding).await.unwrap().funding.unwrap();
    let [tranche] = &funding.spend_authorities[..] else { panic!("{funding:?}") };
    assert_eq!((tranche.amount_ore, tranche.purpose()), (5_000_000, pb::SpendPurpose::Experiments));
    assert_eq!(tranche.gate_review, review.id);

    // I05: spend within what is released, and experiments' money on experiments.
    let spend = |amount_ore: i64, purpose: pb::SpendPurpose| pb::RecordExpenditureRequest {
        organisation: world.id(),
        project: project.id.clone(),
        amount_ore,
        spent_on: "2026-01-31".to_owned(),
        purpose: purpose.into(),
        category: pb::CostCategory::Consultants.into(),
        source: "Faktura".to_owned(),
        validate_only: false,
    };
    for (amount, purpose) in [(1, pb::SpendPurpose::General), (5_000_001, pb::SpendPurpose::Experiments)] {
        let failure = world.office().call(spend(amount, purpose)).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "SPEND_EXCEEDS_AUTHORITY"), "{failure:?}");
    }
    world.office().call(spend(5_000_000, pb::SpendPurpose::Experiments)).await.unwrap();
    // The appropriations are used up: the next gate needs more.
    let submission = pb::SubmitGateReviewRequest { amount_ore: 1, ..world.submission(&project, GateCode::G2) };
    let review = world.office().call(submission).await.unwrap().gate_review.unwrap();
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "APPROPRIATION_MISSING"), "{failure:?}");
}

#[tokio::test]
async fn kill_and_closure_without_a_lesson_refused_i20() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let failure = world.steering().call(world.decision(&review, GateOutcome::Kill)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "LESSON_MISSING"), "{failure:?}");
    world.office().call(world.lesson(&project)).await.unwrap();
    let killed = world.steering().call(world.decision(&review, GateOutcome::Kill)).await.unwrap();
    assert_eq!(killed.project.unwrap().status(), pb::ProjectStatus::Stopped);

    let project = world.project().await;
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4] {
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    let review = world.submitted(&project, GateCode::G5).await;
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "LESSON_MISSING"), "{failure:?}");
    world.office().call(world.lesson(&project)).await.unwrap();
    world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();
}

#[tokio::test]
async fn mandatory_project_is_escalated_and_never_killed() {
    let world = World::new().await;
    let unit = world.unit("Sekretariat").await;
    let request = pb::RegisterProjectRequest {
        track: pb::Track::Mandatory.into(),
        track_reason: "Kontrakten udløber, og udbudsloven kræver genudbud.".to_owned(),
        ..world.registration(&unit, "Nyt ESDH")
    };
    let project = world.office().call(request).await.unwrap().project.unwrap();
    world.office().call(world.lesson(&project)).await.unwrap();
    let review = world.submitted(&project, GateCode::G1).await;
    let failure = world.steering().call(world.decision(&review, GateOutcome::Kill)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "OUTCOME_NOT_ALLOWED"), "{failure:?}");
    assert_eq!((&*failure.metadata["outcome"], &*failure.metadata["track"]), ("KILL", "MANDATORY"));
    let escalated = world.steering().call(world.decision(&review, GateOutcome::Escalated)).await.unwrap();
    assert_eq!(escalated.gate_review.unwrap().outcome(), GateOutcome::Escalated);
}

#[tokio::test]
async fn readiness_and_dossier_of_what_is_not_seen_not_there_i25() {
    let world = World::new().await;
    let project = world.project().await;
    let readiness = |world: &World| pb::GetGateReadinessRequest {
        organisation: world.id(),
        project: project.id.clone(),
        ..Default::default()
    };
    let there = world.elsewhere().await;
    let failure = there.office().call(readiness(&there)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    // Its manager sees it without any role.
    assert!(world.person("manager", &[]).call(readiness(&world)).await.is_ok());
    let failure = world.person("nobody-at-all", &[]).call(readiness(&world)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}
