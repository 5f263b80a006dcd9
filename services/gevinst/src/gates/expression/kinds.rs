//! What the parts of an expression are, as far as that is known before there is a dossier.

use std::fmt;

use prost_reflect::{EnumDescriptor, MessageDescriptor};

/// The kind of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The elements of `[]`.
    Nothing,
    Null,
    Bool,
    Int,
    Double,
    /// A text of at most so many bytes.
    Text(usize),
    /// A text that names a value of an enum.
    Choice(EnumDescriptor),
    Message(MessageDescriptor),
    /// A list of at most `len`; with `gaps`, elements may be null.
    List {
        item: Box<Kind>,
        gaps: bool,
        len: usize,
    },
}

/// What a part of an expression evaluates to.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What, unless it is null.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Where it hangs in the dossier: below the dossier itself (0), or below the element of the so-manyth macro around it.
    pub root: Option<usize>,
}

impl From<Kind> for Seen {
    fn from(kind: Kind) -> Self {
        Self { kind, nullable: false, root: None }
    }
}

impl Seen {
    /// What is one or the other, if both are alike.
    pub fn join(&self, other: &Self) -> Option<Self> {
        let kind = self.kind.join(&other.kind)?;
        let root = if self.root == other.root { self.root } else { None };
        Some(Self { kind, nullable: self.nullable || other.nullable, root })
    }
}

impl Kind {
    /// Whether it is an int or a double: these compare with each other.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double)
    }

    /// Whether it is a text, of an enum or not.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Choice(_))
    }

    /// How many bytes of text it has, at most.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(bytes) => *bytes,
            // protobuf's own names.
            Self::Choice(_) => 128,
            _ => 0,
        }
    }

    fn join(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Nothing | Self::Null, kind) | (kind, Self::Nothing | Self::Null) => kind.clone(),
            (Self::Text(_), Self::Text(_)) => Self::Text(self.bytes().max(other.bytes())),
            (Self::Choice(one), Self::Choice(two)) if one == two => self.clone(),
            (one, two) if one.is_text() && two.is_text() => Self::Text(one.bytes().max(two.bytes())),
            (Self::List { item, gaps, len }, Self::List { item: other, gaps: others, len: longer }) => {
                Self::List { item: Box::new(item.join(other)?), gaps: *gaps || *others, len: *len.max(longer) }
            }
            (one, two) if one == two => one.clone(),
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => to.write_str("nothing"),
            Self::Null => to.write_str("null"),
            Self::Bool => to.write_str("a bool"),
            Self::Int => to.write_str("an int"),
            Self::Double => to.write_str("a double"),
            Self::Text(_) => to.write_str("a string"),
            Self::Choice(of) => write!(to, "a {}", of.name()),
            Self::Message(message) => write!(to, "a {}", message.name()),
            Self::List { .. } => to.write_str("a list"),
        }
    }
}
