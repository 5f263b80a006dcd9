//! Organisations, their units and portfolios.

mod import;

use gevinst::auth::Role;
use gevinst_proto::v1 as pb;
use prost_types::FieldMask;
use sea_orm::{ConnectionTrait, Database};
use tonic::Code;

use crate::harness::{CLUSTER, World};

fn update(world: &World, unit: &pb::OrgUnit, changes: pb::OrgUnitChanges) -> pb::UpdateOrgUnitRequest {
    pb::UpdateOrgUnitRequest {
        organisation: world.id(),
        org_unit: unit.id.clone(),
        changes: Some(changes),
        update_mask: None,
        etag: unit.etag.clone(),
        validate_only: false,
    }
}

fn create(world: &World, name: &str, parent: Option<&pb::OrgUnit>) -> pb::CreateOrgUnitRequest {
    pb::CreateOrgUnitRequest {
        organisation: world.id(),
        name: name.to_owned(),
        parent: parent.map(|parent| parent.id.clone()),
        ..Default::default()
    }
}

async fn below(world: &World, name: &str, parent: &pb::OrgUnit) -> pb::OrgUnit {
    world.office().call(create(world, name, Some(parent))).await.unwrap().org_unit.unwrap()
}

fn relocation(world: &World, unit: &pb::OrgUnit, parent: Option<&pb::OrgUnit>) -> pb::MoveOrgUnitRequest {
    pb::MoveOrgUnitRequest {
        organisation: world.id(),
        org_unit: unit.id.clone(),
        parent: parent.map(|parent| parent.id.clone()),
        reason: "Ny organisation".to_owned(),
        etag: unit.etag.clone(),
        validate_only: false,
    }
}

async fn reread(world: &World, unit: &pb::OrgUnit) -> pb::OrgUnit {
    let request = pb::GetOrgUnitRequest { organisation: world.id(), org_unit: unit.id.clone() };
    world.office().call(request).await.unwrap().org_unit.unwrap()
}

/// The unit's placements, newest first.
async fn placements(world: &World, unit: &pb::OrgUnit) -> Vec<pb::OrgUnitPlacement> {
    let request =
        pb::ListOrgUnitPlacementsRequest { organisation: world.id(), org_unit: unit.id.clone(), ..Default::default() };
    world.office().call(request).await.unwrap().placements
}

/// The names of the units that a filter finds, by name.
async fn named(world: &World, filter: &str) -> Vec<String> {
    let request = pb::ListOrgUnitsRequest {
        organisation: world.id(),
        filter: filter.to_owned(),
        page_size: 200,
        ..Default::default()
    };
    world.office().call(request).await.unwrap().org_units.into_iter().map(|unit| unit.name).collect()
}

#[tokio::test]
async fn list_organisations_the_tokens_own_and_no_other() {
    let world = World::new().await;
    let _other = world.elsewhere().await;
    let listed = world.person("r", &[Role::Reader]).call(pb::ListOrganisationsRequest {}).await.unwrap();
    let ids: Vec<String> = listed.organisations.iter().map(|organisation| organisation.id.clone()).collect();
    assert_eq!(ids, [world.id()]);
    let got = pb::GetOrganisationRequest { organisation: world.id() };
    let got = world.person("r", &[Role::Reader]).call(got).await.unwrap().organisation.unwrap();
    assert_eq!(got, listed.organisations[0]);
    assert_eq!((got.name.as_str(), got.number_prefix.as_str()), ("Prøvekøbing Kommune", "PRK"));
}

#[tokio::test]
async fn unit_created_read_listed_and_changed() {
    let world = World::new().await;
    let top = world.unit("Sundhed").await;
    let below = pb::CreateOrgUnitRequest {
        organisation: world.id(),
        name: "Hjemmepleje".to_owned(),
        parent: Some(top.id.clone()),
        leader: Some("omraadechef".to_owned()),
        is_operational_area: true,
        ..Default::default()
    };
    let below = world.office().call(below).await.unwrap().org_unit.unwrap();
    assert_eq!((below.parent(), below.leader(), below.is_operational_area), (top.id.as_str(), "omraadechef", true));
    let got = pb::GetOrgUnitRequest { organisation: world.id(), org_unit: below.id.clone() };
    assert_eq!(world.office().call(got).await.unwrap().org_unit.unwrap(), below);

    let children = pb::ListOrgUnitsRequest {
        organisation: world.id(),
        filter: format!("parent = \"{}\" AND is_operational_area = true", top.id),
        ..Default::default()
    };
    assert_eq!(world.office().call(children).await.unwrap().org_units, std::slice::from_ref(&below));

    let vacant = pb::UpdateOrgUnitRequest {
        update_mask: Some(FieldMask { paths: vec!["leader".to_owned()] }),
        ..update(&world, &below, pb::OrgUnitChanges::default())
    };
    let vacant = world.office().call(vacant).await.unwrap().org_unit.unwrap();
    assert_eq!(vacant.leader, None);
    let stale = update(&world, &below, pb::OrgUnitChanges { name: Some("Pleje".to_owned()), ..Default::default() });
    let failure = world.office().call(stale).await.unwrap_err();
    assert!(failure.is(Code::Aborted, "ETAG_STALE"), "{failure:?}");
}

#[tokio::test]
async fn list_units_without_a_value_are_not_equal_to_one() {
    let world = World::new().await;
    world.unit("Med leder").await;
    let vacant = pb::CreateOrgUnitRequest { organisation: world.id(), name: "Uden".to_owned(), ..Default::default() };
    world.office().call(vacant).await.unwrap();
    for (filter, found) in [
        ("leader = \"leader\"", &["Med leder"][..]),
        ("leader != \"leader\"", &["Uden"]),
        ("NOT leader = \"leader\"", &["Uden"]),
        ("NOT (NOT leader = \"leader\")", &["Med leder"]),
        ("leader != \"*nobody*\"", &["Med leder", "Uden"]),
        ("parent != \"01999999-0000-7000-8000-00000000dead\"", &["Med leder", "Uden"]),
    ] {
        let request =
            pb::ListOrgUnitsRequest { organisation: world.id(), filter: filter.to_owned(), ..Default::default() };
        let units = world.office().call(request).await.unwrap().org_units;
        let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, found, "{filter}");
    }
}

#[tokio::test]
async fn unit_name_in_use_refused() {
    let world = World::new().await;
    let (first, second) = (world.unit("Første").await, world.unit("Anden").await);
    let twice = pb::CreateOrgUnitRequest { organisation: world.id(), name: first.name.clone(), ..Default::default() };
    let failure = world.office().call(twice).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "NAME_TAKEN"), "{failure:?}");
    let rename = update(&world, &second, pb::OrgUnitChanges { name: Some(first.name), ..Default::default() });
    let failure = world.office().call(rename).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "NAME_TAKEN"), "{failure:?}");
    assert_eq!(failure.metadata["name"], "Første");
}

#[tokio::test]
async fn unit_below_none_not_found_and_by_others_denied() {
    let world = World::new().await;
    let orphan = pb::CreateOrgUnitRequest {
        organisation: world.id(),
        name: "Uden ophav".to_owned(),
        parent: Some("01999999-0000-7000-8000-00000000dead".to_owned()),
        ..Default::default()
    };
    let failure = world.office().call(orphan.clone()).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    let topmost = pb::CreateOrgUnitRequest { parent: None, ..orphan };
    let failure = world.manager().call(topmost).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let unit = world.unit("Enhed").await;
    let rename = pb::OrgUnitChanges { name: Some("Kapret".to_owned()), ..Default::default() };
    let failure = world.manager().call(update(&world, &unit, rename)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let failure =
        world.office().call(pb::CreateOrgUnitRequest { organisation: world.id(), ..Default::default() }).await;
    assert_eq!(failure.unwrap_err().fields, ["name"]);
}

#[tokio::test]
async fn tree_paths_lead_from_the_top_and_ancestor_finds_what_lies_below() {
    let world = World::new().await;
    let top = world.unit("Velfærd").await;
    let middle = below(&world, "Sundhed", &top).await;
    let bottom = below(&world, "Hjemmepleje", &middle).await;
    world.unit("Teknik").await;
    assert_eq!(bottom.path, [top.id.as_str(), &middle.id, &bottom.id]);
    assert_eq!(named(&world, &format!("ancestor = \"{}\"", top.id)).await, ["Hjemmepleje", "Sundhed", "Velfærd"]);
    assert_eq!(named(&world, &format!("ancestor = \"{}\"", bottom.id)).await, ["Hjemmepleje"]);
    assert_eq!(named(&world, &format!("NOT ancestor = \"{}\"", middle.id)).await, ["Teknik", "Velfærd"]);
    assert_eq!(named(&world, &format!("ancestor != \"{}\"", middle.id)).await, ["Teknik", "Velfærd"]);
    let greater = pb::ListOrgUnitsRequest {
        organisation: world.id(),
        filter: format!("ancestor > \"{}\"", top.id),
        ..Default::default()
    };
    let failure = world.office().call(greater).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FILTER_INVALID"), "{failure:?}");
}

#[tokio::test]
async fn unit_name_below_another_unit_free() {
    let world = World::new().await;
    let (north, south) = (world.unit("Skolen Nord").await, world.unit("Skolen Syd").await);
    let first = below(&world, "Administration", &north).await;
    let second = below(&world, "Administration", &south).await;
    let failure = world.office().call(relocation(&world, &second, Some(&north))).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "NAME_TAKEN"), "{failure:?}");
    assert_eq!(failure.metadata["name"], first.name);
}

#[tokio::test]
async fn unit_external_ids_kept_found_and_taken_once() {
    let world = World::new().await;
    let (fk, kitos) = ("3fd3f7a6-51d2-4cf5-8d0a-6f5f2f3c0a11", "8a1de2c4-0b57-4f0e-9a62-7d5d1f6b9c22");
    let known = pb::CreateOrgUnitRequest {
        fk_org_uuid: Some(fk.to_owned()),
        kitos_uuid: Some(kitos.to_owned()),
        ..create(&world, "Kendt", None)
    };
    let known = world.office().call(known).await.unwrap().org_unit.unwrap();
    assert_eq!((known.fk_org_uuid(), known.kitos_uuid()), (fk, kitos));
    assert_eq!(named(&world, &format!("fk_org_uuid = \"{fk}\"")).await, ["Kendt"]);
    assert_eq!(named(&world, &format!("kitos_uuid = \"{kitos}\"")).await, ["Kendt"]);
    let twin = pb::CreateOrgUnitRequest { fk_org_uuid: Some(fk.to_owned()), ..create(&world, "Tvilling", None) };
    let failure = world.office().call(twin).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "EXTERNAL_ID_TAKEN"), "{failure:?}");
    assert_eq!((failure.metadata["field"].as_str(), failure.metadata["id"].as_str()), ("fk_org_uuid", fk));
    let other = world.unit("Anden").await;
    let taken = update(&world, &other, pb::OrgUnitChanges { kitos_uuid: Some(kitos.to_owned()), ..Default::default() });
    let failure = world.office().call(taken).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "EXTERNAL_ID_TAKEN"), "{failure:?}");
    // Another municipality has the same registers, and its own rows.
    let there = world.elsewhere().await;
    let same = pb::CreateOrgUnitRequest { fk_org_uuid: Some(fk.to_owned()), ..create(&there, "Kendt", None) };
    there.office().call(same).await.unwrap();
    let forgotten = pb::UpdateOrgUnitRequest {
        update_mask: Some(FieldMask { paths: vec!["fk_org_uuid".to_owned()] }),
        ..update(&world, &known, pb::OrgUnitChanges::default())
    };
    assert_eq!(world.office().call(forgotten).await.unwrap().org_unit.unwrap().fk_org_uuid, None);
}

#[tokio::test]
async fn unit_validity_set_changed_filtered_and_never_backwards() {
    let world = World::new().await;
    let project_office = pb::CreateOrgUnitRequest {
        valid_from: Some("2026-01-01".to_owned()),
        valid_until: Some("2026-12-31".to_owned()),
        ..create(&world, "Projektkontor", None)
    };
    let unit = world.office().call(project_office).await.unwrap().org_unit.unwrap();
    assert_eq!((unit.valid_from(), unit.valid_until()), ("2026-01-01", "2026-12-31"));
    assert_eq!(named(&world, "valid_until < \"2027-01-01\"").await, ["Projektkontor"]);
    assert_eq!(named(&world, "valid_from > \"2026-01-01\"").await, Vec::<String>::new());
    let early = pb::OrgUnitChanges { valid_until: Some("2025-12-31".to_owned()), ..Default::default() };
    let failure = world.office().call(update(&world, &unit, early)).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
    let no_day = pb::OrgUnitChanges { valid_until: Some("2027-02-30".to_owned()), ..Default::default() };
    let failure = world.office().call(update(&world, &unit, no_day)).await.unwrap_err();
    assert_eq!(failure.fields, ["changes.valid_until"]);
    let endless = pb::UpdateOrgUnitRequest {
        update_mask: Some(FieldMask { paths: vec!["valid_until".to_owned()] }),
        ..update(&world, &unit, pb::OrgUnitChanges::default())
    };
    assert_eq!(world.office().call(endless).await.unwrap().org_unit.unwrap().valid_until, None);
}

#[tokio::test]
async fn unit_moved_takes_all_below_along_and_keeps_its_history() {
    let world = World::new().await;
    let (old, new) = (world.unit("Social").await, world.unit("Sundhed").await);
    let unit = below(&world, "Pleje", &old).await;
    let team = below(&world, "Team Nord", &unit).await;
    let moved = world.office().call(relocation(&world, &unit, Some(&new))).await.unwrap().org_unit.unwrap();
    assert_eq!((moved.parent(), &moved.path), (new.id.as_str(), &vec![new.id.clone(), unit.id.clone()]));
    let team_after = reread(&world, &team).await;
    assert_eq!(team_after.path, [new.id.as_str(), &unit.id, &team.id]);
    // It is another state: who caches the old answer under its etag is told so.
    assert_ne!(team_after.etag, team.etag);
    assert_eq!(named(&world, &format!("ancestor = \"{}\"", old.id)).await, ["Social"]);

    let [now, before] = &placements(&world, &unit).await[..] else { panic!("two placements") };
    assert_eq!((now.parent(), now.leave_time, now.reason.as_str()), (new.id.as_str(), None, "Ny organisation"));
    assert_eq!((before.parent(), before.leave_time), (old.id.as_str(), now.place_time));
    assert_eq!((before.reason.as_str(), before.placed_by.as_str()), ("created", "office"));
    assert_eq!(placements(&world, &team).await.len(), 1);

    let top = world.office().call(relocation(&world, &moved, None)).await.unwrap().org_unit.unwrap();
    assert_eq!((top.parent.as_ref(), &top.path), (None, &vec![unit.id.clone()]));
    assert_eq!(placements(&world, &unit).await.len(), 3);
    let [entry, _] = &world.audited("action = \"org_unit.move\"").await[..] else { panic!("two entries") };
    assert!(entry.changes_json.contains(&new.id) && entry.changes_json.contains("Ny organisation"), "{entry:?}");
}

#[tokio::test]
async fn unit_moved_with_its_projects_where_they_are_seen_from() {
    let world = World::new().await;
    let (old, new) = (world.unit("Gammelt område").await, world.unit("Nyt område").await);
    let unit = below(&world, "Afdeling", &old).await;
    let project = world.office().call(world.registration(&unit, "Følger med")).await.unwrap().project.unwrap();
    world.office().call(relocation(&world, &unit, Some(&new))).await.unwrap();
    let scopes = scopes(&project).await;
    assert!(scopes.contains(&new.id) && scopes.contains(&unit.id) && scopes.contains(&world.id()), "{scopes:?}");
    assert!(!scopes.contains(&old.id), "{scopes:?}");
}

/// The places that a project lies in, as row-level security has them.
async fn scopes(project: &pb::Project) -> Vec<String> {
    let admin = Database::connect(&CLUSTER.admin).await.unwrap();
    let sql = format!("SELECT scopes::text[] FROM projects WHERE id = '{}'", project.id);
    let row = admin.query_one_raw(gevinst::db::postgres(sql, [])).await.unwrap().unwrap();
    let scopes = row.try_get_by_index(0).unwrap();
    admin.close().await.unwrap();
    scopes
}

#[tokio::test]
async fn unit_moved_to_where_it_is_below_itself_below_none_or_unread_refused() {
    let world = World::new().await;
    let top = world.unit("Top").await;
    let unit = below(&world, "Enhed", &top).await;
    let bottom = below(&world, "Bund", &unit).await;
    let failure = world.office().call(relocation(&world, &unit, Some(&top))).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
    assert_eq!(failure.fields, ["parent"]);
    for below_itself in [&unit, &bottom] {
        let failure = world.office().call(relocation(&world, &unit, Some(below_itself))).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "UNIT_CYCLE"), "{failure:?}");
    }
    let nowhere = pb::MoveOrgUnitRequest {
        parent: Some("01999999-0000-7000-8000-00000000dead".to_owned()),
        ..relocation(&world, &unit, None)
    };
    let failure = world.office().call(nowhere).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    let stale = pb::MoveOrgUnitRequest { etag: "v0".to_owned(), ..relocation(&world, &unit, None) };
    let failure = world.office().call(stale).await.unwrap_err();
    assert!(failure.is(Code::Aborted, "ETAG_STALE"), "{failure:?}");
    let failure = world.manager().call(relocation(&world, &unit, None)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let mute = pb::MoveOrgUnitRequest { reason: String::new(), ..relocation(&world, &unit, None) };
    assert_eq!(world.office().call(mute).await.unwrap_err().fields, ["reason"]);
    assert_eq!(placements(&world, &unit).await.len(), 1);
    assert_eq!(reread(&world, &unit).await, unit);
}

#[tokio::test]
async fn unit_placements_of_none_not_found() {
    let world = World::new().await;
    let nobody = pb::ListOrgUnitPlacementsRequest {
        organisation: world.id(),
        org_unit: "01999999-0000-7000-8000-00000000dead".to_owned(),
        ..Default::default()
    };
    let failure = world.office().call(nobody).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
}

#[tokio::test]
async fn units_moved_below_each_other_at_once_one_refused_and_paths_sound() {
    let world = World::new().await;
    for round in 0..8 {
        let (a, b) = (world.unit(&format!("A{round}")).await, world.unit(&format!("B{round}")).await);
        let (below_a, below_b) = (below(&world, "under A", &a).await, below(&world, "under B", &b).await);
        let (first, second) = (world.office(), world.office());
        let (a_moves, b_moves) = (relocation(&world, &a, Some(&below_b)), relocation(&world, &b, Some(&below_a)));
        let (a_moved, b_moved) = tokio::join!(first.call(a_moves), second.call(b_moves));
        assert_ne!(a_moved.is_ok(), b_moved.is_ok(), "{a_moved:?} {b_moved:?}");
        let failure = a_moved.err().or(b_moved.err()).unwrap();
        assert!(failure.is(Code::FailedPrecondition, "UNIT_CYCLE"), "{failure:?}");
    }
    assert_sound(&world).await;
}

/// Every path leads from the top, by way of the parent's, to the unit.
async fn assert_sound(world: &World) {
    let request = pb::ListOrgUnitsRequest { organisation: world.id(), page_size: 200, ..Default::default() };
    let units = world.office().call(request).await.unwrap().org_units;
    assert!(units.len() < 200, "a page holds them all");
    for unit in &units {
        let above = units.iter().find(|above| Some(&above.id) == unit.parent.as_ref());
        assert_eq!(above.is_some(), unit.parent.is_some());
        let mut path = above.map(|above| above.path.clone()).unwrap_or_default();
        path.push(unit.id.clone());
        assert_eq!(unit.path, path, "{}", unit.name);
        let open = placements(world, unit).await;
        assert_eq!((open[0].parent.as_ref(), open[0].leave_time), (unit.parent.as_ref(), None), "{}", unit.name);
    }
}

#[tokio::test]
async fn portfolio_created_listed_and_its_name_taken_once() {
    let world = World::new().await;
    let portfolio = world.portfolio("Velfærdsteknologi").await;
    world.portfolio("Digital service").await;
    let list = pb::ListPortfoliosRequest { organisation: world.id(), ..Default::default() };
    let listed = world.person("r", &[Role::Reader]).call(list).await.unwrap().portfolios;
    assert_eq!(
        listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["Digital service", "Velfærdsteknologi"]
    );
    assert_eq!(listed[1], portfolio);
    let again = pb::CreatePortfolioRequest { organisation: world.id(), name: portfolio.name, ..Default::default() };
    let failure = world.office().call(again.clone()).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "NAME_TAKEN"), "{failure:?}");
    assert_eq!(failure.metadata["type"], "portfolio");
    let failure = world.manager().call(again).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let nameless = pb::CreatePortfolioRequest { organisation: world.id(), ..Default::default() };
    assert_eq!(world.office().call(nameless).await.unwrap_err().fields, ["name"]);
}
