//! What benefits take out of the budget: promised, budgeted, removed (S30).

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, BudgetStep};
use tonic::Code;

use crate::{
    harness::{Failure, Person, World},
    realisation::economic,
};

/// A promise on an account, to record.
pub fn promise(world: &World, benefit: &pb::Benefit, amount_ore: i64) -> pb::RecordBudgetEffectRequest {
    pb::RecordBudgetEffectRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        account: "5.46.60 Årsløn".to_owned(),
        year: 2028,
        step: BudgetStep::Promised.into(),
        amount_ore,
        ..Default::default()
    }
}

/// A later step, with the case that decided it.
fn step(world: &World, benefit: &pb::Benefit, step: BudgetStep, amount_ore: i64) -> pb::RecordBudgetEffectRequest {
    let reference = "ØU 2027-112".to_owned();
    pb::RecordBudgetEffectRequest { step: step.into(), reference, ..promise(world, benefit, amount_ore) }
}

fn instead(request: pb::RecordBudgetEffectRequest, wrong: &pb::BudgetEffect) -> pb::RecordBudgetEffectRequest {
    let (budget_effect, reason) = (wrong.id.clone(), "Tastefejl.".to_owned());
    pb::RecordBudgetEffectRequest { corrects: Some(pb::BudgetEffectCorrection { budget_effect, reason }), ..request }
}

fn finance(world: &World) -> Person {
    world.person("finance", &[Role::Finance])
}

async fn benefit(world: &World) -> pb::Benefit {
    economic(world, &world.project().await).await
}

async fn recorded(who: &Person, request: pb::RecordBudgetEffectRequest) -> pb::BudgetEffect {
    who.call(request).await.unwrap().budget_effect.unwrap()
}

async fn refused(who: &Person, request: pb::RecordBudgetEffectRequest, reason: &str) -> Failure {
    let failure = who.call(request).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, reason), "{failure:?}");
    failure
}

async fn figures(world: &World, benefit: &pb::Benefit) -> pb::BudgetFigures {
    let request = pb::GetBudgetEffectRequest { organisation: world.id(), benefit: benefit.id.clone() };
    world.benefit_owner().call(request).await.unwrap().figures.unwrap()
}

async fn listed(world: &World, filter: &str) -> Vec<pb::BudgetEffect> {
    let request =
        pb::ListBudgetEffectsRequest { organisation: world.id(), filter: filter.to_owned(), ..Default::default() };
    world.auditor().call(request).await.unwrap().budget_effects
}

#[tokio::test]
async fn effect_goes_from_paper_into_the_budget_step_by_step() {
    let world = World::new().await;
    let (benefit, finance) = (benefit(&world).await, finance(&world));
    let promised = recorded(&world.manager(), promise(&world, &benefit, 100)).await;
    assert_eq!((promised.step(), promised.recorder.as_str()), (BudgetStep::Promised, "manager"));
    recorded(&finance, step(&world, &benefit, BudgetStep::Budgeted, 70)).await;
    recorded(&finance, step(&world, &benefit, BudgetStep::Removed, 40)).await;
    let later =
        pb::RecordBudgetEffectRequest { year: 2029, price_level_year: Some(2027), ..promise(&world, &benefit, 5) };
    world.accept(&benefit).await;
    recorded(&world.benefit_owner(), later).await;

    let found = figures(&world, &benefit).await;
    assert_eq!((found.on_paper_ore, found.budgeted_ore, found.in_budget_ore), (105, 70, 40));
    assert_eq!(found.price_level_years, [2027]);
    let line = |year, promised_ore, budgeted_ore, removed_ore| pb::BudgetLine {
        account: promised.account.clone(),
        year,
        promised_ore,
        budgeted_ore,
        removed_ore,
    };
    assert_eq!(found.lines, [line(2028, 100, 70, 40), line(2029, 5, 0, 0)]);
}

#[tokio::test]
async fn step_without_the_one_before_or_beyond_it_refused() {
    let world = World::new().await;
    let (benefit, finance) = (benefit(&world).await, finance(&world));
    let budgeted = |ore| step(&world, &benefit, BudgetStep::Budgeted, ore);
    let failure = refused(&finance, budgeted(1), "BUDGET_STEP_NOT_COVERED").await;
    assert_eq!((&*failure.metadata["before"], &*failure.metadata["left_ore"]), ("PROMISED", "0"));
    recorded(&world.office(), promise(&world, &benefit, 100)).await;
    recorded(&finance, budgeted(60)).await;
    let failure = refused(&finance, budgeted(41), "BUDGET_STEP_NOT_COVERED").await;
    assert_eq!(failure.metadata["left_ore"], "40");
    let removed = step(&world, &benefit, BudgetStep::Removed, 61);
    refused(&finance, removed.clone(), "BUDGET_STEP_NOT_COVERED").await;
    // Another account, and another year, rest on promises of their own.
    for other in [
        pb::RecordBudgetEffectRequest { account: "5.46.61".to_owned(), ..budgeted(1) },
        pb::RecordBudgetEffectRequest { year: 2029, ..budgeted(1) },
    ] {
        refused(&finance, other, "BUDGET_STEP_NOT_COVERED").await;
    }
    let nameless = pb::RecordBudgetEffectRequest { reference: String::new(), ..budgeted(1) };
    let failure = finance.call(nameless).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID") && failure.fields == ["reference"], "{failure:?}");
}

#[tokio::test]
async fn correction_takes_the_place_of_what_was_wrong_and_leaves_what_rests_on_it() {
    let world = World::new().await;
    let (benefit, finance, office) = (benefit(&world).await, finance(&world), world.office());
    let wrong = recorded(&office, promise(&world, &benefit, 1_000)).await;
    recorded(&finance, step(&world, &benefit, BudgetStep::Budgeted, 60)).await;
    let failure = refused(&office, instead(promise(&world, &benefit, 59), &wrong), "BUDGET_STEP_NEEDED").await;
    assert_eq!((&*failure.metadata["after"], &*failure.metadata["needed_ore"]), ("BUDGETED", "60"));
    let right = recorded(&office, instead(promise(&world, &benefit, 100), &wrong)).await;
    assert_eq!(right.corrects.as_ref().unwrap().budget_effect, wrong.id);
    assert_eq!(figures(&world, &benefit).await.on_paper_ore, 100);
    let again = refused(&office, instead(promise(&world, &benefit, 90), &wrong), "BUDGET_EFFECT_CORRECTED").await;
    assert_eq!(again.metadata["corrected_by"], right.id);
    let other_step = instead(step(&world, &benefit, BudgetStep::Budgeted, 1), &right);
    let failure = finance.call(other_step).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID") && failure.fields == ["step"], "{failure:?}");
    let elsewhere = self::benefit(&world).await;
    let failure = office.call(instead(promise(&world, &elsewhere, 1), &right)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    let found = listed(&world, "step = PROMISED").await;
    assert_eq!(found[1].corrected_by.as_ref(), Some(&right.id), "both stay to be read");
}

#[tokio::test]
async fn who_promises_does_not_say_that_the_budget_has_it() {
    let world = World::new().await;
    let (benefit, finance) = (benefit(&world).await, finance(&world));
    world.accept(&benefit).await;
    for who in [world.office(), world.manager(), world.person("owner", &[])] {
        recorded(&who, promise(&world, &benefit, 10)).await;
        let failure = who.call(step(&world, &benefit, BudgetStep::Budgeted, 1)).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    }
    let failure = finance.call(promise(&world, &benefit, 1)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}

#[tokio::test]
async fn benefit_that_is_no_cashable_money_has_no_effect_on_the_budget() {
    let world = World::new().await;
    let project = world.project().await;
    let qualitative = world.benefit(&project, "1", "2").await;
    refused(&world.office(), promise(&world, &qualitative, 1), "BENEFIT_NOT_ECONOMIC").await;
    let freed = pb::CreateBenefitRequest {
        cashability: pb::Cashability::FreedCapacity.into(),
        ..world.economic_request(&project, "2026-01-01")
    };
    let freed = world.office().call(freed).await.unwrap().benefit.unwrap();
    let failure = refused(&world.office(), promise(&world, &freed, 1), "BENEFIT_NOT_CASHABLE").await;
    assert_eq!(failure.metadata["cashability"], "FREED_CAPACITY");
    assert_eq!(figures(&world, &freed).await, pb::BudgetFigures::default());
    let worse = pb::CreateBenefitRequest { disbenefit: true, ..world.economic_request(&project, "2026-01-01") };
    let worse = world.office().call(worse).await.unwrap().benefit.unwrap();
    refused(&world.office(), promise(&world, &worse, 1), "BENEFIT_IS_DISBENEFIT").await;
}

/// What was promised while it was cashable is taken back when it turns out that it is not.
#[tokio::test]
async fn promise_of_a_benefit_that_is_cashable_no_more_corrected_to_no_more_than_it_was() {
    let world = World::new().await;
    let benefit = benefit(&world).await;
    let promised = recorded(&world.office(), promise(&world, &benefit, 10)).await;
    let get = pb::GetBenefitRequest { organisation: world.id(), benefit: benefit.id.clone() };
    let etag = world.office().call(get).await.unwrap().benefit.unwrap().etag;
    let changes = pb::BenefitChanges { cashability: Some(pb::Cashability::FreedCapacity.into()), ..Default::default() };
    let request = pb::UpdateBenefitRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        changes: Some(changes),
        etag,
        ..Default::default()
    };
    world.office().call(request).await.unwrap();
    refused(&world.office(), promise(&world, &benefit, 1), "BENEFIT_NOT_CASHABLE").await;
    refused(&world.office(), instead(promise(&world, &benefit, 11), &promised), "BENEFIT_NOT_CASHABLE").await;
    recorded(&world.office(), instead(promise(&world, &benefit, 0), &promised)).await;
    assert_eq!(figures(&world, &benefit).await.on_paper_ore, 0);
}

#[tokio::test]
async fn effects_listed_across_projects_by_what_they_are() {
    let world = World::new().await;
    let (one, other) = (benefit(&world).await, benefit(&world).await);
    recorded(&world.office(), promise(&world, &one, 1)).await;
    let next = pb::RecordBudgetEffectRequest { year: 2030, ..promise(&world, &other, 2) };
    let next = recorded(&world.office(), next).await;
    assert_eq!(listed(&world, "").await.len(), 2);
    for filter in [
        "year >= 2029".to_owned(),
        "year = 2030 AND account : \"årsløn\"".to_owned(),
        format!("benefit = \"{}\"", other.id),
        format!("project = \"{}\" AND step = PROMISED", other.project),
    ] {
        assert_eq!(listed(&world, &filter).await, std::slice::from_ref(&next), "{filter}");
    }
    let wrong = pb::ListBudgetEffectsRequest {
        organisation: world.id(),
        filter: "year = nogle".to_owned(),
        ..Default::default()
    };
    let failure = world.auditor().call(wrong).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FILTER_INVALID"), "{failure:?}");
}
