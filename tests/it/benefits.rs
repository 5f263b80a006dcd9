//! Benefits: creation, append-only measurements, progress by the formula.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome};
use sea_orm::ConnectionTrait;
use tonic::Code;

use crate::harness::World;

fn list(world: &World) -> pb::ListBenefitsRequest {
    pb::ListBenefitsRequest { organisation: world.id(), ..Default::default() }
}

fn measurements(world: &World, benefit: &pb::Benefit) -> pb::ListMeasurementsRequest {
    pb::ListMeasurementsRequest { organisation: world.id(), benefit: benefit.id.clone(), ..Default::default() }
}

async fn progress(world: &World, benefit: &pb::Benefit) -> pb::Progress {
    let request = pb::GetBenefitProgressRequest { organisation: world.id(), benefit: benefit.id.clone() };
    world.office().call(request).await.unwrap().progress.unwrap()
}

#[tokio::test]
async fn create_economic_needs_a_value_qualitative_has_none_s30() {
    let world = World::new().await;
    let project = world.project().await;
    let value = Some(pb::Money { ore: 145_000_000, price_level_year: 2026 });
    let qualitative = world.benefit_request(&project, "310", "210");
    let economic = pb::CreateBenefitRequest {
        kind: pb::BenefitKind::Economic.into(),
        planned_annual_value: value,
        ..qualitative.clone()
    };
    let created = world.manager().call(economic.clone()).await.unwrap().benefit.unwrap();
    assert_eq!((created.kind(), created.planned_annual_value), (pb::BenefitKind::Economic, value));
    let request = pb::GetBenefitRequest { organisation: world.id(), benefit: created.id.clone() };
    assert_eq!(world.office().call(request).await.unwrap().benefit.unwrap(), created);

    let without = pb::CreateBenefitRequest { planned_annual_value: None, ..economic };
    let with = pb::CreateBenefitRequest { planned_annual_value: value, ..qualitative };
    for request in [without, with] {
        let failure = world.office().call(request).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
        assert_eq!(failure.fields, ["planned_annual_value"]);
    }
}

#[tokio::test]
async fn create_what_is_no_decimal_named_and_what_is_exact_kept() {
    let world = World::new().await;
    let project = world.project().await;
    for wrong in ["", "1,5", "1e3", "NaN", ".5", "1234567890123456", "0.1234567", "1 000"] {
        let failure = world.office().call(world.benefit_request(&project, wrong, "1")).await.unwrap_err();
        assert_eq!(
            (failure.code, &failure.fields[..]),
            (Code::InvalidArgument, &["baseline".to_owned()][..]),
            "{wrong}"
        );
    }
    let exact = world.benefit(&project, "-999999999999999.999999", "0.100000").await;
    assert_eq!((exact.baseline.as_str(), exact.target.as_str()), ("-999999999999999.999999", "0.1"));
}

#[tokio::test]
async fn figures_with_the_shape_of_a_personal_number_are_figures() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1010000000", "-1512000000.5").await;
    world.office().call(world.measurement(&benefit, "2512345678.00", "2026-01-31")).await.unwrap();
    let worded = pb::RecordMeasurementRequest {
        source: "2512345678".to_owned(),
        ..world.measurement(&benefit, "1", "2026-01-31")
    };
    let failure = world.office().call(worded).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "PERSONAL_NUMBER_REFUSED"), "{failure:?}");
}

#[tokio::test]
async fn create_by_someone_elses_manager_denied() {
    let world = World::new().await;
    let project = world.project().await;
    let other = world.person("another-manager", &[Role::ProjectManager]);
    let failure = other.call(world.benefit_request(&project, "1", "2")).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}

#[tokio::test]
async fn measure_by_its_owner_allowed_by_others_denied() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "10", "0").await;
    world.accept(&benefit).await;
    let recorded = world.benefit_owner().call(world.measurement(&benefit, "4.20", "2026-06-30")).await.unwrap();
    let recorded = recorded.measurement.unwrap();
    assert_eq!((recorded.value.as_str(), recorded.recorder.as_str()), ("4.2", "owner"));
    let other = world.person("another-owner", &[Role::BenefitOwner]);
    let failure = other.call(world.measurement(&benefit, "1", "2026-06-30")).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    assert_eq!(failure.metadata["needs"], "portfolio-office, integration or to have accepted to own the benefit");
}

#[tokio::test]
async fn measure_the_future_or_no_day_refused() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    let tomorrow = world.day(1);
    for day in [tomorrow.as_str(), "2026-02-30", "2026-13-01", "30-06-2026", ""] {
        let failure = world.office().call(world.measurement(&benefit, "1", day)).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{day} {failure:?}");
        assert_eq!(failure.fields, ["measured_on"]);
    }
}

#[tokio::test]
async fn measure_after_the_project_closed_goes_on() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "310", "210").await;
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5] {
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    world.clock.advance(time::Duration::days(700));
    world.office().call(world.measurement(&benefit, "242", "2026-10-01")).await.unwrap();
    assert_eq!(progress(&world, &benefit).await.value(), "0.6800");
}

#[tokio::test]
async fn measurements_newest_day_first_and_never_changed_i14() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    for (value, day) in [("8", "2026-03-31"), ("9", "2026-01-31"), ("7", "2026-03-31")] {
        world.office().call(world.measurement(&benefit, value, day)).await.unwrap();
    }
    let page = |page_token: String, filter: &str| pb::ListMeasurementsRequest {
        page_size: 2,
        page_token,
        filter: filter.to_owned(),
        ..measurements(&world, &benefit)
    };
    let first = world.office().call(page(String::new(), "")).await.unwrap();
    let second = world.office().call(page(first.next_page_token, "")).await.unwrap();
    let values: Vec<String> = first.measurements.into_iter().chain(second.measurements).map(|m| m.value).collect();
    assert_eq!(values, ["7", "8", "9"]);
    let since = world.office().call(page(String::new(), "measured_on >= \"2026-02-01\"")).await.unwrap();
    assert_eq!(since.measurements.len(), 2);
    assert_eq!(progress(&world, &benefit).await.actual.unwrap().value, "7", "the later record of the same day counts");

    let db = crate::harness::runtime_role().await;
    for sql in ["UPDATE measurements SET value = 0", "DELETE FROM measurements"] {
        let scoped = format!(
            "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{{{0}}}}}', true); {sql}",
            world.organisation
        );
        assert!(db.execute_unprepared(&scoped).await.is_err(), "{sql}");
        // The owner of the schema, who may, is stopped by the trigger.
        let owner = crate::harness::owner().await;
        let error = owner.execute_unprepared(&scoped).await.unwrap_err();
        assert!(error.to_string().contains("never changed or removed"), "{error}");
    }
}

fn correction(
    world: &World,
    benefit: &pb::Benefit,
    wrong: &str,
    value: &str,
    day: &str,
) -> pb::RecordMeasurementRequest {
    let corrects = pb::MeasurementCorrection { measurement: wrong.to_owned(), reason: "Tastefejl.".to_owned() };
    pb::RecordMeasurementRequest { corrects: Some(corrects), ..world.measurement(benefit, value, day) }
}

#[tokio::test]
async fn correction_takes_the_place_of_what_was_wrong_and_leaves_it_as_it_was_i14() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    let owner = world.office();
    owner.call(world.measurement(&benefit, "8", "2026-01-31")).await.unwrap();
    let wrong = owner.call(world.measurement(&benefit, "55", "2026-02-28")).await.unwrap().measurement.unwrap();
    let right = owner.call(correction(&world, &benefit, &wrong.id, "5.5", "2026-02-28")).await.unwrap();
    let right = right.measurement.unwrap();
    assert_eq!(right.corrects.as_ref().map(|wrong| wrong.reason.as_str()), Some("Tastefejl."));
    assert_eq!(progress(&world, &benefit).await.actual, Some(right.clone()));
    let listed = world.office().call(measurements(&world, &benefit)).await.unwrap().measurements;
    let listed: Vec<_> = listed.iter().map(|found| (found.value.as_str(), found.corrected_by.as_deref())).collect();
    assert_eq!(listed, [("5.5", None), ("55", Some(right.id.as_str())), ("8", None)]);

    // It belongs to January: what counts by then is what was measured last of the rest.
    let moved = owner.call(correction(&world, &benefit, &right.id, "6", "2026-01-15")).await.unwrap();
    assert_eq!(progress(&world, &benefit).await.actual.unwrap().value, "8");
    let audited = world.audited(&format!("object = \"{}\"", moved.measurement.unwrap().id)).await;
    let changes = &audited[0].changes_json;
    assert!(changes.contains(&right.id) && changes.contains("Tastefejl."), "{changes}");
}

#[tokio::test]
async fn correction_of_what_is_not_there_or_counts_no_more_refused() {
    let world = World::new().await;
    let project = world.project().await;
    let (benefit, other) = (world.benefit(&project, "10", "0").await, world.benefit(&project, "10", "0").await);
    let owner = world.office();
    let wrong = owner.call(world.measurement(&benefit, "8", "2026-01-31")).await.unwrap().measurement.unwrap();
    for (of, id) in [(&other, wrong.id.as_str()), (&benefit, benefit.id.as_str())] {
        let failure = owner.call(correction(&world, of, id, "7", "2026-01-31")).await.unwrap_err();
        assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
        assert_eq!(failure.metadata["type"], "measurement");
    }
    let unsaid = pb::MeasurementCorrection { measurement: wrong.id.clone(), reason: String::new() };
    let request =
        pb::RecordMeasurementRequest { corrects: Some(unsaid), ..world.measurement(&benefit, "7", "2026-01-31") };
    let failure = owner.call(request).await.unwrap_err();
    assert_eq!((failure.code, &failure.fields[..]), (Code::InvalidArgument, &["corrects.reason".to_owned()][..]));
    assert_eq!(world.office().call(measurements(&world, &benefit)).await.unwrap().measurements, [wrong]);
}

#[tokio::test]
async fn eight_correct_one_measurement_at_once_one_does() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    let wrong = world.office().call(world.measurement(&benefit, "8", "2026-01-31")).await.unwrap();
    let wrong = wrong.measurement.unwrap();
    let calls = (0..8).map(|value| {
        let request = correction(&world, &benefit, &wrong.id, &value.to_string(), "2026-01-31");
        let owner = world.office();
        async move { owner.persist(request).await }
    });
    let answers = futures_util::future::join_all(calls).await;
    let (kept, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let [Ok(kept)] = &kept[..] else { panic!("{kept:?}") };
    let kept = kept.measurement.clone().unwrap();
    for failure in refused.into_iter().map(Result::unwrap_err) {
        assert!(failure.is(Code::FailedPrecondition, "MEASUREMENT_CORRECTED"), "{failure:?}");
        assert_eq!(failure.metadata["corrected_by"], kept.id);
    }
    assert_eq!(progress(&world, &benefit).await.actual, Some(kept));
}

#[tokio::test]
async fn progress_either_direction_with_its_arithmetic() {
    let world = World::new().await;
    let project = world.project().await;
    let cases = [
        // baseline, target, measured: covered, planned, unbounded, value
        ("310", "210", "242", "-68", "-100", "0.6800", "0.6800"),
        ("58", "80", "69", "11", "22", "0.5000", "0.5000"),
        ("6.2", "5.0", "6.8", "0.6", "-1.2", "-0.5000", "0.0000"),
        ("0", "10", "30", "30", "10", "3.0000", "1.2000"),
    ];
    for (baseline, target, measured, covered, planned, unbounded, value) in cases {
        let benefit = world.benefit(&project, baseline, target).await;
        world.office().call(world.measurement(&benefit, measured, "2026-06-30")).await.unwrap();
        let progress = progress(&world, &benefit).await;
        assert_eq!(progress.value(), value);
        assert_eq!(progress.unbounded_value(), unbounded);
        assert_eq!((progress.distance_covered(), progress.distance_planned.as_str()), (covered, planned));
        assert_eq!(progress.absence(), pb::ProgressAbsence::Unspecified);
        assert!(progress.formula.starts_with("(actual - baseline) / (target - baseline)"));
    }
}

#[tokio::test]
async fn progress_absent_says_why() {
    let world = World::new().await;
    let project = world.project().await;
    let kept = world.benefit(&project, "4.0", "4.0").await;
    let absent = progress(&world, &kept).await;
    assert_eq!((absent.value.as_ref(), absent.absence()), (None, pb::ProgressAbsence::NotMeasured));
    world.office().call(world.measurement(&kept, "4", "2026-06-30")).await.unwrap();
    let absent = progress(&world, &kept).await;
    assert_eq!((absent.value.as_ref(), absent.absence()), (None, pb::ProgressAbsence::NoDistance));
}

#[tokio::test]
async fn list_across_projects_by_owner_and_kind() {
    let world = World::new().await;
    let (first, second) = (world.project().await, world.project().await);
    world.benefit(&first, "1", "2").await;
    let mine = pb::CreateBenefitRequest { owner: "centerleder".to_owned(), ..world.benefit_request(&second, "1", "2") };
    let mine = world.office().call(mine).await.unwrap().benefit.unwrap();
    let filtered = |filter: String| pb::ListBenefitsRequest { filter, ..list(&world) };
    let found = world.office().call(filtered("owner = \"centerleder\"".to_owned())).await.unwrap();
    assert_eq!(found.benefits, [mine]);
    let found =
        world.office().call(filtered(format!("project = \"{}\" AND kind = QUALITATIVE", first.id))).await.unwrap();
    assert_eq!(found.benefits.len(), 1);
    let found = world.office().call(filtered("kind = ECONOMIC".to_owned())).await.unwrap();
    assert!(found.benefits.is_empty());
    let failure = world.office().call(filtered("baseline = 1".to_owned())).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FILTER_INVALID"), "{failure:?}");
}
