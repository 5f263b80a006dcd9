//! The OpenAPI document of a service of our own. That it is valid, and that it is kept, is held where a real service is
//! served: by validators, by generated clients and by schemathesis.

use gevinst_gateway::{Carried, Error, HeaderParameter, OpenApi, Options, Reasons, Resources};
use serde_json::{Map, Value as Json, json};

use crate::harness::Gateway;

const PROTO: &str = r#"
    syntax = "proto3";
    package shelf.v1;
    import "buf/validate/validate.proto";
    import "google/api/annotations.proto";
    import "google/api/field_behavior.proto";
    import "google/api/httpbody.proto";
    import "google/protobuf/timestamp.proto";

    // Books and who has them. Calls may fail with MISSING; commands also with TAKEN.
    service Shelf {
      // Adds a book. Errors: TOO_LONG.
      rpc Create(CreateRequest) returns (CreateResponse) { option (google.api.http) = {post: "/v1/books" body: "*"}; }
      // One book.
      rpc Get(GetRequest) returns (CreateResponse) {
        option (google.api.http) = {get: "/v1/{name=shelves/*/books/*}"};
        option idempotency_level = NO_SIDE_EFFECTS;
      }
      // One book, by its id.
      rpc Find(CreateRequest) returns (CreateResponse) {
        option (google.api.http) = {get: "/v1/books/{title}" additional_bindings {custom {kind: "BREW" path: "/v1/b/{title}"}}};
      }
      // Its loans as they come.
      rpc Watch(GetRequest) returns (stream Error) { option (google.api.http) = {get: "/v1/loans"}; }
      // Changes a note alone.
      rpc Note(CreateRequest) returns (CreateResponse) {
        option (google.api.http) = {put: "/v1/books/{title}/note" body: "note" response_body: "book"};
      }
    }
    // Books as they were printed.
    service Press {
      // A cover.
      rpc Cover(GetRequest) returns (google.api.HttpBody) { option (google.api.http) = {get: "/v1/covers/{name}"}; }
      // A page.
      rpc Page(GetRequest) returns (PageResponse) {
        option (google.api.http) = {get: "/v1/pages/{name}" response_body: "html"};
      }
    }
    // Another service with a method of the same name.
    service Attic {
      // Puts a box away.
      rpc Create(CreateBody) returns (CreateBody) { option (google.api.http) = {post: "/v1/boxes" body: "*"}; }
    }
    // Why calls fail.
    enum Why {
      WHY_UNSPECIFIED = 0;
      // NOT_FOUND: it is not there.
      WHY_MISSING = 1;
      // INVALID_ARGUMENT: shorten it.
      WHY_TOO_LONG = 2;
      // FAILED_PRECONDITION: somebody has it.
      WHY_TAKEN = 3;
    }
    message CreateRequest {
      // What it is called.
      string title = 1 [
        (google.api.field_behavior) = REQUIRED,
        (buf.validate.field).string = {min_len: 1, max_len: 9, pattern: "^[a-z]+$"}
      ];
      int64 pages = 2 [(buf.validate.field).int64 = {gte: 1, lte: 5000}];
      repeated string tags = 3 [(buf.validate.field).repeated = {max_items: 4, items: {string: {max_len: 8}}}];
      Note note = 4;
      Kind kind = 5;
      bool validate_only = 6;
    }
    message Note { string text = 1; Note answer = 2; google.protobuf.Timestamp at = 3; }
    // What it is.
    enum Kind {
      KIND_UNSPECIFIED = 0;
      // To be read.
      KIND_NOVEL = 1;
    }
    message GetRequest { string name = 1; }
    message CreateResponse { Book book = 1; }
    message Book { string id = 1; string etag = 2; map<string, int32> copies = 3; }
    message CreateBody { string box = 1; }
    message PageResponse { google.api.HttpBody html = 1; Book book = 2; }
    message Error { string text = 1; }
"#;

fn about() -> OpenApi {
    OpenApi {
        title: "Shelf".to_owned(),
        version: "v1".to_owned(),
        description: String::new(),
        licence: "EUPL-1.2".to_owned(),
        security: json!({"bearer": {"type": "http", "scheme": "bearer"}}),
        headers: vec![HeaderParameter {
            name: "Idempotency-Key".to_owned(),
            description: "Once.".to_owned(),
            schema: json!({"type": "string"}),
            carried: Carried::ByCommands,
        }],
        examples: Map::new(),
        package: "shelf.".to_owned(),
        raw_media_type: None,
        reasons: Some(Reasons { names: "shelf.v1.Why".to_owned(), of_commands: "commands also".to_owned() }),
    }
}

async fn document(about: OpenApi) -> Result<Json, Error> {
    let resources = Some(Resources { stale_reason: "STALE" });
    let options = Options { openapi: Some(about), resources, ..Options::default() };
    let nobody = std::sync::Arc::new(|_, _| -> futures_util::future::BoxFuture<'static, _> { unreachable!() });
    let gateway = Gateway::of(PROTO, nobody, options, |routes| routes)?;
    let (status, headers, json) = gateway.get("/openapi.json", &[]).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/json"));
    assert!(gateway.get("/openapi.yaml", &[]).await.2.starts_with("openapi: \"3.1.0\"\n"));
    Ok(serde_json::from_str(&json).unwrap())
}

/// The names of the reasons behind each status of an operation.
fn failures(operation: &Json) -> Vec<(String, Json)> {
    let responses = operation["responses"].as_object().unwrap().iter();
    let named =
        responses.filter_map(|(status, response)| Some((status.clone(), response.get("x-error-reasons")?.clone())));
    named.collect()
}

#[tokio::test]
async fn operation_says_what_its_comments_and_rules_say() {
    let document = document(about()).await.unwrap();
    let create = &document["paths"]["/v1/books"]["post"];
    assert_eq!((&create["operationId"], &create["tags"]), (&json!("Create"), &json!(["Shelf"])));
    assert_eq!(
        (&create["summary"], &create["description"]),
        (&json!("Adds a book"), &json!("Adds a book. Errors: TOO_LONG."))
    );
    assert_eq!(create["parameters"], json!([{"$ref": "#/components/parameters/Idempotency-Key"}]));
    assert_eq!(create["requestBody"]["required"], json!(true));
    // Made, with its address and state; or checked.
    assert!(create["responses"]["201"]["headers"]["ETag"].is_object() && create["responses"]["200"].is_object());
    // What the command's own comment and its service's say; a query has nothing of what only commands have.
    let expected = [("400", json!(["TOO_LONG", "TAKEN"])), ("404", json!(["MISSING"]))];
    assert_eq!(failures(create), expected.map(|(status, names)| (status.to_owned(), names)));
    let get = &document["paths"]["/v1/shelves/{name.1}/books/{name}"]["get"];
    assert_eq!(failures(get), [("404".to_owned(), json!(["MISSING"]))]);
    assert!(get["responses"].get("304").is_some() && get["responses"].get("default").is_none());
    let names: Vec<_> =
        get["parameters"].as_array().unwrap().iter().map(|parameter| parameter["name"].clone()).collect();
    assert_eq!(names, ["name.1", "name", "If-None-Match"]);
}

#[tokio::test]
async fn schema_says_what_validation_demands_and_how_json_writes_it() {
    let document = document(about()).await.unwrap();
    let schemas = &document["components"]["schemas"];
    let body = &schemas["CreateBody"];
    assert_eq!((&body["required"], &body["additionalProperties"]), (&json!(["title", "pages"]), &json!(false)));
    assert_eq!(
        body["properties"]["title"],
        json!({"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[a-z]+$", "description": "What it is called."})
    );
    assert_eq!(
        (&body["properties"]["pages"]["type"], &body["properties"]["pages"]["description"]),
        (&json!("string"), &json!("From 1 to 5000."))
    );
    assert_eq!(
        body["properties"]["tags"],
        json!({"type": "array", "maxItems": 4, "items": {"type": "string", "maxLength": 8}})
    );
    assert_eq!(schemas["Note"]["properties"]["answer"], json!({"$ref": "#/components/schemas/Note"}));
    assert_eq!(schemas["Note"]["properties"]["at"], json!({"type": "string", "format": "date-time"}));
    assert_eq!(schemas["Book"]["properties"]["copies"]["additionalProperties"]["type"], "integer");
    assert_eq!(
        schemas["Kind"],
        json!({"type": "string", "enum": ["KIND_NOVEL"], "description": "What it is.\n\n- `KIND_NOVEL`: To be read."})
    );
}

#[tokio::test]
async fn names_that_collide_are_told_apart() {
    let document = document(about()).await.unwrap();
    let (paths, schemas) = (&document["paths"], &document["components"]["schemas"]);
    assert_eq!(paths["/v1/boxes"]["post"]["operationId"], "Create2");
    // The second body is its own; the message that is called as the first one goes by its full name.
    assert_eq!(schemas["Create2Body"]["properties"].as_object().unwrap().len(), 1);
    let answer = &paths["/v1/boxes"]["post"]["responses"]["201"]["content"];
    let answer = if answer.is_null() { &paths["/v1/boxes"]["post"]["responses"]["200"]["content"] } else { answer };
    assert_eq!(answer["application/json"]["schema"], json!({"$ref": "#/components/schemas/shelf.v1.CreateBody"}));
    assert_eq!(schemas["Error"]["required"], json!(["code", "status", "message", "details"]));
    let frames = &paths["/v1/loans"]["get"]["responses"]["200"]["content"];
    assert_eq!(frames["application/x-ndjson"]["schema"], json!({"$ref": "#/components/schemas/shelf.v1.Error"}));
    assert_eq!(frames["text/event-stream"]["schema"], json!({"type": "string"}));
}

#[tokio::test]
async fn query_reaches_into_messages_and_odd_methods_are_left_out() {
    let document = document(about()).await.unwrap();
    let find = &document["paths"]["/v1/books/{title}"]["get"];
    let names: Vec<_> = find["parameters"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    for name in ["title", "pages", "tags", "note.text", "note.answer.text", "note.at", "kind", "validateOnly"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(document["paths"].get("/v1/b/{title}").is_none(), "OpenAPI knows no BREW");
    let note = &document["paths"]["/v1/books/{title}/note"]["put"];
    assert_eq!(
        note["requestBody"]["content"]["application/json"]["schema"],
        json!({"$ref": "#/components/schemas/Note"})
    );
    assert_eq!(
        note["responses"]["200"]["content"]["application/json"]["schema"],
        json!({"$ref": "#/components/schemas/Book"})
    );
}

#[tokio::test]
async fn reasons_unknown_every_call_may_fail_in_any_way_and_misnamed_ones_are_refused() {
    let silent = document(OpenApi { reasons: None, ..about() }).await.unwrap();
    assert!(silent["paths"]["/v1/books"]["post"]["responses"]["default"].is_object());
    for names in ["shelf.v1.Nothing", "shelf.v1.Kind"] {
        let reasons = Some(Reasons { names: names.to_owned(), of_commands: String::new() });
        let error = document(OpenApi { reasons, ..about() }).await.unwrap_err().to_string();
        assert!(error.contains(names) || error.contains("KIND_NOVEL"), "{error}");
    }
}

#[tokio::test]
async fn raw_body_is_of_any_media_type_and_its_message_is_no_schema() {
    let document = document(about()).await.unwrap();
    for path in ["/v1/covers/{name}", "/v1/pages/{name}"] {
        let responses = &document["paths"][path]["get"]["responses"];
        assert_eq!(responses["200"]["content"], json!({"*/*": {"schema": {"type": "string"}}}), "{path}");
        assert!(responses["200"]["description"].as_str().unwrap().contains("`Content-Type`"), "{path}");
        assert!(responses["404"]["content"]["application/json"].is_object(), "{path}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(!schemas.contains_key("HttpBody") && !schemas.contains_key("PageResponse"), "{:?}", schemas.keys());
    let page = &document["paths"]["/v1/pages/{name}"]["get"]["responses"];
    assert!(page["200"]["headers"]["ETag"].is_object() && page["304"].is_object());
}
