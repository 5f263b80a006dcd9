//! What survives when PostgreSQL or the service is killed, stopped or held up, under load and idle.
//!
//! Each test has a durable cluster of its own (fsync on) and the real program in front of it. `GEVINST_TEST_LONG=1`
//! kills twenty times where a usual run kills twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use gevinst::{
    auth::Role,
    config::Secret,
    ctx::Clock,
    dev::{
        issuer::{self, Issuer},
        postgres::{Cluster, free_port},
    },
    migrate,
    organisations::{self, Founding},
};
use gevinst_proto::v1::{self as pb, AuditOutcome};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use tokio::{sync::oneshot, task::JoinSet};
use tonic::{Code, transport::Endpoint};
use uuid::Uuid;

use crate::harness::{
    Failure, Person, folder,
    process::{Env, PATIENCE, Program, probe, tell, until},
};

/// How many write at once.
const WRITERS: usize = 8;

/// How many connections the service has at most.
const CONNECTIONS: i64 = 8;

pub fn long() -> bool {
    std::env::var("GEVINST_TEST_LONG").is_ok_and(|value| value == "1")
}

fn kills() -> usize {
    if long() { 20 } else { 2 }
}

/// A PostgreSQL to kill. Its server lives and dies with a thread, which therefore carries out all orders.
struct Postgres {
    orders: Option<mpsc::Sender<(Order, oneshot::Sender<()>)>>,
    thread: Option<thread::JoinHandle<()>>,
    port: u16,
}

enum Order {
    Start,
    Kill,
}

impl Postgres {
    async fn start_first(folder: PathBuf) -> Self {
        let port = free_port().unwrap();
        let (orders, received) = mpsc::channel();
        let thread = thread::spawn(move || Self::tend(&folder, port, received));
        let postgres = Self { orders: Some(orders), thread: Some(thread), port };
        postgres.start().await;
        postgres
    }

    fn tend(folder: &Path, port: u16, orders: mpsc::Receiver<(Order, oneshot::Sender<()>)>) {
        let mut cluster = None;
        for (order, done) in orders {
            match order {
                Order::Start => cluster = Some(Cluster::start_on(folder, port, &[]).unwrap()),
                Order::Kill => {
                    let running: Cluster = cluster.take().expect("a server runs");
                    let postmaster = running.pid().to_string();
                    let children = format!("/proc/{postmaster}/task/{postmaster}/children");
                    let children = std::fs::read_to_string(children).unwrap();
                    assert!(!children.is_empty());
                    let kill = |pids: &[&str]| Command::new("kill").arg("-KILL").args(pids).output().unwrap().status;
                    assert!(kill(&[&postmaster]).success());
                    // Left alone they would finish what they do, as in no power cut. One may have ended since.
                    kill(&children.split_whitespace().collect::<Vec<_>>());
                    // It is dead; what is left is to take note of it, or its pid would stand in the way of the next.
                    running.stop().unwrap();
                }
            }
            let _ = done.send(());
        }
        if let Some(cluster) = cluster {
            cluster.stop().unwrap();
        }
        // A folder that is left behind fails nobody.
        let _ = std::fs::remove_dir_all(folder);
    }

    async fn order(&self, order: Order) {
        let (done, carried_out) = oneshot::channel();
        self.orders.as_ref().unwrap().send((order, done)).unwrap();
        carried_out.await.expect("PostgreSQL obeys");
    }

    /// Starts the server on the port that it had; recovers what was committed.
    async fn start(&self) {
        self.order(Order::Start).await;
    }

    /// SIGKILL to the postmaster and all that it has started.
    async fn kill(&self) {
        self.order(Order::Kill).await;
    }

    fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/gevinst", self.port)
    }

    async fn admin(&self) -> DatabaseConnection {
        Database::connect(self.url("gevinst_admin")).await.unwrap()
    }

    async fn count(&self, sql: &str) -> i64 {
        let admin = self.admin().await;
        let row = admin.query_one_raw(gevinst::db::postgres(sql, [])).await.unwrap().unwrap();
        admin.close().await.unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// Holds everybody else off the projects, until the transaction ends.
    async fn lock_projects(&self) -> DatabaseTransaction {
        let lock = self.admin().await.begin().await.unwrap();
        lock.execute_unprepared("LOCK TABLE projects IN ACCESS EXCLUSIVE MODE").await.unwrap();
        lock
    }

    async fn until_held_up(&self, statements: i64) {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'gevinst_app' AND wait_event_type = 'Lock'";
        until("statements wait for the lock", async || self.count(waiting).await >= statements).await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.orders.take());
        // A failure of the thread has failed the test already; a second panic here would hide it.
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// PostgreSQL, the program in front of it, and an organisation with a unit.
pub struct Stand {
    pub service: Program,
    postgres: Postgres,
    env: Env,
    address: SocketAddr,
    admin: SocketAddr,
    issuer: Issuer,
    pub organisation: Uuid,
    unit: String,
}

impl Stand {
    pub async fn new(settings: &[(&'static str, &str)]) -> Self {
        let folder = folder("chaos");
        let issuer = Issuer::open(&folder).unwrap();
        let postgres = Postgres::start_first(folder).await;
        let owner = migrate::connect(&Secret::new(postgres.url("gevinst_owner"))).await.unwrap();
        migrate::up(&owner).await.unwrap();
        let founding = Founding {
            id: None,
            name: "Prøvekøbing Kommune".to_owned(),
            code: "1000".to_owned(),
            number_prefix: "PRK".to_owned(),
        };
        let organisation = organisations::found(&owner, &founding, &Clock::default()).await.unwrap();
        owner.close().await.unwrap();

        let local = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
        let (address, admin) = (local(), local());
        let mut env = vec![
            ("GEVINST_LISTEN", address.to_string()),
            ("GEVINST_ADMIN_LISTEN", admin.to_string()),
            ("GEVINST_DATABASE_URL", postgres.url("gevinst_app")),
            ("GEVINST_DATABASE_CONNECTIONS", CONNECTIONS.to_string()),
            ("GEVINST_TOKEN_ISSUER", issuer::ISSUER.to_owned()),
            ("GEVINST_TOKEN_JWKS_FILE", issuer.jwks_path().display().to_string()),
            ("GEVINST_RATE_PER_ADDRESS", "0".to_owned()),
            ("GEVINST_RATE_PER_CALLER", "0".to_owned()),
        ];
        env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let service = Program::serve(&env, admin).await;
        let mut stand = Self { service, postgres, env, address, admin, issuer, organisation, unit: String::new() };
        let unit = pb::CreateOrgUnitRequest {
            organisation: stand.organisation.to_string(),
            name: "Borgerservice".to_owned(),
            ..Default::default()
        };
        stand.unit = stand.office().call(unit).await.unwrap().org_unit.unwrap().id;
        stand
    }

    /// Starts the service anew, on the same ports.
    pub async fn start_service(&mut self) {
        self.service = Program::serve(&self.env, self.admin).await;
    }

    pub async fn kill_service(&mut self) {
        self.service.signal("KILL").await;
        assert_eq!(self.service.end().await.code(), None, "a signal ended it");
    }

    /// Someone with this role and a connection of their own.
    pub fn person(&self, role: Role) -> Person {
        let channel = Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect_lazy();
        Person::new(channel, Some(self.issuer.token(role.name(), self.organisation, &[role]).unwrap()))
    }

    pub fn office(&self) -> Person {
        self.person(Role::PortfolioOffice)
    }

    pub fn registration(&self, title: &str) -> pb::RegisterProjectRequest {
        pb::RegisterProjectRequest {
            organisation: self.organisation.to_string(),
            title: title.to_owned(),
            vision: "Det skal være nemmere.".to_owned(),
            org_unit: self.unit.clone(),
            project_owner: "project-owner".to_owned(),
            project_manager: "manager".to_owned(),
            project_class: pb::ProjectClass::Efficiency.into(),
            ..Default::default()
        }
    }

    fn list(&self) -> pb::ListProjectsRequest {
        pb::ListProjectsRequest { organisation: self.organisation.to_string(), page_size: 200, ..Default::default() }
    }

    async fn projects(&self) -> Vec<pb::Project> {
        let (office, mut request, mut all) = (self.office(), self.list(), Vec::new());
        loop {
            let page = office.call(request.clone()).await.unwrap();
            all.extend(page.projects);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn registrations_audited(&self) -> Vec<pb::AuditEntry> {
        let mut request = pb::ListAuditEntriesRequest {
            organisation: self.organisation.to_string(),
            page_size: 200,
            filter: "action = \"project.register\"".to_owned(),
            ..Default::default()
        };
        let (auditor, mut all) = (self.person(Role::Auditor), Vec::new());
        loop {
            let page = auditor.call(request.clone()).await.unwrap();
            all.extend(page.audit_entries);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Lets the writers begin. Those of another wave use other keys.
    fn load(&self, trouble: Trouble, wave: usize) -> Load {
        let course = Arc::new(Course::default());
        let writers = (1..=WRITERS).map(|writer| {
            let name = format!("{wave}-{writer}");
            let (office, request, course) = (self.office(), self.registration(""), course.clone());
            async move { write(office, request, &name, trouble, &course).await }
        });
        Load { writers: writers.collect(), course }
    }

    /// Holds the record to what the writers were told: nothing acknowledged is lost, nothing is there twice or in half,
    /// and nothing is there that nobody was told of.
    async fn verify(&self, written: &[Written]) {
        let told: BTreeMap<&str, &pb::Project> =
            written.iter().filter_map(|written| Some((written.key.as_str(), written.project.as_ref()?))).collect();
        let projects = self.projects().await;
        let kept: BTreeMap<&str, &pb::Project> =
            projects.iter().map(|project| (project.title.as_str(), project)).collect();
        assert_eq!(kept.len(), projects.len(), "each key made one project");
        let lost: Vec<_> = told.iter().filter(|(key, project)| kept.get(*key) != Some(project)).collect();
        assert!(lost.is_empty(), "acknowledged, and lost or changed: {lost:?}");
        let untold: Vec<_> = kept.keys().filter(|key| !told.contains_key(*key)).collect();
        assert!(untold.is_empty(), "there, and never acknowledged: {untold:?}");

        let mut numbers: Vec<usize> =
            projects.iter().map(|project| project.number.rsplit('-').next().unwrap().parse().unwrap()).collect();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(1..=projects.len()), "numbers are gapless and unique: {numbers:?}");

        let entries = self.registrations_audited().await;
        assert!(entries.iter().all(|entry| entry.outcome() == AuditOutcome::Done));
        assert_eq!(entries.len(), projects.len(), "one audit entry for each project");
        let audited: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.object.as_deref()).collect();
        let registered: BTreeSet<&str> = projects.iter().map(|project| project.id.as_str()).collect();
        assert_eq!(audited, registered);

        let made = i64::try_from(projects.len()).unwrap();
        let counts = [
            ("SELECT count(*) FROM idempotency_records", made),
            ("SELECT count(*) FROM idempotency_records WHERE response IS NULL", 0),
            ("SELECT coalesce(sum(last), 0) FROM project_numbers", made),
        ];
        for (sql, expected) in counts {
            assert_eq!(self.postgres.count(sql).await, expected, "{sql}");
        }
    }
}

/// What is going to happen to those who write.
#[derive(Clone, Copy)]
enum Trouble {
    /// PostgreSQL is killed: every failure comes from the service, complete, and is one to retry.
    Database,
    /// The service is killed: a connection may break instead.
    Service,
    /// The service is asked to stop: what it accepts it answers, and who it does not accept stops writing.
    Shutdown,
}

/// How far the writers are.
#[derive(Default)]
struct Course {
    answered: AtomicUsize,
    over: AtomicBool,
}

/// A key that was used, and the project that it was answered with; none when the service did not take the call.
struct Written {
    key: String,
    project: Option<pb::Project>,
}

/// Registers one project after the other, each under its own key and with its key for a title.
async fn write(
    office: Person,
    request: pb::RegisterProjectRequest,
    writer: &str,
    trouble: Trouble,
    course: &Course,
) -> Vec<Written> {
    let mut written = Vec::new();
    while !course.over.load(Ordering::Relaxed) {
        let key = format!("{writer}-{}", written.len());
        let request = pb::RegisterProjectRequest { title: key.clone(), ..request.clone() };
        let project = persist(&office.clone().key(&key), &request, trouble).await;
        course.answered.fetch_add(usize::from(project.is_some()), Ordering::Relaxed);
        let goes_on = project.is_some();
        written.push(Written { key, project });
        if !goes_on {
            break;
        }
    }
    written
}

/// Calls until there is an answer, as a caller should: the same request under the same key.
async fn persist(office: &Person, request: &pb::RegisterProjectRequest, trouble: Trouble) -> Option<pb::Project> {
    let began = Instant::now();
    loop {
        let failure = match office.call(request.clone()).await {
            Ok(answer) => return answer.project,
            Err(failure) => failure,
        };
        match trouble {
            Trouble::Database if retryable(&failure) => {}
            Trouble::Service if retryable(&failure) || !answered(&failure) => {}
            Trouble::Shutdown if !answered(&failure) => return None,
            _ => panic!("{failure:?}"),
        }
        assert!(began.elapsed() < PATIENCE, "never answered: {failure:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether it was the service that answered: it never does so without a reason.
pub fn answered(failure: &Failure) -> bool {
    !failure.reason.is_empty()
}

fn retryable(failure: &Failure) -> bool {
    answered(failure) && matches!(failure.code, Code::Unavailable | Code::DeadlineExceeded | Code::Aborted)
}

/// Those who write.
struct Load {
    writers: JoinSet<Vec<Written>>,
    course: Arc<Course>,
}

impl Load {
    /// Waits until so many more registrations have been answered.
    async fn progress(&mut self, more: usize) {
        let aim = self.course.answered.load(Ordering::Relaxed) + more;
        let began = Instant::now();
        while self.course.answered.load(Ordering::Relaxed) < aim {
            if let Some(ended) = self.writers.try_join_next() {
                panic!("a writer ended before its time: {:?}", ended.map(|written| written.len()));
            }
            assert!(began.elapsed() < PATIENCE, "nothing is answered any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until calls are answered that were made after the trouble, and tells how long that took since it began.
    async fn outage(&mut self, began: Instant, name: &str, kill: usize) {
        let down = began.elapsed();
        // What was under way when the trouble began may have been answered since.
        self.progress(WRITERS + 1).await;
        let outage = began.elapsed();
        tell(&format!("chaos: {name} {kill} of {}: back after {down:.1?}, answers after {outage:.1?}", kills()));
    }

    /// Lets every writer come to its end.
    async fn end(self) -> Vec<Written> {
        self.course.over.store(true, Ordering::Relaxed);
        self.writers.join_all().await.into_iter().flatten().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_killed_under_load_nothing_lost_doubled_or_half_done() {
    let stand = Stand::new(&[]).await;
    let mut load = stand.load(Trouble::Database, 1);
    for kill in 1..=kills() {
        load.progress(5 * WRITERS).await;
        let began = Instant::now();
        stand.postgres.kill().await;
        stand.postgres.start().await;
        load.outage(began, "PostgreSQL killed", kill).await;
    }
    let written = load.end().await;
    stand.verify(&written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_killed_under_load_nothing_lost_doubled_or_half_done() {
    let mut stand = Stand::new(&[]).await;
    let mut load = stand.load(Trouble::Service, 1);
    for kill in 1..=kills() {
        load.progress(5 * WRITERS).await;
        let began = Instant::now();
        stand.kill_service().await;
        stand.start_service().await;
        load.outage(began, "service killed", kill).await;
    }
    let written = load.end().await;
    stand.verify(&written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_lost_while_idle_the_very_next_call_succeeds() {
    let stand = Stand::new(&[]).await;
    let office = stand.office();
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gevinst'";
    for round in 0..3 * kills() {
        until("every connection of the pool is open", async || {
            let reads: JoinSet<_> = (0..4 * CONNECTIONS)
                .map(|_| {
                    let (office, list) = (office.clone(), stand.list());
                    async move { office.call(list).await.map(drop) }
                })
                .collect();
            assert!(reads.join_all().await.into_iter().all(|read| read.is_ok()));
            stand.postgres.count(connections).await == CONNECTIONS
        })
        .await;
        if round % 2 == 0 {
            // All at once and a moment after their last use: nothing but the call itself can notice.
            let cut =
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = 'gevinst_app'";
            assert!(stand.postgres.count(cut).await > 0);
        } else {
            stand.postgres.kill().await;
            stand.postgres.start().await;
        }
        let first = match round % 3 {
            0 => office.call(stand.registration(&format!("Runde {round}"))).await.map(drop),
            1 => office.call(stand.list()).await.map(drop),
            _ => office.call(pb::ListOrganisationsRequest {}).await.map(drop),
        };
        assert!(first.is_ok(), "round {round}: {first:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_down_calls_unavailable_probes_truthful_and_healed_without_a_restart() {
    let mut stand = Stand::new(&[]).await;
    let project = stand.office().call(stand.registration("Før")).await.unwrap().project.unwrap();
    stand.postgres.kill().await;

    let began = Instant::now();
    let (office, writer) = (stand.office(), stand.office());
    let read = pb::GetProjectRequest { organisation: project.organisation.clone(), project: project.id.clone() };
    let (read, write) = tokio::join!(office.call(read), writer.call(stand.registration("Imens")));
    for failure in [read.unwrap_err(), write.unwrap_err()] {
        assert!(failure.is(Code::Unavailable, "DATABASE_UNAVAILABLE"), "{failure:?}");
        assert!(!failure.request_id.is_empty() && failure.trace_id.len() == 32, "{failure:?}");
        assert_eq!(failure.localized.0, "da");
    }
    // The deadline is 30 s, which is what a call that hangs would take.
    assert!(began.elapsed() < Duration::from_secs(8), "answered after {:?}", began.elapsed());
    assert_eq!(probe(stand.admin, "/livez").await, Some(200));
    assert_eq!(probe(stand.admin, "/readyz").await, Some(503));

    stand.postgres.start().await;
    until("the service is ready again", async || probe(stand.admin, "/readyz").await == Some(200)).await;
    assert_eq!(stand.projects().await, [project]);
    stand.office().call(stand.registration("Efter")).await.unwrap();

    // A service that comes before its database is alive and waits for it.
    stand.postgres.kill().await;
    stand.kill_service().await;
    stand.service = Program::start(&["serve"], &stand.env);
    until("the probes answer", async || probe(stand.admin, "/livez").await == Some(200)).await;
    assert_eq!(probe(stand.admin, "/readyz").await, Some(503));
    stand.postgres.start().await;
    until("the service is ready", async || probe(stand.admin, "/readyz").await == Some(200)).await;
    until("calls are served", async || stand.office().call(stand.list()).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_under_load_what_was_accepted_is_answered_and_nothing_else_done() {
    let mut stand = Stand::new(&[]).await;
    let mut written = Vec::new();
    for stop in 1..=kills() {
        let mut load = stand.load(Trouble::Shutdown, stop);
        load.progress(5 * WRITERS).await;
        stand.service.signal("TERM").await;
        assert_eq!(stand.service.end().await.code(), Some(0), "{}", stand.service.stderr());
        let wave = load.end().await;
        let unanswered = wave.iter().filter(|written| written.project.is_none()).count();
        assert_eq!(unanswered, WRITERS, "each writer wrote until it was turned away");
        stand.start_service().await;
        tell(&format!("chaos: shutdown {stop} of {}: {} registrations answered", kills(), wave.len() - unanswered));
        written.extend(wave);
    }
    stand.verify(&written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_with_a_call_under_way_answers_it_first() {
    let mut stand = Stand::new(&[]).await;
    let lock = stand.postgres.lock_projects().await;
    let (office, request) = (stand.office(), stand.registration("Undervejs"));
    let call = tokio::spawn(async move { office.call(request).await });
    stand.postgres.until_held_up(1).await;
    stand.service.signal("TERM").await;
    let ask = async || stand.office().call(pb::ListOrganisationsRequest {}).await;
    until("no more calls are taken", async || ask().await.is_err()).await;
    lock.rollback().await.unwrap();
    let project = call.await.unwrap().unwrap().project.unwrap();
    assert_eq!(stand.service.end().await.code(), Some(0), "{}", stand.service.stderr());
    stand.start_service().await;
    assert_eq!(stand.projects().await, [project]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_with_a_call_that_does_not_end_over_when_the_drain_is() {
    let mut stand = Stand::new(&[("GEVINST_DRAIN_MS", "500")]).await;
    let lock = stand.postgres.lock_projects().await;
    let (office, request) = (stand.office(), stand.registration("Undervejs"));
    let call = tokio::spawn(async move { office.call(request).await });
    stand.postgres.until_held_up(1).await;
    let began = Instant::now();
    stand.service.signal("TERM").await;
    assert_eq!(stand.service.end().await.code(), Some(0), "{}", stand.service.stderr());
    // The statement itself may go on for 30 s.
    assert!(began.elapsed() < Duration::from_secs(8), "ended after {:?}", began.elapsed());
    assert!(!answered(&call.await.unwrap().unwrap_err()));
    lock.rollback().await.unwrap();
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'gevinst_app'";
    until("its connections are gone", async || stand.postgres.count(connections).await == 0).await;
    stand.start_service().await;
    stand.verify(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statement_held_up_caller_in_a_hurry_told_in_time_and_the_retry_makes_one_project() {
    let stand = Stand::new(&[]).await;
    let lock = stand.postgres.lock_projects().await;
    let office = stand.office().key("writer");
    let request = stand.registration("writer");
    let hurry = Duration::from_secs(2);
    let (writer, reader) = (office.clone().within(hurry), stand.office().within(hurry));
    let began = Instant::now();
    let (write, read) = tokio::join!(writer.call(request.clone()), reader.call(stand.list()));
    let took = began.elapsed();
    for failure in [write.unwrap_err(), read.unwrap_err()] {
        assert!(failure.is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"), "{failure:?}");
    }
    assert!(took < hurry + Duration::from_secs(2), "told after {took:?}");

    // The retry comes while the first attempt still waits, and gets its answer.
    let retry = tokio::spawn({
        let (office, request) = (office.clone(), request.clone());
        async move { office.call(request).await }
    });
    stand.postgres.until_held_up(3).await;
    lock.rollback().await.unwrap();
    let project = retry.await.unwrap().unwrap().project.unwrap();
    assert_eq!(office.call(request).await.unwrap().project.as_ref(), Some(&project), "and so does a later one");
    stand.verify(&[Written { key: "writer".to_owned(), project: Some(project) }]).await;
}
