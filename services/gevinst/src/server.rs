//! The stack, read from top to bottom: what every call passes, in order, and what is served on which port.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::get,
};
use gevinst_gateway::{Matched, grpc_timeout};
use gevinst_proto::{DESCRIPTOR_POOL, DESCRIPTOR_SET, v1};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ipnet::IpNet;
use prost::Message;
use prost_reflect::ReflectMessage;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::{Layer, ServiceExt};
use tower_http::{catch_panic::CatchPanicLayer, sensitive_headers::SetSensitiveRequestHeadersLayer};
use tracing::{Instrument, Span, field::Empty, info_span};

use crate::{
    audit::door::Door,
    auth::{Caller, authenticate, policy::Policies, token::Verifier},
    clock,
    config::Config,
    connections::{self, Connections},
    ctx::{App, Call, Clock, Ctx, Place},
    db::Db,
    error::{self, Error, Language, Result},
    peer::{self, Peer},
    rates::Rates,
    readiness::Readiness,
    telemetry::{self, Metrics},
    texts,
    tls::Tls,
    web,
};

/// The largest message taken, in bytes.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// How often health and the ready metric look at the database.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long connections without a call may take to end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Answers every RPC of the contract; each resource implements its trait on it in its `grpc.rs`.
#[derive(Clone)]
pub struct Service {
    app: Arc<App>,
}

impl Service {
    /// Lets a call in: who it is comes from the layers, what it asks has kept its rules.
    pub fn enter<M: Message + ReflectMessage>(&self, request: tonic::Request<M>) -> Result<(Ctx, M)> {
        let (entered, message) = self.enter_stream(request)?;
        Ok((entered.with(&message)?, message))
    }
}

/// A caller at the door with a stream, whose first message is yet to come.
pub struct Entered {
    app: Arc<App>,
    call: Arc<Call>,
    caller: Arc<Caller>,
    place: Option<Place>,
}

impl Entered {
    /// Lets them in by what the first message says.
    pub fn with<M: Message + ReflectMessage>(self, first: &M) -> Result<Ctx> {
        Ctx::new(self.app, self.call, self.caller, self.place, first)
    }
}

impl Service {
    /// Who calls with a stream, and the stream.
    pub fn enter_stream<S>(&self, mut request: tonic::Request<S>) -> Result<(Entered, S)> {
        let call = request.extensions_mut().remove::<Arc<Call>>();
        let place = request.extensions_mut().remove::<Place>();
        let caller = request.extensions_mut().remove::<Arc<Caller>>().ok_or(Error::TokenMissing)?;
        let call = call.ok_or_else(|| Error::Internal("a call past the layers".to_owned()))?;
        Ok((Entered { app: self.app.clone(), call, caller, place }, request.into_inner()))
    }
}

/// What the layers share.
struct Layers {
    app: Arc<App>,
    metrics: Arc<Metrics>,
    methods: BTreeSet<String>,
    places: Arc<Semaphore>,
    rates: Arc<Rates>,
    door: Arc<Door>,
    max_deadline: Duration,
    trust_traceparent: bool,
}

/// A server that runs.
pub struct Server {
    /// Where calls are served.
    pub address: SocketAddr,
    /// Where probes and metrics are served.
    pub admin_address: SocketAddr,
    app: Arc<App>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    stop: CancellationToken,
    drain: Duration,
    calls: JoinHandle<()>,
    watch: JoinHandle<()>,
    clock: Option<JoinHandle<()>>,
    door: (CancellationToken, JoinHandle<()>),
    admin: (CancellationToken, JoinHandle<()>),
}

impl Server {
    /// Starts to serve. Waits for the database as long as it takes; refuses one whose schema or role is not fit.
    pub async fn start(config: &Config, clock: Clock) -> Result<Self, String> {
        let stop = CancellationToken::new();
        let tls = config.tls.as_ref().map(|tls| Tls::start(tls, stop.clone())).transpose()?;
        let verifier = Arc::new(Verifier::new(&config.issuers).await?);
        let db = Db::connect(&config.database_url, "gevinst", config.database_connections, config.max_deadline)
            .await
            .map_err(|error| format!("GEVINST_DATABASE_URL: {error}"))?;
        let policies =
            Policies::load(config.policies.as_deref()).map_err(|error| format!("GEVINST_POLICY_FILE: {error}"))?;
        tracing::info!(sha256 = policies.sha256(), "policies loaded");
        let app = Arc::new(App::new(db, clock, policies));
        app.warm_up();
        let metrics = Arc::new(Metrics::default());

        // Probes answer from the first moment on: alive, and not ready.
        let admin = bind(config.admin_listen).await?;
        let admin_address = address(&admin)?;
        let readiness = Arc::new(Readiness::new(&config.database_url).await?);
        let probes = admin_routes(readiness.clone(), metrics.clone(), app.clone());
        let admin_stop = CancellationToken::new();
        let admin_task = tokio::spawn(serve_admin(admin, probes, admin_stop.clone()));
        readiness.wait_until_fit().await?;

        let listener = bind(config.listen).await?;
        let address = address(&listener)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let reflection_error = |error: tonic_reflection::server::Error| error.to_string();

        let service = Service { app: app.clone() };
        let routes = Routes::new(health_service)
            .add_service(reflection().build_v1().map_err(reflection_error)?)
            .add_service(reflection().build_v1alpha().map_err(reflection_error)?)
            .add_service(
                v1::organisation_service_server::OrganisationServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::project_service_server::ProjectServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::gate_service_server::GateServiceServer::new(service.clone()).max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::condition_service_server::ConditionServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::funding_service_server::FundingServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::plan_service_server::PlanServiceServer::new(service.clone()).max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::lesson_service_server::LessonServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::dossier_service_server::DossierServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::benefit_service_server::BenefitServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::benefit_report_service_server::BenefitReportServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::benefit_map_service_server::BenefitMapServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::strategy_service_server::StrategyServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::realisation_service_server::RealisationServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::access_service_server::AccessServiceServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                v1::audit_service_server::AuditServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE),
            );

        let rates = Arc::new(Rates::new(&config.limits));
        tokio::spawn(rates.clone().keep_small(stop.clone()));
        let door = Arc::new(Door::default());
        let layers = Arc::new(Layers {
            app: app.clone(),
            metrics: metrics.clone(),
            methods: methods(),
            places: Arc::new(Semaphore::new(config.max_concurrent_calls)),
            rates: rates.clone(),
            door: door.clone(),
            max_deadline: config.max_deadline,
            trust_traceparent: config.trust_traceparent,
        });
        let calls = stack(routes.into_axum_router(), layers, verifier);
        // gRPC-Web and HTTP/JSON become gRPC outside the stack, so all three pass the same layers.
        let http = web::routes(Routes::from(calls.clone())).await?;
        let grpc = Router::new().fallback_service(GrpcWebLayer::new().layer(calls));
        let trusted_proxies = config.trusted_proxies.clone().into();
        let port = Router::new().fallback(enter).with_state(Port { grpc, http, rates, trusted_proxies });

        let (limits, proxies) = (&config.limits, &config.trusted_proxies);
        let connections =
            Connections::new(port, tls, limits, proxies, connections::TIMES, metrics.clone(), stop.clone());
        let calls = tokio::spawn(connections.serve(listener));
        readiness.look(&metrics).await;
        let watch = tokio::spawn(watch_health(readiness.clone(), metrics.clone(), health, stop.clone()));
        let clock = config.clock.map(|every| {
            let work = clock::Work::new(app.clone(), metrics.clone(), every, stop.clone());
            tokio::spawn(work.keep())
        });
        let door_closed = CancellationToken::new();
        let (db, time, closed) = (app.db.clone(), app.clock.clone(), door_closed.clone());
        let door = (door_closed, tokio::spawn(async move { door.keep(db, time, closed).await }));
        tracing::info!(%address, %admin_address, "serving");
        let admin = (admin_stop, admin_task);
        Ok(Self {
            address,
            admin_address,
            app,
            metrics,
            readiness,
            stop,
            drain: config.drain,
            calls,
            watch,
            clock,
            door,
            admin,
        })
    }

    /// Stops: takes no more, finishes what was accepted, for as long as the configuration allows. Probes and metrics
    /// answer until the end, and say not ready.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.app.commands.close();
        let db = self.app.db.clone();
        let mut calls = self.calls;
        let finish = async {
            ended(self.watch.await);
            self.readiness.stopping();
            while self.metrics.in_flight.get() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if let Some(clock) = self.clock {
                ended(clock.await);
            }
            // Those too that go on without their callers. Neither call nor clock is left that could start another.
            self.app.commands.wait().await;
            // What is left are streams that end with their callers (health watches) and connections that say goodbye.
            if tokio::time::timeout(GOODBYE, &mut calls).await.is_err() {
                calls.abort();
            }
            let (door_closed, door) = self.door;
            door_closed.cancel();
            ended(door.await);
            // Waits until every connection is back, which is why it has to be over in time too.
            db.close().await;
            self.readiness.close().await;
        };
        if tokio::time::timeout(self.drain, finish).await.is_err() {
            tracing::warn!("calls were still under way when the time to drain was over");
        }
        let (admin_stop, admin_task) = self.admin;
        admin_stop.cancel();
        if tokio::time::timeout(GOODBYE, admin_task).await.is_err() {
            tracing::debug!("a probe was still being answered");
        }
        tracing::info!("stopped");
    }
}

/// A task of ours ends by itself, or something is wrong.
fn ended(result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a task of the server ended badly");
    }
}

/// Everything between the transport and the handlers. From the inside out: the last layer added is the first one that a
/// call meets.
fn stack(routes: Router, layers: Arc<Layers>, verifier: Arc<Verifier>) -> Router {
    routes
        // More calls at once than the limit are refused while refusing is cheap. Behind authentication: a place is not
        // to be had with a forged token that waits for the issuer's keys.
        .layer(from_fn_with_state(layers.clone(), shed))
        // A caller who has used up their calls waits for more.
        .layer(from_fn_with_state(layers.clone(), limit_caller))
        // No caller, no call; the open services apart.
        .layer(from_fn_with_state(verifier, authenticate))
        // Nobody waits longer than they asked for, nor than the service allows.
        .layer(from_fn_with_state(layers.clone(), deadline))
        // An address that has used up its calls is asked for no token.
        .layer(from_fn(limit_address))
        // A panic is an INTERNAL to its caller and to nobody else.
        .layer(CatchPanicLayer::custom(panicked))
        // Whatever prints a request prints no token.
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]))
        // Request id, span, metrics; and every failed answer leaves complete.
        .layer(from_fn_with_state(layers, observe))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| error.to_string())
}

/// The paths of the contract's methods, without the leading slash.
fn methods() -> BTreeSet<String> {
    DESCRIPTOR_POOL
        .services()
        .flat_map(|service| {
            let name = service.full_name().to_owned();
            let paths = service.methods().map(move |method| format!("{name}/{}", method.name()));
            paths.collect::<Vec<_>>()
        })
        .collect()
}

/// One port for three protocols.
#[derive(Clone)]
struct Port {
    grpc: Router,
    http: Router,
    rates: Arc<Rates>,
    trusted_proxies: Arc<[IpNet]>,
}

/// An address has used up its calls: each comes as far as to be named and counted, and no further. An extension.
#[derive(Clone)]
pub struct Spent {
    /// When there will be one more.
    retry_after: Duration,
}

/// Every request enters here: from whom it comes is found out, and counted. gRPC and gRPC-Web say what they are in their
/// content type; everything else is HTTP.
async fn enter(State(port): State<Port>, mut request: Request) -> Response {
    if let Some(peer) = request.extensions_mut().remove::<Peer>() {
        let peer = peer.forwarded(request.headers_mut(), &port.trusted_proxies);
        if let Err(retry_after) = port.rates.count_address(peer::network(peer.address)) {
            request.extensions_mut().insert(Spent { retry_after });
        }
        request.extensions_mut().insert(peer);
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let router = if is_grpc { port.grpc } else { port.http };
    router.oneshot(request).await.unwrap_or_else(|never| match never {})
}

const REQUEST_ID: &str = "x-request-id";

/// The caller's request id, where it is fit to be repeated in logs and headers.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fit = (1..=64).contains(&id.len())
        && !texts::has_personal_number(id)
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    fit.then(|| id.to_owned())
}

/// Gives a call its id, span and trace; counts it; completes its answer when it failed.
async fn observe(State(layers): State<Arc<Layers>>, mut request: Request, next: Next) -> Response {
    // Two slashes are another path, and no method's.
    let path = request.uri().path().strip_prefix('/').unwrap_or_default();
    // Whatever is not of the contract shares one name: names come from callers, and each costs memory.
    let method = if layers.methods.contains(path) { path.to_owned() } else { "other".to_owned() };
    let now = layers.app.clock.now();
    let request_id = request_id(request.headers()).unwrap_or_else(|| layers.app.ids.next(now).to_string());
    let span = info_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system.name = Empty,
        rpc.method = method,
        http.request.method = Empty,
        http.route = Empty,
        http.response.status_code = Empty,
        url.path = Empty,
        url.scheme = Empty,
        rpc.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
        request_id,
        trace_id = Empty,
    );
    match request.extensions().get::<Matched>() {
        Some(matched) => {
            let is_encrypted = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_encrypted);
            web::describe(&span, matched, is_encrypted);
        }
        None => {
            span.record("rpc.system.name", "grpc");
        }
    }
    // An address that is not there is the caller's to mend; a method of the contract that nobody serves would be ours.
    let is_unmatched = request.extensions().get::<Matched>().is_some_and(|matched| matched.template.is_none());
    let trace_id = telemetry::continue_trace(&span, request.headers(), layers.trust_traceparent);
    span.record("trace_id", &trace_id);
    let language = Language::from_headers(request.headers());
    let idempotency_key = request.headers().get("idempotency-key").map(|value| value.as_bytes().to_vec());
    let call = Arc::new(Call {
        request_id: request_id.clone(),
        trace_id: trace_id.clone(),
        language,
        method: method.clone(),
        idempotency_key,
        recorded: AtomicBool::new(false),
    });
    request.extensions_mut().insert(call.clone());

    let address = request.extensions().get::<Peer>().map(|peer| peer.address);
    // Counted as cancelled, unless it gets to its end: a caller who hangs up drops all of this.
    let mut counted = layers.metrics.counting(&method);
    let mut response = next.run(request).instrument(span.clone()).await;

    let failed = span.in_scope(|| error::finish(&mut response, language, &request_id, &trace_id));
    let code = failed.as_ref().map_or("OK", |failed| failed.code);
    let ours = failed.as_ref().is_some_and(|failed| failed.ours) && !is_unmatched;
    record(&span, code, failed.as_ref().map(|failed| failed.reason), ours);
    counted.end(code);
    // What stands in no organisation's log is counted at the door.
    if let Some(failed) = failed.filter(|failed| failed.refused && !call.recorded.load(Ordering::Relaxed)) {
        layers.door.refused(failed.reason, &method, address, now, (&request_id, &trace_id));
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    // HTTP's answer has its own status, which is yet to be made.
    response.extensions_mut().insert(web::CallSpan(span));
    response
}

/// How the call ended, by OpenTelemetry's RPC conventions: what is the caller's to mend is no error of the server's.
fn record(span: &Span, code: &str, reason: Option<&str>, ours: bool) {
    span.record("rpc.response.status_code", code);
    if let Some(reason) = reason {
        span.record("error.type", reason);
    }
    if ours {
        span.record("otel.status_code", "ERROR");
    }
}

/// What a panic answers; the hook has logged where.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    error::response::<Body>(Error::Internal("panic".to_owned()))
}

/// Answers DEADLINE_EXCEEDED when the caller's `grpc-timeout`, or the service's own limit, is over. A little earlier, in
/// fact: the transports of both sides watch the same header, and their answer is a CANCELLED without details. The
/// answer needs that time to arrive, from a busy machine and over a network too.
async fn deadline(State(layers): State<Arc<Layers>>, request: Request, next: Next) -> Response {
    let asked = request.headers().get("grpc-timeout").and_then(|value| grpc_timeout(value.to_str().ok()?));
    let allowed = asked.map_or(layers.max_deadline, |asked| asked.min(layers.max_deadline));
    let allowed = allowed.saturating_sub((allowed / 20).min(Duration::from_millis(100)));
    match tokio::time::timeout(allowed, next.run(request)).await {
        Ok(response) => response,
        Err(_) => error::response(Error::DeadlineExceeded),
    }
}

/// Refuses what comes from an address that has used up its calls.
async fn limit_address(request: Request, next: Next) -> Response {
    match request.extensions().get::<Spent>() {
        Some(Spent { retry_after }) => error::response(Error::RateLimited { retry_after: *retry_after }),
        None => next.run(request).await,
    }
}

/// Refuses a caller who has used up their calls. The open services know none.
async fn limit_caller(State(layers): State<Arc<Layers>>, request: Request, next: Next) -> Response {
    let counted = request.extensions().get::<Arc<Caller>>().map(|caller| layers.rates.count_caller(&caller.account()));
    match counted {
        Some(Err(retry_after)) => error::response(Error::RateLimited { retry_after }),
        _ => next.run(request).await,
    }
}

/// Refuses what is over the limit of concurrent calls. A command keeps its place until it has ended, also when its
/// caller has not waited for it.
async fn shed(State(layers): State<Arc<Layers>>, mut request: Request, next: Next) -> Response {
    match layers.places.clone().try_acquire_owned() {
        Ok(place) => {
            let place: Place = Arc::new(place);
            request.extensions_mut().insert(place.clone());
            let response = next.run(request).await;
            drop(place);
            response
        }
        Err(_) => error::response(Error::Overloaded),
    }
}

/// Keeps readiness, gRPC health and the ready metric true; leaves them saying no when the service stops.
async fn watch_health(
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    health: tonic_health::server::HealthReporter,
    stop: CancellationToken,
) {
    let services: Vec<String> = DESCRIPTOR_POOL.services().map(|service| service.full_name().to_owned()).collect();
    loop {
        let ready = !stop.is_cancelled() && readiness.look(&metrics).await;
        metrics.set_ready(ready);
        let status = if ready { tonic_health::ServingStatus::Serving } else { tonic_health::ServingStatus::NotServing };
        for service in std::iter::once("").chain(services.iter().map(String::as_str)) {
            health.set_service_status(service, status).await;
        }
        if stop.is_cancelled() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

fn admin_routes(readiness: Arc<Readiness>, metrics: Arc<Metrics>, app: Arc<App>) -> Router {
    Router::new()
        // The process runs: restart it only when this fails.
        .route("/livez", get(async || "ok\n"))
        // Calls can be answered: route to it only while this holds.
        .route(
            "/readyz",
            get(async move || match &*readiness.now() {
                Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            }),
        )
        .route(
            "/metrics",
            get(async move || {
                let (used, idle, most) = app.db.pool();
                metrics.set_pool(used, idle, most);
                let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(header::CONTENT_TYPE, content_type)], metrics.text())
            }),
        )
}

async fn serve_admin(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the admin server ended");
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        auth::Role,
        config::{Limits, Secret},
        dev::issuer::Issuer,
    };

    #[tokio::test]
    async fn panic_in_a_handler_internal_with_details_and_the_next_call_served() {
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::open(folder.path()).unwrap();
        let verifier = Arc::new(Verifier::new(&[issuer.trusted()]).await.unwrap());
        // Nothing here asks the database; the pool never connects.
        let db = Db::connect(&Secret::new("postgres://nobody@127.0.0.1:1/none"), "test", 1, LOOK_EVERY).await.unwrap();
        let layers = Arc::new(Layers {
            app: Arc::new(App::new(db, Clock::default(), Policies::load(None).unwrap())),
            metrics: Arc::default(),
            methods: methods(),
            places: Arc::new(Semaphore::new(1)),
            rates: Arc::new(Rates::new(&Limits::unlimited())),
            door: Arc::default(),
            max_deadline: LOOK_EVERY,
            trust_traceparent: false,
        });
        let routes = Router::new()
            .route("/panic", get(async || -> &'static str { panic!("a handler's") }))
            .route("/fine", get(async || "fine"));
        let stack = stack(routes, layers, verifier);
        let token = issuer.token("someone", uuid::Uuid::nil(), &[Role::Reader]).unwrap();
        let call = async |path: &str| {
            let request = Request::builder().uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
            stack.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
        };
        for _ in 0..2 {
            let answer = call("/panic").await;
            let status = tonic::Status::from_header_map(answer.headers()).unwrap();
            let details = status.get_error_details();
            assert_eq!(status.code(), tonic::Code::Internal);
            assert_eq!(details.error_info().unwrap().reason, "INTERNAL");
            assert!(!details.request_info().unwrap().request_id.is_empty());
            assert!(!format!("{status:?}").contains("a handler's"), "what happened inside is not sent");
        }
        // The only place has been given back too.
        assert_eq!(call("/fine").await.status(), StatusCode::OK);
    }

    #[test]
    fn grpc_timeout_units_read_and_nonsense_ignored() {
        assert_eq!(grpc_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(grpc_timeout("3S"), Some(Duration::from_secs(3)));
        assert_eq!(grpc_timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for nonsense in ["", "S", "-1S", "123456789m", "5x", "1.5S", "5æ"] {
            assert_eq!(grpc_timeout(nonsense), None, "{nonsense}");
        }
    }
}
