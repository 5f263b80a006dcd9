//! A dossier as expressions see it. Lists and messages are shared, not copied: the crate's own copy their contents
//! whenever they are named.

use std::{any::Any, collections::BTreeSet, sync::Arc};

use cel::{
    ExecutionError,
    common::{
        traits::{self, Container, Indexer, Iterable, Sizer},
        types::{CelBool, CelDouble, CelInt, CelNull, CelString, LIST_TYPE, MAP_TYPE, Type},
        value::{CowVal, StaticVal, Val},
    },
};
use prost::{
    DecodeError,
    encoding::{DecodeContext, decode_key, skip_field},
};
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The longest list of a dossier. Expressions are bounded for it.
pub const LIST: usize = 200;
/// The elements of all lists of a dossier together.
pub const ROWS: usize = 2000;
/// The longest text of a dossier, in bytes.
pub const TEXT: usize = 8 << 10;

/// A dossier as expressions see it, as far as they name its fields; made once, shared from then on.
///
/// Every field is there by its name in the contract: messages and `optional` fields that are not set as null; enum
/// values by name without the enum's prefix, unspecified ones as ""; times as text, to the second, in UTC, so that they
/// compare as text with each other and with dates.
#[derive(Clone, Debug)]
pub struct Facts(Arc<Result<Record, String>>);

impl Facts {
    /// A dossier that is larger than expressions are bounded for answers every one of them with an error.
    pub fn new(dossier: &impl ReflectMessage, names: &BTreeSet<&str>) -> Self {
        let read = pruned(dossier, names).map_err(|error| format!("The dossier cannot be read: {error}."));
        Self(Arc::new(read.and_then(|dossier| Reader { names, rows: 0 }.record(&dossier))))
    }

    pub(super) fn variables(&self) -> Result<impl Iterator<Item = (&str, Box<dyn Val>)>, String> {
        let record = self.0.as_ref().as_ref().map_err(String::clone)?;
        Ok(record.0.iter().map(|(field, value)| (field.name(), value.clone())))
    }
}

/// The name that an expression knows an enum's value by.
pub fn choice(of: &EnumDescriptor, name: &str) -> String {
    let mut prefix = String::new();
    for (at, letter) in of.name().char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    let short = name.strip_prefix(&prefix).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name);
    if short == "UNSPECIFIED" { String::new() } else { short.to_owned() }
}

/// Whether a message is a time, which expressions see as text.
pub fn is_time(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.protobuf.Timestamp"
}

/// Whether expressions see a field. They see no bytes, no maps and none of protobuf's own messages but times.
pub fn is_seen(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Bytes => false,
        Kind::Message(message) => {
            is_time(&message) || (!field.is_map() && !message.full_name().starts_with("google.protobuf."))
        }
        _ => true,
    }
}

/// A message with those of its fields that are named, each whole: what no expression speaks of is not taken apart.
fn pruned(message: &impl ReflectMessage, names: &BTreeSet<&str>) -> Result<DynamicMessage, DecodeError> {
    let descriptor = message.descriptor();
    let (written, mut kept) = (message.encode_to_vec(), Vec::new());
    let mut left = written.as_slice();
    while !left.is_empty() {
        let from = left;
        let (tag, wire) = decode_key(&mut left)?;
        skip_field(wire, tag, &mut left, DecodeContext::default())?;
        if descriptor.get_field(tag).is_some_and(|field| names.contains(field.name())) {
            kept.extend_from_slice(&from[..from.len() - left.len()]);
        }
    }
    DynamicMessage::decode(descriptor, kept.as_slice())
}

struct Reader<'n> {
    names: &'n BTreeSet<&'n str>,
    rows: usize,
}

impl Reader<'_> {
    fn record(&mut self, message: &DynamicMessage) -> Result<Record, String> {
        let mut fields = Vec::new();
        let named = |field: &FieldDescriptor| self.names.contains(field.name()) && is_seen(field);
        for field in message.descriptor().fields().filter(named) {
            let value: Box<dyn Val> = if field.supports_presence() && !message.has_field(&field) {
                Box::new(CelNull)
            } else {
                self.value(&message.get_field(&field), &field.kind())?
            };
            fields.push((field, value));
        }
        Ok(Record(Arc::new(fields)))
    }

    fn value(&mut self, value: &Value, kind: &Kind) -> Result<Box<dyn Val>, String> {
        Ok(match value {
            Value::Bool(value) => Box::new(CelBool::from(*value)),
            Value::I32(value) => Box::new(CelInt::from(i64::from(*value))),
            Value::I64(value) => Box::new(CelInt::from(*value)),
            Value::U32(value) => Box::new(CelInt::from(i64::from(*value))),
            Value::U64(value) => Box::new(CelInt::from(
                i64::try_from(*value).map_err(|_| "The dossier has a number that is too large.".to_owned())?,
            )),
            Value::F32(value) => Box::new(CelDouble::from(f64::from(*value))),
            Value::F64(value) => Box::new(CelDouble::from(*value)),
            Value::String(value) if value.len() > TEXT => {
                return Err(format!("The dossier has a text of more than {TEXT} bytes."));
            }
            Value::String(value) => Box::new(CelString::from(value.clone())),
            Value::EnumNumber(number) => {
                let Kind::Enum(of) = kind else { return Err(unseen()) };
                // A number without a name equals no name.
                let name = of.get_value(*number).map_or_else(|| number.to_string(), |value| choice(of, value.name()));
                Box::new(CelString::from(name))
            }
            Value::Message(message) if is_time(&message.descriptor()) => Box::new(CelString::from(time(message)?)),
            Value::Message(message) => Box::new(self.record(message)?),
            Value::List(values) => {
                self.rows += values.len();
                if values.len() > LIST || self.rows > ROWS {
                    return Err(format!(
                        "The dossier is too long: a list may have {LIST} elements, and all lists together {ROWS}."
                    ));
                }
                Box::new(Rows(Arc::new(values.iter().map(|value| self.value(value, kind)).collect::<Result<_, _>>()?)))
            }
            Value::Bytes(_) | Value::Map(_) => return Err(unseen()),
        })
    }
}

fn unseen() -> String {
    "The dossier has a value that expressions cannot see.".to_owned()
}

fn time(message: &DynamicMessage) -> Result<String, String> {
    let seconds = message.get_field_by_name("seconds").and_then(|value| value.as_i64()).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|time| time.format(&Rfc3339).ok());
    time.ok_or_else(|| "The dossier has a time that is out of range.".to_owned())
}

/// A message. It equals nothing: expressions compare fields.
#[derive(Clone, Debug)]
struct Record(Arc<Vec<(FieldDescriptor, Box<dyn Val>)>>);

impl Val for Record {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Record {}

impl Indexer for Record {
    fn get<'b, 'v>(&'b self, field: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = field.downcast_ref::<CelString>().map_or("", CelString::inner);
        let found = self.0.iter().find(|(field, _)| field.name() == name);
        let (_, value) = found.ok_or_else(|| ExecutionError::no_such_key(name))?;
        Ok(CowVal::Borrowed(value.as_ref()))
    }

    fn steal<'v>(self: Box<Self>, field: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(field).map(CowVal::into_owned)
    }
}

/// A list. It equals nothing: expressions compare elements.
#[derive(Clone, Debug)]
struct Rows(Arc<Vec<Box<dyn Val>>>);

impl Val for Rows {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Rows {}

impl Container for Rows {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.0.iter().any(|element| element.equals(value)))
    }
}

impl Indexer for Rows {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let Some(index) = index.downcast_ref::<CelInt>().map(|index| *index.inner()) else {
            return Err(ExecutionError::no_such_overload("_[_]", Vec::new()));
        };
        let element = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        element
            .map(|element| CowVal::Borrowed(element.as_ref()))
            .ok_or_else(|| ExecutionError::IndexOutOfBounds(index.into()))
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Iterable for Rows {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Walk(self.0.iter()))
    }
}

impl Sizer for Rows {
    fn size(&self) -> CelInt {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX).into()
    }
}

struct Walk<'b>(std::slice::Iter<'b, Box<dyn Val>>);

impl<'b, 'v> traits::Iterator<'b, 'v> for Walk<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|element| -> &'b (dyn Val + 'v) { element.as_ref() })
    }
}
