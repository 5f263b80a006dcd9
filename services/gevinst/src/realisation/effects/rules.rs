//! What a benefit takes out of the budget, step by step. Pure.

use std::collections::BTreeMap;

use strum::{EnumString, FromRepr, IntoStaticStr};

use crate::error::{Error, Result};

/// How many accounts and years a benefit can have effects on.
pub const MOST_LINES: usize = 200;

/// How far an effect has come. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum BudgetStep {
    Promised = 1,
    Budgeted = 2,
    Removed = 3,
}

impl BudgetStep {
    /// What it rests on.
    fn before(self) -> Option<Self> {
        Self::from_repr(self as i32 - 1)
    }

    /// What rests on it.
    fn after(self) -> Option<Self> {
        Self::from_repr(self as i32 + 1)
    }
}

/// The entries of one step that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: i64,
    /// Together.
    pub ore: i64,
}

/// The three steps of an account and year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// On paper.
    pub promised: Sum,
    /// In the budget being made.
    pub budgeted: Sum,
    /// Out of the budget adopted.
    pub removed: Sum,
}

impl Line {
    fn sum(&self, step: BudgetStep) -> Sum {
        match step {
            BudgetStep::Promised => self.promised,
            BudgetStep::Budgeted => self.budgeted,
            BudgetStep::Removed => self.removed,
        }
    }

    fn add(&mut self, step: BudgetStep, count: i64, ore: i64) {
        let sum = match step {
            BudgetStep::Promised => &mut self.promised,
            BudgetStep::Budgeted => &mut self.budgeted,
            BudgetStep::Removed => &mut self.removed,
        };
        *sum = Sum { count: sum.count + count, ore: sum.ore.saturating_add(ore) };
    }
}

/// A benefit's lines, by account and year.
pub type Ledger = BTreeMap<(String, i32), Line>;

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The account and the year.
    pub key: (String, i32),
    /// Which step.
    pub step: BudgetStep,
    /// How much.
    pub ore: i64,
}

/// What is decided about the budget can be looked up.
pub fn must_be_referenced(step: BudgetStep, reference: &str) -> Result<()> {
    if step != BudgetStep::Promised && reference.trim().is_empty() {
        return Err(Error::invalid("reference", "is missing: name the case of the council or of the budget"));
    }
    Ok(())
}

/// Whether an entry can be added, in the place of another where it corrects one: each step rests on the one before it, which
/// comes to at least as much. No more than that is said of what stands there already.
pub fn must_follow(mut ledger: Ledger, new: &Entry, corrected: Option<&Entry>) -> Result<()> {
    if let Some(wrong) = corrected {
        ledger.entry(wrong.key.clone()).or_default().add(wrong.step, -1, -wrong.ore);
    }
    let line = ledger.entry(new.key.clone()).or_default();
    if let Some(before) = new.step.before() {
        let (rests_on, there) = (line.sum(before), line.sum(new.step));
        let left_ore = rests_on.ore.saturating_sub(there.ore).max(0);
        if rests_on.count == 0 || new.ore > left_ore {
            return Err(Error::BudgetStepNotCovered { before: before.into(), left_ore });
        }
    }
    line.add(new.step, 1, new.ore);
    if ledger.values().filter(|line| **line != Line::default()).count() > MOST_LINES {
        return Err(Error::TooMany { kind: "budget_line" });
    }
    let Some((wrong, after)) = corrected.and_then(|wrong| Some((wrong, wrong.step.after()?))) else {
        return Ok(());
    };
    let line = ledger.get(&wrong.key).copied().unwrap_or_default();
    let (needs, left) = (line.sum(after), line.sum(wrong.step));
    if (needs.count > 0 && left.count == 0) || needs.ore > left.ore {
        return Err(Error::BudgetStepNeeded { after: after.into(), needed_ore: needs.ore });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use strum::IntoEnumIterator;

    use super::{BudgetStep::*, *};

    fn entry(account: &str, step: BudgetStep, ore: i64) -> Entry {
        Entry { key: (account.to_owned(), 2028), step, ore }
    }

    fn ledger(entries: &[Entry]) -> Ledger {
        let mut ledger = Ledger::new();
        for entry in entries {
            ledger.entry(entry.key.clone()).or_default().add(entry.step, 1, entry.ore);
        }
        ledger
    }

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for step in BudgetStep::iter() {
            let name = format!("BUDGET_STEP_{}", <&str>::from(step));
            assert_eq!(pb::BudgetStep::from_str_name(&name).map(i32::from), Some(step as i32), "{name}");
        }
    }

    #[test]
    fn step_rests_on_the_one_before_and_comes_to_no_more() {
        let there = [entry("a", Promised, 100), entry("a", Budgeted, 60), entry("a", Removed, 50)];
        for (new, allowed) in [
            (entry("a", Promised, 1_000), true),
            (entry("a", Budgeted, 40), true),
            (entry("a", Budgeted, 41), false),
            (entry("a", Removed, 10), true),
            (entry("a", Removed, 11), false),
            (entry("b", Promised, 0), true),
            (entry("b", Budgeted, 0), false),
        ] {
            assert_eq!(must_follow(ledger(&there), &new, None).is_ok(), allowed, "{new:?}");
        }
        let other_year = Entry { key: ("a".to_owned(), 2029), ..entry("a", Budgeted, 1) };
        assert!(must_follow(ledger(&there), &other_year, None).is_err());
    }

    #[test]
    fn correction_leaves_what_rests_on_it_standing() {
        let there = [entry("a", Promised, 100), entry("a", Budgeted, 60)];
        for (new, allowed) in [
            (entry("a", Promised, 60), true),
            (entry("a", Promised, 59), false),
            (entry("b", Promised, 100), false),
            (entry("a", Promised, 500), true),
        ] {
            assert_eq!(must_follow(ledger(&there), &new, Some(&there[0])).is_ok(), allowed, "{new:?}");
        }
        for (new, allowed) in [(entry("a", Budgeted, 100), true), (entry("a", Budgeted, 101), false)] {
            assert_eq!(must_follow(ledger(&there), &new, Some(&there[1])).is_ok(), allowed, "{new:?}");
        }
        // What nothing rests on moves where it was meant to be.
        assert!(must_follow(ledger(&there[..1]), &entry("b", Promised, 1), Some(&there[0])).is_ok());
    }

    #[test]
    fn lines_are_bounded_and_a_full_ledger_can_be_corrected() {
        let all: Vec<Entry> = (0..MOST_LINES).map(|at| entry(&at.to_string(), Promised, 1)).collect();
        let another = entry("another", Promised, 1);
        assert!(matches!(must_follow(ledger(&all), &another, None), Err(Error::TooMany { .. })));
        assert!(must_follow(ledger(&all), &another, Some(&all[0])).is_ok());
        assert!(must_follow(ledger(&all), &entry("0", Promised, 1), None).is_ok());
    }

    #[test]
    fn reference_needed_of_what_is_decided() {
        for (step, reference, allowed) in
            [(Promised, "", true), (Budgeted, "", false), (Removed, " ", false), (Removed, "ØU 2027-112", true)]
        {
            assert_eq!(must_be_referenced(step, reference).is_ok(), allowed, "{step:?} {reference:?}");
        }
    }
}
