//! Whether calls can be answered: the database is there, with a schema that this version knows, under a role that its
//! policies hold. Looked at over a connection of its own, so that a busy pool is not taken for a lost database.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use crate::{
    config::Secret,
    db::Db,
    error::{Error, Result},
    telemetry::Metrics,
};

/// How long a look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// The last look at the database, and the connection for the next.
pub struct Readiness {
    db: Db,
    last: ArcSwap<Result<(), String>>,
}

impl Readiness {
    /// Not ready, until something has been looked at.
    pub async fn new(database: &Secret) -> Result<Self, String> {
        let db = Db::connect(database, "gevinst readiness", 1, LOOK_TIMEOUT).await;
        Ok(Self {
            db: db.map_err(|error| format!("GEVINST_DATABASE_URL: {error}"))?,
            last: ArcSwap::from_pointee(Err("starting".to_owned())),
        })
    }

    /// Why calls cannot be answered, as of the last look.
    pub fn now(&self) -> Arc<Result<(), String>> {
        self.last.load_full()
    }

    /// From now on, whatever a look would find: the service stops.
    pub fn stopping(&self) {
        self.last.store(Arc::new(Err("stopping".to_owned())));
    }

    /// Looks. A newer schema is fine for a replica that already runs: upgrades migrate first, and migrations are safe
    /// under the version before.
    pub async fn look(&self, metrics: &Metrics) -> bool {
        let found = match tokio::time::timeout(LOOK_TIMEOUT, self.db.schema()).await {
            Ok(Ok(applied)) => {
                metrics.set_migrations(gevinst_migrations::names().count(), applied.len());
                missing(&applied).map_or(Ok(()), Err)
            }
            // The cause is for the log; probes may be asked by anyone.
            Ok(Err(error)) => {
                let cause = error.cause();
                tracing::debug!(cause, "the database cannot be asked");
                Err("the database cannot be asked".to_owned())
            }
            Err(_) => Err("the database did not answer in time".to_owned()),
        };
        let ready = found.is_ok();
        self.last.store(Arc::new(found));
        ready
    }

    /// Waits until the database answers; refuses a schema that this version does not know and a role that policies do
    /// not hold.
    pub async fn wait_until_fit(&self) -> Result<(), String> {
        let applied = loop {
            match self.db.schema().await {
                Ok(applied) => break applied,
                Err(error @ (Error::DatabaseUnavailable(_) | Error::DeadlineExceeded)) => {
                    let cause = error.cause();
                    tracing::warn!(cause, "waiting for the database");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => {
                    return Err(format!(
                        "the database has no schema of gevinst, or the role may not read it: run `gevinst migrate` ({})",
                        error.cause()
                    ));
                }
            }
        };
        if let Some(missing) = missing(&applied) {
            return Err(missing);
        }
        if let Some(newer) = unknown(&applied) {
            return Err(format!(
                "the schema has migration {newer}, which this version does not know: run the version that does"
            ));
        }
        match self.db.role_problem().await {
            Ok(None) => Ok(()),
            Ok(Some(problem)) => Err(problem),
            Err(error) => Err(format!("the connected role could not be examined: {}", error.cause())),
        }
    }

    /// Closes the connection.
    pub async fn close(&self) {
        self.db.clone().close().await;
    }
}

/// The first migration of this version that the schema lacks, as a problem.
fn missing(applied: &[String]) -> Option<String> {
    lacking(applied).map(|missing| format!("migration {missing} is missing: run `gevinst migrate`"))
}

/// The first migration of this version that the schema lacks.
pub fn lacking(applied: &[String]) -> Option<&'static str> {
    gevinst_migrations::names().find(|name| !applied.iter().any(|applied| applied == name))
}

/// A migration of the schema that this version does not know: another one, newer, has run it.
pub fn unknown(applied: &[String]) -> Option<&str> {
    applied.iter().map(String::as_str).find(|name| !gevinst_migrations::names().any(|known| known == *name))
}
