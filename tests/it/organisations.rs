//! Organisations and their units.

use gevinst::auth::Role;
use gevinst_proto::v1 as pb;
use prost_types::FieldMask;
use tonic::Code;

use crate::harness::World;

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
        validate_only: false,
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
    let failure = world.manager().call(orphan).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let unit = world.unit("Enhed").await;
    let rename = pb::OrgUnitChanges { name: Some("Kapret".to_owned()), ..Default::default() };
    let failure = world.manager().call(update(&world, &unit, rename)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let failure =
        world.office().call(pb::CreateOrgUnitRequest { organisation: world.id(), ..Default::default() }).await;
    assert_eq!(failure.unwrap_err().fields, ["name"]);
}
