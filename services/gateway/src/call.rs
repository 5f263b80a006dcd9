//! A request's way: find its rule, ask the service in gRPC's form, put the answer into HTTP's.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header, request};
use prost_reflect::DescriptorPool;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::ServiceExt;

use crate::{
    GRACE, Matched, Options, answer, deadline,
    json::shortened,
    paths::{Found, Paths},
    request::{Limits, Parts, Refusal, frame, metadata},
    resources::{self, Asked},
    rules::Binding,
    status,
};

/// A deadline so far away that it is none.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What every request shares.
pub struct Gateway {
    /// Which rule answers which path.
    pub paths: Paths,
    /// The messages.
    pub pool: DescriptorPool,
    /// The service, with the layers around it.
    pub service: Router,
    /// What was chosen.
    pub options: Options,
}

/// What a request turned out to be, once somebody has asked for its message.
enum Read {
    Message { validate_only: bool },
    Refused(StatusCode),
}

/// Answers whatever comes.
pub async fn answer_http(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let mut response = gateway.answer(request).await;
    if is_head && response.status() != StatusCode::NOT_MODIFIED {
        // The transport leaves a HEAD's body out, but counts it first.
        let length = http_body::Body::size_hint(response.body()).exact();
        *response.body_mut() = Body::empty();
        if let Some(length) = length {
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
    }
    response
}

impl Gateway {
    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let matched = |template| Matched { method: parts.method.clone(), template, uri: parts.uri.clone() };
        match self.paths.find(&parts.method, parts.uri.path()) {
            Found::Binding(binding, segments) => {
                let segments = segments.into_iter().map(str::to_owned).collect();
                let (binding, matched) = (binding.clone(), matched(Some(binding.template.clone())));
                let mut response = self.call(binding, segments, parts, body, &matched).await;
                response.extensions_mut().insert(matched);
                response
            }
            Found::OtherMethod(allow) => {
                let message = format!("{} is not for this path; {allow} may be.", parts.method);
                let (refusal, matched) = (Status::new(Code::Unimplemented, message), matched(None));
                let mut response = self.unmatched(parts, matched, StatusCode::METHOD_NOT_ALLOWED, refusal).await;
                // Whom the layers refuse learns nothing of what is there.
                if let (StatusCode::METHOD_NOT_ALLOWED, Ok(allow)) = (response.status(), HeaderValue::from_str(&allow))
                {
                    response.headers_mut().insert(header::ALLOW, allow);
                }
                response
            }
            Found::Nothing => {
                let refusal = Status::not_found(format!("Nothing is at {}.", shortened(parts.uri.path())));
                let matched = matched(None);
                self.unmatched(parts, matched, StatusCode::NOT_FOUND, refusal).await
            }
        }
    }

    /// Asks the layers around the service first: they may know a better reason to refuse.
    async fn unmatched(
        &self,
        mut parts: request::Parts,
        matched: Matched,
        http: StatusCode,
        refusal: Status,
    ) -> Response {
        parts.headers = metadata(&parts.headers);
        parts.extensions.insert(matched.clone());
        // No method has this path: nothing can be called by a name that is not a rule's.
        let answer = self.ask(parts, Uri::from_static("/"), Body::empty()).await;
        let mut response = match Status::from_header_map(answer.headers()) {
            Some(status) if ![Code::Unimplemented, Code::Ok].contains(&status.code()) => {
                self.failed(&status, None, answer)
            }
            // The service's details, under our code and text.
            Some(status) => {
                let details = Bytes::copy_from_slice(status.details());
                self.failed(&Status::with_details(refusal.code(), refusal.message(), details), Some(http), answer)
            }
            // A layer that answers by itself, in its own form.
            None if !answer.status().is_success() && answer.status() != StatusCode::NOT_FOUND => answer,
            None => self.failed(&refusal, Some(http), answer),
        };
        response.extensions_mut().insert(matched);
        response
    }

    async fn call(
        &self,
        binding: Arc<Binding>,
        segments: Vec<String>,
        mut parts: request::Parts,
        body: Body,
        matched: &Matched,
    ) -> Response {
        let (timeout, unreadable) = match deadline::asked(&parts.headers) {
            Ok(timeout) => (timeout, None),
            Err(violation) => (None, Some(Refusal::from(violation))),
        };
        let until = Instant::now() + timeout.unwrap_or(NEVER).min(NEVER) + GRACE;
        let asked = Asked::new(&parts);
        let headers = std::mem::take(&mut parts.headers);
        parts.headers = metadata(&headers);
        if let Some(timeout) = timeout {
            parts.headers.insert("grpc-timeout", deadline::header(timeout));
        }
        parts.extensions.insert(matched.clone());
        let query = parts.uri.query().map(str::to_owned);
        let read: Arc<OnceLock<Read>> = Arc::default();
        let message = self.read_lazily(&binding, Parts { segments, query, headers, body }, unreadable, read.clone());
        let uri = Uri::from(binding.grpc_path.clone());
        let answered = async {
            let answer = self.ask(parts, uri, message).await;
            self.answered(binding, asked, until, &read, answer).await
        };
        tokio::time::timeout_at(until, answered).await.unwrap_or_else(|_| {
            let status = Status::deadline_exceeded("The call did not finish in its time.");
            self.failed(&status, None, Response::default())
        })
    }

    /// A gRPC body that becomes the request's message when it is read.
    fn read_lazily(
        &self,
        binding: &Arc<Binding>,
        parts: Parts,
        unreadable: Option<Refusal>,
        read: Arc<OnceLock<Read>>,
    ) -> Body {
        let limits = Limits { size: self.options.max_body, time: self.options.body_time };
        let binding = binding.clone();
        Body::from_stream(stream::once(async move {
            let framed = match unreadable {
                Some(refusal) => Err(refusal),
                None => frame(&binding, parts, limits).await,
            };
            let (how, frame) = match framed {
                Ok((frame, message)) => {
                    (Read::Message { validate_only: resources::is_validate_only(&message) }, Ok(frame))
                }
                Err(refusal) => (Read::Refused(refusal.http), Err(refusal.status)),
            };
            read.set(how).ok();
            frame
        }))
    }

    async fn ask(&self, mut parts: request::Parts, uri: Uri, body: Body) -> Response {
        parts.method = Method::POST;
        parts.version = Version::HTTP_2;
        parts.uri = uri;
        self.service.clone().oneshot(Request::from_parts(parts, body)).await.unwrap_or_else(|never| match never {})
    }

    /// The service's answer in HTTP's form.
    async fn answered(
        &self,
        binding: Arc<Binding>,
        mut asked: Asked,
        until: Instant,
        read: &OnceLock<Read>,
        answer: Response,
    ) -> Response {
        if let Some(status) = Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok) {
            return self.failed(&status, self.http_of(&status, &asked, read.get()), answer);
        }
        let kind = answer.headers().get(header::CONTENT_TYPE);
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
            // A layer that answers by itself, in its own form.
            return answer;
        }
        asked.validate_only = matches!(read.get(), Some(Read::Message { validate_only: true }));
        let (mut parts, body) = answer.into_parts();
        let answered = if binding.method.is_server_streaming() {
            answer::streamed(binding, asked.layout, until, self.pool.clone(), &mut parts, body).await
        } else {
            answer::unary(&binding, &asked, &mut parts, body).await
        };
        match answered {
            Ok(body) => Response::from_parts(parts, body),
            Err(status) => {
                let http = self.http_of(&status, &asked, read.get());
                self.failed(&status, http, Response::from_parts(parts, Body::empty()))
            }
        }
    }

    /// The HTTP status of a failure, where its code does not say it all.
    fn http_of(&self, status: &Status, asked: &Asked, read: Option<&Read>) -> Option<StatusCode> {
        match read {
            Some(Read::Refused(http)) if status.code() == Code::InvalidArgument => Some(*http),
            _ if asked.if_match && self.is_stale(status) => Some(StatusCode::PRECONDITION_FAILED),
            _ => None,
        }
    }

    fn is_stale(&self, status: &Status) -> bool {
        let Some(resources) = &self.options.resources else { return false };
        status.code() == Code::Aborted
            && status.get_details_error_info().is_some_and(|info| info.reason == resources.stale_reason)
    }

    /// The failed answer, with what else the service's answer said.
    fn failed(&self, status: &Status, http: Option<StatusCode>, answer: Response) -> Response {
        let (parts, _) = answer.into_parts();
        let mut response = status::respond(status, http, &self.pool);
        append(response.headers_mut(), answer::plain_headers(parts.headers));
        *response.extensions_mut() = parts.extensions;
        response
    }
}

/// Adds headers to others; of those that are there already, more than one may stand.
pub fn append(headers: &mut HeaderMap, more: HeaderMap) {
    let mut last = None;
    for (name, value) in more {
        last = name.or(last);
        if let Some(name) = &last {
            headers.append(name.clone(), value);
        }
    }
}
