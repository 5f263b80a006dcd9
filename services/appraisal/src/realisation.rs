//! What became of a benefit, year by year from its start: planned, realised and expected, in exact decimals and whole øre
//! (domain, section 6: Progress, Realised share).
//!
//! A benefit's years are twelve whole months each, the first of them the month that its start falls in. The month that it
//! is today counts as gone.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::progress::progress;

/// Months of a year.
const YEAR: i32 = 12;

/// The formulas, in words, as answers carry them.
pub const FORMULA: &str = "A year is 12 whole months from the month of the start; the current month counts as gone. \
    actual = what the year's measurements that count come to, by the measure's aggregation. \
    share = (actual - baseline) / (target - baseline); where measurements are summed up, baseline and target are those of \
    the months covered: c of 12, each measured interval of the frequency counting whole. \
    planned to date = planned * months gone / 12. realised = planned * months gone / 12 * share; where measurements are summed \
    up, planned * c / 12 * share; nothing in a year without a measurement. \
    expected = realised + (planned - planned to date) * the newest measured share (1 before the first, 0 of a benefit that is \
    cancelled). Money is rounded once, half away from zero, to whole øre, year by year; shares are not rounded before. \
    realised share = realised / planned to date.";

/// What a year's measurements come to together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The newest, also of what is measured as yes or no.
    Latest,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// What was measured in one of a benefit's years; of measurements that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// How many; more than none.
    pub count: i64,
    /// Their sum.
    pub sum: Decimal,
    /// The smallest.
    pub min: Decimal,
    /// The largest.
    pub max: Decimal,
    /// The newest.
    pub latest: Decimal,
    /// How many months they cover: of those intervals of the measure's frequency in which there is one.
    pub months: i32,
}

impl Measured {
    /// What they come to.
    pub fn actual(&self, aggregation: Aggregation) -> Decimal {
        match aggregation {
            Aggregation::Sum => self.sum,
            Aggregation::Average => self.sum / Decimal::from(self.count),
            Aggregation::Latest => self.latest,
            Aggregation::Min => self.min,
            Aggregation::Max => self.max,
        }
    }
}

/// A year as planned, with what was measured in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Year {
    /// What it is to come to.
    pub target: Decimal,
    /// What that is worth, in øre; none of qualitative benefits.
    pub planned_ore: Option<i64>,
    /// What was measured; none where nothing was.
    pub measured: Option<Measured>,
}

/// A benefit's plan, with what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The measure before.
    pub baseline: Decimal,
    /// How a year's measurements are put together.
    pub aggregation: Aggregation,
    /// Year by year.
    pub years: Vec<Year>,
    /// How many months have gone since the start, the current one among them; none or less before it.
    pub months_gone: i32,
    /// Whether it is pursued no more: then nothing is expected of what is ahead.
    pub is_cancelled: bool,
}

/// What became of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appraised {
    /// How many of its months have gone, 0 to 12.
    pub months_gone: i32,
    /// What it came to so far; none without a measurement.
    pub actual: Option<Decimal>,
    /// The share of the way; none without a measurement, and where there is no way to go.
    pub share: Option<Share>,
    /// Of the planned amount, what falls to the months gone, in øre.
    pub planned_to_date_ore: i64,
    /// What of it was realised, in øre.
    pub realised_ore: i64,
    /// What is expected of the whole year, in øre.
    pub expected_ore: i64,
}

/// A share of the way, undivided: so that an amount times a share is rounded once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    covered: Decimal,
    /// Not zero.
    distance: Decimal,
}

impl Share {
    /// Of the whole way.
    const WHOLE: Self = Self { covered: Decimal::ONE, distance: Decimal::ONE };
    /// None of it.
    const NONE: Self = Self { covered: Decimal::ZERO, distance: Decimal::ONE };

    /// As a decimal: 1 is there.
    pub fn value(self) -> Decimal {
        self.covered / self.distance
    }

    /// So much of an amount that is given times 12, in whole øre.
    fn of(self, twelvefold: Decimal) -> i64 {
        let exact = twelvefold
            .checked_mul(self.covered)
            .and_then(|product| product.checked_div(self.distance.checked_mul(Decimal::from(YEAR))?));
        let exact = exact.or_else(|| self.value().checked_mul(twelvefold / Decimal::from(YEAR)));
        let is_negative = self.covered.is_sign_negative() != self.distance.is_sign_negative();
        exact.map_or(if is_negative { i64::MIN } else { i64::MAX }, ore)
    }

    /// As a qualitative benefit counts: no less than 0 and no more than 1.2, with four places.
    pub fn bounded(self) -> Option<Decimal> {
        progress(Decimal::ZERO, Decimal::ONE, Some(self.value()), true).value.ok().map(|progress| progress.value)
    }
}

impl Plan {
    /// What became of each year.
    pub fn appraise(&self) -> Vec<Appraised> {
        let shares: Vec<Option<Share>> = self.years.iter().map(|year| self.share(year)).collect();
        let newest = match shares.iter().rev().find_map(|share| *share) {
            _ if self.is_cancelled => Share::NONE,
            newest => newest.unwrap_or(Share::WHOLE),
        };
        let each = self.years.iter().zip(shares).zip((0..).step_by(YEAR as usize));
        each.map(|((year, share), from)| self.year(year, share, newest, from)).collect()
    }

    fn year(&self, year: &Year, share: Option<Share>, newest: Share, from: i32) -> Appraised {
        let months_gone = (self.months_gone - from).clamp(0, YEAR);
        let planned_ore = year.planned_ore.unwrap_or_default();
        let part = |months: i32| Decimal::from(planned_ore) * Decimal::from(months);
        let planned_to_date_ore = Share::WHOLE.of(part(months_gone));
        // Where each measurement is of its own part of the year, no more is shown than those parts.
        let shown = match (self.aggregation, year.measured) {
            (Aggregation::Sum, Some(measured)) => measured.months.clamp(0, YEAR),
            _ => months_gone,
        };
        let realised_ore = share.map_or(0, |share| share.of(part(shown)));
        let ahead = Decimal::from(planned_ore - planned_to_date_ore) * Decimal::from(YEAR);
        Appraised {
            months_gone,
            actual: year.measured.map(|measured| measured.actual(self.aggregation)),
            share,
            planned_to_date_ore,
            realised_ore,
            expected_ore: realised_ore.saturating_add(newest.of(ahead)),
        }
    }

    fn share(&self, year: &Year) -> Option<Share> {
        let measured = year.measured?;
        let (count, months) = (Decimal::from(measured.count), Decimal::from(measured.months));
        let way = year.target - self.baseline;
        let share = match self.aggregation {
            Aggregation::Sum => {
                Share { covered: measured.sum * Decimal::from(YEAR) - self.baseline * months, distance: way * months }
            }
            Aggregation::Average => Share { covered: measured.sum - self.baseline * count, distance: way * count },
            _ => Share { covered: measured.actual(self.aggregation) - self.baseline, distance: way },
        };
        (!share.distance.is_zero()).then_some(share)
    }

    /// Of a qualitative benefit, how far it is: its newest measured year's share, bounded as a progress is. None before it
    /// has been measured, and where there is no way to go.
    pub fn bounded_share(&self) -> Option<Decimal> {
        self.years.iter().rev().find_map(|year| self.share(year))?.bounded()
    }
}

/// What was planned and what became of it, in øre.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// In all.
    pub planned: i64,
    /// Of it, what falls to the months gone.
    pub planned_to_date: i64,
    /// By the measurements.
    pub realised: i64,
    /// In all.
    pub expected: i64,
}

impl Value {
    /// Of a year.
    pub fn of(planned: i64, found: &Appraised) -> Self {
        Self {
            planned,
            planned_to_date: found.planned_to_date_ore,
            realised: found.realised_ore,
            expected: found.expected_ore,
        }
    }

    /// Of all years.
    pub fn sum(plan: &Plan, appraised: &[Appraised]) -> Self {
        let each = plan.years.iter().zip(appraised);
        each.fold(Self::default(), |sum, (year, found)| sum.and(Self::of(year.planned_ore.unwrap_or_default(), found)))
    }

    /// A share of each figure.
    pub fn times(self, share: Decimal) -> Self {
        let of = |amount: i64| Decimal::from(amount).checked_mul(share).map_or(i64::MAX, ore);
        Self {
            planned: of(self.planned),
            planned_to_date: of(self.planned_to_date),
            realised: of(self.realised),
            expected: of(self.expected),
        }
    }

    /// This and that.
    pub fn and(self, other: Self) -> Self {
        Self {
            planned: self.planned.saturating_add(other.planned),
            planned_to_date: self.planned_to_date.saturating_add(other.planned_to_date),
            realised: self.realised.saturating_add(other.realised),
            expected: self.expected.saturating_add(other.expected),
        }
    }
}

/// Whole øre, half away from zero. What no int64 holds is the largest that it does.
pub fn ore(exact: Decimal) -> i64 {
    let whole = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    whole.try_into().unwrap_or(if whole.is_sign_negative() { i64::MIN } else { i64::MAX })
}

/// A part of an amount that is spread evenly over months: what falls to the months from `from` to `to` of so many. Parts of
/// one amount add up to it.
pub fn spread(amount_ore: i64, from: i32, to: i32, of: i32) -> i64 {
    let until = |month: i32| {
        if of == 0 { 0 } else { ore(Decimal::from(amount_ore) * Decimal::from(month) / Decimal::from(of)) }
    };
    until(to) - until(from)
}

/// How realised compares with planned, as a share with four places; none where nothing was planned yet.
pub fn realised_share(realised_ore: i64, planned_ore: i64) -> Option<Decimal> {
    let progress = progress(Decimal::ZERO, Decimal::from(planned_ore), Some(Decimal::from(realised_ore)), false);
    progress.value.ok().map(|progress| progress.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    fn measured(values: &[&str], months: i32) -> Option<Measured> {
        let values: Vec<Decimal> = values.iter().map(|value| decimal(value)).collect();
        Some(Measured {
            count: i64::try_from(values.len()).ok()?,
            sum: values.iter().sum(),
            min: *values.iter().min()?,
            max: *values.iter().max()?,
            latest: *values.last()?,
            months,
        })
    }

    fn year(target: &str, planned_ore: i64, measured: Option<Measured>) -> Year {
        Year { target: decimal(target), planned_ore: Some(planned_ore), measured }
    }

    fn plan(aggregation: Aggregation, months_gone: i32, years: Vec<Year>) -> Plan {
        Plan { baseline: decimal("1000"), aggregation, years, months_gone, is_cancelled: false }
    }

    /// Worked by hand: from 1,000 to 800 in the first year (worth 600), to 600 in the second (worth 1,200), after 18 months.
    #[test]
    fn levels_hold_for_the_months_gone() {
        let years = vec![year("800", 600, measured(&["900", "850"], 6)), year("600", 1200, measured(&["700"], 3))];
        let found = plan(Aggregation::Latest, 18, years).appraise();
        // (850 - 1000) / (800 - 1000) = 0.75 of 600.
        assert_eq!(found[0].share.map(Share::value), Some(decimal("0.75")));
        assert_eq!((found[0].months_gone, found[0].planned_to_date_ore, found[0].realised_ore), (12, 600, 450));
        assert_eq!((found[0].actual, found[0].expected_ore), (Some(decimal("850")), 450));
        // (700 - 1000) / (600 - 1000) = 0.75 of 1200 * 6/12; and 0.75 of the half that is ahead.
        assert_eq!((found[1].planned_to_date_ore, found[1].realised_ore, found[1].expected_ore), (600, 450, 900));
    }

    /// 12,000 cases a year are to become 6,000: 3,000 in six months are 1.0 of those six months' way.
    #[test]
    fn sums_are_compared_with_the_months_they_cover() {
        let saved = |months_gone, values: &[&str], months| {
            let years = vec![year("6000", 1200, measured(values, months))];
            let plan = Plan { baseline: decimal("12000"), ..plan(Aggregation::Sum, months_gone, years) };
            let found = plan.appraise();
            (
                found[0].share.map(Share::value),
                found[0].planned_to_date_ore,
                found[0].realised_ore,
                found[0].expected_ore,
            )
        };
        assert_eq!(saved(6, &["1500", "1500"], 6), (Some(Decimal::ONE), 600, 600, 1200));
        // Nobody has measured the last three months: they show nothing.
        assert_eq!(saved(9, &["1500", "1500"], 6), (Some(Decimal::ONE), 900, 600, 900));
        assert_eq!(saved(6, &["2250", "2250"], 6), (Some(decimal("0.5")), 600, 300, 600));
    }

    #[test]
    fn aggregation_table() {
        let values = measured(&["3", "9", "1", "7"], 4).expect("measured");
        for (aggregation, expected) in [
            (Aggregation::Sum, "20"),
            (Aggregation::Average, "5"),
            (Aggregation::Latest, "7"),
            (Aggregation::Min, "1"),
            (Aggregation::Max, "9"),
        ] {
            assert_eq!(values.actual(aggregation), decimal(expected), "{aggregation:?}");
        }
    }

    #[test]
    fn year_not_measured_has_realised_nothing_and_is_expected_as_planned() {
        let found = plan(Aggregation::Latest, 6, vec![year("800", 1000, None), year("600", 2000, None)]).appraise();
        assert_eq!((found[0].share, found[0].planned_to_date_ore, found[0].realised_ore), (None, 500, 0));
        assert_eq!((found[0].expected_ore, found[1].expected_ore), (500, 2000));
        assert_eq!((found[1].months_gone, found[1].planned_to_date_ore), (0, 0));
    }

    #[test]
    fn nothing_is_expected_of_what_is_ahead_of_a_cancelled_one() {
        let years = vec![year("800", 1200, measured(&["800"], 1)), year("600", 1200, None)];
        let found = Plan { is_cancelled: true, ..plan(Aggregation::Latest, 6, years) }.appraise();
        assert_eq!((found[0].realised_ore, found[0].expected_ore, found[1].expected_ore), (600, 600, 0));
    }

    #[test]
    fn before_the_start_nothing_has_gone_and_after_the_end_everything() {
        let years = || vec![year("800", 1000, measured(&["900"], 1))];
        let months = |gone| plan(Aggregation::Latest, gone, years()).appraise()[0].planned_to_date_ore;
        assert_eq!((months(-3), months(0), months(1), months(12), months(99)), (0, 0, 83, 1000, 1000));
    }

    #[test]
    fn worse_than_before_is_negative_and_extremes_do_not_overflow() {
        let found = plan(Aggregation::Latest, 12, vec![year("800", 1000, measured(&["1100"], 1))]).appraise();
        assert_eq!((found[0].share.map(Share::value), found[0].realised_ore), (Some(decimal("-0.5")), -500));
        let most = measured(&["999999999999999.999999"], 1);
        let extreme = Plan {
            baseline: Decimal::ZERO,
            ..plan(Aggregation::Latest, 12, vec![year("0.000001", 100_000_000_000_000, most)])
        };
        assert_eq!(extreme.appraise()[0].realised_ore, i64::MAX);
    }

    #[test]
    fn amounts_are_rounded_once_at_the_end() {
        // A third of the way in two of twelve months, of 9 øre: 0.5, which is 1 øre; a third of 1.5 in decimals is 0.4999….
        let third =
            Plan { baseline: Decimal::ZERO, ..plan(Aggregation::Latest, 2, vec![year("3", 9, measured(&["1"], 1))]) };
        assert_eq!(third.appraise()[0].realised_ore, 1);
    }

    #[test]
    fn bounded_share_is_the_newest_measured_years_within_its_bounds() {
        let bounded = |first: Option<Measured>, second: Option<Measured>| {
            plan(Aggregation::Latest, 24, vec![year("800", 0, first), year("600", 0, second)]).bounded_share()
        };
        assert_eq!(bounded(None, None), None);
        assert_eq!(bounded(measured(&["900"], 1), None), Some(decimal("0.5000")));
        assert_eq!(bounded(measured(&["900"], 1), measured(&["1200"], 1)), Some(decimal("0.0000")));
        assert_eq!(bounded(measured(&["100"], 1), None), Some(decimal("1.2000")));
    }

    #[test]
    fn spread_parts_add_up_to_the_whole() {
        for amount in [0, 1, 100, 1_000_003, -7] {
            let parts: i64 = (0..12).map(|month| spread(amount, month, month + 1, 12)).sum();
            assert_eq!(parts, amount);
            assert_eq!(spread(amount, 0, 5, 12) + spread(amount, 5, 12, 12), amount);
        }
        assert_eq!(spread(5, 0, 0, 0), 0);
    }

    #[test]
    fn realised_share_table() {
        for (realised, planned, share) in
            [(75, 100, Some("0.7500")), (1, 3, Some("0.3333")), (0, 0, None), (5, 0, None), (-50, 100, Some("-0.5000"))]
        {
            assert_eq!(realised_share(realised, planned).map(|share| share.to_string()).as_deref(), share);
        }
    }
}
