//! What scoping a read costs: the one statement that sets the organisation and asks (`Db::scoped`), beside the same read
//! without row-level security and beside the usual four statements (BEGIN, set_config, SELECT, COMMIT), in interleaved
//! rounds on one PostgreSQL. Ratios count; the machine's absolute rates do not. Run: `cargo bench -p gevinst-tests`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

use std::{
    io::Write,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use gevinst::{
    config::Secret,
    ctx::Clock,
    db::{Db, postgres},
    dev::postgres::Cluster,
    ids::{OrganisationId, ProjectId},
    migrate,
    organisations::{self, Founding},
    projects::entity::find_one_in,
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, TransactionTrait};
use uuid::Uuid;

const PROJECTS: u128 = 20_000;
const CALLERS: u128 = 16;
const CONNECTIONS: u32 = 8;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(1);

fn main() {
    // The cluster lives as long as the thread that starts it.
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = folder.path().join("postgres");
    let keeper = thread::spawn(move || {
        let cluster = Cluster::start(&path).unwrap();
        tell.send([cluster.admin_url(), cluster.owner_url(), cluster.runtime_url()]).unwrap();
        stopped.recv().unwrap();
        cluster.stop().unwrap();
    });
    let [admin, owner, runtime] = told.recv().unwrap();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(measure(&admin, &owner, &runtime));
    stop.send(()).unwrap();
    keeper.join().unwrap();
}

async fn measure(admin: &str, owner: &str, runtime: &str) {
    let owner = migrate::connect(&Secret::new(owner)).await.unwrap();
    migrate::up(&owner).await.unwrap();
    let founding =
        Founding {
            id: None, name: "Målekøbing".to_owned(), code: "1000".to_owned(), number_prefix: "MAL".to_owned()
        };
    let organisation = organisations::found(&owner, &founding, &Clock::default()).await.unwrap();
    let admin = pool(admin).await;
    fill(&admin, organisation).await;

    let scoped =
        Arc::new(Db::connect(&Secret::new(runtime), "test", CONNECTIONS, Duration::from_secs(10)).await.unwrap());
    let (plain, unscoped) = (Arc::new(admin), Arc::new(pool(runtime).await));
    let organisation = OrganisationId::new(organisation);
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let plain = plain.clone();
        let one = rate(move |id| {
            let db = plain.clone();
            async move { find_one_in(organisation, id).one(&*db).await.unwrap().unwrap() }
        });
        let one = one.await;
        let scoped = scoped.clone();
        let two = rate(move |id| {
            let db = scoped.clone();
            async move { find_one_in(organisation, id).one(&db.scoped(organisation)).await.unwrap().unwrap() }
        });
        let two = two.await;
        let unscoped = unscoped.clone();
        let three = rate(move |id| {
            let db = unscoped.clone();
            async move {
                let tx = db.begin().await.unwrap();
                let set = "SELECT set_config('app.organisation', $1, true)";
                tx.query_one_raw(postgres(set, [organisation.to_string().into()])).await.unwrap();
                let found = find_one_in(organisation, id).one(&tx).await.unwrap().unwrap();
                tx.commit().await.unwrap();
                found
            }
        });
        let three = three.await;
        // The first round warms caches and prepares statements.
        if round > 0 {
            for (rates, rate) in rates.iter_mut().zip([one, two, three]) {
                rates.push(rate);
            }
        }
    }
    let names = ["plain, no row-level security", "scoped, one round trip", "scoped, four round trips"];
    let medians = rates.each_mut().map(|rates| {
        rates.sort_by(f64::total_cmp);
        (rates[ROUNDS / 2], rates[0], rates[ROUNDS - 1])
    });
    let mut out = std::io::stdout();
    writeln!(out, "\n| one project by id, {CALLERS} callers, {CONNECTIONS} connections | reads/s (median, min–max of {ROUNDS}) | ratio |").unwrap();
    writeln!(out, "|---|---|---|").unwrap();
    for (name, (median, least, most)) in names.iter().zip(medians) {
        writeln!(out, "| {name} | {median:.0} ({least:.0}–{most:.0}) | {:.2} |", median / medians[0].0).unwrap();
    }
}

async fn pool(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(CONNECTIONS).test_before_acquire(false).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// Projects straight into the table: the bench reads, it does not register.
async fn fill(db: &DatabaseConnection, organisation: Uuid) {
    let sql = format!(
        "INSERT INTO org_units (organisation_id, id, name, is_operational_area, created_at, updated_at) \
             VALUES ('{organisation}', '{0}', 'Enhed', true, now(), now()); \
         INSERT INTO projects (organisation_id, id, number, title, vision, org_unit_id, project_owner, project_manager, \
             project_class, stage, status, created_at, updated_at) \
         SELECT '{organisation}', lpad(to_hex(n), 32, '0')::uuid, 'MAL-2026-' || n, 'Projekt ' || n, \
             repeat('Vision. ', 20), '{0}', 'owner', 'manager', 'EFFICIENCY', 'IDEA', 'ACTIVE', now(), now() \
             FROM generate_series(1, {PROJECTS}) n; ANALYZE projects",
        Uuid::from_u128(1)
    );
    db.execute_unprepared(&sql).await.unwrap();
}

/// Reads by all callers for a round; gives reads a second.
async fn rate<F, Fut, T>(read: F) -> f64
where
    F: Fn(ProjectId) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = T> + Send,
{
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let read = read.clone();
            tokio::spawn(async move {
                let mut reads = 0_u64;
                let mut next = caller;
                while began.elapsed() < ROUND {
                    // A stride that is prime to the count visits them all.
                    next = (next + 7919) % PROJECTS;
                    read(ProjectId::new(Uuid::from_u128(next + 1))).await;
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    let mut reads = 0;
    for caller in callers {
        reads += caller.await.unwrap();
    }
    reads as f64 / began.elapsed().as_secs_f64()
}
