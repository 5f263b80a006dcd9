//! Reads the query into a message: `page_size=5&filter.stage=IDEA&ids=1&ids=2&labels[a]=b`, every name in either spelling.

use std::collections::{HashMap, HashSet};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};

use crate::{json, json::Violation, paths::unescape};

/// How many parameters a query may have: each costs more than its bytes.
const MAX_PAIRS: usize = 1000;

/// How deep a parameter may reach into the message.
const MAX_DEPTH: usize = 32;

/// Sets the fields that the query names. `taken` is the field that the body fills.
pub fn read(query: &str, message: &mut DynamicMessage, taken: Option<&FieldDescriptor>) -> Result<(), Violation> {
    let mut seen = Seen::default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    for (index, pair) in pairs.enumerate() {
        if index == MAX_PAIRS {
            return Err(Violation::new(format!("a query may have {MAX_PAIRS} parameters")));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name)?;
        let value = decode(value).map_err(|violation| violation.within(&name))?;
        seen.trail.clear();
        let (path, key) = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            Some((path, key)) => (path, Some(key)),
            None => (name.as_str(), None),
        };
        set(message, path, key, value, taken, &mut seen).map_err(|violation| match violation.field.is_empty() {
            true => violation.within(&name),
            false => violation,
        })?;
    }
    Ok(())
}

/// The fields that hold one value and have it, by the numbers that lead to them.
#[derive(Default)]
struct Seen {
    trail: Vec<u32>,
    fields: HashSet<Vec<u32>>,
}

fn decode(text: &str) -> Result<String, Violation> {
    let mut bytes = Vec::with_capacity(text.len());
    unescape(&text.replace('+', " "), false, &mut bytes).map_err(|why| Violation::new(format!("the query {why}")))?;
    String::from_utf8(bytes).map_err(|_| Violation::new("is not UTF-8 once its escapes are read"))
}

fn set(
    message: &mut DynamicMessage,
    path: &str,
    key: Option<&str>,
    text: String,
    taken: Option<&FieldDescriptor>,
    seen: &mut Seen,
) -> Result<(), Violation> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let descriptor = prost_reflect::ReflectMessage::descriptor(message);
    let field = json::field(&descriptor, name)
        .ok_or_else(|| Violation::new(format!("{} has no field {}", descriptor.name(), json::shortened(name))))?;
    if taken == Some(&field) {
        return Err(Violation::new("comes in the body"));
    }
    if seen.trail.len() == MAX_DEPTH {
        return Err(Violation::new("reaches too deep"));
    }
    seen.trail.push(field.number());
    if let Some(rest) = rest {
        let Kind::Message(inner) = field.kind() else {
            return Err(Violation::new(format!("{name} has no fields")));
        };
        if field.is_list() || field.is_map() || json::is_well_known(&inner) {
            return Err(Violation::new(format!("a query cannot reach into {name}: send it in a body")));
        }
        if !message.has_field(&field) {
            json::set(message, &field, Value::Message(DynamicMessage::new(inner)))?;
        }
        let Value::Message(inner) = message.get_field_mut(&field) else {
            return Err(Violation::new(format!("{name} has no fields")));
        };
        return set(inner, rest, key, text, None, seen);
    }
    match (field.is_map(), key) {
        (true, Some(key)) => {
            let (key, value) = json::map_entry(&field, key.to_owned(), |kind| json::text(kind, text))?;
            if !message.has_field(&field) {
                message.set_field(&field, Value::Map(HashMap::new()));
            }
            match message.get_field_mut(&field).as_map_mut().and_then(|map| map.insert(key, value)) {
                Some(_) => Err(Violation::new("stands twice")),
                None => Ok(()),
            }
        }
        (true, None) => Err(Violation::new(format!("is a map: write {name}[key]=value"))),
        (false, Some(_)) => Err(Violation::new(format!("{name} is no map"))),
        (false, None) if field.is_list() => {
            let value = json::text(&field.kind(), text)?;
            message.get_field_mut(&field).as_list_mut().into_iter().for_each(|list| list.push(value.clone()));
            Ok(())
        }
        (false, None) if !seen.fields.insert(seen.trail.clone()) => Err(Violation::new("stands twice")),
        (false, None) => {
            let value = json::text(&field.kind(), text)?;
            json::set(message, &field, value)
        }
    }
}
