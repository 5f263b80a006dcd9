//! HTTP and JSON for any tonic service, from its descriptors.
//!
//! [`router`] takes a service's routes and its encoded descriptor set and gives an axum router in which every method
//! with a `google.api.http` rule answers HTTP. The same handlers answer, in process, behind the same layers, with the
//! caller's headers as metadata and the request's extensions. It knows nothing of any product.
//!
//! A request is read when its handler asks for it: layers around the routes (authentication, limits, deadlines) run
//! first, as they do for gRPC, and what they refuse costs no parsing. Where no rule fits, they are asked as well, with
//! the path `/`, so that they see and count every request; what they let through is answered 404 or 405.
//!
//! **Requests.** The path's variables win over body and query; a variable that may hold several segments keeps `%2F`
//! apart from `/`. Names in a query and in JSON may be camelCase or snake_case. What nobody knows (a parameter, a field)
//! is refused by name, and so is what is there twice.
//!
//! **Answers** are canonical ProtoJSON, defaults left out. A failed call is google.rpc.Status,
//! `{"code", "status", "message", "details"}`, under the HTTP status of google/rpc/code.proto; 404, 405 with `Allow`, 408,
//! 413 and 415 have the same shape. A server stream is NDJSON, server-sent events or one JSON array, as `Accept` says
//! (`application/x-ndjson`, `text/event-stream`, `application/json`); one that fails after its first message ends with
//! `{"error": …}`, or an event named `error`.
//!
//! **Deadlines** come in `grpc-timeout` or `x-request-timeout` (seconds, or `ms`). The service hears of them as
//! `grpc-timeout` and has the first word; [`GRACE`] later the call is given up.
//!
//! | Module | Question |
//! |---|---|
//! | `rules` | which methods answer which paths, and can that work? |
//! | `paths` | which method answers this path? |
//! | `request`, `query`, `json` | what message is this request? |
//! | `answer`, `status` | what does this message, this stream, this failure look like? |
//! | `resources` | what do `ETag`, `If-Match`, `Location` say? |
//! | `deadline` | how long may it take? |
//! | `openapi`, `schema` | how is all of this described to others? |

mod answer;
mod deadline;
mod json;
mod openapi;
mod paths;
mod query;
mod request;
mod resources;
mod rules;
mod schema;
mod status;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, StatusCode, Uri, Version, header};
use prost_reflect::DescriptorPool;
use tokio::time::Instant;
use tonic::{Code, Status, service::Routes};
use tower::ServiceExt;

pub use crate::openapi::{Carried, HeaderParameter, OpenApi};
use crate::{
    answer::Layout,
    paths::{Found, Paths},
    request::{Limits, Parts, Refusal},
    resources::{Asked, Conventions},
    rules::Binding,
};

/// How much longer than its deadline a call may take, so that the service itself can say that it is over.
pub const GRACE: Duration = Duration::from_millis(100);

/// A deadline so far away that it is none.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest body taken, in bytes; more is 413. 1 MiB.
    pub max_body: usize,
    /// How long a body may take to arrive; longer is 408. 30 seconds.
    pub body_time: Duration,
    /// What HTTP users expect of resources; off, because it reads meaning into names.
    pub resources: Option<Resources>,
    /// Describes it all at `/openapi.json` and `/openapi.yaml`.
    pub openapi: Option<OpenApi>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_body: 1024 * 1024, body_time: Duration::from_secs(30), resources: None, openapi: None }
    }
}

/// For services whose resources have an `id` and an `etag`: `ETag` on what is read and `304` for `If-None-Match`,
/// `If-Match` for the request's `etag`, `201` and `Location` for a POST to a collection.
#[derive(Debug, Clone)]
pub struct Resources {
    /// The `ErrorInfo` reason that says that an etag is stale: 412 when it came in `If-Match`.
    pub stale_reason: &'static str,
}

/// Which rule answered: an extension of the request as the layers see it, and of the response.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The HTTP method of the request.
    pub method: Method,
    /// The path's template, as the rule has it; `None` where no rule fits.
    pub template: Option<Arc<str>>,
    /// The path of the request.
    pub uri: Uri,
}

/// Why a service cannot be served; names the method.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Serves every method of `routes` that has a `google.api.http` rule in `descriptor_set` (an encoded
/// `google.protobuf.FileDescriptorSet`, imports included) over HTTP. Answers every path: merge it as a fallback.
///
/// # Errors
///
/// A rule that cannot work, or two for the same paths, with the method's name.
pub fn router(routes: Routes, descriptor_set: &[u8], options: Options) -> Result<Router, Error> {
    let pool = DescriptorPool::decode(descriptor_set)
        .map_err(|error| Error::new(format!("the descriptor set cannot be read: {error}")))?;
    let mut bindings = rules::bindings(&pool)?;
    if options.resources.is_some() {
        let conventions: Vec<_> = bindings.iter().map(|binding| Conventions::new(binding, &bindings)).collect();
        for (binding, conventions) in bindings.iter_mut().zip(conventions) {
            binding.conventions = conventions;
        }
    }
    let paths = Paths::new(bindings)?;
    let mut router = Router::new();
    if let Some(about) = &options.openapi {
        let document = openapi::document(&pool, paths.bindings(), &options, about)?;
        let unwritable = |error: &dyn fmt::Display| Error::new(format!("openapi: {error}"));
        let json = serde_json::to_string_pretty(&document).map_err(|error| unwritable(&error))?;
        let yaml = serde_saphyr::to_string(&document).map_err(|error| unwritable(&error))?;
        for (path, kind, text) in
            [("/openapi.json", "application/json", json), ("/openapi.yaml", "application/yaml", yaml)]
        {
            let text = Bytes::from(text);
            router = router.route(path, get(async move || ([(header::CONTENT_TYPE, kind)], text)));
        }
    }
    let gateway = Gateway { paths, pool, service: routes.prepare().into_axum_router(), options };
    Ok(router.fallback(answer_http).with_state(Arc::new(gateway)))
}

struct Gateway {
    paths: Paths,
    pool: DescriptorPool,
    service: Router,
    options: Options,
}

async fn answer_http(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let mut response = gateway.answer(request).await;
    if is_head {
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
    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let matched = |template| Matched { method: parts.method.clone(), template, uri: parts.uri.clone() };
        let (binding, segments) = match self.paths.find(&parts.method, parts.uri.path()) {
            Found::Binding(binding, segments) => {
                (binding.clone(), segments.into_iter().map(str::to_owned).collect::<Vec<_>>())
            }
            Found::OtherMethod(allow) => {
                let message = format!("{} is not for this path; {allow} may be.", parts.method);
                let refusal = Status::new(Code::Unimplemented, message);
                let matched = matched(None);
                let mut response = self.unmatched(parts, matched, StatusCode::METHOD_NOT_ALLOWED, refusal).await;
                if let Ok(allow) = HeaderValue::from_str(&allow) {
                    response.headers_mut().insert(header::ALLOW, allow);
                }
                return response;
            }
            Found::Nothing => {
                let refusal = Status::not_found(format!("Nothing is at {}.", parts.uri.path()));
                let matched = matched(None);
                return self.unmatched(parts, matched, StatusCode::NOT_FOUND, refusal).await;
            }
        };
        let matched = matched(Some(binding.template.clone()));
        let mut response = self.call(binding, segments, parts, body, &matched).await;
        response.extensions_mut().insert(matched);
        response
    }

    /// Asks the layers around the service first: they may know a better reason to refuse.
    async fn unmatched(
        &self,
        mut parts: http::request::Parts,
        matched: Matched,
        http: StatusCode,
        refusal: Status,
    ) -> Response {
        parts.headers = request::metadata(&parts.headers);
        parts.extensions.insert(matched.clone());
        let request = grpc_request(parts, Uri::from_static("/"), Body::empty());
        let answer = self.service.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = Status::from_header_map(answer.headers());
        let (status, http) = match status {
            Some(status) if ![Code::Unimplemented, Code::Ok].contains(&status.code()) => (status, None),
            // The service's details, under our code and text.
            Some(status) => {
                let details = status.details().to_vec().into();
                (Status::with_details(refusal.code(), refusal.message(), details), Some(http))
            }
            None => (refusal, Some(http)),
        };
        let mut response = self.failed(&status, http, answer);
        response.extensions_mut().insert(matched);
        response
    }

    async fn call(
        &self,
        binding: Arc<Binding>,
        segments: Vec<String>,
        mut parts: http::request::Parts,
        body: Body,
        matched: &Matched,
    ) -> Response {
        let (timeout, unreadable) = match deadline::asked(&parts.headers) {
            Ok(timeout) => (timeout, None),
            Err(violation) => (None, Some(Refusal::from(violation))),
        };
        let path = parts.uri.path().to_owned();
        let mut asked = Asked {
            path,
            is_get: [Method::GET, Method::HEAD].contains(&parts.method),
            if_none_match: parts.headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect(),
            if_match: parts.headers.contains_key(header::IF_MATCH),
            validate_only: false,
        };
        let layout = Layout::of(&parts.headers);
        let headers = std::mem::take(&mut parts.headers);
        parts.headers = request::metadata(&headers);
        if let Some(timeout) = timeout {
            parts.headers.insert("grpc-timeout", deadline::header(timeout));
        }
        parts.extensions.insert(matched.clone());

        // What the request turned out to be, once somebody has asked for it.
        let read: Arc<OnceLock<Read>> = Arc::default();
        let query = parts.uri.query().map(str::to_owned);
        let limits = Limits { size: self.options.max_body, time: self.options.body_time };
        let request_parts = Parts { segments, query, headers, body };
        let lazily = {
            let (binding, read) = (binding.clone(), read.clone());
            async move {
                let message = match unreadable {
                    Some(refusal) => Err(refusal),
                    None => request::frame(&binding, request_parts, limits).await,
                };
                match message {
                    Ok((frame, message)) => {
                        read.set(Read::Message { validate_only: resources::is_validate_only(&message) }).ok();
                        Ok(frame)
                    }
                    Err(refusal) => {
                        read.set(Read::Refused(refusal.http)).ok();
                        Err(refusal.status)
                    }
                }
            }
        };
        let uri = Uri::from(binding.grpc_path.clone());
        let request = grpc_request(parts, uri, Body::from_stream(stream::once(lazily)));

        let until = Instant::now() + timeout.unwrap_or(NEVER).min(NEVER) + GRACE;
        let answered = async {
            let answer = self.service.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            if let Some(status) = Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok) {
                return Err((status, answer.map(|_| Body::empty())));
            }
            let is_grpc = answer
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
            if !is_grpc {
                // A layer that answers by itself, in its own form.
                return Ok(answer);
            }
            if let Some(Read::Message { validate_only }) = read.get() {
                asked.validate_only = *validate_only;
            }
            let response = if binding.method.is_server_streaming() {
                answer::streamed(binding.clone(), layout, until, self.pool.clone(), answer).await
            } else {
                answer::unary(&binding, &asked, answer).await
            };
            response.map_err(|status| (status, Response::default()))
        };
        let (status, answer) = match tokio::time::timeout_at(until, answered).await {
            Ok(Ok(response)) => return response,
            Ok(Err(failed)) => failed,
            Err(_) => (Status::deadline_exceeded("The call did not finish in its time."), Response::default()),
        };
        let http = match read.get() {
            Some(Read::Refused(http)) if status.code() == Code::InvalidArgument => Some(*http),
            _ if asked.if_match && self.is_stale(&status) => Some(StatusCode::PRECONDITION_FAILED),
            _ => None,
        };
        self.failed(&status, http, answer)
    }

    fn is_stale(&self, status: &Status) -> bool {
        use tonic_types::StatusExt;
        let Some(resources) = &self.options.resources else { return false };
        status.code() == Code::Aborted
            && status.get_details_error_info().is_some_and(|info| info.reason == resources.stale_reason)
    }

    /// The failed answer, with what else the service's answer said.
    fn failed(&self, status: &Status, http: Option<StatusCode>, answer: Response) -> Response {
        let (parts, _) = answer.into_parts();
        let mut response = status::respond(status, http, &self.pool);
        for (name, value) in &answer::plain_headers(parts.headers) {
            response.headers_mut().insert(name, value.clone());
        }
        *response.extensions_mut() = parts.extensions;
        response
    }
}

/// How a request was read.
enum Read {
    Message { validate_only: bool },
    Refused(StatusCode),
}

fn grpc_request(mut parts: http::request::Parts, uri: Uri, body: Body) -> Request {
    parts.method = Method::POST;
    parts.version = Version::HTTP_2;
    parts.uri = uri;
    Request::from_parts(parts, body)
}
