//! What a benefit must be. Pure.

use rust_decimal::Decimal;
use strum::{EnumString, FromRepr, IntoStaticStr};
use time::Date;

use crate::error::{Error, Result};

/// What kind of value it is (S30). Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum BenefitKind {
    Economic = 1,
    Qualitative = 2,
}

/// What becomes of the money. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Cashability {
    Cashable = 1,
    FreedCapacity = 2,
    Avoided = 3,
    NonFinancial = 4,
    Societal = 5,
}

/// Where a benefit is on its way. Numbers and names are the contract's; the database derives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum BenefitState {
    Identified = 1,
    Profiled = 2,
    Accepted = 3,
    Baselined = 4,
    Measuring = 5,
    Realised = 6,
    PartlyRealised = 7,
    NotRealised = 8,
    Cancelled = 9,
}

/// How often it is measured. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Frequency {
    Monthly = 1,
    Quarterly = 2,
    HalfYearly = 3,
    Yearly = 4,
}

/// Which way it goes. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Direction {
    Increase = 1,
    Decrease = 2,
    Maintain = 3,
}

impl Direction {
    /// The way from a baseline to a target.
    pub fn between(baseline: Decimal, target: Decimal) -> Self {
        match target.cmp(&baseline) {
            std::cmp::Ordering::Greater => Self::Increase,
            std::cmp::Ordering::Less => Self::Decrease,
            std::cmp::Ordering::Equal => Self::Maintain,
        }
    }
}

/// What a year is to reach, and what that is worth in øre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// What the year's measurements are to come to.
    pub target: Decimal,
    /// Of economic benefits only.
    pub value_ore: Option<i64>,
}

/// S30: an economic benefit says what a year of it is worth; a qualitative one is never turned into money.
pub fn must_be_valued(kind: BenefitKind, has_value: bool) -> Result<()> {
    match (kind, has_value) {
        (BenefitKind::Economic, false) => Err(Error::invalid(
            "planned_annual_value",
            "an economic benefit needs it: the value of a full year at target, in øre, and the price level's year",
        )),
        (BenefitKind::Qualitative, true) => Err(Error::invalid(
            "planned_annual_value",
            "a qualitative benefit has none: leave it out, or make the benefit economic",
        )),
        _ => Ok(()),
    }
}

/// S30: money is economic, and what is no money is not.
pub fn must_be_cashable(kind: BenefitKind, cashability: Option<Cashability>) -> Result<()> {
    let why = match (kind, cashability) {
        (BenefitKind::Economic, Some(Cashability::NonFinancial)) => "an economic benefit is not NON_FINANCIAL",
        (BenefitKind::Qualitative, Some(Cashability::Cashable | Cashability::Avoided)) => {
            "of a qualitative benefit no money comes: FREED_CAPACITY, NON_FINANCIAL or SOCIETAL"
        }
        _ => return Ok(()),
    };
    Err(Error::invalid("cashability", why))
}

/// Each year of an economic benefit has a value, which is 0 where nothing is to change; none of a qualitative one has.
pub fn must_be_valued_yearly(kind: BenefitKind, baseline: Decimal, targets: &[Target]) -> Result<()> {
    for (index, year) in targets.iter().enumerate() {
        let why = match (kind, year.value_ore) {
            (BenefitKind::Economic, None) => "is missing: each year of an economic benefit has one, in øre",
            (BenefitKind::Qualitative, Some(_)) => "a qualitative benefit has none: leave it out",
            (_, Some(ore)) if ore != 0 && year.target == baseline => {
                "must be 0: a year whose target is the baseline changes nothing, and is worth nothing"
            }
            _ => continue,
        };
        return Err(Error::invalid(&format!("targets[{index}].value_ore"), why));
    }
    Ok(())
}

/// Prices of a year belong to money.
pub fn must_have_price_level(kind: BenefitKind, has_one: bool) -> Result<()> {
    match (kind, has_one) {
        (BenefitKind::Economic, false) => {
            Err(Error::invalid("price_level_year", "an economic benefit needs it: the year whose prices values are in"))
        }
        (BenefitKind::Qualitative, true) => {
            Err(Error::invalid("price_level_year", "a qualitative benefit has none: leave it out"))
        }
        _ => Ok(()),
    }
}

/// The last of the years is what a benefit is to come to in the end.
pub fn must_end_at(target: Decimal, value_ore: Option<i64>, targets: &[Target]) -> Result<()> {
    match targets.last() {
        Some(last) if last.target != target => {
            Err(Error::invalid("targets", "must end at `target`: the last year's target is another"))
        }
        Some(last) if last.value_ore != value_ore => {
            Err(Error::invalid("targets", "must end at `planned_annual_value`: the last year's `value_ore` is another"))
        }
        _ => Ok(()),
    }
}

/// Which values a measure can have.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// The scale's values; empty where there is none.
    pub scale: &'a [Decimal],
    /// Whether it is 1 or 0.
    pub yes_no: bool,
}

impl Range<'_> {
    /// A scale runs from the lowest to the highest, and has two ends.
    pub fn must_be_a_scale(self) -> Result<()> {
        let ascends = self.scale.windows(2).all(|pair| matches!(pair, [lower, higher] if lower < higher));
        match self.scale.len() {
            0 => Ok(()),
            1 => Err(Error::invalid("measure.scale", "has one point: name at least two, the lowest and the highest")),
            _ if !ascends => Err(Error::invalid("measure.scale", "must run from the lowest value to the highest")),
            _ if self.yes_no => Err(Error::invalid("measure.scale", "a yes or no has none: leave it out")),
            _ => Ok(()),
        }
    }

    /// Whether the measure can have this value. `field` is the one that holds it.
    pub fn must_hold(self, field: &str, value: Decimal) -> Result<()> {
        if self.yes_no && value != Decimal::ZERO && value != Decimal::ONE {
            return Err(Error::invalid(field, "must be 1 (yes) or 0 (no): that is how it is measured"));
        }
        match (self.scale.first(), self.scale.last()) {
            (Some(lowest), Some(highest)) if !(*lowest..=*highest).contains(&value) => {
                let (lowest, highest) = (lowest.normalize(), highest.normalize());
                Err(Error::invalid(
                    field,
                    format!("lies outside the measure's scale, which runs from {lowest} to {highest}"),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Where a direction is stated, the way from baseline to target is the same; else it is that.
pub fn direction(stated: Option<Direction>, baseline: Decimal, target: Decimal) -> Result<Direction> {
    let found = Direction::between(baseline, target);
    match stated {
        Some(stated) if stated != found => {
            let (stated, found) = (<&str>::from(stated), <&str>::from(found));
            let why = format!("is {stated}, but from {} to {} is {found}", baseline.normalize(), target.normalize());
            Err(Error::invalid("measure.direction", why))
        }
        _ => Ok(found),
    }
}

/// Nobody has measured, decided or paid tomorrow. `field` is the one that names the day.
pub fn must_have_happened(field: &str, day: Date, today: Date) -> Result<()> {
    if day > today {
        return Err(Error::invalid(field, format!("lies in the future: today is {today}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use strum::IntoEnumIterator;
    use time::macros::date;

    use super::*;

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for kind in BenefitKind::iter() {
            let name = format!("BENEFIT_KIND_{}", <&str>::from(kind));
            assert_eq!(pb::BenefitKind::from_str_name(&name).map(i32::from), Some(kind as i32), "{name}");
        }
        for cashability in Cashability::iter() {
            let name = format!("CASHABILITY_{}", <&str>::from(cashability));
            assert_eq!(pb::Cashability::from_str_name(&name).map(i32::from), Some(cashability as i32), "{name}");
        }
        for state in BenefitState::iter() {
            let name = format!("BENEFIT_STATE_{}", <&str>::from(state));
            assert_eq!(pb::BenefitState::from_str_name(&name).map(i32::from), Some(state as i32), "{name}");
        }
        for frequency in Frequency::iter() {
            let name = format!("MEASURE_FREQUENCY_{}", <&str>::from(frequency));
            assert_eq!(pb::MeasureFrequency::from_str_name(&name).map(i32::from), Some(frequency as i32), "{name}");
        }
        for direction in Direction::iter() {
            let name = format!("MEASURE_DIRECTION_{}", <&str>::from(direction));
            assert_eq!(pb::MeasureDirection::from_str_name(&name).map(i32::from), Some(direction as i32), "{name}");
        }
    }

    #[test]
    fn must_be_cashable_table_s30() {
        use BenefitKind::{Economic, Qualitative};
        use Cashability::{Avoided, Cashable, FreedCapacity, NonFinancial, Societal};
        for (kind, refused) in [(Economic, vec![NonFinancial]), (Qualitative, vec![Cashable, Avoided])] {
            assert!(must_be_cashable(kind, None).is_ok());
            for cashability in [Cashable, FreedCapacity, Avoided, NonFinancial, Societal] {
                let allowed = must_be_cashable(kind, Some(cashability)).is_ok();
                assert_ne!(allowed, refused.contains(&cashability), "{kind:?} {cashability:?}");
            }
        }
    }

    #[test]
    fn must_be_valued_yearly_table() {
        let (baseline, kind) = (Decimal::TEN, BenefitKind::Economic);
        let year = |target: i64, value_ore| [Target { target: Decimal::from(target), value_ore }];
        for (kind, targets, allowed) in [
            (kind, year(5, Some(100)), true),
            (kind, year(5, None), false),
            (kind, year(10, Some(0)), true),
            (kind, year(10, Some(1)), false),
            (BenefitKind::Qualitative, year(5, None), true),
            (BenefitKind::Qualitative, year(5, Some(0)), false),
        ] {
            assert_eq!(must_be_valued_yearly(kind, baseline, &targets).is_ok(), allowed, "{kind:?} {targets:?}");
        }
    }

    #[test]
    fn range_holds_what_lies_within_its_ends() {
        let scale = [1, 3, 5].map(Decimal::from);
        let range = Range { scale: &scale, yes_no: false };
        assert!(range.must_be_a_scale().is_ok());
        for (value, holds) in [("0.999999", false), ("1", true), ("2.5", true), ("5", true), ("5.000001", false)] {
            assert_eq!(range.must_hold("value", value.parse().unwrap()).is_ok(), holds, "{value}");
        }
        let yes_no = Range { scale: &[], yes_no: true };
        for (value, holds) in
            [("1", true), ("0", true), ("1.000000", true), ("2", false), ("-1", false), ("0.5", false)]
        {
            assert_eq!(yes_no.must_hold("value", value.parse().unwrap()).is_ok(), holds, "{value}");
        }
        for wrong in [&[1][..], &[3, 1], &[1, 1]] {
            let scale: Vec<Decimal> = wrong.iter().copied().map(Decimal::from).collect();
            assert!(Range { scale: &scale, yes_no: false }.must_be_a_scale().is_err(), "{wrong:?}");
        }
        assert!(Range { scale: &scale, yes_no: true }.must_be_a_scale().is_err());
    }

    #[test]
    fn direction_stated_must_be_the_way_from_baseline_to_target() {
        let between = |baseline: i64, target: i64| (Decimal::from(baseline), Decimal::from(target));
        for ((baseline, target), found) in [
            (between(1, 2), Direction::Increase),
            (between(2, 1), Direction::Decrease),
            (between(2, 2), Direction::Maintain),
        ] {
            for stated in Direction::iter() {
                assert_eq!(direction(Some(stated), baseline, target).is_ok(), stated == found, "{stated:?} {found:?}");
            }
            assert_eq!(direction(None, baseline, target).ok(), Some(found));
        }
    }

    #[test]
    fn must_be_valued_table_s30() {
        for (kind, has_value, allowed) in [
            (BenefitKind::Economic, true, true),
            (BenefitKind::Economic, false, false),
            (BenefitKind::Qualitative, true, false),
            (BenefitKind::Qualitative, false, true),
        ] {
            assert_eq!(must_be_valued(kind, has_value).is_ok(), allowed, "{kind:?} {has_value}");
        }
    }

    #[test]
    fn must_have_happened_today_allowed_tomorrow_refused() {
        assert!(must_have_happened("day", date!(2026 - 11 - 23), date!(2026 - 11 - 23)).is_ok());
        assert!(must_have_happened("day", date!(2026 - 11 - 24), date!(2026 - 11 - 23)).is_err());
    }
}
