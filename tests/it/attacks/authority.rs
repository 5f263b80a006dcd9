//! Authority that nobody gave: granted to oneself, lent to oneself, used too early, too late or too far, and counted
//! twice.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome, ScopeKind};
use tonic::Code;

use super::{MALFORMED, Suite, Trace};
use crate::harness::{Person, World};

const DENIED: Code = Code::PermissionDenied;
const STATE: Code = Code::FailedPrecondition;
const MISSING: (Code, &str) = (DENIED, "ROLE_MISSING");
/// Recorded, and no policy forbade it: a role was missing, or the state did not allow it.
const AUDITED: Trace = Trace::Audit("");

pub async fn attack(suite: &mut Suite) {
    granting(suite).await;
    lending(suite).await;
    deciding(suite).await;
    mandates(suite).await;
    changing(suite).await;
}

/// A grant made by somebody; the one who gets it, as a person whose token says nothing.
async fn given(world: &World, by: &Person, request: pb::GrantRoleRequest) -> (Person, pb::RoleGrant) {
    let grant = by.call(request).await.unwrap().role_grant.unwrap();
    (world.person(&grant.subject, &[Role::Reader]), grant)
}

async fn granting(suite: &mut Suite) {
    suite.part("Granting");
    let world = suite.world.seen_from(super::ATTACKER);
    let finance = world.person("chief", &[Role::Finance]);
    let to_oneself = (DENIED, "GRANT_TO_ONESELF");
    let request = world.grant_request("chief", Role::Finance);
    suite.refuses("a role to oneself", &finance, request, to_oneself, Trace::Audit("grant-to-another")).await;
    let request = world.grant_request("friend", Role::ExecutiveBoard);
    suite.refuses("a role that one does not hold", &finance, request, MISSING, AUDITED).await;

    let kept = pb::GrantRoleRequest { grantable: false, ..world.grant_request("keeper", Role::Finance) };
    let (keeper, _) = given(&world, &finance, kept).await;
    let request = world.grant_request("friend", Role::Finance);
    suite.refuses("a role held without the right to pass it on", &keeper, request, MISSING, AUDITED).await;

    let (unit, sibling) = (world.unit("Rådhuset").await, world.unit("Biblioteket").await);
    let in_unit = world.grant_at("local", Role::PortfolioOffice, ScopeKind::OrgUnit, &unit.id);
    let (local, _) = given(&world, &world.office(), in_unit).await;
    let request = world.grant_request("friend", Role::PortfolioOffice);
    suite.refuses("a unit's role in the whole organisation", &local, request, MISSING, AUDITED).await;
    let request = world.grant_at("friend", Role::PortfolioOffice, ScopeKind::OrgUnit, &sibling.id);
    suite.refuses("a unit's role in its sibling", &local, request, MISSING, AUDITED).await;
    let request = world.grant_at("friend", Role::ExecutiveBoard, ScopeKind::OrgUnit, &unit.id);
    suite.refuses("another role in one's own unit", &local, request, MISSING, AUDITED).await;

    let short = world.grant_request("passing", Role::Finance);
    let short = pb::GrantRoleRequest { valid_until: Some("2990-12-31".to_owned()), ..short };
    let (passing, _) = given(&world, &finance, short).await;
    let request = world.grant_request("friend", Role::Finance);
    suite.refuses("for longer than one's own, without end", &passing, request.clone(), MISSING, AUDITED).await;
    let request = pb::GrantRoleRequest { valid_until: Some("2991-01-01".to_owned()), ..request };
    suite.refuses("for longer than one's own, by a day", &passing, request, MISSING, AUDITED).await;

    let nowhere = (Code::NotFound, "NOT_FOUND");
    let request = suite.there.grant_request("chief", Role::Finance);
    suite.refuses("in a foreign organisation", &finance, request, nowhere, Trace::Door).await;
    let request = world.grant_at("friend", Role::Finance, ScopeKind::Organisation, &suite.there.id());
    suite.refuses("at home, over a foreign organisation", &finance, request, nowhere, AUDITED).await;

    let auditor = world.person("sly-auditor", &[Role::Auditor, Role::Finance]);
    let request = world.grant_request("friend", Role::Finance);
    let reads_only = (DENIED, "AUDITOR_READS_ONLY");
    let by_auditor = Trace::Audit("auditor-changes-nothing");
    suite.refuses("by an auditor who holds it too", &auditor, request.clone(), reads_only, by_auditor).await;
    let service = world.service("robot", &[Role::Finance]);
    let person = (DENIED, "PERSON_REQUIRED");
    suite.refuses("by a program", &service, request.clone(), person, Trace::Audit("people-decide")).await;

    // Who was given a role loses it with its revocation; what they gave before stays, and is theirs to give no more.
    let (middle, first) = given(&world, &finance, world.grant_request("middle", Role::Finance)).await;
    let (last, _) = given(&world, &middle, world.grant_request("last", Role::Finance)).await;
    finance.call(revocation(&world, &first)).await.unwrap();
    suite.refuses("by who has lost it since", &middle, request, MISSING, AUDITED).await;
    given(&world, &last, world.grant_request("friend-of-last", Role::Finance)).await;
    let request = revocation(&world, &first);
    suite.refuses("a revocation, once more", &finance, request, (STATE, "ALREADY_ENDED"), AUDITED).await;
    let board = world.granted("untouchable", Role::ExecutiveBoard).await;
    let request = revocation(&world, &board);
    suite.refuses("a revocation of what one could not grant", &finance, request, MISSING, AUDITED).await;
}

fn revocation(world: &World, grant: &pb::RoleGrant) -> pb::RevokeRoleGrantRequest {
    pb::RevokeRoleGrantRequest {
        organisation: world.id(),
        role_grant: grant.id.clone(),
        reason: "Forbi.".to_owned(),
        ..Default::default()
    }
}

fn approval(world: &World, delegation: &pb::Delegation) -> pb::ApproveDelegationRequest {
    pb::ApproveDelegationRequest { organisation: world.id(), delegation: delegation.id.clone(), validate_only: false }
}

/// A decision for somebody else.
fn deciding_for(world: &World, review: &pb::GateReview, other: &str) -> pb::DecideGateReviewRequest {
    pb::DecideGateReviewRequest { acting_for: other.to_owned(), ..world.decision(review, GateOutcome::Go) }
}

async fn lending(suite: &mut Suite) {
    suite.part("Delegations");
    let world = suite.world.seen_from(super::ATTACKER);
    let reader = |name: &str| world.person(name, &[Role::Reader]);
    let review = world.submitted(&world.project().await, GateCode::G1).await;
    let grant = world.granted("lender", Role::SteeringGroup).await;
    let no_delegate = (DENIED, "NOT_A_DELEGATE");

    let early = world.lent(&grant, "early").await;
    let decision = deciding_for(&world, &review, "lender");
    suite.refuses("used before it is approved", &reader("early"), decision.clone(), no_delegate, AUDITED).await;
    let own = (DENIED, "OWN_DELEGATION");
    let by_a_third = Trace::Audit("delegation-approved-by-a-third");
    for (name, who) in [("approved by who lends", "lender"), ("approved by who borrows", "early")] {
        let person = world.person(who, &[Role::PortfolioOffice, Role::ExecutiveBoard]);
        suite.refuses(name, &person, approval(&world, &early), own, by_a_third).await;
    }
    suite.refuses("approved by anybody", &reader("anybody"), approval(&world, &early), MISSING, AUDITED).await;
    let others = world.loan(&grant, "accomplice");
    suite.refuses("of somebody else's grant", &reader("thief"), others, MISSING, AUDITED).await;
    let oneself = (Code::InvalidArgument, "FIELD_INVALID");
    suite.refuses("to oneself", &reader("lender"), world.loan(&grant, "lender"), oneself, MALFORMED).await;

    let over = world.delegated(&grant, "over").await;
    let end = pb::EndDelegationRequest {
        organisation: world.id(),
        delegation: over.id,
        reason: "Hjemme igen.".to_owned(),
        validate_only: false,
    };
    reader("lender").call(end).await.unwrap();
    suite.refuses("used after its end", &reader("over"), decision.clone(), no_delegate, AUDITED).await;

    let later = pb::ProposeDelegationRequest { valid_from: "2990-01-01".to_owned(), ..world.loan(&grant, "later") };
    let later = reader("lender").call(later).await.unwrap().delegation.unwrap();
    world.board().call(approval(&world, &later)).await.unwrap();
    suite.refuses("used before its period", &reader("later"), decision.clone(), no_delegate, AUDITED).await;

    let brief = pb::ProposeDelegationRequest { valid_until: world.day(1), ..world.loan(&grant, "brief") };
    let brief = reader("lender").call(brief).await.unwrap().delegation.unwrap();
    world.board().call(approval(&world, &brief)).await.unwrap();
    world.clock.advance(time::Duration::days(4));
    suite.refuses("used after its period", &reader("brief"), decision.clone(), no_delegate, AUDITED).await;
    world.clock.advance(time::Duration::days(-4));

    let lost = world.granted("loser", Role::SteeringGroup).await;
    world.delegated(&lost, "left-over").await;
    world.person("granter", &[Role::SteeringGroup]).call(revocation(&world, &lost)).await.unwrap();
    let of_the_loser = deciding_for(&world, &review, "loser");
    let left_over = reader("left-over");
    suite.refuses("used after the grant was revoked", &left_over, of_the_loser, no_delegate, AUDITED).await;

    let nobodys = deciding_for(&world, &review, "stranger");
    suite.refuses("of who has lent nothing", &world.steering(), nobodys, no_delegate, AUDITED).await;
    let own_name = deciding_for(&world, &review, "steering");
    suite.refuses("of oneself", &world.steering(), own_name, oneself, MALFORMED).await;
    // What is lent is the role that was lent, and not those that its delegator holds besides.
    world.delegated(&world.granted("rich", Role::Finance).await, "poor").await;
    let rich = deciding_for(&world, &review, "rich");
    suite.refuses("used for another role than was lent", &reader("poor"), rich, MISSING, AUDITED).await;
}

async fn deciding(suite: &mut Suite) {
    suite.part("Deciding");
    let world = suite.world.seen_from(super::ATTACKER);
    let project = world.project().await;
    let review = world.submitted(&project, GateCode::G1).await;
    let go = world.decision(&review, GateOutcome::Go);
    let (submitter, by_submitter) = ((DENIED, "DECIDER_IS_SUBMITTER"), Trace::Audit("decider-is-not-the-submitter"));
    let (manager, by_manager) = ((DENIED, "DECIDER_IS_PROJECT_MANAGER"), Trace::Audit("decider-is-not-the-manager"));

    let office = world.person("office", &[Role::PortfolioOffice, Role::SteeringGroup]);
    suite.refuses("one's own submission", &office, go.clone(), submitter, by_submitter).await;
    world.delegated(&world.granted("helper", Role::SteeringGroup).await, "office").await;
    let request = deciding_for(&world, &review, "helper");
    suite.refuses("one's own submission, for another", &office, request, submitter, by_submitter).await;
    world.delegated(&world.granted("office", Role::SteeringGroup).await, "substitute").await;
    let substitute = world.person("substitute", &[Role::Reader]);
    let request = deciding_for(&world, &review, "office");
    suite.refuses("one's own submission, by a substitute", &substitute, request, submitter, by_submitter).await;

    let managing = world.person("manager", &[Role::SteeringGroup]);
    suite.refuses("on one's own project", &managing, go.clone(), manager, by_manager).await;
    world.delegated(&world.granted("colleague", Role::SteeringGroup).await, "manager").await;
    let request = deciding_for(&world, &review, "colleague");
    suite.refuses("on one's own project, for another", &managing, request, manager, by_manager).await;
    world.delegated(&world.granted("manager", Role::SteeringGroup).await, "deputy").await;
    let deputy = world.person("deputy", &[Role::Reader]);
    let request = deciding_for(&world, &review, "manager");
    suite.refuses("on one's own project, by a substitute", &deputy, request, manager, by_manager).await;
    let manages = (DENIED, "SUBMITTER_IS_PROJECT_MANAGER");
    let submitting = world.person("manager", &[Role::PortfolioOffice]);
    let own = world.submission(&world.project().await, GateCode::G1);
    let by_submission = Trace::Audit("submitter-is-not-the-manager");
    suite.refuses("submitted by the manager", &submitting, own, manages, by_submission).await;

    let service = world.service("robot", &[Role::SteeringGroup]);
    let (person, by_person) = ((DENIED, "PERSON_REQUIRED"), Trace::Audit("people-decide"));
    suite.refuses("by a program that holds the role", &service, go.clone(), person, by_person).await;
    let auditor = world.person("sly-auditor", &[Role::Auditor, Role::SteeringGroup]);
    let reads_only = (DENIED, "AUDITOR_READS_ONLY");
    let by_auditor = Trace::Audit("auditor-changes-nothing");
    suite.refuses("by an auditor who holds the role", &auditor, go.clone(), reads_only, by_auditor).await;
    let reader = world.person("reader", &[Role::Reader]);
    suite.refuses("by a reader", &reader, go.clone(), MISSING, AUDITED).await;

    // The board's rule asks for a second person: the same one twice is none.
    let large = pb::SubmitGateReviewRequest {
        amount_ore: 2_000_000_000,
        risk_class: pb::RiskClass::High.into(),
        ..world.submission(&world.funded().await, GateCode::G1)
    };
    let large = world.office().call(large).await.unwrap().gate_review.unwrap();
    let first = world.person("first-of-board", &[Role::ExecutiveBoard]);
    world.delegated(&world.granted("second-of-board", Role::ExecutiveBoard).await, "first-of-board").await;
    first.call(world.decision(&large, GateOutcome::Go)).await.unwrap();
    let voted = (STATE, "ALREADY_VOTED");
    suite.refuses("twice as oneself", &first, world.decision(&large, GateOutcome::Go), voted, AUDITED).await;
    let request = deciding_for(&world, &large, "second-of-board");
    suite.refuses("twice, as oneself and for another", &first, request, voted, AUDITED).await;
    world.delegated(&world.granted("first-of-board", Role::ExecutiveBoard).await, "third").await;
    let third = world.person("third", &[Role::ExecutiveBoard]);
    let request = deciding_for(&world, &large, "first-of-board");
    suite.refuses("twice, as oneself and by a substitute", &third, request, voted, AUDITED).await;

    let decided = world.decided(&world.project().await, GateCode::G1, GateOutcome::Go).await.gate_review.unwrap();
    let again = world.decision(&decided, GateOutcome::Kill);
    suite.refuses("what is decided", &world.steering(), again, (STATE, "REVIEW_NOT_OPEN"), AUDITED).await;
    let crossed = pb::DecideGateReviewRequest { project: decided.project, ..go };
    let not_found = (Code::NotFound, "NOT_FOUND");
    suite.refuses("a review, through another project", &world.steering(), crossed, not_found, AUDITED).await;
}

async fn mandates(suite: &mut Suite) {
    suite.part("Mandates");
    let world = suite.world.seen_from(super::ATTACKER);
    let (exceeded, by_mandate) = ((DENIED, "AUTHORITY_EXCEEDED"), Trace::Audit("decide-within-the-mandate"));
    let submit = async |amount_ore: i64, risk: pb::RiskClass, track: pb::Track| {
        let unit = world.unit(&format!("Enhed {amount_ore} {risk:?} {track:?}")).await;
        let project = pb::RegisterProjectRequest { track: track.into(), ..world.registration(&unit, "Et projekt") };
        let project = world.office().call(project).await.unwrap().project.unwrap();
        world.appropriated(&project, 10_000_000_000_000).await;
        let submission = pb::SubmitGateReviewRequest {
            amount_ore,
            risk_class: risk.into(),
            ..world.submission(&project, GateCode::G1)
        };
        world.office().call(submission).await.unwrap().gate_review.unwrap()
    };
    let project = world.project().await;
    let negative = pb::SubmitGateReviewRequest { amount_ore: -1, ..world.submission(&project, GateCode::G1) };
    let invalid = (Code::InvalidArgument, "FIELD_INVALID");
    suite.refuses("a negative amount", &world.office(), negative, invalid, MALFORMED).await;

    // One rule is left to the steering group: a thousand kroner, little risk, START_SMALL, and nothing but GO or HOLD.
    let rules = pb::ListAuthorityRulesRequest { organisation: world.id(), ..Default::default() };
    for rule in world.board().call(rules).await.unwrap().authority_rules {
        if rule.role() != pb::Role::SteeringGroup || rule.ended_by.is_some() {
            continue;
        }
        let end = pb::EndAuthorityRuleRequest {
            organisation: world.id(),
            authority_rule: rule.id,
            reason: "Strammet.".to_owned(),
            ..Default::default()
        };
        world.board().call(end).await.unwrap();
    }
    let narrow = pb::SetAuthorityRuleRequest {
        organisation: world.id(),
        role: Role::SteeringGroup as i32,
        max_amount_ore: 100_000,
        max_risk_class: pb::RiskClass::Low.into(),
        tracks: vec![pb::Track::StartSmall.into()],
        outcomes: vec![GateOutcome::Go.into(), GateOutcome::Hold.into()],
        reason: "Strammet.".to_owned(),
        ..Default::default()
    };
    let (low, small) = (pb::RiskClass::Low, pb::Track::StartSmall);
    suite.refuses("a wider mandate, set by who has it", &world.steering(), narrow.clone(), MISSING, AUDITED).await;
    world.board().call(narrow).await.unwrap();
    let cases = [
        ("an amount above it, by one øre", submit(100_001, low, small).await, GateOutcome::Go),
        ("an amount above it, by far", submit(i64::MAX, low, small).await, GateOutcome::Go),
        ("a risk above it", submit(1, pb::RiskClass::Medium, small).await, GateOutcome::Go),
        ("a risk that nobody assessed", submit(2, pb::RiskClass::Unspecified, small).await, GateOutcome::Go),
        ("a track that it does not cover", submit(3, low, pb::Track::Mandatory).await, GateOutcome::Go),
        ("KILL, which it does not cover", submit(4, low, small).await, GateOutcome::Kill),
    ];
    for (name, review, outcome) in cases {
        let request = world.decision(&review, outcome);
        suite.refuses(name, &world.steering(), request, exceeded, by_mandate).await;
    }
    let within = submit(100_000, low, small).await;
    world.steering().call(world.decision(&within, GateOutcome::Go)).await.unwrap();
}

async fn changing(suite: &mut Suite) {
    suite.part("Changing");
    let world = suite.world.seen_from(super::ATTACKER);
    let project = world.project().await;
    let office = world.office();
    let update = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges { title: Some("Andet navn".to_owned()), ..Default::default() }),
        update_mask: None,
        etag: project.etag.clone(),
        validate_only: false,
    };
    for field in ["stage", "status", "organisation", "id", "number"] {
        let paths = vec![field.to_owned()];
        let request =
            pb::UpdateProjectRequest { update_mask: Some(prost_types::FieldMask { paths }), ..update.clone() };
        let name = format!("{field}, through update_mask");
        let invalid = (Code::InvalidArgument, "UPDATE_MASK_INVALID");
        suite.refuses(&name, &office, request, invalid, MALFORMED).await;
    }
    for (name, etag) in [("with a forged etag", "v99"), ("with an etag of SQL", "v1' OR '1'='1")] {
        let request = pb::UpdateProjectRequest { etag: etag.to_owned(), ..update.clone() };
        suite.refuses(name, &office, request, (Code::Aborted, "ETAG_STALE"), AUDITED).await;
    }
    let reads_only = (DENIED, "AUDITOR_READS_ONLY");
    let auditor = world.person("sly-auditor", &[Role::Auditor, Role::PortfolioOffice]);
    let by_auditor = Trace::Audit("auditor-changes-nothing");
    suite.refuses("as an auditor who is the office too", &auditor, update.clone(), reads_only, by_auditor).await;

    let unit = world.unit("Enhed for nøgler").await;
    let register = world.registration(&unit, "Under en nøgle");
    office.clone().key("stolen-key").call(register.clone()).await.unwrap();
    let thief = world.person("thief", &[Role::Reader]).key("stolen-key");
    suite.refuses("under another caller's idempotency key", &thief, register.clone(), MISSING, AUDITED).await;
    let other = world.registration(&unit, "Et andet under den samme");
    let reused = (STATE, "IDEMPOTENCY_KEY_REUSED");
    let keyed = office.clone().key("stolen-key");
    suite.refuses("under one's own key, another request", &keyed, other, reused, AUDITED).await;
    let invalid = (Code::InvalidArgument, "IDEMPOTENCY_KEY_INVALID");
    let long = office.clone().key(&"k".repeat(500));
    suite.refuses("under a key of 500 characters", &long, register.clone(), invalid, MALFORMED).await;
    let personal = office.clone().key("010190-1234");
    suite.refuses("under a key that is a personal number", &personal, register, invalid, MALFORMED).await;
    assert_eq!(world.reread(&project).await, project, "nothing has changed");
}
