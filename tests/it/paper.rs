//! Decision papers: a review to read and print, from its frozen basis.

use std::path::Path;

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome};
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::process::Command;
use tonic::Code;

use crate::harness::{World, folder, tool};

fn ask(world: &World, review: &pb::GateReview) -> pb::GetDecisionPaperRequest {
    pb::GetDecisionPaperRequest {
        organisation: world.id(),
        project: review.project.clone(),
        gate_review: review.id.clone(),
        language: 0,
    }
}

fn url(world: &World, review: &pb::GateReview) -> String {
    let (address, organisation, project) = (world.address, world.id(), &review.project);
    format!("http://{address}/v1/organisations/{organisation}/projects/{project}/gate-reviews/{}/paper", review.id)
}

async fn paper(world: &World, request: pb::GetDecisionPaperRequest) -> String {
    let body = world.office().call(request).await.unwrap().paper.unwrap();
    assert_eq!(body.content_type, "text/html; charset=utf-8");
    String::from_utf8(body.data).unwrap()
}

async fn fetched(world: &World, url: &str, token: &str) -> (u16, HeaderMap, String) {
    let answer = world.client.get(url).bearer_auth(token).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.text().await.unwrap())
}

#[tokio::test]
async fn paper_over_both_protocols_the_same_page() {
    let world = World::new().await;
    let project = world.project().await;
    world.benefit(&project, "46", "35.50").await;
    let review = world.submitted(&project, GateCode::G1).await;
    let body = world.office().over_grpc().call(ask(&world, &review)).await.unwrap().paper.unwrap();
    let page = String::from_utf8(body.data).unwrap();
    let token = world.token("office", &[Role::PortfolioOffice]);
    let (status, headers, over_http) = fetched(&world, &url(&world, &review), &token).await;
    assert_eq!((status, &over_http), (200, &page));
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    for text in
        ["lang=\"da\"", &project.number, "Er idéen værd at undersøge", "Idé til analyse", "35,5", "ikke truffet"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    let english = format!("{}?language=PAPER_LANGUAGE_ENGLISH", url(&world, &review));
    let (_, _, over_http) = fetched(&world, &english, &token).await;
    let request = pb::GetDecisionPaperRequest { language: pb::PaperLanguage::English.into(), ..ask(&world, &review) };
    assert_eq!(over_http, paper(&world, request).await);
    for text in ["lang=\"en\"", "Is the idea worth examining", "35.5", "The decision has not been made yet."] {
        assert!(over_http.contains(text), "{text}: {over_http}");
    }
}

#[tokio::test]
async fn paper_of_what_was_frozen_with_what_came_after_apart() {
    let world = World::new().await;
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let before = paper(&world, ask(&world, &review)).await;
    let rename = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { title: Some("Et andet navn".to_owned()), ..Default::default() }),
        update_mask: None,
        etag: world.reread(&project).await.etag,
        validate_only: false,
    };
    world.office().call(rename).await.unwrap();
    world.steering().call(world.decision(&review, GateOutcome::Hold)).await.unwrap();
    let after = paper(&world, ask(&world, &review)).await;
    let parts = |page: &str| {
        let (frozen, later) = page.split_once("<section class=\"after\">").unwrap();
        (frozen.to_owned(), later.split_once("</section>").unwrap().0.to_owned())
    };
    let ((frozen_before, waiting), (frozen_after, decided)) = (parts(&before), parts(&after));
    assert_eq!(frozen_before, frozen_after);
    assert!(frozen_after.contains("Et projekt") && !after.contains("Et andet navn"));
    assert!(waiting.contains("Ingen har svaret endnu"));
    for text in ["Ikke nu: på hold", "dagligdagen kan ikke bære forandringen nu", "Godt begrundet.", "steering"] {
        assert!(decided.contains(text), "{text}: {decided}");
    }
    let sha256 = &review.decision_basis.unwrap().sha256;
    assert!(after.contains(sha256.as_str()) && after.contains("sha256sum"));
}

#[tokio::test]
async fn paper_verified_by_its_own_instruction() {
    let world = World::new().await;
    let review = world.submitted(&world.project().await, GateCode::G1).await;
    let page = paper(&world, ask(&world, &review)).await;
    let command = page.split("<code class=\"block\">").nth(2).unwrap().split_once("</code>").unwrap().0;
    let command = command.replace("&quot;", "\"").replace("&amp;", "&");
    let output = Command::new("sh")
        .args(["-c", &command])
        .env("GEVINST", format!("http://{}", world.address))
        .env("TOKEN", world.token("office", &[Role::PortfolioOffice]))
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let sha256 = review.decision_basis.unwrap().sha256;
    assert_eq!(
        printed.split_whitespace().next(),
        Some(sha256.as_str()),
        "{command}: {output:?}",
        output = output.stderr
    );
}

#[tokio::test]
async fn paper_of_a_draft_refused_also_when_withdrawn() {
    let world = World::new().await;
    let project = world.project().await;
    let request = pb::DraftGateReviewRequest {
        organisation: world.id(),
        project: project.id.clone(),
        gate: GateCode::G1.into(),
        ..Default::default()
    };
    let draft = world.office().call(request).await.unwrap().gate_review.unwrap();
    let office = world.office();
    let failure = office.call(ask(&world, &draft)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_SUBMITTED"), "{failure:?}");
    let withdrawal = pb::WithdrawGateReviewRequest {
        organisation: world.id(),
        project: project.id.clone(),
        gate_review: draft.id.clone(),
        reason: "Ikke nu.".to_owned(),
        validate_only: false,
    };
    world.office().call(withdrawal).await.unwrap();
    let failure = office.call(ask(&world, &draft)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_NOT_SUBMITTED"), "{failure:?}");
}

#[tokio::test]
async fn paper_of_nothing_not_found_of_an_unknown_language_refused_for_nobody_denied() {
    let world = World::new().await;
    let review = world.submitted(&world.project().await, GateCode::G1).await;
    let missing = pb::GetDecisionPaperRequest { gate_review: review.project.clone(), ..ask(&world, &review) };
    let failure = world.office().call(missing).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    let unknown = pb::GetDecisionPaperRequest { language: 7, ..ask(&world, &review) };
    let failure = world.office().call(unknown).await.unwrap_err();
    assert_eq!((failure.code, &failure.fields[..]), (Code::InvalidArgument, &["language".to_owned()][..]));
    let failure = world.person("nobody", &[]).call(ask(&world, &review)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    // A refusal is told as every other is, and is no page.
    let (status, headers, body) = fetched(&world, &url(&world, &review), &world.token("nobody", &[])).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (403, "application/json"));
    assert_eq!(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], "PERMISSION_DENIED");
}

#[tokio::test]
async fn paper_with_markup_in_its_texts_shows_it() {
    let world = World::new().await;
    let unit = world.unit("<b>Enhed</b>").await;
    let registration = world.registration(&unit, "<script>alert('x')</script>");
    let project = world.office().call(registration).await.unwrap().project.unwrap();
    let review = world.submitted(&project, GateCode::G1).await;
    let decision = pb::DecideGateReviewRequest {
        reason: "<img src=x onerror=alert(1)>".to_owned(),
        ..world.decision(&review, GateOutcome::Recycle)
    };
    world.steering().call(decision).await.unwrap();
    let page = paper(&world, ask(&world, &review)).await;
    for tag in ["<script", "<b>", "<img"] {
        assert!(!page.contains(tag), "{tag}: {page}");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("&lt;img src=x"));
}

#[tokio::test]
async fn paper_in_a_browser_shuts_nobody_out_and_prints() {
    let world = World::shipped().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "46", "35.50").await;
    world.office().call(world.measurement(&benefit, "41", "2026-01-31")).await.unwrap();
    let submission = pb::SubmitGateReviewRequest { amount_ore: 45_000_000, ..world.submission(&project, GateCode::G1) };
    let review = world.office().call(submission).await.unwrap().gate_review.unwrap();
    world.steering().call(world.decision(&review, GateOutcome::Hold)).await.unwrap();
    let screenshot = match std::env::var_os("GEVINST_TEST_PAPER_SCREENSHOT") {
        Some(path) => path.into(),
        None => folder("paper").join("paper.png"),
    };
    let output = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/paper.cjs"))
        .args([&url(&world, &review), &world.token("office", &[Role::PortfolioOffice])])
        .arg(&screenshot)
        .env("NODE_PATH", tool("node_modules"))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let headers = &found["headers"];
    assert_eq!((&found["status"], &headers["x-content-type-options"]), (&json!(200), &json!("nosniff")), "{found}");
    let policy = headers["content-security-policy"].as_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert_eq!((&found["lang"], &found["collapse"]), (&json!("da"), &json!("collapse")), "{found}");
    assert_eq!(found["title"], format!("{} Et projekt – Beslutningsgrundlag G1", project.number));
    // Nothing failed, nobody else was asked, and what is not the page's does nothing in it.
    assert_eq!((&found["complaints"], &found["elsewhere"]), (&json!([]), &json!([])));
    assert_eq!((&found["hidden"], &found["wide"]), (&json!(false), &json!(false)));
    assert_eq!(found["violations"], json!([]));
    assert!((1..=3).contains(&found["pages"].as_u64().unwrap()), "{found}");
}
