//! Projects: registration, numbering, lists, changes, archiving.

use std::collections::BTreeSet;

use gevinst::auth::Role;
use gevinst_proto::v1 as pb;
use prost_types::FieldMask;
use sea_orm::{ConnectionTrait, TransactionTrait};
use tonic::Code;

use crate::harness::{Failure, World};

fn get(world: &World, project: &str) -> pb::GetProjectRequest {
    pb::GetProjectRequest { organisation: world.id(), project: project.to_owned() }
}

fn list(world: &World) -> pb::ListProjectsRequest {
    pb::ListProjectsRequest { organisation: world.id(), ..Default::default() }
}

fn update(world: &World, project: &pb::Project, changes: pb::ProjectChanges) -> pb::UpdateProjectRequest {
    pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(changes),
        update_mask: None,
        etag: project.etag.clone(),
        validate_only: false,
    }
}

fn title(title: &str) -> pb::ProjectChanges {
    pb::ProjectChanges { title: Some(title.to_owned()), ..Default::default() }
}

#[tokio::test]
async fn register_six_fields_numbered_and_in_idea() {
    let world = World::new().await;
    let unit = world.unit("Borgerservice").await;
    let request = world.registration(&unit, "Voicebot");
    let project = world.office().call(request.clone()).await.unwrap().project.unwrap();

    let year = world.clock.now().year();
    assert_eq!(project.number, format!("PRK-{year}-001"));
    assert_eq!(project.stage(), pb::Stage::Idea);
    assert_eq!(project.status(), pb::ProjectStatus::Active);
    assert_eq!(project.org_unit, unit.id);
    assert_eq!((project.title.as_str(), project.archived), ("Voicebot", false));
    assert_eq!(world.reread(&project).await, project, "a read gives what the registration answered");
    let second = world.manager().call(request).await.unwrap().project.unwrap();
    assert_eq!(second.number, format!("PRK-{year}-002"));
}

#[tokio::test]
async fn register_around_new_year_numbered_by_the_danish_year() {
    let world = World::new().await;
    let unit = world.unit("Teknik").await;
    let now = world.clock.now();
    // 23:30 UTC on the last day of the year is half past midnight in Denmark.
    let eve = time::macros::datetime!(2026-12-31 23:30 UTC).replace_year(now.year()).unwrap();
    world.clock.advance(eve - now);
    let late = world.office().call(world.registration(&unit, "Nytår")).await.unwrap().project.unwrap();
    assert_eq!(late.number, format!("PRK-{}-001", now.year() + 1));
    world.clock.advance(-time::Duration::hours(1));
    let early = world.office().call(world.registration(&unit, "Nytårsaften")).await.unwrap().project.unwrap();
    assert_eq!(early.number, format!("PRK-{}-001", now.year()));
}

#[tokio::test]
async fn register_empty_each_mandatory_field_named() {
    let world = World::new().await;
    let request = pb::RegisterProjectRequest { organisation: world.id(), ..Default::default() };
    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
    let fields: BTreeSet<&str> = failure.fields.iter().map(String::as_str).collect();
    let six = ["org_unit", "project_class", "project_manager", "project_owner", "title", "vision"];
    assert_eq!(fields, BTreeSet::from(six));
}

#[tokio::test]
async fn register_as_reader_denied_with_what_it_needs() {
    let world = World::new().await;
    let unit = world.unit("HR").await;
    let reader = world.person("reader", &[Role::Reader]);
    let failure = reader.call(world.registration(&unit, "Nej")).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    assert_eq!(failure.metadata["action"], "project.register");
    assert_eq!(failure.metadata["needs"], "portfolio-office, project-manager, area-leader or integration");
}

#[tokio::test]
async fn register_in_unit_that_is_not_there_not_found() {
    let world = World::new().await;
    let ghost = pb::OrgUnit { id: "01999999-0000-7000-8000-00000000dead".to_owned(), ..Default::default() };
    let failure = world.office().call(world.registration(&ghost, "Spøgelse")).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    assert_eq!(failure.metadata["type"], "org_unit");
}

#[tokio::test]
async fn register_personal_number_in_text_refused_and_kept_nowhere() {
    let world = World::new().await;
    let unit = world.unit("Jobcenter").await;
    let request = world.registration(&unit, "Sag om 010190-1234");
    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "PERSONAL_NUMBER_REFUSED"), "{failure:?}");
    assert_eq!(failure.fields, ["title"]);
    assert!(!failure.localized.1.contains("010190"), "the message repeats no personal number");
}

#[tokio::test]
async fn register_validate_only_answers_and_changes_nothing() {
    let world = World::new().await;
    let unit = world.unit("Kultur").await;
    let dry = pb::RegisterProjectRequest { validate_only: true, ..world.registration(&unit, "Prøve") };
    let would_be = world.office().call(dry.clone()).await.unwrap().project.unwrap();
    assert!(would_be.number.ends_with("-001"));
    let failure = world.office().call(get(&world, &would_be.id)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"));
    // Nor is its key taken, nor its number, nor is it audited as done.
    world.office().key("dry").call(dry).await.unwrap();
    let real = world.office().key("dry").call(world.registration(&unit, "Prøve")).await.unwrap();
    assert!(real.project.unwrap().number.ends_with("-001"));
    assert_eq!(world.audited("action = \"project.register\"").await.len(), 1);
}

#[tokio::test]
async fn register_same_key_fifty_times_at_once_makes_one_project() {
    let world = World::new().await;
    let unit = world.unit("Skole").await;
    let request = world.registration(&unit, "Én gang");
    let calls = (0..50).map(|_| {
        let (office, request) = (world.office().key("same-key"), request.clone());
        tokio::spawn(async move { office.call(request).await })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap().unwrap().project.unwrap());
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]), "all fifty get the same answer");
    assert_eq!(world.office().call(list(&world)).await.unwrap().projects.len(), 1);
    assert_eq!(world.audited("action = \"project.register\"").await.len(), 1);
}

#[tokio::test]
async fn register_same_key_other_request_refused_other_caller_free() {
    let world = World::new().await;
    let unit = world.unit("Miljø").await;
    world.office().key("k").call(world.registration(&unit, "Første")).await.unwrap();
    let failure = world.office().key("k").call(world.registration(&unit, "Anden")).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED"), "{failure:?}");
    world.manager().key("k").call(world.registration(&unit, "Anden")).await.unwrap();
}

#[tokio::test]
async fn register_refused_key_not_spent() {
    let world = World::new().await;
    let unit = world.unit("Ældre").await;
    let reader = world.person("someone", &[Role::Reader]);
    reader.key("again").call(world.registration(&unit, "Igen")).await.unwrap_err();
    let promoted = world.person("someone", &[Role::PortfolioOffice]);
    promoted.key("again").call(world.registration(&unit, "Igen")).await.unwrap();
}

#[tokio::test]
async fn register_key_after_the_window_taken_anew() {
    let world = World::new().await;
    let unit = world.unit("Vand").await;
    let request = world.registration(&unit, "Efter en uge");
    let first = world.office().key("weekly").call(request.clone()).await.unwrap();
    world.clock.advance(time::Duration::days(8));
    let second = world.office().key("weekly").call(request.clone()).await.unwrap();
    assert_ne!(first.project.unwrap().id, second.project.clone().unwrap().id);
    let again = world.office().key("weekly").call(request).await.unwrap();
    assert_eq!(again, second, "taken anew, the key holds again");
}

#[tokio::test]
async fn register_keys_that_have_expired_swept_out_by_later_ones() {
    let world = World::new().await;
    let unit = world.unit("Oprydning").await;
    for number in 0..6 {
        world.office().key(&format!("old-{number}")).call(world.registration(&unit, "Gammel")).await.unwrap();
    }
    world.clock.advance(time::Duration::days(8));
    for number in 0..3 {
        world.office().key(&format!("new-{number}")).call(world.registration(&unit, "Ny")).await.unwrap();
    }
    let db = crate::harness::runtime_role().await;
    let tx = db.begin().await.unwrap();
    tx.execute_unprepared(&format!(
        "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{{{0}}}}}', true)",
        world.organisation
    ))
    .await
    .unwrap();
    let count = gevinst::db::postgres("SELECT count(*) FROM idempotency_records", []);
    let left = tx.query_one_raw(count).await.unwrap().unwrap();
    assert_eq!(left.try_get_by_index::<i64>(0).unwrap(), 3);
}

#[tokio::test]
async fn register_key_that_is_none_refused() {
    let world = World::new().await;
    let unit = world.unit("Vej").await;
    for key in ["", " ", &"x".repeat(129), "mel lem"] {
        let failure = world.office().key(key).call(world.registration(&unit, "Nøgle")).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "IDEMPOTENCY_KEY_INVALID"), "{key:?} {failure:?}");
    }
}

#[tokio::test]
async fn register_64_at_once_with_failures_injected_numbers_gapless() {
    let world = World::new().await;
    let unit = world.unit("Børn").await;
    // The failure comes after the number is given: at the very end of the transaction, when the constraint trigger runs.
    let admin = sea_orm::Database::connect(&crate::harness::CLUSTER.admin).await.unwrap();
    let organisation = world.organisation.simple();
    let sql = format!(
        "CREATE FUNCTION fail_{organisation}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.organisation_id = '{0}' AND NEW.title LIKE 'Fejler%' THEN RAISE EXCEPTION 'injected'; END IF; \
             RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER fail_{organisation} AFTER INSERT ON projects DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION fail_{organisation}()",
        world.organisation
    );
    admin.execute_unprepared(&sql).await.unwrap();

    let calls: Vec<_> = (0..96)
        .map(|number| {
            let title = if number % 3 == 0 { format!("Fejler {number}") } else { format!("Lykkes {number}") };
            let (office, request) = (world.office(), world.registration(&unit, &title));
            tokio::spawn(async move { office.call(request).await })
        })
        .collect();
    let mut numbers = BTreeSet::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => assert!(numbers.insert(answer.project.unwrap().number), "no number is given twice"),
            Err(failure) => assert!(failure.is(Code::Internal, "INTERNAL"), "{failure:?}"),
        }
    }
    let year = world.clock.now().year();
    let gapless: BTreeSet<String> = (1..=64).map(|number| format!("PRK-{year}-{number:03}")).collect();
    assert_eq!(numbers, gapless);
    assert_eq!(world.audited("action = \"project.register\" AND outcome = DONE").await.len(), 64);
    let undo = format!("DROP TRIGGER fail_{organisation} ON projects; DROP FUNCTION fail_{organisation}()");
    admin.execute_unprepared(&undo).await.unwrap();
}

#[tokio::test]
async fn get_invalid_id_names_the_field() {
    let world = World::new().await;
    let failure = world.office().call(get(&world, "HED-2026-014")).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
    assert_eq!(failure.fields, ["project"]);
}

#[tokio::test]
async fn list_filters_orders_and_pages() {
    let world = World::new().await;
    let (here, there) = (world.unit("Her").await, world.unit("Der").await);
    for number in 0..25 {
        let unit = if number % 5 == 0 { &there } else { &here };
        world.office().call(world.registration(unit, &format!("Projekt {number:02}"))).await.unwrap();
    }
    let titles = async |filter: &str, order_by: &str, page_size: i32| -> Vec<String> {
        let mut request = pb::ListProjectsRequest {
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
            page_size,
            ..list(&world)
        };
        let mut titles = Vec::new();
        loop {
            let page = world.office().call(request.clone()).await.unwrap();
            assert!(page.projects.len() <= page_size as usize);
            titles.extend(page.projects.into_iter().map(|project| project.title));
            if page.next_page_token.is_empty() {
                return titles;
            }
            request.page_token = page.next_page_token;
        }
    };
    let all: Vec<String> = (0..25).map(|number| format!("Projekt {number:02}")).collect();
    let reversed: Vec<String> = all.iter().rev().cloned().collect();
    for size in [1, 7, 24, 25, 26] {
        assert_eq!(titles("", "", size).await, all, "pages of {size}");
        assert_eq!(titles("", "title desc", size).await, reversed, "pages of {size}");
        assert_eq!(titles("", "create_time asc", size).await, all, "pages of {size}");
    }
    let in_unit = titles(&format!("org_unit = \"{}\"", there.id), "title", 3).await;
    assert_eq!(in_unit, ["Projekt 00", "Projekt 05", "Projekt 10", "Projekt 15", "Projekt 20"]);
    assert_eq!(titles("title = \"*JEKT 1*\"", "title", 50).await, all[10..20]);
    assert_eq!(titles("title : \"24\" OR title = \"Projekt 03\"", "title", 50).await, ["Projekt 03", "Projekt 24"]);
    assert_eq!(titles("stage = IDEA AND NOT title : \"1\"", "title", 50).await.len(), 13);
    assert_eq!(titles("stage = ANALYSIS", "", 50).await.len(), 0);
    assert_eq!(
        titles("title = \"100%\" OR title = \"Projekt__4\"", "", 50).await.len(),
        0,
        "LIKE's letters are letters"
    );
}

#[tokio::test]
async fn list_what_cannot_be_read_refused_with_its_reason() {
    let world = World::new().await;
    let ask = |filter: &str, order_by: &str, page_token: &str| pb::ListProjectsRequest {
        filter: filter.to_owned(),
        order_by: order_by.to_owned(),
        page_token: page_token.to_owned(),
        ..list(&world)
    };
    let deep = format!("{}stage = IDEA{}", "(".repeat(40), ")".repeat(40));
    let long = vec!["stage = IDEA"; 30].join(" AND ");
    let cases = [
        (ask("organisation_id = \"x\"", "", ""), "FILTER_INVALID"),
        (ask("stage = NOWHERE", "", ""), "FILTER_INVALID"),
        (ask("stage > IDEA", "", ""), "FILTER_INVALID"),
        (ask("org_unit = \"not-a-uuid\"", "", ""), "FILTER_INVALID"),
        (ask("create_time > \"yesterday\"", "", ""), "FILTER_INVALID"),
        (ask("stage =", "", ""), "FILTER_INVALID"),
        (ask("just words", "", ""), "FILTER_INVALID"),
        (ask("title = upper(\"a\")", "", ""), "FILTER_INVALID"),
        (ask(&deep, "", ""), "FILTER_INVALID"),
        (ask(&long, "", ""), "FILTER_INVALID"),
        // In UTC it is the year 10000.
        (ask("create_time > \"9999-12-31T23:59:59-23:00\"", "", ""), "FILTER_INVALID"),
        (ask("", "vision", ""), "ORDER_INVALID"),
        (ask("", "title sideways", ""), "ORDER_INVALID"),
        (ask("", "organisation_id", ""), "ORDER_INVALID"),
        (ask("", "", "bm90IGEgdG9rZW4"), "PAGE_TOKEN_INVALID"),
        (ask("", "", "!!"), "PAGE_TOKEN_INVALID"),
    ];
    for (request, reason) in cases {
        let failure = world.office().call(request.clone()).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, reason), "{request:?} {failure:?}");
    }
    for size in [-1, 201] {
        let failure =
            world.office().call(pb::ListProjectsRequest { page_size: size, ..list(&world) }).await.unwrap_err();
        assert_eq!(failure.fields, ["page_size"]);
    }
}

#[tokio::test]
async fn list_page_token_of_another_filter_refused() {
    let world = World::new().await;
    let unit = world.unit("Side").await;
    for title in ["a", "b"] {
        world.office().call(world.registration(&unit, title)).await.unwrap();
    }
    let first = world.office().call(pb::ListProjectsRequest { page_size: 1, ..list(&world) }).await.unwrap();
    let other = pb::ListProjectsRequest {
        page_token: first.next_page_token,
        filter: "stage = IDEA".to_owned(),
        ..list(&world)
    };
    let failure = world.office().call(other).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "PAGE_TOKEN_INVALID"), "{failure:?}");
}

#[tokio::test]
async fn update_by_its_manager_changes_what_is_set_and_the_etag() {
    let world = World::new().await;
    let project = world.project().await;
    let changed = world.manager().call(update(&world, &project, title("Nyt navn"))).await.unwrap().project.unwrap();
    assert_eq!(changed.title, "Nyt navn");
    assert_eq!(changed.vision, project.vision);
    assert_ne!(changed.etag, project.etag);
    assert_eq!(world.reread(&project).await, changed);
}

#[tokio::test]
async fn update_by_another_projects_manager_denied() {
    let world = World::new().await;
    let project = world.project().await;
    let other = world.person("another-manager", &[Role::ProjectManager]);
    let failure = other.call(update(&world, &project, title("Kapret"))).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}

#[tokio::test]
async fn update_lost_update_refused_by_etag() {
    let world = World::new().await;
    let project = world.project().await;
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let (office, request) = (world.office(), update(&world, &project, title(&format!("Skriver {number}"))));
            tokio::spawn(async move { office.call(request).await })
        })
        .collect();
    let mut results: Vec<Result<_, Failure>> = Vec::new();
    for writer in writers {
        results.push(writer.await.unwrap());
    }
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1, "one writer wins");
    for failure in lost.into_iter().filter_map(Result::err) {
        assert!(failure.is(Code::Aborted, "ETAG_STALE"), "{failure:?}");
    }
    let winner = won.into_iter().next().unwrap().unwrap().project.unwrap();
    assert_eq!(world.reread(&project).await, winner);
}

#[tokio::test]
async fn update_mask_writes_what_it_names_and_refuses_the_stage_i01() {
    let world = World::new().await;
    let project = world.project().await;
    let changes = pb::ProjectChanges { vision: Some("Kun denne".to_owned()), ..title("Ikke denne") };
    let masked = |paths: &[&str]| pb::UpdateProjectRequest {
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..update(&world, &project, changes.clone())
    };
    for paths in [&["stage"][..], &["status"], &["title", "number"], &["nonsense"]] {
        let failure = world.office().call(masked(paths)).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "UPDATE_MASK_INVALID"), "{paths:?} {failure:?}");
    }
    let failure = world.office().call(masked(&["org_unit"])).await.unwrap_err();
    assert_eq!((failure.reason.as_str(), &failure.fields[..]), ("FIELD_INVALID", &["changes.org_unit".to_owned()][..]));
    let changed = world.office().call(masked(&["vision"])).await.unwrap().project.unwrap();
    assert_eq!((changed.title, changed.vision.as_str()), (project.title, "Kun denne"));
}

#[tokio::test]
async fn update_that_names_nothing_refused() {
    let world = World::new().await;
    let project = world.project().await;
    let failure = world.office().call(update(&world, &project, pb::ProjectChanges::default())).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
    assert_eq!((failure.fields, world.reread(&project).await), (vec!["changes".to_owned()], project));
}

#[tokio::test]
async fn list_by_titles_of_any_length_and_script_pages_on() {
    let world = World::new().await;
    let unit = world.unit("Lang").await;
    for letter in ["\u{1f600}", "\u{1f601}", "å"] {
        world.office().call(world.registration(&unit, &letter.repeat(200))).await.unwrap();
    }
    let mut request = pb::ListProjectsRequest { page_size: 1, order_by: "title".to_owned(), ..list(&world) };
    for _ in 0..2 {
        request.page_token = world.office().call(request.clone()).await.unwrap().next_page_token;
        assert!(!request.page_token.is_empty());
    }
    let last = world.office().call(request).await.unwrap();
    assert_eq!((last.projects.len(), last.next_page_token.as_str()), (1, ""));
}

#[tokio::test]
async fn archive_leaves_the_list_but_not_the_record() {
    let world = World::new().await;
    let project = world.project().await;
    let request = pb::ArchiveProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        etag: project.etag.clone(),
        validate_only: false,
    };
    let failure = world.manager().call(request.clone()).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let archived = world.office().call(request.clone()).await.unwrap().project.unwrap();
    assert!(archived.archived);
    assert!(world.office().call(list(&world)).await.unwrap().projects.is_empty());
    let all = pb::ListProjectsRequest { filter: "archived = true".to_owned(), ..list(&world) };
    assert_eq!(world.office().call(all).await.unwrap().projects, std::slice::from_ref(&archived));
    assert_eq!(world.reread(&project).await, archived);

    let again = pb::ArchiveProjectRequest { etag: archived.etag.clone(), ..request };
    let failure = world.office().call(again).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
    assert_eq!(failure.metadata["status"], "ARCHIVED");
    let failure = world.office().call(update(&world, &archived, title("For sent"))).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
    let failure = world.office().call(world.submission(&archived, pb::GateCode::G1)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
}

#[tokio::test]
async fn archive_with_a_review_open_refused() {
    let world = World::new().await;
    let project = world.project().await;
    world.submitted(&project, pb::GateCode::G1).await;
    let request = pb::ArchiveProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        etag: world.reread(&project).await.etag,
        validate_only: false,
    };
    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_ALREADY_OPEN"), "{failure:?}");
}

#[tokio::test]
async fn track_small_unless_said_otherwise_s08_and_portfolio_if_any() {
    let world = World::new().await;
    let unit = world.unit("Spor").await;
    let portfolio = world.portfolio("Velfærdsteknologi").await;
    let plain = world.office().call(world.registration(&unit, "Uden")).await.unwrap().project.unwrap();
    assert_eq!((plain.track(), plain.portfolio.as_ref()), (pb::Track::StartSmall, None));
    let placed = pb::RegisterProjectRequest {
        portfolio: Some(portfolio.id.clone()),
        track: pb::Track::Mandatory.into(),
        ..world.registration(&unit, "Med")
    };
    let placed = world.office().call(placed).await.unwrap().project.unwrap();
    assert_eq!((placed.track(), placed.portfolio()), (pb::Track::Mandatory, portfolio.id.as_str()));
    for filter in [format!("portfolio = \"{}\"", portfolio.id), "track = MANDATORY".to_owned()] {
        let found = world.office().call(pb::ListProjectsRequest { filter, ..list(&world) }).await.unwrap().projects;
        assert_eq!(found, std::slice::from_ref(&placed));
    }
    let changes = pb::ProjectChanges { track: Some(pb::Track::Standard.into()), ..Default::default() };
    let out = pb::UpdateProjectRequest {
        update_mask: Some(FieldMask { paths: vec!["portfolio".to_owned(), "track".to_owned()] }),
        ..update(&world, &placed, changes)
    };
    let out = world.office().call(out).await.unwrap().project.unwrap();
    assert_eq!((out.track(), out.portfolio.as_ref()), (pb::Track::Standard, None));
    // What a gate decides on says both.
    let review = world.submitted(&out, pb::GateCode::G1).await;
    let basis: serde_json::Value = serde_json::from_str(&review.decision_basis.unwrap().canonical_json).unwrap();
    let project = &basis["dossier"]["project"];
    assert_eq!((project["track"].as_str(), project["portfolio"].as_str()), (Some("TRACK_STANDARD"), None));
}

#[tokio::test]
async fn portfolio_that_is_not_there_or_another_organisations_not_found() {
    let world = World::new().await;
    let unit = world.unit("Portefølje").await;
    let theirs = world.elsewhere().await.portfolio("Deres").await;
    let placed =
        pb::RegisterProjectRequest { portfolio: Some(theirs.id.clone()), ..world.registration(&unit, "Forkert") };
    let failure = world.office().call(placed).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    assert_eq!(failure.metadata["type"], "portfolio");
    let project = world.office().call(world.registration(&unit, "Rigtig")).await.unwrap().project.unwrap();
    let moved = pb::ProjectChanges { portfolio: Some(theirs.id), ..Default::default() };
    let failure = world.office().call(update(&world, &project, moved)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
}
