//! What the service tells the policies: each attribute that they read is the row's, or the caller's, and no other's.

use gevinst::{
    auth::{
        Action, Authority, CallerKind, Resource, Role,
        authority::Held,
        policy::{Policies, Question},
    },
    ids::OrganisationId,
};
use uuid::Uuid;

const HERE: Uuid = Uuid::from_u128(1);

/// Everybody who is named somewhere, and nobody else.
const NAMED: [&str; 8] =
    ["gevinst", "owner", "manager", "manager-then", "submitter", "drafter", "proposer", "condition-owner"];

/// The reason of the refusal; nothing where it is allowed.
fn refused(
    who: (&str, CallerKind),
    roles: &[Role],
    acting_for: Option<&str>,
    action: Action,
    resource: &Resource<'_>,
) -> Option<&'static str> {
    static POLICIES: std::sync::LazyLock<Policies> = std::sync::LazyLock::new(|| Policies::load(None).unwrap());
    let lent_by = acting_for.map(str::to_owned);
    let held = |role: &Role| Held { role: *role, scope: HERE, grantable: false, lent_by: lent_by.clone(), until: None };
    let authority =
        Authority::holding(OrganisationId::new(HERE), who.0, who.1, roles.iter().map(held).collect::<Vec<_>>());
    let question = Question { authority: &authority, acting_for, action, resource, deciding: None };
    POLICIES.decide(&question).err().map(|refusal| refusal.reason_name())
}

/// Who may do this for no other reason than that they are named.
fn by_name(action: Action, resource: &Resource<'_>) -> Vec<&'static str> {
    let may = |name: &&str| refused((name, CallerKind::Person), &[], None, action, resource).is_none();
    NAMED.into_iter().filter(may).collect()
}

fn project() -> Resource<'static> {
    Resource::Project { organisation: &HERE, scopes: &[HERE], owner: "owner", manager: "manager" }
}

fn review() -> Resource<'static> {
    Resource::GateReview {
        organisation: &HERE,
        scopes: &[HERE],
        submitter: "submitter",
        submitted_for: "submitter",
        manager: "manager-then",
        manager_now: "manager",
        project_owner: "owner",
        drafter: "drafter",
    }
}

fn criterion(assessors: &[String], is_graded: bool) -> Resource<'_> {
    Resource::Criterion {
        organisation: &HERE,
        scopes: &[HERE],
        owner: "owner",
        manager: "manager",
        assessors,
        is_graded,
    }
}

fn condition() -> Resource<'static> {
    Resource::Condition {
        organisation: &HERE,
        scopes: &[HERE],
        owner: "condition-owner",
        waiver_proposer: "proposer",
        project_owner: "owner",
        project_manager: "manager",
    }
}

#[test]
fn each_name_in_a_row_lets_its_bearer_do_what_is_theirs() {
    let project_owner = ["project-owner".to_owned()];
    let project_manager = ["project-manager".to_owned()];
    let cases: [(Action, Resource<'_>, &[&str]); 21] = [
        (Action::GateDraft, project(), &["owner", "manager"]),
        (Action::GateSubmit, project(), &[]),
        (Action::GateModelMigrate, project(), &[]),
        (Action::BaselineSet, project(), &["manager"]),
        (Action::IncrementPlan, project(), &["manager"]),
        (Action::IncrementEnd, project(), &["manager"]),
        (Action::DirectionChange, project(), &["owner"]),
        (Action::LessonPublish, project(), &["owner", "manager"]),
        (Action::AppropriationRecord, project(), &[]),
        (Action::ExpenditureRecord, project(), &[]),
        (Action::GateRedraft, review(), &["manager", "drafter"]),
        (Action::GateWithdraw, review(), &["submitter", "drafter"]),
        (Action::CriterionAssess, criterion(&project_owner, true), &["owner"]),
        (Action::CriterionAssess, criterion(&project_manager, true), &[]),
        (Action::CriterionAssess, criterion(&project_manager, false), &["manager"]),
        (Action::ProjectRead, criterion(&[], true), &["owner", "manager"]),
        (Action::ConditionRead, condition(), &["owner", "manager", "condition-owner"]),
        (Action::ConditionMeet, condition(), &["condition-owner"]),
        (Action::ConditionProposeWaiver, condition(), &["owner", "manager", "condition-owner"]),
        (Action::ConditionApproveWaiver, condition(), &[]),
        (Action::ConditionLapse, condition(), &[]),
    ];
    for (action, resource, may) in cases {
        assert_eq!(by_name(action, &resource), may, "{action:?} {}", resource.kind());
    }
}

#[test]
fn criterion_assessed_by_the_roles_that_it_names_and_no_other() {
    use strum::IntoEnumIterator;
    for named in Role::iter() {
        let assessors = [named.name().to_owned()];
        for role in Role::iter() {
            let refused = refused(
                ("a", CallerKind::Person),
                &[role],
                None,
                Action::CriterionAssess,
                &criterion(&assessors, true),
            );
            let expected = if role == Role::Auditor || role != named { Some("ROLE_MISSING") } else { None };
            assert_eq!(refused, expected, "{role:?} of a criterion for {named:?}");
        }
    }
    let for_finance = ["finance".to_owned()];
    let by_a_system = |is_graded| {
        let resource = criterion(&for_finance, is_graded);
        refused(("ledger", CallerKind::Service), &[Role::Finance], None, Action::CriterionAssess, &resource)
    };
    assert_eq!((by_a_system(true), by_a_system(false)), (Some("PERSON_REQUIRED"), None));
    let manager = |acting_for, name| {
        let resource = criterion(&for_finance, true);
        refused((name, CallerKind::Person), &[Role::Finance], acting_for, Action::CriterionAssess, &resource)
    };
    let theirs = Some("ASSESSOR_IS_PROJECT_MANAGER");
    assert_eq!([manager(None, "manager"), manager(Some("manager"), "a"), manager(None, "a")], [theirs, theirs, None]);
}

#[test]
fn waiver_approved_by_nobody_who_has_a_part_in_it_nor_for_them() {
    for other in NAMED {
        let expected = ["proposer", "condition-owner", "manager"].contains(&other).then_some("OWN_WAIVER");
        for (who, acting_for) in [(other, None), ("somebody", Some(other))] {
            let who = (who, CallerKind::Person);
            let told = refused(who, &[Role::SteeringGroup], acting_for, Action::ConditionApproveWaiver, &condition());
            assert_eq!(told, expected, "{who:?} for {acting_for:?}");
        }
    }
    let system = ("ledger", CallerKind::Service);
    let told = refused(system, &[Role::SteeringGroup], None, Action::ConditionApproveWaiver, &condition());
    assert_eq!(told, Some("PERSON_REQUIRED"));
}

#[test]
fn clock_lapses_conditions_and_does_nothing_else_and_nobody_does_it_for_the_clock() {
    use strum::IntoEnumIterator;
    let clock = ("gevinst", CallerKind::System);
    assert_eq!(refused(clock, &[], None, Action::ConditionLapse, &condition()), None);
    let all: Vec<Role> = Role::iter().filter(|role| *role != Role::Auditor).collect();
    for kind in [CallerKind::Person, CallerKind::Service] {
        let told = refused(("gevinst", kind), &all, None, Action::ConditionLapse, &condition());
        assert_eq!(told, Some("ROLE_MISSING"), "a {kind:?} of its name");
    }
    let told = refused(("a", CallerKind::Person), &all, Some("gevinst"), Action::ConditionLapse, &condition());
    assert_eq!(told, Some("ROLE_MISSING"), "a delegate of its");
    // Not even what rows would let somebody of its name do, or what roles would, which it has none of.
    let its = Resource::Condition {
        organisation: &HERE,
        scopes: &[HERE],
        owner: "gevinst",
        waiver_proposer: "a",
        project_owner: "gevinst",
        project_manager: "gevinst",
    };
    for action in [Action::ConditionRead, Action::ConditionMeet, Action::ConditionProposeWaiver] {
        assert_eq!(refused(("gevinst", CallerKind::Person), &[], None, action, &its), None, "{action:?} by a person");
        assert!(refused(clock, &all, None, action, &its).is_some(), "{action:?} by the clock");
    }
}
