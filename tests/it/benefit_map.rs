//! Benefit maps: set whole, refused where they are none, telling what they lack, and drawn (S07, S29, I21).

use gevinst::auth::Role;
use gevinst_proto::v1::{
    self as pb, BenefitMapFindingKind as Lack, BenefitMapFormat as Format, BenefitMapNodeKind as Kind, GateCode,
    GateOutcome, Principle,
};
use tonic::Code;

use crate::{
    budget_effects::promise,
    harness::{Person, World},
    realisation::economic,
    strategy::{created, ended},
};

fn node(key: &str, kind: Kind) -> pb::BenefitMapNode {
    let title = if [Kind::Output, Kind::Change].contains(&kind) { format!("Titel på {key}") } else { String::new() };
    pb::BenefitMapNode { key: key.to_owned(), kind: kind.into(), title, ..Default::default() }
}

fn benefit(key: &str, benefit: &pb::Benefit) -> pb::BenefitMapNode {
    pb::BenefitMapNode { benefit: Some(benefit.id.clone()), ..node(key, Kind::Benefit) }
}

fn principle(key: &str, principle: Principle) -> pb::BenefitMapNode {
    pb::BenefitMapNode { principle: principle.into(), ..node(key, Kind::Goal) }
}

fn goal(key: &str, goal: &pb::StrategyGoal) -> pb::BenefitMapNode {
    pb::BenefitMapNode { strategy_goal: Some(goal.id.clone()), ..node(key, Kind::Goal) }
}

fn edge(from: &str, to: &str, weight: i32) -> pb::BenefitMapEdge {
    pb::BenefitMapEdge { from: from.to_owned(), to: to.to_owned(), weight }
}

fn map(
    world: &World,
    project: &pb::Project,
    nodes: Vec<pb::BenefitMapNode>,
    edges: &[(&str, &str, i32)],
) -> pb::SetBenefitMapRequest {
    pb::SetBenefitMapRequest {
        organisation: world.id(),
        project: project.id.clone(),
        nodes,
        edges: edges.iter().map(|(from, to, weight)| edge(from, to, *weight)).collect(),
        ..Default::default()
    }
}

fn of(world: &World, project: &pb::Project) -> pb::GetBenefitMapRequest {
    pb::GetBenefitMapRequest { organisation: world.id(), project: project.id.clone() }
}

async fn read(world: &World, project: &pb::Project) -> pb::BenefitMap {
    world.office().call(of(world, project)).await.unwrap().benefit_map.unwrap()
}

/// What it lacks, and of which node; but for what is claimed twice, as all that `World::benefit` makes is.
fn lacks(map: &pb::BenefitMap) -> Vec<(Lack, &str)> {
    let lacking = map.findings.iter().filter(|finding| finding.kind() != Lack::MeasureClaimedTwice);
    lacking.map(|finding| (finding.kind(), finding.node())).collect()
}

/// A project with a benefit.
async fn project(world: &World) -> (pb::Project, pb::Benefit) {
    let project = world.project().await;
    let benefit = world.benefit(&project, "46", "35").await;
    (project, benefit)
}

async fn served(world: &World, benefit: &pb::Benefit) -> Vec<(String, String)> {
    let request = pb::GetBenefitRequest { organisation: world.id(), benefit: benefit.id.clone() };
    let benefit = world.office().call(request).await.unwrap().benefit.unwrap();
    let goal = |served: &pb::ServedGoal| match &served.strategy_goal {
        Some(id) => id.clone(),
        None => served.principle().as_str_name().to_owned(),
    };
    benefit.serves.iter().map(|served| (goal(served), served.share.clone())).collect()
}

#[tokio::test]
async fn map_set_whole_read_back_and_set_anew_by_its_etag() {
    let world = World::new().await;
    let (project, first) = project(&world).await;
    let second = world.benefit(&project, "1", "2").await;
    let pursued = created(&world, "VELFÆRD-1").await;
    let empty = read(&world, &project).await;
    assert_eq!((&*empty.etag, empty.nodes.len()), ("v0", 0));
    assert_eq!(lacks(&empty), [(Lack::BenefitNotOnMap, ""); 2]);
    assert_eq!(empty.findings[0].benefit(), first.id);

    let nodes = vec![
        node("O", Kind::Output),
        node("C", Kind::Change),
        benefit("B1", &first),
        benefit("B2", &second),
        goal("G", &pursued),
        principle("P", Principle::GiveValue),
    ];
    let edges = [("O", "C", 100), ("C", "B1", 60), ("C", "B2", 40), ("B1", "B2", 30), ("B1", "G", 50), ("B2", "G", 90)];
    let request = map(&world, &project, nodes, &[&edges[..], &[("B2", "P", 10)]].concat());
    let set = world.manager().call(request.clone()).await.unwrap().benefit_map.unwrap();
    assert_eq!(lacks(&set), []);
    assert_eq!((set.set_by.as_str(), &set.edges), ("manager", &request.edges));
    assert_eq!(read(&world, &project).await, set);
    let label = set.nodes[4].label.clone().unwrap();
    assert_eq!((&*label.da, &*label.en), ("VELFÆRD-1: Flere klarer sig selv", "VELFÆRD-1: More people manage"));
    // Half straight on, and nine tenths of the 30 % that go by way of the other.
    let whole = |goal: &str, share: &str| (goal.to_owned(), share.to_owned());
    assert_eq!(served(&world, &first).await, [whole(&pursued.id, "0.77"), whole("PRINCIPLE_GIVE_VALUE", "0.03")]);
    assert_eq!(served(&world, &second).await, [whole(&pursued.id, "0.9"), whole("PRINCIPLE_GIVE_VALUE", "0.1")]);

    let without = map(&world, &project, vec![benefit("B1", &first), goal("G", &pursued)], &[("B1", "G", 100)]);
    let failure = world.manager().call(without.clone()).await.unwrap_err();
    assert!(failure.is(Code::Aborted, "ETAG_STALE"), "{failure:?}");
    let anew = pb::SetBenefitMapRequest { etag: set.etag.clone(), ..without };
    let set = world.office().call(anew).await.unwrap().benefit_map.unwrap();
    assert_eq!(lacks(&set), [(Lack::BenefitNotOnMap, ""), (Lack::BenefitWithoutChange, "B1")]);
    assert_eq!(served(&world, &second).await, []);
    let [entry, _] = &world.audited("action = \"benefit_map.set\" AND outcome = DONE").await[..] else { panic!() };
    assert!(entry.changes_json.contains("C CHANGE Titel på C") && !entry.changes_json.contains("G GOAL"), "{entry:?}");
}

#[tokio::test]
async fn what_is_no_map_refused_with_the_fields_to_blame() {
    let world = World::new().await;
    let (project, known) = project(&world).await;
    let pursued = created(&world, "MÅL-1").await;
    let two = || vec![node("O", Kind::Output), node("C", Kind::Change)];
    let bare = |key: &str, kind: Kind| pb::BenefitMapNode { title: String::new(), ..node(key, kind) };
    let titled = |node: pb::BenefitMapNode| pb::BenefitMapNode { title: "t".to_owned(), ..node };
    let both = pb::BenefitMapNode { principle: Principle::Involve.into(), ..goal("G", &pursued) };
    for (nodes, edges, field) in [
        (two(), vec![("O", "X", 1)], "edges[0].to"),
        (two(), vec![("X", "C", 1)], "edges[0].from"),
        (two(), vec![("O", "C", 1), ("O", "C", 2)], "edges[1]"),
        (two(), vec![("C", "O", 1)], "edges[0]"),
        (two(), vec![("O", "C", 0)], "edges[0].weight"),
        (two(), vec![("O", "C", 101)], "edges[0].weight"),
        (vec![node("O", Kind::Output), node("P", Kind::Output)], vec![("O", "P", 1)], "edges[0]"),
        ([two(), vec![node("D", Kind::Change)]].concat(), vec![("O", "C", 60), ("O", "D", 41)], "edges[1].weight"),
        (vec![node("O", Kind::Output), node("O", Kind::Change)], vec![], "nodes[1].key"),
        (vec![benefit("B", &known), benefit("C", &known)], vec![], "nodes[1].benefit"),
        (vec![goal("B", &pursued), goal("C", &pursued)], vec![], "nodes[1].kind"),
        (vec![bare("O", Kind::Output)], vec![], "nodes[0].title"),
        (vec![titled(benefit("B", &known))], vec![], "nodes[0].title"),
        (vec![bare("B", Kind::Benefit)], vec![], "nodes[0].benefit"),
        (vec![bare("G", Kind::Goal)], vec![], "nodes[0].strategy_goal"),
        (vec![both], vec![], "nodes[0].principle"),
        (
            vec![titled(pb::BenefitMapNode { kind: Kind::Output.into(), ..goal("G", &pursued) })],
            vec![],
            "nodes[0].strategy_goal",
        ),
        (vec![node("må ikke", Kind::Output)], vec![], "nodes[0].key"),
        (Vec::new(), vec![], "nodes"),
    ] {
        let failure = world.manager().call(map(&world, &project, nodes, &edges)).await.unwrap_err();
        assert_eq!(
            (failure.code, &failure.fields[..]),
            (Code::InvalidArgument, &[field.to_owned()][..]),
            "{failure:?}"
        );
    }
    // A way of more edges than a share can be told of.
    let keys: Vec<String> = (0..18).map(|number| format!("C{number}")).collect();
    let nodes = keys.iter().map(|key| node(key, Kind::Change)).collect();
    let edges: Vec<_> = keys.windows(2).map(|pair| (&*pair[0], &*pair[1], 100)).collect();
    let failure = world.manager().call(map(&world, &project, nodes, &edges)).await.unwrap_err();
    assert_eq!((failure.code, &failure.fields[..]), (Code::InvalidArgument, &["edges".to_owned()][..]));
}

#[tokio::test]
async fn circle_refused_and_named_in_the_order_of_the_way_i21() {
    let world = World::new().await;
    let (project, _) = project(&world).await;
    let nodes = ["A", "B", "C", "D"].map(|key| node(key, Kind::Change)).to_vec();
    let edges = [("A", "B", 50), ("B", "C", 50), ("C", "D", 50), ("D", "B", 50)];
    let failure = world.manager().call(map(&world, &project, nodes, &edges)).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "BENEFIT_MAP_CYCLE"), "{failure:?}");
    assert_eq!((failure.metadata["nodes"].as_str(), &failure.fields[..]), ("B,C,D,B", &["edges".to_owned()][..]));
    assert_eq!(read(&world, &project).await.etag, "v0");
}

#[tokio::test]
async fn orphans_told_and_disbenefits_owe_no_goal() {
    let world = World::new().await;
    let (project, known) = project(&world).await;
    let worse = pb::CreateBenefitRequest { disbenefit: true, ..world.benefit_request(&project, "1", "2") };
    let worse = world.office().call(worse).await.unwrap().benefit.unwrap();
    let nodes = vec![
        node("O", Kind::Output),
        node("C", Kind::Change),
        benefit("B", &known),
        benefit("W", &worse),
        principle("P", Principle::Involve),
    ];
    let set = world.manager().call(map(&world, &project, nodes, &[])).await.unwrap().benefit_map.unwrap();
    assert_eq!(
        lacks(&set),
        [
            (Lack::BenefitWithoutGoal, "B"),
            (Lack::BenefitWithoutChange, "B"),
            (Lack::BenefitWithoutChange, "W"),
            (Lack::ChangeWithoutOutput, "C"),
            (Lack::ChangeLeadsNowhere, "C"),
            (Lack::OutputLeadsNowhere, "O"),
            (Lack::GoalNotReached, "P"),
        ]
    );
    assert_eq!(
        set.findings[0].text.as_ref().unwrap().da,
        "Gevinsten »Kortere sagstid« fører ikke til noget mål eller princip."
    );
}

#[tokio::test]
async fn ended_goal_stays_where_it_was_and_is_taken_up_nowhere() {
    let world = World::new().await;
    let (kept, known) = project(&world).await;
    let pursued = created(&world, "MÅL-1").await;
    let request = |project: &pb::Project, benefits| map(&world, project, benefits, &[("B", "G", 100)]);
    let drawn = request(&kept, vec![benefit("B", &known), goal("G", &pursued)]);
    let set = world.manager().call(drawn.clone()).await.unwrap().benefit_map.unwrap();
    ended(&world, &pursued).await;
    world.clock.advance(time::Duration::days(1));
    assert!(lacks(&read(&world, &kept).await).contains(&(Lack::GoalEnds, "G")));
    world.manager().call(pb::SetBenefitMapRequest { etag: set.etag, ..drawn }).await.unwrap();
    let (other, elsewhere) = project(&world).await;
    let failure =
        world.manager().call(request(&other, vec![benefit("B", &elsewhere), goal("G", &pursued)])).await.unwrap_err();
    assert_eq!(failure.fields, ["nodes[1].strategy_goal"], "{failure:?}");
}

#[tokio::test]
async fn map_set_by_the_manager_and_the_office_and_after_closure_by_the_office_alone() {
    let world = World::new().await;
    let (project, known) = project(&world).await;
    let request = map(&world, &project, vec![benefit("B", &known)], &[]);
    for caller in [world.steering(), world.benefit_owner(), world.person("reader", &[Role::Reader])] {
        let failure = caller.call(request.clone()).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    }
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5] {
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    let failure = world.manager().call(request.clone()).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
    world.office().call(request).await.unwrap();

    let stopped = world.project().await;
    world.decided(&stopped, GateCode::G1, GateOutcome::Kill).await;
    let failure = world.office().call(map(&world, &stopped, vec![node("O", Kind::Output)], &[])).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
}

#[tokio::test]
async fn benefits_and_goals_of_others_not_there_i25() {
    let world = World::new().await;
    let (project, _) = project(&world).await;
    let (_, of_another) = self::project(&world).await;
    let there = world.elsewhere().await;
    let theirs = created(&there, "MÅL-1").await;
    for node in [benefit("B", &of_another), goal("G", &theirs)] {
        let failure = world.office().call(map(&world, &project, vec![node], &[])).await.unwrap_err();
        assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    }
    let failure = there.office().call(of(&there, &project)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
    // Who owns a benefit sees it, and not the project.
    let owner = world.person("owner", &[]);
    let failure = owner.call(of(&world, &project)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
}

#[tokio::test]
async fn gate_asks_that_every_benefit_reaches_a_goal_i21() {
    let world = World::shipped().await;
    let project = world.project().await;
    for gate in [GateCode::G1, GateCode::G2] {
        world.made_ready(&project, 0).await;
        if gate == GateCode::G1 {
            world.decided(&project, gate, GateOutcome::Go).await;
        }
    }
    let asked = async || {
        let found = world.readiness(&project, 0).await.criteria;
        found.into_iter().find(|found| found.code == "I21_BENEFIT_MAP").unwrap()
    };
    assert!(asked().await.met);
    let second = world.benefit(&project, "1", "2").await;
    assert!(!asked().await.met, "one is not on the map");
    let map = read(&world, &project).await;
    let alone = pb::SetBenefitMapRequest {
        organisation: world.id(),
        project: project.id.clone(),
        nodes: [map.nodes, vec![benefit("second", &second)]].concat(),
        edges: map.edges,
        etag: map.etag,
        validate_only: false,
    };
    let map = world.office().call(alone.clone()).await.unwrap().benefit_map.unwrap();
    assert!(!asked().await.met, "it leads nowhere");
    let edges = [alone.edges.clone(), vec![edge("second", "goal", 1)]].concat();
    world.office().call(pb::SetBenefitMapRequest { edges, etag: map.etag, ..alone }).await.unwrap();
    assert!(asked().await.met);
}

/// The measures that a project's benefits claim while others do: which, of whom.
async fn claimed(caller: &Person, of: pb::GetBenefitMapRequest) -> Vec<(String, Option<String>, Option<String>)> {
    let found = caller.call(of).await.unwrap().benefit_map.unwrap().findings;
    let twice = found.into_iter().filter(|finding| finding.kind() == Lack::MeasureClaimedTwice);
    twice.map(|finding| (finding.benefit().to_owned(), finding.other_benefit, finding.other_project)).collect()
}

#[tokio::test]
async fn measure_claimed_twice_in_overlapping_years_told_across_projects() {
    let world = World::new().await;
    let (here, there) = (world.project().await, world.project().await);
    let first = world.office().call(world.planned_request(&here, "2027-01-01")).await.unwrap().benefit.unwrap();
    let measured = |project: &pb::Project, name: &str, unit: &str, from: &str| {
        let request = world.planned_request(project, from);
        let measure = request.measure.clone().unwrap_or_default();
        let measure = pb::Measure { name: name.to_owned(), unit: unit.to_owned(), ..measure };
        pb::CreateBenefitRequest { measure: Some(measure), ..request }
    };
    for (name, unit, from) in
        [("Sagstid", "uger", "2027-01-01"), ("Ventetid", "dage", "2027-01-01"), ("Sagstid", "dage", "2028-01-01")]
    {
        world.office().call(measured(&there, name, unit, from)).await.unwrap();
        assert_eq!(claimed(&world.office(), of(&world, &here)).await, [], "{name} {unit} {from}");
    }
    let worse = pb::CreateBenefitRequest { disbenefit: true, ..measured(&there, "Sagstid", "dage", "2027-06-01") };
    world.office().call(worse).await.unwrap();
    assert_eq!(claimed(&world.office(), of(&world, &here)).await, [], "what gets worse claims nothing");

    let same = measured(&there, " sags TID", "Dage", "2027-12-01");
    let same = world.office().call(same).await.unwrap().benefit.unwrap();
    let told = vec![(first.id.clone(), Some(same.id.clone()), Some(there.id.clone()))];
    assert_eq!(claimed(&world.office(), of(&world, &here)).await, told);
    let back = claimed(&world.office(), of(&world, &there)).await;
    assert!(back.contains(&(same.id.clone(), Some(first.id.clone()), Some(here.id.clone()))), "{back:?}");
    // Within a project too; and what has no start overlaps with all.
    let always = world.benefit(&here, "46", "35").await;
    assert_eq!(claimed(&world.office(), of(&world, &here)).await.len(), 5, "{}", always.id);
    // Who stops claims nothing.
    world.decided(&there, GateCode::G1, GateOutcome::Kill).await;
    assert_eq!(claimed(&world.office(), of(&world, &here)).await.len(), 2);
}

#[tokio::test]
async fn claim_of_a_project_that_is_not_seen_told_without_a_name_and_at_the_gate_to_everybody_the_same() {
    let world = World::new().await;
    let (here, there) = (world.project().await, world.project().await);
    let (known, hidden) = (world.benefit(&here, "46", "35").await, world.benefit(&there, "46", "35").await);
    let reader = world.person("project-reader", &[]);
    let granter = world.person("granter", &[Role::Reader]);
    let grant = world.grant_at("project-reader", Role::Reader, pb::ScopeKind::Project, &here.id);
    granter.call(grant).await.unwrap();
    assert_eq!(claimed(&reader, of(&world, &here)).await, [(known.id.clone(), None, None)]);
    let named = vec![(known.id.clone(), Some(hidden.id.clone()), Some(there.id.clone()))];
    assert_eq!(claimed(&world.office(), of(&world, &here)).await, named);
    for caller in [reader, world.office()] {
        let request = pb::GetProjectDossierRequest { organisation: world.id(), project: here.id.clone() };
        let dossier = caller.call(request).await.unwrap().dossier.unwrap();
        let findings = dossier.benefit_map.unwrap().findings;
        let twice: Vec<_> = findings.iter().filter(|found| found.kind() == Lack::MeasureClaimedTwice).collect();
        assert_eq!(twice.len(), 1);
        assert_eq!((&twice[0].other_benefit, &twice[0].other_project), (&None, &None));
        assert!(!twice[0].text.as_ref().unwrap().da.contains(&there.title), "{twice:?}");
    }
}

async fn drawn(world: &World, project: &pb::Project, format: Format, language: &str) -> (String, String) {
    let request =
        pb::ExportBenefitMapRequest { organisation: world.id(), project: project.id.clone(), format: format.into() };
    let drawn = world.office().with("accept-language", language).call(request).await.unwrap();
    (drawn.media_type, drawn.content)
}

#[tokio::test]
async fn map_drawn_in_either_language_and_what_people_wrote_is_text() {
    let world = World::new().await;
    let (project, known) = project(&world).await;
    let wild = "\"Æblet\" [x](y) <script>alert(1)</script>\n& `end`; #quot; 100 %";
    let output = pb::BenefitMapNode { title: wild.to_owned(), ..node("end", Kind::Output) };
    let nodes = vec![output, node("C", Kind::Change), benefit("B", &known), principle("P", Principle::Involve)];
    let request = map(&world, &project, nodes, &[("end", "C", 100), ("C", "B", 75), ("B", "P", 100)]);
    world.manager().call(request).await.unwrap();

    let (media_type, chart) = drawn(&world, &project, Format::Mermaid, "da").await;
    assert_eq!(media_type, "application/vnd.mermaid");
    let lines: Vec<&str> = chart.lines().map(str::trim).collect();
    assert_eq!(
        lines[..3],
        [
            "flowchart LR",
            "subgraph k1[\"Leverancer\"]",
            "n0[\"#34;Æblet#34; #91;x#93;#40;y#41; #60;script#62;alert#40;1#41;#60;#47;script#62; #38; #96;end#96;#59; #35;quot#59; 100 #37;\"]",
        ]
    );
    assert!(lines.contains(&"n1 -->|\"75 #37;\"| n2"), "{chart}");
    let (_, chart) = drawn(&world, &project, Format::Mermaid, "en").await;
    assert!(chart.contains("subgraph k4[\"Goals\"]") && chart.contains("Involve those affected"), "{chart}");

    let (media_type, image) = drawn(&world, &project, Format::Svg, "da").await;
    assert_eq!(media_type, "image/svg+xml");
    assert!(image.starts_with("<svg ") && image.contains(" role=\"img\"") && image.ends_with("</svg>"), "{image}");
    let inside =
        |tag: &str| image.split_once(&format!("<{tag} ")).unwrap().1.split_once(&format!("</{tag}>")).unwrap().0;
    assert!(inside("title").contains(&project.title));
    assert!(inside("desc").contains("Titel på C fører til Kortere sagstid (75 %)."), "{image}");
    // Well-formed: each element that begins ends, and none is people's own.
    let begun = image.matches('<').count() - 2 * image.matches("</").count();
    assert!(begun == 0 && !image.contains("<script") && image.contains("&lt;script&gt;"), "{image}");
    let (_, empty) = drawn(&world, &world.project().await, Format::Svg, "en").await;
    assert!(empty.contains("The map is empty."), "{empty}");
}

#[tokio::test]
async fn account_promised_twice_in_the_same_years_told_across_projects() {
    let world = World::new().await;
    let (here, there) = (world.project().await, world.project().await);
    let (first, second) = (economic(&world, &here).await, economic(&world, &there).await);
    let promised = async |benefit: &pb::Benefit, account: &str, year: i32| {
        let request = promise(&world, benefit, 10_000_000);
        let request = pb::RecordBudgetEffectRequest { account: account.to_owned(), year, ..request };
        (request.clone(), world.office().call(request).await.unwrap().budget_effect.unwrap())
    };
    let told = async |project: &pb::Project| {
        let found = world.office().call(of(&world, project)).await.unwrap().benefit_map.unwrap().findings;
        let twice = found.into_iter().filter(|finding| finding.kind() == Lack::AccountClaimedTwice);
        twice.map(|finding| (finding.benefit().to_owned(), finding.other_benefit)).collect::<Vec<_>>()
    };
    promised(&first, "5.46.60 Årsløn", 2028).await;
    promised(&second, "5.46.61 Årsløn", 2028).await;
    promised(&second, "5.46.60 Årsløn", 2029).await;
    assert_eq!(told(&here).await, [], "another account, or another year");
    let (request, same) = promised(&second, "5.46.60  ÅRSLØN", 2028).await;
    assert_eq!(told(&here).await, [(first.id.clone(), Some(second.id.clone()))]);
    assert_eq!(told(&there).await, [(second.id.clone(), Some(first.id.clone()))]);

    let corrects = pb::BudgetEffectCorrection { budget_effect: same.id, reason: "Tastefejl.".to_owned() };
    let nothing = pb::RecordBudgetEffectRequest { amount_ore: 0, corrects: Some(corrects), ..request };
    world.office().call(nothing).await.unwrap();
    assert_eq!(told(&here).await, [], "corrected away");
    promised(&second, "5.46.60 Årsløn", 2028).await;
    assert_eq!(told(&here).await.len(), 1);
    world.decided(&there, GateCode::G1, GateOutcome::Kill).await;
    assert_eq!(told(&here).await, [], "who stops claims nothing");
}
