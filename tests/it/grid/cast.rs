//! The objects and the people that the grid asks about.

use std::sync::LazyLock;

use gevinst::{
    auth::{
        Action, Allowed, Authority, CallerKind, Resource, Role,
        authority::Held,
        policy::{Deciding, Mandate, Policies, Question},
    },
    error::Result,
    ids::OrganisationId,
};
use strum::IntoEnumIterator;
use time::Date;
use uuid::Uuid;

pub const ORGANISATION: Uuid = Uuid::from_u128(1);
pub const ABOVE: Uuid = Uuid::from_u128(2);
pub const UNIT: Uuid = Uuid::from_u128(3);
pub const SIBLING: Uuid = Uuid::from_u128(4);
pub const PORTFOLIO: Uuid = Uuid::from_u128(5);
pub const OTHER_PORTFOLIO: Uuid = Uuid::from_u128(6);
pub const PROJECT: Uuid = Uuid::from_u128(7);
pub const OTHER_PROJECT: Uuid = Uuid::from_u128(8);
/// Another organisation.
pub const FOREIGN: Uuid = Uuid::from_u128(9);

/// Where a role can hold that is to count, by the letter that stands for it.
pub const PLACES: [(char, Uuid); 5] =
    [('O', ORGANISATION), ('A', ABOVE), ('U', UNIT), ('P', PORTFOLIO), ('p', PROJECT)];

/// Who asks, when it is nobody that the object knows.
pub const SOMEBODY: &str = "somebody";

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Organisation,
    Unit,
    Project,
    Review,
    /// A graded criterion that the area leader and the project manager are to assess.
    Criterion,
    Condition,
    Benefit,
    Grant,
    Delegation,
}

/// What this is done to. A new action has to say.
pub fn about(action: Action) -> About {
    match action {
        Action::OrganisationRead
        | Action::OrgUnitRead
        | Action::OrgUnitImport
        | Action::PortfolioRead
        | Action::PortfolioCreate
        | Action::AuditList
        | Action::RoleGrantRead
        | Action::DelegationRead
        | Action::AuthorityRuleRead
        | Action::AuthorityRuleSet
        | Action::AuthorityRuleEnd
        | Action::TokenDenialRead
        | Action::TokenDenialCreate
        | Action::TokenDenialLift
        | Action::GateModelPublish
        | Action::StrategyGoalCreate
        | Action::StrategyGoalEnd
        | Action::BenefitPolicySet => About::Organisation,
        Action::OrgUnitCreate | Action::OrgUnitUpdate | Action::OrgUnitMove | Action::ProjectRegister => About::Unit,
        Action::ProjectRead
        | Action::ProjectUpdate
        | Action::ProjectArchive
        | Action::ProjectResume
        | Action::GateSubmit
        | Action::GateDraft
        | Action::GateModelMigrate
        | Action::AppropriationRecord
        | Action::AppropriationEnd
        | Action::ExpenditureRecord
        | Action::BaselineSet
        | Action::DirectionChange
        | Action::IncrementPlan
        | Action::IncrementEnd
        | Action::LessonPublish
        | Action::BenefitCreate
        | Action::BenefitMapSet => About::Project,
        Action::GateRead | Action::GateDecide | Action::GateWithdraw | Action::GateRedraft => About::Review,
        Action::CriterionAssess => About::Criterion,
        Action::ConditionRead
        | Action::ConditionMeet
        | Action::ConditionProposeWaiver
        | Action::ConditionApproveWaiver
        | Action::ConditionLapse => About::Condition,
        Action::BenefitRead
        | Action::BenefitPlan
        | Action::BenefitMeasure
        | Action::BenefitNominateOwner
        | Action::BenefitApproveOwner
        | Action::BenefitAcceptOwnership
        | Action::BenefitDeclineOwnership
        | Action::BenefitOrphan
        | Action::BenefitReview
        | Action::BenefitRemind
        | Action::BudgetEffectPromise
        | Action::BudgetEffectRecord => About::Benefit,
        Action::RoleGrantCreate | Action::RoleGrantRevoke => About::Grant,
        Action::DelegationPropose | Action::DelegationApprove | Action::DelegationEnd => About::Delegation,
    }
}

/// The people tied to the objects, and whose the objects are.
#[derive(Clone, Copy)]
pub struct Cast {
    pub organisation: Uuid,
    pub owner: &'static str,
    pub manager: &'static str,
    /// Who managed the project when its review was submitted.
    pub manager_then: &'static str,
    pub submitter: &'static str,
    /// Whom the submitter acted for.
    pub submitted_for: &'static str,
    pub drafter: &'static str,
    pub condition_owner: &'static str,
    /// Who proposed to waive the condition.
    pub proposer: &'static str,
    /// Who has accepted to own the benefit.
    pub benefit_owner: &'static str,
    /// Who is to find it another owner.
    pub escalated_to: &'static str,
    /// Who is asked to own the benefit.
    pub nominee: &'static str,
    /// Who nominated them.
    pub nominator: &'static str,
    pub grantee: &'static str,
    pub granter: &'static str,
    pub delegator: &'static str,
    pub delegate: &'static str,
    /// The last day of the grant.
    pub until: Option<Date>,
}

impl Default for Cast {
    fn default() -> Self {
        Self {
            organisation: ORGANISATION,
            owner: "owner",
            manager: "manager",
            manager_then: "manager-then",
            submitter: "submitter",
            submitted_for: "submitter",
            drafter: "drafter",
            condition_owner: "condition-owner",
            proposer: "proposer",
            benefit_owner: "benefit-owner",
            escalated_to: "escalated-to",
            nominee: "nominee",
            nominator: "nominator",
            grantee: "grantee",
            granter: "granter",
            delegator: "delegator",
            delegate: "delegate",
            until: None,
        }
    }
}

impl Cast {
    /// All of them.
    pub fn people(&self) -> [&'static str; 15] {
        [
            self.owner,
            self.manager,
            self.manager_then,
            self.submitter,
            self.drafter,
            self.condition_owner,
            self.proposer,
            self.benefit_owner,
            self.escalated_to,
            self.nominee,
            self.nominator,
            self.grantee,
            self.granter,
            self.delegator,
            self.delegate,
        ]
    }

    /// Every role in every place, here and elsewhere.
    pub fn everything(&self) -> Vec<Held> {
        let places = PLACES.map(|(_, place)| place).into_iter().chain([FOREIGN]);
        places.flat_map(|place| Role::iter().map(move |role| held(role, place))).collect()
    }
}

/// A role that its holder may pass on.
pub fn held(role: Role, scope: Uuid) -> Held {
    Held { role, scope, grantable: true, lent_by: None, until: None }
}

/// A role that somebody else has lent: it may not be passed on.
pub fn lent(role: Role, scope: Uuid, by: &str) -> Held {
    Held { grantable: false, lent_by: Some(by.to_owned()), ..held(role, scope) }
}

/// A rule of the matrix that covers what [`Case::of`] decides.
pub fn mandate(role: Role) -> Mandate {
    Mandate {
        role,
        max_amount_ore: 100_000_000,
        max_risk: 2,
        tracks: vec!["START_SMALL".to_owned(), "STANDARD".to_owned()],
        outcomes: vec!["GO".to_owned(), "HOLD".to_owned()],
    }
}

/// A decision that the rule covers.
pub fn covered(role: Role) -> Deciding {
    Deciding {
        amount_ore: 100_000_000,
        risk: 2,
        track: "STANDARD".to_owned(),
        outcome: "GO".to_owned(),
        mandate: Some(mandate(role)),
    }
}

/// A question.
#[derive(Clone)]
pub struct Case {
    pub action: Action,
    pub subject: &'static str,
    pub kind: CallerKind,
    pub held: Vec<Held>,
    pub acting_for: Option<&'static str>,
    /// The role that is granted.
    pub granted: Role,
    /// What is decided at a gate.
    pub deciding: Option<Deciding>,
}

impl Case {
    /// Asked by nobody in particular, a person without a role.
    pub fn new(action: Action) -> Self {
        Self::of(action, Role::SteeringGroup)
    }

    /// The same, of what this role could do: a grant of it, a decision within its mandate.
    pub fn of(action: Action, role: Role) -> Self {
        let rule_for = if role == Role::ExecutiveBoard { role } else { Role::SteeringGroup };
        Self {
            action,
            subject: SOMEBODY,
            kind: CallerKind::Person,
            held: Vec::new(),
            acting_for: None,
            granted: role,
            deciding: (action == Action::GateDecide).then(|| covered(rule_for)),
        }
    }

    /// Asks.
    pub fn ask(&self, cast: &Cast) -> Result<Allowed> {
        let organisation = OrganisationId::new(ORGANISATION);
        let authority = Authority::holding(organisation, self.subject, self.kind, self.held.clone());
        let organisation = &cast.organisation;
        let scopes = &[*organisation, ABOVE, UNIT, PORTFOLIO, PROJECT];
        let resource = match about(self.action) {
            About::Organisation => Resource::Organisation,
            About::Unit => Resource::Place { scopes: &[ABOVE, UNIT] },
            About::Project => Resource::Project { organisation, scopes, owner: cast.owner, manager: cast.manager },
            About::Review => Resource::GateReview {
                organisation,
                scopes,
                submitter: cast.submitter,
                submitted_for: cast.submitted_for,
                manager: cast.manager_then,
                manager_now: cast.manager,
                project_owner: cast.owner,
                drafter: cast.drafter,
            },
            About::Criterion => Resource::Criterion {
                organisation,
                scopes,
                owner: cast.owner,
                manager: cast.manager,
                assessors: &["area-leader".to_owned(), "project-manager".to_owned()],
                is_graded: true,
            },
            About::Condition => Resource::Condition {
                organisation,
                scopes,
                owner: cast.condition_owner,
                waiver_proposer: cast.proposer,
                project_owner: cast.owner,
                project_manager: cast.manager,
            },
            About::Benefit => Resource::Benefit {
                organisation,
                scopes,
                owner: cast.benefit_owner,
                accepted: Some(cast.benefit_owner),
                escalated_to: Some(cast.escalated_to),
                nominee: cast.nominee,
                nominator: cast.nominator,
                project_owner: cast.owner,
                project_manager: cast.manager,
            },
            About::Grant => Resource::RoleGrant {
                role: self.granted,
                scopes,
                subject: cast.grantee,
                granted_by: cast.granter,
                until: cast.until,
            },
            About::Delegation => Resource::Delegation { delegator: cast.delegator, delegate: cast.delegate },
        };
        policies().decide(&Question {
            authority: &authority,
            acting_for: self.acting_for,
            action: self.action,
            resource: &resource,
            deciding: self.deciding.as_ref(),
        })
    }

    /// Whether the answer is yes; a question that cannot be asked is no answer.
    pub fn is_allowed(&self, cast: &Cast) -> bool {
        match self.ask(cast) {
            Ok(_) => true,
            Err(refusal) => {
                assert_ne!(refusal.reason_name(), "INTERNAL", "{:?}: {refusal:?}", self.action);
                false
            }
        }
    }
}

/// The shipped policies, loaded once.
pub fn policies() -> &'static Policies {
    static POLICIES: LazyLock<Policies> = LazyLock::new(|| Policies::load(None).unwrap());
    &POLICIES
}
