//! One organisation cannot see another: held by PostgreSQL itself, whatever the service asks.

use gevinst::auth::Role;
use gevinst::{config::Secret, db::Db};
use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, Statement, TransactionTrait};
use std::time::Duration;

use crate::harness::{CLUSTER, Proxy, World, config, owner, runtime_role};

/// Tables that hold no organisation's rows, and why.
const SHARED: [&str; 2] = [
    // Calls refused before an organisation was known: the service can only add to it, and read none of it.
    "refused_calls",
    // The migrator's own: which migrations have run.
    "seaql_migrations",
];

/// Tables whose rows the runtime role may never change or remove.
const APPEND_ONLY: [&str; 4] = ["audit_entries", "gate_votes", "measurements", "refused_calls"];

#[derive(FromQueryResult, Debug)]
struct Table {
    name: String,
    protected: bool,
    policies: i64,
    can_change: bool,
    can_remove: bool,
    can_truncate: bool,
}

async fn tables(db: &impl ConnectionTrait) -> Vec<Table> {
    let sql = "SELECT c.relname::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS protected, \
        (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND pg_get_expr(p.polqual, c.oid) LIKE '%app.organisation%') AS policies, \
        has_any_column_privilege('gevinst_app', c.oid, 'UPDATE') AS can_change, \
        has_table_privilege('gevinst_app', c.oid, 'DELETE') AS can_remove, \
        has_table_privilege('gevinst_app', c.oid, 'TRUNCATE') AS can_truncate \
        FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relnamespace = 'public'::regnamespace ORDER BY 1";
    Table::find_by_statement(Statement::from_string(DbBackend::Postgres, sql)).all(db).await.unwrap()
}

/// The names of the tables that a row of another organisation could be read from.
async fn open_tables(db: &impl ConnectionTrait) -> Vec<String> {
    let closed = |table: &Table| (table.protected && table.policies == 1) || SHARED.contains(&table.name.as_str());
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

#[tokio::test]
async fn every_table_has_its_policy_forced_and_a_new_one_without_is_found() {
    let owner = owner().await;
    assert_eq!(open_tables(&owner).await, Vec::<String>::new());
    let tx = owner.begin().await.unwrap();
    tx.execute_unprepared("CREATE TABLE forgotten (organisation_id uuid); CREATE VIEW peephole AS SELECT 1 AS one")
        .await
        .unwrap();
    assert_eq!(open_tables(&tx).await, ["forgotten", "peephole"]);
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn runtime_role_changes_and_removes_no_more_than_it_must() {
    let owner = owner().await;
    for table in tables(&owner).await {
        assert!(!table.can_truncate, "{table:?}");
        assert_eq!(table.can_remove, table.name == "idempotency_records", "{table:?}");
        let never = APPEND_ONLY.contains(&table.name.as_str())
            || ["organisations", "seaql_migrations", "benefits", "portfolios"].contains(&table.name.as_str());
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
        world.benefit_owner().key("k").call(world.measurement(&benefit, "1", "2026-01-31")).await.unwrap();
        world.decided(&project, pb::GateCode::G1, pb::GateOutcome::Go).await;
        world.delegated(&world.granted("lender", Role::SteeringGroup).await, "substitute").await;
        world.denied("nobody").await;
        world.portfolio("Velfærd").await;
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
    // The health watch asks too, once a second: count over enough reads that it cannot tip the quotient.
    let before = proxy.questions();
    let began = std::time::Instant::now();
    for _ in 0..20 {
        world.office().call(get.clone()).await.unwrap();
        world.office().call(progress.clone()).await.unwrap();
        world.office().call(list.clone()).await.unwrap();
    }
    let watched = began.elapsed().as_secs() as usize + 1;
    let asked = proxy.questions() - before;
    assert!((60..=60 + watched).contains(&asked), "60 reads took {asked} round trips");
}
