//! Messages as JSON Schema (2020-12, as OpenAPI 3.1 uses it): what ProtoJSON they are, what their comments say, and the
//! bounds that `google.api.field_behavior` and `buf.validate` set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use serde_json::{Map, Value as Json, json};

use crate::json;

/// Writes schemas, and collects the ones that others refer to.
pub struct Schemas {
    pool: DescriptorPool,
    comments: HashMap<(String, Vec<i32>), String>,
    examples: Map<String, Json>,
    reserved: BTreeSet<String>,
    /// The schemas by their names.
    pub named: BTreeMap<String, Json>,
}

impl Schemas {
    /// For the messages of this pool, with examples of fields by their JSON names.
    pub fn new(pool: &DescriptorPool, examples: Map<String, Json>) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            for location in file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location) {
                let lines = location.leading_comments().lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
                let comment = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
                if !comment.is_empty() {
                    comments.insert((file.name().to_owned(), location.path.clone()), comment);
                }
            }
        }
        Self { pool: pool.clone(), comments, examples, reserved: BTreeSet::new(), named: BTreeMap::new() }
    }

    /// Keeps names for what is no message: a message of such a name goes by its full one.
    pub fn reserve(&mut self, names: impl IntoIterator<Item = String>) {
        self.reserved.extend(names);
    }

    /// What a comment says of the thing at this place.
    pub fn comment(&self, file: &str, path: &[i32]) -> &str {
        self.comments.get(&(file.to_owned(), path.to_vec())).map_or("", String::as_str)
    }

    /// A reference to a message's schema, or the schema itself where JSON has a form of its own for it.
    pub fn message(&mut self, message: &MessageDescriptor) -> Json {
        if let Some(wrapped) = json::wrapped(message) {
            let mut schema = self.single(&wrapped.kind());
            if let Some(kind) = schema.get("type").cloned() {
                schema["type"] = json!([kind, "null"]);
            }
            return schema;
        }
        match message.full_name().strip_prefix("google.protobuf.") {
            Some("Timestamp") => json!({"type": "string", "format": "date-time"}),
            Some("Duration") => json!({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"}),
            Some("FieldMask") => {
                json!({"type": "string", "description": "Names of fields in camelCase, with commas between."})
            }
            Some("Struct" | "Any" | "Empty") => json!({"type": "object"}),
            Some("ListValue") => json!({"type": "array"}),
            Some("Value") => json!({}),
            _ => {
                let name = self.name(message.full_name(), message.name());
                if !self.named.contains_key(&name) {
                    // Known before it is written: messages may hold themselves.
                    self.named.insert(name.clone(), Json::Null);
                    let schema = self.object(message, &[], false);
                    self.named.insert(name.clone(), schema);
                }
                json!({"$ref": format!("#/components/schemas/{name}")})
            }
        }
    }

    /// The last part of a name, where that is enough to tell it from others.
    fn name(&self, full: &str, short: &str) -> String {
        let messages =
            self.pool.all_messages().map(|message| (message.name().to_owned(), message.full_name().to_owned()));
        let enums = self.pool.all_enums().map(|one| (one.name().to_owned(), one.full_name().to_owned()));
        let is_shared = messages.chain(enums).any(|(name, other)| {
            name == short && other != full && !other.starts_with("google.") && !other.starts_with("buf.")
        });
        if is_shared || self.reserved.contains(short) { full.to_owned() } else { short.to_owned() }
    }

    /// Says that answers of this message always hold the field.
    pub fn always_holds(&mut self, message: &MessageDescriptor, field: &FieldDescriptor) {
        let name = self.name(message.full_name(), message.name());
        let Some(schema) = self.named.get_mut(&name) else { return };
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().cloned().collect();
        if !required.contains(&json!(field.json_name())) {
            schema["required"] = [required, vec![json!(field.json_name())]].concat().into();
        }
    }

    /// A message's fields, but for those that come elsewhere. `closed` says that nothing else may come.
    pub fn object(&mut self, message: &MessageDescriptor, without: &[FieldDescriptor], closed: bool) -> Json {
        let mut schema = Map::new();
        schema.insert("type".into(), json!("object"));
        let comment = self.comment(message.parent_file_descriptor_proto().name(), message.path()).to_owned();
        if !comment.is_empty() {
            schema.insert("description".into(), json!(comment));
        }
        let fields: Vec<_> = message.fields().filter(|field| !without.contains(field)).collect();
        let properties: Map<String, Json> =
            fields.iter().map(|field| (field.json_name().to_owned(), self.field(field))).collect();
        // What is read has its id and its etag.
        let is_given = |field: &FieldDescriptor| {
            self.behaves(field, "OUTPUT_ONLY") && !closed && ["id", "etag"].contains(&field.name())
        };
        let required = fields.iter().filter(|field| self.is_required(field) || is_given(field));
        let required: Vec<_> = required.map(|field| json!(field.json_name())).collect();
        if !required.is_empty() {
            schema.insert("required".into(), json!(required));
        }
        schema.insert("properties".into(), Json::Object(properties));
        if closed {
            schema.insert("additionalProperties".into(), json!(false));
        }
        Json::Object(schema)
    }

    /// One field: its type, bounds and comment.
    pub fn field(&mut self, field: &FieldDescriptor) -> Json {
        let mut schema = if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            json!({"type": "object", "additionalProperties": self.single(&entry.map_entry_value_field().kind())})
        } else if field.is_list() {
            json!({"type": "array", "items": self.single(&field.kind())})
        } else {
            self.single(&field.kind())
        };
        let mut notes = Vec::new();
        if let Some(rules) = self.rules(field) {
            bound(&mut schema, &rules, &mut notes);
            if let (Kind::Enum(of), Some(names)) = (field.kind(), chosen(&rules)) {
                let names: Vec<_> =
                    names.into_iter().filter_map(|number| Some(of.get_value(number)?.name().to_owned())).collect();
                let limited = if field.is_list() { &mut schema["items"] } else { &mut schema };
                limited["enum"] = json!(names);
            }
        }
        let comment = self.comment(field.parent_message().parent_file_descriptor_proto().name(), field.path());
        let text = [comment].into_iter().filter(|text| !text.is_empty()).map(str::to_owned).chain(notes);
        let text = text.collect::<Vec<_>>().join(" ");
        if let (Json::Object(schema), false) = (&mut schema, text.is_empty()) {
            schema.insert("description".into(), json!(text));
        }
        if self.behaves(field, "OUTPUT_ONLY") {
            schema["readOnly"] = json!(true);
        }
        schema
    }

    fn single(&mut self, kind: &Kind) -> Json {
        // Of as many digits as 64 bits have at most.
        let number = |format: &str, sign: &str, more: u8| {
            let pattern = format!("^{sign}(0|[1-9][0-9]{{0,{more}}})$");
            json!({"type": "string", "format": format, "pattern": pattern})
        };
        match kind {
            Kind::Double => json!({"type": "number", "format": "double"}),
            Kind::Float => json!({"type": "number", "format": "float"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            // As text, because JavaScript rounds them.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number("int64", "-?", 18),
            Kind::Uint64 | Kind::Fixed64 => number("uint64", "", 19),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Message(message) => self.message(message),
            Kind::Enum(of) => self.enumeration(of),
        }
    }

    fn enumeration(&mut self, of: &EnumDescriptor) -> Json {
        if of.full_name() == "google.protobuf.NullValue" {
            return json!({"type": "null"});
        }
        let name = self.name(of.full_name(), of.name());
        if !self.named.contains_key(&name) {
            let file = of.parent_file_descriptor_proto().name().to_owned();
            // The value of "not said" is never written, and nothing is said by sending it.
            let values: Vec<_> =
                of.values().filter(|value| value.number() != 0 || !value.name().ends_with("_UNSPECIFIED")).collect();
            let mut text = self.comment(&file, of.path()).to_owned();
            for value in &values {
                let meaning = self.comment(&file, value.path()).replace('\n', " ");
                text += &format!("{}- `{}`: {meaning}", if text.is_empty() { "" } else { "\n" }, value.name());
            }
            // A list begins after an empty line.
            let text = text.replacen("\n- `", "\n\n- `", 1);
            let names: Vec<_> = values.iter().map(|value| value.name().to_owned()).collect();
            self.named.insert(name.clone(), json!({"type": "string", "description": text, "enum": names}));
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// Whether callers must send it, and answers always hold it.
    pub fn is_required(&self, field: &FieldDescriptor) -> bool {
        let demands =
            |rules: DynamicMessage| flag(&rules, "required") || (!field.supports_presence() && refuses_default(&rules));
        self.behaves(field, "REQUIRED")
            || self.rules(field).is_some_and(demands)
            || field.cardinality() == Cardinality::Required
    }

    fn behaves(&self, field: &FieldDescriptor, wanted: &str) -> bool {
        let Some(behaviour) = self.pool.get_extension_by_name("google.api.field_behavior") else { return false };
        let Kind::Enum(names) = behaviour.kind() else { return false };
        let options = field.options();
        let values = options.get_extension(&behaviour);
        values.as_list().unwrap_or_default().iter().any(|value| {
            value
                .as_enum_number()
                .and_then(|number| names.get_value(number))
                .is_some_and(|value| value.name() == wanted)
        })
    }

    fn rules(&self, field: &FieldDescriptor) -> Option<DynamicMessage> {
        let rules = self.pool.get_extension_by_name("buf.validate.field")?;
        let options = field.options();
        options.has_extension(&rules).then(|| options.get_extension(&rules).as_message().cloned())?
    }

    /// A value that keeps the field's rules: the example that the contract gives, or one made of its type.
    pub fn example(&mut self, field: &FieldDescriptor) -> Json {
        let rules = self.rules(field).and_then(|rules| set_rules(&rules));
        if let Some((_, rules)) = &rules {
            let given = rules.get_field_by_name("example").and_then(|values| values.as_list()?.first().map(plain));
            if let Some(given) = given {
                return if field.is_list() { json!([given]) } else { given };
            }
        }
        // Fields of one name may differ in type: an example that is no value of this one is another's.
        let is_value = |given: &Json| match field.kind() {
            Kind::Enum(of) => given.as_str().is_some_and(|name| of.get_value_by_name(name).is_some()),
            Kind::Message(_) => !given.is_string(),
            _ => true,
        };
        if let Some(given) = self.examples.get(field.json_name()).filter(|given| is_value(given)) {
            return given.clone();
        }
        if field.is_list() {
            let least = rules.as_ref().and_then(|(_, rules)| number(rules, "min_items")).unwrap_or_default();
            return if least < 1.0 { json!([]) } else { json!([self.one_example(field)]) };
        }
        if field.is_map() {
            return json!({});
        }
        self.one_example(field)
    }

    /// One value of the field's type.
    fn one_example(&mut self, field: &FieldDescriptor) -> Json {
        let rules = self.rules(field).and_then(|rules| set_rules(&rules));
        let is = |name: &str| rules.as_ref().is_some_and(|(_, rules)| flag(rules, name));
        match field.kind() {
            Kind::String if is("uuid") => json!("0199c2a4-7f00-7000-8000-000000000001"),
            Kind::String | Kind::Bytes => json!("text"),
            Kind::Bool => json!(false),
            Kind::Enum(of) => json!(of.values().find(|value| value.number() != 0).map(|value| value.name().to_owned())),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => json!("1"),
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => json!("2026-01-31T12:00:00Z"),
                "google.protobuf.Duration" => json!("1.5s"),
                "google.protobuf.FieldMask" => json!(""),
                _ if json::is_well_known(&message) => json!({}),
                _ => match self.example_of(&message, &[]) {
                    // Of changes, say, one: nothing at all would be no example.
                    Json::Object(shown) if shown.is_empty() => {
                        let single = message.fields().find(|field| !matches!(field.kind(), Kind::Message(_)));
                        single.iter().map(|field| (field.json_name().to_owned(), self.example(field))).collect()
                    }
                    shown => shown,
                },
            },
            _ => json!(rules.as_ref().and_then(|(_, rules)| number(rules, "gte")).unwrap_or(1.0)),
        }
    }

    /// The fields that must be there, and those that the contract gives examples of.
    pub fn example_of(&mut self, message: &MessageDescriptor, without: &[FieldDescriptor]) -> Json {
        let fields = message.fields().filter(|field| !without.contains(field));
        let shown: Vec<_> = fields.filter(|field| self.is_required(field) || self.has_example(field)).collect();
        Json::Object(shown.iter().map(|field| (field.json_name().to_owned(), self.example(field))).collect())
    }

    fn has_example(&self, field: &FieldDescriptor) -> bool {
        let examples = self.rules(field).and_then(|rules| {
            set_rules(&rules)?
                .1
                .get_field_by_name("example")
                .map(|values| values.as_list().is_some_and(|values| !values.is_empty()))
        });
        examples.unwrap_or_default()
    }
}

/// The rules of the field's own type, such as `string`, and that name.
fn set_rules(rules: &DynamicMessage) -> Option<(String, DynamicMessage)> {
    let (field, value) = rules.fields().find(|(field, _)| field.containing_oneof().is_some())?;
    Some((field.name().to_owned(), value.as_message()?.clone()))
}

/// Whether a field that is left out, and so has its type's default, breaks its own rules.
fn refuses_default(rules: &DynamicMessage) -> bool {
    let ignores =
        |value: i32| rules.get_field_by_name("ignore").and_then(|ignore| ignore.as_enum_number()) == Some(value);
    // IGNORE_IF_ZERO_VALUE and IGNORE_ALWAYS.
    if ignores(1) || ignores(3) {
        return false;
    }
    let Some((_, of_type)) = set_rules(rules) else { return false };
    let above_zero = |name: &str, least: f64| number(&of_type, name).is_some_and(|bound| bound >= least);
    ["min_len", "len", "min_items", "min_pairs", "gte"].iter().any(|name| above_zero(name, f64::MIN_POSITIVE))
        || above_zero("gt", 0.0)
        || flag(&of_type, "uuid")
}

fn flag(rules: &DynamicMessage, name: &str) -> bool {
    rules.get_field_by_name(name).is_some_and(|value| value.as_bool() == Some(true))
}

/// A set bound, as a number.
fn number(rules: &DynamicMessage, name: &str) -> Option<f64> {
    if !rules.has_field_by_name(name) {
        return None;
    }
    serde_json::from_str(&plain(rules.get_field_by_name(name)?.as_ref()).to_string()).ok()
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::U32(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::F32(value) => json!(value),
        Value::F64(value) => json!(value),
        Value::String(value) => json!(value),
        _ => Json::Null,
    }
}

/// The only numbers that rules let an enum, or a list of one, have; `None` when they say nothing of it.
fn chosen(rules: &DynamicMessage) -> Option<Vec<i32>> {
    let (kind, rules) = set_rules(rules)?;
    if kind == "repeated" {
        return chosen(rules.get_field_by_name("items")?.as_message()?);
    }
    let field = rules.get_field_by_name("in").filter(|_| kind == "enum")?;
    let numbers: Vec<i32> = field.as_list()?.iter().filter_map(Value::as_i32).collect();
    (!numbers.is_empty()).then_some(numbers)
}

/// Writes what `buf.validate` demands into the schema; `notes` is for what a schema cannot say.
fn bound(schema: &mut Json, rules: &DynamicMessage, notes: &mut Vec<String>) {
    let Some((kind, rules)) = set_rules(rules) else { return };
    let get =
        |name: &str| rules.has_field_by_name(name).then(|| rules.get_field_by_name(name).map(|value| plain(&value)))?;
    let is_text = ["int64", "uint64", "sint64", "fixed64", "sfixed64"].contains(&kind.as_str());
    let names: &[(&str, &str)] = match kind.as_str() {
        "string" => &[("min_len", "minLength"), ("max_len", "maxLength"), ("pattern", "pattern"), ("const", "const")],
        "repeated" => &[("min_items", "minItems"), ("max_items", "maxItems"), ("unique", "uniqueItems")],
        "map" => &[("min_pairs", "minProperties"), ("max_pairs", "maxProperties")],
        _ if is_text => &[],
        _ => &[("gte", "minimum"), ("lte", "maximum"), ("gt", "exclusiveMinimum"), ("lt", "exclusiveMaximum")],
    };
    for (rule, keyword) in names {
        if let Some(value) = get(rule) {
            schema[*keyword] = value;
        }
    }
    if kind == "string" {
        if let Some(length) = get("len") {
            schema["minLength"] = length.clone();
            schema["maxLength"] = length;
        }
        for (rule, format) in [("uuid", "uuid"), ("email", "email"), ("uri", "uri"), ("hostname", "hostname")] {
            if flag(&rules, rule) {
                schema["format"] = json!(format);
            }
        }
    }
    if is_text && number(&rules, "gte").is_some_and(|least| least >= 0.0) {
        let pattern = schema["pattern"].as_str().unwrap_or_default().replace("^-?", "^");
        schema["pattern"] = json!(pattern);
    }
    if is_text && let (Some(least), Some(most)) = (get("gte"), get("lte")) {
        notes.push(format!("From {least} to {most}."));
    }
    if let Some(Value::Message(items)) =
        (kind == "repeated").then(|| rules.get_field_by_name("items")).flatten().as_deref()
    {
        bound(&mut schema["items"], items, notes);
    }
}
