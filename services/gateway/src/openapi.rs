//! The same descriptors as an OpenAPI 3.1 document, for people to read and for generators of clients.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MethodDescriptor, ServiceDescriptor};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    Error, Options, json,
    rules::{Binding, Body, Segment, Variable},
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
    /// The full name of the enum of `ErrorInfo` reasons: each value's comment begins with its google.rpc code, as in
    /// `NOT_FOUND: …`, and a method may fail for the reasons that its comment and its service's comment name. Those after
    /// "commands also" in a service's comment are for methods with side effects.
    pub reasons: Option<String>,
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

/// The reasons for which calls fail: name, meaning, code.
struct Reason {
    name: String,
    code: tonic::Code,
}

/// Writes the document.
pub fn document<'a>(
    pool: &DescriptorPool,
    bindings: impl Iterator<Item = &'a Binding>,
    options: &Options,
    about: &OpenApi,
) -> Result<Document, Error> {
    let mut writer =
        Writer { schemas: Schemas::new(pool, about.examples.clone()), reasons: Vec::new(), options, about };
    writer.read_reasons(pool)?;
    writer.write_error_schema();
    let mut paths: BTreeMap<String, Map<String, Json>> = BTreeMap::new();
    let mut tags: BTreeMap<String, Json> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for binding in bindings.filter(|binding| binding.method.full_name().starts_with(&about.package)) {
        // A method of any name has no place in OpenAPI.
        let Some(http_method) = &binding.http_method else { continue };
        let service = binding.method.parent_service();
        let text = writer.service_comment(service).split("\n\n").next().unwrap_or_default().to_owned();
        tags.entry(service.name().to_owned()).or_insert_with(|| json!({"name": service.name(), "description": text}));
        let mut operation = writer.operation(binding);
        let method = binding.method.name();
        let id = (1..).map(|number| if number == 1 { method.to_owned() } else { format!("{method}{number}") });
        operation["operationId"] = json!(id.into_iter().find(|id| ids.insert(id.clone())));
        paths.entry(path(binding)).or_default().insert(http_method.as_str().to_ascii_lowercase(), operation);
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
    let headers: Map<String, Json> = answered
        .map(|header| (header.name.clone(), json!({"description": header.description, "schema": header.schema})))
        .chain([("ETag".to_owned(), etag)])
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

fn path_name(variable: &Variable, index: usize) -> String {
    let names: Vec<_> = variable.field.iter().map(|field| field.name().to_owned()).collect();
    let name = names.join(".");
    match variable.is_multi() && variable.to != Some(index + 1) {
        true => format!("{name}.{}", index - variable.from),
        false => name,
    }
}

struct Writer<'a> {
    schemas: Schemas,
    reasons: Vec<Reason>,
    options: &'a Options,
    about: &'a OpenApi,
}

impl Writer<'_> {
    fn read_reasons(&mut self, pool: &DescriptorPool) -> Result<(), Error> {
        let Some(name) = &self.about.reasons else { return Ok(()) };
        let unknown = || Error::new(format!("openapi: there is no enum {name}"));
        let reasons = pool.get_enum_by_name(name).ok_or_else(unknown)?;
        let file = reasons.parent_file_descriptor_proto().name().to_owned();
        let zero = reasons.get_value(0).map(|value| value.name().to_owned()).unwrap_or_default();
        let prefix = zero.strip_suffix("UNSPECIFIED").unwrap_or_default();
        for value in reasons.values().filter(|value| value.number() != 0) {
            let comment = self.schemas.comment(&file, value.path());
            let code = comment.split(':').next().unwrap_or_default();
            let code = (1..17).map(tonic::Code::from).find(|known| status::name(*known) == code);
            let no_code =
                || Error::new(format!("openapi: the comment of {} begins with no google.rpc code", value.name()));
            let name = value.name().strip_prefix(prefix).unwrap_or(value.name()).to_owned();
            self.reasons.push(Reason { name, code: code.ok_or_else(no_code)? });
        }
        Ok(())
    }

    fn write_error_schema(&mut self) {
        let details = json!({
            "type": "array",
            "description": "What programs need: google.rpc's ErrorInfo (reason, domain, metadata), BadRequest \
                (fieldViolations), PreconditionFailure, LocalizedMessage, RequestInfo, each with its `@type`.",
            "items": {"$ref": "#/components/schemas/ErrorDetail"},
        });
        // What callers decide by stands here by name; what else a detail holds depends on its type.
        let detail = json!({
            "type": "object",
            "description": "One of google.rpc's messages: its type, and its fields.",
            "required": ["@type"],
            "properties": {
                "@type": {"type": "string", "description": "Such as `type.googleapis.com/google.rpc.ErrorInfo`."},
                "reason": {"type": "string", "description": "Of an ErrorInfo: why, by name. Decide by this."},
                "domain": {"type": "string", "description": "Of an ErrorInfo: whose reason it is."},
            },
            "additionalProperties": true,
        });
        let schema = json!({
            "type": "object",
            "description": "A failed call: google.rpc.Status.",
            "required": ["code", "status", "message", "details"],
            "properties": {
                "code": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 16, "description": "The number of the google.rpc code."},
                "status": {"type": "string", "enum": (1..17).map(|code| status::name(code.into())).collect::<Vec<_>>(),
                    "description": "The name of the google.rpc code: decide by this and by the reason."},
                "message": {"type": "string", "description": "For people; never decide by it."},
                "details": details,
            },
        });
        self.schemas.named.insert("Error".to_owned(), schema);
        self.schemas.named.insert("ErrorDetail".to_owned(), detail);
    }

    fn service_comment(&self, service: &ServiceDescriptor) -> &str {
        self.schemas.comment(service.parent_file_descriptor_proto().name(), service.path())
    }

    fn operation(&mut self, binding: &Binding) -> Json {
        let method = &binding.method;
        let file = method.parent_service().parent_file_descriptor_proto().name().to_owned();
        let comment = self.schemas.comment(&file, method.path()).replace('\n', " ");
        let sentence = comment.split(". ").next().unwrap_or_default().trim_end_matches('.');
        let reasons = self.reasons_of(method);
        let mut operation = json!({
            "tags": [method.parent_service().name()],
            "summary": sentence,
            "description": comment,
            "responses": self.responses(binding, &reasons),
        });
        let parameters = self.parameters(binding);
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some(body) = self.body(binding) {
            operation["requestBody"] = body;
        }
        operation
    }

    fn parameters(&mut self, binding: &Binding) -> Vec<Json> {
        let mut parameters = Vec::new();
        for variable in &binding.variables {
            let Some(field) = variable.field.last() else { continue };
            for index in variable.from..variable.to.unwrap_or(binding.segments.len()) {
                if matches!(binding.segments[index], Segment::Literal(_)) {
                    continue;
                }
                parameters.push(self.parameter("path", &path_name(variable, index), field, true));
            }
        }
        let taken: Vec<_> = path_fields(binding);
        match &binding.body {
            Body::All => {}
            Body::Field(field) => {
                self.query("", &without(binding, &[taken, vec![field.clone()]].concat()), &mut parameters, 0)
            }
            Body::None => self.query("", &without(binding, &taken), &mut parameters, 0),
        }
        let header = |name: &str, text: &str, schema: Json| json!({"name": name, "in": "header", "description": text, "schema": schema});
        if let Some(etag) = &binding.conventions.etag {
            let bounds = self.schemas.field(etag);
            let bound = |name: &str| bounds.get(name).map(Json::to_string).unwrap_or_default();
            let (least, most) = (bound("minLength"), bound("maxLength"));
            let least = if least.is_empty() { "0" } else { &least };
            let example = format!("{}", self.schemas.example(etag));
            let schema = json!({"type": "string", "examples": [example],
                "pattern": format!("^(W/)?\"[!#-~]{{{least},{most}}}\"$")});
            let text = "The `ETag` that was read, in its quotes; instead of `etag` in the body.";
            parameters.push(header("If-Match", text, schema));
        }
        if reads_etag(binding) {
            let text = "An `ETag` that was read: the answer is 304 while it still holds.";
            parameters.push(header("If-None-Match", text, json!({"type": "string"})));
        }
        let is_command = is_command(&binding.method);
        let headers = self.about.headers.iter().filter(|header| is_command || header.carried != Carried::ByCommands);
        parameters.extend(headers.map(|header| json!({"$ref": format!("#/components/parameters/{}", header.name)})));
        parameters
    }

    /// The fields that a query can fill, those of messages by their dotted names.
    fn query(&mut self, prefix: &str, fields: &[FieldDescriptor], parameters: &mut Vec<Json>, depth: usize) {
        for field in fields {
            let name = format!("{prefix}{}", field.json_name());
            match field.kind() {
                Kind::Message(_) if field.is_map() || (field.is_list() && !json::is_text(&field.kind())) => {}
                Kind::Message(message) if !json::is_text(&field.kind()) => {
                    // What holds itself would never end.
                    if depth < 3 && !json::is_well_known(&message) {
                        let inner: Vec<_> = message.fields().collect();
                        self.query(&format!("{name}."), &inner, parameters, depth + 1);
                    }
                }
                _ => {
                    let required = self.schemas.is_required(field) && prefix.is_empty();
                    parameters.push(self.parameter("query", &name, field, required));
                }
            }
        }
    }

    fn parameter(&mut self, place: &str, name: &str, field: &FieldDescriptor, required: bool) -> Json {
        let mut schema = self.schemas.field(field);
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({"name": name, "in": place, "schema": schema});
        if let Some(description) = description {
            parameter["description"] = description;
        }
        if required {
            parameter["required"] = json!(true);
            parameter["example"] = self.schemas.example(field);
        }
        parameter
    }

    fn body(&mut self, binding: &Binding) -> Option<Json> {
        let (schema, example, required) = match &binding.body {
            Body::None => return None,
            Body::Field(field) => {
                (self.schemas.field(field), self.schemas.example(field), self.schemas.is_required(field))
            }
            Body::All => {
                let input = binding.method.input();
                let taken = path_fields(binding);
                let mut schema = self.schemas.object(&input, &taken, true);
                let example = self.schemas.example_of(&input, &taken);
                // What a header can say as well need not stand in the body: it may be left out, or be empty.
                if let Some(etag) = &binding.conventions.etag {
                    let name = etag.json_name();
                    schema["required"]
                        .as_array_mut()
                        .into_iter()
                        .for_each(|required| required.retain(|one| one != name));
                    schema["properties"][name].as_object_mut().map(|field| field.remove("minLength"));
                }
                if schema["required"].as_array().is_some_and(Vec::is_empty) {
                    schema.as_object_mut().map(|schema| schema.remove("required"));
                }
                let required = schema.get("required").is_some();
                let name = format!("{}Body", binding.method.name());
                self.schemas.named.insert(name.clone(), schema);
                (json!({"$ref": format!("#/components/schemas/{name}")}), example, required)
            }
        };
        let mut content = json!({"schema": schema});
        if example.as_object().is_none_or(|example| !example.is_empty()) {
            content["example"] = example;
        }
        Some(json!({"required": required, "content": {"application/json": content}}))
    }

    fn responses(&mut self, binding: &Binding, reasons: &[usize]) -> Json {
        let output = match &binding.response_body {
            Some(field) => self.schemas.field(field),
            None => self.schemas.message(&binding.method.output()),
        };
        if let Some(resource) = &binding.conventions.resource {
            self.schemas.always_holds(&binding.method.output(), resource);
        }
        let header = |name: &str| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
        let answered = self.about.headers.iter().filter(|header| header.carried == Carried::ByAnswersToo);
        let always: Map<String, Json> = answered.map(|answered| header(&answered.name)).collect();
        let mut headers = always.clone();
        headers.extend(has_etag(binding).then(|| header("ETag")));
        let conventions = &binding.conventions;
        let content = if binding.method.is_server_streaming() {
            json!({"application/x-ndjson": {"schema": output}, "text/event-stream": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "array", "items": output}}})
        } else {
            json!({"application/json": {"schema": output}})
        };
        let mut responses = Map::new();
        let mut success = |code: &str, text: &str, headers: &Map<String, Json>| {
            let response = json!({"description": text, "headers": headers, "content": content});
            responses.insert(code.to_owned(), response);
        };
        if conventions.creates {
            let can_check = binding.method.input().get_field_by_name("validate_only").is_some();
            if can_check {
                success("200", "Checked only, as `validateOnly` asked: nothing was made.", &always);
            }
            let mut headers = headers.clone();
            if conventions.located {
                let schema = json!({"type": "string", "format": "uri-reference"});
                let location = json!({"description": "Where to read what was made.", "schema": schema});
                headers.insert("Location".to_owned(), location);
            }
            success("201", "Made.", &headers);
        } else {
            success("200", "Done.", &headers);
        }
        if reads_etag(binding) {
            responses.insert(
                "304".to_owned(),
                json!({"description": "The state that `If-None-Match` names still holds.", "headers": headers}),
            );
        }
        for (http, names) in self.failures(binding, reasons) {
            let text = StatusCode::from_u16(http).ok().and_then(|status| status.canonical_reason()).unwrap_or("Failed");
            let list: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let text = if list.is_empty() { format!("{text}.") } else { format!("{text}: {}.", list.join(", ")) };
            let mut response = json!({"description": text, "headers": always,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}});
            if !names.is_empty() {
                response["x-error-reasons"] = json!(names);
            }
            responses.insert(http.to_string(), response);
        }
        Json::Object(responses)
    }

    /// Every HTTP status that a call can fail with, and the reasons behind it.
    fn failures(&self, binding: &Binding, reasons: &[usize]) -> BTreeMap<u16, Vec<String>> {
        let mut failures: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        // The gateway's own: what cannot be read, and what nothing answers.
        failures.insert(400, Vec::new());
        failures.insert(404, Vec::new());
        failures.insert(504, Vec::new());
        if !matches!(binding.body, Body::None) {
            failures.insert(408, Vec::new());
            failures.insert(413, Vec::new());
            failures.insert(415, Vec::new());
        }
        for index in reasons {
            let Reason { name, code, .. } = &self.reasons[*index];
            failures.entry(status::http_status(*code).as_u16()).or_default().push(name.clone());
            let stale = self.options.resources.as_ref().map(|resources| resources.stale_reason);
            if binding.conventions.etag.is_some() && stale == Some(name) {
                failures.entry(412).or_default().push(name.clone());
            }
        }
        failures
    }

    /// The reasons that the comments of a method and its service name.
    fn reasons_of(&self, method: &MethodDescriptor) -> Vec<usize> {
        let service = method.parent_service();
        let file = service.parent_file_descriptor_proto().name().to_owned();
        let general = self.service_comment(service);
        let general = match general.split_once("commands also") {
            Some((all, _)) if !is_command(method) => all,
            _ => general,
        };
        let text = format!("{general} {}", self.schemas.comment(&file, method.path()));
        let words: BTreeSet<&str> = text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).collect();
        (0..self.reasons.len()).filter(|index| words.contains(self.reasons[*index].name.as_str())).collect()
    }
}

/// The fields of the request message that the path fills alone.
fn path_fields(binding: &Binding) -> Vec<FieldDescriptor> {
    let whole = binding.variables.iter().filter(|variable| variable.field.len() == 1);
    whole.filter_map(|variable| variable.field.first().cloned()).collect()
}

fn without(binding: &Binding, taken: &[FieldDescriptor]) -> Vec<FieldDescriptor> {
    binding.method.input().fields().filter(|field| !taken.contains(field)).collect()
}

fn is_command(method: &MethodDescriptor) -> bool {
    use prost_types::method_options::IdempotencyLevel;
    let options = method.method_descriptor_proto().options.as_ref();
    options.is_none_or(|options| options.idempotency_level() != IdempotencyLevel::NoSideEffects)
}

fn has_etag(binding: &Binding) -> bool {
    let Some(Kind::Message(resource)) = binding.conventions.resource.as_ref().map(FieldDescriptor::kind) else {
        return false;
    };
    resource.get_field_by_name("etag").is_some()
}

fn reads_etag(binding: &Binding) -> bool {
    binding.http_method == Some(Method::GET) && has_etag(binding)
}
