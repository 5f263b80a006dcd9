//! What grants, delegations and rules of the matrix must be. Pure.

use strum::{EnumString, FromRepr, IntoStaticStr};
use time::Date;

use crate::error::{Error, Result};

/// The kind of place that a role covers. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum ScopeKind {
    Organisation = 1,
    Portfolio = 2,
    OrgUnit = 3,
    Project = 4,
}

/// What a revocation looks at. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum RevokedClaim {
    Subject = 1,
    TokenId = 2,
}

/// A period does not end before it begins, nor before today: what is over cannot be given.
pub fn must_lie_ahead(valid_from: Date, valid_until: Option<Date>, today: Date) -> Result<()> {
    match valid_until {
        Some(until) if until < valid_from => {
            Err(Error::invalid("valid_until", format!("lies before valid_from, {valid_from}")))
        }
        Some(until) if until < today => {
            Err(Error::invalid("valid_until", format!("lies in the past: today is {today}")))
        }
        _ => Ok(()),
    }
}

/// What is lent ends no later than what it is lent from.
pub fn must_end_within(valid_until: Date, grant_until: Option<Date>) -> Result<()> {
    match grant_until {
        Some(last) if valid_until > last => {
            Err(Error::invalid("valid_until", format!("lies after the grant's own last day, {last}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use strum::IntoEnumIterator;
    use time::macros::date;

    use super::*;

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for kind in ScopeKind::iter() {
            let name = format!("SCOPE_KIND_{}", <&str>::from(kind));
            assert_eq!(pb::ScopeKind::from_str_name(&name).map(i32::from), Some(kind as i32), "{name}");
        }
        for claim in RevokedClaim::iter() {
            let name = format!("REVOKED_CLAIM_{}", <&str>::from(claim));
            assert_eq!(pb::RevokedClaim::from_str_name(&name).map(i32::from), Some(claim as i32), "{name}");
        }
    }

    #[test]
    fn must_lie_ahead_table() {
        let (before, today, after) = (date!(2026 - 11 - 22), date!(2026 - 11 - 23), date!(2026 - 11 - 24));
        for (from, until, allowed) in [
            (before, None, true),
            (today, Some(today), true),
            (after, Some(after), true),
            (before, Some(before), false),
            (after, Some(today), false),
        ] {
            assert_eq!(must_lie_ahead(from, until, today).is_ok(), allowed, "{from} {until:?}");
        }
    }

    #[test]
    fn must_end_within_table() {
        let (early, late) = (date!(2026 - 11 - 23), date!(2026 - 11 - 24));
        for (until, grant, allowed) in [(late, None, true), (early, Some(late), true), (late, Some(early), false)] {
            assert_eq!(must_end_within(until, grant).is_ok(), allowed, "{until} {grant:?}");
        }
    }
}
