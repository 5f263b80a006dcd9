//! What an import does: the units that are here, compared with the rows of a file. Pure.
//!
//! The tree that is to be is walked from the top down, so that every row knows the unit that it will be below before it
//! is looked at itself; what the walk does not reach, lies in a circle.

use std::collections::{HashMap, hash_map::Entry};

use time::Date;
use uuid::Uuid;

use super::{super::rules::must_be_a_time, file::place};
use crate::error::{Error, Result};

/// How many units a file can have.
pub const MAX_UNITS: usize = 5000;

/// How many units can lie between the top and the bottom: four times what the largest municipality has.
const MAX_DEPTH: usize = 30;

/// How many problems are told at once.
const MAX_PROBLEMS: usize = 20;

/// A column's value in a row: absent when the file does not have the column, none when the cell is empty.
pub type Cell<T> = Option<Option<T>>;

/// A row of the file.
#[derive(Clone, Default)]
pub struct Row {
    /// Its line in the file, or its number among the objects.
    pub line: u64,
    pub fk_org_uuid: Option<Uuid>,
    pub kitos_uuid: Option<Uuid>,
    pub name: String,
    /// The external id of the unit above.
    pub parent: Cell<Uuid>,
    pub leader: Cell<String>,
    pub is_operational_area: Cell<bool>,
    pub valid_from: Cell<Date>,
    pub valid_until: Cell<Date>,
}

/// A unit: as it is here, or as it is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    pub id: Uuid,
    pub fk_org_uuid: Option<Uuid>,
    pub kitos_uuid: Option<Uuid>,
    pub name: String,
    pub parent: Option<Uuid>,
    pub leader: Option<String>,
    pub is_operational_area: bool,
    pub valid_from: Option<Date>,
    pub valid_until: Option<Date>,
}

impl Unit {
    /// Whether some register knows it.
    fn is_known_elsewhere(&self) -> bool {
        self.fk_org_uuid.is_some() || self.kitos_uuid.is_some()
    }
}

/// What is wrong with a file: where, and how to mend it.
#[derive(Debug, Default)]
pub struct Problems {
    told: Vec<(String, String)>,
    untold: usize,
}

impl Problems {
    /// One more.
    pub fn add(&mut self, place: String, told: impl Into<String>) {
        if self.told.len() < MAX_PROBLEMS {
            self.told.push((place, told.into()));
        } else {
            self.untold += 1;
        }
    }

    /// What a field's reader says is wrong.
    pub fn blame(&mut self, error: Error) {
        if let Error::FieldInvalid(fields) = error {
            fields.into_iter().for_each(|(place, told)| self.add(place, told));
        }
    }

    /// Whether there are none; all of them, if not.
    pub fn none(mut self) -> Result<()> {
        if self.untold > 0 {
            self.told.push(("content".to_owned(), format!("and {} more", self.untold)));
        }
        if self.told.is_empty() { Ok(()) } else { Err(Error::FieldInvalid(self.told)) }
    }
}

/// What is to be written.
#[derive(Default)]
pub struct Plan {
    /// Level by level, from the top down.
    pub levels: Vec<Level>,
    /// Ids of units that change in more than their place.
    pub updated: Vec<Uuid>,
    /// How many rows change nothing.
    pub unchanged: usize,
    /// Ids of the units that a register knows, that have not ended, and that the file does not have.
    pub missing: Vec<Uuid>,
}

/// What is to be written at one distance from the top.
#[derive(Default)]
pub struct Level {
    pub created: Vec<Unit>,
    pub changed: Vec<Changed>,
}

/// A unit that is to be other than it is.
pub struct Changed {
    pub unit: Unit,
    /// Whether it is to be below another unit.
    pub moved: bool,
    /// Whether its name, or what it is below, changes: together, they are unique.
    pub renamed: bool,
}

impl Plan {
    /// The units that are to be created.
    pub fn created(&self) -> impl Iterator<Item = &Unit> {
        self.levels.iter().flat_map(|level| &level.created)
    }

    /// Those that are to be changed or moved.
    pub fn changed(&self) -> impl Iterator<Item = &Changed> {
        self.levels.iter().flat_map(|level| &level.changed)
    }

    /// Those that are to be moved.
    pub fn moved(&self) -> impl Iterator<Item = &Unit> {
        self.changed().filter(|changed| changed.moved).map(|changed| &changed.unit)
    }
}

/// What a row or a unit is to be below.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Above {
    Top,
    /// The unit of that row.
    Row(usize),
    /// A unit that is here, and that no row is about.
    Unit(Uuid),
}

/// Compares. Nothing is to be written where `problems` gets any.
pub fn plan(
    here: Vec<Unit>,
    rows: Vec<Row>,
    today: Date,
    new_id: impl FnMut() -> Uuid,
    problems: &mut Problems,
) -> Plan {
    let matched = matched(&here, &rows, problems);
    let mut comparison = Comparison::new(&here, &rows, matched, problems);
    if !problems.told.is_empty() {
        // Without knowing what is below what, more would be guessed than told.
        return Plan::default();
    }
    comparison.walk(new_id, problems);
    let has_ended = |unit: &Unit| unit.valid_until.is_some_and(|until| until <= today);
    let missing = here
        .iter()
        .filter(|unit| unit.is_known_elsewhere() && !comparison.row_of.contains_key(&unit.id) && !has_ended(unit));
    comparison.plan.missing = missing.map(|unit| unit.id).collect();
    comparison.plan
}

/// For each row, the unit that it is about by its external ids.
fn matched<'a>(here: &'a [Unit], rows: &[Row], problems: &mut Problems) -> Vec<Option<&'a Unit>> {
    let by_fk: HashMap<Uuid, &Unit> = here.iter().filter_map(|unit| Some((unit.fk_org_uuid?, unit))).collect();
    let by_kitos: HashMap<Uuid, &Unit> = here.iter().filter_map(|unit| Some((unit.kitos_uuid?, unit))).collect();
    let mut about: HashMap<Uuid, u64> = HashMap::new();
    let mut taken: HashMap<(&str, Uuid), u64> = HashMap::new();
    let mut once = |column: &'static str, id: Uuid, line: u64, problems: &mut Problems| match taken.entry((column, id))
    {
        Entry::Occupied(first) => {
            problems.add(place(line, column), format!("is that of line {} too", first.get()));
        }
        Entry::Vacant(free) => {
            free.insert(line);
        }
    };
    rows.iter()
        .map(|row| {
            if row.fk_org_uuid.is_none() && row.kitos_uuid.is_none() {
                problems.add(place(row.line, "fk_org_uuid"), "give it, or kitos_uuid: rows are known by them");
                return None;
            }
            for (column, id) in [("fk_org_uuid", row.fk_org_uuid), ("kitos_uuid", row.kitos_uuid)] {
                if let Some(id) = id {
                    once(column, id, row.line, problems);
                }
            }
            let kitos = row.kitos_uuid.and_then(|id| by_kitos.get(&id).copied());
            let unit = match row.fk_org_uuid.and_then(|id| by_fk.get(&id).copied()) {
                Some(unit) if kitos.is_some_and(|other| other.id != unit.id) => {
                    problems.add(place(row.line, "kitos_uuid"), "is that of a unit with another fk_org_uuid");
                    return None;
                }
                Some(unit) => unit,
                None => kitos?,
            };
            if row.fk_org_uuid.is_some() && unit.fk_org_uuid.is_some() && row.fk_org_uuid != unit.fk_org_uuid {
                problems.add(place(row.line, "kitos_uuid"), "is that of a unit with another fk_org_uuid");
                return None;
            }
            if let Some(first) = about.insert(unit.id, row.line) {
                problems.add(place(row.line, "kitos_uuid"), format!("is about the same unit as line {first}"));
            }
            Some(unit)
        })
        .collect()
}

/// The comparison under way.
struct Comparison<'a> {
    rows: &'a [Row],
    /// The unit that each row is about.
    unit_of: Vec<Option<&'a Unit>>,
    /// The row that is about a unit.
    row_of: HashMap<Uuid, usize>,
    /// Rows below something.
    rows_below: HashMap<Above, Vec<usize>>,
    /// Units that stay where they are below something, because no row is about them.
    units_below: HashMap<Above, Vec<&'a Unit>>,
    plan: Plan,
}

impl<'a> Comparison<'a> {
    fn new(here: &'a [Unit], rows: &'a [Row], unit_of: Vec<Option<&'a Unit>>, problems: &mut Problems) -> Self {
        let row_of: HashMap<Uuid, usize> =
            unit_of.iter().enumerate().filter_map(|(row, unit)| Some((unit.as_ref()?.id, row))).collect();
        let within = |unit: Option<Uuid>| match unit {
            None => Above::Top,
            Some(unit) => row_of.get(&unit).map_or(Above::Unit(unit), |row| Above::Row(*row)),
        };
        // By external id: a unit that is here, unless a row has the id.
        let mut known: HashMap<Uuid, Above> = HashMap::new();
        for unit in here {
            known.extend(
                [unit.kitos_uuid, unit.fk_org_uuid].into_iter().flatten().map(|id| (id, within(Some(unit.id)))),
            );
        }
        for (number, row) in rows.iter().enumerate() {
            known.extend([row.kitos_uuid, row.fk_org_uuid].into_iter().flatten().map(|id| (id, Above::Row(number))));
        }
        let mut rows_below: HashMap<Above, Vec<usize>> = HashMap::new();
        for (number, row) in rows.iter().enumerate() {
            let above = match row.parent {
                None => within(unit_of[number].and_then(|unit| unit.parent)),
                Some(None) => Above::Top,
                Some(Some(id)) => known.get(&id).copied().unwrap_or_else(|| {
                    problems.add(place(row.line, "parent"), "is no unit's, neither here nor in the file");
                    Above::Top
                }),
            };
            rows_below.entry(above).or_default().push(number);
        }
        let mut units_below: HashMap<Above, Vec<&Unit>> = HashMap::new();
        for unit in here.iter().filter(|unit| !row_of.contains_key(&unit.id)) {
            units_below.entry(within(unit.parent)).or_default().push(unit);
        }
        Self { rows, unit_of, row_of, rows_below, units_below, plan: Plan::default() }
    }

    /// From the top down, a level at a time.
    fn walk(&mut self, mut new_id: impl FnMut() -> Uuid, problems: &mut Problems) {
        let mut seen = 0;
        let mut level = vec![(None, vec![Above::Top])];
        for depth in 1.. {
            let mut next = Vec::new();
            let mut written = Level::default();
            for (id, names) in level {
                let rows: Vec<usize> = names.iter().flat_map(|name| self.rows_below.remove(name)).flatten().collect();
                let mut staying: Vec<&Unit> =
                    names.iter().flat_map(|name| self.units_below.remove(name)).flatten().collect();
                let mut lines: HashMap<&str, u64> = HashMap::new();
                for number in rows {
                    let row = &self.rows[number];
                    seen += 1;
                    if depth > MAX_DEPTH {
                        problems.add(place(row.line, "parent"), format!("has {MAX_DEPTH} units or more above it"));
                    }
                    if let Some(line) = lines.insert(&row.name, row.line) {
                        let told = format!("is that of line {line} too, and both are below the same unit");
                        problems.add(place(row.line, "name"), told);
                    }
                    let before = self.unit_of[number].or_else(|| adopted(&mut staying, row));
                    let unit = to_be(row, before, id, &mut new_id);
                    if let Err(error) = must_be_a_time(unit.valid_from, unit.valid_until) {
                        problems.blame(at(error, row.line));
                    }
                    self.row_of.insert(unit.id, number);
                    next.push((Some(unit.id), vec![Above::Row(number), Above::Unit(unit.id)]));
                    self.write(&mut written, before, unit);
                }
                for unit in staying {
                    if let Some(line) = lines.get(unit.name.as_str()) {
                        problems.add(place(*line, "name"), "is that of another unit below the same one");
                    }
                    next.push((Some(unit.id), vec![Above::Unit(unit.id)]));
                }
            }
            self.plan.levels.push(written);
            if next.is_empty() {
                break;
            }
            level = next;
        }
        if seen < self.rows.len() {
            let circling = std::mem::take(&mut self.rows_below);
            let mut circling: Vec<u64> = circling.into_values().flatten().map(|row| self.rows[row].line).collect();
            circling.sort_unstable();
            for line in circling {
                problems
                    .add(place(line, "parent"), "lies below itself: following parents from here never reaches the top");
            }
        }
    }

    fn write(&mut self, level: &mut Level, before: Option<&Unit>, unit: Unit) {
        let Some(before) = before else {
            level.created.push(unit);
            return;
        };
        if *before == unit {
            self.plan.unchanged += 1;
            return;
        }
        let moved = before.parent != unit.parent;
        if (Unit { parent: unit.parent, ..before.clone() }) != unit {
            self.plan.updated.push(unit.id);
        }
        level.changed.push(Changed { moved, renamed: moved || before.name != unit.name, unit });
    }
}

/// A unit that was made by hand, and that the row is about: of its name, at its place, and known to no register yet.
fn adopted<'a>(staying: &mut Vec<&'a Unit>, row: &Row) -> Option<&'a Unit> {
    let found = staying.iter().position(|unit| unit.name == row.name && !unit.is_known_elsewhere())?;
    Some(staying.remove(found))
}

/// The unit as the row will have it. An absent column leaves what is; an id, once known, is not forgotten.
fn to_be(row: &Row, before: Option<&Unit>, parent: Option<Uuid>, new_id: impl FnOnce() -> Uuid) -> Unit {
    let before = before.cloned().unwrap_or_else(|| Unit { id: new_id(), ..Unit::default() });
    let area = row.is_operational_area.map(Option::unwrap_or_default);
    Unit {
        id: before.id,
        fk_org_uuid: row.fk_org_uuid.or(before.fk_org_uuid),
        kitos_uuid: row.kitos_uuid.or(before.kitos_uuid),
        name: row.name.clone(),
        parent,
        leader: row.leader.clone().unwrap_or(before.leader),
        is_operational_area: area.unwrap_or(before.is_operational_area),
        valid_from: row.valid_from.unwrap_or(before.valid_from),
        valid_until: row.valid_until.unwrap_or(before.valid_until),
    }
}

/// A field's error, at its line of the file.
fn at(error: Error, line: u64) -> Error {
    match error {
        Error::FieldInvalid(fields) => {
            Error::FieldInvalid(fields.into_iter().map(|(field, told)| (place(line, &field), told)).collect())
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// A unit whose id in the register is its own a hundred on.
    fn unit(number: u128, name: &str, parent: Option<u128>) -> Unit {
        let (fk_org_uuid, parent) = (Some(id(100 + number)), parent.map(id));
        Unit { id: id(number), fk_org_uuid, name: name.to_owned(), parent, ..Unit::default() }
    }

    /// A row about it.
    fn row(line: u64, number: u128, name: &str, parent: Option<u128>) -> Row {
        let parent = Some(parent.map(|parent| id(100 + parent)));
        Row { line, fk_org_uuid: Some(id(100 + number)), name: name.to_owned(), parent, ..Row::default() }
    }

    fn planned(here: Vec<Unit>, rows: Vec<Row>) -> Result<Plan> {
        let mut problems = Problems::default();
        let mut next = 1000;
        let new_id = || {
            next += 1;
            id(next)
        };
        let plan = plan(here, rows, date!(2026 - 11 - 23), new_id, &mut problems);
        problems.none().map(|()| plan)
    }

    fn names<'a>(units: impl Iterator<Item = &'a Unit>) -> Vec<&'a str> {
        units.map(|unit| unit.name.as_str()).collect()
    }

    #[test]
    fn plan_of_new_units_parents_first_whatever_the_files_order() {
        let rows = vec![row(2, 3, "bottom", Some(2)), row(3, 2, "middle", Some(1)), row(4, 1, "top", None)];
        let plan = planned(vec![], rows).unwrap();
        assert_eq!(names(plan.created()), ["top", "middle", "bottom"]);
        let levels: Vec<usize> = plan.levels.iter().map(|level| level.created.len()).collect();
        assert_eq!(levels, [1, 1, 1, 0]);
    }

    #[test]
    fn plan_of_what_is_here_already_empty() {
        let here = vec![unit(1, "top", None), unit(2, "below", Some(1))];
        let plan = planned(here, vec![row(2, 2, "below", Some(1)), row(3, 1, "top", None)]).unwrap();
        assert_eq!((plan.unchanged, plan.created().count(), plan.changed().count()), (2, 0, 0));
    }

    #[test]
    fn plan_of_a_parent_and_a_child_that_change_places_the_new_parent_first() {
        let here = vec![unit(1, "a", None), unit(2, "b", Some(1))];
        let plan = planned(here, vec![row(2, 1, "a", Some(2)), row(3, 2, "b", None)]).unwrap();
        assert_eq!(names(plan.moved()), ["b", "a"]);
        assert!(plan.updated.is_empty());
    }

    #[test]
    fn plan_of_a_row_below_a_unit_that_is_below_it_a_circle_by_way_of_what_stays() {
        // 2 is not in the file and stays below 1, which is to be below 2.
        let here = vec![unit(1, "a", None), unit(2, "b", Some(1))];
        let Err(Error::FieldInvalid(told)) = planned(here, vec![row(2, 1, "a", Some(2))]) else { panic!("a circle") };
        assert_eq!(told[0].0, "content[2].parent");
    }

    #[test]
    fn plan_missing_what_a_register_knows_and_has_not_ended() {
        let ended = Unit { valid_until: Some(date!(2026 - 11 - 23)), ..unit(3, "ended", None) };
        let by_hand = Unit { fk_org_uuid: None, ..unit(4, "by hand", None) };
        let here = vec![unit(1, "a", None), unit(2, "b", None), ended, by_hand];
        let plan = planned(here, vec![row(2, 1, "a", None)]).unwrap();
        assert_eq!(plan.missing, [id(2)]);
    }
}
