//! Keeps Danish personal numbers (CPR) out: nothing here needs one, so none may be kept.

use std::sync::LazyLock;

use prost_reflect::{DynamicMessage, Value};
use regex::Regex;

/// Six digits that make a day, an optional dash or space, four more; not part of a longer number. The control digit is
/// no help: numbers given since 2007 need not have one.
static SHAPE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^0-9A-Za-z])(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{2}[- ]?[0-9]{4}(?:$|[^0-9A-Za-z])")
        .expect("a constant pattern")
});

/// Texts of ours that callers only hand back.
const OPAQUE: [&str; 2] = ["page_token", "etag"];

/// Whether a text holds something with the shape of a personal number.
pub fn is_in(text: &str) -> bool {
    text.len() >= 10 && SHAPE.is_match(text)
}

/// The first field of a message that does.
pub fn find_in(message: &DynamicMessage) -> Option<String> {
    message.fields().find_map(|(field, value)| match value {
        _ if OPAQUE.contains(&field.name()) => None,
        Value::String(text) if is_in(text) => Some(field.name().to_owned()),
        Value::Message(inner) => find_in(inner).map(|path| format!("{}.{path}", field.name())),
        Value::List(items) => items.iter().find_map(|item| match item {
            Value::String(text) if is_in(text) => Some(field.name().to_owned()),
            Value::Message(inner) => find_in(inner).map(|path| format!("{}.{path}", field.name())),
            _ => None,
        }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn is_in_shapes_found_others_left() {
        for text in ["010190-1234", "se 3112991234.", "0101901234", "(150585 4321)"] {
            assert!(is_in(text), "{text}");
        }
        for text in ["HED-2026-014", "991390-1234", "1234567", "20260101123456", "0199c0de-0101-7000-8000-010190123456"]
        {
            assert!(!is_in(text), "{text}");
        }
    }
}
