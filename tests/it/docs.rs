//! The page at `/docs`, as a reader's browser shows it.

use std::path::Path;

use gevinst::auth::Role;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{World, folder, tool};

const LIST_PROJECTS: &str = "get-/v1/organisations/-organisation-/projects";

#[tokio::test]
async fn page_read_and_tried_in_a_browser_shuts_nobody_out() {
    let world = World::new().await;
    world.project().await;
    let screenshot = match std::env::var_os("GEVINST_TEST_SCREENSHOT") {
        Some(path) => path.into(),
        None => folder("docs").join("docs.png"),
    };
    let output = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/docs.cjs"))
        .arg(format!("http://{}", world.address))
        .args([&world.token("office", &[Role::PortfolioOffice]), LIST_PROJECTS, &world.id()])
        .arg(&screenshot)
        .env("NODE_PATH", tool("node_modules"))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Everything is there, and a call tried on the page is answered.
    let methods = gevinst_proto::DESCRIPTOR_POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let with_a_path = methods.filter(|method| !method.is_client_streaming());
    assert_eq!(found["operations"].as_array().unwrap().len(), with_a_path.count());
    assert_eq!(found["tried"]["status"], 200, "{found}");
    assert_eq!(found["shown"], true, "the answer is on the page: {found}");
    // No script failed, no policy was broken, nobody else was asked.
    assert_eq!((&found["complaints"], &found["elsewhere"]), (&json!([]), &json!([])));
    // axe finds nothing that would shut a reader out, on any operation.
    let serious = |(kind, _): &(&String, &Value)| kind.starts_with("serious") || kind.starts_with("critical");
    let violations: Vec<_> = found["violations"].as_object().unwrap().iter().filter(serious).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(std::fs::metadata(&screenshot).unwrap().len() > 20_000);
}
