//! How far a project has moved from its first baseline, and how large a step may be (S09, S10). Pure.

use rust_decimal::{Decimal, RoundingStrategy};
use time::{Date, Duration};

use crate::error::{Error, Result};

/// The formula, in words, as answers carry it.
pub const FORMULA: &str = "newest baseline - baseline 0, of budget_ore and of end_on in days; budget_share = \
    budget_ore / budget of baseline 0, rounded half away from zero to 4 places";

/// Decimal places of a share.
const PLACES: u32 = 4;

/// A baseline, as far as a variance asks.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// What the project is to cost, in øre.
    pub budget_ore: i64,
    /// The day it is to be done.
    pub end_on: Date,
}

/// How far the newest baseline is from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variance {
    /// Of the budget, in øre.
    pub budget_ore: i64,
    /// The same as a share of the first budget; none of nothing.
    pub budget_share: Option<Decimal>,
    /// Of the end, in days.
    pub days: i32,
}

/// The newest less the first.
pub fn variance(first: Held, newest: Held) -> Variance {
    // Neither budget is negative, and a calendar of four digits has fewer than four million days.
    let budget_ore = newest.budget_ore.saturating_sub(first.budget_ore);
    let share = Decimal::from(budget_ore).checked_div(Decimal::from(first.budget_ore));
    Variance {
        budget_ore,
        budget_share: share
            .map(|share| share.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointAwayFromZero).normalize()),
        days: i32::try_from((newest.end_on - first.end_on).whole_days()).unwrap_or(i32::MAX),
    }
}

/// The last day of a step that takes so many days, its first included.
pub fn last_day(first: Date, days: i32) -> Result<Date> {
    let last = first.checked_add(Duration::days(i64::from(days) - 1)).filter(|last| last.year() <= 9999);
    last.ok_or_else(|| Error::invalid("days", "lead beyond the year 9999"))
}

/// S09: a step is small, by the caps of the project's track; 0 is no cap.
pub fn must_be_small(budget_ore: i64, days: i32, (max_ore, max_days): (i64, i32)) -> Result<()> {
    if (max_ore > 0 && budget_ore > max_ore) || (max_days > 0 && days > max_days) {
        return Err(Error::IncrementTooLarge { max_ore, max_days });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn variance_table_s10() {
        let first = date!(2026 - 12 - 31);
        let cases = [
            // budgets and ends: difference, share, days
            (400, first, 400, first, 0, Some("0"), 0),
            (400, first, 500, date!(2027 - 01 - 31), 100, Some("0.25"), 31),
            (400, first, 100, date!(2026 - 12 - 01), -300, Some("-0.75"), -30),
            (300, first, 400, first, 100, Some("0.3333"), 0),
            (300, first, 500, first, 200, Some("0.6667"), 0),
            (20_000, first, 20_001, first, 1, Some("0.0001"), 0),
            (20_000, first, 19_999, first, -1, Some("-0.0001"), 0),
            (20_001, first, 20_000, first, -1, Some("0"), 0),
            (100, first, 0, first, -100, Some("-1"), 0),
            (0, first, 100, first, 100, None, 0),
            (0, first, 0, first, 0, None, 0),
            (1, first, i64::MAX, first, i64::MAX - 1, Some("9223372036854775806"), 0),
            (i64::MAX, date!(0001 - 01 - 01), 0, date!(9999 - 12 - 31), -i64::MAX, Some("-1"), 3_652_058),
        ];
        for (before, from, after, to, budget_ore, share, days) in cases {
            let found = variance(Held { budget_ore: before, end_on: from }, Held { budget_ore: after, end_on: to });
            assert_eq!((found.budget_ore, found.days), (budget_ore, days), "{before} {after}");
            assert_eq!(found.budget_share.map(|share| share.to_string()).as_deref(), share, "{before} {after}");
        }
    }

    #[test]
    fn last_day_first_included_and_within_the_calendar() {
        for (first, days, last) in [
            (date!(2026 - 01 - 31), 1, Some(date!(2026 - 01 - 31))),
            (date!(2026 - 01 - 31), 2, Some(date!(2026 - 02 - 01))),
            (date!(2024 - 01 - 01), 366, Some(date!(2024 - 12 - 31))),
            (date!(9999 - 12 - 31), 1, Some(date!(9999 - 12 - 31))),
            (date!(9999 - 12 - 31), 2, None),
        ] {
            assert_eq!(last_day(first, days).ok(), last, "{first} {days}");
        }
    }

    #[test]
    fn must_be_small_table_s09() {
        for (ore, days, caps, allowed) in [
            (100, 10, (100, 10), true),
            (101, 10, (100, 10), false),
            (100, 11, (100, 10), false),
            (i64::MAX, 10, (0, 10), true),
            (100, i32::MAX, (100, 0), true),
            (i64::MAX, i32::MAX, (0, 0), true),
            (0, 1, (100, 10), true),
        ] {
            assert_eq!(must_be_small(ore, days, caps).is_ok(), allowed, "{ore} {days} {caps:?}");
        }
    }
}
