//! Lessons: published by a project's people, whatever became of it, and found again.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome};
use sea_orm::ConnectionTrait;
use tonic::Code;

use crate::harness::{World, runtime_role};

/// A lesson to publish.
pub fn lesson(world: &World, project: &pb::Project) -> pb::PublishLessonRequest {
    pb::PublishLessonRequest {
        organisation: world.id(),
        project: project.id.clone(),
        what: "Talegenkendelsen forstod ikke dialekt.".to_owned(),
        why: "Modellen var trænet på rigsdansk.".to_owned(),
        advice: "Afprøv med borgere fra hele kommunen.".to_owned(),
        tags: vec!["ai".to_owned(), "tale".to_owned()],
        validate_only: false,
    }
}

fn list(world: &World, filter: &str) -> pb::ListLessonsRequest {
    pb::ListLessonsRequest { organisation: world.id(), filter: filter.to_owned(), ..Default::default() }
}

/// The project, taken out of the lists.
pub async fn archived(world: &World, project: &pb::Project) {
    let etag = world.reread(project).await.etag;
    let request =
        pb::ArchiveProjectRequest { organisation: world.id(), project: project.id.clone(), etag, ..Default::default() };
    world.office().call(request).await.unwrap();
}

#[tokio::test]
async fn publish_by_the_projects_people_allowed_by_others_denied() {
    let world = World::new().await;
    let project = world.project().await;
    for person in [
        world.office(),
        world.steering(),
        world.manager(),
        world.person("project-owner", &[Role::Reader]),
        // What ties them to the project is their name, not a role.
        world.person("manager", &[]),
    ] {
        person.call(lesson(&world, &project)).await.unwrap();
    }
    for role in [Role::Reader, Role::Finance, Role::ExecutiveBoard, Role::ProjectManager, Role::ProjectOwner] {
        let failure = world.person("someone", &[role]).call(lesson(&world, &project)).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{role:?} {failure:?}");
        assert_eq!(
            failure.metadata["needs"],
            "portfolio-office, steering-group or to be the project's manager or owner"
        );
    }
    let auditor = world.person("auditor", &[Role::Auditor, Role::PortfolioOffice]);
    let failure = auditor.call(lesson(&world, &project)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "AUDITOR_READS_ONLY"), "{failure:?}");
}

#[tokio::test]
async fn publish_kept_as_given_and_audited() {
    let world = World::new().await;
    let project = world.project().await;
    let request =
        pb::PublishLessonRequest { tags: vec![" ai".to_owned(), "AI".to_owned()], ..lesson(&world, &project) };
    let published = world.manager().call(request.clone()).await.unwrap().lesson.unwrap();
    assert_eq!((&published.what, &published.why, &published.advice), (&request.what, &request.why, &request.advice));
    assert_eq!((published.tags.as_slice(), published.publisher.as_str()), (&request.tags[..], "manager"));
    assert_eq!((published.project.as_str(), published.organisation.as_str()), (project.id.as_str(), &*world.id()));
    assert_eq!(world.office().call(list(&world, "")).await.unwrap().lessons, std::slice::from_ref(&published));

    let [entry] = &world.audited("action = \"lesson.publish\"").await[..] else { panic!("one entry") };
    let (kind, object) = (entry.object_type.as_str(), entry.object());
    assert_eq!((kind, object), ("lesson", published.id.as_str()));
    let changes: serde_json::Value = serde_json::from_str(&entry.changes_json).unwrap();
    for field in ["project", "what", "why", "advice", "tags"] {
        assert!(!changes[field]["after"].is_null(), "{field} in {changes}");
    }
}

#[tokio::test]
async fn publish_a_tag_twice_or_what_is_too_much_refused() {
    let world = World::new().await;
    let project = world.project().await;
    let good = lesson(&world, &project);
    let tagged = |tags: Vec<String>| pb::PublishLessonRequest { tags, ..good.clone() };
    for (tags, fields) in [
        (vec!["ai".to_owned(), "data".to_owned(), "ai".to_owned()], "tags"),
        ((0..21).map(|number| number.to_string()).collect(), "tags"),
        (vec![String::new()], "tags[0]"),
        (vec!["a".repeat(51)], "tags[0]"),
    ] {
        let failure = world.office().call(tagged(tags)).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
        assert_eq!(failure.fields, [fields]);
    }
    world.office().call(tagged((0..20).map(|number| number.to_string()).collect())).await.unwrap();
    world.office().call(tagged(Vec::new())).await.unwrap();
    let failure = world.office().call(tagged(vec!["010190-1234".to_owned()])).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "PERSONAL_NUMBER_REFUSED"), "{failure:?}");
    let empty = pb::PublishLessonRequest { organisation: world.id(), project: project.id, ..Default::default() };
    let failure = world.office().call(empty).await.unwrap_err();
    assert_eq!(failure.fields, ["what", "why", "advice"]);
}

#[tokio::test]
async fn publish_whatever_became_of_the_project_until_it_is_archived() {
    let world = World::new().await;
    let (held, stopped) = (world.project().await, world.project().await);
    world.decided(&held, GateCode::G1, GateOutcome::Hold).await;
    world.office().call(lesson(&world, &held)).await.unwrap();
    world.office().call(lesson(&world, &stopped)).await.unwrap();
    world.decided(&stopped, GateCode::G1, GateOutcome::Kill).await;
    world.office().call(lesson(&world, &stopped)).await.unwrap();
    archived(&world, &stopped).await;
    let failure = world.office().call(lesson(&world, &stopped)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
    assert_eq!(failure.metadata["status"], "ARCHIVED");
    let found = world.office().call(list(&world, &format!("project = \"{}\"", stopped.id))).await.unwrap();
    // One of them for the stop itself (I20).
    assert_eq!(found.lessons.len(), 3, "what it has taught stays");
}

#[tokio::test]
async fn publish_validated_only_or_twice_under_one_key() {
    let world = World::new().await;
    let project = world.project().await;
    let dry = pb::PublishLessonRequest { validate_only: true, ..lesson(&world, &project) };
    world.office().call(dry).await.unwrap();
    assert!(world.office().call(list(&world, "")).await.unwrap().lessons.is_empty());
    let first = world.office().key("once").call(lesson(&world, &project)).await.unwrap();
    let second = world.office().key("once").call(lesson(&world, &project)).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(world.office().call(list(&world, "")).await.unwrap().lessons.len(), 1);
    assert_eq!(world.audited("action = \"lesson.publish\"").await.len(), 1);
}

#[tokio::test]
async fn publish_of_a_project_that_is_not_there_not_found() {
    let world = World::new().await;
    let project = pb::Project { id: world.id(), ..Default::default() };
    let failure = world.office().call(lesson(&world, &project)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    assert_eq!(failure.metadata["type"], "project");
    // Nor does who sees nothing of it learn that it is there.
    let failure = world.person("nobody", &[]).call(lesson(&world, &world.project().await)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
}

#[tokio::test]
async fn list_newest_first_by_page_and_filter() {
    let world = World::new().await;
    let (first, second) = (world.project().await, world.project().await);
    for (project, advice) in [(&first, "Begynd småt"), (&second, "Afprøv dialekter"), (&first, "Spørg tidligt")] {
        let request = pb::PublishLessonRequest { advice: advice.to_owned(), ..lesson(&world, project) };
        world.manager().call(request).await.unwrap();
        world.clock.advance(time::Duration::seconds(1));
    }
    let advice = |lessons: Vec<pb::Lesson>| lessons.into_iter().map(|each| each.advice).collect::<Vec<_>>();
    let office = world.office();
    let page = pb::ListLessonsRequest { page_size: 2, ..list(&world, "") };
    let one = office.call(page.clone()).await.unwrap();
    let two = office.call(pb::ListLessonsRequest { page_token: one.next_page_token, ..page }).await.unwrap();
    assert_eq!(advice(one.lessons), ["Spørg tidligt", "Afprøv dialekter"]);
    assert_eq!((advice(two.lessons), two.next_page_token.as_str()), (vec!["Begynd småt".to_owned()], ""));
    let oldest = pb::ListLessonsRequest { order_by: "publish_time".to_owned(), ..list(&world, "") };
    assert_eq!(advice(office.call(oldest).await.unwrap().lessons)[0], "Begynd småt");
    for (filter, found) in [
        ("advice = \"*dialekt*\"".to_owned(), 1),
        ("what : \"dialekt\"".to_owned(), 3),
        (format!("project = \"{}\"", first.id), 2),
        ("publisher = \"manager\" AND why : \"rigsdansk\"".to_owned(), 3),
        ("publisher = \"office\"".to_owned(), 0),
    ] {
        assert_eq!(office.call(list(&world, &filter)).await.unwrap().lessons.len(), found, "{filter}");
    }
    let failure = office.call(list(&world, "tags = \"ai\"")).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FILTER_INVALID"), "{failure:?}");
    let wrong = pb::ListLessonsRequest { order_by: "advice".to_owned(), ..list(&world, "") };
    let failure = office.call(wrong).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "ORDER_INVALID"), "{failure:?}");
    let wrong = pb::ListLessonsRequest { page_token: "x".to_owned(), ..list(&world, "") };
    let failure = office.call(wrong).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "PAGE_TOKEN_INVALID"), "{failure:?}");
}

#[tokio::test]
async fn list_holds_what_the_caller_sees_i25() {
    let world = World::new().await;
    let (mine, other) = (world.project().await, world.project().await);
    let unit = world.unit("Et andet sted").await;
    let registration = pb::RegisterProjectRequest {
        project_manager: "another".to_owned(),
        project_owner: "another".to_owned(),
        ..world.registration(&unit, "Et andet projekt")
    };
    let theirs = world.office().call(registration).await.unwrap().project.unwrap();
    for project in [&mine, &other, &theirs] {
        world.office().call(lesson(&world, project)).await.unwrap();
    }
    let seen = world.person("manager", &[]).call(list(&world, "")).await.unwrap().lessons;
    assert_eq!(seen.len(), 2, "{seen:?}");
    let nobody = world.person("nobody", &[]).call(list(&world, "")).await.unwrap_err();
    assert!(nobody.is(Code::PermissionDenied, "ROLE_MISSING"), "{nobody:?}");
    let elsewhere = world.elsewhere().await;
    assert!(elsewhere.office().call(list(&elsewhere, "")).await.unwrap().lessons.is_empty());
}

#[tokio::test]
async fn lessons_never_changed() {
    let world = World::new().await;
    world.office().call(lesson(&world, &world.project().await)).await.unwrap();
    let db = crate::harness::owner().await;
    for sql in ["UPDATE lessons SET advice = ''", "DELETE FROM lessons"] {
        let scoped = format!(
            "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{{{0}}}}}', true); {sql}",
            world.organisation
        );
        let error = db.execute_unprepared(&scoped).await.unwrap_err();
        assert!(error.to_string().contains("never changed or removed"), "{error}");
    }
}

#[tokio::test]
async fn publish_more_than_the_rules_of_gates_can_see_refused() {
    let world = World::new().await;
    let project = world.project().await;
    let sql = format!(
        "SELECT set_config('app.organisation', '{0}', true); INSERT INTO lessons (organisation_id, id, project_id, what, why, \
         advice, tags, publisher, published_at) SELECT '{0}', gen_random_uuid(), '{1}', 'w', 'w', 'a', '{{}}', 'p', now() \
         FROM generate_series(1, 199)",
        world.id(),
        project.id
    );
    runtime_role().await.execute_unprepared(&sql).await.unwrap();
    world.office().call(lesson(&world, &project)).await.unwrap();
    let failure = world.office().call(lesson(&world, &project)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "TOO_MANY"), "{failure:?}");
    assert_eq!((&*failure.metadata["type"], &*failure.metadata["most"]), ("lesson", "200"));
    // All that is there can still be judged.
    let readiness = world.readiness(&project, 0).await;
    assert!(readiness.go_possible, "{readiness:?}");
}
