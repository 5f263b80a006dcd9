//! The invariants of the code that a reader relies on (`services/gevinst/src/lib.rs` lists them), held over its text.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below a folder, as (path below it, text without its unit tests).
fn sources(below: &str) -> Vec<(String, String)> {
    let top = root().join(below);
    let mut folders = vec![top.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path.strip_prefix(&top).unwrap().display().to_string(), code));
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {below}");
    found
}

/// Lines of code: comments may name anything.
fn lines(code: &str) -> impl Iterator<Item = &str> {
    code.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

/// The files whose code has one of these words.
fn naming(files: &[(String, String)], words: &[&str]) -> Vec<String> {
    let names = |code: &str| lines(code).any(|line| words.iter().any(|word| line.contains(word)));
    let mut found: Vec<String> = files.iter().filter(|(_, code)| names(code)).map(|(path, _)| path.clone()).collect();
    found.sort();
    found
}

#[test]
fn invariant_1_rules_and_appraisal_know_no_io_no_transport_no_database() {
    let rules: Vec<_> =
        sources("services/gevinst/src").into_iter().filter(|(path, _)| path.ends_with("rules.rs")).collect();
    assert!(rules.len() >= 3);
    let words =
        ["tonic", "axum", "prost", "sea_orm", "sqlx", "tokio", "std::fs", "std::net", "std::io", "gevinst_proto"];
    assert_eq!(naming(&rules, &words), Vec::<String>::new());
    assert_eq!(naming(&sources("services/appraisal/src"), &words), Vec::<String>::new());
    let manifest = fs::read_to_string(root().join("services/appraisal/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split('[').next().unwrap();
    let dependencies: Vec<&str> = dependencies.split_whitespace().filter(|word| word.ends_with(".workspace")).collect();
    assert_eq!(dependencies, ["rust_decimal.workspace"]);
}

#[test]
fn invariant_2_transport_named_at_the_edge_only() {
    let words = ["tonic::", "tonic_health::", "tonic_reflection::", "tonic_types::", "tonic_web::", "axum::"];
    let allowed = [
        "access/grpc.rs",
        "audit/grpc.rs",
        "auth/mod.rs",
        "benefits/grpc.rs",
        "benefits/map/grpc.rs",
        "benefits/reports/grpc.rs",
        "conditions/grpc.rs",
        "connections.rs",
        // A client of the API, like any other.
        "dev/demo.rs",
        "dossier/grpc.rs",
        "error.rs",
        "funding/grpc.rs",
        "gates/grpc.rs",
        "lessons/grpc.rs",
        "organisations/grpc.rs",
        "plans/grpc.rs",
        "projects/grpc.rs",
        "realisation/grpc.rs",
        "server.rs",
        "strategy/grpc.rs",
        "web.rs",
        "web/pages.rs",
    ];
    assert_eq!(naming(&sources("services/gevinst/src"), &words), allowed);
}

#[test]
fn invariant_3_status_codes_named_in_error_rs_only() {
    // Gates have codes of their own, processes too, and HTTP has some for probes.
    let files: Vec<_> = sources("services/gevinst/src")
        .into_iter()
        .map(|(path, code)| {
            (path, code.replace("GateCode::", "").replace("StatusCode::", "").replace("ExitCode::", ""))
        })
        .collect();
    let words = ["Code::", "Status::new(Code", "Status::internal", "Status::not_found", "Status::with_"];
    assert_eq!(naming(&files, &words), ["error.rs"]);
}

#[test]
fn invariant_4_transactions_begun_and_committed_in_one_place() {
    let files = sources("services/gevinst/src");
    assert_eq!(naming(&files, &[".begin(", "TransactionTrait"]), ["ctx.rs", "db.rs"]);
    assert_eq!(naming(&files, &[".commit("]), ["ctx.rs", "db.rs"]);
    let ctx = &files.iter().find(|(path, _)| path == "ctx.rs").unwrap().1;
    let code: Vec<&str> = lines(ctx).collect();
    for (number, line) in code.iter().enumerate().filter(|(_, line)| line.contains(".commit(")) {
        let before = &code[number.saturating_sub(2)..number];
        let recorded = before.iter().any(|line| line.starts_with("audit::record("));
        assert!(recorded, "the entry stands right before the commit: {line}");
    }
}

#[test]
fn invariant_5_finders_are_scoped() {
    for (path, code) in sources("services/gevinst/src") {
        if !path.ends_with("entity.rs") {
            assert!(!code.contains("Entity::find()"), "{path} has a lookup of its own: it belongs in entity.rs");
            continue;
        }
        let functions = code.split("pub fn find").skip(1).chain(code.split("pub async fn ").skip(1));
        for function in functions {
            let signature = function.split('{').next().unwrap();
            // A command stands in one.
            let scoped = ["OrganisationId", "Registration", "&Command"].iter().any(|word| signature.contains(word));
            assert!(scoped, "{path}: fn …{signature} is not scoped to an organisation");
        }
    }
}

#[test]
fn invariant_8_no_trait_with_one_implementation_no_macro_by_the_dozen() {
    let files = sources("services/gevinst/src");
    let all: String = files.iter().map(|(_, code)| code.as_str()).collect();
    let traits: Vec<&str> = all
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub trait "))
        .map(|rest| rest.split([' ', ':']).next().unwrap())
        .collect();
    // `Kind` is implemented once for each kind of object, by the macro that lists them.
    assert_eq!(traits, ["Kind"]);
    assert_eq!(all.matches("macro_rules!").count(), 1);
}

#[test]
fn nothing_is_put_off() {
    for below in ["services", "migrations", "proto/gevinst", "tests/it", "deploy"] {
        let folder = root().join(below);
        let output = std::process::Command::new("grep")
            .args(["-rnE", concat!("TO", "DO|FIX", "ME|#\\[igno", "re|todo!\\(|unimplemented!\\(|unsafe \\{")])
            .arg(&folder)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "in {below}");
    }
}
