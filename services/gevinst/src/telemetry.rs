//! What the service tells: logs as JSON lines, traces over OTLP, counts for Prometheus.
//!
//! A log line can be read alone: it carries the trace id, the request id and the method, never a person, a token or a
//! value. Traces carry what was asked and done (`audit.*`) and each statement's text without its values. Without a
//! collector the same trace ids are made, so that errors and audit entries have theirs.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// The one span that log lines show: it holds method, request id and trace id.
pub const CALL_SPAN: &str = "call";

/// Keeps what has not been sent yet; flushed by [`Telemetry::shutdown`].
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// Begins to log, and to trace to `otlp_endpoint` where there is one. Call once, inside the runtime.
pub fn init(log: &str, otlp_endpoint: Option<&str>, trace_ratio: f64) -> Result<Telemetry, String> {
    // Our own ratio by trace id, whatever the caller's sampled flag says.
    let mut provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::TraceIdRatioBased(trace_ratio))
        .with_resource(Resource::builder().with_service_name("gevinst").build());
    if let Some(endpoint) = otlp_endpoint {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| format!("GEVINST_OTLP_ENDPOINT: {error}"))?;
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_filter(
            EnvFilter::try_new(log)
                .map_err(|error| format!("GEVINST_LOG: {error}"))?
                .and(filter_fn(|metadata| metadata.is_event() || metadata.name() == CALL_SPAN)),
        );
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("gevinst"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(|metadata: &Metadata<'_>| {
            metadata.is_span() && metadata.target().starts_with("gevinst")
        }));
    tracing_subscriber::registry().with(spans).with(lines).try_init().map_err(|error| error.to_string())?;
    Ok(Telemetry { provider })
}

/// Makes a panic a log line: where it happened and what it said.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        // The payload is a message of ours or a library's; where it came from is what mends it.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or_default();
        tracing::error!(location, message, "panic");
    }));
}

impl Telemetry {
    /// Sends what is left. Blocks: call it off the runtime's only thread.
    pub fn shutdown(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(Duration::from_secs(5)) {
            tracing::warn!(%error, "the last traces may not have been sent");
        }
    }
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Joins the caller's trace (`traceparent`): continues it where callers are trusted with that, and otherwise begins one
/// of our own that links to it, so that nobody can choose the trace id of an audit entry, nor have themselves sampled.
/// Malformed headers and baggage are passed over. Gives the trace id.
pub fn continue_trace(span: &Span, headers: &http::HeaderMap, trust: bool) -> String {
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    let theirs = parent.span().span_context().clone();
    if theirs.is_valid() && !trust {
        span.add_link(theirs);
    } else if theirs.is_valid()
        && let Err(error) = span.set_parent(parent)
    {
        tracing::debug!(%error, "the caller's trace could not be continued");
    }
    span.context().span().span_context().trace_id().to_string()
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnservedLabels {
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The counts that Prometheus reads: rate, errors and duration of each method; and what of the database, and of what is done
/// in the background, an operator is to know.
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    seconds: Family<MethodLabels, Histogram, fn() -> Histogram>,
    /// Calls under way.
    pub in_flight: Gauge,
    /// Connections that are open.
    pub connections: Gauge,
    unserved: Family<UnservedLabels, Counter>,
    /// Whether this replica does the clock's work.
    pub clock: Gauge,
    /// Conditions that this replica's clock has found overdue, and lapsed.
    pub conditions_lapsed: Counter,
    /// Benefits whose owner this replica's clock has found to have departed.
    pub benefits_orphaned: Counter,
    /// What this replica's clock has told of measurements and reviews that were due, late or missing.
    pub benefit_events: Counter,
    clock_looks: Family<OutcomeLabels, Counter>,
    clock_worked: Gauge,
    ready: Gauge<f64, AtomicU64>,
    pool: Family<StateLabels, Gauge>,
    migrations: Family<StateLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gevinst");
        let calls = Family::<CallLabels, Counter>::default();
        registry.register("calls", "Calls answered, by method and gRPC code", calls.clone());
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_5, 2.0, 16));
        let seconds = Family::new_with_constructor(histogram);
        registry.register_with_unit("call_duration", "Time to answer a call", Unit::Seconds, seconds.clone());
        let in_flight = Gauge::default();
        registry.register("calls_in_flight", "Calls under way", in_flight.clone());
        let connections = Gauge::default();
        registry.register("connections", "Connections that are open", connections.clone());
        let unserved: Family<UnservedLabels, Counter> = Family::default();
        registry.register("connections_unserved", "Connections that ended without a call, or broke", unserved.clone());
        let clock = Gauge::default();
        registry.register("clock", "Whether this replica holds the clock's lease", clock.clone());
        let conditions_lapsed = Counter::default();
        registry.register("conditions_lapsed", "Conditions lapsed by this replica's clock", conditions_lapsed.clone());
        let benefits_orphaned = Counter::default();
        let help = "Benefits whose owner this replica's clock has found to have departed";
        registry.register("benefits_orphaned", help, benefits_orphaned.clone());
        let benefit_events = Counter::default();
        let help = "Measurements and reviews that this replica's clock has found due, late or missing";
        registry.register("benefit_events", help, benefit_events.clone());
        let clock_looks: Family<OutcomeLabels, Counter> = Family::default();
        let help = "Times that this replica's clock has looked, by whether what was due is done or was broken off";
        registry.register("clock_looks", help, clock_looks.clone());
        let clock_worked = Gauge::default();
        let help = "When this replica's clock had last done all that was due; 0 before";
        registry.register_with_unit("clock_last_done_timestamp", help, Unit::Seconds, clock_worked.clone());
        let pool: Family<StateLabels, Gauge> = Family::default();
        let help = "Connections to the database that are used, idle, and the most there may be";
        registry.register("database_connections", help, pool.clone());
        let migrations: Family<StateLabels, Gauge> = Family::default();
        let help = "Migrations that this version knows, and that the schema has";
        registry.register("schema_migrations", help, migrations.clone());
        let ready = Gauge::default();
        registry.register("ready", "Whether the last look at the database found it there and fit", ready.clone());
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        Self {
            registry,
            calls,
            seconds,
            in_flight,
            connections,
            unserved,
            clock,
            conditions_lapsed,
            benefits_orphaned,
            benefit_events,
            clock_looks,
            clock_worked,
            ready,
            pool,
            migrations,
        }
    }
}

/// A call that is being counted.
pub struct Counted {
    metrics: Arc<Metrics>,
    method: String,
    code: &'static str,
    began: Instant,
}

impl Counted {
    /// It was answered so.
    pub fn end(&mut self, code: &'static str) {
        self.code = code;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics.count(&self.method, self.code, self.began.elapsed());
    }
}

impl Metrics {
    /// Counts a call from here to its end, or to its being dropped. `method` must be one of the contract's: callers could
    /// otherwise fill the memory.
    pub fn counting(self: &Arc<Self>, method: &str) -> Counted {
        self.in_flight.inc();
        Counted { metrics: self.clone(), method: method.to_owned(), code: "CANCELLED", began: Instant::now() }
    }

    fn count(&self, method: &str, code: &str, took: Duration) {
        let (method, code) = (method.to_owned(), code.to_owned());
        self.seconds.get_or_create(&MethodLabels { method: method.clone() }).observe(took.as_secs_f64());
        self.calls.get_or_create(&CallLabels { method, code }).inc();
    }

    /// Counts a connection that ended without a call, and why.
    pub fn count_unserved(&self, why: &'static str) {
        self.unserved.get_or_create(&UnservedLabels { why }).inc();
    }

    /// Counts a look of the clock, and notes when one has done all that was due: by this replica, if it holds the lease.
    pub fn count_look(&self, done: bool, now: time::OffsetDateTime) {
        self.clock_looks.get_or_create(&OutcomeLabels { outcome: if done { "done" } else { "broken_off" } }).inc();
        if done && self.clock.get() > 0 {
            self.clock_worked.set(now.unix_timestamp());
        }
    }

    /// Notes how many connections to the database there are, of how many there may be.
    pub fn set_pool(&self, used: u32, idle: u32, most: u32) {
        for (state, many) in [("used", used), ("idle", idle), ("most", most)] {
            self.pool.get_or_create(&StateLabels { state }).set(many.into());
        }
    }

    /// Notes how many migrations this version knows, and the schema has.
    pub fn set_migrations(&self, known: usize, applied: usize) {
        for (state, many) in [("known", known), ("applied", applied)] {
            self.migrations.get_or_create(&StateLabels { state }).set(i64::try_from(many).unwrap_or(i64::MAX));
        }
    }

    /// Notes what the last look at the database found.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(if ready { 1.0 } else { 0.0 });
    }

    /// Everything, as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => {
                tracing::error!(%error, "metrics could not be written");
                String::new()
            }
        }
    }
}
