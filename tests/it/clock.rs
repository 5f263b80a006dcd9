//! The clock: what a passed day makes happen, once, on whichever replica is there to do it.
//!
//! The lease is a database's, so each test here has a database of its own; every other test's servers do none of the
//! clock's work.

use std::time::Duration;

use gevinst::{auth::Role, config::Config, ctx::Clock};
use gevinst_proto::v1::{
    self as pb, ActorKind, AuditOutcome, BenefitOwnerState, BenefitOwnershipState, ConditionState, GateCode,
    GateOutcome, ProjectStatus,
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, TransactionTrait, Value};
use time::{OffsetDateTime, macros::datetime};
use tonic::Code;
use uuid::Uuid;

use crate::{
    cli,
    conditions::{Condition, events, meeting, reread, resume, seen, set, set_many},
    harness::{
        CLUSTER, Person, World, config, found_as_shipped,
        process::{Serving, until},
    },
    owners::{self, bare},
};

/// How often the servers here look; their lease is three times that.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Already over, whatever the time.
const OVERDUE: Condition<'static> =
    Condition { owner: "condition-owner", due_on: "2026-01-31", blocking: true, state: ConditionState::Open };

/// A database of the test's own, as its owner.
pub struct Base {
    name: String,
    owner: DatabaseConnection,
}

impl Base {
    pub async fn new() -> Self {
        let name = cli::migrated().await;
        Self { owner: cli::owner(&name).await, name }
    }

    fn url(&self) -> String {
        cli::url(&CLUSTER.runtime, &self.name)
    }

    pub fn config(&self, clock: Option<Duration>) -> Config {
        Config { clock, database_url: gevinst::config::Secret::new(self.url()), ..config() }
    }

    /// A server that looks, and an organisation.
    pub async fn ticking(&self) -> World {
        World::on(&self.name, self.config(Some(LOOK_EVERY))).await
    }

    /// One that does not.
    pub async fn idle(&self) -> World {
        World::on(&self.name, self.config(None)).await
    }

    /// One number from what the whole database holds; asked as the superuser, whom no policy holds.
    pub async fn number(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> i64 {
        let admin = Database::connect(cli::url(&CLUSTER.admin, &self.name)).await.unwrap();
        let row = admin.query_one_raw(gevinst::db::postgres(sql, values)).await.unwrap().unwrap();
        admin.close().await.unwrap();
        row.try_get_by_index(0).unwrap()
    }

    async fn open(&self) -> i64 {
        self.number("SELECT count(*) FROM conditions WHERE state = 'OPEN'", []).await
    }

    /// Waits until all is lapsed that is to be.
    async fn until_open(&self, many: i64) {
        until("the clock has lapsed what is overdue", async || self.open().await == many).await;
    }

    /// Who holds the lease, while it lasts.
    async fn holder(&self) -> Option<(Uuid, OffsetDateTime)> {
        let sql = "SELECT holder, until FROM clock_leases WHERE job = 'conditions' AND until > now()";
        let row = self.owner.query_one_raw(gevinst::db::postgres(sql, [])).await.unwrap()?;
        Some((row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap()))
    }

    /// Waits until a replica that holds the lease has looked and looked again: what it was to do before, it has done.
    pub async fn until_looked(&self) {
        for _ in 0..3 {
            let before = self.holder().await;
            until("the clock looks", async || self.holder().await.is_some_and(|now| Some(now) != before)).await;
        }
    }

    /// Each condition that is not open any more was lapsed by Gevinst, once, and says so once in the log.
    async fn must_be_lapsed_once(&self, many: i64) {
        let sql = "SELECT count(*) FROM conditions WHERE state = 'LAPSED' AND version = 2 AND settled_by = 'gevinst'";
        assert_eq!(self.number(sql, []).await, many);
        let sql = "SELECT count(*) FROM audit_entries WHERE action = 'condition.lapse'";
        assert_eq!(self.number(sql, []).await, many, "as many entries");
        let sql = "SELECT count(DISTINCT object_id) FROM audit_entries WHERE action = 'condition.lapse' \
            AND outcome = 'DONE' AND actor = 'gevinst' AND actor_kind = 'SYSTEM' AND object_type = 'condition'";
        assert_eq!(self.number(sql, []).await, many, "one for each");
    }
}

/// A project with a submitted review.
async fn project(world: &World) -> (pb::Project, pb::GateReview) {
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    (project, review)
}

/// Sets the time.
pub fn turn(clock: &Clock, to: OffsetDateTime) {
    clock.advance(to - clock.now());
}

/// A number among a server's metrics.
pub async fn metric(admin: std::net::SocketAddr, name: &str) -> u64 {
    let text = reqwest::get(format!("http://{admin}/metrics")).await.unwrap().text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse().ok()).unwrap()
}

/// Summer time has begun that morning: the day ends at 22:00 UTC.
#[tokio::test]
async fn blocking_condition_lapses_when_its_last_day_is_over_in_denmark_and_holds_the_project() {
    let base = Base::new().await;
    let world = base.ticking().await;
    turn(&world.clock, datetime!(2027-03-28 12:00 UTC));
    let ((held, review), (going_on, other)) = (project(&world).await, project(&world).await);
    let due = Condition { due_on: "2027-03-28", ..Condition::default() };
    let id = set(&base.owner, &world, &review, &due).await;
    let harmless = set(&base.owner, &world, &other, &Condition { blocking: false, ..due }).await;
    turn(&world.clock, datetime!(2027-03-28 21:59:00 UTC));
    base.until_looked().await;
    assert_eq!(base.open().await, 2, "the last day counts to its end");

    turn(&world.clock, datetime!(2027-03-28 22:00:00 UTC));
    base.until_open(0).await;
    let lapsed = reread(&world, &id).await;
    assert_eq!((lapsed.state(), lapsed.settled_by.as_deref()), (ConditionState::Lapsed, Some("gevinst")));
    assert!(lapsed.settle_time.is_some() && lapsed.settle_reason.is_empty());
    assert_eq!(world.reread(&held).await.status(), ProjectStatus::OnHold);
    assert_eq!(
        events(&base.owner, &world, &held).await,
        [("HELD_BY_CONDITION".to_owned(), "gevinst".to_owned(), lapsed.title.clone())]
    );
    let entries = world.audited(&format!("object = \"{id}\"")).await;
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.action.as_str(), entry.actor.as_str()), ("condition.lapse", "gevinst"));
    assert_eq!((entry.outcome(), entry.actor_kind()), (AuditOutcome::Done, ActorKind::System));
    assert_eq!(entry.policy, "the-clock-lapses-conditions");
    assert!(entry.trace_id.len() == 32 && entry.trace_id != "0".repeat(32) && !entry.request_id.is_empty());
    let changes: serde_json::Value = serde_json::from_str(&entry.changes_json).unwrap();
    assert_eq!(changes["state"], serde_json::json!({"before": "OPEN", "after": "LAPSED"}));
    assert_eq!(changes["status"], serde_json::json!({"before": "ACTIVE", "after": "ON_HOLD"}));
    assert_eq!(changes["project"]["after"], held.id);

    // The submitted review stays as it is, and cannot be decided meanwhile.
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
    // What does not block has lapsed, and that is all.
    assert_eq!(reread(&world, &harmless).await.state(), ConditionState::Lapsed);
    assert_eq!(world.reread(&going_on).await.status(), ProjectStatus::Active);
    assert_eq!(events(&base.owner, &world, &going_on).await, []);

    let failure = world.steering().call(resume(&world, &held)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "CONDITION_LAPSED"), "{failure:?}");
    world.person("condition-owner", &[]).call(meeting(&world, &id)).await.unwrap();
    let resumed = world.steering().call(resume(&world, &held)).await.unwrap().project.unwrap();
    assert_eq!(resumed.status(), ProjectStatus::Active);
    world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();
    assert_eq!(metric(world.admin, "gevinst_conditions_lapsed_total").await, 2);
    assert_eq!(metric(world.admin, "gevinst_clock").await, 1);
    assert!(metric(world.admin, "gevinst_clock_looks_total{outcome=\"done\"}").await > 0);
    let done = metric(world.admin, "gevinst_clock_last_done_timestamp_seconds").await;
    assert!(done > 0, "by the world's clock, which stands still here");
    let migrations =
        async |state| metric(world.admin, &format!("gevinst_schema_migrations{{state=\"{state}\"}}")).await;
    assert_eq!(migrations("known").await, migrations("applied").await);
    assert!(metric(world.admin, "gevinst_database_connections{state=\"most\"}").await > 0);
}

#[tokio::test]
async fn project_that_does_not_move_is_not_held_once_more() {
    let base = Base::new().await;
    let world = base.idle().await;
    let mut untouched = Vec::new();
    for outcome in [GateOutcome::Hold, GateOutcome::Kill, GateOutcome::Go] {
        let project = world.project().await;
        let decided = world.decided(&project, GateCode::G1, outcome).await;
        let mut project = decided.project.unwrap();
        if outcome == GateOutcome::Go {
            let archive = pb::ArchiveProjectRequest {
                organisation: world.id(),
                project: project.id.clone(),
                etag: project.etag.clone(),
                ..Default::default()
            };
            project = world.office().call(archive).await.unwrap().project.unwrap();
        }
        set(&base.owner, &world, &decided.gate_review.unwrap(), &OVERDUE).await;
        untouched.push(project);
    }
    world.behind_another(base.config(Some(LOOK_EVERY))).await;
    base.until_open(0).await;
    base.must_be_lapsed_once(3).await;
    for project in untouched {
        assert_eq!(world.reread(&project).await, project);
        assert_eq!(events(&base.owner, &world, &project).await, []);
    }
}

#[tokio::test]
async fn settled_condition_never_lapses() {
    let base = Base::new().await;
    let world = base.idle().await;
    let (_, review) = project(&world).await;
    let id = set(&base.owner, &world, &review, &OVERDUE).await;
    for state in [ConditionState::Met, ConditionState::Superseded] {
        set(&base.owner, &world, &review, &Condition { state, ..OVERDUE }).await;
    }
    let met = world.office().call(meeting(&world, &id)).await.unwrap().condition.unwrap();
    world.behind_another(base.config(Some(LOOK_EVERY))).await;
    base.until_looked().await;
    assert_eq!(reread(&world, &id).await, met);
    base.must_be_lapsed_once(0).await;
}

/// Somebody meets it while the clock waits for its project: there is nothing left to lapse, and nothing was refused.
#[tokio::test]
async fn condition_met_just_before_stays_met_and_no_refusal_is_recorded() {
    let base = Base::new().await;
    let world = base.idle().await;
    let (project, review) = project(&world).await;
    let id = set(&base.owner, &world, &review, &OVERDUE).await;
    let lock = Database::connect(cli::url(&CLUSTER.admin, &base.name)).await.unwrap();
    let held = lock.begin().await.unwrap();
    held.execute_unprepared(&format!("SELECT 1 FROM projects WHERE id = '{}' FOR UPDATE", project.id)).await.unwrap();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let ticking = world.behind_another(base.config(Some(LOOK_EVERY))).await;
    until("the clock waits", async || base.number(waiting, []).await == 1).await;
    held.execute_unprepared(&format!(
        "UPDATE conditions SET state = 'MET', settled_by = 'office', settled_at = now() WHERE id = '{id}'"
    ))
    .await
    .unwrap();
    held.commit().await.unwrap();
    base.until_looked().await;
    assert_eq!(reread(&world, &id).await.settled_by.as_deref(), Some("office"));
    assert_eq!(base.number("SELECT count(*) FROM audit_entries WHERE action = 'condition.lapse'", []).await, 0);
    ticking.stop().await;
}

/// Three organisations, two servers that look at once, and a lease that is taken from whoever has it: nothing happens
/// twice.
#[tokio::test]
async fn two_replicas_at_once_lapse_each_condition_of_every_organisation_once() {
    let base = Base::new().await;
    let worlds = [base.idle().await, base.idle().await, base.idle().await];
    let mut projects = Vec::new();
    for world in &worlds {
        let (project, review) = project(world).await;
        // More than are asked for at once.
        set_many(&base.owner, world, &review, &OVERDUE, 70).await;
        projects.push(project);
    }
    let config = base.config(Some(LOOK_EVERY));
    let (one, other) = tokio::join!(worlds[0].behind_another(config.clone()), worlds[0].behind_another(config));
    let mut both = 0;
    while base.open().await > 0 {
        base.owner.execute_unprepared("UPDATE clock_leases SET until = now() - interval '1 second'").await.unwrap();
        let holding = metric(one.admin, "gevinst_clock").await + metric(other.admin, "gevinst_clock").await;
        both += u32::from(holding == 2);
    }
    assert!(both > 0, "both believed to hold the lease at some time");
    base.must_be_lapsed_once(210).await;
    let lapsed = "gevinst_conditions_lapsed_total";
    assert_eq!(metric(one.admin, lapsed).await + metric(other.admin, lapsed).await, 210);
    for (world, project) in worlds.iter().zip(&projects) {
        assert_eq!(world.reread(project).await.status(), ProjectStatus::OnHold);
        assert_eq!(events(&base.owner, world, project).await.len(), 1, "the first one held it");
        assert_eq!(seen(world, &world.office(), "state = LAPSED").await.unwrap().len(), 70);
    }
}

#[tokio::test]
async fn one_replica_holds_the_lease_and_leaves_it_when_it_stops() {
    let base = Base::new().await;
    let world = base.idle().await;
    let (_, review) = project(&world).await;
    // These would wait for half an hour, were the lease not given back.
    let slow = Duration::from_secs(600);
    let first = world.behind_another(base.config(Some(slow))).await;
    until("the first takes the lease", async || metric(first.admin, "gevinst_clock").await == 1).await;
    let (holder, _) = base.holder().await.unwrap();
    let idle = world.behind_another(base.config(Some(LOOK_EVERY))).await;
    tokio::time::sleep(LOOK_EVERY * 6).await;
    assert_eq!((metric(idle.admin, "gevinst_clock").await, base.holder().await.unwrap().0), (0, holder));
    idle.stop().await;
    assert_eq!(base.holder().await.unwrap().0, holder, "who does not hold it gives nothing back");
    // Nobody looks for ten minutes; then the replica restarts. What became overdue meanwhile was not lost.
    set(&base.owner, &world, &review, &OVERDUE).await;
    first.stop().await;
    assert_eq!(base.holder().await, None);
    assert_eq!(base.open().await, 1);
    let again = world.behind_another(base.config(Some(slow))).await;
    base.until_open(0).await;
    base.must_be_lapsed_once(1).await;
    again.stop().await;
}

#[tokio::test]
async fn replica_switched_off_takes_no_lease_and_lapses_nothing() {
    let base = Base::new().await;
    let world = base.idle().await;
    let (project, review) = project(&world).await;
    set(&base.owner, &world, &review, &OVERDUE).await;
    tokio::time::sleep(LOOK_EVERY * 4).await;
    assert_eq!((base.open().await, base.holder().await), (1, None));
    assert_eq!(world.reread(&project).await.status(), ProjectStatus::Active);
}

/// In the middle of many: what it had begun is done or never was, and the other goes on after the lease.
#[tokio::test]
async fn killed_holder_replaced_after_its_lease_and_nothing_lost_or_done_twice() {
    const MANY: i32 = 400;
    let base = Base::new().await;
    let world = base.idle().await;
    let (project, review) = project(&world).await;
    let url = base.url();
    let settings = [("GEVINST_DATABASE_URL", url.as_str()), ("GEVINST_CLOCK_SECONDS", "2")];
    let mut holder = Serving::with(&settings).await;
    until("the first takes the lease", async || metric(holder.admin, "gevinst_clock").await == 1).await;
    let (held_by, _) = base.holder().await.unwrap();
    let other = Serving::with(&settings).await;
    set_many(&base.owner, &world, &review, &OVERDUE, MANY).await;
    until("some are lapsed", async || base.open().await < i64::from(MANY)).await;
    holder.program.signal("KILL").await;
    holder.program.end().await;
    let (still, until_when) = base.holder().await.unwrap();
    assert_eq!(still, held_by, "the dead hold it until it has run out");
    assert!(base.open().await > 0, "it was killed in the middle");
    base.until_open(0).await;
    base.must_be_lapsed_once(i64::from(MANY)).await;
    let (now_by, _) = base.holder().await.unwrap();
    assert_ne!(now_by, held_by);
    let sql = "SELECT count(*) FROM conditions WHERE settled_at > $1";
    let after = base.number(sql, [until_when.into()]).await;
    assert_eq!(u64::try_from(after).unwrap(), metric(other.admin, "gevinst_conditions_lapsed_total").await);
    assert!(after > 0);
    assert_eq!(world.reread(&project).await.status(), ProjectStatus::OnHold);
    assert_eq!(events(&base.owner, &world, &project).await.len(), 1);
    let (status, log) = other.stop().await;
    assert!(status.success(), "{log:?}");
    assert_eq!(base.holder().await, None, "SIGTERM gives it back");
    // Each lapse has its line, with the request that the audit entry names.
    let lines = log.iter().filter(|line| line.contains("condition lapsed") && line.contains("request_id"));
    assert_eq!(i64::try_from(lines.count()).unwrap(), after);
}

#[tokio::test]
async fn database_away_and_back_makes_up_for_what_it_missed() {
    let base = Base::new().await;
    let world = base.ticking().await;
    let (_, review) = project(&world).await;
    base.until_looked().await;
    set(&base.owner, &world, &review, &OVERDUE).await;
    base.until_open(0).await;

    let admin = Database::connect(&CLUSTER.admin).await.unwrap();
    let allow = async |yes: bool| {
        admin.execute_unprepared(&format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {yes}", base.name)).await.unwrap()
    };
    set(&base.owner, &world, &review, &Condition { due_on: "2027-03-28", ..OVERDUE }).await;
    allow(false).await;
    let kill = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", base.name);
    admin.execute_unprepared(&kill).await.unwrap();
    turn(&world.clock, datetime!(2027-04-01 12:00 UTC));
    until("the clock notices", async || metric(world.admin, "gevinst_clock").await == 0).await;
    allow(true).await;
    base.until_open(0).await;
    base.must_be_lapsed_once(2).await;
}

/// A person, or a program, whose provider calls them what Gevinst calls itself is not it; and what is done to them is not
/// done to it.
#[tokio::test]
async fn namesake_of_gevinst_lapses_nothing_and_its_revocation_stops_no_clock() {
    let base = Base::new().await;
    let world = base.ticking().await;
    let (held, review) = project(&world).await;
    let (own, others) = (Condition { owner: "gevinst", ..OVERDUE }, OVERDUE);
    let id = set(&base.owner, &world, &review, &own).await;
    base.until_open(0).await;

    // What the clock holds is not the namesake's, also right after it was read; nor is it in the namesake's roles.
    let namesake = world.person("gevinst", &[]);
    let refused = async |by: &Person, reason: &str| {
        let failure = by.call(resume(&world, &held)).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{failure:?}");
    };
    refused(&namesake, "NOT_FOUND").await;
    refused(&world.service("gevinst", &[Role::Reader]), "ROLE_MISSING").await;
    assert_eq!(seen(&world, &namesake, "").await.unwrap().len(), 1, "its own");
    namesake.call(meeting(&world, &id)).await.unwrap();
    let entries = world.audited("actor = \"gevinst\" AND action = \"condition.meet\"").await;
    assert_eq!(entries[0].actor_kind(), ActorKind::Person);

    world.denied("gevinst").await;
    let failure = namesake.call(meeting(&world, &id)).await.unwrap_err();
    assert!(failure.is(Code::Unauthenticated, "TOKEN_REVOKED"), "{failure:?}");
    set(&base.owner, &world, &review, &others).await;
    base.until_open(0).await;
    let entries = world.audited("action = \"condition.lapse\"").await;
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.actor_kind() == ActorKind::System));
}

/// What an operator forbids the clock too, is refused and recorded once a day, and holds up nothing else.
#[tokio::test]
async fn operators_policy_holds_for_the_clock_recorded_once_a_day() {
    let base = Base::new().await;
    let world = base.idle().await;
    let (_, review) = project(&world).await;
    for owner in ["spared", "condition-owner", "spared", "condition-owner"] {
        set(&base.owner, &world, &review, &Condition { owner, ..OVERDUE }).await;
    }
    let spare = "@id(\"spare\") forbid (principal, action == Action::\"condition.lapse\", resource) \
        when { resource.owner == User::\"spared\" };";
    let config = Config { policies: Some(spare.to_owned()), ..base.config(Some(LOOK_EVERY)) };
    let ticking = world.behind_another(config).await;
    base.until_open(2).await;
    let refusals = "action = \"condition.lapse\" AND outcome = REFUSED";
    for days in 1..=2 {
        base.until_looked().await;
        let entries = world.audited(refusals).await;
        assert_eq!(entries.len(), 2 * days);
        assert!(entries.iter().all(|entry| entry.policy == "spare"), "{entries:?}");
        world.clock.advance(time::Duration::days(1));
        until("another day", async || world.audited(refusals).await.len() == 2 * days + 2).await;
    }
    ticking.stop().await;
}

/// Waits until the clock has found the owner of each to have departed. Gives the benefits.
async fn orphaned(world: &World, benefits: &[pb::Benefit]) -> Vec<pb::Benefit> {
    let mut found = Vec::new();
    for benefit in benefits {
        let is_orphaned = async || owners::reread(world, benefit).await.owner_state() == BenefitOwnerState::Orphaned;
        until("the clock has found the orphan", is_orphaned).await;
        found.push(owners::reread(world, benefit).await);
    }
    found
}

#[tokio::test]
async fn benefit_of_a_leader_who_was_replaced_orphaned_once_escalated_and_handed_over_i11() {
    let base = Base::new().await;
    let world = base.ticking().await;
    let (project, benefit) = owners::accepted(&world).await;
    owners::replaced(&world, &project).await;
    let orphan = orphaned(&world, std::slice::from_ref(&benefit)).await.remove(0);
    assert_eq!((orphan.owner.as_str(), orphan.escalated_to(), orphan.nominee()), ("leader", "successor", ""));
    base.until_looked().await;
    let [entry] = &world.audited("action = \"benefit.orphan\"").await[..] else { panic!("one entry") };
    assert_eq!((entry.actor.as_str(), entry.actor_kind()), ("gevinst", ActorKind::System));
    assert_eq!((entry.outcome(), entry.policy.as_str()), (AuditOutcome::Done, "the-clock-finds-orphans"));
    assert_eq!(metric(world.admin, "gevinst_benefits_orphaned_total").await, 1);
    let list = |filter: &str| pb::ListBenefitsRequest {
        organisation: world.id(),
        filter: filter.to_owned(),
        ..Default::default()
    };
    let found = world.office().call(list("owner_state = ORPHANED")).await.unwrap().benefits;
    assert_eq!(found, [orphan]);

    let nominated = world.office().call(owners::nomination(&world, &benefit, "successor")).await.unwrap();
    assert_eq!(nominated.benefit.unwrap().owner_state(), BenefitOwnerState::Orphaned);
    let handed_over = bare(&world, "successor").call(owners::acceptance(&world, &benefit)).await.unwrap();
    let handed_over = handed_over.benefit.unwrap();
    assert_eq!((handed_over.owner.as_str(), handed_over.owner_state()), ("successor", BenefitOwnerState::Accepted));
    assert_eq!(handed_over.escalated_to, None);
    base.until_looked().await;
    assert_eq!(
        owners::history(&world, &benefit).await[..2],
        [
            ("successor".to_owned(), BenefitOwnershipState::Accepted),
            ("leader".to_owned(), BenefitOwnershipState::HandedOver),
        ]
    );
}

#[tokio::test]
async fn benefit_of_a_unit_that_has_ended_or_of_who_was_revoked_orphaned_i11() {
    let base = Base::new().await;
    let world = base.ticking().await;
    let (project, ended) = owners::accepted(&world).await;
    let today = gevinst::wire::today(world.clock.now());
    let last = pb::OrgUnitChanges { valid_until: Some(today.to_string()), ..Default::default() };
    owners::change_unit(&world, &project, last).await;
    base.until_looked().await;
    assert_eq!(owners::reread(&world, &ended).await.owner_state(), BenefitOwnerState::Accepted, "its last day");
    let excepted = owners::excepted(&world, &world.benefit(&project, "1", "2").await, "expert").await;
    bare(&world, "expert").call(owners::acceptance(&world, &excepted)).await.unwrap();
    world.clock.advance(time::Duration::days(2));
    let orphan = orphaned(&world, &[ended]).await.remove(0);
    assert_eq!(orphan.escalated_to(), "director");
    base.until_looked().await;
    assert_eq!(owners::reread(&world, &excepted).await.owner_state(), BenefitOwnerState::Accepted, "an exception");
    world.denied("expert").await;
    orphaned(&world, &[excepted]).await;
}

#[tokio::test]
async fn benefit_of_who_manages_the_project_by_now_or_leads_what_it_affects_no_more_orphaned_i10_i11() {
    let base = Base::new().await;
    let world = base.ticking().await;
    let (project, benefit) = owners::accepted(&world).await;
    let beside = world.benefit(&project, "1", "2").await;
    // An exception covers what it was approved for.
    let excepted = owners::excepted(&world, &world.benefit(&project, "1", "2").await, "expert").await;
    bare(&world, "expert").call(owners::acceptance(&world, &excepted)).await.unwrap();
    let area = owners::neighbour(&world).await;
    owners::affecting(&world, &project, &[&area]).await;
    world.office().call(owners::nomination(&world, &beside, "neighbour")).await.unwrap();
    bare(&world, "neighbour").call(owners::acceptance(&world, &beside)).await.unwrap();
    base.until_looked().await;
    for owned in [&benefit, &beside] {
        assert_eq!(owners::reread(&world, owned).await.owner_state(), BenefitOwnerState::Accepted);
    }
    owners::managed_by(&world, &project, "leader").await;
    assert_eq!(orphaned(&world, &[benefit]).await.remove(0).escalated_to(), "director");
    base.until_looked().await;
    assert_eq!(owners::reread(&world, &excepted).await.owner_state(), BenefitOwnerState::Accepted);
    owners::affecting(&world, &project, &[]).await;
    assert_eq!(orphaned(&world, &[beside]).await.remove(0).escalated_to(), "leader");
    owners::managed_by(&world, &project, "expert").await;
    assert_eq!(orphaned(&world, &[excepted]).await.remove(0).escalated_to(), "leader");
}

#[tokio::test]
async fn benefits_orphaned_once_each_by_two_replicas_and_none_of_who_leads_still_i11() {
    let base = Base::new().await;
    let world = base.idle().await;
    let (project, first) = owners::accepted(&world).await;
    let mut benefits = vec![first];
    for _ in 0..5 {
        let benefit = world.benefit(&project, "1", "2").await;
        world.office().call(owners::nomination(&world, &benefit, "leader")).await.unwrap();
        bare(&world, "leader").call(owners::acceptance(&world, &benefit)).await.unwrap();
        benefits.push(benefit);
    }
    let kept = world.benefit(&project, "1", "2").await;
    world.office().call(owners::nomination(&world, &kept, "director")).await.unwrap();
    bare(&world, "director").call(owners::acceptance(&world, &kept)).await.unwrap();
    owners::replaced(&world, &project).await;
    let config = base.config(Some(LOOK_EVERY));
    let (one, other) = tokio::join!(world.behind_another(config.clone()), world.behind_another(config));
    orphaned(&world, &benefits).await;
    base.until_looked().await;
    assert_eq!(owners::reread(&world, &kept).await.owner_state(), BenefitOwnerState::Accepted);
    assert_eq!(world.audited("action = \"benefit.orphan\"").await.len(), 6);
    let found = "gevinst_benefits_orphaned_total";
    assert_eq!(metric(one.admin, found).await + metric(other.admin, found).await, 6);
}

/// I11 from the gate to two years after: G2 refuses without an owner who has accepted; the project is closed; the owner's role
/// ends, and within a day the clock finds it; the benefit is handed over, accepted anew, and measured.
#[tokio::test]
async fn benefit_outlives_its_project_and_its_owner_i11() {
    let base = Base::new().await;
    let mut world = base.ticking().await;
    world.organisation = found_as_shipped(&base.owner).await;
    let led = |leader: &str, parent| pb::CreateOrgUnitRequest {
        leader: Some(leader.to_owned()),
        is_operational_area: true,
        parent,
        ..Default::default()
    };
    let above = owners::unit(&world, "Sundhed", led("director", None)).await;
    let project =
        owners::project_in(&world, &owners::unit(&world, "Hjemmepleje", led("leader", Some(above.id))).await).await;
    let request =
        pb::CreateBenefitRequest { owner: "leader".to_owned(), ..world.planned_request(&project, "2027-01-01") };
    let benefit = world.office().call(request).await.unwrap().benefit.unwrap();
    world.made_ready(&project, 0).await;
    world.decided(&project, GateCode::G1, GateOutcome::Go).await;
    let review = world.submitted(&project, GateCode::G2).await;
    let failure = world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "CRITERIA_NOT_MET"), "{failure:?}");
    assert!(failure.metadata["criteria"].contains("I11_OWNERS_ACCEPTED"), "{failure:?}");
    bare(&world, "leader").call(owners::acceptance(&world, &benefit)).await.unwrap();
    world.made_ready(&project, 0).await;
    world.steering().call(world.decision(&review, GateOutcome::Go)).await.unwrap();
    for gate in [GateCode::G3, GateCode::G4, GateCode::G5] {
        world.made_ready(&project, 0).await;
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    assert_eq!(world.reread(&project).await.stage(), pb::Stage::Closed);

    world.clock.advance(time::Duration::days(365));
    owners::replaced(&world, &project).await;
    let is_orphaned = async || owners::reread(&world, &benefit).await.owner_state() == BenefitOwnerState::Orphaned;
    until("the benefit is orphaned", is_orphaned).await;
    let orphaned = owners::reread(&world, &benefit).await;
    assert_eq!((orphaned.owner.as_str(), orphaned.escalated_to()), ("leader", "successor"));
    let departed = bare(&world, "leader").call(world.measurement(&benefit, "1", &world.day(0))).await.unwrap_err();
    assert!(departed.is(Code::PermissionDenied, "ROLE_MISSING"), "they answer for it no more: {departed:?}");
    // Who it was escalated to sees it without any role, and finds it an owner: here themselves.
    let escalated = pb::ListBenefitsRequest { organisation: world.id(), ..Default::default() };
    assert_eq!(bare(&world, "successor").call(escalated).await.unwrap().benefits.len(), 1);
    bare(&world, "successor").call(owners::nomination(&world, &benefit, "successor")).await.unwrap();
    let failure = bare(&world, "leader").call(owners::acceptance(&world, &benefit)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let accepted = bare(&world, "successor").call(owners::acceptance(&world, &benefit)).await.unwrap().benefit.unwrap();
    assert_eq!((accepted.owner.as_str(), accepted.owner_state()), ("successor", BenefitOwnerState::Accepted));

    world.clock.advance(time::Duration::days(365));
    let owner = bare(&world, "successor");
    owner.call(world.measurement(&benefit, "40.5", &world.day(0))).await.unwrap();
    let ask = pb::GetBenefitProgressRequest { organisation: world.id(), benefit: benefit.id.clone() };
    assert_eq!(owner.call(ask).await.unwrap().progress.unwrap().value(), "0.5000");
    let former = bare(&world, "leader").call(world.measurement(&benefit, "1", &world.day(0))).await.unwrap_err();
    assert!(former.is(Code::NotFound, "NOT_FOUND"), "it is nothing to them any more: {former:?}");
}
