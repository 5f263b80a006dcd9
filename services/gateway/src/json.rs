//! From JSON, which `strict` has read, to messages: as strictly as ProtoJSON's mapping says, and telling which field is
//! wrong.
//!
//! prost-reflect writes all of our JSON and reads the well-known types. The rest is read here, because its reader lets
//! the last of two equal keys win, takes `"inf"`, `"+5"` and integers beyond 64 bits, refuses `"1e5"`, and does not say
//! where in the message an error is. What it cannot write: NaN and infinity in a `FloatValue` or `DoubleValue` (it writes
//! null), and an `Any` of nothing (left out here).

use std::{borrow::Cow, collections::HashMap};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};
use serde_json::{Number, Value as Json};

/// A field that cannot be what was sent, and how to mend it.
#[derive(Debug)]
pub struct Violation {
    /// The path of the field, as `snake_case.names[3]`; empty for the whole message.
    pub field: String,
    /// What is wrong.
    pub description: String,
}

impl Violation {
    /// A violation of the value at hand.
    pub fn new(description: impl Into<String>) -> Self {
        Self { field: String::new(), description: description.into() }
    }

    /// The same, told from one level further out.
    pub fn within(mut self, name: &str) -> Self {
        let separator = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field.insert_str(0, separator);
        self.field.insert_str(0, &shortened(name));
        self
    }
}

/// As much of what a caller wrote as an error repeats: details travel in headers.
pub fn shortened(text: &str) -> Cow<'_, str> {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Reads a message.
pub fn message(descriptor: &MessageDescriptor, json: Json) -> Result<DynamicMessage, Violation> {
    if let Some(wrapped) = wrapped(descriptor) {
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field(&wrapped, scalar(&wrapped.kind(), json)?);
        return Ok(message);
    }
    if descriptor.full_name() == "google.protobuf.Any" {
        return any(descriptor, json);
    }
    if is_well_known(descriptor) {
        lossless(descriptor, &json)?;
        return DynamicMessage::deserialize(descriptor.clone(), json)
            .map_err(|error| Violation::new(format!("is no {}: {error}", descriptor.name())));
    }
    let Json::Object(object) = json else { return Err(expected("an object", &json)) };
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut seen: Vec<u32> = Vec::new();
    for (key, json) in object {
        let field = field(descriptor, &key)
            .ok_or_else(|| Violation::new(format!("{} has no such field", descriptor.name())).within(&key))?;
        if seen.contains(&field.number()) {
            return Err(Violation::new("stands twice, under both of its names").within(&key));
        }
        seen.push(field.number());
        let value = field_value(&field, json).map_err(|violation| violation.within(field.name()))?;
        if let Some(value) = value {
            set(&mut message, &field, value)?;
        }
    }
    Ok(message)
}

/// Refuses times that prost-reflect would take for others near to them.
fn lossless(descriptor: &MessageDescriptor, json: &Json) -> Result<(), Violation> {
    let Some(text) = json.as_str().filter(|_| ["Timestamp", "Duration"].contains(&descriptor.name())) else {
        return Ok(());
    };
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    if fraction.bytes().take_while(u8::is_ascii_digit).count() > 9 {
        return Err(Violation::new("has more than nine digits after its point"));
    }
    if descriptor.name() == "Timestamp" && text.get(17..19) == Some("60") {
        return Err(Violation::new("names a leap second, which has no place in a Timestamp"));
    }
    Ok(())
}

/// Sets a field that no other of its oneof may accompany.
pub fn set(message: &mut DynamicMessage, field: &FieldDescriptor, value: Value) -> Result<(), Violation> {
    if let Some(other) = field
        .containing_oneof()
        .and_then(|oneof| oneof.fields().find(|other| other != field && message.has_field(other)))
    {
        return Err(Violation::new(format!("excludes {}: send one of them", other.name())).within(field.name()));
    }
    message.set_field(field, value);
    Ok(())
}

/// The field of this name, as JSON spells it or as the proto does.
pub fn field(descriptor: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    descriptor.get_field_by_json_name(name).or_else(|| descriptor.get_field_by_name(name))
}

/// Reads the value of a field; `null` leaves it unset, but for the types in which null is a value.
pub fn field_value(field: &FieldDescriptor, json: Json) -> Result<Option<Value>, Violation> {
    if json.is_null() && (field.is_list() || field.is_map() || !takes_null(&field.kind())) {
        return Ok(None);
    }
    if field.is_map() {
        return map(field, json).map(Some);
    }
    if !field.is_list() {
        return single(&field.kind(), json).map(Some);
    }
    let Json::Array(list) = json else { return Err(expected("a list", &json)) };
    let kind = field.kind();
    let values = list
        .into_iter()
        .enumerate()
        .map(|(index, json)| single(&kind, json).map_err(|violation| violation.within(&format!("[{index}]"))));
    values.collect::<Result<Vec<_>, _>>().map(|list| Some(Value::List(list)))
}

fn map(field: &FieldDescriptor, json: Json) -> Result<Value, Violation> {
    let Json::Object(object) = json else { return Err(expected("an object", &json)) };
    let mut map = HashMap::with_capacity(object.len());
    for (key, json) in object {
        let place = format!("[{key:?}]");
        let (key, value) = map_entry(field, key, |kind| single(kind, json)).map_err(|error| error.within(&place))?;
        if map.insert(key, value).is_some() {
            return Err(Violation::new("stands twice").within(&place));
        }
    }
    Ok(Value::Map(map))
}

/// Reads a map's key, and its value by `read`.
pub fn map_entry(
    field: &FieldDescriptor,
    key: String,
    read: impl FnOnce(&Kind) -> Result<Value, Violation>,
) -> Result<(MapKey, Value), Violation> {
    let Kind::Message(entry) = field.kind() else { return Err(Violation::new("is no map")) };
    let key = text(&entry.map_entry_key_field().kind(), key)?
        .into_map_key()
        .ok_or_else(|| Violation::new("cannot be a key"))?;
    Ok((key, read(&entry.map_entry_value_field().kind())?))
}

fn single(kind: &Kind, json: Json) -> Result<Value, Violation> {
    match kind {
        Kind::Message(descriptor) => message(descriptor, json).map(Value::Message),
        kind => scalar(kind, json),
    }
}

fn scalar(kind: &Kind, json: Json) -> Result<Value, Violation> {
    let integer = |json: &Json, least: i128, most: i128| {
        integer(json)
            .filter(|integer| (least..=most).contains(integer))
            .ok_or_else(|| expected(&format!("an integer from {least} to {most}"), json))
    };
    Ok(match kind {
        Kind::Double => Value::F64(float(&json)?),
        Kind::Float => {
            let float = float(&json)?;
            #[expect(clippy::cast_possible_truncation, reason = "rounding is what a float does")]
            let narrow = float as f32;
            if float.is_finite() && narrow.is_infinite() {
                return Err(expected("a number that fits 32 bits", &json));
            }
            Value::F32(narrow)
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Value::I32(narrow(integer(&json, i32::MIN.into(), i32::MAX.into())?)?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Value::I64(narrow(integer(&json, i64::MIN.into(), i64::MAX.into())?)?)
        }
        Kind::Uint32 | Kind::Fixed32 => Value::U32(narrow(integer(&json, 0, u32::MAX.into())?)?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(narrow(integer(&json, 0, u64::MAX.into())?)?),
        Kind::Bool => Value::Bool(json.as_bool().ok_or_else(|| expected("true or false", &json))?),
        Kind::String => match json {
            Json::String(text) => Value::String(text),
            other => return Err(expected("a string", &other)),
        },
        Kind::Bytes => Value::Bytes(bytes(&json)?.into()),
        Kind::Enum(descriptor) => match &json {
            Json::Null if descriptor.full_name() == "google.protobuf.NullValue" => Value::EnumNumber(0),
            Json::String(name) => {
                let value = descriptor.get_value_by_name(name);
                Value::EnumNumber(value.ok_or_else(|| expected(&one_of(descriptor), &json))?.number())
            }
            _ => Value::EnumNumber(narrow(integer(&json, i32::MIN.into(), i32::MAX.into())?)?),
        },
        Kind::Message(_) => return Err(expected("a single value", &json)),
    })
}

/// Whether a value of this kind has a form as text, for paths and queries.
pub fn is_text(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => {
            let named = ["google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"];
            wrapped(message).is_some() || named.contains(&message.full_name())
        }
        _ => true,
    }
}

/// Reads a value from text, as it stands in a path or a query.
pub fn text(kind: &Kind, text: String) -> Result<Value, Violation> {
    match kind {
        Kind::Bool => match text.as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(expected("true or false", &Json::String(text))),
        },
        Kind::Enum(_) => match text.parse::<i32>() {
            Ok(number) => Ok(Value::EnumNumber(number)),
            Err(_) => scalar(kind, Json::String(text)),
        },
        Kind::Message(descriptor) => match wrapped(descriptor) {
            Some(wrapped) => {
                let mut message = DynamicMessage::new(descriptor.clone());
                message.set_field(&wrapped, self::text(&wrapped.kind(), text)?);
                Ok(Value::Message(message))
            }
            None if descriptor.full_name() == "google.protobuf.FieldMask" => {
                message(descriptor, Json::String(camel(&text))).map(Value::Message)
            }
            None if is_text(kind) => message(descriptor, Json::String(text)).map(Value::Message),
            None => Err(Violation::new(format!("has no form as text: name one of {}'s fields", descriptor.name()))),
        },
        kind => scalar(kind, Json::String(text)),
    }
}

/// `display_name` as `displayName`.
fn camel(text: &str) -> String {
    let mut camel = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '_' => camel.extend(characters.next().map(|next| next.to_ascii_uppercase())),
            other => camel.push(other),
        }
    }
    camel
}

/// The field that a wrapper wraps.
pub fn wrapped(descriptor: &MessageDescriptor) -> Option<FieldDescriptor> {
    match descriptor.full_name().strip_prefix("google.protobuf.")? {
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value" | "BoolValue"
        | "StringValue" | "BytesValue" => descriptor.get_field_by_name("value"),
        _ => None,
    }
}

/// Whether JSON has a form of its own for this message.
pub fn is_well_known(descriptor: &MessageDescriptor) -> bool {
    wrapped(descriptor).is_some()
        || matches!(
            descriptor.full_name().strip_prefix("google.protobuf."),
            Some("Any" | "Timestamp" | "Duration" | "FieldMask" | "Struct" | "Value" | "ListValue" | "Empty")
        )
}

fn takes_null(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => message.full_name() == "google.protobuf.Value",
        Kind::Enum(of) => of.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

/// A message of a type that it names itself: `{"@type": "…/name", its fields}`, or `value` where JSON has a form for it.
fn any(descriptor: &MessageDescriptor, json: Json) -> Result<DynamicMessage, Violation> {
    let Json::Object(mut object) = json else { return Err(expected("an object", &json)) };
    if object.is_empty() {
        return Ok(DynamicMessage::new(descriptor.clone()));
    }
    let Some(Json::String(type_url)) = object.remove("@type") else {
        return Err(Violation::new("must name a message type").within("@type"));
    };
    let name = type_url.rsplit_once('/').map_or("", |(_, name)| name);
    let inner = descriptor
        .parent_pool()
        .get_message_by_name(name)
        .ok_or_else(|| Violation::new(format!("{:?} is no known message type", shortened(name))).within("@type"))?;
    let inner = if is_well_known(&inner) {
        let value = object.remove("value").ok_or_else(|| Violation::new("is missing").within("value"))?;
        if let Some(key) = object.keys().next() {
            return Err(Violation::new(format!("{} has no such field", inner.name())).within(key));
        }
        message(&inner, value).map_err(|violation| violation.within("value"))?
    } else {
        message(&inner, Json::Object(object))?
    };
    let any = prost_types::Any { type_url, value: inner.encode_to_vec() };
    let mut message = DynamicMessage::new(descriptor.clone());
    message.transcode_from(&any).map_err(|error| Violation::new(error.to_string()))?;
    Ok(message)
}

/// A whole number, written in any way JSON knows, in quotes or not.
fn integer(json: &Json) -> Option<i128> {
    let number = number(json)?;
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    whole.or_else(|| {
        // An integer below all that fit in 64 bits comes as the float nearest to it, which may be the least that does.
        let float =
            number.as_f64().filter(|float| float.fract() == 0.0 && *float > -(2_f64.powi(63)) && *float < 1e30)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and far below 2^127")]
        Some(float as i128)
    })
}

fn float(json: &Json) -> Result<f64, Violation> {
    let special = match json.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => None,
    };
    special
        .or_else(|| number(json)?.as_f64())
        .ok_or_else(|| expected("a number, \"NaN\", \"Infinity\" or \"-Infinity\"", json))
}

/// A number, or a string that holds one by JSON's grammar.
fn number(json: &Json) -> Option<Number> {
    match json {
        Json::Number(number) => Some(number.clone()),
        // Without this, blanks around it would do.
        Json::String(text) if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            serde_json::from_str(text).ok().filter(|_| text.ends_with(|last: char| last.is_ascii_digit()))
        }
        _ => None,
    }
}

fn narrow<T: TryFrom<i128>>(integer: i128) -> Result<T, Violation> {
    T::try_from(integer).map_err(|_| Violation::new("is out of range"))
}

fn bytes(json: &Json) -> Result<Vec<u8>, Violation> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let text = json.as_str().ok_or_else(|| expected("a base64 string", json))?;
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    engine.decode(text).map_err(|error| Violation::new(format!("is not base64: {error}")))
}

fn one_of(descriptor: &prost_reflect::EnumDescriptor) -> String {
    let names: Vec<String> = descriptor.values().map(|value| value.name().to_owned()).collect();
    format!("one of {}", names.join(", "))
}

/// Says what was expected, and what came: its kind for anything long.
fn expected(what: &str, json: &Json) -> Violation {
    let came = match json {
        Json::Null => "null".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        Json::String(text) if text.chars().count() > 40 => "a long string".to_owned(),
        other => other.to_string(),
    };
    Violation::new(format!("must be {what}, and is {came}"))
}

/// Leaves out every `Any` that holds nothing: prost-reflect cannot write one.
pub fn drop_empty_anys(message: &mut DynamicMessage) {
    let is_empty = |value: &Value| match value {
        Value::Message(inner) if inner.descriptor().full_name() == "google.protobuf.Any" => {
            inner.get_field_by_name("type_url").is_none_or(|url| url.as_str().is_none_or(str::is_empty))
        }
        _ => false,
    };
    let empty: Vec<_> = message.fields().filter(|(_, value)| is_empty(value)).map(|(field, _)| field).collect();
    for field in empty {
        message.clear_field(&field);
    }
    for (_, value) in message.fields_mut() {
        match value {
            Value::Message(inner) => drop_empty_anys(inner),
            Value::List(list) => {
                list.retain(|value| !is_empty(value));
                list.iter_mut().filter_map(Value::as_message_mut).for_each(drop_empty_anys);
            }
            Value::Map(map) => {
                map.retain(|_, value| !is_empty(value));
                map.values_mut().filter_map(Value::as_message_mut).for_each(drop_empty_anys);
            }
            _ => {}
        }
    }
}

/// Whether the message, once encoded, can be decoded again: what nests too deep cannot.
pub fn is_decodable(message: &DynamicMessage, encoded: &[u8]) -> bool {
    DynamicMessage::decode(message.descriptor(), encoded).is_ok()
}
