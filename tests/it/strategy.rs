//! Strategy goals: created, listed and ended, never removed (S02, S29).

use gevinst::auth::Role;
use gevinst_proto::v1 as pb;
use tonic::Code;

use crate::harness::World;

fn goal(world: &World, code: &str) -> pb::CreateStrategyGoalRequest {
    pb::CreateStrategyGoalRequest {
        organisation: world.id(),
        code: code.to_owned(),
        title: Some(pb::LocalizedText { da: "Flere klarer sig selv".to_owned(), en: "More people manage".to_owned() }),
        principle: pb::Principle::GiveValue.into(),
        validate_only: false,
    }
}

/// A goal of that code.
pub async fn created(world: &World, code: &str) -> pb::StrategyGoal {
    world.office().call(goal(world, code)).await.unwrap().strategy_goal.unwrap()
}

fn end(world: &World, goal: &pb::StrategyGoal, ends_on: &str) -> pb::EndStrategyGoalRequest {
    pb::EndStrategyGoalRequest {
        organisation: world.id(),
        strategy_goal: goal.id.clone(),
        ends_on: ends_on.to_owned(),
        reason: "Nået.".to_owned(),
        validate_only: false,
    }
}

/// A goal whose last day is today.
pub async fn ended(world: &World, goal: &pb::StrategyGoal) -> pb::StrategyGoal {
    world.board().call(end(world, goal, &world.day(0))).await.unwrap().strategy_goal.unwrap()
}

async fn codes(world: &World, filter: &str, order_by: &str) -> Vec<String> {
    let request = pb::ListStrategyGoalsRequest {
        organisation: world.id(),
        filter: filter.to_owned(),
        order_by: order_by.to_owned(),
        ..Default::default()
    };
    let goals = world.person("reader", &[Role::Reader]).call(request).await.unwrap().strategy_goals;
    goals.into_iter().map(|goal| goal.code).collect()
}

#[tokio::test]
async fn goal_created_listed_to_whoever_has_a_role_and_ended_once() {
    let world = World::new().await;
    let goal = created(&world, "VELFÆRD-1").await;
    assert_eq!((goal.code.as_str(), goal.principle(), &goal.ends_on), ("VELFÆRD-1", pb::Principle::GiveValue, &None));
    created(&world, "KLIMA-1").await;
    let last = ended(&world, &goal).await;
    assert_eq!((last.ends_on, last.end_reason.as_str()), (Some(world.day(0)), "Nået."));
    for (filter, order_by, found) in [
        ("", "", vec!["KLIMA-1", "VELFÆRD-1"]),
        ("", "create_time", vec!["VELFÆRD-1", "KLIMA-1"]),
        ("code = \"VELFÆRD*\"", "", vec!["VELFÆRD-1"]),
        ("principle = GIVE_VALUE", "code desc", vec!["VELFÆRD-1", "KLIMA-1"]),
        ("principle = INVOLVE", "", vec![]),
        ("NOT ends_on < \"2999-01-01\"", "", vec!["KLIMA-1"]),
    ] {
        assert_eq!(codes(&world, filter, order_by).await, found, "{filter} {order_by}");
    }
    let failure = world.office().call(end(&world, &goal, &world.day(1))).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "ALREADY_ENDED"), "{failure:?}");
}

#[tokio::test]
async fn code_taken_for_ever_in_its_organisation_and_free_in_another() {
    let world = World::new().await;
    ended(&world, &created(&world, "MÅL-1").await).await;
    let failure = world.board().call(goal(&world, "MÅL-1")).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "NAME_TAKEN"), "{failure:?}");
    created(&world.elsewhere().await, "MÅL-1").await;
}

#[tokio::test]
async fn goals_kept_by_people_of_the_office_and_the_board_alone() {
    let world = World::new().await;
    let kept = created(&world, "MÅL-1").await;
    for caller in [world.manager(), world.steering()] {
        let failure = caller.call(goal(&world, "MÅL-2")).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
        let failure = caller.call(end(&world, &kept, &world.day(0))).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    }
    let failure = world.service("robot", &[Role::PortfolioOffice]).call(goal(&world, "MÅL-2")).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "PERSON_REQUIRED"), "{failure:?}");
}

#[tokio::test]
async fn what_is_no_code_and_no_last_day_named() {
    let world = World::new().await;
    for code in ["mål", "", "-1", "A B", &"A".repeat(33)] {
        let failure = world.office().call(goal(&world, code)).await.unwrap_err();
        assert_eq!((failure.code, failure.fields), (Code::InvalidArgument, vec!["code".to_owned()]), "{code}");
    }
    let kept = created(&world, "MÅL-1").await;
    for day in [world.day(-1), "2026-02-30".to_owned()] {
        let failure = world.office().call(end(&world, &kept, &day)).await.unwrap_err();
        assert_eq!((failure.code, failure.fields), (Code::InvalidArgument, vec!["ends_on".to_owned()]), "{day}");
    }
}
