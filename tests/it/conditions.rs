//! Conditions: who sees them, who says that they are met, who lets them go.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, ConditionState, GateCode, GateOutcome, ProjectStatus};
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use tonic::Code;
use uuid::Uuid;

use crate::harness::{Failure, Person, World, owner};

/// A condition as a test wants it. Open, blocking and due in the far future by default.
#[derive(Clone)]
pub struct Condition<'a> {
    pub owner: &'a str,
    pub due_on: &'a str,
    pub blocking: bool,
    pub state: ConditionState,
}

impl Default for Condition<'_> {
    fn default() -> Self {
        Self { owner: "condition-owner", due_on: "2999-12-31", blocking: true, state: ConditionState::Open }
    }
}

/// Sets a condition past the API, as the schema's owner: a decision sets none that is overdue or settled. Gives its id.
pub async fn set(owner: &DatabaseConnection, world: &World, review: &pb::GateReview, of: &Condition<'_>) -> String {
    set_many(owner, world, review, of, 1).await.remove(0)
}

/// The same, so many at once.
pub async fn set_many(
    owner: &DatabaseConnection,
    world: &World,
    review: &pb::GateReview,
    of: &Condition<'_>,
    many: i32,
) -> Vec<String> {
    let state = of.state.as_str_name().strip_prefix("CONDITION_STATE_").unwrap();
    let tx = owner.begin().await.unwrap();
    let scope = "SELECT set_config('app.organisation', $1, true), set_config('app.scopes', '{' || $1 || '}', true)";
    tx.query_one_raw(gevinst::db::postgres(scope, [world.id().into()])).await.unwrap();
    let sql = "INSERT INTO conditions (organisation_id, id, project_id, gate_review_id, title, owner, due_on, blocking, \
            state, settled_by, settled_at, created_at) \
        SELECT organisation_id, gen_random_uuid(), project_id, id, 'Databehandleraftalen er underskrevet', $2, $3::date, $4, $5, \
            CASE WHEN $5 <> 'OPEN' THEN 'gevinst' END, CASE WHEN $5 <> 'OPEN' THEN now() END, now() \
        FROM gate_reviews, generate_series(1, $1) WHERE id = $6 RETURNING id";
    let values = [
        many.into(),
        of.owner.into(),
        of.due_on.into(),
        of.blocking.into(),
        state.into(),
        review.id.parse::<Uuid>().unwrap().into(),
    ];
    let rows = tx.query_all_raw(gevinst::db::postgres(sql, values)).await.unwrap();
    tx.commit().await.unwrap();
    let id = |row: &sea_orm::QueryResult| row.try_get_by_index::<Uuid>(0).unwrap().to_string();
    let ids: Vec<String> = rows.iter().map(id).collect();
    assert_eq!(ids.len(), many as usize);
    ids
}

/// Somebody's waiver of it, proposed.
pub async fn proposed(world: &World, condition: &str) -> pb::Condition {
    world.office().call(proposal(world, condition)).await.unwrap().condition.unwrap()
}

/// A resumption.
pub fn resume(world: &World, project: &pb::Project) -> pb::ResumeProjectRequest {
    pb::ResumeProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        reason: "Der er plads i hverdagen igen.".to_owned(),
        ..Default::default()
    }
}

/// A message that a condition is met.
pub fn meeting(world: &World, condition: &str) -> pb::MeetConditionRequest {
    pb::MeetConditionRequest {
        organisation: world.id(),
        condition: condition.to_owned(),
        evidence: vec![pb::EvidenceLink {
            title: "Aftalen".to_owned(),
            uri: "https://esdh.example/sag/1".to_owned(),
            sha256: "a".repeat(64),
        }],
        reason: "Underskrevet i dag.".to_owned(),
        validate_only: false,
    }
}

fn proposal(world: &World, condition: &str) -> pb::ProposeConditionWaiverRequest {
    pb::ProposeConditionWaiverRequest {
        organisation: world.id(),
        condition: condition.to_owned(),
        reason: "Leverandøren findes ikke mere.".to_owned(),
        validate_only: false,
    }
}

fn approval(world: &World, condition: &pb::Condition) -> pb::ApproveConditionWaiverRequest {
    pb::ApproveConditionWaiverRequest {
        organisation: world.id(),
        condition: condition.id.clone(),
        reason: "Enig.".to_owned(),
        etag: condition.etag.clone(),
        ..Default::default()
    }
}

/// The conditions that somebody sees, of those that a filter finds.
pub async fn seen(world: &World, by: &Person, filter: &str) -> Result<Vec<pb::Condition>, Failure> {
    let request = pb::ListConditionsRequest {
        organisation: world.id(),
        page_size: 200,
        filter: filter.to_owned(),
        ..Default::default()
    };
    Ok(by.call(request).await?.conditions)
}

/// The condition as it is now.
pub async fn reread(world: &World, id: &str) -> pb::Condition {
    let all = seen(world, &world.office(), "").await.unwrap();
    all.into_iter().find(|condition| condition.id == id).unwrap()
}

/// A project with a review, and a way to set conditions of it.
struct Stage {
    world: World,
    project: pb::Project,
    review: pb::GateReview,
    owner: DatabaseConnection,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let project = world.project().await;
        let review = world.submitted(&project, GateCode::G1).await;
        Self { world, project, review, owner: owner().await }
    }

    async fn set(&self, condition: &Condition<'_>) -> String {
        set(&self.owner, &self.world, &self.review, condition).await
    }

    async fn open(&self) -> String {
        self.set(&Condition::default()).await
    }
}

#[tokio::test]
async fn condition_met_by_its_owner_without_any_role_kept_with_its_evidence() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let id = stage.open().await;
    let owner = world.person("condition-owner", &[]);
    let [before] = &seen(world, &owner, "").await.unwrap()[..] else { panic!("the owner sees it") };
    assert_eq!((before.state(), before.settled_by.as_deref()), (ConditionState::Open, None));
    assert_eq!((&before.project, &before.gate_review), (&stage.project.id, &stage.review.id));

    let request = meeting(world, &id);
    let met = owner.clone().key("meet").call(request.clone()).await.unwrap().condition.unwrap();
    assert_eq!((met.state(), met.evidence.clone()), (ConditionState::Met, request.evidence.clone()));
    assert_eq!(met.settled_by.as_deref(), Some("condition-owner"));
    assert_eq!(met.settle_reason, request.reason);
    assert!(met.settle_time.is_some() && met.etag != before.etag);
    assert_eq!(reread(world, &id).await, met);
    assert_eq!(owner.clone().key("meet").call(request.clone()).await.unwrap().condition.unwrap(), met);

    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "CONDITION_NOT_OPEN"), "{failure:?}");
    assert_eq!(failure.metadata["state"], "MET");
    let entries = world.audited("action = \"condition.meet\" AND outcome = DONE").await;
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.actor.as_str(), entry.object.as_deref()), ("condition-owner", Some(id.as_str())));
    let changes: serde_json::Value = serde_json::from_str(&entry.changes_json).unwrap();
    assert_eq!(changes["state"], serde_json::json!({"before": "OPEN", "after": "MET"}));
    assert_eq!(changes["evidence"]["after"][0]["uri"], "https://esdh.example/sag/1");
}

#[tokio::test]
async fn only_owner_and_office_meet_and_without_evidence_nobody() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let id = stage.open().await;
    for (name, role) in
        [("manager", Role::ProjectManager), ("project-owner", Role::ProjectOwner), ("steering", Role::SteeringGroup)]
    {
        let failure = world.person(name, &[role]).call(meeting(world, &id)).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{name}: {failure:?}");
    }
    // What is not seen is not there, and neither is what is another organisation's.
    let stranger = world.person("stranger", &[]).call(meeting(world, &id)).await.unwrap_err();
    assert!(stranger.is(Code::NotFound, "NOT_FOUND"), "{stranger:?}");
    let there = world.elsewhere().await;
    let elsewhere = there.office().call(meeting(&there, &id)).await.unwrap_err();
    assert!(elsewhere.is(Code::NotFound, "NOT_FOUND"), "{elsewhere:?}");
    let bare = pb::MeetConditionRequest { evidence: Vec::new(), ..meeting(world, &id) };
    assert_eq!(world.office().call(bare).await.unwrap_err().fields, ["evidence"]);

    let dry = pb::MeetConditionRequest { validate_only: true, ..meeting(world, &id) };
    world.office().call(dry).await.unwrap();
    assert_eq!(reread(world, &id).await.state(), ConditionState::Open);
    world.office().call(meeting(world, &id)).await.unwrap();
}

#[tokio::test]
async fn waiver_takes_a_proposal_and_somebody_elses_approval_of_what_was_read() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let id = stage.open().await;
    let bare = reread(world, &id).await;
    let failure = world.steering().call(approval(world, &bare)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "WAIVER_NOT_PROPOSED"), "{failure:?}");
    let failure = world.person("reader", &[Role::Reader]).call(proposal(world, &id)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");

    // Any of the four proposes; the latest proposal is the one that counts.
    let mut last = bare;
    for name in ["condition-owner", "project-owner", "manager", "office"] {
        let roles: &[Role] = if name == "office" { &[Role::PortfolioOffice] } else { &[] };
        let next = world.person(name, roles).call(proposal(world, &id)).await.unwrap().condition.unwrap();
        assert_eq!((next.state(), next.waiver_proposer.as_deref()), (ConditionState::Open, Some(name)));
        let stale = world.steering().call(approval(world, &last)).await.unwrap_err();
        assert!(stale.is(Code::Aborted, "ETAG_STALE"), "{stale:?}");
        last = next;
    }
    let waived = world.steering().call(approval(world, &last)).await.unwrap().condition.unwrap();
    assert_eq!((waived.state(), waived.settled_by.as_deref()), (ConditionState::Waived, Some("steering")));
    assert_eq!((waived.waiver_proposer.as_deref(), waived.settle_reason.as_str()), (Some("office"), "Enig."));

    for failure in [
        world.office().call(meeting(world, &id)).await.unwrap_err(),
        world.office().call(proposal(world, &id)).await.unwrap_err(),
        world.steering().call(approval(world, &waived)).await.unwrap_err(),
    ] {
        assert!(failure.is(Code::FailedPrecondition, "CONDITION_NOT_OPEN"), "{failure:?}");
        assert_eq!(failure.metadata["state"], "WAIVED");
    }
}

#[tokio::test]
async fn waiver_approved_by_neither_proposer_owner_nor_manager_nor_for_them() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let id = stage.open().await;
    let both = [Role::PortfolioOffice, Role::SteeringGroup];
    let proposer = world.person("proposer", &both);
    let proposal = proposer.call(proposal(world, &id)).await.unwrap().condition.unwrap();
    for name in ["proposer", "condition-owner", "manager"] {
        for role in [Role::SteeringGroup, Role::ExecutiveBoard] {
            let failure = world.person(name, &[role]).call(approval(world, &proposal)).await.unwrap_err();
            assert!(failure.is(Code::PermissionDenied, "OWN_WAIVER"), "{name}: {failure:?}");
            assert_eq!(failure.metadata["policy"], "waiver-approved-by-another");
        }
        // Nor for any of them, nor any of them for another.
        let substitute = format!("substitute-of-{name}");
        world.delegated(&world.granted(name, Role::SteeringGroup).await, &substitute).await;
        let for_them = pb::ApproveConditionWaiverRequest { acting_for: name.to_owned(), ..approval(world, &proposal) };
        let failure = world.person(&substitute, &[]).call(for_them).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "OWN_WAIVER"), "for {name}: {failure:?}");
        let lender = format!("lender-to-{name}");
        world.delegated(&world.granted(&lender, Role::SteeringGroup).await, name).await;
        let by_them = pb::ApproveConditionWaiverRequest { acting_for: lender, ..approval(world, &proposal) };
        let failure = world.person(name, &[]).call(by_them).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "OWN_WAIVER"), "by {name}: {failure:?}");
    }
    // The office may propose and not approve; a program may not approve; nobody acts for who has lent nothing.
    let failure = world.office().call(approval(world, &proposal)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    let failure = world.service("robot", &both).call(approval(world, &proposal)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "PERSON_REQUIRED"), "{failure:?}");
    let for_nobody =
        pb::ApproveConditionWaiverRequest { acting_for: "nobody".to_owned(), ..approval(world, &proposal) };
    let failure = world.steering().call(for_nobody).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "NOT_A_DELEGATE"), "{failure:?}");
    assert_eq!(reread(world, &id).await, proposal);

    // A substitute of somebody else may, and the log says for whom.
    world.delegated(&world.granted("board-member", Role::ExecutiveBoard).await, "deputy").await;
    let lent =
        pb::ApproveConditionWaiverRequest { acting_for: "board-member".to_owned(), ..approval(world, &proposal) };
    let waived = world.person("deputy", &[]).call(lent).await.unwrap().condition.unwrap();
    assert_eq!((waived.state(), waived.settled_by.as_deref()), (ConditionState::Waived, Some("deputy")));
    let entries = world.audited("action = \"condition.approve_waiver\" AND outcome = DONE").await;
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.actor.as_str(), entry.acting_for.as_str()), ("deputy", "board-member"));
}

/// Twenty at once, of three kinds: one settles it, the others are told so.
#[tokio::test]
async fn condition_settled_once_whoever_comes_at_once() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let id = stage.open().await;
    let proposal = proposed(world, &id).await;
    let met = (0..10).map(|_| async { world.office().call(meeting(world, &id)).await.map(drop) });
    let waived = (0..10).map(|_| async { world.steering().call(approval(world, &proposal)).await.map(drop) });
    let (met, waived) = tokio::join!(futures_util::future::join_all(met), futures_util::future::join_all(waived));
    let (settled, refused): (Vec<_>, Vec<_>) = met.into_iter().chain(waived).partition(Result::is_ok);
    assert_eq!((settled.len(), refused.len()), (1, 19));
    for failure in refused {
        let failure = failure.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "CONDITION_NOT_OPEN"), "{failure:?}");
    }
}

#[tokio::test]
async fn conditions_seen_with_the_project_or_by_their_owner_only() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let own = stage.open().await;
    let lapsed = Condition { owner: "other", due_on: "2026-01-31", blocking: false, state: ConditionState::Lapsed };
    let other = stage.set(&lapsed).await;
    let ids = async |by: Person, filter: &str| -> Vec<String> {
        seen(world, &by, filter).await.unwrap().into_iter().map(|condition| condition.id).collect()
    };
    // By day, earliest first.
    for (name, role) in [("reader", Some(Role::Reader)), ("manager", None), ("project-owner", None)] {
        let roles: Vec<Role> = role.into_iter().collect();
        assert_eq!(ids(world.person(name, &roles), "").await, [other.clone(), own.clone()], "{name}");
    }
    assert_eq!(ids(world.person("condition-owner", &[]), "").await, std::slice::from_ref(&own));
    let failure = seen(world, &world.person("stranger", &[]), "").await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    // Where one has a role, and none of it covers the project: an empty list is an answer.
    let unit = world.unit("Et andet sted").await;
    let granter = world.person("granter", &[Role::Reader]);
    let here = world.grant_at("neighbour", Role::Reader, pb::ScopeKind::OrgUnit, &unit.id);
    granter.call(here).await.unwrap();
    assert_eq!(ids(world.person("neighbour", &[]), "").await, Vec::<String>::new());

    let project = format!("project = \"{}\"", stage.project.id);
    let review = format!("gate_review = \"{}\" AND state = OPEN", stage.review.id);
    for (filter, found) in [
        (project.as_str(), vec![&other, &own]),
        (&review, vec![&own]),
        ("owner = \"other\"", vec![&other]),
        ("blocking = true", vec![&own]),
        ("state = LAPSED AND due_on < \"2026-12-31\"", vec![&other]),
        ("state = WAIVED", vec![]),
    ] {
        assert_eq!(ids(world.office(), filter).await.iter().collect::<Vec<_>>(), found, "{filter}");
    }
    let failure = seen(world, &world.office(), "title = \"x\"").await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "FILTER_INVALID"), "{failure:?}");
    let backwards = pb::ListConditionsRequest {
        organisation: world.id(),
        page_size: 1,
        order_by: "due_on desc".to_owned(),
        ..Default::default()
    };
    let page = world.office().call(backwards.clone()).await.unwrap();
    assert_eq!(page.conditions[0].id, own);
    let next = pb::ListConditionsRequest { page_token: page.next_page_token, ..backwards };
    assert_eq!(world.office().call(next).await.unwrap().conditions[0].id, other);
}

#[tokio::test]
async fn project_resumed_only_once_blocking_conditions_are_met_or_waived_late() {
    let stage = Stage::new().await;
    let world = &stage.world;
    world.steering().call(world.decision(&stage.review, GateOutcome::Hold)).await.unwrap();
    let lapsed = Condition { due_on: "2026-01-31", state: ConditionState::Lapsed, ..Default::default() };
    let (met, waived) = (stage.set(&lapsed).await, stage.set(&lapsed).await);
    // Neither one that is open, nor one that does not block, is in the way.
    stage.open().await;
    stage.set(&Condition { blocking: false, ..lapsed.clone() }).await;

    let resume = async || world.steering().call(resume(world, &stage.project)).await;
    for settle_waived in [false, true] {
        let failure = resume().await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "CONDITION_LAPSED"), "{failure:?}");
        if settle_waived {
            let proposal = proposed(world, &waived).await;
            assert_eq!(proposal.state(), ConditionState::Lapsed);
            let waived = world.steering().call(approval(world, &proposal)).await.unwrap().condition.unwrap();
            assert_eq!(waived.settled_by.as_deref(), Some("steering"));
        } else {
            let met = world.person("condition-owner", &[]).call(meeting(world, &met)).await.unwrap();
            assert_eq!(met.condition.unwrap().state(), ConditionState::Met);
        }
    }
    let resumed = resume().await.unwrap().project.unwrap();
    assert_eq!(resumed.status(), ProjectStatus::Active);
    assert_eq!(
        events(&stage.owner, world, &stage.project).await,
        [("RESUMED".to_owned(), "steering".to_owned(), "Der er plads i hverdagen igen.".to_owned())]
    );
}

/// The turns in a project's life, oldest first: kind, actor and reason.
pub async fn events(owner: &DatabaseConnection, world: &World, project: &pb::Project) -> Vec<(String, String, String)> {
    let tx = owner.begin().await.unwrap();
    let scope = "SELECT set_config('app.organisation', $1, true), set_config('app.scopes', '{' || $1 || '}', true)";
    tx.query_one_raw(gevinst::db::postgres(scope, [world.id().into()])).await.unwrap();
    let sql = "SELECT kind, actor, reason FROM project_events WHERE project_id = $1 ORDER BY occurred_at, id";
    let project = project.id.parse::<Uuid>().unwrap();
    let rows = tx.query_all_raw(gevinst::db::postgres(sql, [project.into()])).await.unwrap();
    let text = |row: &sea_orm::QueryResult, column: usize| row.try_get_by_index::<String>(column).unwrap();
    rows.iter().map(|row| (text(row, 0), text(row, 1), text(row, 2))).collect()
}
