//! The measuring calendar, and what the clock tells of it: once, also after the project has closed (S29).

use gevinst::auth::Role;
use gevinst_proto::v1::{
    self as pb, ActorKind, AuditOutcome, BenefitEventKind, BenefitOutcome, GateCode, GateOutcome,
    ScheduledMeasurementState as State,
};
use time::{OffsetDateTime, macros::datetime};
use tonic::Code;

use crate::{
    clock::{Base, LOOK_EVERY, metric, turn},
    harness::{World, process::until},
    realisation::{numbered, policy, realise, review},
};

const CLOCKS: OffsetDateTime = datetime!(2027-01-15 12:00 UTC);

/// A benefit that is measured every quarter of a year from a month on, of a project of its own.
async fn quarterly(world: &World, from: &str) -> pb::Benefit {
    let project = world.project().await;
    world.office().call(world.planned_request(&project, from)).await.unwrap().benefit.unwrap()
}

fn request(world: &World, filter: &str) -> pb::ListMeasurementCalendarRequest {
    pb::ListMeasurementCalendarRequest { organisation: world.id(), filter: filter.to_owned(), ..Default::default() }
}

async fn calendar(world: &World, filter: &str) -> Vec<pb::ScheduledMeasurement> {
    world.office().call(request(world, filter)).await.unwrap().measurements
}

async fn states(world: &World, benefit: &pb::Benefit) -> Vec<State> {
    let found = calendar(world, &format!("benefit = \"{}\"", benefit.id)).await;
    found.iter().map(pb::ScheduledMeasurement::state).collect()
}

async fn events(world: &World, filter: &str) -> Vec<(BenefitEventKind, String)> {
    let request =
        pb::ListBenefitEventsRequest { organisation: world.id(), filter: filter.to_owned(), ..Default::default() };
    let found = world.office().call(request).await.unwrap().events;
    let mut told: Vec<_> = found.iter().map(|event| (event.kind(), event.due_on.clone())).collect();
    told.sort_by_key(|(kind, day)| (day.clone(), *kind as i32));
    told
}

#[tokio::test]
async fn measurement_of_an_interval_is_due_then_late_then_missing() {
    use State::{Due, Late, Missing, Upcoming};
    let world = World::new().await;
    turn(&world.clock, datetime!(2027-03-31 12:00 UTC));
    let benefit = quarterly(&world, "2027-01-20").await;
    let first = calendar(&world, "").await.remove(0);
    assert_eq!((first.number, first.from.as_str(), first.due_on.as_str()), (1, "2027-01-01", "2027-03-31"));
    assert_eq!((first.owner.as_str(), &first.project, first.state()), ("owner", &benefit.project, Upcoming));
    for (now, expected) in [
        (datetime!(2027-04-01 12:00 UTC), Due),
        (datetime!(2027-04-14 12:00 UTC), Due),
        (datetime!(2027-04-15 12:00 UTC), Late),
        (datetime!(2027-05-30 12:00 UTC), Late),
        (datetime!(2027-05-31 12:00 UTC), Missing),
    ] {
        turn(&world.clock, now);
        assert_eq!(states(&world, &benefit).await, [expected, Upcoming, Upcoming, Upcoming], "{now}");
    }
    turn(&world.clock, datetime!(2027-04-11 12:00 UTC));
    world.office().call(policy(&world)).await.unwrap();
    assert_eq!(states(&world, &benefit).await[0], Late, "ten days of grace now");
}

#[tokio::test]
async fn measurement_in_the_interval_is_what_was_asked_for_until_it_is_corrected() {
    use State::{Done, Missing};
    let world = World::new().await;
    turn(&world.clock, datetime!(2028-06-01 12:00 UTC));
    let benefit = quarterly(&world, "2027-01-01").await;
    assert_eq!(states(&world, &benefit).await, [Missing; 4]);
    for day in ["2026-12-31", "2027-03-31", "2027-07-01", "2028-01-01"] {
        world.office().call(world.measurement(&benefit, "40", day)).await.unwrap();
    }
    assert_eq!(states(&world, &benefit).await, [Done, Missing, Done, Missing]);
    let done = calendar(&world, "state = DONE").await.remove(0);
    assert_eq!(done.measured_on.as_deref(), Some("2027-03-31"));
    let reason = "Tastefejl.".to_owned();
    let corrects = pb::MeasurementCorrection { measurement: done.measurement.unwrap(), reason };
    let correction = world.measurement(&benefit, "40", "2027-04-01");
    let correction = pb::RecordMeasurementRequest { corrects: Some(corrects), ..correction };
    world.office().call(correction).await.unwrap();
    assert_eq!(states(&world, &benefit).await, [Missing, Done, Done, Missing]);
}

#[tokio::test]
async fn calendar_page_by_page_by_the_day_and_only_of_what_the_caller_sees() {
    let world = World::new().await;
    turn(&world.clock, CLOCKS);
    let (one, other) = (quarterly(&world, "2027-01-01").await, quarterly(&world, "2027-02-01").await);
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = pb::ListMeasurementCalendarRequest { page_size: 3, page_token, ..request(&world, "") };
        let answer = world.office().call(page).await.unwrap();
        found.extend(answer.measurements.into_iter().map(|one| (one.due_on, one.benefit)));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(found.is_sorted() && found.len() == 8, "{found:?}");
    for (filter, many) in [
        ("due_on <= \"2027-04-30\"".to_owned(), 2),
        (format!("project = \"{}\"", other.project), 4),
        (format!("benefit = \"{}\" AND due_on > \"2027-04-30\" AND state = UPCOMING", one.id), 3),
        ("owner = \"anden\"".to_owned(), 0),
    ] {
        assert_eq!(calendar(&world, &filter).await.len(), many, "{filter}");
    }
    let owner = world.person("owner", &[]).call(request(&world, "")).await.unwrap();
    assert_eq!(owner.measurements.len(), 8, "without a role, and without seeing the project");
    let failure = world.person("stranger", &[]).call(request(&world, "")).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let reader = world.elsewhere().await.person("reader", &[Role::Reader]);
    let failure = reader.call(request(&world, "")).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
}

#[tokio::test]
async fn nothing_is_asked_of_what_is_unplanned_cancelled_or_stopped_before_realisation() {
    let world = World::new().await;
    turn(&world.clock, CLOCKS);
    world.benefit(&world.project().await, "46", "35").await;
    assert!(calendar(&world, "").await.is_empty(), "no start");

    let stopped = quarterly(&world, "2027-01-01").await;
    let project = pb::Project { id: stopped.project.clone(), ..Default::default() };
    world.decided(&project, GateCode::G1, GateOutcome::Kill).await;
    assert!(calendar(&world, "").await.is_empty(), "stopped");

    let benefit = quarterly(&world, "2027-01-01").await;
    realise(&world, &pb::Project { id: benefit.project.clone(), ..Default::default() }).await;
    assert_eq!(calendar(&world, "").await.len(), 4);
    let cancelled = pb::RecordBenefitReviewRequest {
        outcome: BenefitOutcome::Cancelled.into(),
        deviation_reason: "Opgaven er væk.".to_owned(),
        ..review(&world, &benefit)
    };
    world.office().call(cancelled).await.unwrap();
    assert!(calendar(&world, "").await.is_empty(), "cancelled");
}

#[tokio::test]
async fn clock_tells_what_is_due_late_and_missing_once_each() {
    use BenefitEventKind::{MeasurementDue, MeasurementLate, MeasurementMissing};
    let base = Base::new().await;
    let world = base.ticking().await;
    turn(&world.clock, CLOCKS);
    let benefit = quarterly(&world, "2027-01-01").await;
    let filter = format!("benefit = \"{}\"", benefit.id);
    turn(&world.clock, datetime!(2027-03-31 21:59 UTC));
    base.until_looked().await;
    assert_eq!(events(&world, &filter).await, [], "the last day of the interval, to its end in Denmark");
    let mut expected = Vec::new();
    for (now, kind) in [
        (datetime!(2027-03-31 22:00 UTC), MeasurementDue),
        (datetime!(2027-04-15 12:00 UTC), MeasurementLate),
        (datetime!(2027-05-31 12:00 UTC), MeasurementMissing),
    ] {
        turn(&world.clock, now);
        expected.push((kind, "2027-03-31".to_owned()));
        until("the clock has told it", async || events(&world, &filter).await.len() == expected.len()).await;
        base.until_looked().await;
        assert_eq!(events(&world, &filter).await, expected);
    }
    let entries = world.audited("action = \"benefit.remind\"").await;
    assert_eq!(
        (entries.len(), entries[0].outcome(), entries[0].actor_kind()),
        (3, AuditOutcome::Done, ActorKind::System)
    );
    assert_eq!(entries[0].policy, "the-clock-reminds");
    assert_eq!(metric(world.admin, "gevinst_benefit_events_total").await, 3);
    // What is measured in time is told of by nobody.
    world.office().call(world.measurement(&benefit, "40", "2027-05-31")).await.unwrap();
    turn(&world.clock, datetime!(2027-08-31 12:00 UTC));
    base.until_looked().await;
    assert_eq!(events(&world, &filter).await, expected);
}

#[tokio::test]
async fn clock_tells_of_a_measurement_that_a_correction_took_away() {
    let base = Base::new().await;
    let world = base.ticking().await;
    turn(&world.clock, CLOCKS);
    let benefit = quarterly(&world, "2027-01-01").await;
    let measured = world.office().call(world.measurement(&benefit, "40", "2027-01-10")).await.unwrap();
    turn(&world.clock, datetime!(2027-08-31 12:00 UTC));
    let missing = |day: &str| (BenefitEventKind::MeasurementMissing, day.to_owned());
    until("the clock has told it", async || events(&world, "").await == [missing("2027-06-30")]).await;
    let reason = "Forkert år.".to_owned();
    let corrects = pb::MeasurementCorrection { measurement: measured.measurement.unwrap().id, reason };
    let correction = world.measurement(&benefit, "40", "2026-12-31");
    let correction = pb::RecordMeasurementRequest { corrects: Some(corrects), ..correction };
    world.office().call(correction).await.unwrap();
    let both = [missing("2027-03-31"), missing("2027-06-30")];
    until("the clock has told that too", async || events(&world, "").await == both).await;
}

#[tokio::test]
async fn start_long_ago_is_caught_up_with_a_bounded_number_at_a_time() {
    let base = Base::new().await;
    let world = base.idle().await;
    turn(&world.clock, CLOCKS);
    let project = world.project().await;
    let year = pb::BenefitTarget { target: "35".to_owned(), value_ore: None };
    let mut request =
        pb::CreateBenefitRequest { targets: vec![year; 10], ..world.planned_request(&project, "2017-01-01") };
    request.measure.as_mut().unwrap().frequency = pb::MeasureFrequency::Monthly.into();
    world.office().call(request).await.unwrap();
    let ticking = world.behind_another(base.config(Some(LOOK_EVERY))).await;
    let told = "SELECT count(*) FROM benefit_events";
    until("the clock has caught up", async || base.number(told, []).await == 120).await;
    base.until_looked().await;
    assert_eq!(base.number(told, []).await, 120);
    assert_eq!(world.audited("action = \"benefit.remind\"").await.len(), 2, "a hundred, then the rest");
    // Only what each has become, and not what it was in between.
    let late = |day: &str| (BenefitEventKind::MeasurementLate, day.to_owned());
    assert_eq!(events(&world, "kind != MEASUREMENT_MISSING").await, [late("2026-11-30"), late("2026-12-31")]);
    ticking.stop().await;
}

#[tokio::test]
async fn reviews_of_a_closed_project_told_once_by_two_replicas() {
    let base = Base::new().await;
    let world = base.idle().await;
    turn(&world.clock, datetime!(2027-01-31 12:00 UTC));
    let project = world.project().await;
    let mut benefits = Vec::new();
    for _ in 0..4 {
        benefits.push(world.benefit(&project, "46", "35").await);
    }
    realise(&world, &project).await;
    world.decided(&project, GateCode::G5, GateOutcome::Go).await;
    turn(&world.clock, datetime!(2027-07-31 12:00 UTC));
    world.office().call(numbered(&world, &benefits[0], 1)).await.unwrap();
    let config = base.config(Some(LOOK_EVERY));
    let (one, other) = tokio::join!(world.behind_another(config.clone()), world.behind_another(config));
    let told = "SELECT count(*) FROM benefit_events WHERE kind = 'REVIEW_DUE' AND number = 1 AND due_on = '2027-07-31'";
    until("the clock has told it", async || base.number(told, []).await == 3).await;
    base.until_looked().await;
    assert_eq!(base.number("SELECT count(*) FROM benefit_events", []).await, 3);
    turn(&world.clock, datetime!(2029-01-01 12:00 UTC));
    until("the clock has told the rest", async || base.number("SELECT count(*) FROM benefit_events", []).await == 7)
        .await;
    base.until_looked().await;
    let counted = "gevinst_benefit_events_total";
    assert_eq!(metric(one.admin, counted).await + metric(other.admin, counted).await, 7);
    one.stop().await;
    other.stop().await;
}
