//! Benefit policies, and what reviews find of benefits, also long after the project has closed (S29, S30).

use gevinst::{auth::Role, realisation::rules::BenefitPolicy};
use gevinst_proto::v1::{
    self as pb, BenefitOutcome, BenefitState, DueReviewState, GateCode, GateOutcome, ReviewShareBasis,
};
use time::Duration;
use tonic::Code;

use crate::{harness::World, register::planning};

/// An economic benefit of a project.
pub async fn economic(world: &World, project: &pb::Project) -> pb::Benefit {
    world.office().call(world.economic_request(project, "2026-01-01")).await.unwrap().benefit.unwrap()
}

/// Takes a project into realisation.
pub async fn realise(world: &World, project: &pb::Project) {
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4] {
        world.decided(project, gate, GateOutcome::Go).await;
    }
}

/// A qualitative benefit, from 46 to 35, of a project that went into realisation today.
pub async fn realising(world: &World) -> pb::Benefit {
    let project = world.project().await;
    let benefit = world.benefit(&project, "46", "35").await;
    realise(world, &project).await;
    benefit
}

/// What a review finds by rule.
pub fn review(world: &World, benefit: &pb::Benefit) -> pb::RecordBenefitReviewRequest {
    pb::RecordBenefitReviewRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        statement: "Gennemgået med driften.".to_owned(),
        ..Default::default()
    }
}

/// The same, of one that the policy asks for.
pub fn numbered(world: &World, benefit: &pb::Benefit, number: i32) -> pb::RecordBenefitReviewRequest {
    pb::RecordBenefitReviewRequest { number: Some(number), ..review(world, benefit) }
}

/// Another outcome, with a reason.
fn deviating(
    world: &World,
    benefit: &pb::Benefit,
    outcome: BenefitOutcome,
    reason: &str,
) -> pb::RecordBenefitReviewRequest {
    let (outcome, deviation_reason) = (outcome.into(), reason.to_owned());
    pb::RecordBenefitReviewRequest { outcome, deviation_reason, ..review(world, benefit) }
}

/// A policy in the place of the one that is there by default.
pub fn policy(world: &World) -> pb::SetBenefitPolicyRequest {
    pb::SetBenefitPolicyRequest {
        organisation: world.id(),
        replaces_version: 0,
        review_months: vec![3, 12, 24],
        grace_days: 10,
        missing_days: 30,
        yellow_below: "0.95".to_owned(),
        red_below: "0.7500".to_owned(),
        realised_from: "1".to_owned(),
        partly_from: "0.5".to_owned(),
        reason: "Vedtaget i styregruppen.".to_owned(),
        validate_only: false,
    }
}

fn asked(world: &World, version: Option<i32>) -> pb::GetBenefitPolicyRequest {
    pb::GetBenefitPolicyRequest { organisation: world.id(), version }
}

async fn due(world: &World, filter: &str) -> Vec<pb::DueBenefitReview> {
    let request =
        pb::ListDueBenefitReviewsRequest { organisation: world.id(), filter: filter.to_owned(), ..Default::default() };
    world.office().call(request).await.unwrap().reviews
}

async fn reread(world: &World, benefit: &pb::Benefit) -> pb::Benefit {
    let request = pb::GetBenefitRequest { organisation: world.id(), benefit: benefit.id.clone() };
    world.office().call(request).await.unwrap().benefit.unwrap()
}

/// Which reviews the policy asks for of a project: the day of each, and where it stands.
async fn standing(world: &World, project: &str) -> Vec<(String, DueReviewState)> {
    let found = due(world, &format!("project = \"{project}\"")).await;
    found.into_iter().map(|review| (review.due_on.clone(), review.state())).collect()
}

#[tokio::test]
async fn policy_is_the_default_until_another_is_set_in_its_place() {
    let world = World::new().await;
    let reader = world.person("reader", &[Role::Reader]);
    let found = reader.call(asked(&world, None)).await.unwrap().policy.unwrap();
    assert_eq!(found, BenefitPolicy::default().into());
    assert_eq!((found.review_months, found.grace_days, found.missing_days), (vec![6, 12], 14, 60));

    let set = world.board().call(policy(&world)).await.unwrap().policy.unwrap();
    assert_eq!((set.version, set.setter.as_str(), set.red_below.as_str()), (1, "board", "0.75"));
    assert_eq!(reader.call(asked(&world, None)).await.unwrap().policy.unwrap(), set);
    assert_eq!(reader.call(asked(&world, Some(0))).await.unwrap().policy.unwrap(), BenefitPolicy::default().into());
    let failure = reader.call(asked(&world, Some(2))).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");

    let failure = world.office().call(policy(&world)).await.unwrap_err();
    assert!(failure.is(Code::Aborted, "ETAG_STALE"), "{failure:?}");
    let next = pb::SetBenefitPolicyRequest { replaces_version: 1, grace_days: 0, ..policy(&world) };
    assert_eq!(world.office().call(next).await.unwrap().policy.unwrap().version, 2);
    assert_eq!(reader.call(asked(&world, Some(1))).await.unwrap().policy.unwrap(), set, "it stays as it was");
}

#[tokio::test]
async fn policy_set_by_others_or_at_odds_with_itself_refused() {
    let world = World::new().await;
    let failure = world.manager().call(policy(&world)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let failure = world.service("job", &[Role::PortfolioOffice]).call(policy(&world)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "PERSON_REQUIRED"), "{failure:?}");
    for (field, wrong) in [
        ("review_months", pb::SetBenefitPolicyRequest { review_months: vec![12, 6], ..policy(&world) }),
        ("missing_days", pb::SetBenefitPolicyRequest { missing_days: 10, ..policy(&world) }),
        ("red_below", pb::SetBenefitPolicyRequest { red_below: "0.96".to_owned(), ..policy(&world) }),
        ("realised_from", pb::SetBenefitPolicyRequest { realised_from: "1.1".to_owned(), ..policy(&world) }),
    ] {
        let failure = world.office().call(wrong).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
        assert_eq!(failure.fields, [field]);
    }
}

#[tokio::test]
async fn review_before_realisation_refused() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "46", "35").await;
    let failure = world.office().call(review(&world, &benefit)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "NOT_IN_REALISATION"), "{failure:?}");
    assert!(due(&world, "").await.is_empty());
}

#[tokio::test]
async fn review_by_rule_keeps_the_figures_that_it_rested_on() {
    let world = World::new().await;
    let benefit = realising(&world).await;
    assert_eq!(reread(&world, &benefit).await.realises_from, Some(world.day(0)));
    world.accept(&benefit).await;
    let measured = world.benefit_owner().call(world.measurement(&benefit, "40", "2026-06-30")).await.unwrap();
    let measured = measured.measurement.unwrap();
    world.clock.advance(Duration::days(184));
    let found = world.benefit_owner().call(numbered(&world, &benefit, 1)).await.unwrap();
    let (found, after) = (found.review.unwrap(), found.benefit.unwrap());
    assert_eq!((found.outcome(), found.outcome_by_rule()), (BenefitOutcome::PartlyRealised, found.outcome()));
    assert_eq!((found.baseline.as_str(), found.target.as_str(), found.plan), ("46", "35", 0));
    assert_eq!((found.measurement.as_deref(), found.actual.as_deref()), (Some(&*measured.id), Some("40")));
    // (40 - 46) / (35 - 46).
    assert_eq!((found.share.as_deref(), found.share_basis()), (Some("0.5455"), ReviewShareBasis::Progress));
    assert_eq!((found.policy_version, found.realised_from.as_str(), found.partly_from.as_str()), (0, "0.9", "0.1"));
    assert_eq!((found.reviewer.as_str(), found.number, found.deviation_reason.as_str()), ("owner", Some(1), ""));
    assert_eq!((after.outcome(), after.outcome_time), (found.outcome(), found.review_time));
    assert_eq!(after.state(), BenefitState::PartlyRealised);

    // It goes on being measured, and a later review finds otherwise.
    world.office().call(world.measurement(&benefit, "35", "2026-07-31")).await.unwrap();
    world.clock.advance(Duration::days(182));
    world.office().call(numbered(&world, &benefit, 2)).await.unwrap();
    assert_eq!(reread(&world, &benefit).await.outcome(), BenefitOutcome::Realised);
    let list = pb::ListBenefitReviewsRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        filter: "outcome = PARTLY_REALISED".to_owned(),
        ..Default::default()
    };
    assert_eq!(world.auditor().call(list.clone()).await.unwrap().reviews, [found]);
    let all = pb::ListBenefitReviewsRequest { filter: String::new(), ..list };
    assert_eq!(world.auditor().call(all).await.unwrap().reviews.len(), 2);
}

#[tokio::test]
async fn review_before_its_day_refused_and_done_as_one_of_no_number() {
    let world = World::new().await;
    world.clock.advance(time::macros::datetime!(2027-08-31 12:00 UTC) - world.clock.now());
    let benefit = realising(&world).await;
    world.clock.advance(time::macros::datetime!(2028-02-28 12:00 UTC) - world.clock.now());
    let failure = world.office().call(numbered(&world, &benefit, 1)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_DUE"), "{failure:?}");
    assert_eq!(failure.metadata["due_on"], "2028-02-29", "six months after the last of August");
    world.office().call(review(&world, &benefit)).await.unwrap();
    assert_eq!(standing(&world, &benefit.project).await[0].1, DueReviewState::Upcoming);
    world.clock.advance(Duration::days(1));
    world.office().call(numbered(&world, &benefit, 1)).await.unwrap();
    assert_eq!(standing(&world, &benefit.project).await[0].1, DueReviewState::Done);
}

#[tokio::test]
async fn review_of_an_economic_benefit_asks_what_was_realised_of_what_was_planned_to_date() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = economic(&world, &project).await;
    realise(&world, &project).await;
    // The first year's target is 800, half of the way to it 900: a month of it has gone.
    world.clock.advance(time::macros::datetime!(2026-01-31 12:00 UTC) - world.clock.now());
    world.office().call(world.measurement(&benefit, "900", "2026-01-30")).await.unwrap();
    let found = world.office().call(review(&world, &benefit)).await.unwrap().review.unwrap();
    assert_eq!((found.share.as_deref(), found.share_basis()), (Some("0.5000"), ReviewShareBasis::RealisedShare));
    assert_eq!((found.planned_to_date_ore, found.realised_ore), (Some(4_166_667), Some(2_083_333)));
    assert_eq!(found.outcome(), BenefitOutcome::PartlyRealised);
}

#[tokio::test]
async fn review_of_what_is_summed_up_takes_a_measurement_for_a_year_of_such() {
    let world = World::new().await;
    let project = world.project().await;
    let request = world.benefit_request(&project, "46", "35");
    let measure = pb::Measure {
        aggregation: pb::MeasureAggregation::Sum.into(),
        frequency: pb::MeasureFrequency::Quarterly.into(),
        ..request.measure.clone().unwrap()
    };
    let request = pb::CreateBenefitRequest { measure: Some(measure), ..request };
    let benefit = world.office().call(request).await.unwrap().benefit.unwrap();
    realise(&world, &project).await;
    world.office().call(world.measurement(&benefit, "10", "2026-06-30")).await.unwrap();
    let found = world.office().call(review(&world, &benefit)).await.unwrap().review.unwrap();
    // (4 * 10 - 46) / (35 - 46), as GetBenefitProgress has it.
    assert_eq!((found.actual.as_deref(), found.share.as_deref()), (Some("10"), Some("0.5455")));
    assert_eq!(found.outcome(), BenefitOutcome::PartlyRealised);
}

#[tokio::test]
async fn benefit_added_after_the_last_gate_that_freezes_is_held_to_its_first_plan_i14() {
    let world = World::new().await;
    let project = world.project().await;
    realise(&world, &project).await;
    let added = world.office().call(world.planned_request(&project, "2026-01-01")).await.unwrap().benefit.unwrap();
    assert_eq!((added.state(), added.baseline_plan), (BenefitState::Baselined, Some(0)));
    world.office().call(world.measurement(&added, "45", "2026-06-30")).await.unwrap();
    let easier = planning(&world, &reread(&world, &added).await, "45", "2026-01-01");
    world.office().call(easier).await.unwrap();
    let found = world.office().call(review(&world, &added)).await.unwrap().review.unwrap();
    assert_eq!((found.plan, found.target.as_str()), (0, "35"));
    assert_eq!(found.outcome(), BenefitOutcome::NotRealised);
}

#[tokio::test]
async fn outcome_that_the_figures_do_not_say_needs_a_reason_and_a_measurement() {
    use BenefitOutcome::{Cancelled, NotRealised, PartlyRealised, Realised};
    let world = World::new().await;
    let benefit = realising(&world).await;
    let failed = async |request| world.office().call(request).await.unwrap_err();
    let failure = failed(deviating(&world, &benefit, Realised, "Det tror vi.")).await;
    assert!(failure.is(Code::FailedPrecondition, "OUTCOME_NOT_MEASURED"), "{failure:?}");
    let unmeasured = world.office().call(review(&world, &benefit)).await.unwrap().review.unwrap();
    assert_eq!((unmeasured.outcome(), unmeasured.share, unmeasured.measurement), (NotRealised, None, None));

    world.office().call(world.measurement(&benefit, "35", "2026-06-30")).await.unwrap();
    for outcome in [PartlyRealised, Cancelled] {
        let failure = failed(deviating(&world, &benefit, outcome, "")).await;
        assert!(failure.is(Code::FailedPrecondition, "OUTCOME_DEVIATES"), "{failure:?}");
        assert_eq!(failure.metadata["by_rule"], "REALISED");
        let found = world.office().call(deviating(&world, &benefit, outcome, "Kun ét sted.")).await.unwrap();
        let found = found.review.unwrap();
        assert_eq!((found.outcome(), found.outcome_by_rule()), (outcome, Realised));
        assert_eq!(found.deviation_reason, "Kun ét sted.");
    }
    assert_eq!(reread(&world, &benefit).await.state(), BenefitState::Cancelled);
    let failure = failed(numbered(&world, &benefit, 3)).await;
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
}

#[tokio::test]
async fn outcome_of_a_level_to_be_kept_is_named_with_a_reason() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "46", "46").await;
    realise(&world, &project).await;
    world.office().call(world.measurement(&benefit, "46", "2026-06-30")).await.unwrap();
    let failure = world.office().call(review(&world, &benefit)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "OUTCOME_OPEN"), "{failure:?}");
    let kept = deviating(&world, &benefit, BenefitOutcome::Realised, "Niveauet er holdt.");
    let found = world.office().call(kept).await.unwrap().review.unwrap();
    assert_eq!((found.outcome(), found.outcome_by_rule()), (BenefitOutcome::Realised, BenefitOutcome::Unspecified));
}

#[tokio::test]
async fn review_by_any_but_the_office_and_the_owner_in_person_refused() {
    let world = World::new().await;
    let benefit = realising(&world).await;
    // Who is named as its owner, and has not accepted it (I11).
    let named = world.person("owner", &[]).call(review(&world, &benefit)).await.unwrap_err();
    assert!(named.is(Code::PermissionDenied, "ROLE_MISSING"), "{named:?}");
    world.accept(&benefit).await;
    for (who, reason) in [
        (world.manager(), "ROLE_MISSING"),
        (world.steering(), "ROLE_MISSING"),
        (world.service("owner", &[Role::BenefitOwner]), "PERSON_REQUIRED"),
        (world.person("office", &[Role::PortfolioOffice, Role::Auditor]), "AUDITOR_READS_ONLY"),
    ] {
        let failure = who.call(review(&world, &benefit)).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, reason), "{failure:?}");
    }
    // Who owns it, and holds no role.
    world.person("owner", &[]).call(review(&world, &benefit)).await.unwrap();
}

#[tokio::test]
async fn reviews_fall_due_by_the_policy_and_are_done_when_each_benefit_is_reviewed() {
    use DueReviewState::{Done, Due, Overdue, Upcoming};
    let world = World::new().await;
    world.clock.advance(time::macros::datetime!(2027-08-31 12:00 UTC) - world.clock.now());
    let project = world.project().await;
    let (one, other) = (world.benefit(&project, "46", "35").await, world.benefit(&project, "1", "2").await);
    realise(&world, &project).await;
    let (first, second) = ("2028-02-29".to_owned(), "2028-08-31".to_owned());
    assert_eq!(standing(&world, &project.id).await, [(first.clone(), Upcoming), (second.clone(), Upcoming)]);

    world.clock.advance(time::macros::datetime!(2028-02-29 12:00 UTC) - world.clock.now());
    world.office().call(numbered(&world, &one, 1)).await.unwrap();
    let [found] = &due(&world, "state = DUE AND due_on <= \"2028-02-29\"").await[..] else { panic!() };
    assert_eq!((found.number, &found.missing_benefits[..]), (1, &[other.id.clone()][..]));
    world.clock.advance(Duration::days(14));
    assert_eq!(standing(&world, &project.id).await[0], (first.clone(), Due), "the days of grace count to the last");
    world.clock.advance(Duration::days(1));
    assert_eq!(standing(&world, &project.id).await[0], (first.clone(), Overdue));
    world.office().call(numbered(&world, &other, 1)).await.unwrap();
    assert_eq!(standing(&world, &project.id).await, [(first, Done), (second, Upcoming)]);

    world.office().call(policy(&world)).await.unwrap();
    let days: Vec<String> = standing(&world, &project.id).await.into_iter().map(|(day, _)| day).collect();
    assert_eq!(days, ["2027-11-30", "2028-08-31", "2029-08-31"]);
    assert_eq!(standing(&world, &project.id).await[0].1, Overdue, "what was held after six months is not this one");
    world.office().call(numbered(&world, &one, 1)).await.unwrap();
    let first = due(&world, "due_on = \"2027-11-30\"").await;
    assert_eq!(first[0].missing_benefits, std::slice::from_ref(&other.id));
    // A cancelled benefit is reviewed no more, and nothing is missing of it.
    let gone = deviating(&world, &other, BenefitOutcome::Cancelled, "Opgaven er væk.");
    world.office().call(gone).await.unwrap();
    let last = due(&world, "due_on = \"2029-08-31\"").await;
    assert_eq!(last[0].missing_benefits, [one.id]);
}

#[tokio::test]
async fn due_reviews_come_page_by_page_to_those_who_see_the_benefits() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        let benefit = realising(&world).await;
        expected.extend([(benefit.project.clone(), 1), (benefit.project, 2)]);
    }
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let organisation = world.id();
        let request = pb::ListDueBenefitReviewsRequest { organisation, page_size: 4, page_token, ..Default::default() };
        let answer = world.person("owner", &[]).call(request).await.unwrap();
        found.extend(answer.reviews.into_iter().map(|review| (review.project, review.number)));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let request = pb::ListDueBenefitReviewsRequest { organisation: world.id(), ..Default::default() };
    let failure = world.person("stranger", &[]).call(request).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}

/// Benefits are lost after closure unless somebody goes on: measured, reviewed and taken out of the budget years later.
#[tokio::test]
async fn closed_project_is_measured_and_reviewed_and_has_effects_on_the_budget_years_later() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = economic(&world, &project).await;
    realise(&world, &project).await;
    world.decided(&project, GateCode::G5, GateOutcome::Go).await;
    assert_eq!(world.reread(&project).await.stage(), pb::Stage::Closed);
    world.clock.advance(Duration::days(365 * 6));
    world.accept(&benefit).await;
    let owner = world.benefit_owner();
    owner.call(world.measurement(&benefit, "600", &world.day(-1))).await.unwrap();
    owner.call(numbered(&world, &benefit, 1)).await.unwrap();
    world.office().call(crate::budget_effects::promise(&world, &benefit, 5)).await.unwrap();
    assert_eq!(due(&world, "state = OVERDUE").await.len(), 1, "the second has not been held");
    assert_ne!(reread(&world, &benefit).await.outcome(), BenefitOutcome::Unspecified);
}

#[tokio::test]
async fn corrected_handover_takes_realisation_back() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "46", "35").await;
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3] {
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    let handover = world.decided(&project, GateCode::G4, GateOutcome::Go).await.gate_review.unwrap();
    assert!(reread(&world, &benefit).await.realises_from.is_some());
    // A benefit that is found later is followed from the same day.
    let later = world.benefit(&project, "1", "2").await;
    assert_eq!(later.realises_from, Some(world.day(0)));
    let correction =
        pb::SubmitGateReviewRequest { supersedes: Some(handover.id), ..world.submission(&project, GateCode::G4) };
    let correction = world.office().call(correction).await.unwrap().gate_review.unwrap();
    world.steering().call(world.decision(&correction, GateOutcome::Recycle)).await.unwrap();
    assert_eq!(reread(&world, &benefit).await.realises_from, None);
    assert!(due(&world, "").await.is_empty());
}

#[tokio::test]
async fn g5_asks_for_an_outcome_of_each_benefit() {
    let world = World::shipped().await;
    let project = world.project().await;
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4] {
        world.made_ready(&project, 0).await;
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    let met = async || {
        let ready = world.readiness(&project, 0).await;
        ready.criteria.iter().find(|found| found.code == "S30_OUTCOMES").unwrap().met
    };
    assert!(!met().await);
    let filter = format!("project = \"{}\"", project.id);
    let list = pb::ListBenefitsRequest { organisation: world.id(), filter, ..Default::default() };
    for benefit in world.office().call(list).await.unwrap().benefits {
        world.office().call(review(&world, &benefit)).await.unwrap();
    }
    assert!(met().await);
}

/// What corrects a decision and leads to the same stage changes what was said of it, not when the project went there.
#[tokio::test]
async fn corrected_handover_that_stays_one_leaves_the_day_of_realisation_and_the_starts() {
    let world = World::new().await;
    let project = world.project().await;
    let going_live = pb::BenefitStart {
        event: pb::BenefitStartEvent::GoLive.into(),
        planned_on: "2027-01-01".to_owned(),
        ..Default::default()
    };
    let request = pb::CreateBenefitRequest { start: Some(going_live), ..world.benefit_request(&project, "46", "35") };
    let benefit = world.office().call(request).await.unwrap().benefit.unwrap();
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3] {
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    let handover = world.decided(&project, GateCode::G4, GateOutcome::Go).await.gate_review.unwrap();
    let went_live = reread(&world, &benefit).await;
    assert_eq!(went_live.realises_from, Some(world.day(0)));
    let corrected = async |wrong: pb::GateReview, outcome| {
        world.clock.advance(Duration::days(40));
        let correction =
            pb::SubmitGateReviewRequest { supersedes: Some(wrong.id), ..world.submission(&project, GateCode::G4) };
        let correction = world.office().call(correction).await.unwrap().gate_review.unwrap();
        let decided = world.steering().call(world.decision(&correction, outcome)).await.unwrap();
        (decided.gate_review.unwrap(), reread(&world, &benefit).await)
    };
    let (first, after) = corrected(handover, GateOutcome::GoWithConditions).await;
    assert_eq!((&after.realises_from, &after.starts_on), (&went_live.realises_from, &went_live.starts_on));
    let (second, after) = corrected(first, GateOutcome::Recycle).await;
    assert_eq!(after.realises_from, None);
    let (_, after) = corrected(second, GateOutcome::Go).await;
    assert_eq!(after.realises_from, Some(world.day(0)), "it was not there in between");
}

/// What a gate has frozen stays frozen: else a correction would be a way to another baseline 0 (I14).
#[tokio::test]
async fn corrected_gate_leaves_the_plan_that_it_has_frozen_i14() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.office().call(world.planned_request(&project, "2027-01-01")).await.unwrap().benefit.unwrap();
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    let gate = world.decided(&project, GateCode::G2, GateOutcome::Go).await.gate_review.unwrap();
    let correction =
        pb::SubmitGateReviewRequest { supersedes: Some(gate.id), ..world.submission(&project, GateCode::G2) };
    let correction = world.office().call(correction).await.unwrap().gate_review.unwrap();
    world.steering().call(world.decision(&correction, GateOutcome::Recycle)).await.unwrap();
    let before = reread(&world, &benefit).await;
    assert_eq!(before.baseline_plan, Some(0));
    world.office().call(planning(&world, &before, "45", "2027-01-01")).await.unwrap();
    assert_eq!(reread(&world, &benefit).await.baseline_plan, Some(0));
}

/// Whoever is at one of the organisation's benefits meanwhile waits or is waited for, and is refused nothing.
#[tokio::test]
async fn policy_set_while_many_are_measured_corrected_and_decided_refuses_nobody() {
    let world = World::new().await;
    let mut benefits = Vec::new();
    for _ in 0..3 {
        let project = world.project().await;
        for _ in 0..4 {
            benefits.push(
                world.office().call(world.planned_request(&project, "2026-01-01")).await.unwrap().benefit.unwrap(),
            );
        }
    }
    let correcting = benefits.iter().rev().map(|benefit| {
        let (world, office) = (&world, world.office());
        async move {
            let first = office.call(world.measurement(benefit, "40", "2026-01-31")).await.unwrap().measurement.unwrap();
            let wrong = pb::MeasurementCorrection { measurement: first.id, reason: "Tastefejl.".to_owned() };
            let right = pb::RecordMeasurementRequest {
                corrects: Some(wrong),
                ..world.measurement(benefit, "41", "2026-01-31")
            };
            office.call(right).await.map(drop)
        }
    });
    let setting = async {
        for version in 0..6 {
            let next = pb::SetBenefitPolicyRequest { replaces_version: version, ..policy(&world) };
            world.office().call(next).await?;
        }
        Ok(())
    };
    let (corrected, set) = tokio::join!(futures_util::future::join_all(correcting), setting);
    for answer in corrected.into_iter().chain([set]) {
        answer.unwrap();
    }
}

/// Of two who take the place of one version, one comes second, also where both have found it in force.
#[tokio::test]
async fn policy_version_is_there_once_whoever_writes_it() {
    let world = World::new().await;
    let (office, board) = (world.office(), world.board());
    let (one, other) = tokio::join!(office.call(policy(&world)), board.call(policy(&world)));
    let failure = [one.err(), other.err()].into_iter().flatten().collect::<Vec<_>>();
    assert!(failure.len() == 1 && failure[0].is(Code::Aborted, "ETAG_STALE"), "{failure:?}");
}
