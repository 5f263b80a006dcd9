//! Values between their shape in the contract and their shape here.

use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, ReflectMessage, SerializeOptions};
use prost_types::{FieldMask, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;
use time::{
    Date, OffsetDateTime,
    macros::{format_description, offset},
};
use uuid::Uuid;

use crate::error::{ECHO, Error, Result};

/// A moment.
pub fn timestamp(moment: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: moment.unix_timestamp(), nanos: i32::try_from(moment.nanosecond()).unwrap_or_default() }
}

/// A day that validation has found to look like one. The calendar has no year 0, and PostgreSQL would write another.
pub fn day(field: &str, text: &str) -> Result<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .ok()
        .filter(|day| day.year() > 0)
        .ok_or_else(|| Error::invalid(field, "is no day of the calendar; write it as 2026-01-31"))
}

/// The day it is in Denmark. What happens on a day is held to it; where a day decides in SQL, PostgreSQL's own tables say
/// the same.
pub fn today(now: OffsetDateTime) -> Date {
    in_denmark(now).date()
}

/// A moment as the clock in Denmark shows it: an hour ahead of UTC, two from the last Sunday of March to the last of
/// October (Directive 2000/84/EC; the change is at 01:00 UTC).
pub fn in_denmark(now: OffsetDateTime) -> OffsetDateTime {
    let change = |month: time::Month| {
        let last = Date::from_calendar_date(now.year(), month, 31).unwrap_or(Date::MIN);
        let sunday = last - time::Duration::days(last.weekday().number_days_from_sunday().into());
        sunday.with_hms(1, 0, 0).map_or(now, time::PrimitiveDateTime::assume_utc)
    };
    let summer = (change(time::Month::March)..change(time::Month::October)).contains(&now);
    now.checked_to_offset(if summer { offset!(+2) } else { offset!(+1) }).unwrap_or(now)
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

/// A decimal from a JSON number, digit by digit: no float on the way.
pub fn exact<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    let number = Box::<RawValue>::deserialize(from)?;
    number.get().parse().map_err(D::Error::custom)
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

/// The contract's number of a name that a column keeps without the enum's prefix.
pub fn named<E: Into<i32>>(enum_of: fn(&str) -> Option<E>, prefix: &str, name: &str) -> Result<i32> {
    let unknown = || Error::Internal(format!("the database holds the unknown name {name}"));
    enum_of(&format!("{prefix}{name}")).map(Into::into).ok_or_else(unknown)
}

/// How a column keeps a name of the contract: without the enum's prefix.
pub fn bare(name: &'static str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

/// A message as ProtoJSON under the contract's own field names; 64-bit integers are texts. With what is empty only where
/// `whole` says so.
pub fn json(message: &impl ReflectMessage, whole: bool) -> Result<serde_json::Value> {
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(!whole);
    let written = message.transcode_to_dynamic().serialize_with_options(serde_json::value::Serializer, &options);
    written.map_err(|error| Error::Internal(format!("a message as JSON: {error}")))
}

/// Messages as a list of them.
pub fn json_list<M: ReflectMessage>(messages: &[M]) -> Result<serde_json::Value> {
    messages.iter().map(|message| json(message, false)).collect::<Result<Vec<_>>>().map(Into::into)
}

/// A message that [`json`] wrote, of this version or an earlier one.
pub fn read_json<M: Message + ReflectMessage + Default>(value: serde_json::Value) -> Result<M> {
    let unreadable = |error: &dyn std::fmt::Display| Error::Internal(format!("a stored message: {error}"));
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(M::default().descriptor(), value, &options)
        .map_err(|error| unreadable(&error))?;
    message.transcode_to().map_err(|error| unreadable(&error))
}

time::serde::format_description!(pub(crate) iso_day, Date, "[year]-[month]-[day]");

/// Names a row's state: its version.
pub fn etag(version: i64) -> String {
    format!("v{version}")
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn day_of_the_calendar_only() {
        for (text, is_day) in [
            ("2026-01-31", true),
            ("2024-02-29", true),
            ("2026-02-29", false),
            ("0001-01-01", true),
            ("0000-12-31", false),
            ("9999-12-31", true),
            ("2026-1-31", false),
        ] {
            assert_eq!(day("day", text).is_ok(), is_day, "{text}");
        }
    }

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
