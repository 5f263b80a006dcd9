//! What a unit must be. Pure.

use time::Date;

use crate::error::{Error, Result};

/// A unit does not end before it begins. Both are days on which it is there.
pub fn must_be_a_time(valid_from: Option<Date>, valid_until: Option<Date>) -> Result<()> {
    match (valid_from, valid_until) {
        (Some(from), Some(until)) if until < from => {
            Err(Error::invalid("valid_until", format!("lies before valid_from, {from}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn must_be_a_time_table() {
        let (early, late) = (Some(date!(2026 - 01 - 01)), Some(date!(2026 - 12 - 31)));
        for (from, until, allowed) in [
            (None, None, true),
            (early, None, true),
            (None, early, true),
            (early, late, true),
            (early, early, true),
            (late, early, false),
        ] {
            assert_eq!(must_be_a_time(from, until).is_ok(), allowed, "{from:?} {until:?}");
        }
    }
}
