//! From the gRPC answer of a handler to an HTTP one: one JSON document, a stream of them, or a body of any kind.

use std::{borrow::Cow, convert::Infallible, sync::Arc};

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header, response::Parts};
use http_body_util::BodyExt;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, SerializeOptions};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{
    call::append,
    json,
    layout::Layout,
    resources::{self, Asked},
    rules::Binding,
    status::Failure,
};

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
    let as_it_is = |message: &DynamicMessage| match &binding.response_body {
        None => serde_json::to_vec(message),
        Some(field) => write_field(field, message).and_then(|value| serde_json::to_vec(&value)),
    };
    as_it_is(message)
        .or_else(|_| {
            let mut message = message.clone();
            json::drop_empty_anys(&mut message);
            as_it_is(&message)
        })
        // What has no JSON form (an Any of a type nobody here knows, a time beyond year 9999) is the service's to mend.
        .map_err(|error| unwritten(binding, &error))
}

fn unwritten(binding: &Binding, error: &dyn std::fmt::Display) -> Status {
    tracing::error!(method = binding.method.full_name(), %error, "the answer has no JSON form");
    Status::internal("The answer has no JSON form.")
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

/// What a `google.api.HttpBody` says: its body and what kind it is. One that is not there is an empty one.
fn raw(binding: &Binding, message: &DynamicMessage) -> Result<(Bytes, HeaderValue), Status> {
    let sent = match &binding.response_body {
        None => Some(message.clone()),
        Some(field) => message.get_field(field).as_message().cloned(),
    };
    let value = |name| sent.as_ref()?.get_field_by_name(name).map(Cow::into_owned);
    let data = value("data").and_then(|data| data.as_bytes().cloned()).unwrap_or_default();
    let kind = value("content_type").and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    if kind.is_empty() {
        return Ok((data, HeaderValue::from_static("application/octet-stream")));
    }
    let kind = HeaderValue::from_str(&kind).map_err(|error| {
        tracing::error!(method = binding.method.full_name(), %error, "the answer's content type is no header");
        Status::internal("The answer's content type is no header.")
    })?;
    Ok((data, kind))
}

/// An answer's body, and what kind it is.
fn content(binding: &Binding, message: &DynamicMessage) -> Result<(Bytes, HeaderValue), Status> {
    match binding.is_raw {
        true => raw(binding, message),
        false => Ok((write(binding, message)?.into(), HeaderValue::from_static("application/json"))),
    }
}

fn read(binding: &Binding, bytes: Bytes) -> Result<DynamicMessage, Status> {
    DynamicMessage::decode(binding.method.output(), bytes).map_err(|error| unwritten(binding, &error))
}

/// The body of a unary call's answer. `parts` become HTTP's, also when the call turns out to have failed.
pub async fn unary(binding: &Binding, asked: &Asked, parts: &mut Parts, body: Body) -> Result<Body, Status> {
    let mut frames = Frames::new(body);
    let read_all = async {
        let message = frames.next().await?.ok_or_else(|| Status::internal("The call ended without an answer."))?;
        while frames.next().await?.is_some() {}
        Ok(message)
    };
    let message: Result<Bytes, Status> = read_all.await;
    parts.headers = plain_headers(std::mem::take(&mut parts.headers));
    append(&mut parts.headers, plain_headers(frames.trailers));
    let message = read(binding, message?)?;
    let told = resources::tell(&binding.conventions, asked, &message);
    let body = match told.http {
        // Of no known length: a 304 that told one would say that the resource is empty.
        StatusCode::NOT_MODIFIED => Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()),
        _ => {
            let (body, kind) = content(binding, &message)?;
            parts.headers.insert(header::CONTENT_TYPE, kind);
            Body::from(body)
        }
    };
    parts.status = told.http;
    parts.version = Version::default();
    parts.headers.extend(told.headers);
    Ok(body)
}

/// The body of a server stream's answer. A call that fails before its first message fails as a unary one does.
pub async fn streamed(
    binding: Arc<Binding>,
    layout: Layout,
    deadline: Instant,
    pool: DescriptorPool,
    parts: &mut Parts,
    body: Body,
) -> Result<Body, Status> {
    let mut frames = Frames::new(body);
    parts.headers = plain_headers(std::mem::take(&mut parts.headers));
    let first = frames.next().await?;
    parts.headers.insert(header::CONTENT_TYPE, layout.content_type());
    parts.headers.append(header::VARY, HeaderValue::from_static("accept"));
    if layout == Layout::Events {
        // Proxies hold answers back to make them larger.
        parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        parts.headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    }
    parts.version = Version::default();
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
    Ok(Body::from_stream(body.map(Ok::<_, Infallible>)))
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
