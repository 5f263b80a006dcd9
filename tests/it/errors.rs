//! What a caller is told when something is wrong, whoever noticed it.

use std::{sync::Arc, time::Duration};

use gevinst::{
    audit::Object,
    auth::{Action, Role, policy::Policies, token::Verifier},
    config::Secret,
    ctx::{App, Call, Ctx},
    db::Db,
    error::Language,
    ids::OrgUnit,
};
use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, Database, DatabaseTransaction, TransactionTrait};
use tonic::Code;

use crate::harness::{CLUSTER, ISSUER, World, config};

fn missing(world: &World) -> pb::GetProjectRequest {
    let project = "01999999-0000-7000-8000-00000000dead".to_owned();
    pb::GetProjectRequest { organisation: world.id(), project }
}

#[tokio::test]
async fn message_in_the_language_that_is_asked_for() {
    let world = World::new().await;
    for (asked, language, begins) in [
        (None, "da", "Der findes ingen"),
        (Some("da-DK,da;q=0.9,en;q=0.8"), "da", "Der findes ingen"),
        (Some("en-GB,en;q=0.9"), "en", "There is no"),
        (Some("fr, en;q=0.4, da;q=0.3"), "en", "There is no"),
        (Some("fr"), "da", "Der findes ingen"),
        (Some(";;q=,,\u{7f}"), "da", "Der findes ingen"),
    ] {
        let person = match asked {
            Some(asked) if asked.is_ascii() && !asked.contains('\u{7f}') => {
                world.office().with("accept-language", asked)
            }
            _ => world.office(),
        };
        let failure = person.call(missing(&world)).await.unwrap_err();
        assert_eq!(failure.localized.0, language, "{asked:?}");
        assert!(failure.localized.1.starts_with(begins), "{asked:?} {failure:?}");
    }
}

#[tokio::test]
async fn every_failure_carries_request_and_trace_ids() {
    let world = World::new().await;
    let traced = world
        .office()
        .with("x-request-id", "sag-17.4_b")
        .with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
    let failure = traced.call(missing(&world)).await.unwrap_err();
    assert_eq!(
        (failure.request_id.as_str(), failure.trace_id.as_str()),
        ("sag-17.4_b", "0af7651916cd43dd8448eb211c80319c")
    );
    // What is malformed is passed over, not repeated.
    let odd = world.stranger(None).with("x-request-id", "a b\"c").with("traceparent", "00-xyz");
    let failure = odd.call(missing(&world)).await.unwrap_err();
    assert!(uuid::Uuid::try_parse(&failure.request_id).is_ok(), "{failure:?}");
    assert!(failure.trace_id.len() == 32 && failure.trace_id != "0".repeat(32), "{failure:?}");
}

#[tokio::test]
async fn trace_of_a_caller_who_is_not_trusted_linked_and_not_continued() {
    let mut settings = config();
    settings.trust_traceparent = false;
    let world = World::with(settings).await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let failure = world.office().with("traceparent", traceparent).call(missing(&world)).await.unwrap_err();
    assert!(failure.trace_id.len() == 32 && failure.trace_id != "0af7651916cd43dd8448eb211c80319c", "{failure:?}");
}

#[tokio::test]
async fn text_with_a_control_character_refused_and_named() {
    let world = World::new().await;
    let unit = world.unit("Tekst").await;
    for title in ["a\0b", "\u{1b}[31mrød", "\u{7f}", "\u{85}"] {
        let failure = world.office().call(world.registration(&unit, title)).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{title:?} {failure:?}");
        assert_eq!(failure.fields, ["title"]);
    }
    world.office().call(world.registration(&unit, "to\nlinjer\tog \u{1f600}")).await.unwrap();
    // Past the filter's own check, in a page token that nobody issued: still the caller's to mend.
    let filter =
        pb::ListProjectsRequest { organisation: world.id(), filter: "title = \"\0\"".into(), ..Default::default() };
    let failure = world.office().call(filter).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
}

#[tokio::test]
async fn request_id_and_idempotency_key_are_no_place_for_personal_numbers() {
    let world = World::new().await;
    let unit = world.unit("Nummer").await;
    let failure = world.office().key("sag-010190-1234").call(world.registration(&unit, "x")).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "IDEMPOTENCY_KEY_INVALID"), "{failure:?}");
    let failure = world.office().with("x-request-id", "010190-1234").call(missing(&world)).await.unwrap_err();
    assert_ne!(failure.request_id, "010190-1234");
}

#[tokio::test]
async fn organisation_that_the_token_names_and_nobody_founded_not_found() {
    let world = World::new().await;
    let nowhere = uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_dead);
    let token = ISSUER.token("office", nowhere, &[Role::PortfolioOffice]).unwrap();
    let office = world.stranger(Some(token));
    let unit =
        pb::CreateOrgUnitRequest { organisation: nowhere.to_string(), name: "Intet".into(), ..Default::default() };
    for office in [office.clone(), office.key("nowhere")] {
        let failure = office.call(unit.clone()).await.unwrap_err();
        assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
        assert_eq!(failure.metadata["id"], nowhere.to_string());
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_the_callers_and_named() {
    let world = World::new().await;
    let path = "/gevinst.v1.ProjectService/GetProject";
    let office = world.office().over_grpc();
    let failure = office.call_bytes(path, vec![0xff; 9]).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "MESSAGE_INVALID"), "{failure:?}");
    let failure = office.call_bytes(path, vec![0; 2 * 1024 * 1024]).await.unwrap_err();
    assert_eq!(failure.reason, "MESSAGE_INVALID", "{failure:?}");
    for path in ["/gevinst.v1.ProjectService/DeleteEverything", "/gevinst.v2.ProjectService/GetProject"] {
        let failure = office.call_bytes(path, Vec::new()).await.unwrap_err();
        assert!(failure.is(Code::Unimplemented, "METHOD_UNKNOWN"), "{path} {failure:?}");
    }
}

/// Holds up every command of the organisation, until it is dropped or rolled back.
pub async fn hold_up(world: &World) -> DatabaseTransaction {
    let admin = Database::connect(&CLUSTER.admin).await.unwrap();
    let blocker = admin.begin().await.unwrap();
    let lock = format!("SELECT 1 FROM organisations WHERE id = '{}' FOR UPDATE", world.organisation);
    blocker.execute_unprepared(&lock).await.unwrap();
    blocker
}

/// Waits until a command waits for the blocker: it has been accepted, and is at work.
async fn until_held_up(blocker: &DatabaseTransaction) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))";
    loop {
        // The transaction's own view of the activity stands still unless it is told to look again.
        blocker.execute_unprepared("SELECT pg_stat_clear_snapshot()").await.unwrap();
        let row = blocker.query_one_raw(gevinst::db::postgres(sql, [])).await.unwrap().unwrap();
        if row.try_get_by_index::<i64>(0).unwrap() > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn over_the_limit_of_calls_refused_while_others_are_served() {
    let mut settings = config();
    settings.max_concurrent_calls = 1;
    let world = World::with(settings).await;
    let unit = world.unit("Kø").await;
    // One registration waits for this lock; the next call finds the only place taken.
    let blocker = hold_up(&world).await;
    let (office, request) = (world.office(), world.registration(&unit, "Venter"));
    let waiting = tokio::spawn(async move { office.call(request).await });
    until_held_up(&blocker).await;
    let refused = world.office().call(missing(&world)).await.unwrap_err();
    assert!(refused.is(Code::ResourceExhausted, "OVERLOADED"), "{refused:?}");
    blocker.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(world.office().call(missing(&world)).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn deadline_over_told_so_and_the_retry_finds_what_was_done() {
    let world = World::new().await;
    let unit = world.unit("Frist").await;
    let blocker = hold_up(&world).await;
    let request = world.registration(&unit, "Nåede det ikke");
    let hurried = world.office().key("hurried").within(Duration::from_secs(2));
    let failure = hurried.call(request.clone()).await.unwrap_err();
    assert_eq!(failure.code, Code::DeadlineExceeded, "{failure:?}");
    blocker.rollback().await.unwrap();
    // The command went on without its caller; the same key gives its answer.
    world.office().key("hurried").call(request).await.unwrap();
    assert_eq!(world.audited("action = \"project.register\"").await.len(), 1);
}

#[tokio::test]
async fn deadline_of_the_service_over_told_with_details() {
    let mut settings = config();
    settings.max_deadline = Duration::from_millis(500);
    let world = World::with(settings).await;
    let unit = world.unit("Længe").await;
    let blocker = hold_up(&world).await;
    // However long the caller would wait.
    let patient = world.office().key("patient").within(Duration::from_secs(60));
    let failure = patient.call(world.registration(&unit, "For længe")).await.unwrap_err();
    assert!(failure.is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"), "{failure:?}");
    assert!(!failure.request_id.is_empty() && failure.localized.0 == "da", "{failure:?}");
    blocker.rollback().await.unwrap();
    world.office().key("patient").call(world.registration(&unit, "For længe")).await.unwrap();
    let projects = pb::ListProjectsRequest { organisation: world.id(), ..Default::default() };
    assert_eq!(world.office().call(projects).await.unwrap().projects.len(), 1);
}

#[tokio::test]
async fn panic_in_a_command_internal_and_nothing_of_it_stays() {
    let world = World::new().await;
    let unit = world.unit("Panik").await;
    let token = ISSUER.token("office", world.organisation, &[Role::PortfolioOffice]).unwrap();
    let verifier = Verifier::new(&config().issuers).await.unwrap();
    let caller = verifier.verify(format!("Bearer {token}").as_bytes(), None).await.unwrap();
    let url = Secret::new(&CLUSTER.runtime);
    let db = Db::connect(&url, "test", 1, Duration::from_secs(5)).await.unwrap();
    let call = Call {
        request_id: "panic".to_owned(),
        trace_id: "0".repeat(32),
        language: Language::Danish,
        method: "test".to_owned(),
        idempotency_key: None,
        recorded: false.into(),
    };
    let message = pb::GetOrganisationRequest { organisation: world.id() };
    let app = Arc::new(App::new(db, world.clock.clone(), Policies::load(None).unwrap()));
    let ctx = Ctx::new(app, Arc::new(call), Arc::new(caller), None, &message).unwrap();
    let sql = format!("UPDATE org_units SET name = 'Halvt' WHERE id = '{}'", unit.id);
    let answer = ctx.command::<pb::GetOrganisationResponse, _, _>(
        Action::OrgUnitUpdate,
        Object::new::<OrgUnit>(),
        async move |command| {
            command.tx().execute_unprepared(&sql).await.unwrap();
            panic!("half way")
        },
    );
    assert_eq!(answer.await.unwrap_err().reason_name(), "INTERNAL");
    let request = pb::GetOrgUnitRequest { organisation: world.id(), org_unit: unit.id.clone() };
    assert_eq!(world.office().call(request).await.unwrap().org_unit.unwrap(), unit);
}

#[tokio::test]
async fn probes_and_metrics_answer_on_the_admin_port() {
    let world = World::new().await;
    world.office().call(missing(&world)).await.unwrap_err();
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", world.admin)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/livez").await.0, 200);
    assert_eq!(get("/readyz").await, (200, "ok\n".to_owned()));
    let (status, metrics) = get("/metrics").await;
    assert_eq!(status, 200);
    let counted = "gevinst_calls_total{method=\"gevinst.v1.ProjectService/GetProject\",code=\"NOT_FOUND\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains("gevinst_call_duration_seconds_bucket") && metrics.contains("gevinst_build_info"));
}

#[tokio::test]
async fn shutdown_finishes_what_it_accepted() {
    let world = World::new().await;
    let unit = world.unit("Sidst").await;
    let blocker = hold_up(&world).await;
    let (office, request) = (world.office(), world.registration(&unit, "Sidste kald"));
    let accepted = tokio::spawn(async move { office.call(request).await });
    until_held_up(&blocker).await;
    let stopping = tokio::spawn(world.stop());
    blocker.rollback().await.unwrap();
    assert!(accepted.await.unwrap().is_ok());
    stopping.await.unwrap();
}
