//! `gevinst doctor` as an administrator meets it, each fault provoked for real.

use std::{collections::BTreeMap, process::Output};

use sea_orm::ConnectionTrait;

use crate::{
    cli::{database, migrated, owner, serve_env_on, url},
    harness::{
        CLUSTER,
        process::{Env, run},
    },
};

/// What was found of each thing: its state, and how to mend it.
fn findings(output: &Output) -> BTreeMap<String, (String, String)> {
    let findings: Vec<BTreeMap<String, String>> = serde_json::from_slice(&output.stdout).unwrap();
    let one = |mut finding: BTreeMap<String, String>| {
        let mend = finding.remove("mend").unwrap_or_default();
        (finding.remove("what").unwrap(), (finding.remove("state").unwrap(), mend))
    };
    findings.into_iter().map(one).collect()
}

async fn examined(env: &Env) -> (bool, BTreeMap<String, (String, String)>) {
    let output = run(&["doctor", "--json"], env).await;
    (output.status.success(), findings(&output))
}

/// Of what is wrong: how to mend it.
async fn wrong(env: &Env, what: &str) -> String {
    let (is_well, found) = examined(env).await;
    let (state, mend) = found.get(what).unwrap_or_else(|| panic!("nothing of {what}: {found:?}"));
    assert!(!is_well && state == "wrong" && !mend.is_empty(), "{what}: {found:?}");
    mend.clone()
}

#[tokio::test]
async fn doctor_finds_nothing_wrong_where_nothing_is() {
    let (is_well, found) = examined(&serve_env_on(url(&CLUSTER.runtime, &migrated().await))).await;
    assert!(is_well, "{found:?}");
    let states: Vec<_> = found.iter().map(|(what, (state, _))| (what.as_str(), state.as_str())).collect();
    let ok = ["PostgreSQL", "clock", "clocks", "configuration", "database", "isolation", "issuer", "role", "schema"];
    // Nobody serves it.
    let expected: Vec<_> = ok.map(|what| (what, if what == "clock" { "warning" } else { "ok" })).to_vec();
    assert_eq!(states, expected);
}

#[tokio::test]
async fn doctor_says_in_words_what_is_wrong_and_how_to_mend_it() {
    let output = run(&["doctor"], &serve_env_on(url(&CLUSTER.admin, &migrated().await))).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.lines().any(|line| line.starts_with("WRONG   role")), "{said}");
    assert!(said.lines().any(|line| line.contains("to mend: README")), "{said}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("1 of 9 are wrong"));
}

#[tokio::test]
async fn doctor_of_a_schema_that_is_missing_older_or_newer() {
    let empty = database().await;
    assert!(wrong(&serve_env_on(url(&CLUSTER.runtime, &empty)), "schema").await.contains("gevinst migrate"));
    for (change, mend) in [
        ("DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)", "gevinst migrate"),
        ("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_later', 0)", "run the version"),
    ] {
        let database = migrated().await;
        owner(&database).await.execute_unprepared(change).await.unwrap();
        assert!(wrong(&serve_env_on(url(&CLUSTER.runtime, &database)), "schema").await.contains(mend));
    }
}

#[tokio::test]
async fn doctor_of_a_table_that_policies_hold_no_more() {
    for change in [
        "ALTER TABLE projects NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE audit_entries DISABLE ROW LEVEL SECURITY",
        "DROP POLICY organisation ON measurements; DROP POLICY visible ON measurements",
    ] {
        let database = migrated().await;
        owner(&database).await.execute_unprepared(change).await.unwrap();
        let env = serve_env_on(url(&CLUSTER.runtime, &database));
        assert!(wrong(&env, "isolation").await.contains("FORCE ROW LEVEL SECURITY"), "{change}");
    }
}

#[tokio::test]
async fn doctor_of_a_database_that_is_not_there_looks_at_the_rest_and_tells_no_password() {
    let mut env = serve_env_on("postgres://gevinst_app:hunter2@127.0.0.1:1/gevinst".to_owned());
    let output = run(&["doctor", "--json"], &env).await;
    assert!(!String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).contains("hunter2"));
    let found = findings(&output);
    assert_eq!((found["database"].0.as_str(), found["issuer"].0.as_str()), ("wrong", "ok"));
    assert!(!found.contains_key("schema"));
    // An issuer whose keys nobody serves.
    env.retain(|(name, _)| !name.starts_with("GEVINST_TOKEN_JWKS"));
    env.push(("GEVINST_TOKEN_JWKS_URL", "http://127.0.0.1:1/keys".to_owned()));
    assert!(wrong(&env, "issuer").await.contains("tokens are refused"));
}

#[tokio::test]
async fn doctor_of_a_configuration_that_cannot_be_read_names_each_problem() {
    let output = run(&["doctor"], &vec![("GEVINST_LISTEN", "here".to_owned())]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("GEVINST_LISTEN") && said.contains("GEVINST_DATABASE_URL"), "{said}");
}
