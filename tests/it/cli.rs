//! The command line as an operator meets it: what it refuses, what it says, what it leaves behind.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Output,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use gevinst::{
    config::Secret,
    dev::{DEMO_ORGANISATION, issuer, postgres::free_port},
    migrate,
};
use gevinst_migrations::Migrator;
use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use tokio::process::Command;
use tonic::transport::Endpoint;
use uuid::Uuid;

use crate::harness::{
    CLUSTER, ISSUER, Person, folder,
    process::{Env, Program, run, tell, until},
};

const PASSWORD: &str = "hunter2";

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command said that ended with exit code 1.
fn refusal(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(output.stdout.is_empty());
    stderr
}

/// A database of the test's own on the run's cluster: what its URLs end with.
pub async fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("cli_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let admin = Database::connect(&CLUSTER.admin).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name} OWNER gevinst_owner")).await.unwrap();
    admin.close().await.unwrap();
    name
}

/// The run's URL, of another database.
pub fn url(of_the_run: &str, database: &str) -> String {
    format!("{}/{database}", of_the_run.strip_suffix("/gevinst").unwrap())
}

fn owner_env(database: &str) -> Env {
    vec![("GEVINST_OWNER_DATABASE_URL", url(&CLUSTER.owner, database))]
}

/// A connection to a database of that name, as the schema's owner.
pub async fn owner(database: &str) -> DatabaseConnection {
    migrate::connect(&Secret::new(url(&CLUSTER.owner, database))).await.unwrap()
}

/// A database of the test's own with the schema in it: its name.
pub async fn migrated() -> String {
    let database = database().await;
    assert!(run(&["migrate"], &owner_env(&database)).await.status.success());
    database
}

/// The settings to serve with on free ports, but for the database.
fn serve_env() -> Env {
    vec![
        ("GEVINST_LISTEN", "127.0.0.1:0".to_owned()),
        ("GEVINST_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("GEVINST_TOKEN_ISSUER", issuer::ISSUER.to_owned()),
        ("GEVINST_TOKEN_JWKS_FILE", ISSUER.jwks_path().display().to_string()),
    ]
}

pub fn serve_env_on(url: String) -> Env {
    let mut env = serve_env();
    env.push(("GEVINST_DATABASE_URL", url));
    env
}

#[tokio::test]
async fn serve_unconfigured_names_every_setting_it_needs() {
    let problems = refusal(&run(&["serve"], &Env::new()).await);
    let names = ["DATABASE_URL", "TOKEN_ISSUER", "TOKEN_JWKS_FILE", "TOKEN_JWKS_URL", "ISSUERS_FILE"];
    for name in names.map(|name| format!("GEVINST_{name}")) {
        assert!(problems.contains(&name), "{name}: {problems}");
    }
}

#[tokio::test]
async fn serve_misconfigured_names_every_problem_at_once_and_no_secret() {
    let env = [
        ("GEVINST_LISTEN", "nowhere"),
        ("GEVINST_LISTNE", "127.0.0.1:8080"),
        ("GEVINST_DATABASE_URL", "mysql://app:hunter2@db/gevinst"),
        ("GEVINST_DATABASE_CONNECTIONS", "0"),
        ("GEVINST_TOKEN_ISSUER", "https://issuer.example"),
        ("GEVINST_TOKEN_ISSUER_FILE", "/etc/hostname"),
        ("GEVINST_OTLP_ENDPOINT_FILE", "/nonexistent/endpoint"),
        ("GEVINST_TRACE_RATIO", "1.5"),
        ("GEVINST_MAX_DEADLINE_MS", "soon"),
        ("GEVINST_LOG", "gevinst=loudly"),
    ];
    let problems = refusal(&run(&["serve"], &env.map(|(name, value)| (name, value.to_owned())).into()).await);
    // The issuer is wrong once, for both its names; and the keys are missing.
    let names: BTreeSet<&str> = env.iter().map(|(name, _)| *name).chain(["GEVINST_TOKEN_JWKS_FILE"]).collect();
    for name in &names {
        assert!(problems.contains(&format!("{name}:")) || problems.contains(&format!("{name} ")), "{name}: {problems}");
    }
    assert_eq!(problems.lines().filter(|line| line.starts_with("  - ")).count(), names.len() - 1, "{problems}");
    assert!(!problems.contains(PASSWORD), "{problems}");
}

#[tokio::test]
async fn database_url_that_is_none_refused_without_its_password() {
    // A scheme of another database, a port that is none, and no URL at all: a password with signs that need escaping.
    for url in ["mysql://app:hunter2@db/gevinst", "postgres://app:hunter2@db:port/gevinst", "postgres hunter2"] {
        let said = [
            refusal(&run(&["serve"], &serve_env_on(url.to_owned())).await),
            refusal(&run(&["migrate"], &vec![("GEVINST_OWNER_DATABASE_URL", url.to_owned())]).await),
        ];
        for (said, name) in said.iter().zip(["GEVINST_DATABASE_URL", "GEVINST_OWNER_DATABASE_URL"]) {
            assert!(said.contains(name), "{said}");
            assert!(!said.contains(PASSWORD), "{said}");
        }
    }
}

#[tokio::test]
async fn config_prints_every_setting_and_no_secret_and_refuses_what_serve_refuses() {
    let folder = folder("config");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut env = serve_env_on(format!("postgres://app:{PASSWORD}@db/gevinst?sslmode=require&password={PASSWORD}"));
    env.extend([
        ("GEVINST_OTLP_ENDPOINT", format!("http://me:{PASSWORD}@collector:4317")),
        ("GEVINST_POLICY", r#"@id("x") forbid (principal, action == Action::"project.archive", resource);"#.to_owned()),
        ("GEVINST_TRUSTED_PROXIES", "10.0.0.0/8, fd00::1".to_owned()),
        ("GEVINST_TLS_CERT_FILE", file("tls.crt", &certificate.pem())),
        ("GEVINST_TLS_KEY_FILE", file("tls.key", &key.serialize_pem())),
        ("GEVINST_TLS_CLIENT_CA_FILE", file("clients.crt", &certificate.pem())),
    ]);
    let output = run(&["config"], &env).await;
    assert!(output.status.success(), "{output:?}");
    let printed = stdout(&output);
    for line in [
        "GEVINST_LISTEN=127.0.0.1:0",
        "GEVINST_MAX_CONNECTIONS=4096",
        "GEVINST_TRUSTED_PROXIES=10.0.0.0/8,fd00::1/128",
        &format!("GEVINST_TLS_KEY_FILE={}", folder.join("tls.key").display()),
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    for (name, _) in &env {
        assert!(printed.contains(&format!("{name}=")), "{name}: {printed}");
    }
    let secret = key.serialize_pem();
    let secrets = secret.lines().filter(|line| !line.starts_with("---")).chain([PASSWORD]);
    for secret in secrets {
        assert!(!printed.contains(secret), "{printed}");
    }
    // Every setting of the README is there, but for those of other commands; what is absent has no default.
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let listed = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for name in listed.filter(|name| name.starts_with("GEVINST_") && *name != "GEVINST_OWNER_DATABASE_URL") {
        let is_absent = ["GEVINST_TOKEN_JWKS_URL", "GEVINST_ISSUERS_FILE"].contains(&name);
        let name = name.strip_suffix("POLICY_FILE").map_or(name.to_owned(), |name| format!("{name}POLICY"));
        assert!(is_absent || printed.contains(&format!("{name}=")), "{name}: {printed}");
    }

    let wrong = [
        ("GEVINST_TLS_CERT_FILE", file("none.crt", "nothing")),
        ("GEVINST_TLS_KEY_FILE", "/nonexistent/tls.key".to_owned()),
        ("GEVINST_TLS_KEY_FILE", file("other.key", &rcgen::KeyPair::generate().unwrap().serialize_pem())),
        ("GEVINST_TLS_CLIENT_CA_FILE", file("none.ca", "")),
        ("GEVINST_TRUSTED_PROXIES", "the proxy".to_owned()),
        ("GEVINST_MAX_CONNECTIONS", "0".to_owned()),
        ("GEVINST_CLOCK_SECONDS", "3601".to_owned()),
    ];
    for (name, value) in wrong {
        let mut env = env.clone();
        // The later of two wins.
        env.push((name, value.clone()));
        for command in ["config", "serve"] {
            let said = refusal(&run(&[command], &env).await);
            assert!(said.contains(name), "{name}={value}: {said}");
        }
    }
    let alone: Env = env.iter().filter(|(name, _)| *name != "GEVINST_TLS_KEY_FILE").cloned().collect();
    assert!(refusal(&run(&["serve"], &alone).await).contains("GEVINST_TLS_KEY_FILE"));
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn serve_with_settings_from_mounted_files_serves() {
    let folder = folder("mounted");
    let file = folder.join("url");
    // Editors and secret stores end a file with a line end.
    fs::write(&file, format!("{}\n", CLUSTER.runtime)).unwrap();
    let mut env = serve_env();
    env.push(("GEVINST_DATABASE_URL_FILE", file.display().to_string()));
    let mut gevinst = Program::start(&["serve"], &env);
    until("it serves", async || gevinst.stderr().contains("\"serving\"")).await;
    gevinst.signal("TERM").await;
    assert_eq!(gevinst.end().await.code(), Some(0));
    fs::remove_dir_all(folder).unwrap();
}

/// What the health check is told of the service, and what it then says.
async fn health(admin: &str) -> Output {
    // Of everything else that the service is told, the check reads nothing.
    let env = vec![("GEVINST_ADMIN_LISTEN", admin.to_owned()), ("GEVINST_DATABASE_URL_FILE", "/nowhere".to_owned())];
    run(&["healthcheck"], &env).await
}

/// Why it is not healthy: one line, for whoever reads an engine's log.
async fn illness(admin: &str) -> String {
    let said = refusal(&health(admin).await);
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[tokio::test]
async fn healthcheck_follows_readiness_with_tls_and_without() {
    let folder = folder("healthcheck");
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let tls = [("GEVINST_TLS_CERT_FILE", certificate), ("GEVINST_TLS_KEY_FILE", key)];
    let tls: Env = tls.map(|(name, path)| (name, path.display().to_string())).to_vec();
    for tls in [Vec::new(), tls] {
        let port = free_port().unwrap();
        let mut env = serve_env_on(CLUSTER.runtime.clone());
        env.retain(|(name, _)| *name != "GEVINST_ADMIN_LISTEN");
        // Everywhere, as in an image: the check finds its way to it by itself.
        env.push(("GEVINST_ADMIN_LISTEN", format!("0.0.0.0:{port}")));
        env.extend(tls);
        let mut gevinst = Program::serve(&env, ([127, 0, 0, 1], port).into()).await;
        let healthy = health(&format!("0.0.0.0:{port}")).await;
        assert!(healthy.status.success(), "{healthy:?}");
        assert_eq!(stdout(&healthy), "ready\n");
        gevinst.signal("TERM").await;
        assert_eq!(gevinst.end().await.code(), Some(0));
        assert!(illness(&format!("0.0.0.0:{port}")).await.contains("nothing answers at http://127.0.0.1:"));
    }
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn healthcheck_of_what_cannot_answer_calls_says_why() {
    // The service waits for a database that is not there.
    let (port, nobody) = (free_port().unwrap(), free_port().unwrap());
    let admin = format!("127.0.0.1:{port}");
    let mut env = serve_env_on(format!("postgres://gevinst_app@127.0.0.1:{nobody}/gevinst"));
    env.retain(|(name, _)| *name != "GEVINST_ADMIN_LISTEN");
    env.push(("GEVINST_ADMIN_LISTEN", admin.clone()));
    let waiting = Program::start(&["serve"], &env);
    until("it answers probes", async || !illness(&admin).await.contains("nothing answers")).await;
    assert_eq!(illness(&admin).await, "gevinst: not ready: starting\n");
    drop(waiting);

    let postgres = reqwest::Url::parse(&CLUSTER.runtime).unwrap().port().unwrap();
    assert!(illness(&format!("127.0.0.1:{postgres}")).await.contains("127.0.0.1"), "PostgreSQL is no gevinst");
    assert!(illness("127.0.0.1:0").await.contains("port 0"));
    assert!(refusal(&health("here").await).contains("GEVINST_ADMIN_LISTEN"));
}

#[tokio::test]
async fn serve_trusting_issuers_of_a_file_serves_while_they_are_down() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/issuers/keycloak.json");
    let mut env = serve_env_on(CLUSTER.runtime.clone());
    env.retain(|(name, _)| !name.starts_with("GEVINST_TOKEN_"));
    env.push(("GEVINST_ISSUERS_FILE", example.display().to_string()));
    let mut gevinst = Program::start(&["serve"], &env);
    until("it serves", async || gevinst.stderr().contains("\"serving\"")).await;
    assert!(gevinst.stderr().contains("the token keys could not be fetched"), "{}", gevinst.stderr());
    gevinst.signal("TERM").await;
    assert_eq!(gevinst.end().await.code(), Some(0));
}

#[tokio::test]
async fn serve_trusting_issuers_that_quarrel_refused_with_every_problem() {
    let issuer = r#""audience": "gevinst", "organisations": ["01999999-0000-7000-8000-000000009999"]"#;
    let document = format!(
        r#"{{"issuers": [{{"issuer": "http://a.invalid", {issuer}}}, {{"issuer": "https://b.invalid", {issuer}}}]}}"#
    );
    let mut env = serve_env_on(CLUSTER.runtime.clone());
    env.push(("GEVINST_ISSUERS", document));
    let problems = refusal(&run(&["serve"], &env).await);
    for named in ["https", "subject_prefix", "GEVINST_TOKEN_ISSUER", "GEVINST_TOKEN_JWKS_FILE"] {
        assert!(problems.contains(named), "{named}: {problems}");
    }
    assert_eq!(problems.lines().filter(|line| line.starts_with("  - ")).count(), 4, "{problems}");
}

#[tokio::test]
async fn serve_with_policies_that_do_not_only_forbid_refused_with_why() {
    let folder = folder("policies");
    let file = folder.join("ours.cedar");
    let mut env = serve_env_on(CLUSTER.runtime.clone());
    env.push(("GEVINST_POLICY_FILE", file.display().to_string()));
    for (policy, why) in [
        (r#"@id("ours") permit (principal, action, resource);"#, "ours is a permit"),
        (r#"@id("ours") forbid (principal, action in Action::"read", resource);"#, "ours is not limited to writing"),
        ("forbid", "GEVINST_POLICY_FILE"),
    ] {
        fs::write(&file, policy).unwrap();
        for command in ["serve", "config"] {
            let said = refusal(&run(&[command], &env).await);
            assert!(said.contains("GEVINST_POLICY_FILE") && said.contains(why), "{command}: {said}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn serve_without_schema_refused_with_what_to_run() {
    let env = serve_env_on(url(&CLUSTER.runtime, &database().await));
    let said = refusal(&run(&["serve"], &env).await);
    assert!(said.contains("gevinst migrate"), "{said}");
}

#[tokio::test]
async fn serve_on_a_schema_of_a_newer_version_refused() {
    let database = migrated().await;
    let owner = owner(&database).await;
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20991231_000001_later', 0)";
    owner.execute_unprepared(newer).await.unwrap();
    owner.close().await.unwrap();
    let said = refusal(&run(&["serve"], &serve_env_on(url(&CLUSTER.runtime, &database))).await);
    assert!(said.contains("m20991231_000001_later"), "{said}");
}

#[tokio::test]
async fn serve_as_owner_or_superuser_refused() {
    let database = migrated().await;
    for (of_the_run, role) in [(&CLUSTER.owner, "gevinst_owner"), (&CLUSTER.admin, "gevinst_admin")] {
        let said = refusal(&run(&["serve"], &serve_env_on(url(of_the_run, &database))).await);
        assert!(said.contains(role) && said.contains("gevinst_app"), "{said}");
    }
}

#[tokio::test]
async fn migrate_fresh_then_again_then_down_and_up() {
    let database = database().await;
    let applied: Vec<String> = gevinst_migrations::names().map(|name| format!("applied {name}")).collect();
    let lines = |output: &Output| -> Vec<String> {
        assert!(output.status.success(), "{output:?}");
        stdout(output).lines().filter(|line| line.starts_with("applied ")).map(ToOwned::to_owned).collect()
    };
    assert_eq!(lines(&run(&["migrate"], &owner_env(&database)).await), applied);
    assert!(lines(&run(&["migrate"], &owner_env(&database)).await).is_empty(), "nothing is left to do");

    let owner = owner(&database).await;
    Migrator::down(&owner, None).await.unwrap();
    let left = "SELECT string_agg(relname, ' ') FROM pg_class \
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'seaql_migrations'";
    let left = owner.query_one_raw(gevinst::db::postgres(left, [])).await.unwrap().unwrap();
    assert_eq!(left.try_get_by_index::<Option<String>>(0).unwrap(), None);
    owner.close().await.unwrap();
    assert_eq!(lines(&run(&["migrate"], &owner_env(&database)).await), applied);
}

#[tokio::test]
async fn migrate_two_at_once_both_succeed_and_each_migration_runs_once() {
    let env = owner_env(&database().await);
    let (one, other) = tokio::join!(run(&["migrate"], &env), run(&["migrate"], &env));
    assert!(one.status.success() && other.status.success(), "{one:?} {other:?}");
    let said = stdout(&one) + &stdout(&other);
    assert_eq!(said.matches("applied m").count(), gevinst_migrations::names().count(), "{said}");
}

#[tokio::test]
async fn organisation_founded_once_prints_its_id_and_its_code_is_taken() {
    let env = owner_env(&migrated().await);
    let found = ["organisation", "--name", "Hedeby Kommune", "--code", "0999", "--prefix", "HED"];
    let first = run(&found, &env).await;
    assert!(first.status.success(), "{first:?}");
    let id: Uuid = stdout(&first).trim().parse().unwrap();
    let said = refusal(&run(&found, &env).await);
    assert!(said.contains("organisations_code_key"), "{said}");
    // The same id again is the same organisation.
    let id = id.to_string();
    let again = run(&[&found[..], &["--id", &id]].concat(), &env).await;
    assert_eq!(stdout(&again).trim(), id);
}

/// `gevinst dev` in this data directory, up, with how long it took and what it said.
pub async fn dev(env: &Env) -> (Program, Duration, String) {
    let began = Instant::now();
    let mut gevinst = Program::start(&["dev"], env);
    let welcome = gevinst.said("Ctrl-C stops everything.").await;
    (gevinst, began.elapsed(), welcome)
}

/// Who has this token, at the address that the welcome names.
pub fn person(welcome: &str, token: &str) -> Person {
    let (_, address) = welcome.split_once("gRPC-Web and HTTP on ").unwrap();
    let address = address.split(',').next().unwrap().to_owned();
    Person::new(Endpoint::from_shared(address).unwrap().connect_lazy(), Some(token.to_owned()))
}

/// The token that the welcome gives this person.
fn printed<'w>(welcome: &'w str, name: &str) -> &'w str {
    let (_, token) = welcome.split_once(&format!("export {name}=")).unwrap();
    token.lines().next().unwrap()
}

/// What the printed calls, typed into a shell, answer: the first field of each answer that holds a list.
async fn calls_as_printed(welcome: &str) -> Vec<String> {
    let typed = |line: &&str| line.starts_with("export ") || line.starts_with("curl ");
    let script = welcome.lines().map(str::trim).filter(typed).collect::<Vec<_>>().join("; echo;");
    let output = Command::new("bash").args(["-euc", &script]).output().await.unwrap();
    let answers = stdout(&output);
    let lists = answers.lines().filter(|line| !line.is_empty()).map(|answer| {
        let answer: serde_json::Value =
            serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let lists =
            answer.as_object().unwrap().iter().find(|(_, value)| value.as_array().is_some_and(|list| !list.is_empty()));
        lists.unwrap_or_else(|| panic!("{answer}")).0.clone()
    });
    lists.collect()
}

async fn projects(person: &Person) -> usize {
    let list =
        pb::ListProjectsRequest { organisation: DEMO_ORGANISATION.to_string(), page_size: 200, ..Default::default() };
    person.call(list).await.unwrap().projects.len()
}

/// The processes that work in this folder or were started with it: program names.
fn processes_of(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let of_it = processes.filter(|process| {
        let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let works_in = fs::read_link(process.path().join("cwd")).unwrap_or_default();
        works_in.starts_with(folder) || String::from_utf8_lossy(&arguments).contains(&*folder.to_string_lossy())
    });
    of_it.map(|process| fs::read_to_string(process.path().join("comm")).unwrap_or_default()).collect()
}

#[tokio::test]
async fn dev_fifteen_projects_survive_stop_and_kill_and_nothing_runs_on() {
    let data = folder("dev");
    let env: Env = vec![("GEVINST_LISTEN", "127.0.0.1:0".to_owned()), ("GEVINST_DATA", data.display().to_string())];

    let (mut gevinst, took, welcome) = dev(&env).await;
    tell(&format!("cli: gevinst dev, first start: {took:?}"));
    assert_eq!(projects(&person(&welcome, printed(&welcome, "OFFICE"))).await, 15);
    let calls = ["organisations", "projects", "gates", "criteria", "benefits", "auditEntries"];
    assert_eq!(calls_as_printed(&welcome).await, calls);
    let token = run(&["token", "--role", "reader", "--person", "x"], &vec![env[1].clone()]).await;
    assert!(token.status.success(), "{token:?}");
    assert_eq!(projects(&person(&welcome, stdout(&token).trim())).await, 15);
    assert!(processes_of(&data).iter().any(|name| name.starts_with("postgres")), "{:?}", processes_of(&data));
    gevinst.signal("INT").await;
    assert_eq!(gevinst.end().await.code(), Some(0), "{}", gevinst.stderr());
    assert_eq!(processes_of(&data), [""; 0]);

    let (mut gevinst, took, welcome) = dev(&env).await;
    tell(&format!("cli: gevinst dev, second start: {took:?}"));
    assert_eq!(projects(&person(&welcome, printed(&welcome, "STEERING"))).await, 15);
    gevinst.signal("KILL").await;
    assert_eq!(gevinst.end().await.code(), None, "a signal ended it");
    until("PostgreSQL has followed", async || processes_of(&data).is_empty()).await;

    let (mut gevinst, took, welcome) = dev(&env).await;
    tell(&format!("cli: gevinst dev, start after kill -9: {took:?}"));
    assert_eq!(projects(&person(&welcome, printed(&welcome, "OFFICE"))).await, 15);
    gevinst.signal("INT").await;
    assert_eq!(gevinst.end().await.code(), Some(0), "{}", gevinst.stderr());
    assert_eq!(processes_of(&data), [""; 0]);
    fs::remove_dir_all(data).unwrap();
}
