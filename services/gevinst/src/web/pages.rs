//! What everybody may read without a token: the API's documentation, for people and for programs. It never changes while
//! the service runs, so it is compressed once, when somebody first asks for that, and known by its hash: reading it costs
//! next to nothing, and starting neither.

use std::{
    io::Write,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tower::ServiceExt;

/// The page talks to this service alone. Its reader's component writes styles into its elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// One file.
struct File {
    kind: &'static str,
    plain: Bytes,
    packed: OnceLock<Bytes>,
    etag: HeaderValue,
}

/// The page at `/docs`, from files in the binary (`docs/` says where they come from), and the documents that the gateway
/// writes.
pub async fn routes(gateway: &Router) -> Result<Router, String> {
    let script = "text/javascript; charset=utf-8";
    let embedded = Bytes::from_static;
    let files = [
        ("/docs", "text/html; charset=utf-8", embedded(include_bytes!("../../docs/index.html"))),
        ("/docs/docs.css", "text/css; charset=utf-8", embedded(include_bytes!("../../docs/docs.css"))),
        ("/docs/docs.js", script, embedded(include_bytes!("../../docs/docs.js"))),
        ("/docs/openapi-explorer.min.js", script, embedded(include_bytes!("../../docs/openapi-explorer.min.js"))),
        ("/openapi.json", "application/json", written(gateway, "/openapi.json").await?),
        ("/openapi.yaml", "application/yaml", written(gateway, "/openapi.yaml").await?),
    ];
    let mut routes = Router::new();
    for (path, kind, plain) in files {
        let file = Arc::new(File::new(kind, plain)?);
        routes = routes.route(path, get(async move |headers: HeaderMap| file.answer(&headers)));
    }
    Ok(routes)
}

async fn written(gateway: &Router, path: &str) -> Result<Bytes, String> {
    let request = Request::get(path).body(Body::empty()).map_err(|error| error.to_string())?;
    let answer = gateway.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
    to_bytes(answer.into_body(), usize::MAX).await.map_err(|error| error.to_string())
}

impl File {
    fn new(kind: &'static str, plain: Bytes) -> Result<Self, String> {
        let hash: String = digest(&SHA256, &plain).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        // Weak: the same for both forms of the file.
        let etag = HeaderValue::from_str(&format!("W/\"{hash}\"")).map_err(|error| error.to_string())?;
        Ok(Self { kind, plain, packed: OnceLock::new(), etag })
    }

    fn packed(&self) -> &Bytes {
        self.packed.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            let packed = encoder.write_all(&self.plain).and_then(|()| encoder.finish());
            packed.expect("memory takes what is written to it").into()
        })
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let is_known = known.flat_map(|value| value.split(',')).any(|tag| self.etag == tag.trim());
        let codings = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let packs = codings.flat_map(|value| value.split(',')).any(is_gzip);
        let body = if packs { self.packed() } else { &self.plain };
        let mut response = match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([(header::CONTENT_TYPE, self.kind)], body.clone()).into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        // Another version of the binary has other files under the same names: ask again, and be told 304.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        if packs && !is_known {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Whether an entry of `Accept-Encoding` takes gzip.
fn is_gzip(entry: &str) -> bool {
    let mut parts = entry.split(';').map(str::trim);
    let weight = |part: &str| part.strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32));
    parts.next() == Some("gzip") && !parts.any(weight)
}
