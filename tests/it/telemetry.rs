//! What the service tells of itself: traces, as a receiver that nobody here wrote took them in, and log lines.

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    time::{Duration, Instant},
};

use gevinst::{auth::Role, dev::postgres::free_port};
use gevinst_proto::v1::{self as pb, AuditOutcome, GateCode, GateOutcome};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::Value;
use tokio::{net::TcpStream, process::Command};
use tonic::Code;

use crate::harness::{
    World,
    process::{Program, Serving},
    tool,
};

/// A span as the receiver printed it.
#[derive(Debug, Default)]
struct Span {
    /// What is printed of every span, such as "Trace ID" and "Kind".
    facts: HashMap<String, String>,
    attributes: HashMap<String, String>,
}

impl Span {
    fn fact(&self, name: &str) -> &str {
        self.facts.get(name).unwrap_or_else(|| panic!("{name} of {self:#?}"))
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).unwrap_or_else(|| panic!("{name} of {self:#?}"))
    }
}

/// rotel, a collector by Streamfold: it takes OTLP over gRPC and prints what came.
struct Receiver {
    endpoint: String,
    program: Program,
}

impl Receiver {
    async fn start() -> Self {
        let [grpc, http] = [free_port().unwrap(), free_port().unwrap()].map(|port| format!("127.0.0.1:{port}"));
        let mut command = Command::new(rotel());
        command
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces", "--debug-log-verbosity", "detailed"])
            .args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http]);
        let program = Program::spawn(command);
        let listening = async {
            while TcpStream::connect(&grpc).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), listening).await.expect("rotel listens");
        Self { endpoint: format!("http://{grpc}"), program }
    }

    /// Stops it, which makes it print what it still holds, and gives the spans of `gevinst`.
    async fn spans(self) -> Vec<Span> {
        let (_, lines, _) = self.program.stop().await;
        let (mut spans, mut of_gevinst) = (Vec::new(), false);
        for line in &lines {
            let line = line.trim();
            if line.starts_with("ResourceSpans #") {
                of_gevinst = false;
            } else if line == "-> service.name: Str(gevinst)" {
                of_gevinst = true;
            } else if line.starts_with("Span #") {
                assert!(of_gevinst, "{lines:#?}");
                spans.push(Span::default());
            } else if let Some(span) = spans.last_mut() {
                match (line.strip_prefix("-> "), line.split_once(':')) {
                    (Some(attribute), _) => {
                        let (name, value) = attribute.split_once(": ").unwrap();
                        let value = value.split_once('(').and_then(|(_, value)| value.strip_suffix(')')).unwrap();
                        span.attributes.insert(name.to_owned(), value.to_owned());
                    }
                    (None, Some((name, value))) => {
                        span.facts.insert(name.trim().to_owned(), value.trim().to_owned());
                    }
                    (None, None) => {}
                }
            }
        }
        spans
    }
}

/// The collector's program, inside the Python package that carries it.
fn rotel() -> PathBuf {
    let libraries = fs::read_dir(tool("venv/lib")).unwrap().map(|entry| entry.unwrap().file_name());
    let python = libraries.into_iter().find(|name| name.to_string_lossy().starts_with("python3")).unwrap();
    tool(&format!("venv/lib/{}/site-packages/rotel/rotel-agent", python.to_str().unwrap()))
}

const DECIDE: &str = "gevinst.v1.GateService/DecideGateReview";

/// A caller's trace and the span in it that calls.
const CALLER: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");

/// Another one, which its caller does not record.
const UNSAMPLED: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");

/// The call's and the command's span of a trace, linked as they must be, and the statements in order of their ends.
fn trace<'a>(spans: &'a [Span], (trace, caller): (&str, &str)) -> (&'a Span, &'a Span, Vec<&'a Span>) {
    let spans: Vec<&Span> = spans.iter().filter(|span| span.fact("Trace ID") == trace).collect();
    let only = |kind: &str| {
        let found: Vec<&Span> = spans.iter().copied().filter(|span| span.fact("Kind") == kind).collect();
        let [span] = found[..] else { panic!("{kind}: {found:#?} of {spans:#?}") };
        span
    };
    let (call, command) = (only("SPAN_KIND_SERVER"), only("SPAN_KIND_INTERNAL"));
    assert_eq!(call.fact("Parent ID"), caller);
    assert_eq!(command.fact("Parent ID"), call.fact("ID"));
    let statements: Vec<&Span> = spans.iter().copied().filter(|span| span.fact("Kind") == "SPAN_KIND_CLIENT").collect();
    assert_eq!(statements.len() + 2, spans.len(), "{spans:#?}");
    for statement in &statements {
        assert_eq!(statement.fact("Parent ID"), command.fact("ID"), "{statement:#?}");
        assert_eq!(statement.attribute("db.system.name"), "postgresql");
        assert!(!statement.attribute("db.query.text").is_empty());
    }
    (call, command, statements)
}

#[tokio::test]
async fn decision_traced_from_the_caller_to_its_statements_and_flushed_at_sigterm() {
    let receiver = Receiver::start().await;
    let process = Serving::with(&[("GEVINST_OTLP_ENDPOINT", &receiver.endpoint)]).await;
    let world = World::behind(&process).await;
    let review = world.submitted(&world.project().await, GateCode::G1).await;
    let decision = world.decision(&review, GateOutcome::Go);
    let submitter = world.person("office", &[Role::PortfolioOffice, Role::SteeringGroup]);
    // Whether to record is the service's to say, not its callers'.
    let unsampled = submitter.with("traceparent", &format!("00-{}-{}-00", UNSAMPLED.0, UNSAMPLED.1));
    let failure = unsampled.call(decision.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "DECIDER_IS_SUBMITTER"), "{failure:?}");
    assert_eq!(failure.trace_id, UNSAMPLED.0);
    let steering = world.steering().with("traceparent", &format!("00-{}-{}-01", CALLER.0, CALLER.1));
    steering.call(decision).await.unwrap();
    let entries = world.audited(&format!("trace_id = \"{}\"", CALLER.0)).await;
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.action.as_str(), entry.outcome()), ("gate.decide", AuditOutcome::Done));
    let (status, log) = process.stop().await;
    assert!(status.success(), "{log:#?}");
    let spans = receiver.spans().await;

    let (call, command, statements) = trace(&spans, CALLER);
    assert_eq!((call.fact("Name"), call.attribute("rpc.method")), (DECIDE, DECIDE));
    assert_eq!(call.attribute("rpc.response.status_code"), "OK");
    assert_eq!(call.attribute("request_id"), entry.request_id);
    assert_eq!((command.fact("Name"), command.attribute("audit.action")), ("gate.decide", "gate.decide"));
    assert_eq!(command.attribute("audit.actor"), "steering");
    assert_eq!(command.attribute("audit.outcome"), "DONE");
    assert_eq!(command.attribute("audit.organisation"), world.id());
    assert_eq!(command.attribute("audit.object.type"), "gate_review");
    assert_eq!(command.attribute("audit.object.id"), review.id);
    let texts: Vec<&str> = statements.iter().map(|statement| statement.attribute("db.query.text")).collect();
    assert_eq!((texts.first(), texts.last()), (Some(&"BEGIN"), Some(&"COMMIT")), "{texts:#?}");
    for written in ["UPDATE \"gate_reviews\"", "UPDATE \"projects\"", "INSERT INTO audit_entries"] {
        assert!(texts.iter().any(|text| text.contains(written)), "{written} in {texts:#?}");
    }
    // Statements are told, their values are not.
    for value in [&review.id, &world.id(), "steering", "Godt begrundet."] {
        assert!(!texts.iter().any(|text| text.contains(value)), "{value} in {texts:#?}");
    }

    let (call, command, _) = trace(&spans, UNSAMPLED);
    assert_eq!(call.attribute("rpc.response.status_code"), "PERMISSION_DENIED");
    assert_eq!(call.attribute("error.type"), "DECIDER_IS_SUBMITTER");
    // A refusal is the service at its best: no error of the server's.
    assert_eq!(call.fact("Status code"), "STATUS_CODE_UNSET");
    assert_eq!(command.attribute("audit.outcome"), "REFUSED");
    assert_eq!(command.attribute("audit.reason"), "DECIDER_IS_SUBMITTER");
}

#[tokio::test]
async fn http_call_traced_by_its_route_and_never_by_what_callers_wrote() {
    let receiver = Receiver::start().await;
    let process = Serving::with(&[("GEVINST_OTLP_ENDPOINT", &receiver.endpoint)]).await;
    let world = World::behind(&process).await;
    let project = world.project().await;
    let token = world.token("office", &[Role::PortfolioOffice]);
    let client = reqwest::Client::new();
    let mut traces = Vec::new();
    let paths = [
        format!("projects/{}?pageToken=hemmelig", project.id),
        format!("projects/{}", project.id),
        "projects/010190-1234".to_owned(),
        "Anne%20Bach".to_owned(),
    ];
    for (number, path) in paths.iter().enumerate() {
        let trace = format!("{:032x}", number + 1);
        let url = format!("http://{}/v1/organisations/{}/{path}", world.address, world.id());
        let traceparent = format!("00-{trace}-{}-01", CALLER.1);
        client.get(url).bearer_auth(&token).header("traceparent", traceparent).send().await.unwrap();
        traces.push(trace);
    }
    process.stop().await;
    let spans = receiver.spans().await;
    let call = |number: usize| {
        let of_it = |span: &&Span| span.fact("Trace ID") == traces[number] && span.fact("Kind") == "SPAN_KIND_SERVER";
        spans.iter().find(of_it).unwrap_or_else(|| panic!("{spans:#?}"))
    };
    let route = "/v1/organisations/{organisation}/projects/{project}";
    for (number, status, rpc) in [(0, "400", "INVALID_ARGUMENT"), (1, "200", "OK"), (2, "400", "INVALID_ARGUMENT")] {
        let call = call(number);
        assert_eq!((call.fact("Name"), call.fact("Parent ID")), (format!("GET {route}").as_str(), CALLER.1));
        assert_eq!((call.attribute("http.route"), call.attribute("http.request.method")), (route, "GET"));
        assert_eq!((call.attribute("http.response.status_code"), call.attribute("url.scheme")), (status, "http"));
        assert_eq!(call.attribute("rpc.method"), "gevinst.v1.ProjectService/GetProject");
        assert_eq!(call.attribute("rpc.response.status_code"), rpc);
        assert!(!call.attributes.contains_key("rpc.system.name"));
    }
    assert_eq!(call(1).attribute("url.path"), format!("/v1/organisations/{}/projects/{}", world.id(), project.id));
    assert_eq!(call(2).attribute("url.path"), route, "a path that may name somebody is not told");
    let nothing = call(3);
    assert_eq!((nothing.fact("Name"), nothing.attribute("http.response.status_code")), ("GET", "404"));
    assert_eq!(nothing.fact("Status code"), "STATUS_CODE_UNSET");
    let told = format!("{spans:?}");
    for secret in ["hemmelig", "010190", "Anne", &token] {
        assert!(!told.contains(secret), "{secret} is in the spans");
    }
}

/// Serves a call and ends in time, whatever becomes of its traces.
async fn serves_and_stops(endpoint: String) {
    let process = Serving::with(&[("GEVINST_OTLP_ENDPOINT", &endpoint)]).await;
    let world = World::behind(&process).await;
    let project = world.project().await;
    assert_eq!(world.reread(&project).await, project);
    assert_eq!(world.audited(&format!("object = \"{}\"", project.id)).await[0].trace_id.len(), 32);
    let began = Instant::now();
    let (status, log) = process.stop().await;
    assert!(status.success(), "{log:#?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}: {log:#?}", began.elapsed());
}

#[tokio::test]
async fn collector_that_is_not_there_changes_nothing() {
    serves_and_stops(format!("http://127.0.0.1:{}", free_port().unwrap())).await;
}

#[tokio::test]
async fn collector_that_never_answers_changes_nothing() {
    // The kernel takes the connections; nobody reads them.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    serves_and_stops(format!("http://{}", silent.local_addr().unwrap())).await;
}

#[tokio::test]
async fn log_line_of_a_failed_call_is_json_and_names_no_person_or_token() {
    // A call that waits for a row gives up at once, which is worth a log line.
    let database = format!("{}?options[lock_timeout]=100ms", crate::harness::CLUSTER.runtime);
    let process = Serving::with(&[("GEVINST_DATABASE_URL", &database)]).await;
    let world = World::behind(&process).await;
    let (office, leader) = ("anne-bach-4711", "jens-holm-0815");
    let roles = [Role::PortfolioOffice];
    let unit = world.unit("Hjemmeplejen Nord").await;
    let registration = pb::RegisterProjectRequest {
        project_owner: leader.to_owned(),
        project_manager: leader.to_owned(),
        ..world.registration(&unit, "Skærme i stuen")
    };
    let token = world.token(office, &roles);
    let person = world.stranger(Some(token.clone()));
    let project = person.call(registration.clone()).await.unwrap().project.unwrap();
    let forged = world.stranger(Some(format!("{token}A")));
    let failure = forged.call(registration.clone()).await.unwrap_err();
    assert!(failure.is(Code::Unauthenticated, "TOKEN_INVALID"), "{failure:?}");

    let admin = Database::connect(&crate::harness::CLUSTER.admin).await.unwrap();
    let holder = admin.begin().await.unwrap();
    let hold = format!("SELECT FROM projects WHERE id = '{}' FOR UPDATE", project.id);
    holder.execute_unprepared(&hold).await.unwrap();
    let rename = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { title: Some("Skærme i køkkenet".to_owned()), ..Default::default() }),
        update_mask: None,
        etag: project.etag.clone(),
        validate_only: false,
    };
    let failure = person.call(rename).await.unwrap_err();
    assert!(failure.is(Code::Aborted, "CONFLICT"), "{failure:?}");
    holder.rollback().await.unwrap();
    let (status, log) = process.stop().await;
    assert!(status.success(), "{log:#?}");

    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let failed: Vec<&Value> = lines.iter().filter(|line| line["reason"] == "CONFLICT").collect();
    let [failed] = failed[..] else { panic!("{log:#?}") };
    assert_eq!(failed["span"]["rpc.method"], "gevinst.v1.ProjectService/UpdateProject");
    assert_eq!(failed["span"]["trace_id"], failure.trace_id);
    assert_eq!(failed["span"]["request_id"], failure.request_id);
    assert!(failed["cause"].as_str().unwrap().contains("lock timeout"), "{failed}");
    let parts: Vec<&str> = token.split('.').collect();
    for secret in [parts[0], parts[1], parts[2], office, leader, "Bearer", "Skærme", "Hjemmeplejen"] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{secret} in {log:#?}");
    }
}
