//! What something is done to, as far as authority asks: the places that it lies in, and the people tied to it. Made from
//! rows, where they are loaded.

use time::Date;
use uuid::Uuid;

use crate::auth::{Action, Role};

/// An object, as policies see it.
#[derive(Clone, Debug)]
pub enum Resource<'a> {
    /// The organisation as a whole.
    Organisation,
    /// A unit, with all above it: what is created in it, and itself.
    Place {
        /// Where it lies.
        scopes: &'a [Uuid],
    },
    /// A project.
    Project {
        /// Whose it is.
        organisation: &'a Uuid,
        /// Where it lies.
        scopes: &'a [Uuid],
        /// Who answers for it.
        owner: &'a str,
        /// Who runs it.
        manager: &'a str,
    },
    /// A review of a project at a gate.
    GateReview {
        /// Whose it is.
        organisation: &'a Uuid,
        /// Where its project lies.
        scopes: &'a [Uuid],
        /// Who submitted it.
        submitter: &'a str,
        /// Whom they acted for; themselves otherwise.
        submitted_for: &'a str,
        /// Who ran the project then.
        manager: &'a str,
        /// Who runs it now.
        manager_now: &'a str,
        /// Who answers for it.
        project_owner: &'a str,
        /// Who prepared it; the submitter where nobody has.
        drafter: &'a str,
    },
    /// A criterion of a project, about to be assessed.
    Criterion {
        /// Whose it is.
        organisation: &'a Uuid,
        /// Where its project lies.
        scopes: &'a [Uuid],
        /// Who answers for the project.
        owner: &'a str,
        /// Who runs it.
        manager: &'a str,
        /// The roles that may assess it, as in tokens.
        assessors: &'a [String],
        /// Whether it is graded, not shown by evidence.
        is_graded: bool,
    },
    /// A condition of a decision.
    Condition {
        /// Whose it is.
        organisation: &'a Uuid,
        /// Where its project lies.
        scopes: &'a [Uuid],
        /// Who sees to it.
        owner: &'a str,
        /// Who proposed to waive it; the owner where nobody has.
        waiver_proposer: &'a str,
        /// Who answers for the project.
        project_owner: &'a str,
        /// Who runs it.
        project_manager: &'a str,
    },
    /// A benefit of a project.
    Benefit {
        /// Whose it is.
        organisation: &'a Uuid,
        /// Where its project lies.
        scopes: &'a [Uuid],
        /// Who is named as its owner.
        owner: &'a str,
        /// The same, where they have accepted and have not departed: who answers for it (I11).
        accepted: Option<&'a str>,
        /// Of an orphaned one, who sees to it that it gets another owner.
        escalated_to: Option<&'a str>,
        /// Who is asked to; the owner where nobody is.
        nominee: &'a str,
        /// Who nominated them; the owner where nobody has, and where it is not about that.
        nominator: &'a str,
        /// Who answers for the project.
        project_owner: &'a str,
        /// Who runs it.
        project_manager: &'a str,
    },
    /// A role granted, or about to be.
    RoleGrant {
        /// The role.
        role: Role,
        /// The place that it covers, and all that contain it.
        scopes: &'a [Uuid],
        /// Who holds it.
        subject: &'a str,
        /// Who granted it.
        granted_by: &'a str,
        /// Its last day.
        until: Option<Date>,
    },
    /// A role lent.
    Delegation {
        /// Whose it is.
        delegator: &'a str,
        /// Who has it meanwhile.
        delegate: &'a str,
    },
}

impl Resource<'_> {
    /// The schema's names of them.
    pub const TYPES: [&'static str; 8] =
        ["Place", "Project", "GateReview", "Criterion", "Condition", "Benefit", "RoleGrant", "Delegation"];

    /// The schema's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Organisation | Self::Place { .. } => "Place",
            Self::Project { .. } => "Project",
            Self::GateReview { .. } => "GateReview",
            Self::Criterion { .. } => "Criterion",
            Self::Condition { .. } => "Condition",
            Self::Benefit { .. } => "Benefit",
            Self::RoleGrant { .. } => "RoleGrant",
            Self::Delegation { .. } => "Delegation",
        }
    }

    /// The organisation that the object's row names; for what has no row of its own, the one called in.
    pub fn organisation(&self) -> Option<&Uuid> {
        match self {
            Self::Project { organisation, .. }
            | Self::GateReview { organisation, .. }
            | Self::Criterion { organisation, .. }
            | Self::Condition { organisation, .. }
            | Self::Benefit { organisation, .. } => Some(organisation),
            Self::Organisation | Self::Place { .. } | Self::RoleGrant { .. } | Self::Delegation { .. } => None,
        }
    }

    /// The places that it lies in; the organisation always is one.
    pub fn scopes(&self, organisation: &Uuid) -> Vec<Uuid> {
        let below: &[Uuid] = match self {
            Self::Organisation | Self::Delegation { .. } => &[],
            Self::Place { scopes }
            | Self::Project { scopes, .. }
            | Self::GateReview { scopes, .. }
            | Self::Criterion { scopes, .. }
            | Self::Condition { scopes, .. }
            | Self::Benefit { scopes, .. }
            | Self::RoleGrant { scopes, .. } => scopes,
        };
        let mut scopes = below.to_vec();
        if !scopes.contains(organisation) {
            scopes.push(*organisation);
        }
        scopes
    }

    /// Of a role about to be granted, the role.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::RoleGrant { role, .. } => Some(*role),
            _ => None,
        }
    }

    /// What it takes to see it; nothing of what everybody with a role sees.
    pub fn reading(&self) -> Option<Action> {
        match self {
            Self::Project { .. } | Self::Criterion { .. } => Some(Action::ProjectRead),
            Self::Condition { .. } => Some(Action::ConditionRead),
            Self::GateReview { .. } => Some(Action::GateRead),
            Self::Benefit { .. } => Some(Action::BenefitRead),
            Self::Organisation | Self::Place { .. } | Self::RoleGrant { .. } | Self::Delegation { .. } => None,
        }
    }

    /// Whether what is about to be granted ends no later than this.
    pub fn ends_within(&self, last: Option<Date>) -> bool {
        match (self, last) {
            (Self::RoleGrant { until, .. }, Some(last)) => until.is_some_and(|until| until <= last),
            _ => true,
        }
    }

    /// The people tied to it, by the schema's names.
    pub fn people(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Organisation | Self::Place { .. } => Vec::new(),
            Self::Project { owner, manager, .. } => vec![("owner", owner), ("manager", manager)],
            Self::GateReview { submitter, submitted_for, manager, manager_now, project_owner, drafter, .. } => vec![
                ("submitter", submitter),
                ("submittedFor", submitted_for),
                ("manager", manager),
                ("managerNow", manager_now),
                ("projectOwner", project_owner),
                ("drafter", drafter),
            ],
            Self::Criterion { owner, manager, .. } => vec![("owner", owner), ("manager", manager)],
            Self::Condition { owner, waiver_proposer, project_owner, project_manager, .. } => vec![
                ("owner", owner),
                ("waiverProposer", waiver_proposer),
                ("projectOwner", project_owner),
                ("projectManager", project_manager),
            ],
            Self::Benefit {
                owner, accepted, escalated_to, nominee, nominator, project_owner, project_manager, ..
            } => {
                let mut people = vec![
                    ("owner", *owner),
                    ("nominee", nominee),
                    ("nominator", nominator),
                    ("projectOwner", project_owner),
                    ("projectManager", project_manager),
                ];
                people.extend(accepted.map(|accepted| ("accepted", accepted)));
                people.extend(escalated_to.map(|leader| ("escalatedTo", leader)));
                people
            }
            Self::RoleGrant { subject, granted_by, .. } => vec![("subject", subject), ("grantedBy", granted_by)],
            Self::Delegation { delegator, delegate } => vec![("delegator", delegator), ("delegate", delegate)],
        }
    }
}
