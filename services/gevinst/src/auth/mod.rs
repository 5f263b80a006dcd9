//! Who calls, and what they may do: a token becomes a [`Caller`]; what the caller holds in the organisation becomes an
//! [`Authority`], in the statement that reads or begins; and the policies decide.
//!
//! Deny by default: a command cannot end without an [`Allowed`], and only [`policy::Policies::decide`] gives one. What a
//! caller may see is filtered underneath by row-level security, by the same rule (`policies.cedar`, "Reading").

pub mod authority;
pub mod caller;
pub mod claims;
pub mod issuers;
pub mod keys;
pub mod policy;
pub mod resource;
pub mod token;

use std::sync::Arc;

use axum::{extract::State, middleware::Next, response::Response};
use http::{Request, header::AUTHORIZATION};
use strum::{EnumIter, IntoStaticStr};

pub use self::{
    authority::Authority,
    caller::{Caller, CallerKind, Role, TokenRole},
    resource::Resource,
};
use crate::{
    auth::token::Verifier,
    error::{self, Error},
    peer::Peer,
};

/// What can be attempted. The name is what audit entries, spans and denials say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[expect(missing_docs, reason = "each says itself, as noun and verb")]
pub enum Action {
    #[strum(serialize = "organisation.read")]
    OrganisationRead,
    #[strum(serialize = "org_unit.read")]
    OrgUnitRead,
    #[strum(serialize = "org_unit.create")]
    OrgUnitCreate,
    #[strum(serialize = "org_unit.update")]
    OrgUnitUpdate,
    #[strum(serialize = "org_unit.move")]
    OrgUnitMove,
    #[strum(serialize = "org_unit.import")]
    OrgUnitImport,
    #[strum(serialize = "portfolio.read")]
    PortfolioRead,
    #[strum(serialize = "portfolio.create")]
    PortfolioCreate,
    #[strum(serialize = "project.read")]
    ProjectRead,
    #[strum(serialize = "project.register")]
    ProjectRegister,
    #[strum(serialize = "project.update")]
    ProjectUpdate,
    #[strum(serialize = "project.archive")]
    ProjectArchive,
    #[strum(serialize = "project.resume")]
    ProjectResume,
    #[strum(serialize = "gate.read")]
    GateRead,
    #[strum(serialize = "gate.submit")]
    GateSubmit,
    #[strum(serialize = "gate.decide")]
    GateDecide,
    #[strum(serialize = "gate.withdraw")]
    GateWithdraw,
    #[strum(serialize = "gate.draft")]
    GateDraft,
    #[strum(serialize = "gate.redraft")]
    GateRedraft,
    #[strum(serialize = "gate_model.publish")]
    GateModelPublish,
    #[strum(serialize = "gate_model.migrate")]
    GateModelMigrate,
    #[strum(serialize = "criterion.assess")]
    CriterionAssess,
    #[strum(serialize = "condition.read")]
    ConditionRead,
    #[strum(serialize = "condition.meet")]
    ConditionMeet,
    #[strum(serialize = "condition.propose_waiver")]
    ConditionProposeWaiver,
    #[strum(serialize = "condition.approve_waiver")]
    ConditionApproveWaiver,
    #[strum(serialize = "condition.lapse")]
    ConditionLapse,
    #[strum(serialize = "appropriation.record")]
    AppropriationRecord,
    #[strum(serialize = "appropriation.end")]
    AppropriationEnd,
    #[strum(serialize = "expenditure.record")]
    ExpenditureRecord,
    #[strum(serialize = "baseline.set")]
    BaselineSet,
    #[strum(serialize = "direction.change")]
    DirectionChange,
    #[strum(serialize = "increment.plan")]
    IncrementPlan,
    #[strum(serialize = "increment.end")]
    IncrementEnd,
    #[strum(serialize = "lesson.publish")]
    LessonPublish,
    #[strum(serialize = "benefit.read")]
    BenefitRead,
    #[strum(serialize = "benefit.create")]
    BenefitCreate,
    #[strum(serialize = "benefit.plan")]
    BenefitPlan,
    #[strum(serialize = "benefit.measure")]
    BenefitMeasure,
    #[strum(serialize = "benefit.nominate_owner")]
    BenefitNominateOwner,
    #[strum(serialize = "benefit.approve_owner")]
    BenefitApproveOwner,
    #[strum(serialize = "benefit.accept_ownership")]
    BenefitAcceptOwnership,
    #[strum(serialize = "benefit.decline_ownership")]
    BenefitDeclineOwnership,
    #[strum(serialize = "benefit.orphan")]
    BenefitOrphan,
    #[strum(serialize = "benefit_map.set")]
    BenefitMapSet,
    #[strum(serialize = "strategy_goal.create")]
    StrategyGoalCreate,
    #[strum(serialize = "strategy_goal.end")]
    StrategyGoalEnd,
    #[strum(serialize = "benefit.review")]
    BenefitReview,
    #[strum(serialize = "benefit.remind")]
    BenefitRemind,
    #[strum(serialize = "benefit_policy.set")]
    BenefitPolicySet,
    #[strum(serialize = "budget_effect.promise")]
    BudgetEffectPromise,
    #[strum(serialize = "budget_effect.record")]
    BudgetEffectRecord,
    #[strum(serialize = "audit.list")]
    AuditList,
    #[strum(serialize = "role_grant.read")]
    RoleGrantRead,
    #[strum(serialize = "role_grant.create")]
    RoleGrantCreate,
    #[strum(serialize = "role_grant.revoke")]
    RoleGrantRevoke,
    #[strum(serialize = "delegation.read")]
    DelegationRead,
    #[strum(serialize = "delegation.propose")]
    DelegationPropose,
    #[strum(serialize = "delegation.approve")]
    DelegationApprove,
    #[strum(serialize = "delegation.end")]
    DelegationEnd,
    #[strum(serialize = "authority_rule.read")]
    AuthorityRuleRead,
    #[strum(serialize = "authority_rule.set")]
    AuthorityRuleSet,
    #[strum(serialize = "authority_rule.end")]
    AuthorityRuleEnd,
    #[strum(serialize = "token_denial.read")]
    TokenDenialRead,
    #[strum(serialize = "token_denial.create")]
    TokenDenialCreate,
    #[strum(serialize = "token_denial.lift")]
    TokenDenialLift,
}

impl Action {
    /// The name, as noun and verb.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Proof that the policies said yes, and which of them did.
pub struct Allowed {
    policy: String,
}

impl Allowed {
    /// The policy's name.
    pub fn policy(&self) -> &str {
        &self.policy
    }
}

/// Services that anyone may call: they show the contract, which is public, and whether the service is up.
pub const OPEN_SERVICES: [&str; 3] =
    ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

/// The layer: no call passes without a caller, but to the open services.
pub async fn authenticate(
    State(verifier): State<Arc<Verifier>>,
    mut request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    if OPEN_SERVICES.iter().any(|service| request.uri().path().starts_with(service)) {
        return next.run(request).await;
    }
    let mut tokens = request.headers().get_all(AUTHORIZATION).iter();
    let caller = match (tokens.next(), tokens.next()) {
        (Some(value), None) => verifier.verify(value.as_bytes(), request.extensions().get::<Peer>()).await,
        (None, _) => Err(Error::TokenMissing),
        (Some(_), Some(_)) => Err(Error::TokenInvalid),
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(Arc::new(caller));
            next.run(request).await
        }
        Err(error) => error::response(error),
    }
}
