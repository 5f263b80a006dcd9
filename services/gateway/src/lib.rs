//! HTTP and JSON for any tonic service, from its descriptors.
//!
//! [`router`] takes a service's routes and its encoded descriptor set and gives an axum router in which every method
//! with a `google.api.http` rule answers HTTP. The same handlers answer, in process, behind the same layers, with the
//! caller's headers as metadata and the request's extensions. It knows nothing of any product.
//!
//! A request is read when its handler asks for it: layers around the routes (authentication, limits, deadlines) run
//! first, as they do for gRPC, and what they refuse costs no parsing. Where no rule fits, they are asked as well, with
//! the path `/`, so that they see and count every call; what they let through is answered 404 or 405. The OpenAPI document
//! is no call: everybody may read it.
//!
//! **Requests.** The path's variables win over body and query; a variable that may hold several segments keeps `%2F`
//! apart from `/`. Names in a query and in JSON may be camelCase or snake_case. What nobody knows (a parameter, a field)
//! is refused by name, and so is what is there twice.
//!
//! **Answers** are canonical ProtoJSON, defaults left out. A failed call is google.rpc.Status,
//! `{"code", "status", "message", "details"}`, under the HTTP status of google/rpc/code.proto (401 asks for a bearer token);
//! 404, 405 with `Allow`, 408, 413 and 415 have the same shape. A server stream is NDJSON, server-sent events or one JSON array, as `Accept` says
//! (`application/x-ndjson`, `text/event-stream`, `application/json`); one that fails after its first message ends with
//! `{"error": …}`, or an event named `error`.
//!
//! **Bodies of any kind**: where an answer, or the field that its `response_body` names, is a `google.api.HttpBody`, its
//! `data` are the body as they are and its `content_type` is the `Content-Type` (`application/octet-stream` where it is
//! empty), whatever `Accept` says; its `extensions` are not sent. A failed call is google.rpc.Status here, too. In requests
//! and in streams an HttpBody is not supported: such a method is refused at start.
//!
//! **Deadlines** come in `grpc-timeout` or `x-request-timeout` (seconds, or `ms`). The service hears of them as
//! `grpc-timeout` and has the first word; [`GRACE`] later the call is given up, a stream too, wherever it is.
//!
//! | Module | Question |
//! |---|---|
//! | `call` | what happens to a request, from beginning to end |
//! | `rules` | which methods answer which paths, and can that work? |
//! | `paths` | which method answers this path? |
//! | `request`, `query`, `strict`, `json` | what message is this request? |
//! | `answer`, `layout`, `status` | what does this message, this stream, this failure look like? |
//! | `resources` | what do `ETag`, `If-Match`, `Location` say? |
//! | `deadline` | how long may it take? |
//! | `openapi`, `operation`, `schema` | how is all of this described to others? |

mod answer;
mod call;
mod deadline;
mod json;
mod layout;
mod openapi;
mod operation;
mod paths;
mod query;
mod request;
mod resources;
mod rules;
mod schema;
mod status;
mod strict;

use std::{fmt, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Method, Uri, header};
use prost_reflect::DescriptorPool;
use tonic::service::Routes;

use crate::{
    call::{Gateway, answer_http},
    paths::Paths,
    resources::Conventions,
};
pub use crate::{
    deadline::grpc as grpc_timeout,
    openapi::{Carried, HeaderParameter, OpenApi, Reasons},
    status::name as code_name,
};

/// How much longer than its deadline a call may take, so that the service itself can say that it is over.
pub const GRACE: Duration = Duration::from_millis(100);

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
    /// The address of the request, its query included, which may hold anything.
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

/// Serves `routes` over HTTP: every method that has a `google.api.http` rule in `descriptor_set`, an encoded
/// `google.protobuf.FileDescriptorSet` with its imports. Answers every path: where other routes stand beside it, make it
/// their `fallback_service`.
///
/// # Errors
///
/// A rule that cannot work or is not supported, or two for the same paths, with the method's name.
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
