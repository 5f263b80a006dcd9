//! Values between their shape in the contract and their shape here.

use prost_types::{FieldMask, Timestamp};
use rust_decimal::Decimal;
use time::{Date, OffsetDateTime, macros::format_description};
use uuid::Uuid;

use crate::error::{ECHO, Error, Result};

/// A moment.
pub fn timestamp(moment: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: moment.unix_timestamp(), nanos: i32::try_from(moment.nanosecond()).unwrap_or_default() }
}

/// A day that validation has found to look like one.
pub fn day(field: &str, text: &str) -> Result<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map_err(|_| Error::invalid(field, "is no day of the calendar; write it as 2026-01-31"))
}

/// The day it is in Denmark: an hour ahead of UTC, two from the last Sunday of March to the last of October (Directive
/// 2000/84/EC; the change is at 01:00 UTC). What happens on a day is held to it; where a day decides in SQL, PostgreSQL's own tables say the same.
pub fn today(now: OffsetDateTime) -> Date {
    let change = |month: time::Month| {
        let last = Date::from_calendar_date(now.year(), month, 31).unwrap_or(Date::MIN);
        let sunday = last - time::Duration::days(last.weekday().number_days_from_sunday().into());
        sunday.with_hms(1, 0, 0).map_or(now, time::PrimitiveDateTime::assume_utc)
    };
    let summer = (change(time::Month::March)..change(time::Month::October)).contains(&now);
    (now + time::Duration::hours(if summer { 2 } else { 1 })).date()
}

/// A UUID that is no id of ours.
pub fn uuid(field: &str, text: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| Error::invalid(field, "must be a UUID"))
}

/// A decimal that validation has found to be one.
pub fn decimal(field: &str, text: &str) -> Result<Decimal> {
    text.parse().map_err(|_| Error::invalid(field, "must be a decimal"))
}

/// A decimal without trailing zeros: the column keeps six places, a caller wrote fewer.
pub fn decimal_text(value: Decimal) -> String {
    value.normalize().to_string()
}

/// The fields that an update writes: those of the mask, or, without one, those that are set. Whatever else the mask
/// names is refused.
pub fn masked(mask: Option<FieldMask>, changeable: &[(&'static str, bool)]) -> Result<Vec<&'static str>> {
    let paths = mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        let set: Vec<_> = changeable.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
        return if set.is_empty() { Err(Error::invalid("changes", "names nothing to change")) } else { Ok(set) };
    }
    let known = |path: &String| changeable.iter().map(|(name, _)| *name).find(|name| name == path);
    paths
        .iter()
        .map(|path| {
            known(path).ok_or_else(|| {
                let names: Vec<&str> = changeable.iter().map(|(name, _)| *name).collect();
                let path: String = path.chars().take(ECHO).collect();
                Error::UpdateMaskInvalid(format!("{path}: only {} can be", names.join(", ")))
            })
        })
        .collect()
}

/// The value of a field that a mask names and that cannot be empty.
pub fn required<T>(field: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::invalid(&format!("changes.{field}"), "is in the mask, but has no value"))
}

/// A name from a column; the CHECK beside it lets no other in.
pub fn known<T: std::str::FromStr>(name: &str) -> Result<T> {
    name.parse().map_err(|_| Error::Internal(format!("the database holds the unknown name {name}")))
}

/// Names a row's state: its version.
pub fn etag(version: i64) -> String {
    format!("v{version}")
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn today_is_the_danish_day_in_winter_and_summer_and_where_they_change() {
        for (now, day) in [
            (datetime!(2026-01-31 22:59:59 UTC), date!(2026 - 01 - 31)),
            (datetime!(2026-01-31 23:00:00 UTC), date!(2026 - 02 - 01)),
            (datetime!(2026-07-01 21:59:59 UTC), date!(2026 - 07 - 01)),
            (datetime!(2026-07-01 22:00:00 UTC), date!(2026 - 07 - 02)),
            // Summer time begins on 29 March 2026 and ends on 25 October, both at 01:00 UTC.
            (datetime!(2026-03-28 22:30:00 UTC), date!(2026 - 03 - 28)),
            (datetime!(2026-03-29 22:30:00 UTC), date!(2026 - 03 - 30)),
            (datetime!(2026-10-24 22:30:00 UTC), date!(2026 - 10 - 25)),
            (datetime!(2026-10-25 22:30:00 UTC), date!(2026 - 10 - 25)),
            // A year whose March ends on a Sunday.
            (datetime!(2024-03-30 22:30:00 UTC), date!(2024 - 03 - 30)),
            (datetime!(2024-03-31 22:30:00 UTC), date!(2024 - 04 - 01)),
        ] {
            assert_eq!(today(now), day, "{now}");
        }
    }
}
