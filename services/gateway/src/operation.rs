//! One operation of the OpenAPI document: what it takes, what it answers, how it fails.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use prost_reflect::{FieldDescriptor, Kind, MethodDescriptor, ServiceDescriptor};
use serde_json::{Map, Value as Json, json};

use crate::{
    Options, json,
    openapi::{Carried, OpenApi, path_name},
    resources::has_side_effects,
    rules::{Binding, Body, Segment},
    schema::Schemas,
    status,
};

/// A reason for which calls fail.
pub struct Reason {
    /// Its name.
    pub name: String,
    /// The code that it comes with.
    pub code: tonic::Code,
}

/// Writes operations, and the schemas that they refer to.
pub struct Writer<'a> {
    /// The schemas.
    pub schemas: Schemas,
    /// The reasons that the contract knows.
    pub reasons: Vec<Reason>,
    /// What was chosen of the gateway.
    pub options: &'a Options,
    /// What was chosen of the document.
    pub about: &'a OpenApi,
}

impl Writer<'_> {
    /// What every failed call answers.
    pub fn write_error_schema(&mut self) {
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

    /// What the contract says of a service.
    pub fn service_comment(&self, service: &ServiceDescriptor) -> &str {
        self.schemas.comment(service.parent_file_descriptor_proto().name(), service.path())
    }

    /// One operation.
    pub fn operation(&mut self, binding: &Binding, id: &str) -> Json {
        let method = &binding.method;
        let file = method.parent_service().parent_file_descriptor_proto().name().to_owned();
        let comment = self.schemas.comment(&file, method.path()).replace('\n', " ");
        let sentence = comment.split(". ").next().unwrap_or_default().trim_end_matches('.');
        let reasons = self.reasons_of(method);
        let mut operation = json!({
            "operationId": id,
            "tags": [method.parent_service().name()],
            "summary": sentence,
            "description": comment,
            "responses": self.responses(binding, &reasons),
        });
        let parameters = self.parameters(binding);
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some(body) = self.body(binding, id) {
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
                let mut parameter = self.parameter("path", &path_name(variable, index), field, true);
                if variable.is_multi() {
                    // One of several segments: what holds for the field holds for all of them together.
                    parameter["schema"] = json!({"type": "string"});
                    parameter["example"] = json!("text");
                }
                parameters.push(parameter);
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
        let is_command = has_side_effects(&binding.method);
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

    fn body(&mut self, binding: &Binding, id: &str) -> Option<Json> {
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
                    // Not by an index, which would put a null there where nothing is required.
                    if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
                        required.retain(|one| one != name);
                    }
                    schema["properties"][name].as_object_mut().map(|field| field.remove("minLength"));
                }
                if schema.get("required").and_then(Json::as_array).is_some_and(Vec::is_empty) {
                    schema.as_object_mut().map(|schema| schema.remove("required"));
                }
                let required = schema.get("required").is_some();
                let name = body_name(id);
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
            // Its message is never seen as such.
            _ if binding.is_raw => json!({"type": "string"}),
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
        } else if binding.is_raw {
            let media_type = self.about.raw_media_type.as_deref().unwrap_or("*/*");
            json!({media_type: {"schema": output}})
        } else {
            json!({"application/json": {"schema": output}})
        };
        let mut responses = Map::new();
        let mut success = |code: &str, text: &str, headers: &Map<String, Json>| {
            let note = if binding.is_raw { " The body is of the media type that `Content-Type` says." } else { "" };
            let response = json!({"description": format!("{text}{note}"), "headers": headers, "content": content});
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
            let mut headers = always.clone();
            headers.extend((http == 429).then(|| header("Retry-After")));
            let mut response = json!({"description": text, "headers": headers,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}});
            if !names.is_empty() {
                response["x-error-reasons"] = json!(names);
            }
            responses.insert(http.to_string(), response);
        }
        if self.about.reasons.is_none() {
            responses.insert(
                "default".to_owned(),
                json!({"description": "Failed.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}),
            );
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
            let Reason { name, code } = &self.reasons[*index];
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
        let of_commands = self.about.reasons.as_ref().map_or("", |reasons| &reasons.of_commands);
        let general = match general.split_once(of_commands) {
            Some((all, _)) if !of_commands.is_empty() && !has_side_effects(method) => all,
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

fn has_etag(binding: &Binding) -> bool {
    let Some(Kind::Message(resource)) = binding.conventions.resource.as_ref().map(FieldDescriptor::kind) else {
        return false;
    };
    resource.get_field_by_name("etag").is_some()
}

fn reads_etag(binding: &Binding) -> bool {
    binding.http_method == Some(Method::GET) && has_etag(binding)
}

/// The name of the schema of an operation's body.
pub fn body_name(id: &str) -> String {
    format!("{id}Body")
}
