//! What a caller may see and do, from the rules' words. Knows nothing of the service but the names of roles.

use gevinst::auth::Role;

use super::drawn::{Drawn, Period, Place};

/// A role in force.
#[derive(Clone, Copy, Debug)]
struct Held {
    role: Role,
    place: Place,
    lent: bool,
}

/// What one person may, on one day.
#[derive(Debug)]
pub struct Oracle<'a> {
    drawn: &'a Drawn,
    who: usize,
    denied: bool,
    held: Vec<Held>,
}

fn holds(period: Period, day: i64) -> bool {
    period.from <= day && period.until.is_none_or(|until| day <= until)
}

impl<'a> Oracle<'a> {
    /// Reads the organisation.
    pub fn new(drawn: &'a Drawn, who: usize, day: i64) -> Self {
        let there = |unit: usize| drawn.units[unit].there.is_none_or(|period| holds(period, day));
        let place_there = |place: Place| !matches!(place, Place::Unit(unit) if !there(unit));
        let revoked =
            |who: usize| drawn.denials.iter().any(|denial| denial.who == who && !denial.by_token && !denial.lifted);
        let mut held = Vec::new();
        if let Some((role, unit)) = &drawn.tokens[who] {
            let place = unit.map_or(Place::Organisation, Place::Unit);
            held.extend(place_there(place).then_some(Held { role: *role, place, lent: false }));
        }
        let in_force = |index: usize| {
            let grant = &drawn.grants[index];
            !grant.revoked && holds(grant.period, day) && place_there(grant.place)
        };
        for (index, grant) in drawn.grants.iter().enumerate() {
            let counts = grant.subject == who && in_force(index);
            held.extend(counts.then_some(Held { role: grant.role, place: grant.place, lent: false }));
        }
        for (index, unit) in drawn.units.iter().enumerate() {
            let leads = unit.leader == Some(who) && there(index);
            held.extend(leads.then_some(Held { role: Role::AreaLeader, place: Place::Unit(index), lent: false }));
        }
        for loan in &drawn.loans {
            let grant = &drawn.grants[loan.grant];
            let counts = loan.delegate == who
                && loan.approved
                && !loan.ended
                && holds(loan.period, day)
                && in_force(loan.grant)
                && !revoked(grant.subject);
            held.extend(counts.then_some(Held { role: grant.role, place: grant.place, lent: true }));
        }
        let token_revoked = drawn.denials.iter().any(|denial| denial.who == who && denial.by_token && !denial.lifted);
        Self { drawn, who, denied: revoked(who) || token_revoked, held }
    }

    fn covers(&self, place: Place, project: usize) -> bool {
        let Drawn { projects, .. } = self.drawn;
        match place {
            Place::Organisation => true,
            Place::Portfolio(portfolio) => projects[project].portfolio == Some(portfolio),
            Place::Unit(unit) => self.drawn.above(projects[project].unit).contains(&unit),
            Place::Project(one) => one == project,
        }
    }

    fn manages(&self, project: usize) -> bool {
        self.drawn.projects[project].manager == self.who
    }

    /// Whether they see a project, and so its reviews, its money, its plan and what it has learnt.
    pub fn sees(&self, project: usize) -> bool {
        let own = self.drawn.projects[project].owner == self.who || self.manages(project);
        !self.denied && (own || self.held.iter().any(|held| self.covers(held.place, project)))
    }

    /// Whether they see a benefit of a project, with its measurements, or a condition.
    pub fn sees_owned(&self, project: usize, owner: usize) -> bool {
        self.sees(project) || (!self.denied && owner == self.who)
    }

    /// What they are told of what they do not see, and of a list of nothing.
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self { denied: true, .. } => Some("TOKEN_REVOKED"),
            Self { held, .. } if held.is_empty() => Some("ROLE_MISSING"),
            _ => None,
        }
    }

    fn audits(&self) -> bool {
        self.held.iter().any(|held| !held.lent && held.role == Role::Auditor)
    }

    /// Whether they hold, themselves, what it takes to archive a project.
    fn keeps(&self, project: usize) -> bool {
        let keeps = |held: &Held| !held.lent && held.role == Role::PortfolioOffice && self.covers(held.place, project);
        self.held.iter().any(keeps)
    }

    /// Whether they may archive a project in their own name.
    pub fn may_archive(&self, project: usize) -> bool {
        !self.denied && !self.audits() && self.keeps(project)
    }

    /// Whether they may change a project in their own name.
    pub fn may_update(&self, project: usize) -> bool {
        !self.denied && !self.audits() && (self.keeps(project) || self.manages(project))
    }

    /// What they are told of a command on a project that they may not give. An auditor is told that only when there is
    /// a role, or a tie, that would do.
    pub fn refused(&self, project: usize, would_do: bool) -> &'static str {
        match self {
            Self { denied: true, .. } => "TOKEN_REVOKED",
            _ if !self.sees(project) => "NOT_FOUND",
            _ if would_do => "AUDITOR_READS_ONLY",
            _ => "ROLE_MISSING",
        }
    }

    /// Whether it is only as an auditor that they may not update, and not archive, a project.
    pub fn would_do(&self, project: usize) -> (bool, bool) {
        (self.keeps(project) || self.manages(project), self.keeps(project))
    }
}
