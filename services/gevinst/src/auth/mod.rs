//! Who calls, and what they may do: a token becomes a [`Caller`], and one table says which roles may what.
//!
//! Deny by default: a command cannot end, and a row cannot be read, without an [`Allowed`] or a scoped read, and only
//! [`Caller::authorize`] gives those.

pub mod caller;
pub mod keys;
pub mod policy;
pub mod token;

use std::sync::Arc;

use axum::{extract::State, middleware::Next, response::Response};
use http::{Request, header::AUTHORIZATION};
use strum::{EnumIter, IntoStaticStr};

pub use self::caller::{Caller, CallerKind, Role, TokenRole};
use crate::{
    auth::token::Verifier,
    error::{self, Error, Result},
    ids::OrganisationId,
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
    #[strum(serialize = "benefit.read")]
    BenefitRead,
    #[strum(serialize = "benefit.create")]
    BenefitCreate,
    #[strum(serialize = "benefit.measure")]
    BenefitMeasure,
    #[strum(serialize = "audit.list")]
    AuditList,
}

impl Action {
    /// The name, as noun and verb.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The table: the roles that may, and how else one may by being related to the object.
    fn rule(self) -> (&'static [Role], Option<Relationship>) {
        use Role::*;
        const ANYONE: &[Role] = &[
            ExecutiveBoard,
            SteeringGroup,
            PortfolioOffice,
            ProjectOwner,
            ProjectManager,
            BenefitOwner,
            AreaLeader,
            AssessorDpo,
            AssessorCiso,
            AssessorUx,
            Finance,
            Reader,
            Auditor,
            Integration,
        ];
        match self {
            Self::OrganisationRead
            | Self::OrgUnitRead
            | Self::PortfolioRead
            | Self::ProjectRead
            | Self::GateRead
            | Self::BenefitRead => (ANYONE, None),
            Self::OrgUnitCreate
            | Self::OrgUnitUpdate
            | Self::OrgUnitMove
            | Self::OrgUnitImport
            | Self::PortfolioCreate
            | Self::ProjectArchive => (&[PortfolioOffice], None),
            // Registration takes minutes, also in the areas themselves.
            Self::ProjectRegister => (&[PortfolioOffice, ProjectManager, AreaLeader], None),
            Self::ProjectUpdate => (&[PortfolioOffice], Some(Relationship::ProjectManager)),
            Self::ProjectResume | Self::GateDecide => (&[SteeringGroup], None),
            // Never the project's manager (I03): gates/rules.rs.
            Self::GateSubmit => (&[PortfolioOffice, ProjectOwner], None),
            Self::GateWithdraw => (&[PortfolioOffice], Some(Relationship::Submitter)),
            Self::BenefitCreate => (&[PortfolioOffice], Some(Relationship::ProjectManager)),
            Self::BenefitMeasure => (&[PortfolioOffice], Some(Relationship::BenefitOwner)),
            Self::AuditList => (&[Auditor], None),
        }
    }
}

/// How a person can be tied to one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Relationship {
    /// Manages the project.
    ProjectManager,
    /// Submitted the review.
    Submitter,
    /// Owns the benefit.
    BenefitOwner,
}

/// What something is done to, as far as authority asks.
pub enum Resource<'a> {
    /// The organisation as a whole.
    Organisation,
    /// An object, and who is tied to it how.
    Related(Relationship, &'a str),
}

/// Proof that [`Caller::authorize`] said yes.
pub struct Allowed(());

impl Caller {
    /// Whether the caller may do this to that.
    pub fn authorize(&self, organisation: OrganisationId, action: Action, resource: &Resource<'_>) -> Result<Allowed> {
        let (roles, relation) = action.rule();
        let held = self.roles_in(organisation);
        let by_role = held.is_some_and(|held| held.iter().any(|held| roles.contains(&held.role)));
        // A relation counts only inside the organisation: an object elsewhere names nobody here.
        let by_relation = held.is_some()
            && matches!(resource, Resource::Related(held, subject)
                if Some(*held) == relation && *subject == self.subject);
        if by_role || by_relation {
            return Ok(Allowed(()));
        }
        let relation = relation.map(|relation| format!("the object's {}", <&str>::from(relation)));
        let needs: Vec<String> = roles.iter().map(|role| role.name().to_owned()).chain(relation).collect();
        Err(Error::RoleMissing { action: action.name(), needs: needs.join(" or ") })
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
        (Some(value), None) => verifier.verify(value.as_bytes()).await,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use strum::IntoEnumIterator;
    use uuid::Uuid;

    use super::*;

    fn caller(roles: &[Role]) -> (Caller, OrganisationId) {
        let organisation = OrganisationId::new(Uuid::from_u128(1));
        let held = roles.iter().map(|role| TokenRole { role: *role, unit: None, grantable: false });
        let roles = BTreeMap::from([(organisation, held.collect())]);
        let subject = "someone".to_owned();
        (Caller { subject, kind: CallerKind::Person, token_id: None, roles }, organisation)
    }

    #[test]
    fn authorize_no_role_denies_everything() {
        let (caller, organisation) = caller(&[]);
        for action in Action::iter() {
            assert!(caller.authorize(organisation, action, &Resource::Organisation).is_err());
        }
    }

    #[test]
    fn authorize_other_organisation_denies_everything_related_or_not() {
        let all: Vec<Role> = Role::iter().collect();
        let (caller, _) = caller(&all);
        let elsewhere = OrganisationId::new(Uuid::from_u128(2));
        for action in Action::iter() {
            for relation in [Relationship::ProjectManager, Relationship::Submitter, Relationship::BenefitOwner] {
                let own = Resource::Related(relation, "someone");
                assert!(caller.authorize(elsewhere, action, &own).is_err());
            }
        }
    }

    #[test]
    fn authorize_auditor_changes_nothing() {
        let (caller, organisation) = caller(&[Role::Auditor]);
        let changes = Action::iter().filter(|action| !action.name().ends_with(".read") && *action != Action::AuditList);
        for action in changes {
            assert!(caller.authorize(organisation, action, &Resource::Organisation).is_err());
        }
    }

    #[test]
    fn authorize_relation_counts_for_its_action_and_its_person_only() {
        let (caller, organisation) = caller(&[Role::Reader]);
        let can = |action, relation, subject| {
            caller.authorize(organisation, action, &Resource::Related(relation, subject)).is_ok()
        };
        assert!(can(Action::ProjectUpdate, Relationship::ProjectManager, "someone"));
        assert!(!can(Action::ProjectUpdate, Relationship::ProjectManager, "someone-else"));
        assert!(!can(Action::ProjectUpdate, Relationship::BenefitOwner, "someone"));
        assert!(!can(Action::GateDecide, Relationship::ProjectManager, "someone"));
    }
}
