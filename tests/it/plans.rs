//! Plans: one first baseline, every change of direction kept beside it, and small steps (S09, S10).

use std::collections::BTreeSet;

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome};
use sea_orm::ConnectionTrait;
use tonic::Code;

use crate::{
    funding::changes,
    harness::{Failure, World},
    lessons::{archived, lesson},
};

pub fn baseline(world: &World, project: &pb::Project, budget_ore: i64, end_on: &str) -> pb::SetProjectBaselineRequest {
    pb::SetProjectBaselineRequest {
        organisation: world.id(),
        project: project.id.clone(),
        budget_ore,
        end_on: end_on.to_owned(),
        scope: "Afprøve og udbrede.".to_owned(),
        validate_only: false,
    }
}

pub fn change(world: &World, project: &pb::Project, budget_ore: i64, end_on: &str) -> pb::ChangeDirectionRequest {
    pb::ChangeDirectionRequest {
        organisation: world.id(),
        project: project.id.clone(),
        from: "Én løsning til alle.".to_owned(),
        to: "Begynde med hjemmeplejen.".to_owned(),
        trigger: "Skolerne har andre behov.".to_owned(),
        budget_ore,
        end_on: end_on.to_owned(),
        validate_only: false,
        acting_for: String::new(),
    }
}

fn increment(world: &World, project: &pb::Project) -> pb::PlanIncrementRequest {
    pb::PlanIncrementRequest {
        organisation: world.id(),
        project: project.id.clone(),
        goal: "Vide, om det virker i dagligdagen.".to_owned(),
        benefit: None,
        scope: "Ét team i to uger.".to_owned(),
        budget_ore: 5_000_000,
        start_on: "2026-09-01".to_owned(),
        days: 14,
        done_criteria: vec!["8 af 10 sager løst".to_owned(), "Ingen klager".to_owned()],
        validate_only: false,
    }
}

pub async fn planned(world: &World, project: &pb::Project) -> pb::Increment {
    world.manager().call(increment(world, project)).await.unwrap().increment.unwrap()
}

pub fn ending(world: &World, project: &pb::Project, increment: &pb::Increment, done: bool) -> pb::EndIncrementRequest {
    pb::EndIncrementRequest {
        organisation: world.id(),
        project: project.id.clone(),
        increment: increment.id.clone(),
        done,
        result: "9 af 10.".to_owned(),
        validate_only: false,
    }
}

async fn plan(world: &World, project: &pb::Project) -> pb::ProjectPlan {
    let request = pb::GetProjectPlanRequest { organisation: world.id(), project: project.id.clone() };
    world.office().call(request).await.unwrap().plan.unwrap()
}

fn has_no_role(failure: &Failure) -> bool {
    failure.is(Code::PermissionDenied, "ROLE_MISSING")
}

#[tokio::test]
async fn baseline_set_once_and_audited() {
    let world = World::new().await;
    let project = world.project().await;
    assert_eq!(plan(&world, &project).await, pb::ProjectPlan::default());
    let dry = pb::SetProjectBaselineRequest { validate_only: true, ..baseline(&world, &project, 1, "2026-01-01") };
    world.manager().call(dry).await.unwrap();
    // A budget of nothing and a day that has passed are answers.
    let request = baseline(&world, &project, 0, "2025-12-31");
    let set = world.manager().key("set").call(request.clone()).await.unwrap().baseline.unwrap();
    assert_eq!((set.number, set.budget_ore, set.end_on.as_str()), (0, 0, "2025-12-31"));
    assert_eq!((set.scope.as_str(), set.set_by.as_str()), ("Afprøve og udbrede.", "manager"));
    assert_eq!(world.manager().key("set").call(request.clone()).await.unwrap().baseline.unwrap(), set);
    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "BASELINE_EXISTS"), "{failure:?}");
    let plan = plan(&world, &project).await;
    assert_eq!(plan.baselines, [set]);
    let variance = plan.variance.unwrap();
    assert_eq!((variance.budget_ore, variance.budget_share.as_deref(), variance.days), (0, None, 0));

    let [entry] = &world.audited("action = \"baseline.set\" AND outcome = DONE").await[..] else { panic!("one entry") };
    let (kind, object) = (entry.object_type.as_str(), entry.object());
    assert_eq!((kind, object), ("project", project.id.as_str()));
    let changes = changes(entry);
    assert_eq!((&changes["baseline_number"]["after"], &changes["budget_ore"]["after"]), (&0.into(), &"0".into()));
    for field in ["end_on", "scope"] {
        assert!(!changes[field]["after"].is_null(), "{field} in {changes}");
    }
}

#[tokio::test]
async fn baselines_at_once_one_is_set() {
    let world = World::new().await;
    let project = world.project().await;
    let calls: Vec<_> = (0..8)
        .map(|number| {
            let (office, request) = (world.office(), baseline(&world, &project, number, "2026-12-31"));
            tokio::spawn(async move { office.call(request).await })
        })
        .collect();
    let mut set = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => set.extend(answer.baseline),
            Err(failure) => assert!(failure.is(Code::FailedPrecondition, "BASELINE_EXISTS"), "{failure:?}"),
        }
    }
    assert_eq!(set.len(), 1);
    assert_eq!(plan(&world, &project).await.baselines, set);
}

#[tokio::test]
async fn direction_changed_the_next_baseline_made_and_the_first_kept_s10() {
    let world = World::new().await;
    let project = world.project().await;
    let failure = world.steering().call(change(&world, &project, 1, "2026-12-31")).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "BASELINE_MISSING"), "{failure:?}");
    world.manager().call(baseline(&world, &project, 400, "2026-12-31")).await.unwrap();
    let dry = pb::ChangeDirectionRequest { validate_only: true, ..change(&world, &project, 500, "2027-01-31") };
    let would_be = world.steering().call(dry).await.unwrap().plan.unwrap();
    assert_eq!(would_be.baselines.len(), 2);
    assert_eq!(plan(&world, &project).await.baselines.len(), 1);

    let request = change(&world, &project, 500, "2027-01-31");
    let answer = world.steering().key("first").call(request.clone()).await.unwrap();
    assert_eq!(world.steering().key("first").call(request.clone()).await.unwrap(), answer);
    let changed = answer.direction_change.unwrap();
    assert_eq!((&changed.from, &changed.to, &changed.trigger), (&request.from, &request.to, &request.trigger));
    assert_eq!(
        (changed.decided_by.as_str(), changed.decided_for.as_ref(), changed.baseline_number),
        ("steering", None, 1)
    );
    let now = plan(&world, &project).await;
    assert_eq!(answer.plan.unwrap(), now);
    let [first, second] = &now.baselines[..] else { panic!("{now:?}") };
    assert_eq!((first.number, first.budget_ore, first.set_by.as_str()), (0, 400, "manager"));
    assert_eq!((second.number, second.budget_ore, second.set_by.as_str()), (1, 500, "steering"));
    assert_eq!((second.end_on.as_str(), second.scope.as_str()), ("2027-01-31", "Begynde med hjemmeplejen."));
    let variance = now.variance.unwrap();
    assert_eq!((variance.budget_ore, variance.budget_share(), variance.days), (100, "0.25", 31));
    assert!(variance.formula.starts_with("newest baseline - baseline 0"), "{}", variance.formula);

    // Against the first, whatever came between.
    world.steering().call(change(&world, &project, 300, "2026-12-01")).await.unwrap();
    let now = plan(&world, &project).await;
    let variance = now.variance.unwrap();
    assert_eq!((variance.budget_ore, variance.budget_share(), variance.days), (-100, "-0.25", -30));
    let numbers: Vec<i32> = now.direction_changes.iter().map(|change| change.baseline_number).collect();
    assert_eq!(numbers, [1, 2]);

    let entries = world.audited("action = \"direction.change\" AND outcome = DONE").await;
    assert_eq!(entries.len(), 2);
    let (kind, object) = (entries[1].object_type.as_str(), entries[1].object());
    assert_eq!((kind, object), ("direction_change", changed.id.as_str()));
    let changes = changes(&entries[1]);
    for field in ["project", "from", "to", "trigger", "baseline_number", "budget_ore", "end_on"] {
        assert!(!changes[field]["after"].is_null(), "{field} in {changes}");
    }
}

#[tokio::test]
async fn directions_changed_at_once_each_has_a_number_of_its_own() {
    let world = World::new().await;
    let project = world.project().await;
    world.office().call(baseline(&world, &project, 100, "2026-12-31")).await.unwrap();
    let calls: Vec<_> = (0..8)
        .map(|number| {
            let (steering, request) = (world.steering(), change(&world, &project, number, "2026-12-31"));
            tokio::spawn(async move { steering.call(request).await })
        })
        .collect();
    let mut numbers = BTreeSet::new();
    for call in calls {
        numbers.insert(call.await.unwrap().unwrap().direction_change.unwrap().baseline_number);
    }
    assert_eq!(numbers, (1..=8).collect());
    let now = plan(&world, &project).await;
    assert_eq!((now.baselines.len(), now.direction_changes.len()), (9, 8));
}

#[tokio::test]
async fn baseline_and_increment_by_office_and_manager_alone() {
    let world = World::new().await;
    for role in [
        Role::Reader,
        Role::Finance,
        Role::SteeringGroup,
        Role::ExecutiveBoard,
        Role::ProjectManager,
        Role::ProjectOwner,
        Role::AreaLeader,
        Role::Integration,
    ] {
        let project = world.project().await;
        let person = world.person("someone", &[role]);
        let step = planned(&world, &project).await;
        for failure in [
            person.call(baseline(&world, &project, 1, "2026-12-31")).await.unwrap_err(),
            person.call(increment(&world, &project)).await.unwrap_err(),
            person.call(ending(&world, &project, &step, true)).await.unwrap_err(),
        ] {
            assert!(has_no_role(&failure), "{role:?} {failure:?}");
            assert_eq!(failure.metadata["needs"], "portfolio-office or to be the project's manager");
        }
    }
    // The manager by name alone, and the office.
    for person in [world.person("manager", &[]), world.office()] {
        let project = world.project().await;
        person.call(baseline(&world, &project, 1, "2026-12-31")).await.unwrap();
        let step = person.call(increment(&world, &project)).await.unwrap().increment.unwrap();
        person.call(ending(&world, &project, &step, false)).await.unwrap();
    }
    let auditor = world.person("auditor", &[Role::Auditor, Role::PortfolioOffice]);
    let failure = auditor.call(baseline(&world, &world.project().await, 1, "2026-12-31")).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "AUDITOR_READS_ONLY"), "{failure:?}");
}

#[tokio::test]
async fn direction_changed_by_those_who_answer_for_it_and_never_by_its_manager() {
    let world = World::new().await;
    let project = world.project().await;
    world.office().call(baseline(&world, &project, 100, "2026-12-31")).await.unwrap();
    let request = change(&world, &project, 1, "2026-12-31");
    for person in [world.steering(), world.board(), world.person("project-owner", &[])] {
        person.call(request.clone()).await.unwrap();
    }
    for person in [
        world.office(),
        world.manager(),
        world.person("finance", &[Role::Finance]),
        world.person("another", &[Role::ProjectOwner]),
        world.person("reader", &[Role::Reader]),
    ] {
        let failure = person.call(request.clone()).await.unwrap_err();
        let is_manager = failure.is(Code::PermissionDenied, "DECIDER_IS_PROJECT_MANAGER");
        assert!(has_no_role(&failure) || is_manager, "{failure:?}");
    }
    let manager = world.person("manager", &[Role::SteeringGroup]).call(request.clone()).await.unwrap_err();
    assert!(manager.is(Code::PermissionDenied, "DECIDER_IS_PROJECT_MANAGER"), "{manager:?}");
    let robot = world.service("robot", &[Role::SteeringGroup]).call(request.clone()).await.unwrap_err();
    assert!(robot.is(Code::PermissionDenied, "PERSON_REQUIRED"), "{robot:?}");

    // Under a loan both are recorded; without one nobody acts for another.
    let grant = world.granted("member", Role::SteeringGroup).await;
    world.delegated(&grant, "substitute").await;
    let substitute = world.person("substitute", &[Role::Reader]);
    let for_member = pb::ChangeDirectionRequest { acting_for: "member".to_owned(), ..request.clone() };
    let changed = substitute.call(for_member.clone()).await.unwrap().direction_change.unwrap();
    assert_eq!((changed.decided_by.as_str(), changed.decided_for()), ("substitute", "member"));
    assert!(has_no_role(&substitute.call(request).await.unwrap_err()));
    let failure = world.steering().call(for_member).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "NOT_A_DELEGATE"), "{failure:?}");
}

#[tokio::test]
async fn plans_of_a_project_on_hold_go_on_of_one_that_has_ended_not() {
    let world = World::new().await;
    let projects = [world.project().await, world.project().await, world.project().await, world.project().await];
    let mut steps = Vec::new();
    for project in &projects {
        world.office().call(baseline(&world, project, 1, "2026-12-31")).await.unwrap();
        world.office().call(lesson(&world, project)).await.unwrap();
        steps.push(planned(&world, project).await);
    }
    let bare = world.project().await;
    world.decided(&bare, GateCode::G1, GateOutcome::Hold).await;
    world.office().call(baseline(&world, &bare, 1, "2026-12-31")).await.unwrap();
    let [held, stopped, closed, archive] = &projects;
    world.decided(held, GateCode::G1, GateOutcome::Hold).await;
    world.steering().call(change(&world, held, 2, "2026-12-31")).await.unwrap();
    planned(&world, held).await;

    world.decided(stopped, GateCode::G1, GateOutcome::Kill).await;
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5] {
        world.decided(closed, gate, GateOutcome::Go).await;
    }
    archived(&world, archive).await;
    for (project, step, status) in
        [(stopped, &steps[1], "STOPPED"), (closed, &steps[2], "CLOSED"), (archive, &steps[3], "ARCHIVED")]
    {
        for failure in [
            world.office().call(baseline(&world, project, 1, "2026-12-31")).await.unwrap_err(),
            world.steering().call(change(&world, project, 1, "2026-12-31")).await.unwrap_err(),
            world.office().call(increment(&world, project)).await.unwrap_err(),
        ] {
            assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
            assert_eq!(failure.metadata["status"], status);
        }
        // What was under way comes to an end.
        world.office().call(ending(&world, project, step, false)).await.unwrap();
        assert_eq!(plan(&world, project).await.increments.len(), 1);
    }
}

#[tokio::test]
async fn baseline_of_no_day_or_less_than_nothing_refused() {
    let world = World::new().await;
    let project = world.project().await;
    world.office().call(baseline(&world, &project, 1, "2026-12-31")).await.unwrap();
    let other = world.project().await;
    for day in ["2026-02-30", "0000-12-31", "2026-12-32", "31-12-2026", ""] {
        for failure in [
            world.office().call(baseline(&world, &other, 1, day)).await.unwrap_err(),
            world.steering().call(change(&world, &project, 1, day)).await.unwrap_err(),
        ] {
            assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{day} {failure:?}");
            assert_eq!(failure.fields, ["end_on"]);
        }
    }
    for failure in [
        world.office().call(baseline(&world, &other, -1, "2026-12-31")).await.unwrap_err(),
        world.steering().call(change(&world, &project, -1, "2026-12-31")).await.unwrap_err(),
    ] {
        assert_eq!(failure.fields, ["budget_ore"]);
    }
    // The furthest that days and amounts go, there and back.
    world.office().call(baseline(&world, &other, i64::MAX, "0001-01-01")).await.unwrap();
    world.steering().call(change(&world, &other, 0, "9999-12-31")).await.unwrap();
    let variance = plan(&world, &other).await.variance.unwrap();
    assert_eq!((variance.budget_ore, variance.budget_share(), variance.days), (-i64::MAX, "-1", 3_652_058));
}

#[tokio::test]
async fn increment_planned_with_what_makes_it_done_and_ended_once_s09() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "1", "2").await;
    let request = pb::PlanIncrementRequest { benefit: Some(benefit.id.clone()), ..increment(&world, &project) };
    let dry = pb::PlanIncrementRequest { validate_only: true, ..request.clone() };
    world.manager().call(dry).await.unwrap();
    let step = world.manager().key("step").call(request.clone()).await.unwrap().increment.unwrap();
    assert_eq!(world.manager().key("step").call(request.clone()).await.unwrap().increment.unwrap(), step);
    assert_eq!((&step.goal, &step.scope, step.budget_ore), (&request.goal, &request.scope, request.budget_ore));
    assert_eq!((step.start_on.as_str(), step.end_on.as_str()), ("2026-09-01", "2026-09-14"));
    assert_eq!((step.done_criteria.as_slice(), step.benefit()), (&request.done_criteria[..], benefit.id.as_str()));
    assert_eq!((step.state(), step.planner.as_str()), (pb::IncrementState::Planned, "manager"));
    assert_eq!((step.ended_by.as_ref(), step.end_time), (None, None));
    assert_eq!(plan(&world, &project).await.increments, std::slice::from_ref(&step));

    let dry = pb::EndIncrementRequest { validate_only: true, ..ending(&world, &project, &step, true) };
    world.manager().call(dry).await.unwrap();
    let ended = world.office().call(ending(&world, &project, &step, true)).await.unwrap().increment.unwrap();
    assert_eq!(
        (ended.state(), ended.result.as_str(), ended.ended_by()),
        (pb::IncrementState::Done, "9 af 10.", "office")
    );
    assert_eq!(plan(&world, &project).await.increments, [ended]);
    for done in [true, false] {
        let failure = world.office().call(ending(&world, &project, &step, done)).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "ALREADY_ENDED"), "{failure:?}");
    }
    let given_up = planned(&world, &project).await;
    let ended = world.manager().call(ending(&world, &project, &given_up, false)).await.unwrap().increment.unwrap();
    assert_eq!(ended.state(), pb::IncrementState::Abandoned);

    let [entry] = &world.audited(&format!("action = \"increment.plan\" AND object = \"{}\"", step.id)).await[..] else {
        panic!("one entry")
    };
    let planned = changes(entry);
    for field in ["project", "goal", "benefit", "scope", "budget_ore", "start_on", "end_on", "done_criteria", "state"] {
        assert!(!planned[field]["after"].is_null(), "{field} in {planned}");
    }
    let entries =
        world.audited(&format!("action = \"increment.end\" AND object = \"{}\" AND outcome = DONE", step.id)).await;
    let ended = changes(&entries[0]);
    assert_eq!((&ended["state"]["before"], &ended["state"]["after"]), (&"PLANNED".into(), &"DONE".into()));
    assert!(!ended["result"]["after"].is_null() && !ended["ended_by"]["after"].is_null(), "{ended}");
}

#[tokio::test]
async fn increment_ended_at_once_ends_once() {
    let world = World::new().await;
    let project = world.project().await;
    for _ in 0..6 {
        let step = planned(&world, &project).await;
        let calls: Vec<_> = (0..16)
            .map(|number| {
                let (office, request) = (world.office(), ending(&world, &project, &step, number % 2 == 0));
                tokio::spawn(async move { office.call(request).await })
            })
            .collect();
        let mut ended = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => ended += 1,
                Err(failure) => assert!(failure.is(Code::FailedPrecondition, "ALREADY_ENDED"), "{failure:?}"),
            }
        }
        assert_eq!(ended, 1);
    }
}

#[tokio::test]
async fn increment_wrong_fields_named() {
    let world = World::new().await;
    let project = world.project().await;
    let good = increment(&world, &project);
    let cases = [
        (pb::PlanIncrementRequest { goal: String::new(), ..good.clone() }, "goal"),
        (pb::PlanIncrementRequest { scope: String::new(), ..good.clone() }, "scope"),
        (pb::PlanIncrementRequest { budget_ore: -1, ..good.clone() }, "budget_ore"),
        (pb::PlanIncrementRequest { start_on: "2026-02-30".to_owned(), ..good.clone() }, "start_on"),
        (pb::PlanIncrementRequest { days: 0, ..good.clone() }, "days"),
        (pb::PlanIncrementRequest { days: 3_661, ..good.clone() }, "days"),
        (pb::PlanIncrementRequest { start_on: "9999-12-31".to_owned(), days: 2, ..good.clone() }, "days"),
        (pb::PlanIncrementRequest { done_criteria: Vec::new(), ..good.clone() }, "done_criteria"),
        (pb::PlanIncrementRequest { done_criteria: vec![String::new()], ..good.clone() }, "done_criteria[0]"),
        (pb::PlanIncrementRequest { done_criteria: vec!["k".to_owned(); 21], ..good.clone() }, "done_criteria"),
    ];
    for (request, field) in cases {
        let failure = world.office().call(request).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{field} {failure:?}");
        assert_eq!(failure.fields, [field]);
    }
    let last = pb::PlanIncrementRequest { start_on: "9999-12-31".to_owned(), days: 1, budget_ore: 0, ..good };
    let last = world.office().call(last).await.unwrap().increment.unwrap();
    assert_eq!((last.start_on.as_str(), last.end_on.as_str()), ("9999-12-31", "9999-12-31"));
    assert_eq!(plan(&world, &project).await.increments, std::slice::from_ref(&last));
    let silent = pb::EndIncrementRequest { result: String::new(), ..ending(&world, &project, &last, true) };
    assert_eq!(world.office().call(silent).await.unwrap_err().fields, ["result"]);
}

#[tokio::test]
async fn increment_serves_a_benefit_of_its_own_project_alone() {
    let world = World::new().await;
    let (project, other) = (world.project().await, world.project().await);
    let theirs = world.benefit(&other, "1", "2").await;
    for benefit in [theirs.id, world.id()] {
        let request = pb::PlanIncrementRequest { benefit: Some(benefit), ..increment(&world, &project) };
        let failure = world.office().call(request).await.unwrap_err();
        assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
        assert_eq!(failure.metadata["type"], "benefit");
    }
}

#[tokio::test]
async fn plan_of_what_is_not_there_not_found_and_seen_with_its_project_i25() {
    let world = World::new().await;
    let ghost = pb::Project { id: world.id(), ..Default::default() };
    let (project, other) = (world.project().await, world.project().await);
    let theirs = planned(&world, &other).await;
    let get =
        |project: &pb::Project| pb::GetProjectPlanRequest { organisation: world.id(), project: project.id.clone() };
    for (failure, kind) in [
        (world.office().call(baseline(&world, &ghost, 1, "2026-12-31")).await.unwrap_err(), "project"),
        (world.steering().call(change(&world, &ghost, 1, "2026-12-31")).await.unwrap_err(), "project"),
        (world.office().call(increment(&world, &ghost)).await.unwrap_err(), "project"),
        (world.office().call(get(&ghost)).await.unwrap_err(), "project"),
        (world.office().call(ending(&world, &project, &theirs, true)).await.unwrap_err(), "increment"),
    ] {
        assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
        assert_eq!(failure.metadata["type"], kind);
    }
    let own = world.person("manager", &[]).call(get(&other)).await.unwrap().plan.unwrap();
    assert_eq!(own.increments, [theirs]);
    assert!(has_no_role(&world.person("nobody", &[]).call(get(&other)).await.unwrap_err()));
}

#[tokio::test]
async fn increments_by_their_first_day() {
    let world = World::new().await;
    let project = world.project().await;
    for day in ["2026-10-01", "2026-08-01", "2026-09-01"] {
        let request = pb::PlanIncrementRequest { start_on: day.to_owned(), ..increment(&world, &project) };
        world.office().call(request).await.unwrap();
    }
    let days: Vec<String> = plan(&world, &project).await.increments.into_iter().map(|each| each.start_on).collect();
    assert_eq!(days, ["2026-08-01", "2026-09-01", "2026-10-01"]);
}

#[tokio::test]
async fn baselines_and_changes_of_direction_never_changed_s10() {
    let world = World::new().await;
    let project = world.project().await;
    world.office().call(baseline(&world, &project, 1, "2026-12-31")).await.unwrap();
    world.steering().call(change(&world, &project, 1, "2026-12-31")).await.unwrap();
    let db = crate::harness::owner().await;
    for sql in [
        "UPDATE project_baselines SET budget_ore = 2",
        "DELETE FROM project_baselines",
        "UPDATE direction_changes SET learnt = ''",
        "DELETE FROM direction_changes",
    ] {
        let scoped = format!(
            "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{{{0}}}}}', true); {sql}",
            world.organisation
        );
        let error = db.execute_unprepared(&scoped).await.unwrap_err();
        assert!(error.to_string().contains("never changed or removed"), "{error}");
    }
}
