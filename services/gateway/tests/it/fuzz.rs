//! Requests that nobody would write: no panic, no 5xx, no memory kept; and what is understood is understood the same
//! once it is written and read again.
//!
//! Some thousand inputs by default; `GEVINST_TEST_LONG=1` runs ten million, in release (`tests/run --long`).

use std::{
    io::Write,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use axum::body::Body;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::harness::Gateway;

const RULES: &str = r#"
    service Fuzz {
      rpc Path(TestAllTypes) returns (TestAllTypes) {
        option (google.api.http) = {
          get: "/path/{optional_string=a/*/**}"
          additional_bindings {get: "/int/{optional_int64}/{optional_nested_enum}/{optional_timestamp}"}
          additional_bindings {get: "/bytes/{recursive_message.optional_bytes}:verb"}
          additional_bindings {get: "/**"}
        };
      }
      rpc Field(TestAllTypes) returns (TestAllTypes) {
        option (google.api.http) = {
          post: "/field/{presence_int32}" body: "recursive_message" response_body: "recursive_message"
          additional_bindings {put: "/list" body: "repeated_nested_message" response_body: "repeated_nested_message"}
          additional_bindings {patch: "/scalar" body: "optional_double" response_body: "optional_double"}
        };
      }
    }
"#;

fn gateway() -> Gateway {
    let proto = include_str!("../conformance/proto_json/service.proto");
    Gateway::echo(&proto.replace("service Json {", &format!("{RULES}\nservice Json {{"))).unwrap()
}

#[derive(Clone)]
struct Input {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?} {}", self.method, self.path, self.headers, self.body.escape_ascii())
    }
}

/// The types and names of the message's fields, as its proto writes them.
fn fields() -> Vec<(String, String)> {
    let proto = include_str!("../conformance/proto_json/service.proto");
    let message = proto.split("message TestAllTypes {").nth(1).unwrap_or_default();
    let lines = message.lines().filter_map(|line| line.trim().strip_suffix(';')?.split_once(" = "));
    let words = lines.filter_map(|(field, _)| field.rsplit_once(' '));
    let fields = words.map(|(kind, name)| (kind.trim_start_matches("optional ").to_owned(), name.to_owned()));
    fields.filter(|(kind, _)| kind != "option").collect()
}

/// As ProtoJSON spells a name.
fn camel(name: &str) -> String {
    let mut camel = String::new();
    let mut upper = false;
    for character in name.chars() {
        match (character, upper) {
            ('_', _) => upper = true,
            (other, true) => {
                camel.push(other.to_ascii_uppercase());
                upper = false;
            }
            (other, false) => camel.push(other),
        }
    }
    camel
}

/// The names that the message knows, in both spellings, and some that it does not.
fn names() -> impl Strategy<Value = String> {
    let snake = fields().into_iter().map(|(_, name)| name);
    let known: Vec<String> = snake.flat_map(|name| [camel(&name), name]).chain(["@type".to_owned()]).collect();
    prop_oneof![9 => select(known), 1 => "[a-zA-Z_@.\\[\\]]{0,8}"]
}

/// A value that fits the type, most of the time.
fn fitting(kind: &str, depth: u32) -> BoxedStrategy<Value> {
    if let Some(kind) = kind.strip_prefix("repeated ") {
        return vec(fitting(kind, depth), 0..3).prop_map(Value::from).boxed();
    }
    if let Some((key, value)) = kind.strip_prefix("map<").and_then(|kind| kind.trim_end_matches('>').split_once(", ")) {
        let key = match key {
            "bool" => "true|false",
            "string" => "[a-zæ]{0,3}",
            _ => "[1-9]{1,3}",
        };
        return vec((key, fitting(value, depth)), 0..3).prop_map(|pairs| pairs.into_iter().collect()).boxed();
    }
    let texts = |texts: &[&str]| select(texts.iter().map(|text| json!(text)).collect::<Vec<_>>()).boxed();
    match kind.rsplit('.').next().unwrap_or_default() {
        "int32" | "sint32" | "sfixed32" | "Int32Value" => any::<i32>().prop_map(Value::from).boxed(),
        "uint32" | "fixed32" | "UInt32Value" => any::<u32>().prop_map(Value::from).boxed(),
        "int64" | "sint64" | "sfixed64" | "Int64Value" => {
            prop_oneof![any::<i64>().prop_map(Value::from), any::<i64>().prop_map(|it| json!(it.to_string()))].boxed()
        }
        "uint64" | "fixed64" | "UInt64Value" => any::<u64>().prop_map(|it| json!(it.to_string())).boxed(),
        "float" | "FloatValue" => any::<f32>().prop_map(|it| json!(it)).boxed(),
        "double" | "DoubleValue" => {
            prop_oneof![any::<f64>().prop_map(|it| json!(it)), texts(&["NaN", "Infinity", "-Infinity"])].boxed()
        }
        "bool" | "BoolValue" => any::<bool>().prop_map(Value::from).boxed(),
        "string" | "StringValue" => ".{0,8}".prop_map(Value::from).boxed(),
        "bytes" | "BytesValue" => texts(&["", "aGVq", "_-8", "AA==", "/+8="]),
        "NestedEnum" | "AliasedEnum" => prop_oneof![texts(&["FOO", "BAZ"]), any::<i32>().prop_map(Value::from)].boxed(),
        "NullValue" => Just(Value::Null).boxed(),
        "Timestamp" => (0..=9999_u32, 1..=12_u32, 1..=31_u32, 0..=60_u32, 0..=1_999_999_999_u32)
            .prop_map(|(y, m, d, s, n)| json!(format!("{y:04}-{m:02}-{d:02}T23:59:{s:02}.{n}Z")))
            .boxed(),
        "Duration" => "-?[0-9]{1,13}([.][0-9]{1,10})?s".prop_map(Value::from).boxed(),
        "FieldMask" => "([a-z]{1,3}[A-Z]?[a-z]?,?){0,3}".prop_map(Value::from).boxed(),
        "Any" => prop_oneof![
            Just(json!({})),
            Just(json!({"@type": "x/google.protobuf.Duration", "value": "1s"})),
            any::<i32>().prop_map(|it| json!({"@type": "x/conformance.proto_json.TestAllTypes", "optionalInt32": it})),
            Just(json!({"@type": "x/google.protobuf.Any", "value": {"@type": "x/google.protobuf.Empty", "value": {}}})),
        ]
        .boxed(),
        "Struct" => vec(("[a-z]{0,3}", jsons(depth)), 0..3).prop_map(|pairs| pairs.into_iter().collect()).boxed(),
        "ListValue" => vec(jsons(depth), 0..3).prop_map(Value::from).boxed(),
        "Value" => jsons(depth),
        "Empty" => Just(json!({})).boxed(),
        "NestedMessage" => any::<i32>().prop_map(|it| json!({"a": it})).boxed(),
        "TestAllTypes" if depth > 0 => messages(depth - 1),
        _ => Just(json!({})).boxed(),
    }
}

/// The message, or something near it.
fn messages(depth: u32) -> BoxedStrategy<Value> {
    let fields = fields();
    let field = select(fields).prop_flat_map(move |(kind, name)| {
        let name = prop_oneof![Just(camel(&name)), Just(name)];
        (name, prop_oneof![24 => fitting(&kind, depth), 1 => jsons(depth)])
    });
    let field = prop_oneof![40 => field, 1 => (names(), jsons(0))];
    vec(field, 0..5).prop_map(|pairs| pairs.into_iter().collect()).boxed()
}

fn texts() -> impl Strategy<Value = String> {
    let known = [
        "1",
        "-1",
        "0",
        "1e5",
        "1.5",
        "-0",
        "NaN",
        "-Infinity",
        "2147483648",
        "9223372036854775807",
        "18446744073709551615",
        "true",
        "FOO",
        "BAZ",
        "NULL_VALUE",
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.123456789+02:00",
        "0001-01-01T00:00:00Z",
        "1.5s",
        "-315576000000s",
        "optionalString,recursiveMessage.optionalInt32",
        "aGVq",
        "-_8=",
        "type.googleapis.com/google.protobuf.Duration",
        "type.googleapis.com/conformance.proto_json.TestAllTypes",
        "",
    ];
    prop_oneof![
        6 => select(known.to_vec()).prop_map(str::to_owned),
        2 => "[0-9TZ:.+eE-]{0,24}",
        2 => ".{0,12}",
    ]
}

/// Any JSON.
fn jsons(depth: u32) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        2 => any::<f64>().prop_map(|float| json!(float)),
        4 => texts().prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(depth + 2, 12, 4, |inner| {
        let object = vec((names(), inner.clone()), 0..3).prop_map(|pairs| pairs.into_iter().collect());
        prop_oneof![vec(inner, 0..3).prop_map(Value::from), object]
    });
    nested.boxed()
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let broken = (messages(1), any::<prop::sample::Index>(), any::<u8>(), 0..3_u8).prop_map(|(json, at, byte, how)| {
        let mut text = json.to_string().into_bytes();
        let at = at.index(text.len());
        match how {
            0 => text[at] = byte,
            1 => text.insert(at, byte),
            _ => text.truncate(at),
        }
        text
    });
    let deep = (0..300_usize, select(vec!["[", "{\"a\":", "{\"recursiveMessage\":", "{\"optionalStruct\":{\"x\":"]))
        .prop_map(|(depth, open)| open.repeat(depth).into_bytes());
    prop_oneof![
        12 => messages(2).prop_map(|json| json.to_string().into_bytes()),
        1 => jsons(2).prop_map(|json| json.to_string().into_bytes()),
        4 => broken,
        1 => deep,
        1 => vec(any::<u8>(), 0..64),
        2 => Just(Vec::new()),
    ]
}

fn paths() -> impl Strategy<Value = String> {
    let segment = || prop_oneof![4 => "[a-z0-9]{1,6}", 2 => texts(), 2 => "[a-zA-Z0-9%:.~*+=-]{0,10}"];
    let path = prop_oneof![
        9 => Just("/json".to_owned()),
        2 => vec(segment(), 0..4).prop_map(|rest| format!("/path/a/{}", rest.join("/"))),
        2 => vec(segment(), 3).prop_map(|rest| format!("/int/{}", rest.join("/"))),
        2 => segment().prop_map(|value| format!("/bytes/{value}:verb")),
        2 => segment().prop_map(|value| format!("/field/{value}")),
        1 => select(vec!["/list", "/scalar"]).prop_map(str::to_owned),
        1 => vec(segment(), 0..5).prop_map(|rest| format!("/{}", rest.join("/"))),
    ];
    let pair = (prop_oneof![3 => names(), 1 => vec(names(), 1..4).prop_map(|names| names.join("."))], texts());
    let query = prop_oneof![3 => Just(Vec::new()), 1 => vec(pair, 0..3)].prop_map(|pairs| {
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    });
    (path, query, any::<bool>()).prop_map(|(path, query, escape)| {
        let text = if query.is_empty() { path } else { format!("{path}?{query}") };
        let fit = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(c);
        text.chars().map(|c| if fit(c) && !(escape && c == '%') { c.to_string() } else { percent(c) }).collect()
    })
}

fn percent(c: char) -> String {
    c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn inputs() -> impl Strategy<Value = Input> {
    let header = prop_oneof![
        4 => Just(("content-type", "application/json".to_owned())),
        1 => "[a-z/+;= -]{0,20}".prop_map(|value| ("content-type", value)),
        1 => "[a-z/*;=0-9., -]{0,24}".prop_map(|value| ("accept", value)),
        1 => "[0-9]{1,3}[HMS]".prop_map(|value| ("grpc-timeout", value)),
        1 => "[0-9.smhx]{0,6}".prop_map(|value| ("x-request-timeout", format!("9{value}"))),
    ];
    let wrong = select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "BREW"]);
    let method = prop_oneof![9 => Just(None), 1 => wrong.prop_map(Some)];
    (method, paths(), vec(header, 0..2), bodies()).prop_map(|(method, path, headers, body)| {
        let method = method.unwrap_or_else(|| match path.split(['/', '?']).nth(1) {
            Some("json" | "field") => "POST",
            Some("list") => "PUT",
            Some("scalar") => "PATCH",
            _ => "GET",
        });
        let body = if method == "GET" { Vec::new() } else { body };
        Input { method, path, headers, body }
    })
}

/// Sends it and holds the answer to what every answer keeps.
async fn check(gateway: &Gateway, input: Input) -> Result<bool, TestCaseError> {
    let headers = input.headers.iter();
    let request = headers
        .fold(http::Request::builder().method(input.method).uri(&input.path), |request, (name, value)| {
            request.header(*name, value)
        });
    let Ok(request) = request.body(Body::from(input.body)) else { return Ok(false) };
    let (status, _, answer) = gateway.answer(request).await;
    prop_assert!(status < 500, "{status} {answer}");
    if input.method == "HEAD" {
        return Ok(true);
    }
    let answer: Value =
        serde_json::from_str(&answer).map_err(|error| TestCaseError::fail(format!("{error}: {answer}")))?;
    if status != 200 {
        prop_assert_eq!(answer.as_object().map(serde_json::Map::len), Some(4), "an error has four parts: {}", answer);
        return Ok(true);
    }
    // What was understood is written so that it is understood the same.
    if input.path == "/json" && !has_odd_wrapper(&answer) {
        let (status, _, again) = gateway.post("/json", answer.to_string()).await;
        prop_assert_eq!(status, 200, "{} is not read again: {}", answer, again);
        prop_assert_eq!(serde_json::from_str::<Value>(&again).ok(), Some(answer));
    }
    Ok(true)
}

/// A wrapper around NaN or infinity: prost-reflect writes null for it.
fn has_odd_wrapper(answer: &Value) -> bool {
    match answer {
        Value::Object(object) => {
            object.iter().any(|(name, value)| name.ends_with("Wrapper") && value.is_null() || has_odd_wrapper(value))
        }
        Value::Array(list) => list.iter().any(has_odd_wrapper),
        _ => false,
    }
}

/// A line that is shown whatever the test says.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// The most memory that this process has held, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn fuzzed_requests_never_break_the_gateway() {
    let long = std::env::var_os("GEVINST_TEST_LONG").is_some();
    let (threads, cases) = if long { (2, 5_000_000) } else { (2, 4_000) };
    let began = Instant::now();
    let sent = AtomicU64::new(0);
    thread::scope(|scope| {
        for number in 0..threads {
            let sent = &sent;
            scope.spawn(move || {
                let config = Config { cases, failure_persistence: None, max_shrink_iters: 5_000, ..Config::default() };
                // The short run is the same each time; the long one is another each time, and prints what it finds.
                let mut runner = match long {
                    true => TestRunner::new(config),
                    false => TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[number; 32])),
                };
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let gateway = gateway();
                let result = runner.run(&inputs(), |input| {
                    let count = sent.fetch_add(u64::from(runtime.block_on(check(&gateway, input))?), Ordering::Relaxed);
                    if count > 0 && count.is_multiple_of(1_000_000) {
                        tell(&format!("fuzz: {count} inputs, {:?}", began.elapsed()));
                    }
                    Ok(())
                });
                result.unwrap_or_else(|error| panic!("{error}"));
            });
        }
    });
    let (sent, peak) = (sent.into_inner(), peak_memory());
    tell(&format!("fuzz: {sent} inputs in {:?}, at most {} MiB of memory", began.elapsed(), peak >> 20));
    assert!(sent > u64::from(cases) * u64::from(threads) * 9 / 10, "only {sent} were requests at all");
    assert!(peak < 512 << 20, "{peak} bytes");
}
