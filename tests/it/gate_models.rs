//! Gate models: published, checked as a whole, kept by the projects that started with them.

use gevinst::{auth::Role, gates::model};
use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, TransactionTrait};
use tonic::Code;

use crate::harness::{World, bare_model, runtime_role};

fn get(world: &World, id: Option<String>) -> pb::GetGateModelRequest {
    pb::GetGateModelRequest { organisation: world.id(), gate_model: id }
}

fn publication(world: &World, model: pb::GateModelDefinition) -> pb::PublishGateModelRequest {
    pb::PublishGateModelRequest {
        organisation: world.id(),
        definition: Some(model),
        reason: "Styregruppens beslutning.".to_owned(),
        validate_only: false,
    }
}

async fn published(world: &World, model: pb::GateModelDefinition) -> pb::GateModel {
    world.office().call(publication(world, model)).await.unwrap().gate_model.unwrap()
}

fn said(model: &pb::GateModel) -> &pb::GateModelDefinition {
    model.definition.as_ref().unwrap()
}

fn migration(world: &World, project: &pb::Project, id: Option<String>) -> pb::MigrateProjectGateModelRequest {
    pb::MigrateProjectGateModelRequest {
        organisation: world.id(),
        project: project.id.clone(),
        gate_model: id,
        reason: "Den nye model stiller de rigtige krav.".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn shipped_model_shown_until_another_is_published() {
    let world = World::shipped().await;
    let shown = world.person("r", &[Role::Reader]).call(get(&world, None)).await.unwrap().gate_model.unwrap();
    assert_eq!((shown.id.clone(), shown.organisation.as_str()), (model::SHIPPED.to_string(), ""));
    assert!(said(&shown).criteria.len() > 20 && said(&shown).tracks.len() == 3, "{shown:?}");
    assert_eq!(shown.sha256, model::canonical(said(&shown)).unwrap().1, "the hash can be computed again");
    assert_eq!(world.project().await.gate_model, shown.id);

    let own = published(&world, bare_model()).await;
    assert_eq!((own.version, own.publisher(), own.organisation.as_str()), (1, "office", &*world.id()));
    assert_eq!(own.sha256, model::canonical(said(&own)).unwrap().1);
    assert_eq!(world.office().call(get(&world, None)).await.unwrap().gate_model.unwrap(), own);
    // The one that is shipped is still there, by its id.
    assert_eq!(world.office().call(get(&world, Some(shown.id.clone()))).await.unwrap().gate_model.unwrap(), shown);
    let missing = "0199aaaa-0000-7000-8000-000000000000".to_owned();
    let failure = world.office().call(get(&world, Some(missing))).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
}

#[tokio::test]
async fn project_keeps_the_version_it_started_with_until_it_is_moved() {
    let world = World::shipped().await;
    let before = world.project().await;
    let first = published(&world, bare_model()).await;
    let second = published(&world, bare_model()).await;
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(world.reread(&before).await.gate_model, model::SHIPPED.to_string());
    assert_eq!(world.project().await.gate_model, second.id);

    let manager = world.person("manager", &[Role::SteeringGroup]);
    let failure = manager.call(migration(&world, &before, None)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "DECIDER_IS_PROJECT_MANAGER"), "{failure:?}");
    let failure = world.office().call(migration(&world, &before, None)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let review = world.submitted(&before, pb::GateCode::G1).await;
    let failure = world.steering().call(migration(&world, &before, None)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "REVIEW_ALREADY_OPEN"), "{failure:?}");
    assert_eq!(review.gate_model, model::SHIPPED.to_string());
    let withdrawal = pb::WithdrawGateReviewRequest {
        organisation: world.id(),
        project: before.id.clone(),
        gate_review: review.id.clone(),
        reason: "Forfra.".to_owned(),
        validate_only: false,
    };
    world.office().call(withdrawal).await.unwrap();

    let moved = world.steering().call(migration(&world, &before, Some(first.id.clone()))).await.unwrap();
    assert_eq!(moved.project.unwrap().gate_model, first.id);
    let dossier = pb::GetProjectDossierRequest { organisation: world.id(), project: before.id.clone() };
    let events = world.office().call(dossier).await.unwrap().dossier.unwrap().events;
    assert_eq!(events[0].kind(), pb::ProjectEventKind::GateModelMigrated);
    assert_eq!((events[0].actor.as_str(), &*events[0].reason), ("steering", "Den nye model stiller de rigtige krav."));
    let entry = world.audited("action = \"gate_model.migrate\" AND outcome = DONE").await;
    assert!(entry[0].changes_json.contains(&first.id), "{entry:?}");
}

#[tokio::test]
async fn move_to_a_model_without_the_stage_refused() {
    let world = World::new().await;
    let project = world.project().await;
    world.decided(&project, pb::GateCode::G1, pb::GateOutcome::Go).await;
    // G1 leads straight to execution: nothing leads on from analysis.
    let mut short = bare_model();
    short.gates.retain(|gate| gate.size_classes.is_empty() && gate.code() != pb::GateCode::G2);
    short.gates[0].to_stage = pb::Stage::Execution.into();
    let short = published(&world, pb::GateModelDefinition { name: "Kort".to_owned(), ..short }).await;
    let failure = world.steering().call(migration(&world, &project, Some(short.id))).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "STAGE_NOT_IN_MODEL"), "{failure:?}");
    assert_eq!(failure.metadata["stage"], "ANALYSIS");
    let there = world.elsewhere().await;
    let theirs = published(&there, bare_model()).await;
    let failure = world.steering().call(migration(&world, &project, Some(theirs.id))).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
}

#[tokio::test]
async fn publish_every_mistake_named_by_its_place_and_nothing_published() {
    let world = World::shipped().await;
    type Spoil = fn(&mut pb::GateModelDefinition);
    let shipped = model::shipped().unwrap().definition.clone();
    let cases: [(Spoil, &[&str]); 6] = [
        (|model| model.gates[1].to_stage = pb::Stage::Idea.into(), &["definition.gates[1].to_stage"]),
        (|model| drop(model.gates.remove(2)), &["definition.gates[1].to_stage", "definition.gates[2].from_stage"]),
        (|model| model.criteria[0].rule = "project.trak == 'STANDARD'".to_owned(), &["definition.criteria[0].rule"]),
        (|model| model.criteria[0].rule = "size(benefits)".to_owned(), &["definition.criteria[0].rule"]),
        (|model| model.criteria[2].applies_if = "nonsense(".to_owned(), &["definition.criteria[2].applies_if"]),
        (
            |model| {
                model.criteria[0].rule = "1 + 'a' == 2".to_owned();
                model.criteria[1].assessors.clear();
            },
            &["definition.criteria[0].rule", "definition.criteria[1].assessors"],
        ),
    ];
    for (spoil, places) in cases {
        let mut model = shipped.clone();
        spoil(&mut model);
        let failure = world.office().call(publication(&world, model)).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
        for place in places {
            assert!(failure.fields.iter().any(|field| field == place), "{place} is not in {:?}", failure.fields);
        }
    }
    let list = pb::ListGateModelsRequest { organisation: world.id(), ..Default::default() };
    assert!(world.office().call(list).await.unwrap().gate_models.is_empty());
    // What is shipped can be published as one's own, unchanged.
    assert_eq!(said(&published(&world, shipped.clone()).await), &shipped);
}

#[tokio::test]
async fn publish_by_a_person_of_office_or_board_only() {
    let world = World::new().await;
    let service = world.service("robot", &[Role::PortfolioOffice]);
    let failure = service.call(publication(&world, bare_model())).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "PERSON_REQUIRED"), "{failure:?}");
    let failure = world.steering().call(publication(&world, bare_model())).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    world.board().call(publication(&world, bare_model())).await.unwrap();
}

#[tokio::test]
async fn publish_at_once_every_version_is_there_once() {
    let world = World::shipped().await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (office, request) = (world.office(), publication(&world, bare_model()));
            tokio::spawn(async move { office.call(request).await })
        })
        .collect();
    let mut versions = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => versions.push(answer.gate_model.unwrap().version),
            Err(failure) => assert!(failure.is(Code::Aborted, "CONFLICT"), "{failure:?}"),
        }
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=i32::try_from(versions.len()).unwrap()).collect::<Vec<_>>());
    let list = pb::ListGateModelsRequest { organisation: world.id(), page_size: 2, ..Default::default() };
    let page = world.office().call(list.clone()).await.unwrap();
    let next = pb::ListGateModelsRequest { page_token: page.next_page_token, ..list };
    if versions.len() > 2 {
        let rest = world.office().call(next).await.unwrap().gate_models;
        assert!(rest.iter().all(|model| model.version < page.gate_models[1].version), "newest first");
    }
}

#[tokio::test]
async fn published_version_never_changes_whoever_asks() {
    let world = World::new().await;
    let model = published(&world, bare_model()).await;
    let db = runtime_role().await;
    for sql in ["UPDATE gate_models SET definition = '{}'", "DELETE FROM gate_models"] {
        let tx = db.begin().await.unwrap();
        let scope = format!("SELECT set_config('app.organisation', '{}', true)", world.id());
        tx.execute_unprepared(&scope).await.unwrap();
        let refused = tx.execute_unprepared(sql).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{refused}");
    }
    let again = world.office().call(get(&world, Some(model.id.clone()))).await.unwrap().gate_model.unwrap();
    assert_eq!(again, model);
}
