//! One organisation cannot see another: held by PostgreSQL itself, whatever the service asks.

use gevinst::auth::Role;
use gevinst::{config::Secret, db::Db};
use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, Statement, TransactionTrait};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

use crate::harness::{CLUSTER, Proxy, World, config, owner, rows, runtime_role};

/// Tables that hold no organisation's rows, and why.
const SHARED: [&str; 3] = [
    // Which replica does the clock's work: the same for all organisations.
    "clock_leases",
    // Refused calls that stand in no organisation's log: the service can only add to it, and read none of it.
    "refused_calls",
    // The migrator's own: which migrations have run.
    "seaql_migrations",
];

/// Policies that let rows through without asking for the organisation, as table and policy, and why.
const HOLES: [(&str, &str); 1] = [
    // The clock must know which organisations there are, to ask each of them; it sees nothing else of theirs.
    ("organisations", "clock"),
];

/// Tables whose rows the runtime role may never change or remove.
const APPEND_ONLY: [&str; 15] = [
    "audit_entries",
    "benefit_events",
    "benefit_plans",
    "benefit_policies",
    "benefit_reviews",
    "budget_effects",
    "criterion_assessments",
    "direction_changes",
    "expenditures",
    "gate_models",
    "gate_votes",
    "lessons",
    "measurements",
    "project_baselines",
    "project_events",
];

/// Tables whose rows belong to a project and are seen by everybody in the organisation, and why.
const SEEN_BY_ALL: [(&str, &str); 2] = [
    // Whether a measure or an account is claimed twice depends on nobody who asks; of whose it is, answers say what the caller sees.
    ("measure_claims", "claimed by whom is asked of benefits"),
    ("account_claims", "claimed by whom is asked of benefits"),
];

#[derive(FromQueryResult, Debug)]
struct Table {
    name: String,
    /// A view that asks as who asks it.
    invoker: bool,
    protected: bool,
    policies: i64,
    /// Policies that let rows through without asking for the organisation.
    holes: i64,
    of_project: bool,
    filtered: bool,
    can_change: bool,
    can_remove: bool,
    can_truncate: bool,
}

async fn tables(db: &impl ConnectionTrait) -> Vec<Table> {
    // A hole is to be read through only.
    let holes = HOLES.map(|(table, policy)| format!("('{table}', '{policy}', 'r')")).join(", ");
    // Of a project is what points at projects, or at what does.
    let sql = "WITH RECURSIVE of_project AS (SELECT 'projects'::regclass::oid AS id \
            UNION SELECT k.conrelid FROM pg_constraint k JOIN of_project o ON k.confrelid = o.id WHERE k.contype = 'f') \
        SELECT c.relname::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS protected, \
        c.relkind = 'v' AND coalesce(c.reloptions && ARRAY['security_invoker=true', 'security_invoker=on'], false) AS invoker, \
        (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND pg_get_expr(p.polqual, c.oid) LIKE '%app.organisation%') AS policies, \
        (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive \
            AND coalesce(pg_get_expr(p.polqual, c.oid), '') NOT LIKE '%app.organisation%' \
            AND (c.relname, p.polname, p.polcmd) NOT IN (HOLES)) AS holes, \
        c.oid IN (SELECT id FROM of_project) AS of_project, \
        EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'visible' AND NOT p.polpermissive \
            AND p.polcmd = 'r' AND p.polroles = '{0}' AND pg_get_expr(p.polqual, c.oid) LIKE '%app.scopes%') AS filtered, \
        has_any_column_privilege('gevinst_app', c.oid, 'UPDATE') AS can_change, \
        has_table_privilege('gevinst_app', c.oid, 'DELETE') AS can_remove, \
        has_table_privilege('gevinst_app', c.oid, 'TRUNCATE') AS can_truncate \
        FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relnamespace = 'public'::regnamespace ORDER BY 1";
    let sql = sql.replace("HOLES", &holes);
    Table::find_by_statement(Statement::from_string(DbBackend::Postgres, sql)).all(db).await.unwrap()
}

/// The names of the tables that a row of another organisation could be read from.
async fn open_tables(db: &impl ConnectionTrait) -> Vec<String> {
    let closed = |table: &Table| {
        (table.protected && table.policies == 1 && table.holes == 0)
            || table.invoker
            || SHARED.contains(&table.name.as_str())
    };
    tables(db).await.into_iter().filter(|table| !closed(table)).map(|table| table.name).collect()
}

async fn count(db: &DatabaseConnection, organisation: Option<&str>, table: &str, of: &str) -> i64 {
    let tx = db.begin().await.unwrap();
    if let Some(organisation) = organisation {
        let set = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT set_config('app.organisation', $1, true), set_config('app.scopes', '{' || $1 || '}', true)",
            [organisation.into()],
        );
        tx.query_one_raw(set).await.unwrap();
    }
    let column = if table == "organisations" { "id" } else { "organisation_id" };
    let sql = format!("SELECT count(*) FROM {table} WHERE {column} = '{of}'");
    let row = tx.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// The names of the tables that somebody could read a project's rows from who does not see the project.
async fn unfiltered_tables(db: &impl ConnectionTrait) -> Vec<String> {
    let excepted = |table: &Table| SEEN_BY_ALL.iter().any(|(name, _)| *name == table.name);
    let unfiltered = |table: &Table| table.of_project && !table.filtered && !excepted(table);
    tables(db).await.into_iter().filter(unfiltered).map(|table| table.name).collect()
}

/// Functions that run as their owner, whoever calls them.
async fn owners_functions(db: &impl ConnectionTrait) -> Vec<String> {
    let sql = "SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
        WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";
    let rows = db.query_all_raw(gevinst::db::postgres(sql, [])).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[tokio::test]
async fn every_table_has_its_policies_and_no_way_round_them_and_a_new_one_without_is_found() {
    let none = Vec::<String>::new();
    let run = owner().await;
    assert_eq!(open_tables(&run).await, none);
    assert_eq!(unfiltered_tables(&run).await, none);
    assert_eq!(owners_functions(&run).await, none);
    let filtered = tables(&run).await.into_iter().filter(|table| table.filtered).map(|table| table.name);
    let mut expected = [
        &[
            "benefit_events",
            "benefit_ownerships",
            "benefit_plans",
            "benefit_reviews",
            "benefits",
            "budget_effects",
            "conditions",
            "gate_reviews",
            "gate_votes",
            "measured_months",
            "measurements",
            "projects",
            "spend_authorities",
        ][..],
        &rows::SECTIONS,
    ]
    .concat();
    expected.sort_unstable();
    assert_eq!(filtered.collect::<Vec<_>>(), expected);

    // In a database of its own: a foreign key to projects would hold up every other test.
    let db = crate::cli::owner(&crate::cli::migrated().await).await;
    let organisation = "organisation_id = nullif(current_setting('app.organisation', true), '')::uuid";
    let visible = "organisation_id = ANY (nullif(current_setting('app.scopes', true), '')::uuid[])";
    let table = |name: &str, points_at: &str, policies: &[&str]| {
        let column = format!("{points_at}_id");
        let policies: Vec<String> = policies.iter().map(|policy| format!("CREATE POLICY {policy};")).collect();
        format!(
            "CREATE TABLE {name} (organisation_id uuid, id uuid, {column} uuid, PRIMARY KEY (organisation_id, id), \
                FOREIGN KEY (organisation_id, {column}) REFERENCES {points_at} (organisation_id, id)); \
             ALTER TABLE {name} ENABLE ROW LEVEL SECURITY; ALTER TABLE {name} FORCE ROW LEVEL SECURITY; {}",
            policies.join(" ")
        )
    };
    let policy = |on: &str| format!("organisation ON {on} USING ({organisation})");
    let planted = [
        "CREATE TABLE forgotten (organisation_id uuid);".to_owned(),
        "CREATE VIEW peephole AS SELECT * FROM projects;".to_owned(),
        "CREATE VIEW window_pane WITH (security_invoker = true) AS SELECT * FROM projects;".to_owned(),
        "CREATE MATERIALIZED VIEW photograph AS SELECT * FROM projects;".to_owned(),
        table("holed", "portfolios", &[&policy("holed"), "hole ON holed USING (true)"]),
        // The clock's hole is in one table, and to be read through.
        table("timed", "portfolios", &[&policy("timed"), "clock ON timed FOR SELECT USING (true)"]),
        "DROP POLICY clock ON organisations; CREATE POLICY clock ON organisations USING (true);".to_owned(),
        table("budgets", "projects", &[&policy("budgets")]),
        // What belongs to what belongs to a project; a filter that lets through instead of holding back; one of
        // another command than SELECT.
        table("budget_lines", "budgets", &[&policy("budget_lines")]),
        table("risks", "gate_reviews", &[&policy("risks"), &format!("visible ON risks FOR SELECT USING ({visible})")]),
        table(
            "notes",
            "benefits",
            &[&policy("notes"), &format!("visible ON notes AS RESTRICTIVE FOR UPDATE USING ({visible})")],
        ),
        table(
            "good",
            "benefits",
            &[&policy("good"), &format!("visible ON good AS RESTRICTIVE FOR SELECT USING ({visible})")],
        ),
        "CREATE FUNCTION climb() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM projects';"
            .to_owned(),
    ];
    db.execute_unprepared(&planted.join("\n")).await.unwrap();
    assert_eq!(
        open_tables(&db).await,
        ["forgotten", "holed", "organisations", "peephole", "photograph", "risks", "timed"]
    );
    assert_eq!(unfiltered_tables(&db).await, ["budget_lines", "budgets", "notes", "risks"]);
    assert_eq!(owners_functions(&db).await, ["climb"]);
    db.close().await.unwrap();
}

#[tokio::test]
async fn runtime_role_changes_and_removes_no_more_than_it_must() {
    let owner = owner().await;
    for table in tables(&owner).await {
        assert!(!table.can_truncate, "{table:?}");
        // What is kept for a time, and what is counted anew from what is kept for ever.
        let removed = ["idempotency_records", "measured_months"].contains(&table.name.as_str());
        assert_eq!(table.can_remove, removed, "{table:?}");
        let never = APPEND_ONLY.contains(&table.name.as_str())
            || ["organisations", "seaql_migrations", "portfolios", "refused_calls"].contains(&table.name.as_str());
        assert_eq!(table.can_change, !never, "{table:?}");
    }
}

#[tokio::test]
async fn role_that_policies_do_not_hold_recognised_by_membership_too() {
    let problem = async |url: &str| {
        let db = Db::connect(&Secret::new(url), "test", 1, Duration::from_secs(5)).await.unwrap();
        db.role_problem().await.unwrap()
    };
    assert_eq!(problem(&CLUSTER.runtime).await, None);
    assert!(problem(&CLUSTER.owner).await.unwrap().contains("owns tables"));
    assert!(problem(&CLUSTER.admin).await.unwrap().contains("superuser"));
    let admin = sea_orm::Database::connect(&CLUSTER.admin).await.unwrap();
    for (role, of) in [("climber", "gevinst_owner"), ("sneaker", "gevinst_admin")] {
        admin.execute_unprepared(&format!("CREATE ROLE {role} LOGIN; GRANT {of} TO {role}")).await.unwrap();
        let url = CLUSTER.runtime.replace("gevinst_app@", &format!("{role}@"));
        assert!(problem(&url).await.is_some(), "{role} is a member of {of}");
    }
}

/// What is kept in memory of who holds what is good while the organisation's version is: every table that it is read from
/// must raise it.
#[tokio::test]
async fn every_table_that_roles_come_from_raises_the_version() {
    let query = gevinst::auth::authority::whole(1);
    let words: Vec<&str> = query.split([' ', '(', ')', ',']).filter(|word| !word.is_empty()).collect();
    let owner = owner().await;
    let named: BTreeSet<String> = tables(&owner).await.into_iter().map(|table| table.name).collect();
    let read: BTreeSet<&str> = words.into_iter().filter(|word| named.contains(*word)).collect();
    assert_eq!(read, BTreeSet::from(["authority_states", "delegations", "org_units", "role_grants", "token_denials"]));
    for table in read.into_iter().filter(|table| *table != "authority_states") {
        // Bits of tgtype: 4 INSERT, 8 DELETE, 16 UPDATE.
        let sql = "SELECT bit_or(tgtype & 28)::bigint FROM pg_trigger WHERE tgrelid = $1::regclass AND tgenabled = 'O' \
            AND tgfoid = 'authority_changed'::regproc";
        let row = owner.query_one_raw(gevinst::db::postgres(sql, [table.into()])).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 28, "{table}");
    }
}

/// Read from the catalogue, because a TRUNCATE would wait for, and hold up, every other test.
#[tokio::test]
async fn append_only_tables_refuse_update_delete_and_truncate_to_everyone_i14() {
    let owner = owner().await;
    for table in APPEND_ONLY {
        // Bits of tgtype: 8 DELETE, 16 UPDATE, 32 TRUNCATE; 2 BEFORE.
        let sql = "SELECT count(*) FROM pg_trigger WHERE tgrelid = $1::regclass AND tgtype & 58 = 58 AND tgenabled = 'O' \
            AND tgfoid = 'refuse_change'::regproc";
        let row = owner.query_one_raw(gevinst::db::postgres(sql, [table.into()])).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 1, "{table}");
    }
}

#[tokio::test]
async fn raw_sql_across_organisations_on_the_runtime_role_sees_nothing() {
    let here = World::new().await;
    let there = here.elsewhere().await;
    for world in [&here, &there] {
        let project = world.project().await;
        let benefit = world.benefit(&project, "1", "2").await;
        world.office().key("k").call(world.measurement(&benefit, "1", "2026-01-31")).await.unwrap();
        world.decided(&project, pb::GateCode::G1, pb::GateOutcome::Recycle).await;
        world.delegated(&world.granted("lender", Role::SteeringGroup).await, "substitute").await;
        world.denied("nobody").await;
        world.portfolio("Velfærd").await;
        everything(world).await;
    }
    let db = runtime_role().await;
    let names = tables(&db).await.into_iter().map(|table| table.name).filter(|name| !SHARED.contains(&name.as_str()));
    for table in names {
        let (ours, theirs) = (here.id(), there.id());
        assert!(count(&db, Some(&ours), &table, &ours).await > 0, "{table} has rows of ours to find");
        assert_eq!(count(&db, Some(&ours), &table, &theirs).await, 0, "{table} scoped to us");
        assert_eq!(count(&db, None, &table, &theirs).await, 0, "{table} not scoped");
        // What a transaction set is gone with it, also on the same connection.
        assert_eq!(count(&db, Some(""), &table, &ours).await, 0, "{table} scoped to nobody");
    }
}

/// A row in each table that commands with teeth fill.
async fn everything(world: &World) {
    let (organisation, project) = (world.organisation, world.project().await);
    let benefit = world.benefit(&project, "1", "2").await.id.parse().unwrap();
    let review = world.submitted(&project, pb::GateCode::G1).await.id.parse().unwrap();
    let project = project.id.parse().unwrap();
    let sql = [
        format!("SELECT set_config('app.organisation', '{organisation}', true);"),
        rows::sections(organisation, project),
        rows::released(organisation, project, review),
        rows::condition(organisation, Uuid::from_u128(1), project, review, "owner"),
        rows::gate_model(organisation),
        rows::strategy_goal(organisation),
        rows::followed(organisation, project, benefit),
        rows::benefit_policy(organisation),
    ];
    runtime_role().await.execute_unprepared(&sql.concat()).await.unwrap();
}

/// What the clock's own setting opens: which organisations there are, to read, and no longer than it asks.
#[tokio::test]
async fn clocks_setting_shows_organisations_and_nothing_of_theirs() {
    let here = World::new().await;
    here.decided(&here.project().await, pb::GateCode::G1, pb::GateOutcome::Recycle).await;
    everything(&here).await;
    let db = runtime_role().await;
    let tx = db.begin().await.unwrap();
    tx.execute_unprepared("SELECT set_config('app.clock', 'on', true)").await.unwrap();
    for table in tables(&tx).await.into_iter().filter(|table| !SHARED.contains(&table.name.as_str())) {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let row = tx.query_one_raw(gevinst::db::postgres(sql, [])).await.unwrap().unwrap();
        let rows: i64 = row.try_get_by_index(0).unwrap();
        assert_eq!(rows > 0, table.name == "organisations", "{rows} of {table:?}");
    }
    tx.commit().await.unwrap();
    assert_eq!(count(&db, None, "organisations", &here.id()).await, 0, "the setting is gone with its transaction");
    // Nothing else than exactly this opens it, and nothing is written through it.
    for setting in ["", "off", "ON", "true"] {
        let tx = db.begin().await.unwrap();
        tx.execute_unprepared(&format!("SELECT set_config('app.clock', '{setting}', true)")).await.unwrap();
        let sql = "SELECT count(*) FROM organisations";
        let row = tx.query_one_raw(gevinst::db::postgres(sql, [])).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 0, "{setting}");
    }
    let plant = "SELECT set_config('app.clock', 'on', true); INSERT INTO lessons (organisation_id, id, project_id, what, \
        why, advice, tags, publisher, published_at) \
        SELECT o.id, gen_random_uuid(), gen_random_uuid(), '', '', '', '{}', '', now() FROM organisations o LIMIT 1";
    let error = db.execute_unprepared(plant).await.unwrap_err();
    assert!(error.to_string().contains("row-level security"), "{error}");
}

#[tokio::test]
async fn raw_sql_writes_across_organisations_refused() {
    let here = World::new().await;
    let there = here.elsewhere().await;
    let (ours, theirs) = (here.project().await, there.project().await);
    let db = runtime_role().await;
    let scope = format!(
        "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{0}}}', true);",
        here.organisation
    );
    let plant = format!(
        "{scope} INSERT INTO org_units (organisation_id, id, name, is_operational_area, created_at, updated_at) \
         VALUES ('{}', gen_random_uuid(), 'Plantet', true, now(), now())",
        there.organisation
    );
    let error = db.execute_unprepared(&plant).await.unwrap_err();
    assert!(error.to_string().contains("row-level security"), "{error}");
    // An update of theirs touches no row; moving ours to them is refused.
    let steal = format!("{scope} UPDATE projects SET title = 'Taget' WHERE id = '{}'", theirs.id);
    db.execute_unprepared(&steal).await.unwrap();
    assert_eq!(there.reread(&theirs).await, theirs);
    let push =
        format!("{scope} UPDATE projects SET organisation_id = '{}' WHERE id = '{}'", there.organisation, ours.id);
    assert!(db.execute_unprepared(&push).await.is_err());
    // And no key of ours can point at a row of theirs.
    let point = format!("{scope} UPDATE projects SET org_unit_id = '{}' WHERE id = '{}'", theirs.org_unit, ours.id);
    let error = db.execute_unprepared(&point).await.unwrap_err();
    assert!(error.to_string().contains("projects_org_unit_fkey"), "{error}");
}

/// The scoped read's one statement: whatever is asked through it is asked under the organisation, also by questions
/// whose plans differ (joins, sorts, aggregates, sub-selects), first and later (a prepared statement's plan can change).
#[tokio::test]
async fn scoped_read_of_any_shape_sees_its_organisation_only() {
    let here = World::new().await;
    let there = here.elsewhere().await;
    for world in [&here, &there] {
        for _ in 0..3 {
            let project = world.project().await;
            world.benefit(&project, "1", "2").await;
        }
    }
    let url = Secret::new(&CLUSTER.runtime);
    let db = Db::connect(&url, "test", 2, Duration::from_secs(5)).await.unwrap();
    // None of these names an organisation: the policy alone keeps them in.
    let questions = [
        "SELECT organisation_id FROM projects",
        "SELECT organisation_id FROM projects ORDER BY title DESC LIMIT 100",
        "SELECT p.organisation_id FROM projects p JOIN benefits b ON b.project_id = p.id ORDER BY b.title, p.number",
        "SELECT DISTINCT organisation_id FROM audit_entries",
        "SELECT (array_agg(organisation_id))[1] AS organisation_id FROM projects GROUP BY organisation_id",
        "SELECT organisation_id FROM projects WHERE id IN (SELECT project_id FROM benefits) UNION ALL SELECT id FROM organisations",
        "WITH all_of_them AS MATERIALIZED (SELECT organisation_id FROM projects) SELECT * FROM all_of_them",
    ];
    for _ in 0..8 {
        for world in [&here, &there] {
            let scoped = db.scoped(world.asker());
            for question in questions {
                let rows = scoped.query_all_raw(gevinst::db::postgres(question, [])).await.unwrap();
                assert!(!rows.is_empty(), "{question}");
                for row in rows {
                    assert_eq!(row.try_get_by_index::<uuid::Uuid>(0).unwrap(), world.organisation, "{question}");
                }
            }
        }
    }
    let write = "DELETE FROM idempotency_records RETURNING organisation_id";
    let scoped = db.scoped(here.asker());
    assert!(scoped.query_all_raw(gevinst::db::postgres(write, [])).await.is_err());
    assert!(scoped.execute_unprepared("DELETE FROM idempotency_records").await.is_err());
}

#[tokio::test]
async fn read_takes_one_round_trip() {
    let port = CLUSTER.runtime.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::before(port).await;
    let mut settings = config();
    settings.database_connections = 1;
    settings.database_url = Secret::new(format!("postgres://gevinst_app@{}/gevinst?sslmode=disable", proxy.address));
    let world = World::with(settings).await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "1", "2").await;
    let get = pb::GetProjectRequest { organisation: world.id(), project: project.id.clone() };
    let progress = pb::GetBenefitProgressRequest { organisation: world.id(), benefit: benefit.id.clone() };
    let list = pb::ListProjectsRequest { organisation: world.id(), ..Default::default() };
    // All that a gate asks, too; the first time also which gate model it is.
    let readiness = world.readiness(&project, 0).await;
    assert_eq!(readiness.gate(), pb::GateCode::G1);
    // The health watch asks too, once a second: count over enough reads that it cannot tip the quotient.
    let before = proxy.questions();
    let began = std::time::Instant::now();
    for _ in 0..20 {
        world.office().call(get.clone()).await.unwrap();
        world.office().call(progress.clone()).await.unwrap();
        world.office().call(list.clone()).await.unwrap();
        world.readiness(&project, 0).await;
    }
    let watched = began.elapsed().as_secs() as usize + 1;
    let asked = proxy.questions() - before;
    assert!((80..=80 + watched).contains(&asked), "80 reads took {asked} round trips");
}
