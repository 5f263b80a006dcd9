//! What HTTP users expect of resources, read from the shape of the messages: an `etag` field is the `ETag` of what is
//! read and the `If-Match` of what is changed (AIP-154), and a POST to a collection answers 201 with the `Location` of
//! the member it made (AIP-133).

use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage, Value,
};
use prost_types::method_options::IdempotencyLevel;

use crate::{
    json::Violation,
    layout::Layout,
    rules::{Binding, Segment},
};

/// What a segment of a path cannot hold as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a binding says of its resource; nothing where the conventions are off.
#[derive(Default)]
pub struct Conventions {
    /// Whether they are on.
    pub on: bool,
    /// The request's `etag`.
    pub etag: Option<FieldDescriptor>,
    /// The answer's resource.
    pub resource: Option<FieldDescriptor>,
    /// Whether it only reads: a GET.
    pub reads: bool,
    /// Whether it makes a new member of a collection.
    pub creates: bool,
    /// Whether that member can be read at its id below the collection.
    pub located: bool,
}

impl Conventions {
    /// Reads them off a binding, given all bindings.
    pub fn new(binding: &Binding, all: &[Binding]) -> Self {
        let resource = binding.method.output().fields().find(|field| {
            let message = matches!(field.kind(), Kind::Message(message) if text_field(&message, "id").is_some());
            message && !field.is_list() && !field.is_map()
        });
        let creates = binding.http_method == Some(Method::POST)
            && binding.verb.is_none()
            && has_side_effects(&binding.method)
            && resource.is_some()
            && matches!(binding.segments.last(), Some(Segment::Literal(_)));
        let member: Vec<Segment> = binding.segments.iter().cloned().chain([Segment::Single]).collect();
        let located = creates
            && all.iter().any(|other| {
                other.http_method == Some(Method::GET) && other.verb.is_none() && other.segments == member
            });
        let reads = binding.http_method == Some(Method::GET);
        Self { on: true, reads, etag: text_field(&binding.method.input(), "etag"), resource, creates, located }
    }

    fn resource_of(&self, answer: &DynamicMessage) -> Option<DynamicMessage> {
        let field = self.resource.as_ref().filter(|field| answer.has_field(field))?;
        answer.get_field(field).as_message().cloned()
    }
}

/// Whether a call may change something; the contract marks what does not.
pub fn has_side_effects(method: &MethodDescriptor) -> bool {
    let options = method.method_descriptor_proto().options.as_ref();
    options.is_none_or(|options| options.idempotency_level() != IdempotencyLevel::NoSideEffects)
}

fn text_field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).filter(|field| field.kind() == Kind::String && !field.is_list())
}

/// Puts `If-Match` into the request's `etag`. A condition that the call cannot keep is refused, not ignored.
pub fn read_conditions(
    conventions: &Conventions,
    headers: &HeaderMap,
    message: &mut DynamicMessage,
) -> Result<(), Violation> {
    if !conventions.on {
        return Ok(());
    }
    if !conventions.reads {
        for name in [header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE] {
            if headers.contains_key(&name) {
                return Err(Violation::new("has no meaning here: leave it out").within(name.as_str()));
            }
        }
    }
    let mut conditions = headers.get_all(header::IF_MATCH).iter();
    let Some(condition) = conditions.next() else { return Ok(()) };
    let name = "if-match";
    let Some(field) = &conventions.etag else {
        return Err(Violation::new("has no meaning here: leave it out").within(name));
    };
    if conditions.next().is_some() {
        return Err(Violation::new("stands twice").within(name));
    }
    let tag = condition.to_str().ok().and_then(tag);
    let tag = tag.ok_or_else(|| Violation::new("must be the one ETag that was read, in its quotes").within(name))?;
    let sent = message.get_field(field).as_str().unwrap_or_default().to_owned();
    if !sent.is_empty() && sent != tag {
        return Err(Violation::new("names another state than the request's etag: send one of them").within(name));
    }
    message.set_field(field, Value::String(tag));
    Ok(())
}

/// The tag of one `"tag"`; a weak one too, as whoever compresses an answer makes it.
fn tag(text: &str) -> Option<String> {
    let quoted = text.trim();
    let quoted = quoted.strip_prefix("W/").unwrap_or(quoted);
    let tag = quoted.strip_prefix('"')?.strip_suffix('"')?;
    tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"').then(|| tag.to_owned())
}

/// What the answer to a call says about its resource.
pub struct Told {
    /// 200, 201, or 304 when the caller has it already.
    pub http: StatusCode,
    /// `ETag`, `Location`.
    pub headers: HeaderMap,
}

/// Reads status and headers off an answer.
pub fn tell(conventions: &Conventions, asked: &Asked, answer: &DynamicMessage) -> Told {
    let mut told = Told { http: StatusCode::OK, headers: HeaderMap::new() };
    if !conventions.on {
        return told;
    }
    let resource = conventions.resource_of(answer);
    let text = |name: &str| {
        let resource = resource.as_ref()?;
        let field = text_field(&resource.descriptor(), name)?;
        resource.get_field(&field).as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    // What was only checked is not there: it has neither a state nor an address.
    if asked.validate_only {
        return told;
    }
    let etag = text("etag").filter(|etag| !etag.contains(['"', ',']));
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(&format!("\"{etag}\"")).ok()) {
        let known = |condition: &HeaderValue| {
            let condition = condition.to_str().unwrap_or_default();
            condition.trim() == "*" || condition.split(',').filter_map(tag).any(|tag| etag == format!("\"{tag}\""))
        };
        if asked.is_get && asked.if_none_match.iter().any(known) {
            told.http = StatusCode::NOT_MODIFIED;
        }
        told.headers.insert(header::ETAG, etag);
    }
    if conventions.creates {
        told.http = StatusCode::CREATED;
        let location = text("id")
            .filter(|_| conventions.located)
            .map(|id| format!("{}/{}", asked.path, utf8_percent_encode(&id, ESCAPED)));
        if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            told.headers.insert(header::LOCATION, location);
        }
    }
    told
}

/// What of the request an answer depends on.
pub struct Asked {
    /// The raw path.
    pub path: String,
    /// Whether it was a GET or HEAD.
    pub is_get: bool,
    /// Its `If-None-Match` headers.
    pub if_none_match: Vec<HeaderValue>,
    /// Whether it had an `If-Match`.
    pub if_match: bool,
    /// How a stream is to be laid out.
    pub layout: Layout,
    /// Whether it asked to check only (AIP-163): known once its message is read.
    pub validate_only: bool,
}

impl Asked {
    /// Reads a request's head.
    pub fn new(parts: &Parts) -> Self {
        Self {
            path: parts.uri.path().to_owned(),
            is_get: [Method::GET, Method::HEAD].contains(&parts.method),
            if_none_match: parts.headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect(),
            if_match: parts.headers.contains_key(header::IF_MATCH),
            layout: Layout::of(&parts.headers),
            validate_only: false,
        }
    }
}

/// Whether the request asks to check only.
pub fn is_validate_only(message: &DynamicMessage) -> bool {
    message.get_field_by_name("validate_only").is_some_and(|value| value.as_bool() == Some(true))
}
