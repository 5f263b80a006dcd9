//! The register of benefits: what they are, how they are measured, what is planned of them and from when (S07, S29, S30),
//! and what a gate freezes (I14).

use gevinst::auth::Role;
use gevinst_proto::v1::{
    self as pb, BenefitStartEvent as Event, BenefitState, GateCode, GateOutcome, MeasureAggregation, MeasureDirection,
};
use tonic::Code;

use crate::{
    harness::{Failure, World, starting},
    owners::{accepted, bare, reread},
    plans,
};

fn group(kind: pb::BeneficiaryKind, name: &str) -> pb::BeneficiaryGroup {
    pb::BeneficiaryGroup { kind: kind.into(), name: name.to_owned() }
}

fn point(value: &str, description: &str) -> pb::ScalePoint {
    pb::ScalePoint { value: value.to_owned(), description: description.to_owned() }
}

fn target(target: &str, value_ore: Option<i64>) -> pb::BenefitTarget {
    pb::BenefitTarget { target: target.to_owned(), value_ore }
}

fn changing(world: &World, benefit: &pb::Benefit, changes: pb::BenefitChanges) -> pb::UpdateBenefitRequest {
    pb::UpdateBenefitRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        changes: Some(changes),
        update_mask: None,
        etag: benefit.etag.clone(),
        validate_only: false,
    }
}

/// One year at another target, from a day on.
pub fn planning(world: &World, benefit: &pb::Benefit, to: &str, from: &str) -> pb::PlanBenefitRequest {
    pb::PlanBenefitRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        targets: vec![target(to, None)],
        start: Some(starting(from)),
        reason: "Prøven viste, hvad der er muligt.".to_owned(),
        etag: benefit.etag.clone(),
        ..Default::default()
    }
}

fn tied(event: Event, expected: &str) -> pb::BenefitStart {
    pb::BenefitStart { event: event.into(), planned_on: expected.to_owned(), ..Default::default() }
}

async fn created(world: &World, request: pb::CreateBenefitRequest) -> pb::Benefit {
    world.manager().call(request).await.unwrap().benefit.unwrap()
}

async fn replanned(world: &World, request: pb::PlanBenefitRequest) -> pb::Benefit {
    world.manager().call(request).await.unwrap().benefit.unwrap()
}

async fn begins(world: &World, benefit: &pb::Benefit) -> String {
    reread(world, benefit).await.starts_on().to_owned()
}

fn names(failure: &Failure) -> Vec<&str> {
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
    failure.fields.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn create_with_everything_reads_back_as_it_was_said() {
    let world = World::new().await;
    let project = world.project().await;
    let groups =
        vec![group(pb::BeneficiaryKind::Citizens, "Beboere på plejecentre"), group(pb::BeneficiaryKind::Employees, "")];
    let evidence = pb::BaselineEvidence {
        source: "Årsopgørelsen".to_owned(),
        measured_on: "2025-12-31".to_owned(),
        url: "https://intra.example/opgoerelse/2025".to_owned(),
    };
    let request = pb::CreateBenefitRequest {
        disbenefit: true,
        groups: groups.clone(),
        baseline_evidence: Some(evidence.clone()),
        ..world.economic_request(&project, "2027-03-17")
    };
    let asked = request.clone();
    let created = created(&world, request).await;
    assert_eq!(reread(&world, &created).await, created);
    let measure = pb::Measure { direction: MeasureDirection::Decrease.into(), ..asked.measure.clone().unwrap() };
    assert_eq!((created.measure.as_ref(), created.groups == groups), (Some(&measure), true));
    assert!(created.disbenefit && created.cashability() == pb::Cashability::Cashable);
    assert_eq!(
        (created.state(), created.starts_on(), created.baseline_plan),
        (BenefitState::Profiled, "2027-03-01", None)
    );
    let plan = created.plan.unwrap();
    assert_eq!((plan.number, plan.targets == asked.targets, plan.start == asked.start), (0, true, true));
    assert_eq!((plan.baseline_evidence, plan.planner.as_str()), (Some(evidence), "manager"));
    assert_eq!((plan.price_level_year, plan.reason.as_str()), (Some(2026), ""));
}

#[tokio::test]
async fn create_what_does_not_belong_together_named() {
    let world = World::new().await;
    let project = world.project().await;
    let (qualitative, economic) =
        (world.planned_request(&project, "2027-01-01"), world.economic_request(&project, "2027-01-01"));
    let measured = |measure: pb::Measure| pb::CreateBenefitRequest { measure: Some(measure), ..qualitative.clone() };
    let measure = qualitative.measure.clone().unwrap();
    let scaled = |scale: Vec<pb::ScalePoint>| measured(pb::Measure { scale, ..measure.clone() });
    let started = |start: pb::BenefitStart| pb::CreateBenefitRequest { start: Some(start), ..qualitative.clone() };
    let evident = |measured_on: String| pb::CreateBenefitRequest {
        baseline_evidence: Some(pb::BaselineEvidence { source: "s".to_owned(), measured_on, url: String::new() }),
        ..qualitative.clone()
    };
    let cases = [
        (
            pb::CreateBenefitRequest { cashability: pb::Cashability::NonFinancial.into(), ..economic.clone() },
            "cashability",
        ),
        (
            pb::CreateBenefitRequest { cashability: pb::Cashability::Cashable.into(), ..qualitative.clone() },
            "cashability",
        ),
        (
            pb::CreateBenefitRequest {
                targets: vec![target("800", None), target("600", Some(100_000_000))],
                ..economic.clone()
            },
            "targets[0].value_ore",
        ),
        (
            pb::CreateBenefitRequest {
                targets: vec![target("1000", Some(1)), target("600", Some(100_000_000))],
                ..economic.clone()
            },
            "targets[0].value_ore",
        ),
        (pb::CreateBenefitRequest { targets: vec![target("36", None)], ..qualitative.clone() }, "targets"),
        (pb::CreateBenefitRequest { targets: vec![target("600", Some(1))], ..economic.clone() }, "targets"),
        (
            measured(pb::Measure { direction: MeasureDirection::Increase.into(), ..measure.clone() }),
            "measure.direction",
        ),
        (measured(pb::Measure { aggregation: MeasureAggregation::YesNo.into(), ..measure.clone() }), "baseline"),
        (scaled(vec![point("35", "Godt")]), "measure.scale"),
        (scaled(vec![point("50", "Dårligt"), point("35", "Godt")]), "measure.scale"),
        (scaled(vec![point("35", "Godt"), point("45", "Dårligt")]), "baseline"),
        (scaled(vec![point("36", "Godt"), point("50", "Dårligt")]), "targets[0].target"),
        (started(tied(Event::Gate, "2027-01-01")), "start.gate"),
        (started(tied(Event::Increment, "")), "start.increment"),
        (started(tied(Event::GoLive, "")), "start.planned_on"),
        (started(pb::BenefitStart { gate: GateCode::G3.into(), ..starting("2027-01-01") }), "start.gate"),
        (started(tied(Event::Date, "2027-02-30")), "start.planned_on"),
        (evident(world.day(1)), "baseline_evidence.measured_on"),
        (
            pb::CreateBenefitRequest {
                groups: vec![group(pb::BeneficiaryKind::Citizens, ""), group(pb::BeneficiaryKind::Citizens, " ")],
                ..qualitative.clone()
            },
            "groups[1]",
        ),
    ];
    for (request, field) in cases {
        let failure = world.manager().call(request).await.unwrap_err();
        assert_eq!(names(&failure), [field]);
    }
}

#[tokio::test]
async fn state_follows_what_is_said_accepted_frozen_and_measured() {
    let world = World::new().await;
    let (project, benefit) = accepted(&world).await;
    assert_eq!(benefit.state(), BenefitState::Identified, "nobody has said what it is to reach, and when");
    let benefit = replanned(&world, planning(&world, &benefit, "35", "2027-01-01")).await;
    assert_eq!(benefit.state(), BenefitState::Accepted);
    let bare_one = world.benefit(&project, "1", "2").await;
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    assert_eq!(reread(&world, &benefit).await.baseline_plan, None);
    world.decided(&project, GateCode::G2, GateOutcome::Go).await;
    let frozen = reread(&world, &benefit).await;
    assert_eq!((frozen.state(), frozen.baseline_plan), (BenefitState::Baselined, Some(1)));
    assert_eq!(reread(&world, &bare_one).await.baseline_plan, Some(0), "what is there is frozen, planned or not");
    world.office().call(world.measurement(&benefit, "40", "2026-01-31")).await.unwrap();
    assert_eq!(reread(&world, &benefit).await.state(), BenefitState::Measuring);
    let measuring = pb::ListBenefitsRequest {
        organisation: world.id(),
        filter: "state = MEASURING AND disbenefit = false".to_owned(),
        ..Default::default()
    };
    assert_eq!(world.office().call(measuring).await.unwrap().benefits, [reread(&world, &benefit).await]);
}

#[tokio::test]
async fn update_before_a_gate_allowed_what_figures_mean_refused_after_i14() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = created(&world, world.planned_request(&project, "2027-01-01")).await;
    let measure = benefit.measure.clone().unwrap();
    let in_hours = pb::Measure { unit: "timer".to_owned(), ..measure.clone() };
    let changes = pb::BenefitChanges { measure: Some(in_hours.clone()), ..Default::default() };
    let after = world.manager().call(changing(&world, &benefit, changes.clone())).await.unwrap().benefit.unwrap();
    assert_eq!((after.measure, after.etag == benefit.etag), (Some(in_hours.clone()), false));
    let stale = world.manager().call(changing(&world, &benefit, changes)).await.unwrap_err();
    assert!(stale.is(Code::Aborted, "ETAG_STALE"), "{stale:?}");

    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    world.decided(&project, GateCode::G2, GateOutcome::Go).await;
    let frozen = reread(&world, &benefit).await;
    let change = |changes| changing(&world, &frozen, changes);
    let of_another_unit = pb::BenefitChanges { measure: Some(measure), ..Default::default() };
    let failure = world.office().call(change(of_another_unit)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "BENEFIT_FROZEN"), "{failure:?}");
    assert_eq!(failure.metadata["fields"], "measure.unit");
    // Of what is summed up, a year is as many as the frequency says; without one nothing would be asked for any more.
    for frequency in [pb::MeasureFrequency::Yearly, pb::MeasureFrequency::Unspecified] {
        let rarer = pb::Measure { frequency: frequency.into(), ..in_hours.clone() };
        let changes = pb::BenefitChanges { measure: Some(rarer), ..Default::default() };
        let failure = world.office().call(change(changes)).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "BENEFIT_FROZEN"), "{failure:?}");
        assert_eq!(failure.metadata["fields"], "measure.frequency");
    }
    let better = pb::Measure { method: "Alle sager, dagligt".to_owned(), ..in_hours };
    let said = pb::BenefitChanges {
        title: Some("Kortere ventetid".to_owned()),
        measure: Some(better.clone()),
        groups: vec![group(pb::BeneficiaryKind::Citizens, "")],
        cashability: Some(pb::Cashability::FreedCapacity.into()),
        disbenefit: None,
    };
    world.accept(&benefit).await;
    let said = bare(&world, "owner").call(change(said)).await.unwrap().benefit.unwrap();
    assert_eq!((said.title.as_str(), said.measure.as_ref(), said.groups.len()), ("Kortere ventetid", Some(&better), 1));
    let none = prost_types::FieldMask { paths: vec!["groups".to_owned()] };
    let emptied =
        pb::UpdateBenefitRequest { update_mask: Some(none), ..changing(&world, &said, pb::BenefitChanges::default()) };
    assert!(world.office().call(emptied).await.unwrap().benefit.unwrap().groups.is_empty());
}

#[tokio::test]
async fn update_and_plan_by_a_stranger_denied() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    let stranger = world.person("another", &[Role::ProjectManager, Role::BenefitOwner, Role::Finance]);
    let title = pb::BenefitChanges { title: Some("t".to_owned()), ..Default::default() };
    let failure = stranger.call(changing(&world, &benefit, title)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let failure = stranger.call(planning(&world, &benefit, "3", "2027-01-01")).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}

#[tokio::test]
async fn plan_added_never_changed_and_the_frozen_one_stays_i14() {
    let world = World::new().await;
    let project = world.project().await;
    let first = created(&world, world.planned_request(&project, "2027-01-01")).await;
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    world.decided(&project, GateCode::G2, GateOutcome::Go).await;
    let first = reread(&world, &first).await;
    let second = replanned(&world, planning(&world, &first, "38", "2027-07-01")).await;
    assert_eq!((second.target.as_str(), second.baseline.as_str()), ("38", "46"));
    assert_eq!((second.starts_on(), second.baseline_plan), ("2027-07-01", Some(0)));
    let shown = pb::BaselineEvidence {
        source: "Optælling".to_owned(),
        measured_on: "2026-01-31".to_owned(),
        url: String::new(),
    };
    let shown =
        pb::PlanBenefitRequest { baseline_evidence: Some(shown), ..planning(&world, &second, "38", "2027-07-01") };
    let third = replanned(&world, shown).await;
    let counted_again =
        pb::PlanBenefitRequest { baseline: "47".to_owned(), ..planning(&world, &third, "38", "2027-07-01") };
    let fourth = replanned(&world, counted_again).await;
    let evidence = |benefit: &pb::Benefit| benefit.plan.as_ref().unwrap().baseline_evidence.is_some();
    assert_eq!((evidence(&third), evidence(&fourth)), (true, false), "what showed 46 does not show 47");
    let stale = world.manager().call(planning(&world, &first, "39", "2027-07-01")).await.unwrap_err();
    assert!(stale.is(Code::Aborted, "ETAG_STALE"), "{stale:?}");
    let other_way = world.manager().call(planning(&world, &fourth, "50", "2027-07-01")).await.unwrap_err();
    assert_eq!(names(&other_way), ["measure.direction"], "what is better stays better");
    let request =
        pb::ListBenefitPlansRequest { organisation: world.id(), benefit: first.id.clone(), ..Default::default() };
    let plans = world.office().call(request).await.unwrap().plans;
    assert_eq!(plans, [fourth, third, second, first].map(|benefit| benefit.plan.unwrap()));
    let db = crate::harness::owner().await;
    let scope = format!("SELECT set_config('app.organisation', '{}', true)", world.organisation);
    for sql in ["UPDATE benefit_plans SET target = 0", "DELETE FROM benefit_plans"] {
        let tx = sea_orm::TransactionTrait::begin(&db).await.unwrap();
        sea_orm::ConnectionTrait::execute_unprepared(&tx, &scope).await.unwrap();
        assert!(sea_orm::ConnectionTrait::execute_unprepared(&tx, sql).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn plan_of_money_needs_its_prices_and_of_quality_has_none() {
    let world = World::new().await;
    let project = world.project().await;
    let economic = created(&world, world.economic_request(&project, "2027-01-01")).await;
    let request = pb::PlanBenefitRequest {
        targets: vec![target("700", Some(7)), target("500", Some(9))],
        price_level_year: Some(2027),
        ..planning(&world, &economic, "500", "2028-01-01")
    };
    let without = pb::PlanBenefitRequest { price_level_year: None, ..request.clone() };
    assert_eq!(names(&world.manager().call(without).await.unwrap_err()), ["price_level_year"]);
    let planned = replanned(&world, request).await;
    assert_eq!(planned.planned_annual_value, Some(pb::Money { ore: 9, price_level_year: 2027 }));
    let qualitative = world.benefit(&project, "1", "2").await;
    let with =
        pb::PlanBenefitRequest { price_level_year: Some(2027), ..planning(&world, &qualitative, "2", "2027-01-01") };
    assert_eq!(names(&world.manager().call(with).await.unwrap_err()), ["price_level_year"]);
}

#[tokio::test]
async fn start_tied_to_a_gate_moves_to_when_it_was_passed() {
    let world = World::new().await;
    let project = world.project().await;
    let start = pb::BenefitStart { gate: GateCode::G2.into(), ..tied(Event::Gate, "2031-05-10") };
    let at_g2 = pb::CreateBenefitRequest { start: Some(start), ..world.planned_request(&project, "2031-01-01") };
    let benefit = created(&world, at_g2).await;
    assert_eq!(benefit.starts_on(), "2031-05-01");
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    world.decided(&project, GateCode::G2, GateOutcome::Hold).await;
    assert_eq!(begins(&world, &benefit).await, "2031-05-01", "put off is not passed");
    let resume = pb::ResumeProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        reason: "Videre.".to_owned(),
        ..Default::default()
    };
    world.steering().call(resume).await.unwrap();
    world.decided(&project, GateCode::G2, GateOutcome::Go).await;
    assert_eq!(begins(&world, &benefit).await, format!("{}-01", &world.day(0)[..7]));
}

#[tokio::test]
async fn start_tied_to_going_live_follows_the_projects_plan_until_it_is_live() {
    let world = World::new().await;
    let project = world.project().await;
    let live = pb::CreateBenefitRequest {
        start: Some(tied(Event::GoLive, "2031-05-10")),
        ..world.planned_request(&project, "2031-01-01")
    };
    let benefit = created(&world, live).await;
    assert_eq!(benefit.starts_on(), "2031-05-01", "nothing is planned yet");
    world.manager().call(plans::baseline(&world, &project, 1, "2027-06-30")).await.unwrap();
    assert_eq!(begins(&world, &benefit).await, "2027-06-01");
    world.steering().call(plans::change(&world, &project, 1, "2028-02-29")).await.unwrap();
    assert_eq!(begins(&world, &benefit).await, "2028-02-01", "the project is late, and its benefit with it");
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4] {
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    assert_eq!(begins(&world, &benefit).await, format!("{}-01", &world.day(0)[..7]));
}

#[tokio::test]
async fn start_tied_to_a_milestone_or_the_closing_moves_with_it() {
    let world = World::new().await;
    let project = world.project().await;
    let increment = plans::planned(&world, &project).await;
    let start = pb::BenefitStart { increment: Some(increment.id.clone()), ..tied(Event::Increment, "") };
    let request = pb::CreateBenefitRequest { start: Some(start), ..world.planned_request(&project, "2031-01-01") };
    let at_milestone = created(&world, request.clone()).await;
    assert_eq!(at_milestone.starts_on(), format!("{}-01", &increment.end_on[..7]));
    let at_closing = pb::CreateBenefitRequest { start: Some(tied(Event::Closure, "2031-05-10")), ..request.clone() };
    let at_closing = created(&world, at_closing).await;
    let elsewhere = pb::CreateBenefitRequest { project: world.project().await.id, ..request };
    let failure = world.manager().call(elsewhere).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "another project's milestone: {failure:?}");

    world.clock.advance(time::Duration::days(200));
    world.manager().call(plans::ending(&world, &project, &increment, true)).await.unwrap();
    assert_eq!(begins(&world, &at_milestone).await, format!("{}-01", &world.day(0)[..7]));
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5] {
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    assert_eq!(begins(&world, &at_closing).await, format!("{}-01", &world.day(0)[..7]));
}

#[tokio::test]
async fn measure_outside_the_scale_or_neither_yes_nor_no_refused() {
    let world = World::new().await;
    let project = world.project().await;
    let scaled = |request: pb::CreateBenefitRequest, measure: pb::Measure| pb::CreateBenefitRequest {
        measure: Some(measure),
        ..request
    };
    let from_one_to_five = pb::Measure {
        name: "Tryghed".to_owned(),
        unit: "point".to_owned(),
        scale: vec![point("1", "Utryg hver dag"), point("3", "Utryg hver uge"), point("5", "Altid tryg")],
        ..Default::default()
    };
    let felt = created(&world, scaled(world.benefit_request(&project, "2.5", "4"), from_one_to_five)).await;
    let yes_or_no = pb::Measure {
        name: "Arkivkravet er opfyldt".to_owned(),
        unit: "ja/nej".to_owned(),
        aggregation: MeasureAggregation::YesNo.into(),
        ..Default::default()
    };
    let met = created(&world, scaled(world.benefit_request(&project, "0", "1"), yes_or_no)).await;
    for (benefit, value, allowed) in
        [(&felt, "5", true), (&felt, "5.1", false), (&felt, "0", false), (&met, "1", true), (&met, "2", false)]
    {
        match world.office().call(world.measurement(benefit, value, "2026-01-31")).await {
            Ok(_) => assert!(allowed, "{value}"),
            Err(failure) => assert_eq!((names(&failure), allowed), (vec!["value"], false), "{value}"),
        }
    }
}
