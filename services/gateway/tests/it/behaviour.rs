//! What no table of cases shows: streams, metadata, layers, deadlines, limits, resources, bodies of any kind.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, middleware::Next, response::Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gevinst_gateway::{GRACE, Matched, Options, Resources};
use http_body_util::BodyExt;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use serde_json::{Value as Json, json};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::harness::{Gateway, Handler, once};

const PROTO: &str = r#"
    syntax = "proto3";
    package shelf.v1;
    import "google/api/annotations.proto";

    service Shelf {
      rpc GetBook(Ask) returns (Answer) { option (google.api.http) = {get: "/v1/books/{book}"}; }
      rpc CreateBook(Ask) returns (Answer) { option (google.api.http) = {post: "/v1/books" body: "*"}; }
      rpc UpdateBook(Ask) returns (Answer) { option (google.api.http) = {patch: "/v1/books/{book}" body: "*"}; }
      rpc LendBook(Ask) returns (Answer) { option (google.api.http) = {post: "/v1/books/{book}:lend" body: "*"}; }
      rpc CreateLoan(Ask) returns (Answer) { option (google.api.http) = {post: "/v1/books/{book}/loans" body: "*"}; }
      rpc WatchBook(Ask) returns (stream Answer) { option (google.api.http) = {get: "/v1/books/{book}:watch"}; }
      rpc Unbound(Ask) returns (Answer);
    }
    message Ask { string book = 1; string etag = 2; bool validate_only = 3; string title = 4; }
    message Answer { Book book = 1; }
    message Book { string id = 1; string etag = 2; string title = 3; }
"#;

fn resources() -> Options {
    Options { resources: Some(Resources { stale_reason: "STALE" }), ..Options::default() }
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).unwrap().as_str().unwrap().to_owned()
}

/// A book, as the answer to this request.
fn book(request: &DynamicMessage, title: &str) -> DynamicMessage {
    let pool = request.descriptor().parent_pool().clone();
    let mut book = DynamicMessage::new(pool.get_message_by_name("shelf.v1.Book").unwrap());
    book.set_field_by_name("id", Value::String("b1".to_owned()));
    book.set_field_by_name("etag", Value::String("e1".to_owned()));
    book.set_field_by_name("title", Value::String(title.to_owned()));
    let mut answer = DynamicMessage::new(pool.get_message_by_name("shelf.v1.Answer").unwrap());
    answer.set_field_by_name("book", Value::Message(book));
    answer
}

/// Answers every call with what this gives as the book's title.
fn titled(
    title: impl Fn(&tonic::Request<DynamicMessage>) -> Result<String, Status> + Send + Sync + 'static,
) -> Handler {
    Arc::new(move |_, request| {
        let answer = title(&request).map(|title| once(book(request.get_ref(), &title)));
        Box::pin(async { answer })
    })
}

fn shelf(handler: Handler) -> Gateway {
    Gateway::of(PROTO, handler, Options::default(), |routes| routes).unwrap()
}

/// Streams these titles; an `Err` ends the stream.
fn streaming(titles: Vec<Result<&'static str, Status>>) -> Gateway {
    shelf(Arc::new(move |_, request| {
        let request = request.into_inner();
        let answers: Vec<_> =
            titles.clone().into_iter().map(|title| title.map(|title| book(&request, title))).collect();
        Box::pin(async { Ok(tonic::Response::new(Box::pin(stream::iter(answers)) as _)) })
    }))
}

fn titles(frames: &[&str]) -> Vec<Json> {
    let title = |frame: &&str| serde_json::from_str::<Json>(frame).unwrap()["book"]["title"].clone();
    frames.iter().map(title).collect()
}

#[tokio::test]
async fn stream_laid_out_as_accept_says() {
    let gateway = streaming(vec![Ok("a"), Ok("b\nc"), Ok("d")]);
    let expected = [json!("a"), json!("b\nc"), json!("d")];
    for accept in [None, Some("*/*"), Some("application/x-ndjson"), Some("application/json;q=0.5, application/jsonl")] {
        let headers: Vec<_> = accept.iter().map(|accept| ("accept", *accept)).collect();
        let (status, headers, body) = gateway.get("/v1/books/b1:watch", &headers).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/x-ndjson"));
        assert_eq!(titles(&body.lines().collect::<Vec<_>>()), expected);
    }
    let (_, headers, body) = gateway.get("/v1/books/b1:watch", &[("accept", "text/event-stream")]).await;
    assert_eq!(headers["content-type"], "text/event-stream");
    let events: Vec<_> = body.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    assert_eq!(titles(&events), expected);
    let (_, headers, body) = gateway.get("/v1/books/b1:watch", &[("accept", "application/json")]).await;
    assert_eq!(headers["content-type"], "application/json");
    let array: Vec<Json> = serde_json::from_str(&body).unwrap();
    assert_eq!(array.iter().map(|answer| answer["book"]["title"].clone()).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn stream_of_nothing_is_an_empty_document() {
    let gateway = streaming(Vec::new());
    for (accept, body) in [("application/x-ndjson", ""), ("text/event-stream", ""), ("application/json", "[]")] {
        let answer = gateway.get("/v1/books/b1:watch", &[("accept", accept)]).await;
        assert_eq!((answer.0, answer.2.as_str()), (200, body), "{accept}");
    }
}

#[tokio::test]
async fn stream_that_fails_ends_with_an_error_frame() {
    let gateway = streaming(vec![Ok("a"), Err(Status::data_loss("gone"))]);
    let (_, _, body) = gateway.get("/v1/books/b1:watch", &[]).await;
    let last: Json = serde_json::from_str(body.lines().last().unwrap()).unwrap();
    assert_eq!((&last["error"]["code"], &last["error"]["status"]), (&json!(15), &json!("DATA_LOSS")));
    let (_, _, body) = gateway.get("/v1/books/b1:watch", &[("accept", "text/event-stream")]).await;
    let data = body.split("event: error\ndata: ").nth(1).unwrap();
    assert_eq!(serde_json::from_str::<Json>(data).unwrap()["message"], "gone");
    let (_, _, body) = gateway.get("/v1/books/b1:watch", &[("accept", "application/json")]).await;
    let array: Vec<Json> = serde_json::from_str(&body).unwrap();
    assert_eq!((array.len(), &array[1]["error"]["status"]), (2, &json!("DATA_LOSS")));
}

#[tokio::test]
async fn stream_that_fails_before_it_begins_fails_as_a_call_does() {
    let gateway = streaming(vec![Err(Status::not_found("no such book"))]);
    let (status, headers, body) = gateway.get("/v1/books/b1:watch", &[("accept", "text/event-stream")]).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (404, "application/json"));
    assert_eq!(serde_json::from_str::<Json>(&body).unwrap()["message"], "no such book");
}

#[tokio::test]
async fn stream_arrives_message_by_message() {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel::<DynamicMessage>();
    let receive = Arc::new(std::sync::Mutex::new(Some(receive)));
    let gateway = shelf(Arc::new(move |_, request| {
        send.send(book(request.get_ref(), "first")).unwrap();
        let receive = receive.lock().unwrap().take().unwrap();
        let answers = stream::unfold(receive, async |mut receive| Some((Ok(receive.recv().await?), receive)));
        Box::pin(async { Ok(tonic::Response::new(Box::pin(answers) as _)) })
    }));
    let request = http::Request::get("/v1/books/b1:watch").body(Body::empty()).unwrap();
    let mut body = gateway.send(request).await.into_body();
    // The stream stays open, and its first message is here.
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(titles(&[std::str::from_utf8(&frame).unwrap()]), [json!("first")]);
}

#[tokio::test]
async fn headers_reach_the_handler_and_its_metadata_comes_back() {
    let gateway = shelf(Arc::new(|_, request| {
        let sent: Vec<String> = request.metadata().keys().map(|key| format!("{key:?}")).collect();
        let greeting = request.metadata().get("x-greeting").unwrap().clone();
        let mut answer = once(book(request.get_ref(), &sent.join(" ")));
        answer.metadata_mut().insert("x-echoed", greeting);
        Box::pin(async { Ok(answer) })
    }));
    let sent = [("x-greeting", "goddag"), ("authorization", "Bearer x"), ("connection", "close"), ("host", "h")];
    let (_, headers, body) = gateway.get("/v1/books/b1", &sent).await;
    assert_eq!(headers["x-echoed"], "goddag");
    assert!(!headers.contains_key("grpc-status"), "{headers:?}");
    assert!(body.contains("authorization") && !body.contains("connection") && !body.contains("host"), "{body}");
}

#[tokio::test]
async fn extensions_of_outer_layers_reach_the_handler_with_the_rule_that_matched() {
    #[derive(Clone)]
    struct Who(&'static str);
    let gateway = shelf(titled(|request| {
        let who = request.extensions().get::<Who>().unwrap().0;
        let matched = request.extensions().get::<Matched>().unwrap();
        Ok(format!("{who} {} {} {}", matched.method, matched.template.as_deref().unwrap(), matched.uri))
    }));
    let mut request = http::Request::get("/v1/books/b1").body(Body::empty()).unwrap();
    request.extensions_mut().insert(Who("somebody"));
    let response = gateway.send(request).await;
    assert_eq!(response.extensions().get::<Matched>().unwrap().template.as_deref(), Some("/v1/books/{book}"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("somebody GET /v1/books/{book} /v1/books/b1"), "{body:?}");
}

#[tokio::test]
async fn failure_tells_code_name_message_and_details() {
    let gateway = shelf(titled(|_| {
        let mut details = ErrorDetails::with_error_info("TAKEN", "shelf", [("by".to_owned(), "me".to_owned())]);
        details.set_localized_message("da", "Optaget");
        Err(Status::with_error_details(Code::FailedPrecondition, "taken", details))
    }));
    let (status, headers, body) = gateway.get("/v1/books/b1", &[]).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (400, "application/json"));
    assert_eq!(
        serde_json::from_str::<Json>(&body).unwrap(),
        json!({"code": 9, "status": "FAILED_PRECONDITION", "message": "taken", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "TAKEN", "domain": "shelf",
             "metadata": {"by": "me"}},
            {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "da", "message": "Optaget"},
        ]})
    );
}

#[tokio::test]
async fn every_code_has_the_http_status_of_code_proto() {
    let statuses = [
        (1, 499),
        (2, 500),
        (3, 400),
        (4, 504),
        (5, 404),
        (6, 409),
        (7, 403),
        (8, 429),
        (9, 400),
        (10, 409),
        (11, 400),
        (12, 501),
        (13, 500),
        (14, 503),
        (15, 500),
        (16, 401),
    ];
    for (code, http) in statuses {
        let gateway = shelf(titled(move |_| Err(Status::new(Code::from(code), "no"))));
        let (status, headers, body) = gateway.get("/v1/books/b1", &[]).await;
        assert_eq!((status, serde_json::from_str::<Json>(&body).unwrap()["code"].as_i64()), (http, Some(code.into())));
        assert_eq!(headers.contains_key("www-authenticate"), http == 401);
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let gateway = shelf(titled(|_| Ok("t".to_owned())));
    let (_, _, body) = gateway.get("/v1/books/b1", &[]).await;
    let head = http::Request::head("/v1/books/b1").body(Body::empty()).unwrap();
    let (status, headers, none) = gateway.answer(head).await;
    assert_eq!((status, none.as_str()), (200, ""));
    assert_eq!(headers["content-length"], body.len().to_string().as_str());
}

#[tokio::test]
async fn path_that_no_rule_fits_asks_the_layers_first() {
    async fn refuse(request: Request, next: Next) -> Response {
        match request.headers().contains_key("authorization") {
            true => next.run(request).await,
            false => Status::unauthenticated("who are you?").into_http(),
        }
    }
    let layers = |routes: Router| routes.layer(axum::middleware::from_fn(refuse));
    let gateway = Gateway::of(PROTO, titled(|_| Ok("t".into())), Options::default(), layers).unwrap();
    let who = [("authorization", "me")];
    for path in ["/v1/nothing", "/", "/shelf.v1.Shelf/GetBook", "/shelf.v1.Shelf/Unbound", "/v1/books/b1/"] {
        assert_eq!(gateway.get(path, &[]).await.0, 401, "{path}");
        let (status, _, body) = gateway.get(path, &who).await;
        assert_eq!((status, serde_json::from_str::<Json>(&body).unwrap()["status"].clone()), (404, json!("NOT_FOUND")));
    }
    let delete = || http::Request::delete("/v1/books/b1");
    let (status, headers, _) = gateway.answer(delete().body(Body::empty()).unwrap()).await;
    assert_eq!((status, headers.get("allow")), (401, None), "whom the layers refuse learns nothing of what is there");
    let (status, headers, body) =
        gateway.answer(delete().header("authorization", "me").body(Body::empty()).unwrap()).await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "GET, HEAD, PATCH"));
    assert_eq!(serde_json::from_str::<Json>(&body).unwrap()["code"], 12);
    // Nothing of a body is read for a caller who is refused.
    let unread =
        stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, Infallible>>> { panic!("the body was read") });
    assert_eq!(gateway.post("/v1/books", Body::from_stream(unread)).await.0, 401);
}

#[tokio::test]
async fn deadline_by_either_header_ends_the_call() {
    let gateway = shelf(Arc::new(|_, request| {
        Box::pin(async move {
            let told = request.metadata().get("grpc-timeout").map(|value| value.to_str().unwrap().to_owned());
            if text(request.get_ref(), "book") == "slow" {
                std::future::pending::<()>().await;
            }
            Ok(once(book(request.get_ref(), &told.unwrap_or_default())))
        })
    }));
    for header in [("grpc-timeout", "50m"), ("x-request-timeout", "0.05"), ("x-request-timeout", "50ms")] {
        let began = Instant::now();
        let (status, _, body) = gateway.get("/v1/books/slow", &[header]).await;
        assert_eq!(
            (status, serde_json::from_str::<Json>(&body).unwrap()["code"].clone()),
            (504, json!(4)),
            "{header:?}"
        );
        assert!(began.elapsed() >= Duration::from_millis(50) + GRACE / 2);
        assert!(gateway.get("/v1/books/quick", &[header]).await.2.contains("\"50000u\""));
    }
    let both = [("grpc-timeout", "1H"), ("x-request-timeout", "2")];
    assert!(gateway.get("/v1/books/quick", &both).await.2.contains("\"2000000u\""));
    for header in [
        ("grpc-timeout", "5"),
        ("grpc-timeout", "123456789m"),
        ("grpc-timeout", "0S"),
        ("x-request-timeout", "0"),
        ("x-request-timeout", "soon"),
        ("x-request-timeout", "-1"),
    ] {
        let (status, _, body) = gateway.get("/v1/books/quick", &[header]).await;
        assert_eq!(status, 400, "{header:?}");
        assert!(body.contains(header.0), "{body}");
    }
}

#[tokio::test]
async fn body_too_large_is_413_before_it_is_read() {
    let gateway = shelf(titled(|_| Ok("t".into())));
    let large = vec![b' '; Options::default().max_body + 1];
    let (status, _, body) = gateway.post("/v1/books", large).await;
    assert_eq!((status, serde_json::from_str::<Json>(&body).unwrap()["code"].clone()), (413, json!(3)));
    // Without an announced length, reading ends at the limit, however much follows.
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b' '; 64 * 1024])));
    assert_eq!(gateway.post("/v1/books", Body::from_stream(endless)).await.0, 413);
}

#[tokio::test(start_paused = true)]
async fn body_too_slow_is_408() {
    let gateway = shelf(titled(|_| Ok("t".into())));
    let slow = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"{")) }).chain(stream::pending());
    let (status, _, body) = gateway.post("/v1/books", Body::from_stream(slow)).await;
    assert_eq!(status, 408, "{body}");
}

#[tokio::test]
async fn body_of_another_kind_is_415() {
    let gateway = shelf(titled(|_| Ok("t".into())));
    let headers = [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "application/json; charset=iso-8859-1"),
        ("content-encoding", "gzip"),
    ];
    for (name, value) in headers {
        let request = http::Request::post("/v1/books").header(name, value).body(Body::from("{}")).unwrap();
        let (status, _, body) = gateway.answer(request).await;
        assert_eq!(status, 415, "{name}: {value}: {body}");
        assert!(body.contains("INVALID_ARGUMENT"), "{body}");
    }
}

#[tokio::test]
async fn hostile_queries_and_bodies_are_400_and_named() {
    let gateway = shelf(titled(|_| Ok("t".into())));
    let pairs = "title=x&".repeat(1001);
    let (status, _, body) = gateway.get(&format!("/v1/books/b1?{pairs}"), &[]).await;
    assert_eq!(status, 400, "{body}");
    for depth in [101, 200, 100_000] {
        let body = format!("{{\"title\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let (status, _, body) = gateway.post("/v1/books", body).await;
        assert!(status == 400 && (body.contains("nested") || body.contains("recursion")), "{status} {body}");
    }
    let (status, _, body) = gateway.post("/v1/books", r#"{"title":"\ud800"}"#).await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn resources_off_reads_no_meaning_into_names() {
    let gateway = shelf(titled(|_| Ok("t".into())));
    let (status, headers, _) = gateway.post("/v1/books", "{}").await;
    assert_eq!(status, 200);
    assert!(!headers.contains_key("etag") && !headers.contains_key("location"));
}

#[tokio::test]
async fn resources_created_are_201_with_their_location() {
    let gateway = Gateway::of(PROTO, titled(|_| Ok("t".into())), resources(), |routes| routes).unwrap();
    let (status, headers, _) = gateway.post("/v1/books", "{}").await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap(), headers["etag"].to_str().unwrap()),
        (201, "/v1/books/b1", "\"e1\"")
    );
    // A member that cannot be read alone has no address; a verb makes nothing; a check neither.
    let (status, headers, _) = gateway.post("/v1/books/b1/loans", "{}").await;
    assert_eq!((status, headers.get("location")), (201, None));
    assert_eq!(gateway.post("/v1/books/b1:lend", "{}").await.0, 200);
    let (status, headers, _) = gateway.post("/v1/books", r#"{"validateOnly":true}"#).await;
    assert_eq!((status, headers.get("location"), headers.get("etag")), (200, None, None));
}

#[tokio::test]
async fn resources_known_to_the_caller_are_304() {
    let gateway = Gateway::of(PROTO, titled(|_| Ok("t".into())), resources(), |routes| routes).unwrap();
    for known in ["\"e1\"", "W/\"e1\"", "\"e0\", \"e1\"", "*"] {
        let (status, headers, body) = gateway.get("/v1/books/b1", &[("if-none-match", known)]).await;
        assert_eq!((status, body.as_str(), headers["etag"].to_str().unwrap()), (304, "", "\"e1\""), "{known}");
    }
    assert_eq!(gateway.get("/v1/books/b1", &[("if-none-match", "\"e0\"")]).await.0, 200);
}

#[tokio::test]
async fn resources_changed_if_match_carries_the_etag_and_stale_is_412() {
    let handler = titled(|request| match text(request.get_ref(), "etag").as_str() {
        "e1" => Ok("changed".to_owned()),
        other => {
            let details = ErrorDetails::with_error_info("STALE", "shelf", []);
            Err(Status::with_error_details(Code::Aborted, format!("not {other}"), details))
        }
    });
    let gateway = Gateway::of(PROTO, handler, resources(), |routes| routes).unwrap();
    let patch = async |tag: &str, body: &str| {
        let request = http::Request::patch("/v1/books/b1").header("if-match", tag);
        gateway.answer(request.body(Body::from(body.to_owned())).unwrap()).await.0
    };
    assert_eq!(patch("\"e1\"", "{}").await, 200);
    assert_eq!(patch("W/\"e1\"", r#"{"etag":"e1"}"#).await, 200);
    assert_eq!(patch("\"e0\"", "{}").await, 412);
    for (tag, body) in
        [("e1", "{}"), ("*", "{}"), ("\"e1\", \"e2\"", "{}"), ("\"e1\"", r#"{"etag":"e2"}"#), ("\"e 1\"", "{}")]
    {
        assert_eq!(patch(tag, body).await, 400, "{tag} {body}");
    }
    // In the body, it is a race lost: 409.
    let stale = http::Request::patch("/v1/books/b1").body(Body::from(r#"{"etag":"e0"}"#)).unwrap();
    assert_eq!(gateway.answer(stale).await.0, 409);
    let no_etag =
        "syntax = \"proto3\"; package p; import \"google/api/annotations.proto\"; message M { string id = 1; }
        service S { rpc Get(M) returns (M) { option (google.api.http) = {get: \"/m/{id}\"}; } }";
    let gateway = Gateway::of(
        no_etag,
        Arc::new(|_, request| Box::pin(async { Ok(once(request.into_inner())) })),
        resources(),
        |routes| routes,
    )
    .unwrap();
    assert_eq!(gateway.get("/m/1", &[("if-match", "\"x\"")]).await.0, 400);
}

#[tokio::test]
async fn layer_that_answers_in_its_own_form_is_not_overruled() {
    async fn away(_: Request, _: Next) -> Response {
        let response = http::Response::builder().status(429).header("retry-after", "7");
        response.body(Body::from("later")).unwrap()
    }
    let layers = |routes: Router| routes.layer(axum::middleware::from_fn(away));
    let gateway = Gateway::of(PROTO, titled(|_| Ok("t".into())), Options::default(), layers).unwrap();
    for path in ["/v1/books/b1", "/v1/nothing"] {
        let (status, headers, body) = gateway.get(path, &[]).await;
        assert_eq!((status, headers["retry-after"].to_str().unwrap(), body.as_str()), (429, "7", "later"), "{path}");
    }
}

#[tokio::test]
async fn metadata_that_stands_twice_comes_back_twice_whatever_the_answer() {
    let gateway = shelf(Arc::new(|_, request| {
        Box::pin(async move {
            if text(request.get_ref(), "book") == "gone" {
                let mut status = Status::not_found("gone");
                status.metadata_mut().append("link", "one".parse().unwrap());
                status.metadata_mut().append("link", "two".parse().unwrap());
                return Err(status);
            }
            let mut answer = once(book(request.get_ref(), "t"));
            answer.metadata_mut().append("link", "one".parse().unwrap());
            answer.metadata_mut().append("link", "two".parse().unwrap());
            Ok(answer)
        })
    }));
    for (path, expected) in [("/v1/books/b1", 200), ("/v1/books/gone", 404)] {
        let (status, headers, _) = gateway.get(path, &[]).await;
        let links: Vec<_> = headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
        assert_eq!((status, links), (expected, vec!["one", "two"]));
    }
}

#[tokio::test]
async fn stream_that_fails_before_it_begins_keeps_the_metadata_of_its_answer() {
    let gateway = shelf(Arc::new(|_, _| {
        let failed = stream::iter([Err(Status::not_found("no such book"))]);
        let mut answer = tonic::Response::new(Box::pin(failed) as _);
        answer.metadata_mut().insert("x-request-id", "r1".parse().unwrap());
        Box::pin(async { Ok(answer) })
    }));
    let (status, headers, _) = gateway.get("/v1/books/b1:watch", &[]).await;
    assert_eq!((status, headers["x-request-id"].to_str().unwrap()), (404, "r1"));
}

/// A stream that goes on, and tells when its handler's side is dropped.
fn endless() -> (Gateway, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let (dropped, told) = tokio::sync::mpsc::unbounded_channel();
    struct Tell(tokio::sync::mpsc::UnboundedSender<()>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.send(()).ok();
        }
    }
    let gateway = shelf(Arc::new(move |_, request| {
        let (first, tell) = (book(request.get_ref(), "first"), Tell(dropped.clone()));
        let answers = stream::once(async { Ok(first) }).chain(stream::pending()).map(move |answer| {
            let _kept = &tell;
            answer
        });
        Box::pin(async { Ok(tonic::Response::new(Box::pin(answers) as _)) })
    }));
    (gateway, told)
}

#[tokio::test]
async fn stream_whose_caller_has_gone_is_dropped() {
    let (gateway, mut dropped) = endless();
    let mut body =
        gateway.send(http::Request::get("/v1/books/b1:watch").body(Body::empty()).unwrap()).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(dropped.try_recv().is_err());
    drop(body);
    assert_eq!(dropped.recv().await, Some(()));
}

#[tokio::test]
async fn stream_beyond_its_deadline_ends_with_an_error_frame() {
    let (gateway, mut dropped) = endless();
    let (_, _, body) = gateway.get("/v1/books/b1:watch", &[("x-request-timeout", "50ms")]).await;
    let last: Json = serde_json::from_str(body.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["status"], "DEADLINE_EXCEEDED", "{body}");
    assert_eq!(dropped.recv().await, Some(()));
}

#[tokio::test]
async fn accept_weighed_as_http_says() {
    let gateway = streaming(vec![Ok("a")]);
    let cases = [
        ("application/json, text/plain, */*", "application/json"),
        ("*/*, text/event-stream", "text/event-stream"),
        ("application/x-ndjson;q=0, */*", "text/event-stream"),
        ("application/json;Q=0.9, text/event-stream;q=0.5", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("text/*;q=0.3, application/*;q=0.2", "text/event-stream"),
        ("text/html", "application/x-ndjson"),
        ("application/json;q=nonsense", "application/json"),
    ];
    for (accept, expected) in cases {
        let (_, headers, _) = gateway.get("/v1/books/b1:watch", &[("accept", accept)]).await;
        assert_eq!(headers["content-type"], expected, "{accept}");
        assert_eq!(headers["vary"], "accept");
    }
}

#[tokio::test]
async fn header_that_the_connection_names_stays_with_it() {
    let gateway = shelf(titled(|request| Ok(format!("{:?}", request.metadata().get("x-hop")))));
    assert!(gateway.get("/v1/books/b1", &[("x-hop", "1")]).await.2.contains("Some"));
    assert!(gateway.get("/v1/books/b1", &[("x-hop", "1"), ("connection", "close, X-Hop")]).await.2.contains("None"));
}

#[tokio::test]
async fn error_repeats_little_of_what_was_sent() {
    let gateway = shelf(titled(|_| Ok("t".into())));
    let name = "a".repeat(400_000);
    for body in [
        format!("{{\"{name}\":1}}"),
        format!("{{\"{name}\":1,\"{name}\":1}}"),
        format!("{{\"title\":{{\"{name}\":1}}}}"),
    ] {
        let (status, _, answer) = gateway.post("/v1/books", body).await;
        assert!(status == 400 && answer.len() < 2_000, "{status}, {} bytes", answer.len());
    }
    let (status, _, answer) = gateway.get(&format!("/v1/books/b1?{}=1", &name[..30_000]), &[]).await;
    assert!(status == 400 && answer.len() < 2_000, "{status}, {} bytes", answer.len());
    let (status, _, answer) = gateway.get(&format!("/{}", &name[..30_000]), &[]).await;
    assert!(status == 404 && answer.len() < 2_000, "{status}, {} bytes", answer.len());
}

#[tokio::test]
async fn method_without_a_body_waits_for_none() {
    let gateway = shelf(titled(|_| Ok("t".into())));
    let get = |body: Body| http::Request::get("/v1/books/b1").body(body).unwrap();
    assert_eq!(gateway.answer(get(Body::from("{}"))).await.0, 400);
    assert_eq!(gateway.answer(get(Body::from(vec![b' '; 2_000_000]))).await.0, 400);
    assert_eq!(gateway.answer(get(Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()))).await.0, 200);
}

#[tokio::test]
async fn resources_conditions_that_a_call_cannot_keep_are_refused() {
    let gateway = Gateway::of(PROTO, titled(|_| Ok("t".into())), resources(), |routes| routes).unwrap();
    for (name, value) in [("if-none-match", "*"), ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT")] {
        let request = http::Request::post("/v1/books").header(name, value).body(Body::from("{}")).unwrap();
        let (status, _, body) = gateway.answer(request).await;
        assert!(status == 400 && body.contains(name), "{status} {body}");
    }
    let twice = http::Request::patch("/v1/books/b1").header("if-match", "\"e1\"").header("if-match", "\"e2\"");
    assert_eq!(gateway.answer(twice.body(Body::from("{}")).unwrap()).await.0, 400);
    // A HEAD that is answered 304 has no length to tell.
    let head = http::Request::head("/v1/books/b1").header("if-none-match", "\"e1\"").body(Body::empty()).unwrap();
    let (status, headers, _) = gateway.answer(head).await;
    assert_eq!((status, headers.get("content-length")), (304, None));
}

const PAGES: &str = r#"
    syntax = "proto3";
    package pages.v1;
    import "google/api/annotations.proto";
    import "google/api/httpbody.proto";

    service Pages {
      rpc GetRaw(Ask) returns (google.api.HttpBody) { option (google.api.http) = {get: "/v1/raw/{name}"}; }
      rpc GetPage(Ask) returns (Page) { option (google.api.http) = {get: "/v1/pages/{name}" response_body: "html"}; }
    }
    message Ask { string name = 1; }
    message Page { google.api.HttpBody html = 1; Book book = 2; }
    message Book { string id = 1; string etag = 2; }
"#;

/// What kind a body is, and what it holds.
type Raw = (&'static str, &'static [u8]);

/// Answers every call with a body like this; with a page without one, where there is none.
fn pages(body: Option<Raw>) -> Gateway {
    let handler: Handler = Arc::new(move |method, request| {
        let pool = request.get_ref().descriptor().parent_pool().clone();
        let message = |name: &str| DynamicMessage::new(pool.get_message_by_name(name).unwrap());
        let raw = body.map(|(kind, data)| {
            let mut raw = message("google.api.HttpBody");
            raw.set_field_by_name("content_type", Value::String(kind.to_owned()));
            raw.set_field_by_name("data", Value::Bytes(Bytes::from_static(data)));
            raw
        });
        let mut book = message("pages.v1.Book");
        book.set_field_by_name("id", Value::String("b1".to_owned()));
        book.set_field_by_name("etag", Value::String("e1".to_owned()));
        let mut page = message("pages.v1.Page");
        page.set_field_by_name("book", Value::Message(book));
        if let Some(raw) = &raw {
            page.set_field_by_name("html", Value::Message(raw.clone()));
        }
        let answer = match (method.as_str(), text(request.get_ref(), "name").as_str()) {
            (_, "gone") => Err(Status::not_found("gone")),
            ("GetRaw", _) => Ok(once(raw.unwrap_or_else(|| message("google.api.HttpBody")))),
            _ => Ok(once(page)),
        };
        Box::pin(async { answer })
    });
    Gateway::of(PAGES, handler, resources(), |routes| routes).unwrap()
}

#[tokio::test]
async fn raw_body_is_sent_as_it_is_whatever_accept_says() {
    let html: &[u8] = b"<p>\"\xc3\xa6\"</p>";
    let unknown = "application/octet-stream";
    let cases: [(Option<Raw>, &str, &[u8]); 6] = [
        (Some(("text/html; charset=utf-8", html)), "text/html; charset=utf-8", html),
        (Some(("application/pdf", b"%PDF\x00\xff\xfe")), "application/pdf", b"%PDF\x00\xff\xfe"),
        (Some(("application/json", b"{ }")), "application/json", b"{ }"),
        (Some(("", html)), unknown, html),
        (Some(("text/html", b"")), "text/html", b""),
        (None, unknown, b""),
    ];
    let accepts =
        ["", "*/*", "text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "application/json", "image/png"];
    for (sent, kind, body) in cases {
        let gateway = pages(sent);
        for (path, accept) in ["/v1/raw/x", "/v1/pages/x"].into_iter().flat_map(|path| accepts.map(|it| (path, it))) {
            let request = http::Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
            let (parts, answer) = gateway.send(request).await.into_parts();
            let answer = answer.collect().await.unwrap().to_bytes();
            assert_eq!(
                (parts.status.as_u16(), &parts.headers["content-type"], &answer[..]),
                (200, &kind.parse().unwrap(), body),
                "{path} {accept}"
            );
            assert!(!parts.headers.contains_key("grpc-status"), "{:?}", parts.headers);
        }
    }
}

#[tokio::test]
async fn raw_body_keeps_etag_head_and_failures_as_they_are() {
    let gateway = pages(Some(("text/html", b"<p>")));
    let (status, headers, body) = gateway.get("/v1/pages/x", &[]).await;
    assert_eq!((status, headers["etag"].to_str().unwrap(), body.as_str()), (200, "\"e1\"", "<p>"));
    let (status, headers, body) = gateway.get("/v1/pages/x", &[("if-none-match", "\"e1\"")]).await;
    assert_eq!((status, headers.get("content-type"), body.as_str()), (304, None, ""));
    let (status, headers, body) = gateway.answer(http::Request::head("/v1/pages/x").body(Body::empty()).unwrap()).await;
    assert_eq!((status, headers["content-length"].to_str().unwrap(), body.as_str()), (200, "3", ""));
    assert_eq!(headers["content-type"], "text/html");
    for path in ["/v1/raw/gone", "/v1/pages/gone"] {
        let (status, headers, body) = gateway.get(path, &[("accept", "text/html")]).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (404, "application/json"));
        assert_eq!(serde_json::from_str::<Json>(&body).unwrap()["status"], "NOT_FOUND");
    }
}

#[tokio::test]
async fn raw_body_of_a_kind_that_is_no_header_fails() {
    for kind in ["text/html\r\nset-cookie: a=b", "text/html\0"] {
        let (status, headers, body) = pages(Some((kind, b"<p>"))).get("/v1/raw/x", &[]).await;
        assert_eq!((status, headers.get("set-cookie")), (500, None));
        assert_eq!(serde_json::from_str::<Json>(&body).unwrap()["status"], "INTERNAL");
    }
}
