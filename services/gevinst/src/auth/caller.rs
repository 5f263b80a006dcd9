//! Who calls, as their token says: a person or a system, the organisations they belong to, and the roles that their
//! provider gives them there. The roles that an organisation grants itself are rows, read with the decision.

use std::collections::BTreeMap;

use gevinst_proto::v1 as pb;
use strum::{EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::ids::OrganisationId;

/// What a person or a system may be in an organisation; in tokens, in kebab case. Numbers and names are the contract's
/// (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter, EnumString, IntoStaticStr, strum::FromRepr)]
#[strum(serialize_all = "kebab-case")]
#[repr(i32)]
pub enum Role {
    /// Owns the strategy; sits above the steering group (Direktion).
    ExecutiveBoard = 1,
    /// Decides at gates, as a member of the Digital Styregruppe.
    SteeringGroup = 2,
    /// Runs the portfolio: registers, submits, keeps the units.
    PortfolioOffice = 3,
    /// Answers for a project.
    ProjectOwner = 4,
    /// Runs a project.
    ProjectManager = 5,
    /// Answers for a benefit (gevinstansvarlig).
    BenefitOwner = 6,
    /// Leads an operational area.
    AreaLeader = 7,
    /// Assesses care for personal data (databeskyttelsesrådgiver).
    AssessorDpo = 8,
    /// Assesses security.
    AssessorCiso = 9,
    /// Assesses usability and accessibility.
    AssessorUx = 10,
    /// Keeps budgets and appropriations.
    Finance = 11,
    /// Reads.
    Reader = 12,
    /// Reads everything, the audit log included; changes nothing.
    Auditor = 13,
    /// Another system of the municipality: reads, registers and measures.
    Integration = 14,
}

impl Role {
    /// The name in tokens, policies and rows.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The name in rows: the contract's, without its prefix.
    pub fn row_name(self) -> &'static str {
        let name = pb::Role::try_from(self as i32).unwrap_or_default().as_str_name();
        name.strip_prefix("ROLE_").unwrap_or(name)
    }

    /// The role of that name in rows.
    pub fn from_row_name(name: &str) -> Option<Self> {
        pb::Role::from_str_name(&format!("ROLE_{name}")).and_then(|role| Self::from_repr(role.into()))
    }
}

/// Whether a human being or a program calls: in every audit entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum CallerKind {
    /// A human being.
    Person,
    /// A program with credentials of its own.
    Service,
    /// Gevinst itself, when a day has passed: no token makes one.
    System,
}

/// What Gevinst calls itself, in audit entries and wherever a row names who did something. A token may carry it too: the
/// kind tells the two apart.
pub const SYSTEM: &str = "gevinst";

/// A role that the token itself carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenRole {
    /// The role.
    pub role: Role,
    /// The external id (FK-Organisation) of the unit that it is limited to; the whole organisation when absent.
    pub unit: Option<Uuid>,
    /// Whether its holder may grant it to others.
    pub grantable: bool,
}

/// An authenticated person or system.
#[derive(Debug)]
pub struct Caller {
    pub(super) subject: String,
    pub(super) kind: CallerKind,
    pub(super) token_id: Option<String>,
    pub(super) roles: BTreeMap<OrganisationId, Vec<TokenRole>>,
}

impl Caller {
    /// Gevinst itself. In code only: no claims are read as this kind.
    pub(crate) fn system() -> Self {
        Self { subject: SYSTEM.to_owned(), kind: CallerKind::System, token_id: None, roles: BTreeMap::new() }
    }

    /// The subject of the token: the only name a person has here.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whose calls are counted together: two issuers of other organisations may each have a subject of one name.
    pub fn account(&self) -> String {
        let first = self.organisations().next();
        format!("{} {}", self.subject, first.map(|id| id.to_string()).unwrap_or_default())
    }

    /// Whether a person or a program.
    pub fn kind(&self) -> CallerKind {
        self.kind
    }

    /// The token's own id (`jti`), where it has one.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// The organisations that the caller belongs to.
    pub fn organisations(&self) -> impl Iterator<Item = OrganisationId> {
        self.roles.keys().copied()
    }

    /// The roles that the token carries in an organisation; `None` outside it.
    pub fn roles_in(&self, organisation: OrganisationId) -> Option<&[TokenRole]> {
        self.roles.get(&organisation).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn names_and_numbers_are_the_contracts() {
        assert_eq!(Role::iter().count() + 1, (0..100).filter(|number| pb::Role::try_from(*number).is_ok()).count());
        for role in Role::iter() {
            assert_eq!(role.row_name(), role.name().to_uppercase().replace('-', "_"));
            assert_eq!(Role::from_row_name(role.row_name()), Some(role));
        }
    }
}
