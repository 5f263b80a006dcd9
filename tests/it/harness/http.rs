//! A call over HTTP, made from the contract alone, as a generated client would: the path's variables from the message,
//! the rest as query or JSON body, and the answer read back into its message.

use std::{
    net::{IpAddr, SocketAddr},
    sync::LazyLock,
    time::Duration,
};

use gevinst_proto::{DESCRIPTOR_POOL, google::api::HttpBody};
use http::{HeaderMap, Method};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, MethodDescriptor, Value};
use serde_json::Value as Json;
use tonic::{Code, Status};

/// Keeps no connection: each test has a runtime of its own, which connections do not survive.
pub static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| client(None));

/// A client that calls from this address.
pub fn client(from: Option<IpAddr>) -> reqwest::Client {
    reqwest::Client::builder().pool_max_idle_per_host(0).local_address(from).build().unwrap()
}

/// Calls the method of this gRPC path with an encoded message; gives the encoded answer, or the status that the JSON
/// tells.
pub async fn call(
    client: &reqwest::Client,
    address: SocketAddr,
    path: &str,
    request: &[u8],
    headers: &HeaderMap,
    timeout: Option<Duration>,
) -> Result<Vec<u8>, Status> {
    let method = method(path);
    let message = DynamicMessage::decode(method.input(), request).unwrap();
    let (http_method, path, body) = lay_out(&method, &message);
    let mut request = client.request(http_method, format!("http://{address}{path}")).headers(headers.clone());
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    if let Some(timeout) = timeout {
        request = request.header("x-request-timeout", format!("{}ms", timeout.as_millis())).timeout(timeout * 2);
    }
    let answer = request.send().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let status = answer.status();
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let text = answer.text().await.map_err(|error| Status::unavailable(error.to_string()))?;
    if !status.is_success() {
        let failure = read_status(&serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
        assert_eq!(status, expected(failure.code()), "{text}");
        return Err(failure);
    }
    if let Some(field) = raw(&method) {
        let mut answer = DynamicMessage::new(method.output());
        let body = HttpBody { content_type: kind, data: text.into_bytes(), extensions: Vec::new() };
        let mut raw = DynamicMessage::new(field.kind().as_message().unwrap().clone());
        raw.transcode_from(&body).unwrap();
        answer.set_field(&field, Value::Message(raw));
        return Ok(answer.encode_to_vec());
    }
    let mut json = serde_json::Deserializer::from_str(&text);
    Ok(DynamicMessage::deserialize(method.output(), &mut json).unwrap().encode_to_vec())
}

fn method(path: &str) -> MethodDescriptor {
    let (service, name) = path.trim_start_matches('/').split_once('/').unwrap();
    let service = DESCRIPTOR_POOL.get_service_by_name(service).unwrap();
    service.methods().find(|method| method.name() == name).unwrap()
}

/// The field of the answer that is sent as it is, and not as JSON.
fn raw(method: &MethodDescriptor) -> Option<FieldDescriptor> {
    let http = DESCRIPTOR_POOL.get_extension_by_name("google.api.http").unwrap();
    let options = method.options();
    let rule = options.get_extension(&http);
    let name = rule.as_message().unwrap().get_field_by_name("response_body").unwrap();
    let field = method.output().get_field_by_name(name.as_str().unwrap())?;
    let is_body = field.kind().as_message().is_some_and(|kind| kind.full_name() == "google.api.HttpBody");
    is_body.then_some(field)
}

/// A request's method, path with query, and body.
fn lay_out(method: &MethodDescriptor, message: &DynamicMessage) -> (Method, String, Option<String>) {
    let http = DESCRIPTOR_POOL.get_extension_by_name("google.api.http").unwrap();
    let options = method.options();
    let rule = options.get_extension(&http);
    let rule = rule.as_message().unwrap();
    let text = |field: &str| rule.get_field_by_name(field).unwrap().as_str().unwrap().to_owned();
    let (http_method, template) = [Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE]
        .into_iter()
        .map(|method| (method.clone(), text(&method.as_str().to_lowercase())))
        .find(|(_, template)| !template.is_empty())
        .unwrap();
    let mut rest = message.clone();
    let mut path = String::new();
    for (index, part) in template.split(['{', '}']).enumerate() {
        if index % 2 == 0 {
            path += part;
            continue;
        }
        path += &escape(message.get_field_by_name(part).unwrap().as_str().unwrap());
        rest.clear_field_by_name(part);
    }
    if text("body") == "*" {
        return (http_method, path, Some(serde_json::to_string(&rest).unwrap()));
    }
    let Json::Object(fields) = serde_json::to_value(&rest).unwrap() else { unreachable!() };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(&value.as_str().map_or(value.to_string(), str::to_owned))))
        .collect();
    if !pairs.is_empty() {
        path = format!("{path}?{}", pairs.join("&"));
    }
    (http_method, path, None)
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A status with its details, from JSON.
pub fn read_status(json: &Json) -> Status {
    let pool = prost_reflect::DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap();
    let details = json["details"].as_array().unwrap().iter().map(|detail| {
        let mut fields = detail.as_object().unwrap().clone();
        let Some(Json::String(url)) = fields.remove("@type") else { panic!("{detail}") };
        let descriptor = pool.get_message_by_name(url.rsplit('/').next().unwrap()).unwrap();
        let value = DynamicMessage::deserialize(descriptor, Json::Object(fields)).unwrap().encode_to_vec();
        prost_types::Any { type_url: url, value }
    });
    let code = i32::try_from(json["code"].as_i64().unwrap()).unwrap();
    let message = json["message"].as_str().unwrap().to_owned();
    let status = tonic_types::pb::Status { code, message: message.clone(), details: details.collect() };
    Status::with_details(Code::from(code), message, status.encode_to_vec().into())
}

/// What google/rpc/code.proto says.
pub fn expected(code: Code) -> http::StatusCode {
    let number = match code {
        Code::InvalidArgument | Code::FailedPrecondition => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Internal => 500,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        other => panic!("{other:?} is no answer of ours"),
    };
    http::StatusCode::from_u16(number).unwrap()
}
