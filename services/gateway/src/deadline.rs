//! How long a caller will wait: `grpc-timeout` as gRPC has it, or `x-request-timeout` in seconds, for people.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::json::Violation;

/// What the caller allows; the shorter, where both headers are there.
pub fn asked(headers: &HeaderMap) -> Result<Option<Duration>, Violation> {
    let read = |name: &str, read: fn(&str) -> Option<Duration>, form: &str| {
        let Some(value) = headers.get(name) else { return Ok(None) };
        // In no time nothing can be answered.
        let duration = value.to_str().ok().and_then(|text| read(text.trim())).filter(|time| !time.is_zero());
        duration.map(Some).ok_or_else(|| Violation::new(format!("must be {form}")).within(name))
    };
    let grpc = read("grpc-timeout", grpc, "up to eight digits and one of H, M, S, m, u, n, as in 1500m")?;
    let plain =
        read("x-request-timeout", plain, "a number of seconds, or of milliseconds with ms, as in 1.5 or 1500ms")?;
    Ok(grpc.into_iter().chain(plain).min())
}

/// Reads a `grpc-timeout`: up to eight digits and a unit.
pub fn grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

fn plain(text: &str) -> Option<Duration> {
    let (number, seconds) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    // Rust reads more as a number than people write.
    if !number.starts_with(|first: char| first.is_ascii_digit())
        || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

/// The header that tells the service: in the finest unit that eight digits hold, rounded up.
pub fn header(timeout: Duration) -> HeaderValue {
    let text = match timeout.as_nanos().div_ceil(1000) {
        micros @ 0..=99_999_999 => format!("{micros}u"),
        micros => match micros.div_ceil(1000) {
            millis @ 0..=99_999_999 => format!("{millis}m"),
            millis => format!("{}S", millis.div_ceil(1000).min(99_999_999)),
        },
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("99999999S"))
}
