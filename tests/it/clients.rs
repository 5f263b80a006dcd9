//! Clients that nobody here wrote: Python's grpcio and Buf's curl. Both know the contract from server reflection alone.

use std::{fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use gevinst::auth::Role;
use prost::Message;
use serde_json::{Value, json};
use tokio::process::Command;
use tonic_types::pb::ErrorInfo;

use crate::harness::{World, tool};

/// What a client said: its exit code, its answer, its complaints.
pub async fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.kill_on_drop(true).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// `buf curl` with these flags, of a method or of the whole server.
async fn buf(world: &World, flags: &[&str], path: &str) -> (i32, String, String) {
    let url = format!("http://{}{path}", world.address);
    run(Command::new(tool("node_modules/.bin/buf")).arg("curl").args(flags).arg(url)).await
}

/// What a call of the portfolio office over `buf curl` answers.
async fn answer(world: &World, flags: &[&str], method: &str, request: &Value) -> Value {
    let token = format!("authorization: Bearer {}", world.token("office", &[Role::PortfolioOffice]));
    let request = request.to_string();
    let flags = [&["-H", &token, "-d", &request], flags].concat();
    let (code, answer, complaints) = buf(world, &flags, &format!("/gevinst.v1.{method}")).await;
    assert_eq!(code, 0, "{method} {flags:?}: {complaints}");
    serde_json::from_str(&answer).unwrap()
}

/// Finds the organisation, registers a project and reads it back.
async fn register_and_read_back(flags: &[&str]) {
    let world = World::new().await;
    let listed = answer(&world, flags, "OrganisationService/ListOrganisations", &json!({})).await;
    let organisation = &listed["organisations"][0]["id"];
    assert_eq!(organisation, &world.id());
    let unit = json!({"organisation": organisation, "name": "Borgerservice", "isOperationalArea": true});
    let unit = answer(&world, flags, "OrganisationService/CreateOrgUnit", &unit).await;
    let registration = json!({
        "organisation": organisation,
        "title": "Færre breve på papir",
        "vision": "Ét sted at spørge.",
        "orgUnit": unit["orgUnit"]["id"],
        "projectOwner": "project-owner",
        "projectManager": "manager",
        "projectClass": "PROJECT_CLASS_SELF_SERVICE",
    });
    let registered = answer(&world, flags, "ProjectService/RegisterProject", &registration).await;
    let project = &registered["project"];
    assert_eq!((&project["title"], &project["stage"]), (&registration["title"], &json!("STAGE_IDEA")));
    let lookup = json!({"organisation": organisation, "project": project["id"]});
    assert_eq!(answer(&world, flags, "ProjectService/GetProject", &lookup).await, registered);
}

#[tokio::test]
async fn python_grpcio_by_reflection_walks_the_spine_and_recomputes_it() {
    let world = World::new().await;
    let (code, told, complaints) = run(Command::new(tool("venv/bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/spine.py"))
        .env("PYTHONUTF8", "1")
        .env("GEVINST_ADDRESS", world.address.to_string())
        .env("GEVINST_ORGANISATION", world.id())
        .env("GEVINST_SUBMITTER", world.token("submitter", &[Role::PortfolioOffice, Role::SteeringGroup]))
        .env("GEVINST_DECIDER", world.token("decider", &[Role::SteeringGroup]))
        .env("GEVINST_OWNER", world.token("benefit-owner", &[Role::BenefitOwner])))
    .await;
    assert_eq!(code, 0, "{told}{complaints}");
    // What the script says it did is in the record.
    let decided = world.audited("action = \"gate.decide\"").await;
    let decided: Vec<_> = decided.iter().rev().map(|entry| (entry.actor.as_str(), entry.reason.as_str())).collect();
    assert_eq!(decided, [("submitter", "DECIDER_IS_SUBMITTER"), ("decider", "")]);
    assert_eq!(world.audited("actor = \"benefit-owner\" AND action = \"benefit.measure\"").await.len(), 5, "{told}");
}

#[tokio::test]
async fn buf_over_grpc_with_either_reflection_reads_back_what_it_registered() {
    for reflection in ["grpc-v1", "grpc-v1alpha"] {
        register_and_read_back(&["--protocol", "grpc", "--http2-prior-knowledge", "--reflect-protocol", reflection])
            .await;
    }
}

#[tokio::test]
async fn buf_over_grpc_web_on_the_same_port_reads_back_what_it_registered() {
    register_and_read_back(&["--protocol", "grpcweb", "--http2-prior-knowledge"]).await;
    // As a browser behind an old proxy: HTTP/1.1, which has no reflection, so the schema comes from a file.
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.binpb");
    fs::write(&schema, gevinst_proto::DESCRIPTOR_SET).unwrap();
    register_and_read_back(&["--protocol", "grpcweb", "--schema", schema.to_str().unwrap()]).await;
}

#[tokio::test]
async fn buf_refused_over_grpc_and_grpc_web_told_the_same_reason() {
    let world = World::new().await;
    for protocol in ["grpc", "grpcweb"] {
        let flags = ["--protocol", protocol, "--http2-prior-knowledge"];
        let (code, _, complaint) = buf(&world, &flags, "/gevinst.v1.OrganisationService/ListOrganisations").await;
        // The gRPC code, shifted left by three bits: that is how buf tells it.
        assert_eq!(code, (tonic::Code::Unauthenticated as i32) << 3, "{complaint}");
        let complaint: Value = serde_json::from_str(&complaint).unwrap();
        let details = complaint["details"].as_array().unwrap();
        let info = details.iter().find(|detail| detail["type"] == "google.rpc.ErrorInfo").unwrap();
        let info = BASE64_STANDARD_NO_PAD.decode(info["value"].as_str().unwrap().trim_end_matches('=')).unwrap();
        assert_eq!(ErrorInfo::decode(&info[..]).unwrap().reason, "TOKEN_MISSING", "{protocol}: {complaint}");
    }
}

#[tokio::test]
async fn buf_without_a_token_told_services_and_health() {
    let world = World::new().await;
    let (code, services, complaint) =
        buf(&world, &["--list-services", "--protocol", "grpc", "--http2-prior-knowledge"], "").await;
    assert_eq!(code, 0, "{complaint}");
    for service in ["gevinst.v1.GateService", "gevinst.v1.AuditService", "grpc.health.v1.Health"] {
        assert!(services.lines().any(|line| line == service), "{service} in {services}");
    }
    for request in [json!({}), json!({"service": "gevinst.v1.GateService"})] {
        let (request, path) = (request.to_string(), "/grpc.health.v1.Health/Check");
        let flags = ["--protocol", "grpc", "--http2-prior-knowledge", "-d", &request];
        let (code, health, complaint) = buf(&world, &flags, path).await;
        assert_eq!(code, 0, "{complaint}");
        assert_eq!(serde_json::from_str::<Value>(&health).unwrap(), json!({"status": "SERVING"}));
    }
}
