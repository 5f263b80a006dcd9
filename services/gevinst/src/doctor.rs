//! `gevinst doctor`: looks at everything that `gevinst serve` rests on, and says of each what was found, and how to mend what
//! is wrong. It changes nothing, takes the same settings, and connects as the same role.

use std::time::{Duration, Instant};

use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    auth::keys::Keys,
    config::Config,
    ctx::Clock,
    db::{Db, Vitals},
    readiness, tls,
};

/// How long the database may take for each answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The oldest PostgreSQL that the tests run on, as it numbers itself.
const OLDEST_POSTGRES: i32 = 150_000;

/// How far the database's clock may be from this machine's before it is worth a look, and before it is wrong: days begin, and
/// tokens end, by this machine's; what is written carries it.
const SKEW: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Calls are served, and somebody should look.
    Warning,
    /// Calls are not served, or not safely.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// How much it matters.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it; absent where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, state: State::Ok, found: found.into(), mend: None }
    }

    fn warning(what: &'static str, found: impl Into<String>, mend: &str) -> Self {
        Self { what, state: State::Warning, found: found.into(), mend: Some(mend.to_owned()) }
    }

    fn wrong(what: &'static str, found: impl Into<String>, mend: &str) -> Self {
        Self { what, state: State::Wrong, found: found.into(), mend: Some(mend.to_owned()) }
    }

    /// As a line for a terminal, and another for how to mend it.
    pub fn text(&self) -> String {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "WARNING",
            State::Wrong => "WRONG",
        };
        let mend = self.mend.iter().map(|mend| format!("\n        {:<14} to mend: {mend}", "")).collect::<String>();
        format!("{state:<7} {:<14} {}{mend}", self.what, self.found)
    }
}

/// Looks at everything; the configuration itself is sound, or there would be none.
pub async fn examine(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("configuration", "every setting can be used")];
    if let Some(files) = &config.tls {
        findings.push(match tls::read(files) {
            Ok(_) => Finding::ok("TLS", "certificate and key can be used"),
            Err(problem) => Finding::wrong("TLS", problem, "give it a certificate and its key in PEM"),
        });
    }
    for issuer in &config.issuers {
        findings.push(match Keys::look_once(issuer).await {
            Ok(0) => {
                Finding::wrong("issuer", format!("{} has no key that can be used", issuer.issuer), "see its algorithms")
            }
            Ok(keys) => Finding::ok("issuer", format!("{} has {keys} key(s)", issuer.issuer)),
            Err(problem) => Finding::wrong(
                "issuer",
                format!("{}: {problem}", issuer.issuer),
                "its tokens are refused until its keys can be read: see that address or file, from this machine",
            ),
        });
    }
    findings.extend(database(config, clock).await);
    findings
}

async fn database(config: &Config, clock: &Clock) -> Vec<Finding> {
    let db = match Db::connect(&config.database_url, "gevinst doctor", 1, PATIENCE).await {
        Ok(db) => db,
        Err(error) => return vec![Finding::wrong("database", error.to_string(), "mend GEVINST_DATABASE_URL")],
    };
    let (began, at) = (Instant::now(), clock.now());
    let vitals = match db.vitals().await {
        Ok(vitals) => vitals,
        Err(error) => {
            let mend = "see that PostgreSQL runs, that GEVINST_DATABASE_URL names it, and that its role may log in";
            return vec![Finding::wrong("database", error.cause(), mend)];
        }
    };
    let took = began.elapsed();
    let mut findings = vec![
        Finding::ok("database", format!("answers within {} ms", took.as_millis())),
        version(&vitals),
        skew(&vitals, at + took / 2),
    ];
    findings.push(match db.role_problem().await {
        Ok(None) => Finding::ok("role", "owns nothing and bypasses nothing"),
        Ok(Some(problem)) => Finding::wrong("role", problem, "README, Run it in production, makes the two roles"),
        Err(error) => Finding::wrong("role", error.cause(), "the role must be able to read pg_roles"),
    });
    let schema = schema(&db).await;
    let is_there = schema.state != State::Wrong;
    findings.push(schema);
    if is_there {
        findings.push(policies(&vitals));
        findings.push(lease(&db, config).await);
    }
    db.close().await;
    findings
}

fn version(Vitals { version, version_number, .. }: &Vitals) -> Finding {
    match *version_number >= OLDEST_POSTGRES {
        true => Finding::ok("PostgreSQL", version),
        false => Finding::wrong("PostgreSQL", version, "upgrade it to 15 or newer"),
    }
}

fn skew(vitals: &Vitals, here: OffsetDateTime) -> Finding {
    let apart = (vitals.now - here).unsigned_abs();
    let found = format!("the database's is {:.1} s from this machine's", apart.as_secs_f64());
    let mend = "keep both in time (NTP): days begin and tokens end by this machine's";
    match apart {
        apart if apart > SKEW.1 => Finding::wrong("clocks", found, mend),
        apart if apart > SKEW.0 => Finding::warning("clocks", found, mend),
        _ => Finding::ok("clocks", found),
    }
}

async fn schema(db: &Db) -> Finding {
    let applied = match db.schema().await {
        Ok(applied) => applied,
        Err(error) => {
            let found = format!("there is none, or the role may not read it ({})", error.cause());
            return Finding::wrong("schema", found, "run `gevinst migrate`, as its owner");
        }
    };
    match (readiness::lacking(&applied), readiness::unknown(&applied)) {
        (Some(name), _) => Finding::wrong("schema", format!("migration {name} is missing"), "run `gevinst migrate`"),
        (None, Some(name)) => Finding::wrong(
            "schema",
            format!("it has migration {name}, which this version does not know"),
            "run the version that does; this one goes on where it runs already, and does not start",
        ),
        (None, None) => Finding::ok("schema", format!("all {} migrations, and none besides", applied.len())),
    }
}

fn policies(Vitals { tables, open_tables, .. }: &Vitals) -> Finding {
    if open_tables.is_empty() {
        return Finding::ok("isolation", format!("row-level security holds each of {tables} tables of organisations"));
    }
    let found = format!("no row-level security holds {}", open_tables.join(", "));
    Finding::wrong(
        "isolation",
        found,
        "ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; find out who took it off",
    )
}

async fn lease(db: &Db, config: &Config) -> Finding {
    match (db.is_lease_held().await, config.clock) {
        (Ok(true), _) => Finding::ok("clock", "a replica does its work"),
        (Ok(false), Some(_)) => {
            Finding::warning("clock", "no replica does its work now", "one does as soon as it serves")
        }
        (Ok(false), None) => Finding::warning(
            "clock",
            "no replica does its work now, nor would this one",
            "leave GEVINST_CLOCK_SECONDS on in at least one replica: conditions lapse and owners depart unseen",
        ),
        (Err(error), _) => {
            Finding::wrong("clock", error.cause(), "the role may not read clock_leases: run `gevinst migrate`")
        }
    }
}
