//! From an HTTP request to the message that a handler gets. Reads the body no earlier than the handler asks for it, so
//! that whatever stands before the handler (authentication, limits) comes before the work.

use std::{fmt::Write, time::Duration};

use axum::body::Body as HttpBody;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    json::{self, Violation, shortened},
    paths, query, resources,
    rules::{Binding, Body, Variable},
    strict,
};

/// Above this depth of JSON, what was encoded is decoded once more to see that the handler can: a `Struct` takes three
/// levels of messages for one of JSON.
const TRUSTED_DEPTH: usize = 24;

/// Why a request never became a message.
pub struct Refusal {
    /// What the answer's status line says.
    pub http: StatusCode,
    /// What the answer's body says.
    pub status: Status,
}

impl Refusal {
    /// A refusal with a status line of its own.
    pub fn new(http: StatusCode, message: impl Into<String>) -> Self {
        Self { http, status: Status::new(Code::InvalidArgument, message) }
    }
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        let Violation { field, description } = violation;
        let message =
            if field.is_empty() { format!("The request {description}.") } else { format!("{field} {description}.") };
        let details = ErrorDetails::with_bad_request_violation(field, description);
        Self {
            http: StatusCode::BAD_REQUEST,
            status: Status::with_error_details(Code::InvalidArgument, message, details),
        }
    }
}

/// What of a request outlives the call's path through the layers.
pub struct Parts {
    /// The raw segments of the path.
    pub segments: Vec<String>,
    /// The raw query.
    pub query: Option<String>,
    /// The headers as they came.
    pub headers: HeaderMap,
    /// The body.
    pub body: HttpBody,
}

/// How much, and how long, a body may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// In bytes.
    pub size: usize,
    /// From when the handler asks for it to its last byte.
    pub time: Duration,
}

/// The request as one gRPC frame.
pub async fn frame(binding: &Binding, parts: Parts, limits: Limits) -> Result<(Bytes, DynamicMessage), Refusal> {
    let body = read_body(binding, &parts.headers, parts.body, limits).await?;
    let mut depth = 0;
    let mut message = match &binding.body {
        Body::All if body.is_empty() => DynamicMessage::new(binding.method.input()),
        Body::All => {
            let json = strict::parse(&body)?;
            depth = nest(&body);
            json::message(&binding.method.input(), json)?
        }
        Body::Field(field) if !body.is_empty() => {
            let mut message = DynamicMessage::new(binding.method.input());
            let json = strict::parse(&body).map_err(|violation| violation.within(field.name()))?;
            depth = nest(&body);
            if let Some(value) = json::field_value(field, json).map_err(|violation| violation.within(field.name()))? {
                message.set_field(field, value);
            }
            message
        }
        Body::None | Body::Field(_) => DynamicMessage::new(binding.method.input()),
    };
    if let Some(query) = parts.query.as_deref().filter(|query| !query.is_empty()) {
        let taken = match &binding.body {
            Body::All => {
                let name = query.split(['=', '&']).next().unwrap_or_default();
                return Err(Violation::new("stands in the query, where everything comes in the body")
                    .within(name)
                    .into());
            }
            Body::Field(field) => Some(field),
            Body::None => None,
        };
        query::read(query, &mut message, taken)?;
    }
    // Last: what the path says stands, whatever else the request holds.
    let segments: Vec<&str> = parts.segments.iter().map(String::as_str).collect();
    for variable in &binding.variables {
        set_from_path(&mut message, variable, &segments)?;
    }
    resources::read_conditions(&binding.conventions, &parts.headers, &mut message)?;
    let encoded = message.encode_to_vec();
    if depth > TRUSTED_DEPTH && !json::is_decodable(&message, &encoded) {
        return Err(Violation::new("nests too deep").into());
    }
    let mut frame = BytesMut::with_capacity(encoded.len() + 5);
    frame.put_u8(0);
    let length = u32::try_from(encoded.len()).map_err(|_| Violation::new("is too large"))?;
    frame.put_u32(length);
    frame.put_slice(&encoded);
    Ok((frame.freeze(), message))
}

fn set_from_path(message: &mut DynamicMessage, variable: &Variable, segments: &[&str]) -> Result<(), Refusal> {
    let mut name = String::new();
    for field in &variable.field {
        write!(name, "{}{}", if name.is_empty() { "" } else { "." }, field.name()).ok();
    }
    let text = paths::value(variable, segments).map_err(|why| Violation::new(why).within(&name))?;
    let Some((last, parents)) = variable.field.split_last() else { return Ok(()) };
    let mut message = message;
    for parent in parents {
        if !message.has_field(parent) {
            clear_oneof(message, parent);
            message.set_field(parent, Value::default_value_for_field(parent));
        }
        match message.get_field_mut(parent) {
            Value::Message(inner) => message = inner,
            _ => return Ok(()),
        }
    }
    let value = json::text(&last.kind(), text).map_err(|violation| violation.within(&name))?;
    clear_oneof(message, last);
    message.set_field(last, value);
    Ok(())
}

/// Two fields of a oneof cannot both stand: the path's does.
fn clear_oneof(message: &mut DynamicMessage, field: &prost_reflect::FieldDescriptor) {
    for other in field.containing_oneof().iter().flat_map(|oneof| oneof.fields()) {
        message.clear_field(&other);
    }
}

async fn read_body(binding: &Binding, headers: &HeaderMap, body: HttpBody, limits: Limits) -> Result<Bytes, Refusal> {
    let refuse_large =
        || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is larger than {} bytes.", limits.size));
    let announced = http_body::Body::size_hint(&body);
    if announced.exact() == Some(0) {
        return Ok(Bytes::new());
    }
    let takes_none = matches!(binding.body, Body::None);
    let refuse_any = || Refusal::from(Violation::new("takes no body: leave it out"));
    if takes_none && announced.lower() > 0 {
        return Err(refuse_any());
    }
    if usize::try_from(announced.lower()).is_ok_and(|lower| lower > limits.size) {
        return Err(refuse_large());
    }
    // Before the body is read: what is refused costs nothing to send.
    let unreadable = unsupported(headers);
    let limit = if takes_none || unreadable.is_some() { 0 } else { limits.size };
    let read = tokio::time::timeout(limits.time, Limited::new(body, limit).collect());
    let body = match read.await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(match unreadable {
                _ if takes_none => refuse_any(),
                Some(why) => Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why),
                None => refuse_large(),
            });
        }
        Ok(Err(_)) => return Err(Violation::new("broke off in its body").into()),
        Err(_) if takes_none => return Err(refuse_any()),
        Err(_) => return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "The body took too long to arrive.")),
    };
    Ok(body)
}

/// Why the body cannot be read, by its headers.
fn unsupported(headers: &HeaderMap) -> Option<String> {
    let text =
        |name: HeaderName| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_lowercase());
    if let Some(encoding) = text(header::CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
        return Some(format!("The body is encoded as {}: send it as it is.", shortened(&encoding)));
    }
    let kind = text(header::CONTENT_TYPE)?;
    let mut parts = kind.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let is_utf8 = parts
        .filter_map(|parameter| parameter.strip_prefix("charset="))
        .all(|charset| ["utf-8", "utf8"].contains(&charset.trim_matches('"')));
    (!is_json || !is_utf8).then(|| format!("The body is {}: send application/json in UTF-8.", shortened(&kind)))
}

/// How deep the brackets of a JSON document go, at most: those in strings count too.
fn nest(json: &[u8]) -> usize {
    let mut most = 0_usize;
    let mut now = 0_usize;
    for byte in json {
        match byte {
            b'{' | b'[' => now += 1,
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// The headers that reach the handler as metadata: all but those that are about this connection and this body, and the
/// deadlines, which are told anew.
pub fn metadata(headers: &HeaderMap) -> HeaderMap {
    const OURS: [&str; 17] = [
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "grpc-accept-encoding",
        "grpc-encoding",
        "grpc-timeout",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-timeout",
    ];
    // A connection may have more headers of its own, which it names (RFC 9110, 7.6.1).
    let named: Vec<&str> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .collect();
    let mut metadata = HeaderMap::with_capacity(headers.len() + 3);
    for (name, value) in headers {
        if !OURS.contains(&name.as_str()) && !named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str())) {
            metadata.append(name, value.clone());
        }
    }
    metadata.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    metadata.insert(header::TE, HeaderValue::from_static("trailers"));
    metadata
}
