//! What public sources say of `google.api.http` and ProtoJSON, case by case: `tests/conformance/*/cases.json` are the
//! cases, each with its source, `service.proto` beside them is what they call.

use std::{collections::BTreeSet, path::PathBuf};

use axum::body::Body;
use http_body_util::BodyExt;
use prost_reflect::DynamicMessage;
use serde::Deserialize;
use serde_json::Value;

use crate::harness::Gateway;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    source: String,
    method: String,
    path: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    status: u16,
    rpc: Option<String>,
    received: Option<Value>,
    answer: Option<Value>,
    /// The whole answer, where it is no JSON.
    answer_text: Option<String>,
    content_type: Option<String>,
    #[serde(default)]
    answer_text_contains: Vec<String>,
    allow: Option<String>,
    message_contains: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    source: String,
    proto: String,
    message_contains: Vec<String>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

#[tokio::test]
async fn every_case_of_the_public_sources_answers_as_its_source_says() {
    let mut folders: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut names = BTreeSet::new();
    let mut failures = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let proto = std::fs::read_to_string(folder.join("service.proto")).unwrap();
        let gateway = Gateway::echo(&proto).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
        let topic = folder.file_name().unwrap().to_string_lossy();
        for case in cases {
            assert!(case.source.len() > 10, "{} has no source", case.name);
            assert!(names.insert(format!("{topic}/{}", case.name)), "{} stands twice", case.name);
            if let Err(why) = check(&gateway, &case).await {
                failures
                    .push(format!("{topic}/{}: {} {}: {why}\n    {}", case.name, case.method, case.path, case.source));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), names.len(), failures.join("\n"));
    assert!(names.len() >= 150, "only {} cases", names.len());
}

async fn check(gateway: &Gateway, case: &Case) -> Result<(), String> {
    let mut request = http::Request::builder().method(case.method.as_str()).uri(&case.path);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(case.body.clone())).map_err(|error| error.to_string())?;
    let response = gateway.send(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    if parts.status.as_u16() != case.status {
        return Err(format!("{} instead of {}: {text}", parts.status, case.status));
    }
    if let Some(rpc) = &case.rpc {
        let received = gateway.received.lock().unwrap().take();
        let (called, message) = received.ok_or("no handler was called")?;
        if &called != rpc {
            return Err(format!("{called} was called instead of {rpc}"));
        }
        if let Some(expected) = &case.received {
            let descriptor = prost_reflect::ReflectMessage::descriptor(&message);
            let expected =
                DynamicMessage::deserialize(descriptor, expected).map_err(|error| format!("case: {error}"))?;
            // NaN is not equal to itself; its JSON is.
            let json = |message: &DynamicMessage| serde_json::to_value(message).unwrap();
            if expected != message && json(&expected) != json(&message) {
                return Err(format!("the handler got {}", json(&message)));
            }
        }
    } else if let Some((called, _)) = gateway.received.lock().unwrap().take() {
        return Err(format!("{called} was called"));
    }
    if let Some(expected) = &case.answer {
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if &answer != expected {
            return Err(format!("the answer is {text}"));
        }
    }
    if let Some(expected) = case.answer_text.as_ref().filter(|expected| **expected != text) {
        return Err(format!("the answer is {text}, not {expected}"));
    }
    if let Some(expected) = &case.content_type {
        let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind != expected {
            return Err(format!("Content-Type is {kind:?}"));
        }
    }
    if let Some(missing) = case.answer_text_contains.iter().find(|part| !text.contains(*part)) {
        return Err(format!("no {missing} in {text}"));
    }
    if let Some(expected) = &case.allow {
        let allow = parts.headers.get("allow").and_then(|allow| allow.to_str().ok()).unwrap_or_default();
        let set = |text: &str| text.split(',').map(|method| method.trim().to_owned()).collect::<BTreeSet<_>>();
        if set(allow) != set(expected) {
            return Err(format!("Allow is {allow:?}"));
        }
    }
    if case.status >= 400 && case.method != "HEAD" {
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if !["code", "status", "message", "details"].iter().all(|key| answer.get(key).is_some()) {
            return Err(format!("the error is {text}"));
        }
    }
    match &case.message_contains {
        Some(part) if !text.contains(part.as_str()) => Err(format!("no {part} in {text}")),
        _ => Ok(()),
    }
}

#[test]
fn every_service_that_cannot_be_served_is_refused_by_its_methods_name() {
    let cases: Vec<Refused> = serde_json::from_slice(&std::fs::read(folder().join("refused.json")).unwrap()).unwrap();
    let mut failures = Vec::new();
    for case in &cases {
        assert!(case.source.len() > 10, "{} has no source", case.name);
        match Gateway::echo(&case.proto) {
            Ok(_) => failures.push(format!("{} is served", case.name)),
            Err(error) => {
                let error = error.to_string();
                if let Some(missing) = case.message_contains.iter().find(|part| !error.contains(*part)) {
                    failures.push(format!("{}: no {missing} in {error}", case.name));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(cases.len() >= 15);
}
