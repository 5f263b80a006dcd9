//! Reads `google.api.http` from the descriptors: which method answers which HTTP method and path, and how a request and
//! an answer are laid out. Whatever cannot work is refused here, before anything is served.

use std::{collections::BTreeSet, sync::Arc};

use http::{Method, uri::PathAndQuery};
use http_path_template::{Grammar, PathTemplate};
use percent_encoding::percent_decode_str;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};

use crate::{Error, json, resources::Conventions};

/// The message whose `data` are a body of any kind.
const HTTP_BODY: &str = "google.api.HttpBody";

/// Where the message of a request's body goes.
pub enum Body {
    /// There is none.
    None,
    /// Everything that the path does not name.
    All,
    /// One field.
    Field(FieldDescriptor),
}

/// A path's segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text, percent-decoded.
    Literal(String),
    /// Any one segment.
    Single,
    /// All segments from here on, none included.
    Rest,
}

/// A part of the path that fills a field.
pub struct Variable {
    /// The field, from the request message down.
    pub field: Vec<FieldDescriptor>,
    /// The first segment.
    pub from: usize,
    /// One past the last segment; `None` for all the rest.
    pub to: Option<usize>,
}

impl Variable {
    /// Whether it may hold more than one segment, and therefore keeps `%2F` apart from `/`.
    pub fn is_multi(&self) -> bool {
        self.to.is_none_or(|to| to - self.from > 1)
    }
}

/// One way to call one method over HTTP.
pub struct Binding {
    /// The method.
    pub method: MethodDescriptor,
    /// Its gRPC path.
    pub grpc_path: PathAndQuery,
    /// The HTTP method; `None` is any (`custom { kind: "*" }`).
    pub http_method: Option<Method>,
    /// The path's template, as written.
    pub template: Arc<str>,
    /// The template's segments, variables opened up.
    pub segments: Vec<Segment>,
    /// What follows the last segment after a colon.
    pub verb: Option<String>,
    /// The fields that the path fills.
    pub variables: Vec<Variable>,
    /// Where the body goes.
    pub body: Body,
    /// The field of the answer that is sent; `None` for all of it.
    pub response_body: Option<FieldDescriptor>,
    /// Whether what is sent is a `google.api.HttpBody`: its `data` as they are, as its `content_type`.
    pub is_raw: bool,
    /// What HTTP says of its resource.
    pub conventions: Conventions,
}

/// The bindings of every method in the pool.
pub fn bindings(pool: &DescriptorPool) -> Result<Vec<Binding>, Error> {
    let Some(http) = pool.get_extension_by_name("google.api.http") else {
        return Err(Error::new("the descriptor set does not hold google/api/annotations.proto: include imports"));
    };
    let mut bindings = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = method.options();
        if !options.has_extension(&http) {
            continue;
        }
        let Value::Message(rule) = options.get_extension(&http).into_owned() else { continue };
        let refused = |why: String| Error::new(format!("{}: {why}", method.full_name()));
        if method.is_client_streaming() {
            return Err(refused("a client stream has no HTTP form".to_owned()));
        }
        bindings.push(binding(&method, &rule).map_err(refused)?);
        for additional in messages(&rule, "additional_bindings") {
            if !messages(&additional, "additional_bindings").is_empty() {
                return Err(refused("additional bindings have none of their own".to_owned()));
            }
            bindings.push(binding(&method, &additional).map_err(refused)?);
        }
    }
    Ok(bindings)
}

fn binding(method: &MethodDescriptor, rule: &DynamicMessage) -> Result<Binding, String> {
    let (http_method, template) = pattern(rule)?;
    let parsed =
        PathTemplate::parse(&template, Grammar::default()).map_err(|error| format!("path {template:?}: {error}"))?;
    let input = method.input();
    let mut segments = Vec::new();
    let mut variables: Vec<Variable> = Vec::new();
    let mut names = BTreeSet::new();
    for segment in parsed.segments() {
        let http_path_template::Segment::Variable(variable) = segment else {
            segments.push(plain(segment)?);
            continue;
        };
        let from = segments.len();
        for segment in variable.segments() {
            segments.push(plain(&segment)?);
        }
        let to = (segments.last() != Some(&Segment::Rest)).then_some(segments.len());
        let name = variable.field_path();
        if !names.insert(name) {
            return Err(format!("path {template:?}: {{{name}}} stands twice"));
        }
        variables.push(Variable { field: path_field(&input, name)?, from, to });
    }
    let body = match text(rule, "body").as_str() {
        "" => Body::None,
        "*" => Body::All,
        name => Body::Field(top_field(&input, "body", name)?),
    };
    let response_body = match text(rule, "response_body").as_str() {
        "" => None,
        name => Some(top_field(&method.output(), "response_body", name)?),
    };
    // It says that the request's body comes as it is: whoever sent one would be told that it is no JSON.
    let holds_raw = input.fields().find(|field| is_http_body(&field.kind()));
    if is_http_body(&Kind::Message(input.clone())) || holds_raw.is_some() {
        let place = holds_raw.map(|field| format!(" ({})", field.name())).unwrap_or_default();
        return Err(format!("{HTTP_BODY} in a request{place} is not supported: only an answer can be one"));
    }
    let is_raw = match &response_body {
        None => is_http_body(&Kind::Message(method.output())),
        Some(field) => !field.is_list() && is_http_body(&field.kind()),
    };
    if is_raw && method.is_server_streaming() {
        return Err(format!("a stream of {HTTP_BODY} is not supported: only a single answer can be one"));
    }
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    Ok(Binding {
        method: method.clone(),
        grpc_path: PathAndQuery::try_from(path).map_err(|error| error.to_string())?,
        http_method,
        segments,
        verb: parsed.verb().map(decoded),
        variables,
        body,
        response_body,
        is_raw,
        template: template.as_str().into(),
        conventions: Conventions::default(),
    })
}

/// The HTTP method and the template.
fn pattern(rule: &DynamicMessage) -> Result<(Option<Method>, String), String> {
    let verbs = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    for (field, method) in verbs {
        if rule.has_field_by_name(field) {
            return Ok((Some(method), text(rule, field)));
        }
    }
    let custom = rule.get_field_by_name("custom").filter(|_| rule.has_field_by_name("custom"));
    let Some(Value::Message(custom)) = custom.map(|custom| custom.into_owned()) else {
        return Err("the HTTP rule names no path".to_owned());
    };
    let kind = text(&custom, "kind");
    let method = match kind.as_str() {
        "*" => None,
        kind => Some(Method::from_bytes(kind.as_bytes()).map_err(|_| format!("{kind:?} is no HTTP method"))?),
    };
    Ok((method, text(&custom, "path")))
}

fn plain(segment: &http_path_template::Segment<'_>) -> Result<Segment, String> {
    Ok(match segment {
        http_path_template::Segment::Literal(text) if text.contains(':') => {
            return Err(format!("{text:?}: a colon begins a verb, at the end of the path; write %3A in a segment"));
        }
        http_path_template::Segment::Literal(text) => Segment::Literal(decoded(text)),
        http_path_template::Segment::Rest => Segment::Rest,
        _ => Segment::Single,
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A field that a path may fill: one value, which has a form as text.
fn path_field(input: &MessageDescriptor, path: &str) -> Result<Vec<FieldDescriptor>, String> {
    let mut fields: Vec<FieldDescriptor> = Vec::new();
    for name in path.split('.') {
        let message = match fields.last() {
            None => input.clone(),
            Some(field) => match field.kind() {
                Kind::Message(message) if !field.is_list() && !json::is_text(&field.kind()) => message,
                _ => return Err(format!("{{{path}}}: {} has no fields", field.name())),
            },
        };
        let field = message
            .get_field_by_name(name)
            .ok_or_else(|| format!("{{{path}}}: {} has no field {name}", message.full_name()))?;
        fields.push(field);
    }
    match fields.last() {
        Some(field) if !field.is_list() && !field.is_map() && json::is_text(&field.kind()) => Ok(fields),
        _ => Err(format!("{{{path}}}: only a single value can stand in a path")),
    }
}

fn top_field(message: &MessageDescriptor, what: &str, name: &str) -> Result<FieldDescriptor, String> {
    message.get_field_by_name(name).ok_or_else(|| format!("{what}: {} has no field {name}", message.full_name()))
}

fn is_http_body(kind: &Kind) -> bool {
    matches!(kind, Kind::Message(message) if message.full_name() == HTTP_BODY)
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn messages(message: &DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let Some(value) = message.get_field_by_name(field) else { return Vec::new() };
    value.as_list().unwrap_or_default().iter().filter_map(|value| value.as_message().cloned()).collect()
}
