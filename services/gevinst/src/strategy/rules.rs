//! What a goal's last day can be. Pure.

use time::Date;

use crate::error::{Error, Result};

/// A goal ends today or later: until it is said, people work towards it.
pub fn must_not_be_over(ends_on: Date, today: Date) -> Result<()> {
    if ends_on < today {
        return Err(Error::invalid("ends_on", format!("lies in the past: today is {today}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn must_not_be_over_today_allowed_yesterday_refused() {
        assert!(must_not_be_over(date!(2026 - 11 - 24), date!(2026 - 11 - 24)).is_ok());
        assert!(must_not_be_over(date!(2026 - 11 - 23), date!(2026 - 11 - 24)).is_err());
    }
}
