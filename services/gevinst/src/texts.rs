//! What a text may hold: no control characters but line breaks and tabs, and no Danish personal number (CPR): nothing
//! here needs one, so none may be kept.

use std::sync::LazyLock;

use prost_reflect::{DynamicMessage, Value};
use regex::Regex;

use crate::error::{Error, Result};

/// Six digits that make a day, an optional dash or space, four more; not part of a longer number. The control digit is
/// no help: numbers given since 2007 need not have one.
static PERSONAL_NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^0-9A-Za-z])(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{2}[- ]?[0-9]{4}(?:$|[^0-9A-Za-z])")
        .expect("a constant pattern")
});

/// Fields that hold no one's words: texts of ours that callers hand back, and figures, which their pattern keeps to
/// digits (2512345678.00 is an amount).
const NO_WORDS: [&str; 5] = ["page_token", "etag", "baseline", "target", "value"];

/// Whether a text holds something with the shape of a personal number.
pub fn has_personal_number(text: &str) -> bool {
    text.len() >= 10 && PERSONAL_NUMBER.is_match(text)
}

/// Holds every text of a message to it.
pub fn check(message: &DynamicMessage) -> Result<()> {
    check_below("", message)
}

fn check_below(path: &str, message: &DynamicMessage) -> Result<()> {
    for (field, value) in message.fields() {
        let path = format!("{path}{}", field.name());
        match value {
            Value::List(items) => items.iter().try_for_each(|item| check_value(&path, field.name(), item))?,
            value => check_value(&path, field.name(), value)?,
        }
    }
    Ok(())
}

fn check_value(path: &str, name: &str, value: &Value) -> Result<()> {
    match value {
        Value::Message(inner) => check_below(&format!("{path}."), inner),
        Value::String(text) => {
            has_no_control(path, text)?;
            if NO_WORDS.contains(&name) { Ok(()) } else { has_no_personal_number(path, text) }
        }
        _ => Ok(()),
    }
}

/// Refuses control characters.
pub fn has_no_control(path: &str, text: &str) -> Result<()> {
    if text.chars().any(|letter| letter.is_control() && !"\n\r\t".contains(letter)) {
        return Err(Error::invalid(path, "holds a control character: only line breaks and tabs may stand in a text"));
    }
    Ok(())
}

/// Refuses personal numbers.
pub fn has_no_personal_number(path: &str, text: &str) -> Result<()> {
    if has_personal_number(text) { Err(Error::PersonalNumberRefused(path.to_owned())) } else { Ok(()) }
}

/// Which line of a text a byte is in, asked in ascending order. The reader of CSV says where a record begins, and by its own
/// count of lines is one behind where they end as Windows writes them.
pub struct Lines<'a> {
    text: &'a [u8],
    byte: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    /// From the first line on.
    pub fn of(text: &'a str) -> Self {
        Self { text: text.as_bytes(), byte: 0, line: 1 }
    }

    /// The line of the first character from there on that ends no line.
    pub fn at(&mut self, byte: u64) -> u64 {
        let from = usize::try_from(byte).unwrap_or(usize::MAX).min(self.text.len());
        let ends = |byte: &&u8| [b'\r', b'\n'].contains(byte);
        let to = from + self.text[from..].iter().take_while(ends).count();
        self.line += self.text[self.byte.min(to)..to].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.byte = to;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::has_personal_number;

    #[test]
    fn has_personal_number_shapes_found_others_left() {
        for text in ["010190-1234", "se 3112991234.", "0101901234", "(150585 4321)"] {
            assert!(has_personal_number(text), "{text}");
        }
        for text in ["HED-2026-014", "991390-1234", "1234567", "20260101123456", "0199c0de-0101-7000-8000-010190123456"]
        {
            assert!(!has_personal_number(text), "{text}");
        }
    }
}
