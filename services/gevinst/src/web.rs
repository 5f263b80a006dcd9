//! The port's HTTP side: the gateway over the same calls as gRPC, and what HTTP callers expect around it.

mod pages;

use std::{sync::LazyLock, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use gevinst_gateway::{Carried, HeaderParameter, Matched, OpenApi, Options, Reasons, Resources};
use gevinst_proto::DESCRIPTOR_SET;
use http::{HeaderName, HeaderValue, Uri, header};
use serde_json::{Map, Value as Json, json};
use tonic::service::Routes;
use tower::ServiceExt;
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
};
use tracing::Span;

use crate::{
    dossier::paper,
    peer::Peer,
    server::{MAX_MESSAGE, Spent},
    texts,
};

/// What is smaller is sent as it is: compressing it takes longer than sending it.
const COMPRESS_ABOVE: u16 = 1024;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(20);

/// HTTP's routes. `calls` are gRPC's, with everything that stands before them.
pub async fn routes(calls: Routes) -> Result<Router, String> {
    let options = Options {
        max_body: MAX_MESSAGE,
        body_time: BODY_TIME,
        resources: Some(Resources { stale_reason: "ETAG_STALE" }),
        openapi: Some(openapi()),
    };
    let gateway = gevinst_gateway::router(calls, DESCRIPTOR_SET, options).map_err(|error| error.to_string())?;
    let compress = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESS_ABOVE).and(NotForContentType::SSE));
    let pages = pages::routes(&gateway).await?;
    let pages = pages.layer(from_fn_with_state(gateway.clone(), limit_pages));
    Ok(pages.fallback_service(gateway.layer(compress)).layer(from_fn(finish)))
}

/// Pages are no calls; an address that has used up its calls gets none of them either. The stack refuses it, at an
/// address that nothing answers.
async fn limit_pages(State(gateway): State<Router>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Spent>().is_none() {
        return next.run(request).await;
    }
    *request.uri_mut() = Uri::from_static("/");
    gateway.oneshot(request).await.unwrap_or_else(|never| match never {})
}

/// What protects every answer: OWASP's headers for an API. A page that needs other values sets its own.
const PROTECTION: [(HeaderName, HeaderValue); 6] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// The one page that a call answers with has one style, known by its hash: nothing else of it is followed, least of all
/// what people have written.
static PAPER_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, paper::STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    HeaderValue::from_str(&policy).expect("a hash in Base64 is visible ASCII")
});

/// Whoever has seen it encrypted asks for it in no other way.
const ENCRYPTED_FOR_TWO_YEARS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// What every answer gets at last: one layer for all of it, because each costs.
async fn finish(request: Request, next: Next) -> Response {
    let is_encrypted = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_encrypted);
    let mut response = next.run(request).await;
    // Ends the call's span with what HTTP answered.
    if let Some(CallSpan(span)) = response.extensions_mut().remove() {
        span.record("http.response.status_code", response.status().as_u16());
    }
    weaken_etag(&mut response);
    let is_page = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/html");
    if response.headers().get(header::CONTENT_TYPE).is_some_and(is_page) {
        let policy = || PAPER_POLICY.clone();
        response.headers_mut().entry(header::CONTENT_SECURITY_POLICY).or_insert_with(policy);
    }
    for (name, value) in PROTECTION {
        response.headers_mut().entry(name).or_insert(value);
    }
    if is_encrypted {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, ENCRYPTED_FOR_TWO_YEARS);
    }
    response
}

/// What the contract does not say of itself.
fn openapi() -> OpenApi {
    let header = |name: &str, description: &str, schema: Json, carried| HeaderParameter {
        name: name.to_owned(),
        description: description.to_owned(),
        schema,
        carried,
    };
    OpenApi {
        title: "Gevinst".to_owned(),
        version: "v1".to_owned(),
        description: DESCRIPTION.to_owned(),
        licence: "EUPL-1.2".to_owned(),
        security: json!({"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A token of the municipality's issuer, with the roles its bearer holds in each organisation."}}),
        headers: vec![
            header(
                "Idempotency-Key",
                "Makes a retry safe: the same key and request get the same answer for a week; the same key with another \
                 request is refused.",
                json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}),
                Carried::ByCommands,
            ),
            header(
                "Accept-Language",
                "The language of messages for people: `da` (default) or `en`.",
                json!({"type": "string", "examples": ["da", "en"]}),
                Carried::ByRequests,
            ),
            header(
                "X-Request-Id",
                "Names the call in logs and in the audit log. The caller may choose it: 1 to 64 letters, digits and `._-`; \
                 anything else is replaced.",
                json!({"type": "string"}),
                Carried::ByAnswersToo,
            ),
            header(
                "X-Request-Timeout",
                "How long the caller will wait: seconds, or milliseconds with `ms`.",
                json!({"type": "string", "pattern": "^[0-9]{1,5}([.][0-9]{1,3})?(s|ms)?$", "examples": ["5", "1500ms"]}),
                Carried::ByRequests,
            ),
            header(
                "Traceparent",
                "The caller's trace (W3C Trace Context); what is none is ignored.",
                json!({"type": "string", "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]}),
                Carried::ByRequests,
            ),
        ],
        examples: examples(),
        package: "gevinst.".to_owned(),
        // What is no JSON here is a page to read.
        raw_media_type: Some("text/html".to_owned()),
        reasons: Some(Reasons { names: "gevinst.v1.ErrorReason".to_owned(), of_commands: "commands also".to_owned() }),
    }
}

/// Values that a reader can send to `deploy/dev` as they are, as far as they go.
fn examples() -> Map<String, Json> {
    let examples = json!({
        "organisation": "01999999-0000-7000-8000-000000009999",
        "title": "Færre breve på papir",
        "vision": "Ét sted at spørge, uanset hvad man fejler.",
        "name": "Borgerservice",
        "projectOwner": "chef-borgerservice",
        "projectManager": "projektleder-p01",
        "owner": "gevinstejer-borgerservice",
        "leader": "leder-borgerservice",
        "reason": "Grundlaget holder.",
        "source": "Sagssystemets månedsrapport",
        "measuredOn": "2026-10-31",
        "dueOn": "2030-12-31",
        "decidedOn": "2026-01-29",
        "spentOn": "2026-10-31",
        "startOn": "2027-01-04",
        "endOn": "2027-06-30",
        "criterion": "S24_SECURITY_SCREENING",
        "code": "S29_BENEFIT",
        "uri": "https://sager.hedeby.example/2026/notat",
        "doneCriteria": ["Halvdelen bruger det hver uge."],
        "firstYear": 2026,
        "validFrom": "2026-01-01",
        "validUntil": "2030-12-31",
        "fkOrgUuid": "3fd3f7a6-51d2-4cf5-8d0a-6f5f2f3c0a11",
        "kitosUuid": "8a1de2c4-0b57-4f0e-9a62-7d5d1f6b9c22",
        "format": "ORG_UNIT_FORMAT_CSV",
        "content": "Zmtfb3JnX3V1aWQsbmFtZQozZmQzZjdhNi01MWQyLTRjZjUtOGQwYS02ZjVmMmYzYzBhMTEsQm9yZ2Vyc2VydmljZQo=",
        "baseline": "42.5",
        "target": "30",
        "value": "38.25",
        "reviewMonths": [6, 12],
        "missingDays": 60,
        "yellowBelow": "0.9",
        "redBelow": "0.8",
        "realisedFrom": "0.9",
        "partlyFrom": "0.1",
        "account": "5.46.60",
        "statement": "Gennemgået med driften.",
        "unit": "dage",
        "etag": "v1",
        "kind": "BENEFIT_KIND_QUALITATIVE",
    });
    examples.as_object().cloned().unwrap_or_default()
}

const DESCRIPTION: &str = "\
The governance record of a municipality's digital portfolio: what is proposed, what is known, who decided what on which \
basis, and what value came of it. The same contract over gRPC, gRPC-Web and HTTP, on one port.

**Errors** have one shape, `Error`: decide by `status` and by the `reason` in its ErrorInfo, never by a text. \
Each response lists the reasons behind it.

**Retries.** Send an `Idempotency-Key` with whatever changes something. 409, 429, 503 and 504 are safe to retry that way.

**Changes** carry the state they are based on, in `If-Match` or as `etag`; a stale one is refused and nothing is lost.

**Names** of fields and parameters may be camelCase or snake_case; what nobody knows is refused. 64-bit integers \
travel as text; values that are unset are left out. `validateOnly` checks everything and changes nothing.

**Texts** hold no control characters but line breaks and tabs, and nothing with the shape of a personal number (CPR).

**Lists** take `filter` (AIP-160), `orderBy`, `pageSize` and the `pageToken` of the page before.";

/// A compressed answer is another sequence of bytes than the one that a strong `ETag` names (RFC 9110, 8.8.1).
fn weaken_etag(response: &mut Response) {
    if response.headers().contains_key(header::CONTENT_ENCODING)
        && let Some(etag) = response.headers().get(header::ETAG).filter(|etag| etag.as_bytes().starts_with(b"\""))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat())
    {
        response.headers_mut().insert(header::ETAG, weak);
    }
}

/// The call's span, until its answer has a status.
#[derive(Clone)]
pub struct CallSpan(pub Span);

/// A call's span by OpenTelemetry's conventions for HTTP servers. No query: it may hold anything.
pub fn describe(span: &Span, matched: &Matched, is_encrypted: bool) {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    // Names come from callers, and are kept: only those that everybody knows.
    let known = known.iter().find(|known| matched.method == **known);
    let method = known.map_or("HTTP", |known| *known);
    span.record("http.request.method", known.map_or("_OTHER", |known| *known));
    span.record("url.scheme", if is_encrypted { "https" } else { "http" });
    match &matched.template {
        Some(template) => {
            span.record("otel.name", format!("{method} {template}"));
            span.record("http.route", &**template);
            let path = matched.uri.path();
            span.record("url.path", if is_plain(path) { path } else { template });
        }
        None => {
            span.record("otel.name", method);
        }
    }
}

/// Whether a path holds nothing but what addresses here are made of: a caller can write anything into it.
fn is_plain(path: &str) -> bool {
    path.len() <= 256
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-:".contains(&byte))
        && !texts::has_personal_number(path)
}
