//! What the benches share: a cluster for the run, an organisation with 20,000 projects.

use std::{sync::mpsc, thread};

use gevinst::{
    config::Secret,
    ctx::Clock,
    dev::postgres::Cluster,
    migrate,
    organisations::{self, Founding},
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use uuid::Uuid;

/// How many projects there are.
pub const PROJECTS: u128 = 20_000;
/// How many connections the service has.
pub const CONNECTIONS: u32 = 8;
/// How many rounds count.
pub const ROUNDS: usize = 9;

/// Where the run's PostgreSQL is.
#[derive(Clone)]
pub struct Urls {
    /// As its superuser.
    pub admin: String,
    /// As the schema's owner.
    pub owner: String,
    /// As the runtime role.
    pub runtime: String,
}

/// Runs this with a cluster that starts and ends with it.
pub fn with_cluster(measure: impl AsyncFnOnce(Urls)) {
    // The cluster lives as long as the thread that starts it.
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = folder.path().join("postgres");
    let keeper = thread::spawn(move || {
        let cluster = Cluster::start(&path).unwrap();
        let urls = Urls { admin: cluster.admin_url(), owner: cluster.owner_url(), runtime: cluster.runtime_url() };
        tell.send(urls).unwrap();
        stopped.recv().unwrap();
        cluster.stop().unwrap();
    });
    let urls = told.recv().unwrap();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(measure(urls));
    stop.send(()).unwrap();
    keeper.join().unwrap();
}

/// The organisation, with its projects; they are put straight into the table, for the benches read.
pub async fn found(urls: &Urls) -> Uuid {
    let owner = migrate::connect(&Secret::new(&urls.owner)).await.unwrap();
    migrate::up(&owner).await.unwrap();
    let founding =
        Founding {
            id: None, name: "Målekøbing".to_owned(), code: "1000".to_owned(), number_prefix: "MAL".to_owned()
        };
    let organisation = organisations::found(&owner, &founding, &Clock::default()).await.unwrap();
    owner.close().await.unwrap();
    fill(&pool(&urls.admin).await, organisation).await;
    organisation
}

/// A pool like the service's.
pub async fn pool(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(CONNECTIONS).test_before_acquire(false).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

async fn fill(db: &DatabaseConnection, organisation: Uuid) {
    let sql = format!(
        "SELECT set_config('app.organisation', '{organisation}', true); \
         INSERT INTO org_units (organisation_id, id, name, is_operational_area, created_at, updated_at) \
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

/// Median, least and most.
pub fn median(figures: &mut [f64]) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[figures.len() / 2], figures[0], figures[figures.len() - 1])
}
