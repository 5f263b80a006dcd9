//! Attacks: what a caller means ill by, tried over gRPC and over HTTP. Each is refused with its status and leaves its
//! trace, and somebody who means no ill is served all the while.
//!
//! A case is one call of [`Suite`]'s: a name, what is sent, what both protocols must answer, and where the refusal is to
//! be found afterwards. tests/golden/attacks.txt is the list of them, as observed.

mod authority;
mod objects;
mod tokens;
mod transport;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gevinst::auth::Role;
use gevinst_proto::v1 as pb;
use sea_orm::ConnectionTrait;
use tonic::Code;

use crate::harness::{Person, World, calls::Rpc, config, http, owner, process::PATIENCE};

/// Where the attacks come from: their refusals are counted apart from every other test's.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 66, 1));

/// How `refused_calls` names it.
const NETWORK: &str = "127.0.66.0/24";

/// How many different cases there are to be on each protocol; a family counts once.
const AT_LEAST: usize = 60;

/// Where a refusal leaves its trace.
#[derive(Clone, Copy)]
pub enum Trace {
    /// In the organisation's audit log, with this policy; empty where none forbade it.
    Audit(&'static str),
    /// Counted in `refused_calls`, by reason and method.
    Door,
    /// The same, where gRPC and HTTP name the method so.
    DoorAs(&'static str, &'static str),
    /// In `gevinst_connections_unserved_total`, under this `why`, for so many connections.
    Connections(&'static str, u64),
    /// In no place, and why not.
    Nowhere(&'static str),
}

/// The request is wrong in itself, whoever sends it.
pub const MALFORMED: Trace = Trace::Door;
/// Somebody asked a list for what is not there.
pub const FINDS_NOTHING: Trace = Trace::Nowhere("an empty list");
/// What was sent changes nothing.
pub const HARMLESS: Trace = Trace::Nowhere("without effect");

/// What came back over one protocol: a status, and a reason if there was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: String,
    pub reason: String,
}

/// An answer of this status and reason.
pub fn answer(status: impl ToString, reason: &str) -> Answer {
    Answer { status: status.to_string(), reason: reason.to_owned() }
}

/// What both protocols answered, and should have; nothing where an attack exists on one alone.
pub struct Both {
    /// Got and wanted over gRPC.
    pub grpc: Option<(Answer, Answer)>,
    /// Got and wanted over HTTP.
    pub http: Option<(Answer, Answer)>,
}

struct Row {
    family: &'static str,
    name: String,
    grpc: String,
    http: String,
    reason: String,
    trace: String,
}

/// The cases as they are tried.
pub struct Suite {
    /// The organisation attacked, as the attacker reaches it.
    pub world: World,
    /// Another organisation behind the same server.
    pub there: World,
    part: &'static str,
    family: Option<&'static str>,
    rows: Vec<(&'static str, Row)>,
    complaints: Vec<String>,
    door: BTreeMap<(String, String), i64>,
    unserved: BTreeMap<&'static str, u64>,
}

impl Suite {
    async fn new(world: &World) -> Self {
        let world = world.seen_from(ATTACKER);
        let there = world.elsewhere().await;
        Self {
            world,
            there,
            part: "",
            family: None,
            rows: Vec::new(),
            complaints: Vec::new(),
            door: BTreeMap::new(),
            unserved: BTreeMap::new(),
        }
    }

    /// The cases that follow are of this kind.
    pub fn part(&mut self, title: &'static str) {
        (self.part, self.family) = (title, None);
    }

    /// The cases that follow are one, tried in many places.
    pub fn family(&mut self, name: &'static str) {
        self.family = Some(name);
    }

    /// A call that both protocols must refuse.
    pub async fn refuses<R: Rpc>(
        &mut self,
        name: &str,
        person: &Person,
        request: R,
        expected: (Code, &str),
        trace: Trace,
    ) {
        self.refuses_bytes(name, person, R::PATH, request.encode_to_vec(), expected, trace).await;
    }

    /// The same, by its path and with its message as bytes.
    pub async fn refuses_bytes(
        &mut self,
        name: &str,
        person: &Person,
        path: &str,
        request: Vec<u8>,
        (code, reason): (Code, &str),
        trace: Trace,
    ) {
        let status = http::expected(code).as_u16();
        let wanted = [answer(screaming(code), reason), answer(status, reason)];
        let people = [person.clone().over_grpc(), person.clone().over_http()];
        let mut got = Vec::new();
        for (protocol, person) in ["grpc", "http"].into_iter().zip(people) {
            let id = format!("attack-{}-{protocol}", self.rows.len());
            let answered = person.with("x-request-id", &id).call_bytes(path, request.clone()).await;
            got.push(match answered {
                Ok(_) => answer("OK", ""),
                // http.rs holds the status line to the code.
                Err(failure) if protocol == "http" => answer(http::expected(failure.code).as_u16(), &failure.reason),
                Err(failure) => answer(screaming(failure.code), &failure.reason),
            });
            if let Trace::Audit(policy) = trace {
                let found = self.world.audited(&format!("request_id = \"{id}\" AND outcome = REFUSED")).await;
                let found: Vec<_> = found.iter().map(|entry| (&*entry.reason, &*entry.policy)).collect();
                if found != [(reason, policy)] {
                    self.complaints.push(format!("{name}, {protocol}: audited {found:?}, not {reason} by {policy:?}"));
                }
            }
        }
        let [grpc, http] = wanted;
        let method = path.trim_start_matches('/');
        if matches!(trace, Trace::Door) {
            self.at_the_door(reason, method, 2);
        }
        let both = Both { grpc: Some((got.remove(0), grpc)), http: Some((got.remove(0), http)) };
        self.add(name, both, trace);
    }

    /// A list that both protocols must answer with nothing in it.
    pub async fn finds_nothing<R: Rpc + Clone>(&mut self, name: &str, person: &Person, request: R)
    where
        R::Response: PartialEq + std::fmt::Debug,
    {
        let mut got = Vec::new();
        for person in [person.clone().over_grpc(), person.clone().over_http()] {
            got.push(match person.call(request.clone()).await {
                Ok(found) if found == R::Response::default() => answer("OK", "nothing"),
                Ok(found) => answer(format!("{found:?}"), ""),
                Err(failure) => answer(screaming(failure.code), &failure.reason),
            });
        }
        let (grpc, http) = (got.remove(0), got.remove(0));
        let http = if http.status == "OK" { answer(200, &http.reason) } else { http };
        let both = Both { grpc: Some((grpc, answer("OK", "nothing"))), http: Some((http, answer(200, "nothing"))) };
        self.add(name, both, FINDS_NOTHING);
    }

    /// What was tried by hand.
    pub fn saw(&mut self, name: &str, both: Both, trace: Trace) {
        if let Trace::DoorAs(grpc, http) = trace {
            for (method, answers) in [(grpc, &both.grpc), (http, &both.http)] {
                if let Some((_, wanted)) = answers {
                    let reason = wanted.reason.clone();
                    self.at_the_door(&reason, method, 1);
                }
            }
        }
        if let Trace::Connections(why, connections) = trace {
            *self.unserved.entry(why).or_default() += connections;
        }
        self.add(name, both, trace);
    }

    /// So many refusals are to be counted at the door.
    pub fn at_the_door(&mut self, reason: &str, method: &str, calls: i64) {
        *self.door.entry((reason.to_owned(), method.to_owned())).or_default() += calls;
    }

    fn add(&mut self, name: &str, both: Both, trace: Trace) {
        for (protocol, answers) in [("gRPC", &both.grpc), ("HTTP", &both.http)] {
            if let Some((got, wanted)) = answers
                && got != wanted
            {
                self.complaints.push(format!("{name}, {protocol}: {got:?}, not {wanted:?}"));
            }
        }
        let of = |answers: &Option<(Answer, Answer)>| answers.clone().map(|(got, _)| got);
        let (grpc, http) = (of(&both.grpc), of(&both.http));
        let status = |answer: &Option<Answer>| answer.as_ref().map_or("-".to_owned(), |answer| answer.status.clone());
        let reasons: BTreeSet<&str> =
            [&grpc, &http].into_iter().flatten().map(|answer| &*answer.reason).filter(|it| !it.is_empty()).collect();
        let row = Row {
            family: self.family.unwrap_or_default(),
            name: name.to_owned(),
            grpc: status(&grpc),
            http: status(&http),
            reason: reasons.into_iter().collect::<Vec<_>>().join(", "),
            trace: match trace {
                Trace::Audit("") => "audit log".to_owned(),
                Trace::Audit(policy) => format!("audit log, by {policy}"),
                Trace::Door | Trace::DoorAs(..) => "refused_calls".to_owned(),
                Trace::Connections(why, 2..) => format!("connections_unserved: {why}"),
                Trace::Connections(why, _) => format!("connections_unserved: {why}, over HTTP/1.1"),
                Trace::Nowhere(why) => format!("not recorded: {why}"),
            },
        };
        if self.rows.iter().any(|(_, other)| other.name == row.name) {
            self.complaints.push(format!("two cases are called {name}"));
        }
        self.rows.push((self.part, row));
    }

    /// How many different cases were tried over each protocol.
    fn counts(&self) -> (usize, usize) {
        let of = |skipped: fn(&Row) -> bool| {
            let rows = self.rows.iter().map(|(_, row)| row).filter(|row| !skipped(row));
            rows.map(|row| if row.family.is_empty() { &*row.name } else { row.family }).collect::<BTreeSet<_>>().len()
        };
        (of(|row| row.grpc == "-"), of(|row| row.http == "-"))
    }

    /// All of it, as a table.
    fn table(&self) -> String {
        let (grpc, http) = self.counts();
        let mut text = format!(
            "What is tried against the service, what it answers, and where the refusal is found. Observed by\n\
             tests/it/attacks.rs; written anew with GEVINST_TEST_UPDATE=1.\n\n\
             {grpc} different cases over gRPC, {http} over HTTP; one that is tried in many places counts once.\n\n\
             Each line: the case, the answer over gRPC and over HTTP, the reason, and where it was recorded. \"closed\" and\n\
             \"reset\" are connections and streams that end without an answer; \"-\" is a case that the other protocol cannot\n\
             put. audit log: the organisation's, with the policy that forbade it, if one did. refused_calls: counted\n\
             there (gevinst refused). connections_unserved: counted in the metric gevinst_connections_unserved_total.\n"
        );
        let width = |of: fn(&Row) -> &str| self.rows.iter().map(|(_, row)| of(row).chars().count()).max().unwrap_or(0);
        let (name, grpc, reason) = (width(|row| &row.name), width(|row| &row.grpc), width(|row| &row.reason));
        let mut before = ("", "");
        for (part, row) in &self.rows {
            if before.0 != *part {
                writeln!(text, "\n{part}\n").unwrap();
            }
            if before != (*part, row.family) && !row.family.is_empty() {
                writeln!(text, "  {}:", row.family).unwrap();
            }
            before = (part, row.family);
            let line = format!(
                "  {:name$}  {:grpc$}  {:6}  {:reason$}  {}",
                row.name, row.grpc, row.http, row.reason, row.trace
            );
            writeln!(text, "{}", line.trim_end()).unwrap();
        }
        text
    }

    /// Waits until all that had to be counted at the door is, each once and nothing else.
    async fn check_the_door(&mut self) {
        let owner = owner().await;
        let wanted = self.door.clone();
        let mut found = BTreeMap::new();
        for _ in 0..40 {
            let sql = "SELECT reason, method, sum(count)::bigint FROM refused_calls WHERE network = $1 GROUP BY 1, 2";
            let rows = owner.query_all_raw(gevinst::db::postgres(sql, [NETWORK.into()])).await.unwrap();
            let read = rows.iter().map(|row| {
                let text = |index| row.try_get_by_index::<String>(index).unwrap();
                ((text(0), text(1)), row.try_get_by_index::<i64>(2).unwrap())
            });
            found = read.collect();
            if found == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let kinds: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
        for kind in kinds.into_iter().filter(|kind| wanted.get(kind) != found.get(kind)) {
            let (wanted, found) = (wanted.get(kind), found.get(kind));
            self.complaints.push(format!("refused_calls {kind:?}: {found:?}, not {wanted:?}"));
        }
    }

    async fn check_connections(&mut self) {
        let metrics = metrics(&self.world).await;
        for (why, wanted) in self.unserved.clone() {
            let found = unserved(&metrics, why);
            if found != wanted {
                self.complaints.push(format!("connections unserved, {why}: {found}, not {wanted}"));
            }
        }
    }
}

async fn metrics(world: &World) -> String {
    reqwest::get(format!("http://{}/metrics", world.admin)).await.unwrap().text().await.unwrap()
}

fn unserved(metrics: &str, why: &str) -> u64 {
    let name = format!("gevinst_connections_unserved_total{{why=\"{why}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

/// A code as gRPC writes it: NotFound is NOT_FOUND.
pub fn screaming(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// Somebody who reads and registers, over both protocols, again and again until told to end; gives how often. None of it
/// may fail, nor take long.
async fn behaves(world: World, end: Arc<AtomicBool>) -> usize {
    let unit = world.unit("Afdelingen der passer sit").await;
    let mut calls = 0;
    while !end.load(Ordering::Relaxed) {
        for office in [world.office().over_grpc(), world.office().over_http()] {
            let read = pb::ListOrgUnitsRequest { organisation: world.id(), ..Default::default() };
            let read = tokio::time::timeout(PATIENCE, office.call(read)).await.expect("a read is answered in time");
            assert!(!read.unwrap().org_units.is_empty());
            let write = office.call(world.registration(&unit, "Et projekt som alle andre"));
            let write = tokio::time::timeout(PATIENCE, write).await.expect("a command is answered in time");
            assert!(write.unwrap().project.is_some());
            calls += 2;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_refused_on_both_protocols_and_recorded_while_others_are_served() {
    let issuers = tokens::Issuers::new();
    let mut settings = config();
    settings.issuers.extend(issuers.trusted());
    // Nobody here waits longer than a slow body has to be waited for.
    settings.max_deadline = Duration::from_secs(5);
    let world = World::with(settings).await;
    let end = Arc::new(AtomicBool::new(false));
    let behaving = tokio::spawn(behaves(world.elsewhere().await, end.clone()));
    let mut suite = Suite::new(&world).await;
    let slow = transport::start_slow(&suite.world);
    tokens::attack(&mut suite, &issuers).await;
    objects::attack(&mut suite).await;
    authority::attack(&mut suite).await;
    transport::attack(&mut suite).await;
    transport::end_slow(&mut suite, slow).await;
    suite.check_the_door().await;
    suite.check_connections().await;
    end.store(true, Ordering::Relaxed);
    let served = behaving.await.unwrap();
    assert!(served > 20, "{served} calls of somebody else");

    let table = suite.table();
    assert!(suite.complaints.is_empty(), "{}\n{table}", suite.complaints.join("\n"));
    let (grpc, http) = suite.counts();
    assert!(grpc.min(http) >= AT_LEAST, "{grpc} cases over gRPC, {http} over HTTP");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/attacks.txt");
    if std::env::var_os("GEVINST_TEST_UPDATE").is_some() {
        fs::create_dir_all(golden.parent().unwrap()).unwrap();
        fs::write(&golden, &table).unwrap();
    }
    let kept = fs::read_to_string(&golden).unwrap_or_default();
    let differs = kept.lines().zip(table.lines()).find(|(kept, table)| kept != table);
    assert!(
        kept == table,
        "tests/golden/attacks.txt is not what is observed: {differs:?}. GEVINST_TEST_UPDATE=1 tests/run -- attacks \
         writes it anew; look at what changed before you commit it"
    );
    drop(suite);
    world.stop().await;
}

/// Any role but the auditor's, who would be told that they change nothing.
pub fn everything() -> Vec<Role> {
    let all = gevinst::dev::roles().map(|role| role.parse::<Role>().unwrap());
    all.filter(|role| *role != Role::Auditor).collect()
}
