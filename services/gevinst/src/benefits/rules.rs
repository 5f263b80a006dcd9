//! What a benefit must be. Pure.

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
