//! A random organisation: few people, places and days, so that what is drawn meets.

use gevinst::auth::Role;
use proptest::{collection::vec, option, prelude::*};
use strum::IntoEnumIterator;

/// Who there is. A person is their place in this list.
pub const PEOPLE: [&str; 9] = ["anna", "bo", "carl", "dorte", "erik", "freja", "gerda", "hans", "ida"];
/// How many of them call; the others only own, manage, lead and hold.
pub const CALLERS: usize = 5;
/// How many portfolios there are.
pub const PORTFOLIOS: usize = 2;
const UNITS: usize = 5;
const PROJECTS: usize = 5;

/// From a day on, to the last one or without end; days are counted from the organisation's first.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    pub from: i64,
    pub until: Option<i64>,
}

/// A unit. Its parent is one that was drawn before it.
#[derive(Clone, Debug)]
pub struct Unit {
    pub parent: Option<usize>,
    pub leader: Option<usize>,
    pub there: Option<Period>,
}

/// A project, with what belongs to it.
#[derive(Clone, Debug)]
pub struct Project {
    pub unit: usize,
    pub portfolio: Option<usize>,
    pub owner: usize,
    pub manager: usize,
    pub archived: bool,
    /// Whose each benefit is.
    pub benefits: Vec<usize>,
    /// Who managed the project when its review was submitted, and whether that waits.
    pub review: Option<(usize, bool)>,
    /// Whose each condition of that review is, if there is one.
    pub conditions: Vec<usize>,
}

/// Where a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Organisation,
    Portfolio(usize),
    Unit(usize),
    Project(usize),
}

/// A role granted.
#[derive(Clone, Debug)]
pub struct Grant {
    pub subject: usize,
    pub role: Role,
    pub place: Place,
    pub period: Period,
    pub revoked: bool,
}

/// A grant lent.
#[derive(Clone, Debug)]
pub struct Loan {
    pub grant: usize,
    pub delegate: usize,
    pub period: Period,
    pub approved: bool,
    pub ended: bool,
}

/// A revocation, of a person or of their token.
#[derive(Clone, Debug)]
pub struct Denial {
    pub who: usize,
    pub by_token: bool,
    pub lifted: bool,
}

/// What happens between two looks.
#[derive(Clone, Debug)]
pub enum Change {
    /// A unit moves, below another one or to the top.
    Move { unit: usize, to: Option<usize> },
    /// A project moves.
    Transfer { project: usize, unit: usize, portfolio: Option<usize> },
    /// A project gets other people.
    Handover { project: usize, owner: usize, manager: usize },
}

/// When it is looked: a day and a minute of it, in Copenhagen.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub day: i64,
    pub minute: i64,
}

/// An organisation.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Whether its days are in July, two hours ahead of UTC, or in January.
    pub summer: bool,
    pub units: Vec<Unit>,
    pub projects: Vec<Project>,
    pub grants: Vec<Grant>,
    pub loans: Vec<Loan>,
    pub denials: Vec<Denial>,
    /// For each person the role of their token, and the unit that it is limited to.
    pub tokens: Vec<Option<(Role, Option<usize>)>>,
    pub looks: Vec<Look>,
    pub changes: Vec<Change>,
}

impl Drawn {
    /// Makes the change, if it can be made: a unit does not move below itself.
    pub fn apply(&mut self, change: &Change) -> bool {
        match *change {
            Change::Move { unit, to } => {
                if to.is_some_and(|to| self.above(to).contains(&unit)) {
                    return false;
                }
                self.units[unit].parent = to;
            }
            Change::Transfer { project, unit, portfolio } => {
                (self.projects[project].unit, self.projects[project].portfolio) = (unit, portfolio);
            }
            Change::Handover { project, owner, manager } => {
                (self.projects[project].owner, self.projects[project].manager) = (owner, manager);
            }
        }
        true
    }

    /// A unit and all that it is below.
    pub fn above(&self, unit: usize) -> Vec<usize> {
        std::iter::successors(Some(unit), |unit| self.units[*unit].parent).collect()
    }

    /// The benefits, by project and owner.
    pub fn benefits(&self) -> impl Iterator<Item = (usize, usize)> {
        self.projects
            .iter()
            .enumerate()
            .flat_map(|(of, project)| project.benefits.iter().map(move |owner| (of, *owner)))
    }

    /// The conditions, by project and owner.
    pub fn conditions(&self) -> impl Iterator<Item = (usize, usize)> {
        self.projects
            .iter()
            .enumerate()
            .filter(|(_, project)| project.review.is_some())
            .flat_map(|(of, project)| project.conditions.iter().map(move |owner| (of, *owner)))
    }
}

fn person() -> impl Strategy<Value = usize> {
    0..PEOPLE.len()
}

fn role() -> impl Strategy<Value = Role> {
    // To see, any role will do; these two also decide what may be changed.
    prop_oneof![
        3 => proptest::sample::select(Role::iter().collect::<Vec<_>>()),
        2 => Just(Role::PortfolioOffice),
        1 => Just(Role::Auditor),
    ]
}

fn caller() -> impl Strategy<Value = usize> {
    0..CALLERS
}

fn period() -> impl Strategy<Value = Period> {
    // Mostly begun before the first look, at day 0 to 4.
    (-3_i64..=2, option::weighted(0.7, 0_i64..=5))
        .prop_map(|(from, days)| Period { from, until: days.map(|days| from + days) })
}

fn units() -> impl Strategy<Value = Vec<Unit>> {
    let unit = (option::weighted(0.8, 0..UNITS), option::weighted(0.3, caller()), option::weighted(0.4, period()));
    vec(unit, UNITS).prop_map(|units| {
        let unit = |(index, (parent, leader, there)): (usize, (Option<usize>, _, _))| Unit {
            parent: parent.filter(|parent| *parent < index),
            leader,
            there,
        };
        units.into_iter().enumerate().map(unit).collect()
    })
}

fn project() -> impl Strategy<Value = Project> {
    let review = option::of((person(), any::<bool>()));
    (
        0..UNITS,
        option::of(0..PORTFOLIOS),
        person(),
        person(),
        proptest::bool::weighted(0.2),
        vec(person(), 0..3),
        review,
        vec(person(), 0..3),
    )
        .prop_map(|(unit, portfolio, owner, manager, archived, benefits, review, conditions)| Project {
            unit,
            portfolio,
            owner,
            manager,
            archived,
            benefits,
            review,
            conditions,
        })
}

fn grant() -> impl Strategy<Value = Grant> {
    let place = prop_oneof![
        1 => Just(Place::Organisation),
        2 => (0..PORTFOLIOS).prop_map(Place::Portfolio),
        4 => (0..UNITS).prop_map(Place::Unit),
        2 => (0..PROJECTS).prop_map(Place::Project),
    ];
    // Few roles to others than callers: what those hold is seen only when they lend it.
    (prop_oneof![3 => caller(), 1 => person()], role(), place, period(), proptest::bool::weighted(0.2))
        .prop_map(|(subject, role, place, period, revoked)| Grant { subject, role, place, period, revoked })
}

fn loan() -> impl Strategy<Value = (usize, Loan)> {
    (any::<proptest::sample::Index>(), caller(), period(), any::<bool>(), proptest::bool::weighted(0.2)).prop_map(
        |(grant, delegate, period, approved, ended)| {
            let grant = grant.index(usize::MAX);
            (grant, Loan { grant, delegate, period, approved, ended })
        },
    )
}

fn denial() -> impl Strategy<Value = Denial> {
    (person(), any::<bool>(), any::<bool>()).prop_map(|(who, by_token, lifted)| Denial { who, by_token, lifted })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..UNITS, option::weighted(0.8, 0..UNITS)).prop_map(|(unit, to)| Change::Move { unit, to }),
        (0..PROJECTS, 0..UNITS, option::of(0..PORTFOLIOS)).prop_map(|(project, unit, portfolio)| Change::Transfer {
            project,
            unit,
            portfolio
        }),
        (0..PROJECTS, person(), person()).prop_map(|(project, owner, manager)| Change::Handover {
            project,
            owner,
            manager
        }),
    ]
}

fn look() -> impl Strategy<Value = Look> {
    // Just after midnight, when it still is the day before in UTC; at noon; and just before midnight.
    let minute = proptest::sample::select(vec![12 * 60, 5, 23 * 60 + 30]);
    (0_i64..=4, minute).prop_map(|(day, minute)| Look { day, minute })
}

/// An organisation of each kind there is.
pub fn drawn() -> impl Strategy<Value = Drawn> {
    let tokens = vec(option::weighted(0.4, (role(), option::weighted(0.8, 0..UNITS))), PEOPLE.len());
    (
        any::<bool>(),
        units(),
        vec(project(), PROJECTS),
        vec(grant(), 0..7),
        vec(loan(), 0..6),
        vec(denial(), 0..3),
        tokens,
        vec(look(), 2),
        vec(change(), 0..6),
    )
        .prop_map(|(summer, units, projects, grants, loans, denials, tokens, looks, changes)| {
            let loans = loans.into_iter().filter_map(|(index, loan)| {
                let grant = index.checked_rem(grants.len())?;
                // Nobody lends to themselves.
                (grants[grant].subject != loan.delegate).then_some(Loan { grant, ..loan })
            });
            let loans = loans.collect();
            Drawn { summer, units, projects, grants, loans, denials, tokens, looks, changes }
        })
}
