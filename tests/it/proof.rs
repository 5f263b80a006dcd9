//! Proof, not sampling: what the shipped policies never allow, for all requests and all entities (proof/properties.cedar),
//! and that each of their clauses is needed for it.
//!
//! A proof is about what the policies are told. That the service tells them the truth is tested elsewhere.

mod clauses;
mod solver;
mod told;

use std::collections::BTreeSet;

use cedar_policy::{Decision, Effect, Policy, PolicySet};
use gevinst_proto::v1::ErrorReason;

use self::{
    clauses::Without,
    solver::{Prover, Shipped, shown},
};

/// Clauses that can go without anything more being allowed, which is proved too, and why they stay: (policy, clause, why).
const REDUNDANT: [(&str, &str, &str); 5] = [
    (
        "grant-what-one-holds",
        "its actions, for any RoleGrant",
        "it names both that there are; a third will need thought",
    ),
    (
        "delegate-what-is-ones-own",
        "its actions, for any Delegation",
        "who lends may end it anyway, and approving is forbidden them; a fourth action will need thought",
    ),
    (
        "the-clock-lapses-conditions",
        "its actions, for any Condition",
        "the clock is forbidden all else; it says by itself what it is for",
    ),
    (
        "the-clock-finds-orphans",
        "its actions, for any Benefit",
        "the clock is forbidden all else; it says by itself what it is for",
    ),
    (
        "the-clock-reminds",
        "its actions, for any Benefit",
        "the clock is forbidden all else; it says by itself what it is for",
    ),
];

/// Clauses without which the service refuses to load the policies: (policy, clause).
const DEMANDED: [(&str, &str); 8] = [
    ("decide-within-the-mandate", "context has mandate"),
    ("measure-a-benefit", "resource has accepted"),
    ("nominate-a-benefit-owner", "resource has accepted"),
    ("nominate-a-benefit-owner", "resource has escalatedTo"),
    ("plan-a-benefit", "resource has accepted"),
    ("promise-an-effect-on-the-budget", "resource has accepted"),
    ("read-own-benefit", "resource has escalatedTo"),
    ("review-a-benefit", "resource has accepted"),
];

/// Each property, with a policy set of its own.
fn properties() -> Vec<(String, Policy, PolicySet)> {
    let all: PolicySet = include_str!("proof/properties.cedar").parse().unwrap();
    let alone = |policy: &Policy| {
        let never = policy.annotation("never").unwrap().to_owned();
        (never, policy.clone(), PolicySet::from_policies([policy.clone()]).unwrap())
    };
    all.policies().map(alone).collect()
}

#[tokio::test]
async fn policies_any_request_allow_nothing_that_is_ruled_out() {
    let shipped = Shipped::read();
    let mut prover = Prover::start(&shipped);
    let mut proved = 0;
    for (never, property, at_most) in properties() {
        assert_eq!(shipped.refused(&at_most), None);
        let before = proved;
        for environment in shipped.concerned(&property) {
            let allowed = prover.compile(&shipped.policies, environment);
            let at_most = prover.compile(&at_most, environment);
            if let Some(found) = prover.beyond(&allowed, &at_most).await {
                panic!("{never} is allowed:\n{}", shown(&found));
            }
            proved += 1;
        }
        assert!(proved > before, "{never}: of no request");
    }
}

// A proof that a thing is never allowed would hold of policies that allow nothing, too.
#[tokio::test]
async fn policies_every_action_allowed_to_somebody() {
    let shipped = Shipped::read();
    let mut prover = Prover::start(&shipped);
    for environment in &shipped.environments {
        let allowed = prover.compile(&shipped.policies, environment);
        assert!(!prover.denies_all(&allowed).await, "{} is allowed to nobody", environment.action());
    }
}

// The engine skips a policy that fails: a forbid that can fail forbids nothing.
#[tokio::test]
async fn policies_any_request_none_fails() {
    let shipped = Shipped::read();
    let mut prover = Prover::start(&shipped);
    let sums = Policy::parse(
        None,
        r#"forbid (principal, action == Action::"gate.decide", resource) when { context.amount + 1 > 100 };"#,
    )
    .unwrap();
    let [deciding] = shipped.concerned(&sums)[..] else { panic!("gate.decide in more than one environment") };
    assert!(prover.failing(&sums, deciding).await.is_some(), "the largest amount and one more");
    for policy in shipped.policies.policies() {
        for environment in shipped.concerned(policy) {
            if let Some(found) = prover.failing(policy, environment).await {
                panic!("{policy} fails:\n{}", shown(&found));
            }
        }
    }
}

#[tokio::test]
async fn policies_without_any_clause_refuted_by_a_request_that_the_engine_allows() {
    let shipped = Shipped::read();
    let mut prover = Prover::start(&shipped);
    let (mut needless, mut demanded) = (BTreeSet::new(), BTreeSet::new());
    for without in clauses::each_removed(&shipped) {
        if shipped.refused(&without.policies).is_some() {
            demanded.insert((without.policy, without.clause));
            continue;
        }
        if refuted(&shipped, &mut prover, &without).await {
            continue;
        }
        for environment in shipped.concerned(&without.widest) {
            let less = prover.compile(&without.policies, environment);
            let all = prover.compile(&shipped.policies, environment);
            if let Some(found) = prover.beyond(&less, &all).await {
                panic!("{without}, more is allowed, and no property says it must not be:\n{}", shown(&found));
            }
        }
        needless.insert((without.policy, without.clause));
    }
    let known = DEMANDED.map(|(policy, clause)| (policy.to_owned(), clause.to_owned()));
    assert_eq!(demanded, BTreeSet::from(known), "clauses without which nothing is loaded");
    let known = REDUNDANT.map(|(policy, clause, _)| (policy.to_owned(), clause.to_owned()));
    assert_eq!(needless, BTreeSet::from(known), "clauses that can go without anything more being allowed");
}

/// Whether some property fails without the clause, and the engine agrees.
async fn refuted(shipped: &Shipped, prover: &mut Prover<'_>, without: &Without) -> bool {
    let mut properties = properties();
    // Those of few actions first: they are the likeliest to fail, and each one that holds takes the solver's time.
    properties.sort_by_key(|(_, property, _)| shipped.concerned(property).len());
    for environment in shipped.concerned(&without.widest) {
        let allowed = prover.compile(&without.policies, environment);
        for (never, property, at_most) in &properties {
            if !shipped.concerns(property, environment) {
                continue;
            }
            let at_most = prover.compile(at_most, environment);
            let Some(found) = prover.beyond(&allowed, &at_most).await else { continue };
            let case = format!("{without}, {never}:\n{}", shown(&found));
            assert_eq!(shipped.decide(&without.policies, &found), Decision::Allow, "{case}");
            assert_eq!(shipped.decide(&shipped.policies, &found), Decision::Deny, "{case}");
            return true;
        }
    }
    false
}

#[tokio::test]
async fn policies_with_an_operators_forbids_allow_no_more() {
    let shipped = Shipped::read();
    let mut prover = Prover::start(&shipped);
    let extra: PolicySet = r#"
        forbid (principal, action == Action::"gate.decide", resource) when { context.amount > 100000000 };
        forbid (principal, action in Action::"write", resource) unless { principal.isPerson };
        forbid (principal, action, resource) when { context has actingFor };
        forbid (
            principal,
            action in [Action::"benefit.accept_ownership", Action::"benefit.decline_ownership"],
            resource
        ) when { resource.nominee == resource.projectOwner };
    "#
    .parse()
    .unwrap();
    let mut both = shipped.policies.clone();
    both.merge(&extra, true).unwrap();
    assert_eq!(shipped.refused(&both), None);
    let mut narrower = 0;
    for environment in &shipped.environments {
        let (before, after) = (prover.compile(&shipped.policies, environment), prover.compile(&both, environment));
        if let Some(found) = prover.beyond(&after, &before).await {
            panic!("more is allowed:\n{}", shown(&found));
        }
        narrower += usize::from(prover.beyond(&before, &after).await.is_some());
    }
    assert_eq!(narrower, shipped.environments.len(), "the forbids forbid nothing");
}

// The groups say which policies hold for an action; the names are what the properties go by.
#[test]
fn actions_named_for_reading_read_and_all_others_write() {
    let shipped = Shipped::read();
    for environment in &shipped.environments {
        let action: &str = environment.action().id().unescaped();
        let reads = action.ends_with(".read") || action.ends_with(".list");
        let groups = (shipped.is_in(environment.action(), "read"), shipped.is_in(environment.action(), "write"));
        assert_eq!(groups, (reads, !reads), "{action}");
    }
}

#[test]
fn policies_each_one_named_and_explained() {
    let shipped = Shipped::read();
    let mut ids = BTreeSet::new();
    for policy in shipped.policies.policies() {
        let id = policy.annotation("id").unwrap_or_else(|| panic!("no @id: {policy}"));
        assert!(ids.insert(id), "{id} twice");
        match policy.effect() {
            Effect::Permit => {
                for needs in ["needs", "needs_da"] {
                    assert!(policy.annotation(needs).is_some_and(|needs| !needs.is_empty()), "{id} has no @{needs}");
                }
            }
            Effect::Forbid => {
                let reason = policy.annotation("reason").unwrap_or_else(|| panic!("{id} has no @reason"));
                let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}"));
                assert!(known.is_some(), "{id}: {reason} is not in error_reason.proto");
            }
        }
    }
}
