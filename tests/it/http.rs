//! What HTTP callers expect beyond the answers themselves: headers, conditions, refusals that cost nothing. That every
//! call answers the same as over gRPC is held by the other modules, run with `GEVINST_TEST_OVER=http`.

use std::time::{Duration, Instant};

use gevinst::auth::Role;
use gevinst_proto::v1 as pb;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::harness::{
    World,
    process::{Serving, most_memory},
};

/// A caller over HTTP.
struct Caller<'w> {
    world: &'w World,
    client: reqwest::Client,
    token: Option<String>,
}

impl<'w> Caller<'w> {
    fn office(world: &'w World) -> Self {
        let token = world.token("office", &[Role::PortfolioOffice]);
        Self { world, client: reqwest::Client::new(), token: Some(token) }
    }

    fn nobody(world: &'w World) -> Self {
        Self { token: None, ..Self::office(world) }
    }

    /// Calls a path below the organisation, or another one.
    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, HeaderMap, Value) {
        let path = match path.strip_prefix('/') {
            Some(_) => path.to_owned(),
            None => format!("/v1/organisations/{}/{path}", self.world.id()),
        };
        let mut request = self.client.request(method, format!("http://{}{path}", self.world.address));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let json = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        (status, headers, json)
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Value) {
        self.call(Method::GET, path, headers, None).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, HeaderMap, Value) {
        self.call(Method::POST, path, headers, Some(body)).await
    }
}

fn registration(unit: &pb::OrgUnit) -> Value {
    json!({"title": "Færre breve", "vision": "Ét sted.", "orgUnit": unit.id, "projectOwner": "o",
        "projectManager": "m", "projectClass": "PROJECT_CLASS_EFFICIENCY"})
}

fn reason(answer: &Value) -> &str {
    detail(answer, "ErrorInfo")["reason"].as_str().unwrap()
}

fn detail<'a>(answer: &'a Value, kind: &str) -> &'a Value {
    let details = answer["details"].as_array().unwrap_or_else(|| panic!("{answer}"));
    details
        .iter()
        .find(|detail| detail["@type"].as_str().unwrap().ends_with(kind))
        .unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn resource_created_read_and_changed_with_locations_and_etags() {
    let world = World::new().await;
    let unit = world.unit("Borgerservice").await;
    let office = Caller::office(&world);
    let (status, headers, registered) = office.post("projects", &[], registration(&unit)).await;
    assert_eq!(status, 201);
    let id = registered["project"]["id"].as_str().unwrap();
    let location = headers["location"].to_str().unwrap();
    assert_eq!(location, format!("/v1/organisations/{}/projects/{id}", world.id()));

    // The location reads what was made, under the same etag; what is known is not sent again.
    let (status, read_headers, read) = office.get(location, &[]).await;
    assert_eq!((status, &read["project"]), (200, &registered["project"]));
    assert_eq!(read_headers["etag"], headers["etag"]);
    let etag = headers["etag"].to_str().unwrap();
    assert_eq!(etag, format!("\"{}\"", registered["project"]["etag"].as_str().unwrap()));
    let (status, _, body) = office.get(location, &[("if-none-match", etag)]).await;
    assert_eq!((status, body), (304, Value::Null));

    // If-Match stands for the body's etag, and a stale one is told in HTTP's own words too.
    let changes = json!({"changes": {"title": "Ingen breve"}});
    let change =
        async |etag: &str, body: Value| office.call(Method::PATCH, location, &[("if-match", etag)], Some(body)).await;
    let (status, changed_headers, changed) = change(etag, changes.clone()).await;
    assert_eq!((status, changed["project"]["title"].as_str()), (200, Some("Ingen breve")));
    assert_ne!(changed_headers["etag"], headers["etag"]);
    let (status, _, stale) = change(etag, changes.clone()).await;
    assert_eq!((status, stale["status"].as_str(), reason(&stale)), (412, Some("ABORTED"), "ETAG_STALE"));
    let mut in_body = changes.clone();
    in_body["etag"] = registered["project"]["etag"].clone();
    let (status, _, stale) = office.call(Method::PATCH, location, &[], Some(in_body)).await;
    assert_eq!((status, reason(&stale)), (409, "ETAG_STALE"));
    let (status, _, refused) = change("no-quotes", changes).await;
    assert_eq!((status, reason(&refused)), (400, "FIELD_INVALID"));
    assert_eq!(detail(&refused, "BadRequest")["fieldViolations"][0]["field"], "if-match");
    // A verb makes nothing, and a check neither.
    let archive = format!("{location}:archive");
    let (status, _, _) =
        office.call(Method::POST, &archive, &[], Some(json!({"etag": changed["project"]["etag"]}))).await;
    assert_eq!(status, 200);
    let mut check = registration(&unit);
    check["validateOnly"] = json!(true);
    let (status, headers, _) = office.post("projects", &[], check).await;
    assert_eq!((status, headers.get("location"), headers.get("etag")), (200, None, None));
}

#[tokio::test]
async fn idempotency_key_holds_across_protocols() {
    let world = World::new().await;
    let unit = world.unit("Borgerservice").await;
    let key = [("idempotency-key", "one-of-both")];
    let (first, _, over_http) = Caller::office(&world).post("projects", &key, registration(&unit)).await;
    let (again, headers, replayed) = Caller::office(&world).post("projects", &key, registration(&unit)).await;
    assert_eq!((first, again, &replayed), (201, 201, &over_http));
    assert!(headers.contains_key("location"));
    let request = pb::RegisterProjectRequest {
        title: "Færre breve".to_owned(),
        vision: "Ét sted.".to_owned(),
        project_owner: "o".to_owned(),
        project_manager: "m".to_owned(),
        ..world.registration(&unit, "")
    };
    let over_grpc = world.office().over_grpc().key("one-of-both").call(request).await.unwrap().project.unwrap();
    assert_eq!(over_http["project"]["id"], over_grpc.id);
    let mut other = registration(&unit);
    other["title"] = json!("Noget andet");
    let (status, _, refused) = Caller::office(&world).post("projects", &key, other).await;
    assert_eq!((status, reason(&refused)), (400, "IDEMPOTENCY_KEY_REUSED"));
}

#[tokio::test]
async fn headers_of_the_caller_come_back_where_they_belong() {
    let world = World::new().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    let sent = [("x-request-id", "mit-kald-1"), ("traceparent", traceparent.as_str()), ("accept-language", "en")];
    let missing = "projects/0199c2a4-7f00-7000-8000-000000000001";
    let (status, headers, answer) = Caller::office(&world).get(missing, &sent).await;
    assert_eq!((status, headers["x-request-id"].to_str().unwrap()), (404, "mit-kald-1"));
    let info = detail(&answer, "RequestInfo");
    assert_eq!((info["requestId"].as_str(), info["servingData"].as_str()), (Some("mit-kald-1"), Some(trace)));
    assert_eq!(detail(&answer, "LocalizedMessage")["locale"], "en");
    let (_, headers, answer) = Caller::office(&world).get(missing, &[("accept-language", "da-DK, en;q=0.5")]).await;
    assert_eq!(detail(&answer, "LocalizedMessage")["locale"], "da");
    assert!(!headers["x-request-id"].is_empty());
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let world = World::new().await;
    let office = Caller::office(&world);
    for path in ["/v1/organisations", "/v1/nothing"] {
        let (_, headers, _) = office.get(path, &[]).await;
        let expected = [
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ];
        for (name, value) in expected {
            assert_eq!(headers[name], value, "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn what_nothing_answers_is_told_apart_and_only_to_callers_with_a_token() {
    let world = World::new().await;
    let (office, nobody) = (Caller::office(&world), Caller::nobody(&world));
    let unit = world.unit("Borgerservice").await;
    let cases = [
        (Method::GET, "/v1/nothing", None, 404, "METHOD_UNKNOWN"),
        (Method::GET, "/gevinst.v1.ProjectService/ListProjects", None, 404, "METHOD_UNKNOWN"),
        (Method::POST, "/grpc.health.v1.Health/Check", Some(json!({})), 404, "METHOD_UNKNOWN"),
        (Method::DELETE, "projects", None, 405, "METHOD_UNKNOWN"),
        (Method::GET, "projects?page_sise=3", None, 400, "FIELD_INVALID"),
        (Method::POST, "projects?title=x", Some(registration(&unit)), 400, "FIELD_INVALID"),
        (Method::POST, "projects", Some(json!({"titel": "x"})), 400, "FIELD_INVALID"),
        (Method::POST, "projects", Some(json!([])), 400, "MESSAGE_INVALID"),
        (Method::GET, "projects/not-an-id", None, 400, "FIELD_INVALID"),
    ];
    for (method, path, body, status, why) in cases {
        let (answered, headers, answer) = office.call(method.clone(), path, &[], body.clone()).await;
        assert_eq!((answered, reason(&answer)), (status, why), "{method} {path}: {answer}");
        assert_eq!(
            headers.get("allow").map(|allow| allow.to_str().unwrap()),
            (status == 405).then_some("GET, HEAD, POST")
        );
        let (answered, headers, answer) = nobody.call(method.clone(), path, &[], body).await;
        assert_eq!(headers.get("allow"), None, "{method} {path}");
        assert_eq!((answered, reason(&answer)), (401, "TOKEN_MISSING"), "{method} {path}");
        assert_eq!(headers["www-authenticate"], "Bearer");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (status, _, _) = office.call(Method::POST, "projects", &form, None).await;
    assert_eq!(status, 400, "an empty body says nothing of its kind");
}

#[tokio::test]
async fn curl_compressed_and_over_http_2_told_the_same() {
    let world = World::new().await;
    for number in 0..20 {
        world.unit(&format!("Afdeling {number}")).await;
    }
    let curl = async |flags: &[&str]| {
        let url = format!("http://{}/v1/organisations/{}/org-units?orderBy=name", world.address, world.id());
        let token = format!("authorization: Bearer {}", world.token("office", &[Role::PortfolioOffice]));
        let output = Command::new("curl").args(["-sS", "-H", &token]).args(flags).arg(url).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let plain = curl(&[]).await;
    assert_eq!(serde_json::from_slice::<Value>(&plain).unwrap()["orgUnits"].as_array().unwrap().len(), 20);
    assert_eq!(curl(&["--compressed"]).await, plain);
    let packed = curl(&["-H", "accept-encoding: gzip"]).await;
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() * 2 < plain.len(), "{} of {}", packed.len(), plain.len());
    assert_eq!(curl(&["--http2-prior-knowledge"]).await, plain);
}

/// Sends this and gives the status of the answer, and how long it took.
async fn raw(world: &World, request: &[u8]) -> (u16, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    (String::from_utf8_lossy(&answer[9..]).parse().unwrap(), began.elapsed())
}

fn head(world: &World, token: Option<&str>, rest: &str) -> Vec<u8> {
    let token = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    let path = format!("/v1/organisations/{}/projects", world.id());
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{token}{rest}").into_bytes()
}

#[tokio::test]
async fn hostile_bodies_are_refused_before_they_are_read() {
    let process = Serving::with(&[("GEVINST_MAX_DEADLINE_MS", "500")]).await;
    let world = World::behind(&process).await;
    let token = world.token("office", &[Role::PortfolioOffice]);
    // A gibibyte announced: not a byte of it is waited for, by nobody's token least of all.
    let gibibyte = "content-length: 1073741824\r\n\r\n";
    assert_eq!(raw(&world, &head(&world, Some(&token), gibibyte)).await.0, 413);
    assert_eq!(raw(&world, &head(&world, None, gibibyte)).await.0, 401);
    // A gibibyte in chunks: refused at the limit, and the connection takes no more.
    let before = most_memory(&process);
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&head(&world, Some(&token), "transfer-encoding: chunked\r\n\r\n")).await.unwrap();
    let chunk = [b"10000\r\n", &vec![b' '; 0x10000][..], b"\r\n"].concat();
    let mut taken: u64 = 0;
    while taken < 1 << 30 && stream.write_all(&chunk).await.is_ok() {
        taken += 0x10000;
    }
    assert!(taken < 64 << 20, "{taken} bytes were taken");
    let more = most_memory(&process) - before;
    assert!(more < 32 << 20, "{more} more bytes of memory");
    // A body that never comes: the deadline ends it; without a token nothing is waited for.
    let slow = "content-length: 100\r\n\r\n{";
    let (status, took) = raw(&world, &head(&world, Some(&token), slow)).await;
    assert_eq!(status, 504);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(raw(&world, &head(&world, None, slow)).await.0, 401);
    // JSON 200 deep, and what breaks off.
    let deep = format!("{{\"title\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for body in [deep.as_str(), "{\"title\":", "{\"title\":\"\\ud800\"}", "\u{feff}{}", "nonsense"] {
        let request =
            [head(&world, Some(&token), &format!("content-length: {}\r\n\r\n", body.len())), body.into()].concat();
        assert_eq!(raw(&world, &request).await.0, 400, "{body}");
    }
    // A million parameters are more than a line of a request may hold, and a thousand are as many as are read.
    for (pairs, expected) in [(1_000_000, [414, 431]), (1_001, [400, 400])] {
        let query = "title=x&".repeat(pairs);
        let path = format!("/v1/organisations/{}/projects?{query}", world.id());
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        // It hangs up on what is too long while it is still being sent.
        stream.write_all(request.as_bytes()).await.ok();
        let mut answer = [0; 12];
        match stream.read_exact(&mut answer).await {
            Ok(_) => assert!(expected.contains(&String::from_utf8_lossy(&answer[9..]).parse().unwrap()), "{pairs}"),
            Err(_) => assert!(pairs > 100_000, "{pairs} parameters are answered"),
        }
    }
    // And the service answers on.
    assert_eq!(Caller::office(&world).get("/v1/organisations", &[]).await.0, 200);
    let (status, log) = process.stop().await;
    assert!(status.success() && !log.iter().any(|line| line.contains("panic")), "{log:#?}");
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let world = World::new().await;
    let office = Caller::office(&world);
    let (status, headers, body) = office.call(Method::HEAD, "/v1/organisations", &[], None).await;
    assert_eq!((status, body), (200, Value::Null));
    assert!(headers["content-length"].to_str().unwrap().parse::<usize>().unwrap() > 100);
}

#[tokio::test]
async fn deadline_of_the_caller_is_kept_over_http() {
    let world = World::new().await;
    let unit = world.unit("Borgerservice").await;
    let blocker = crate::errors::hold_up(&world).await;
    let hurry = [("x-request-timeout", "400ms"), ("idempotency-key", "in-a-hurry")];
    let (status, _, answer) = Caller::office(&world).post("projects", &hurry, registration(&unit)).await;
    assert_eq!((status, reason(&answer)), (504, "DEADLINE_EXCEEDED"));
    blocker.rollback().await.unwrap();
}
