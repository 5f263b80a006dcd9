//! `gevinst migrate`: brings the schema up to this version, as its owner, one at a time.

use std::time::Duration;

use gevinst_migrations::Migrator;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;

use crate::{config::Secret, db::postgres};

/// The advisory lock that holds a second migration back: "gevinst" in ASCII.
const LOCK: i64 = 0x67_65_76_69_6e_73_74;

/// Connects as the schema's owner, with one connection: the lock below belongs to it.
pub async fn connect(url: &Secret) -> Result<DatabaseConnection, String> {
    let mut options = ConnectOptions::new(url.reveal());
    options
        .max_connections(1)
        .min_connections(1)
        .max_lifetime(None::<Duration>)
        .idle_timeout(None::<Duration>)
        .acquire_timeout(Duration::from_secs(10))
        .set_application_name("gevinst migrate")
        .sqlx_logging(false);
    Database::connect(options).await.map_err(|error| format!("GEVINST_OWNER_DATABASE_URL: {error}"))
}

/// Applies what is missing; gives the names of what it applied. A concurrent migration is waited for, and leaves
/// nothing to do.
pub async fn up(db: &DatabaseConnection) -> Result<Vec<String>, String> {
    let role = postgres("SELECT 1 FROM pg_roles WHERE rolname = 'gevinst_app'", []);
    if db.query_one_raw(role).await.map_err(|error| error.to_string())?.is_none() {
        return Err("the runtime role is missing: let an administrator run \
            CREATE ROLE gevinst_app LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '…'"
            .to_owned());
    }
    execute(db, "SELECT pg_advisory_lock($1)", LOCK).await?;
    let applied = apply(db).await;
    let unlocked = execute(db, "SELECT pg_advisory_unlock($1)", LOCK).await;
    // What went wrong first is the cause: a lost connection has given the lock back, too.
    let names = applied?;
    unlocked.map(|()| names)
}

async fn apply(db: &DatabaseConnection) -> Result<Vec<String>, String> {
    let pending = Migrator::get_pending_migrations(db).await.map_err(|error| error.to_string())?;
    let names: Vec<String> = pending.iter().map(|migration| migration.name().to_owned()).collect();
    // What waits for a lock longer than this gives up and can be run again: running replicas are not to queue behind it.
    db.execute_unprepared("SET lock_timeout = '5s'").await.map_err(|error| error.to_string())?;
    Migrator::up(db, None).await.map_err(|error| error.to_string())?;
    Ok(names)
}

async fn execute(db: &DatabaseConnection, sql: &str, lock: i64) -> Result<(), String> {
    db.execute_raw(postgres(sql, [lock.into()])).await.map(drop).map_err(|error| error.to_string())
}
