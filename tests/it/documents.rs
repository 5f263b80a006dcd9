//! The OpenAPI document, held to the service by tools that nobody here wrote: validators, a linter, a fuzzer of every
//! operation, and clients that generators make of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use gevinst::auth::Role;
use gevinst_proto::v1 as pb;
use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::{
    clients::run,
    coverage::{Objects, methods, sample},
    harness::{World, tool},
};

/// A file or folder of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

async fn served(world: &World, path: &str) -> String {
    let answer = reqwest::get(format!("http://{}{path}", world.address)).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// A folder with both forms of the document, as they are served.
async fn documents(world: &World) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["openapi.json", "openapi.yaml"] {
        fs::write(folder.path().join(name), served(world, &format!("/{name}")).await).unwrap();
    }
    folder
}

/// Runs a program that must say yes; gives what it said.
async fn agrees(command: &mut Command) -> String {
    let (code, told, complaints) = run(command.env("PYTHONUTF8", "1").env("PYTHONDONTWRITEBYTECODE", "1")).await;
    assert_eq!(code, 0, "{:?}: {told}{complaints}", command.as_std().get_program());
    told
}

/// Every role that goes together: an auditor changes nothing, whatever else they are.
fn everything() -> Vec<Role> {
    gevinst::dev::roles().map(|role| role.parse().unwrap()).filter(|role| *role != Role::Auditor).collect()
}

/// The ids of all operations that a document describes.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn openapi_snapshot_is_what_is_served() {
    let world = World::new().await;
    let served = served(&world, "/openapi.yaml").await;
    let snapshot = repository("proto/openapi.yaml");
    if std::env::var_os("GEVINST_TEST_UPDATE").is_some() {
        fs::write(&snapshot, &served).unwrap();
    }
    let kept = fs::read_to_string(&snapshot).unwrap_or_default();
    let differs = kept.lines().zip(served.lines()).position(|(kept, served)| kept != served);
    assert!(
        kept == served,
        "proto/openapi.yaml is not what is served, from line {}: GEVINST_TEST_UPDATE=1 tests/run -- openapi_snapshot \
         writes it anew; look at what changed before you commit it",
        differs.map_or("the shorter one's last".to_owned(), |line| (line + 1).to_string()),
    );
}

#[tokio::test]
async fn openapi_is_valid() {
    let world = World::new().await;
    let document = serde_json::from_str(&served(&world, "/openapi.json").await).unwrap();
    assert_eq!(operations(&document), methods().iter().map(|method| method.name().to_owned()).collect());
    let folder = documents(&world).await;
    let yaml = folder.path().join("openapi.yaml");
    agrees(Command::new(tool("venv/bin/openapi-spec-validator")).arg(&yaml)).await;
    let ruleset = repository("tests/clients/spectral.yaml");
    let flags = ["lint", "--fail-severity", "hint", "--ruleset"];
    agrees(Command::new(tool("node_modules/.bin/spectral")).args(flags).arg(ruleset).arg(&yaml)).await;
    let script = repository("tests/clients/openapi.py");
    let examples = agrees(Command::new(tool("venv/bin/python")).arg(script).arg(folder.path())).await;
    // One for each variable of a path, at the least.
    assert!(examples.trim().parse::<usize>().unwrap() > 40, "{examples} examples");
}

#[tokio::test]
async fn schemathesis_finds_nothing() {
    let world = World::new().await;
    let objects = Objects::in_(&world).await;
    let folder = documents(&world).await;
    let document: Value = serde_json::from_str(&served(&world, "/openapi.json").await).unwrap();
    let operations = operations(&document);
    let samples: Map<_, _> = operations.iter().map(|name| (name.clone(), sample(name, &objects).0)).collect();
    let report = folder.path().join("report.ndjson");
    // Hypothesis keeps nothing and draws the same each time; only ids differ between runs.
    let examples = if std::env::var_os("GEVINST_TEST_LONG").is_some() { "200" } else { "5" };
    agrees(
        Command::new(tool("venv/bin/schemathesis"))
            .current_dir(folder.path())
            .arg("--config-file")
            .arg(repository("tests/clients/schemathesis.toml").canonicalize().unwrap())
            .args([
                "run",
                &format!("http://{}/openapi.yaml", world.address),
                "--no-color",
                "--generation-deterministic",
            ])
            .args(["--max-examples", examples, "--report", "ndjson", "--report-ndjson-path"])
            .arg(&report)
            .env("SCHEMATHESIS_HOOKS", repository("tests/clients/schemathesis_hooks.py").canonicalize().unwrap())
            .env("GEVINST_TOKEN", world.token("portfolio-office", &everything()))
            .env("GEVINST_SAMPLES", json!(samples).to_string()),
    )
    .await;
    let calls = Calls::read(&fs::read_to_string(report).unwrap(), &document);
    let mut open: BTreeSet<String> = operations.clone();
    assert!(open.remove("ListAuditEntries"), "for auditors only, who could do nothing else: audit.rs calls it");
    assert_eq!(calls.succeeded, open, "operations that were called with success");
    assert_eq!(calls.refused, operations, "operations that refused something");
    assert!(calls.count > 1000, "only {} calls", calls.count);
}

/// What schemathesis reports of its calls.
#[derive(Default)]
struct Calls {
    count: usize,
    succeeded: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl Calls {
    /// Reads its report. Every answer has a request id, whatever it answers.
    fn read(report: &str, document: &Value) -> Self {
        let mut calls = Self::default();
        for line in report.lines() {
            let event: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
            let Some(scenario) = event.get("ScenarioFinished") else { continue };
            for (id, call) in scenario["recorder"]["interactions"].as_object().into_iter().flatten() {
                calls.count += 1;
                let case = &scenario["recorder"]["cases"][id]["value"];
                let (path, method) = (case["path"].as_str().unwrap(), case["method"].as_str().unwrap());
                let request_ids = call["response"]["headers"]["x-request-id"].as_array();
                assert!(request_ids.is_some_and(|ids| ids.len() == 1), "{method} {path}: {call}");
                let operation = &document["paths"][path][method.to_ascii_lowercase()]["operationId"];
                let Some(operation) = operation.as_str().map(str::to_owned) else {
                    assert_eq!(call["response"]["status_code"], 405, "{method} {path} is no operation");
                    continue;
                };
                match call["response"]["status_code"].as_u64() {
                    Some(200..300) => calls.succeeded.insert(operation),
                    Some(400) => calls.refused.insert(operation),
                    _ => false,
                };
            }
        }
        calls
    }
}

/// A copy of an example's folder, in target, with the served document in it.
async fn example(world: &World, language: &str) -> tempfile::TempDir {
    let target = repository("target/examples");
    fs::create_dir_all(&target).unwrap();
    let folder = tempfile::tempdir_in(target).unwrap();
    for file in fs::read_dir(repository("deploy/examples").join(language)).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    fs::write(folder.path().join("openapi.yaml"), served(world, "/openapi.yaml").await).unwrap();
    folder
}

/// Runs an example as the portfolio office, and holds what it says to what there is. Each finds one project and
/// registers another.
async fn does_what_it_says(world: &World, command: &mut Command) {
    world.project().await;
    let told = agrees(
        command
            .env("GEVINST_URL", format!("http://{}", world.address))
            .env("GEVINST_TOKEN", world.token("office", &[Role::PortfolioOffice])),
    )
    .await;
    let list = pb::ListProjectsRequest { organisation: world.id(), ..Default::default() };
    let projects = world.office().call(list).await.unwrap().projects;
    let [found, registered] = &projects[..] else { panic!("{told}{projects:?}") };
    let expected = [
        format!("{} {}", found.number, found.title),
        format!("registered {} once: true", registered.number),
        format!("{} is in STAGE_IDEA", registered.number),
        "refused: the key belongs to another request".to_owned(),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        (registered.title.as_str(), registered.project_manager.as_str()),
        ("Færre breve på papir", "projektleder-p01")
    );
    // Its registration, and the retry that did nothing; the key's second use is no refusal of authority.
    assert_eq!(world.audited(&format!("object = \"{}\"", registered.id)).await.len(), 1);
}

#[tokio::test]
async fn typescript_client_generated_type_checked_and_used() {
    let world = World::new().await;
    let folder = example(&world, "typescript").await;
    let program = |name: &str| {
        let mut command = Command::new(tool(&format!("node_modules/.bin/{name}")));
        command.current_dir(folder.path());
        command
    };
    let modules = tool("node_modules").canonicalize().unwrap();
    std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).unwrap();
    // What the example asks for is what the tests have.
    let wanted: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("package.json")).unwrap()).unwrap();
    for (package, version) in
        ["dependencies", "devDependencies"].iter().flat_map(|kind| wanted[kind].as_object().unwrap())
    {
        let installed = fs::read_to_string(modules.join(package).join("package.json")).unwrap();
        assert_eq!(&serde_json::from_str::<Value>(&installed).unwrap()["version"], version, "{package}");
    }
    agrees(program("openapi-typescript").args(["openapi.yaml", "--output", "generated/gevinst.d.ts"])).await;
    agrees(&mut program("tsc")).await;
    does_what_it_says(&world, Command::new("node").arg("build/example.js").current_dir(folder.path())).await;
    // The types hold: what the document does not know is no TypeScript.
    let example = fs::read_to_string(folder.path().join("example.ts")).unwrap();
    fs::write(folder.path().join("example.ts"), example.replace("CLASS_SELF_SERVICE", "CLASS_UNHEARD_OF")).unwrap();
    let (code, told, _) = run(&mut program("tsc")).await;
    assert!(code != 0 && told.contains("CLASS_UNHEARD_OF\"' is not assignable"), "{code}: {told}");
}

#[tokio::test]
async fn python_client_generated_and_used() {
    let world = World::new().await;
    let folder = example(&world, "python").await;
    let wanted = fs::read_to_string(folder.path().join("requirements.txt")).unwrap();
    let pinned = fs::read_to_string(repository("tests/tools.sh")).unwrap();
    for package in wanted.lines() {
        assert!(pinned.lines().any(|line| line.trim() == package), "tests/tools.sh has another {package}");
    }
    let flags =
        ["generate", "--path", "openapi.yaml", "--config", "client.yaml", "--meta", "none", "--fail-on-warning"];
    agrees(
        Command::new(tool("venv/bin/openapi-python-client").canonicalize().unwrap())
            .args(flags)
            .args(["--output-path", "gevinst_client"])
            .current_dir(folder.path()),
    )
    .await;
    let python = std::path::absolute(tool("venv/bin/python")).unwrap();
    does_what_it_says(&world, Command::new(python).arg("example.py").current_dir(folder.path())).await;
}
