//! The same descriptors as an OpenAPI 3.1 document, for people to read and for generators of clients.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::DescriptorPool;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    Error, Options,
    operation::{Reason, Writer, body_name},
    rules::{Binding, Segment, Variable},
    schema::Schemas,
    status,
};

/// What the descriptors do not say.
#[derive(Debug, Clone)]
pub struct OpenApi {
    /// The API's name.
    pub title: String,
    /// Its version.
    pub version: String,
    /// What it is for, in Markdown.
    pub description: String,
    /// The licence's SPDX name.
    pub licence: String,
    /// Security schemes by name; each call needs one of them.
    pub security: Json,
    /// Headers that calls may carry.
    pub headers: Vec<HeaderParameter>,
    /// Values to show for fields of these JSON names, where the contract gives none.
    pub examples: Map<String, Json>,
    /// Which services to show, by the beginning of their full names.
    pub package: String,
    /// Where the contract says for which reasons calls fail; without it every call may fail in any way.
    pub reasons: Option<Reasons>,
    /// The media type of every answer that is a `google.api.HttpBody`, where they all have one; else any.
    pub raw_media_type: Option<String>,
}

/// How a contract names the reasons for which calls fail.
#[derive(Debug, Clone)]
pub struct Reasons {
    /// The full name of the enum of `ErrorInfo` reasons. Each value's comment begins with its google.rpc code, as in
    /// `NOT_FOUND: …`; a method may fail for the reasons that its comment and its service's comment name.
    pub names: String,
    /// The words in a service's comment behind which only methods with side effects are meant.
    pub of_commands: String,
}

/// A header that calls may carry.
#[derive(Debug, Clone)]
pub struct HeaderParameter {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its schema.
    pub schema: Json,
    /// Who carries it.
    pub carried: Carried,
}

/// Who carries a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Every request.
    ByRequests,
    /// Requests of methods with side effects.
    ByCommands,
    /// Every request, and every answer.
    ByAnswersToo,
}

/// The document, its parts in the order in which people read them.
#[derive(Serialize)]
pub struct Document {
    openapi: &'static str,
    info: Json,
    servers: Json,
    tags: Vec<Json>,
    security: Json,
    paths: BTreeMap<String, Map<String, Json>>,
    components: Json,
}

/// What OpenAPI knows as methods of a path.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Writes the document.
pub fn document<'a>(
    pool: &DescriptorPool,
    bindings: impl Iterator<Item = &'a Binding>,
    options: &Options,
    about: &OpenApi,
) -> Result<Document, Error> {
    let shown: Vec<_> =
        bindings.filter(|binding| binding.method.full_name().starts_with(&about.package)).filter_map(named()).collect();
    let mut schemas = Schemas::new(pool, about.examples.clone());
    // Names that no message of the contract has in the document, whatever it is called.
    schemas.reserve(["Error", "ErrorDetail"].map(str::to_owned));
    schemas.reserve(shown.iter().map(|shown| body_name(&shown.id)));
    let mut writer = Writer { schemas, reasons: reasons(pool, about)?, options, about };
    writer.write_error_schema();
    let mut paths: BTreeMap<String, Map<String, Json>> = BTreeMap::new();
    let mut tags: BTreeMap<String, Json> = BTreeMap::new();
    for Shown { binding, http_method, id } in shown {
        let service = binding.method.parent_service();
        let text = writer.service_comment(service).split("\n\n").next().unwrap_or_default().to_owned();
        tags.entry(service.name().to_owned()).or_insert_with(|| json!({"name": service.name(), "description": text}));
        let operation = writer.operation(binding, &id);
        paths.entry(path(binding)).or_default().insert(http_method, operation);
    }
    let parameters: Map<String, Json> = about
        .headers
        .iter()
        .map(|header| {
            let parameter = json!({"name": header.name, "in": "header", "description": header.description, "schema": header.schema});
            (header.name.clone(), parameter)
        })
        .collect();
    let etag = json!({"description": "Names the state of what is answered.", "schema": {"type": "string"}});
    let answered = about.headers.iter().filter(|header| header.carried == Carried::ByAnswersToo);
    let retry_after = json!({"description": "How many seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 0}});
    let headers: Map<String, Json> = answered
        .map(|header| (header.name.clone(), json!({"description": header.description, "schema": header.schema})))
        .chain([("ETag".to_owned(), etag), ("Retry-After".to_owned(), retry_after)])
        .collect();
    let schemes: Vec<_> = about.security.as_object().into_iter().flatten().map(|(name, _)| json!({name: []})).collect();
    Ok(Document {
        openapi: "3.1.0",
        info: json!({"title": about.title, "version": about.version, "description": about.description,
            "license": {"name": about.licence, "identifier": about.licence}}),
        servers: json!([{"url": "/", "description": "Where this document is served."}]),
        tags: tags.into_values().collect(),
        security: json!(schemes),
        paths,
        components: json!({"schemas": writer.schemas.named, "parameters": parameters, "headers": headers, "securitySchemes": about.security}),
    })
}

/// A binding that OpenAPI can show.
struct Shown<'a> {
    binding: &'a Binding,
    /// In small letters, as OpenAPI has it.
    http_method: String,
    /// The method's name; with a number, where others have it too.
    id: String,
}

/// Names operations; leaves out those of methods that OpenAPI does not know.
fn named<'a>() -> impl FnMut(&'a Binding) -> Option<Shown<'a>> {
    let mut ids = BTreeSet::new();
    move |binding| {
        let http_method = binding.http_method.as_ref()?.as_str().to_ascii_lowercase();
        if !METHODS.contains(&http_method.as_str()) {
            return None;
        }
        let name = binding.method.name();
        let mut numbered = (1..).map(|number| if number == 1 { name.to_owned() } else { format!("{name}{number}") });
        let id = numbered.find(|id| ids.insert(id.clone()))?;
        Some(Shown { binding, http_method, id })
    }
}

/// The reasons that the contract knows, with their codes.
fn reasons(pool: &DescriptorPool, about: &OpenApi) -> Result<Vec<Reason>, Error> {
    let Some(Reasons { names, .. }) = &about.reasons else { return Ok(Vec::new()) };
    let known = pool.get_enum_by_name(names);
    let known = known.ok_or_else(|| Error::new(format!("openapi: there is no enum {names}")))?;
    let comments = Schemas::new(pool, Map::new());
    let file = known.parent_file_descriptor_proto().name().to_owned();
    let zero = known.get_value(0).map(|value| value.name().to_owned()).unwrap_or_default();
    let prefix = zero.strip_suffix("UNSPECIFIED").unwrap_or_default();
    let read = |value: prost_reflect::EnumValueDescriptor| {
        let begins = comments.comment(&file, value.path()).split(':').next().unwrap_or_default();
        let code = (1..17).map(tonic::Code::from).find(|known| status::name(*known) == begins);
        let no_code = || Error::new(format!("openapi: the comment of {} begins with no google.rpc code", value.name()));
        let name = value.name().strip_prefix(prefix).unwrap_or(value.name()).to_owned();
        Ok(Reason { name, code: code.ok_or_else(no_code)? })
    };
    known.values().filter(|value| value.number() != 0).map(read).collect()
}

/// The path as OpenAPI writes it. A variable of several segments has a name for each of them.
fn path(binding: &Binding) -> String {
    let mut path = String::new();
    for (index, segment) in binding.segments.iter().enumerate() {
        path.push('/');
        match (segment, variable_at(binding, index)) {
            (Segment::Literal(text), _) => path += text,
            (_, Some(variable)) => path += &format!("{{{}}}", path_name(variable, index)),
            (Segment::Single, None) => path += &format!("{{segment{index}}}"),
            (Segment::Rest, None) => path += "{rest}",
        }
    }
    match &binding.verb {
        Some(verb) => format!("{path}:{verb}"),
        None => path,
    }
}

fn variable_at(binding: &Binding, index: usize) -> Option<&Variable> {
    binding.variables.iter().find(|variable| (variable.from..variable.to.unwrap_or(usize::MAX)).contains(&index))
}

/// The name of the part of a variable that fills this segment.
pub fn path_name(variable: &Variable, index: usize) -> String {
    let names: Vec<_> = variable.field.iter().map(|field| field.name().to_owned()).collect();
    let name = names.join(".");
    match variable.is_multi() && variable.to != Some(index + 1) {
        true => format!("{name}.{}", index - variable.from),
        false => name,
    }
}
