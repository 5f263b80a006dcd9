//! Units from a file.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path, time::Instant};

use gevinst_proto::v1 as pb;
use tonic::Code;

use super::{assert_sound, below, named, placements};
use crate::harness::{Failure, World};

fn file(world: &World, content: impl Into<Vec<u8>>) -> pb::ImportOrgUnitsRequest {
    pb::ImportOrgUnitsRequest {
        organisation: world.id(),
        format: pb::OrgUnitFormat::Csv.into(),
        content: content.into(),
        ..Default::default()
    }
}

async fn import(world: &World, content: &str) -> pb::ImportOrgUnitsResponse {
    world.office().call(file(world, content)).await.unwrap()
}

async fn refused(world: &World, content: &str) -> Failure {
    world.office().call(file(world, content)).await.unwrap_err()
}

/// How many were created, updated, moved, left as they were, and are missing.
fn counts(done: &pb::ImportOrgUnitsResponse) -> (usize, usize, usize, i32, usize) {
    (done.created.len(), done.updated.len(), done.moved.len(), done.unchanged_count, done.missing.len())
}

/// An external id.
fn fk(number: usize) -> String {
    format!("0d5e8f00-0000-4000-8000-{number:012}")
}

/// Every unit, by name.
async fn units(world: &World) -> BTreeMap<String, pb::OrgUnit> {
    let request = pb::ListOrgUnitsRequest { organisation: world.id(), page_size: 200, ..Default::default() };
    let units = world.office().call(request).await.unwrap().org_units;
    units.into_iter().map(|unit| (unit.name.clone(), unit)).collect()
}

/// A tree of four, the bottom first: parents may come after children.
fn tree() -> String {
    let (top, middle, bottom, other) = (fk(1), fk(2), fk(3), fk(4));
    format!(
        "fk_org_uuid,name,parent,leader,is_operational_area,valid_from\n\
         {bottom},Team Nord,{middle},,true,2026-01-01\n\
         {middle},\"Pleje, hjemme\",{top},leder-pleje,true,2026-01-01\n\
         {top},Sundhed,,direktoer,,\n\
         {other},Teknik,,leder-teknik,false,\n"
    )
}

#[tokio::test]
async fn import_of_a_tree_created_read_and_the_second_time_unchanged() {
    let world = World::new().await;
    let done = import(&world, &tree()).await;
    assert_eq!(counts(&done), (4, 0, 0, 0, 0));
    let before = units(&world).await;
    let (team, care, health) = (&before["Team Nord"], &before["Pleje, hjemme"], &before["Sundhed"]);
    assert_eq!(team.path, [health.id.as_str(), &care.id, &team.id]);
    assert_eq!((care.leader(), care.is_operational_area, care.valid_from()), ("leder-pleje", true, "2026-01-01"));
    assert_eq!((health.fk_org_uuid(), health.is_operational_area), (fk(1).as_str(), false));
    assert_eq!(placements(&world, team).await[0].reason, "import");
    assert_eq!(counts(&import(&world, &tree()).await), (0, 0, 0, 4, 0));
    assert_eq!(units(&world).await, before);
    assert_sound(&world).await;
}

#[tokio::test]
async fn import_changes_moves_and_renames_in_any_order() {
    let world = World::new().await;
    import(&world, &tree()).await;
    // The tree turned round, two names swapped, a leader gone: and no name is ever in its own way.
    let turned = format!(
        "fk_org_uuid,name,parent,leader\n{},Teknik,{},ny-leder\n{},Sundhed,,\n{},Team Nord,{},\n{},\"Pleje, hjemme\",{},leder-pleje\n",
        fk(1),
        fk(4),
        fk(4),
        fk(3),
        fk(2),
        fk(2),
        fk(1)
    );
    let done = import(&world, &turned).await;
    assert_eq!(counts(&done), (0, 2, 1, 2, 0));
    let after = units(&world).await;
    assert_eq!((after["Sundhed"].fk_org_uuid(), after["Teknik"].fk_org_uuid()), (fk(4).as_str(), fk(1).as_str()));
    assert_eq!(after["Sundhed"].leader, None);
    assert_eq!(after["Team Nord"].path.len(), 4);
    let [now, before] = &placements(&world, &after["Teknik"]).await[..] else { panic!("two placements") };
    assert_eq!((now.reason.as_str(), before.leave_time), ("import", now.place_time));
    // What the file has no column for, stayed.
    assert!(after["Team Nord"].is_operational_area);
    assert_sound(&world).await;
}

#[tokio::test]
async fn import_moves_a_parent_below_its_child() {
    let world = World::new().await;
    import(&world, &tree()).await;
    let upside_down = format!("fk_org_uuid,name,parent\n{},Sundhed,{}\n{},Team Nord,\n", fk(1), fk(3), fk(3));
    let done = import(&world, &upside_down).await;
    assert_eq!((done.moved.len(), done.missing.len()), (2, 2));
    let after = units(&world).await;
    assert_eq!(after["Pleje, hjemme"].path.len(), 3);
    assert_sound(&world).await;
}

#[tokio::test]
async fn import_matches_by_either_id_and_adopts_what_was_made_by_hand() {
    let world = World::new().await;
    let by_hand = world.unit("Borgerservice").await;
    let desk = below(&world, "Skranken", &by_hand).await;
    let kitos = "8a1de2c4-0b57-4f0e-9a62-7d5d1f6b9c22";
    let first = format!("\u{feff}kitos_uuid;name\r\n{kitos};Borgerservice\r\n");
    assert_eq!(counts(&import(&world, &first).await), (0, 1, 0, 0, 0));
    let both = format!("fk_org_uuid,kitos_uuid,name\n{},{kitos},Borgerservice og ydelser\n", fk(1));
    assert_eq!(import(&world, &both).await.updated, std::slice::from_ref(&by_hand.id));
    // Now it is known by the other id too, and keeps the one that this file does not have.
    let other = format!("fk_org_uuid,name,parent\n{},Borgerservice,\n{},Skranken,{}\n", fk(1), fk(2), fk(1));
    assert_eq!(counts(&import(&world, &other).await), (0, 2, 0, 0, 0));
    let after = units(&world).await;
    assert_eq!((after["Borgerservice"].kitos_uuid(), &after["Skranken"].id), (kitos, &desk.id));
}

#[tokio::test]
async fn import_of_json_the_same_and_what_it_does_not_know_refused() {
    let world = World::new().await;
    let json =
        |content: String| pb::ImportOrgUnitsRequest { format: pb::OrgUnitFormat::Json.into(), ..file(&world, content) };
    let content = format!(
        r#"[{{"fk_org_uuid": "{}", "name": "Skole", "parent": "{}", "is_operational_area": true}},
            {{"fk_org_uuid": "{}", "name": "Børn", "parent": null}}]"#,
        fk(2),
        fk(1),
        fk(1)
    );
    assert_eq!(counts(&world.office().call(json(content.clone())).await.unwrap()), (2, 0, 0, 0, 0));
    assert_eq!(counts(&world.office().call(json(content)).await.unwrap()), (0, 0, 0, 2, 0));
    let wrong = format!(r#"[{{"fk_org_uuid": "{}", "name": "Skole"}}, {{"fk_org_uuid": "x", "name": ""}}]"#, fk(2));
    let failure = world.office().call(json(wrong)).await.unwrap_err();
    assert_eq!(failure.fields, ["content[2].fk_org_uuid", "content[2].name"]);
    for odd in ["[{\"name\": \"x\", \"colour\": 1}]", "[{\"name\": \"x\", \"name\": \"y\"}]", "{}", "[", "[]"] {
        let failure = world.office().call(json(odd.to_owned())).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{odd} {failure:?}");
        assert_eq!(failure.fields, ["content"], "{odd}");
    }
}

#[tokio::test]
async fn import_with_mistakes_told_all_at_once_by_line_and_column_and_changes_nothing() {
    let world = World::new().await;
    let content = format!(
        "fk_org_uuid,name,parent,is_operational_area,valid_from,leader\n\
         {},God,,true,,\n\
         no-uuid,Skæv,,ja,2026-02-30,to ord\n\
         {},,,,,\n\
         {},For kort\n",
        fk(1),
        fk(2),
        fk(3)
    );
    let failure = refused(&world, &content).await;
    assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
    assert_eq!(
        failure.fields,
        [
            "content[5]",
            "content[3].fk_org_uuid",
            "content[3].leader",
            "content[3].is_operational_area",
            "content[3].valid_from",
            "content[4].name",
        ]
    );
    assert_eq!(named(&world, "").await, Vec::<String>::new());
}

#[tokio::test]
async fn import_whose_rows_do_not_fit_together_told_where() {
    let world = World::new().await;
    let known = "8a1de2c4-0b57-4f0e-9a62-7d5d1f6b9c22";
    import(&world, &format!("fk_org_uuid,kitos_uuid,name\n{},{known},Kendt\n", fk(9))).await;
    let (a, b, c, d) = (fk(1), fk(2), fk(3), fk(4));
    for (content, fields) in [
        (format!("fk_org_uuid,name\n{a},X\n{a},Y\n"), &["content[3].fk_org_uuid"][..]),
        (format!("fk_org_uuid,name\n{a},X\n{b},X\n"), &["content[3].name"]),
        (format!("fk_org_uuid,name\n{a},Kendt\n"), &["content[2].name"]),
        (format!("fk_org_uuid,name,parent\n{a},X,{b}\n"), &["content[2].parent"]),
        (
            format!("fk_org_uuid,name,parent\n{a},X,{b}\n{b},Y,{a}\n{c},Z,\n"),
            &["content[2].parent", "content[3].parent"],
        ),
        (format!("fk_org_uuid,name,parent\n{a},X,{a}\n"), &["content[2].parent"]),
        (format!("fk_org_uuid,kitos_uuid,name\n{d},{known},X\n"), &["content[2].kitos_uuid"]),
        (format!("fk_org_uuid,kitos_uuid,name\n{},,X\n,{known},Y\n", fk(9)), &["content[3].kitos_uuid"]),
        (
            format!("fk_org_uuid,name,valid_from,valid_until\n{a},X,2026-02-01,2026-01-31\n"),
            &["content[2].valid_until"],
        ),
        ("name\nUden id\n".to_owned(), &["content[2].fk_org_uuid"]),
        (format!("fk_org_uuid,name,colour\n{a},X,red\n"), &["content[1]"]),
        (format!("fk_org_uuid,name,name\n{a},X,Y\n"), &["content[1]"]),
        ("fk_org_uuid,name\n".to_owned(), &["content"]),
    ] {
        let failure = refused(&world, &content).await;
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{content} {failure:?}");
        assert_eq!(failure.fields, fields, "{content}");
    }
    let latin = world.office().call(file(&world, b"fk_org_uuid,name\n,S\xf8\n".to_vec())).await.unwrap_err();
    assert_eq!(latin.fields, ["content"]);
    assert_eq!(named(&world, "").await, ["Kendt"]);
}

#[tokio::test]
async fn import_with_very_many_mistakes_tells_twenty_and_how_many_more() {
    let world = World::new().await;
    let mut content = "fk_org_uuid,name\n".to_owned();
    for _ in 0..50 {
        content.push_str("x,Enhed\n");
    }
    let failure = refused(&world, &content).await;
    assert_eq!((failure.fields.len(), failure.fields[20].as_str()), (21, "content"));
}

#[tokio::test]
async fn import_with_a_personal_number_refused_and_named() {
    let world = World::new().await;
    for (content, field) in [
        (format!("fk_org_uuid,name\n{},Team 010190-1234\n", fk(1)), "content[2].name"),
        (format!("fk_org_uuid,name,leader\n{},X,0101901234\n", fk(1)), "content[2].leader"),
    ] {
        let failure = refused(&world, &content).await;
        assert!(failure.is(Code::InvalidArgument, "PERSONAL_NUMBER_REFUSED"), "{failure:?}");
        assert_eq!(failure.metadata["field"], field);
        assert!(!failure.localized.1.contains("1234"), "{failure:?}");
    }
}

#[tokio::test]
async fn import_missing_units_told_and_ended_only_when_asked() {
    let world = World::new().await;
    world.unit("Holdt i hånden").await;
    import(&world, &tree()).await;
    let all = units(&world).await;
    let without = tree().lines().filter(|line| !line.contains("Teknik")).collect::<Vec<_>>().join("\n");
    let told = import(&world, &without).await;
    assert_eq!(told.missing, std::slice::from_ref(&all["Teknik"].id));
    assert_eq!(units(&world).await["Teknik"].valid_until, None);
    let end = pb::ImportOrgUnitsRequest { end_missing: true, ..file(&world, without) };
    assert_eq!(world.office().call(end.clone()).await.unwrap().missing, told.missing);
    let after = units(&world).await;
    assert!(after["Teknik"].valid_until.is_some() && after["Holdt i hånden"].valid_until.is_none(), "{after:?}");
    assert_eq!(world.office().call(end).await.unwrap().missing, Vec::<String>::new());
}

#[tokio::test]
async fn import_of_one_file_twice_at_once_made_once() {
    let world = World::new().await;
    let (first, second) = (world.office(), world.office());
    let (one, other) = tokio::join!(first.call(file(&world, tree())), second.call(file(&world, tree())));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.created.len() + other.created.len(), one.unchanged_count + other.unchanged_count), (4, 4));
    assert_sound(&world).await;
}

#[tokio::test]
async fn import_ended_unit_that_is_back_goes_on_when_the_file_says_so() {
    let world = World::new().await;
    import(&world, &tree()).await;
    let one = format!("fk_org_uuid,name\n{},Sundhed\n", fk(1));
    let end = pb::ImportOrgUnitsRequest { end_missing: true, ..file(&world, one) };
    assert_eq!(world.office().call(end).await.unwrap().missing.len(), 3);
    let back = format!("fk_org_uuid,name,valid_until\n{},Teknik,\n", fk(4));
    assert_eq!(import(&world, &back).await.updated.len(), 1);
    assert_eq!(units(&world).await["Teknik"].valid_until, None);
}

#[tokio::test]
async fn import_audited_with_counts_ids_and_the_files_hash() {
    let world = World::new().await;
    let content = tree();
    let checked = pb::ImportOrgUnitsRequest { validate_only: true, ..file(&world, content.clone()) };
    assert_eq!(counts(&world.office().call(checked).await.unwrap()), (4, 0, 0, 0, 0));
    assert!(units(&world).await.is_empty());
    let done = import(&world, &content).await;
    let [entry] = &world.audited("action = \"org_unit.import\"").await[..] else { panic!("one entry") };
    let changes: serde_json::Value = serde_json::from_str(&entry.changes_json).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (changes["sha256"]["after"].as_str(), changes["created_count"]["after"].as_u64()),
        (Some(&*hex), Some(4))
    );
    assert_eq!(changes["created"]["after"], serde_json::json!(done.created));
    assert_eq!((entry.object_type.as_str(), entry.object()), ("organisation", world.id().as_str()));
    let failure = world.manager().call(file(&world, content)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}

#[tokio::test]
async fn import_of_another_organisations_ids_makes_units_of_its_own() {
    let here = World::new().await;
    let there = here.elsewhere().await;
    import(&there, &tree()).await;
    let before = units(&there).await;
    // Their unit is none to be below, and none to change.
    let failure = refused(&here, &format!("fk_org_uuid,name,parent\n{},Under dem,{}\n", fk(8), fk(1))).await;
    assert_eq!(failure.fields, ["content[2].parent"]);
    assert_eq!(import(&here, &tree()).await.created.len(), 4);
    assert_eq!(units(&there).await, before);
}

#[tokio::test]
async fn import_of_the_example_done_as_the_readme_has_it() {
    let world = World::new().await;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/units.csv");
    // As `gevinst dev` has it already, without an id of any register.
    world.unit("Borgerservice").await;
    let done = world.office().call(file(&world, fs::read(example).unwrap())).await.unwrap();
    assert_eq!(counts(&done), (16, 1, 0, 0, 0));
    let units = units(&world).await;
    assert_eq!(units["Hjemmepleje Nord"].path.len(), 3);
    assert_eq!(units["Projektkontor for digital post"].valid_until(), "2027-12-31");
}

#[tokio::test]
async fn import_of_five_thousand_units_done_in_seconds_and_more_refused() {
    let world = World::new().await;
    // Ten at the top; each other unit below one of the first five hundred. Then all of it below another one of the ten.
    let content = |shift: usize, count: usize| {
        let mut content = "fk_org_uuid,name,parent\n".to_owned();
        for number in 0..count {
            let parent = match number {
                0..10 => String::new(),
                10..500 => fk((number + shift) % 10),
                _ => fk(10 + (number + shift) % 490),
            };
            writeln!(content, "{},Enhed {number},{parent}", fk(number)).unwrap();
        }
        content
    };
    let began = Instant::now();
    let done = import(&world, &content(0, 5000)).await;
    assert_eq!(counts(&done), (5000, 0, 0, 0, 0));
    let created = began.elapsed();
    let began = Instant::now();
    assert_eq!(counts(&import(&world, &content(0, 5000)).await), (0, 0, 0, 5000, 0));
    let unchanged = began.elapsed();
    let began = Instant::now();
    assert_eq!(counts(&import(&world, &content(1, 5000)).await), (0, 0, 4990, 10, 0));
    let moved = began.elapsed();
    let deep = pb::ListOrgUnitsRequest {
        organisation: world.id(),
        filter: format!("fk_org_uuid = \"{}\"", fk(4999)),
        ..Default::default()
    };
    assert_eq!(world.office().call(deep).await.unwrap().org_units[0].path.len(), 3);
    let most = created.max(unchanged).max(moved);
    assert!(most.as_secs() < 15, "created {created:?}, unchanged {unchanged:?}, moved {moved:?}");
    let failure = refused(&world, &content(0, 5001)).await;
    assert_eq!(failure.fields, ["content"]);
}

#[tokio::test]
async fn import_of_a_chain_too_deep_refused() {
    let world = World::new().await;
    let chain = |length: usize| {
        let mut content = "fk_org_uuid,name,parent\n".to_owned();
        for number in 0..length {
            let parent = number.checked_sub(1).map(fk).unwrap_or_default();
            writeln!(content, "{},Led {number},{parent}", fk(number)).unwrap();
        }
        content
    };
    assert_eq!(refused(&world, &chain(31)).await.fields, ["content[32].parent"]);
    assert_eq!(import(&world, &chain(30)).await.created.len(), 30);
    assert_sound(&world).await;
}
