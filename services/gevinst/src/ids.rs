//! Typed ids: a project's id cannot be handed to a function that wants a benefit's.

use std::{fmt, marker::PhantomData};

use uuid::Uuid;

use crate::error::{Error, Result};

/// The id of a `K`: a UUIDv7 (an organisation's may be any UUID).
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

/// What an id can name. `TYPE` is the domain's word for it: in audit entries and in NOT_FOUND.
pub trait Kind {
    /// The domain's word, as in the proto's field names.
    const TYPE: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $id:ident $name:literal;)*) => {$(
        $(#[$doc])*
        pub struct $kind;
        impl Kind for $kind {
            const TYPE: &'static str = $name;
        }
        $(#[$doc])*
        pub type $id = Id<$kind>;
    )*};
}

kinds! {
    /// A municipality.
    Organisation OrganisationId "organisation";
    /// A unit of an organisation.
    OrgUnit OrgUnitId "org_unit";
    /// A time that a unit was below another one.
    OrgUnitPlacement OrgUnitPlacementId "org_unit_placement";
    /// A set of projects with a purpose of its own.
    Portfolio PortfolioId "portfolio";
    /// A project.
    Project ProjectId "project";
    /// A review of a project at a gate.
    GateReview GateReviewId "gate_review";
    /// A version of the gate model.
    GateModel GateModelId "gate_model";
    /// How a criterion stands.
    CriterionAssessment CriterionAssessmentId "criterion_assessment";
    /// A condition of a decision.
    Condition ConditionId "condition";
    /// Where money comes from.
    Appropriation AppropriationId "appropriation";
    /// Money that a gate has released.
    SpendAuthority SpendAuthorityId "spend_authority";
    /// What was spent.
    Expenditure ExpenditureId "expenditure";
    /// A change of direction.
    DirectionChange DirectionChangeId "direction_change";
    /// A small step.
    Increment IncrementId "increment";
    /// Something learnt.
    Lesson LessonId "lesson";
    /// A turn in a project's life.
    ProjectEvent ProjectEventId "project_event";
    /// A benefit.
    Benefit BenefitId "benefit";
    /// What a benefit was planned to become.
    BenefitPlan BenefitPlanId "benefit_plan";
    /// That somebody is to be, is or was a benefit's owner.
    BenefitOwnership BenefitOwnershipId "benefit_ownership";
    /// What an organisation wants to reach.
    StrategyGoal StrategyGoalId "strategy_goal";
    /// A measurement of a benefit.
    Measurement MeasurementId "measurement";
    /// A version of how an organisation follows its benefits.
    BenefitPolicy BenefitPolicyId "benefit_policy";
    /// A step of what a benefit takes out of the budget.
    BudgetEffect BudgetEffectId "budget_effect";
    /// What a review has found of a benefit.
    BenefitReview BenefitReviewId "benefit_review";
    /// That a measurement or a review was due, late or missing.
    BenefitEvent BenefitEventId "benefit_event";
    /// A role granted.
    RoleGrant RoleGrantId "role_grant";
    /// A role lent.
    Delegation DelegationId "delegation";
    /// A rule of the authority matrix.
    AuthorityRule AuthorityRuleId "authority_rule";
    /// A revocation.
    TokenDenial TokenDenialId "token_denial";
    /// An entry of the audit log.
    AuditEntry AuditEntryId "audit_entry";
}

impl<K: Kind> Id<K> {
    /// Wraps an id read from the database or newly made by `Ctx`.
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// Reads an id that validation has already found to be a UUID.
    pub fn parse(text: &str) -> Result<Self> {
        Uuid::try_parse(text).map(Self::new).map_err(|_| Error::invalid(K::TYPE, "must be a UUID"))
    }

    /// The bare value, for a column.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The error that says it is not there.
    pub fn not_found(self) -> Error {
        Error::NotFound { kind: K::TYPE, id: self.0.to_string() }
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
