//! A failed call as JSON: google.rpc.Status with its details, under the HTTP status that google/rpc/code.proto gives it.

use std::sync::LazyLock;

use axum::{body::Body, response::Response};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, StatusCode, header};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde::Serialize;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::json::is_well_known;

/// The messages of google.rpc, which errors carry whether the service's own descriptors know them or not.
static RPC: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap_or_default());

/// The body of a failed answer.
#[derive(Serialize)]
pub struct Failure {
    code: i32,
    status: &'static str,
    message: String,
    details: Vec<Value>,
}

impl Failure {
    /// Reads a status; `pool` knows the types of its details, beside google.rpc's.
    pub fn new(status: &Status, pool: &DescriptorPool) -> Self {
        let details = tonic_types::pb::Status::decode(status.details()).unwrap_or_default().details;
        Self {
            code: status.code().into(),
            status: name(status.code()),
            message: status.message().to_owned(),
            details: details.iter().map(|any| detail(&any.type_url, &any.value, pool)).collect(),
        }
    }
}

fn detail(url: &str, bytes: &[u8], pool: &DescriptorPool) -> Value {
    let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
    let descriptor = pool.get_message_by_name(name).or_else(|| RPC.get_message_by_name(name));
    let read = descriptor.and_then(|descriptor| {
        let message = DynamicMessage::decode(descriptor.clone(), bytes).ok()?;
        Some((is_well_known(&descriptor), serde_json::to_value(message).ok()?))
    });
    match read {
        Some((false, Value::Object(mut object))) => {
            object.insert("@type".to_owned(), json!(url));
            Value::Object(object)
        }
        Some((_, value)) => json!({"@type": url, "value": value}),
        // A type that nobody here knows still reaches callers who do.
        None => json!({"@type": url, "value": BASE64_STANDARD.encode(bytes)}),
    }
}

/// The answer.
pub fn respond(status: &Status, http: Option<StatusCode>, pool: &DescriptorPool) -> Response {
    let body = serde_json::to_vec(&Failure::new(status, pool)).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http.unwrap_or_else(|| http_status(status.code()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The mapping of google/rpc/code.proto.
pub fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code's name in google/rpc/code.proto.
pub fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
