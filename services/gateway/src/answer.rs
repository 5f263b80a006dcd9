//! From the gRPC answer of a handler to an HTTP one: one JSON document, or a stream of them.

use std::{convert::Infallible, sync::Arc};

use axum::{body::Body, response::Response};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, SerializeOptions};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{
    resources::{self, Asked},
    rules::Binding,
    status::Failure,
};

/// How a stream of messages is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// One document a line.
    Lines,
    /// Server-sent events.
    Events,
    /// One JSON array.
    Array,
}

impl Layout {
    /// What the caller likes best of what there is; lines, if they do not say.
    pub fn of(headers: &HeaderMap) -> Self {
        let known = |essence: &str| match essence {
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/*" | "*/*" => {
                Some(Self::Lines)
            }
            "text/event-stream" | "text/*" => Some(Self::Events),
            "application/json" => Some(Self::Array),
            _ => None,
        };
        let mut best = (Self::Lines, 0.0);
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let layout = known(&parts.next().unwrap_or_default().to_ascii_lowercase());
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            if let Some(layout) = layout.filter(|_| weight > best.1) {
                best = (layout, weight);
            }
        }
        best.0
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
            Self::Array => "application/json",
        })
    }

    fn document(self, json: &[u8], first: bool) -> Bytes {
        match self {
            Self::Lines => [json, b"\n"].concat().into(),
            Self::Events => [b"data: ", json, b"\n\n"].concat().into(),
            Self::Array => [if first { &b"["[..] } else { b"," }, json].concat().into(),
        }
    }

    fn failure(self, json: &[u8], first: bool) -> Bytes {
        match self {
            Self::Events => [b"event: error\n", &self.document(json, first)[..]].concat().into(),
            // In its own frame, so that no message can be taken for it: messages stand there bare.
            Self::Lines => self.document(&[b"{\"error\":", json, b"}"].concat(), first),
            Self::Array => [&self.document(&[b"{\"error\":", json, b"}"].concat(), first)[..], b"]"].concat().into(),
        }
    }

    fn end(self, empty: bool) -> Option<Bytes> {
        match self {
            Self::Array => Some(Bytes::from_static(if empty { b"[]" } else { b"]" })),
            Self::Lines | Self::Events => None,
        }
    }
}

/// The messages of a gRPC body.
struct Frames {
    body: Body,
    buffer: BytesMut,
    trailers: HeaderMap,
}

impl Frames {
    fn new(body: Body) -> Self {
        Self { body, buffer: BytesMut::new(), trailers: HeaderMap::new() }
    }

    /// The next message; `None` when the call has ended well.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if self.buffer.len() >= 5 {
                let length = u32::from_be_bytes([self.buffer[1], self.buffer[2], self.buffer[3], self.buffer[4]]);
                let length = length as usize;
                if self.buffer[0] != 0 {
                    return Err(Status::internal("a compressed message that nobody asked for"));
                }
                if self.buffer.len() >= 5 + length {
                    self.buffer.advance(5);
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => self.trailers.extend(frame.into_trailers().unwrap_or_default()),
                },
                Some(Err(error)) => return Err(Status::from_error(Box::new(error))),
                None => {
                    return match Status::from_header_map(&self.trailers) {
                        Some(status) if status.code() != Code::Ok => Err(status),
                        _ => Ok(None),
                    };
                }
            }
        }
    }
}

/// A message as JSON: the whole, or the field that is its body.
fn write(binding: &Binding, message: &DynamicMessage) -> Result<Vec<u8>, Status> {
    let unwritable = |error: serde_json::Error| Status::internal(format!("the answer has no JSON form: {error}"));
    let Some(field) = &binding.response_body else { return serde_json::to_vec(message).map_err(unwritable) };
    let value = write_field(field, message).map_err(unwritable)?;
    serde_json::to_vec(&value).map_err(unwritable)
}

fn write_field(field: &FieldDescriptor, message: &DynamicMessage) -> Result<serde_json::Value, serde_json::Error> {
    let mut alone = DynamicMessage::new(field.parent_message().clone());
    let is_set = message.has_field(field);
    if is_set {
        alone.set_field(field, message.get_field(field).into_owned());
    } else if matches!(field.kind(), Kind::Message(_)) && !field.is_list() && !field.is_map() {
        return Ok(serde_json::Value::Null);
    }
    // Defaults are left out inside a message; where the field is all there is, it is written.
    let options = SerializeOptions::new().skip_default_fields(is_set);
    let object = alone.serialize_with_options(serde_json::value::Serializer, &options)?;
    Ok(object.get(field.json_name()).cloned().unwrap_or_default())
}

fn read(binding: &Binding, bytes: Bytes) -> Result<DynamicMessage, Status> {
    DynamicMessage::decode(binding.method.output(), bytes)
        .map_err(|error| Status::internal(format!("the answer cannot be decoded: {error}")))
}

/// The answer of a unary call.
pub async fn unary(binding: &Binding, asked: &Asked, answer: http::Response<Body>) -> Result<Response, Status> {
    let (mut parts, body) = answer.into_parts();
    let mut frames = Frames::new(body);
    let message = frames.next().await?.ok_or_else(|| Status::internal("the call ended without an answer"))?;
    while frames.next().await?.is_some() {}
    let message = read(binding, message)?;
    let told = resources::tell(&binding.conventions, asked, &message);
    let body = if told.http == StatusCode::NOT_MODIFIED { Vec::new() } else { write(binding, &message)? };
    let mut headers = plain_headers(parts.headers);
    headers.extend(plain_headers(frames.trailers));
    if told.http != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.extend(told.headers);
    parts.status = told.http;
    parts.version = http::Version::default();
    parts.headers = headers;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// The answer of a server stream. A call that fails before its first message fails as a unary one does.
pub async fn streamed(
    binding: Arc<Binding>,
    layout: Layout,
    deadline: Instant,
    pool: DescriptorPool,
    answer: http::Response<Body>,
) -> Result<Response, Status> {
    let (mut parts, body) = answer.into_parts();
    let mut frames = Frames::new(body);
    let first = frames.next().await?;
    let mut headers = plain_headers(parts.headers);
    headers.insert(header::CONTENT_TYPE, layout.content_type());
    if layout == Layout::Events {
        // Proxies hold answers back to make them larger.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    }
    parts.headers = headers;
    parts.version = http::Version::default();
    let body = stream::unfold(Some((frames, Some(first), true)), move |state| {
        let (binding, pool) = (binding.clone(), pool.clone());
        async move {
            let (mut frames, held, is_first) = state?;
            let next = match held {
                Some(first) => Ok(first),
                None => match tokio::time::timeout_at(deadline, frames.next()).await {
                    Ok(next) => next,
                    Err(_) => Err(Status::deadline_exceeded("The call did not finish in its time.")),
                },
            };
            let json = next.and_then(|message| match message {
                Some(message) => write(&binding, &read(&binding, message)?).map(Some),
                None => Ok(None),
            });
            match json {
                Ok(Some(json)) => Some((layout.document(&json, is_first), Some((frames, None, false)))),
                Ok(None) => layout.end(is_first).map(|end| (end, None)),
                Err(status) => {
                    let json = serde_json::to_vec(&Failure::new(&status, &pool)).unwrap_or_default();
                    Some((layout.failure(&json, is_first), None))
                }
            }
        }
    });
    Ok(Response::from_parts(parts, Body::from_stream(body.map(Ok::<_, Infallible>))))
}

/// The headers of a gRPC answer that say something over HTTP.
pub fn plain_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        "content-type",
        "content-length",
        "trailer",
        "te",
        "transfer-encoding",
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "grpc-encoding",
        "grpc-accept-encoding",
    ] {
        headers.remove(name);
    }
    headers
}
