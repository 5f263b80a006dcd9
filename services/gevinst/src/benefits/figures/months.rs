//! Months, which a benefit's years are made of.

use time::{Date, Duration};

/// How many months from one day's to another's.
pub fn between(from: Date, to: Date) -> i32 {
    (to.year() - from.year()) * 12 + i32::from(u8::from(to.month())) - i32::from(u8::from(from.month()))
}

/// The first day of a day's month.
pub fn first_day(day: Date) -> Date {
    day - Duration::days(i64::from(day.day()) - 1)
}

/// The first day of the month that is so many after a day's. The calendar's last where it has no such month.
pub fn after(day: Date, months: i32) -> Date {
    let months = day.year() * 12 + i32::from(u8::from(day.month())) - 1 + months;
    let month = u8::try_from(months.rem_euclid(12) + 1).ok().and_then(|month| time::Month::try_from(month).ok());
    let first = month.and_then(|month| Date::from_calendar_date(months.div_euclid(12), month, 1).ok());
    first.unwrap_or(Date::MAX)
}

/// The last day of the year, of twelve months, that begins so many years after a first day.
pub fn year_end(first: Date, years: i32) -> Date {
    after(first, (years + 1) * 12).previous_day().unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn months_over_the_turn_of_the_year() {
        assert_eq!(between(date!(2026 - 11 - 30), date!(2027 - 02 - 01)), 3);
        assert_eq!(between(date!(2027 - 02 - 01), date!(2026 - 11 - 30)), -3);
        assert_eq!(after(date!(2026 - 11 - 30), 3), date!(2027 - 02 - 01));
        assert_eq!(after(date!(2026 - 01 - 31), -1), date!(2025 - 12 - 01));
        assert_eq!(first_day(date!(2026 - 02 - 28)), date!(2026 - 02 - 01));
        assert_eq!(year_end(date!(2026 - 03 - 01), 0), date!(2027 - 02 - 28));
        assert_eq!(year_end(date!(2026 - 03 - 01), 1), date!(2028 - 02 - 29));
        assert_eq!(after(date!(9999 - 12 - 01), 1), Date::MAX);
    }
}
