//! Who may do what, as an organisation keeps it: grants (nobody gives what they do not hold), delegations (a delegate acts
//! for someone, and counts once), the authority matrix (I04), revocations, and what all of it comes to on a project.

use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, GateCode, GateOutcome, RevokedClaim, RiskClass, ScopeKind};
use tonic::Code;

use crate::harness::{Failure, Person, World, config};

fn refused(failure: &Failure, reason: &str) -> bool {
    failure.is(Code::PermissionDenied, reason)
}

fn revocation(world: &World, grant: &pb::RoleGrant) -> pb::RevokeRoleGrantRequest {
    pb::RevokeRoleGrantRequest {
        organisation: world.id(),
        role_grant: grant.id.clone(),
        reason: "Fratrådt.".to_owned(),
        validate_only: false,
    }
}

fn end(world: &World, delegation: &pb::Delegation) -> pb::EndDelegationRequest {
    pb::EndDelegationRequest {
        organisation: world.id(),
        delegation: delegation.id.clone(),
        reason: "Tilbage igen.".to_owned(),
        validate_only: false,
    }
}

fn approval(world: &World, delegation: &pb::Delegation) -> pb::ApproveDelegationRequest {
    pb::ApproveDelegationRequest { organisation: world.id(), delegation: delegation.id.clone(), validate_only: false }
}

fn get(world: &World, project: &pb::Project) -> pb::GetProjectRequest {
    pb::GetProjectRequest { organisation: world.id(), project: project.id.clone() }
}

async fn permissions(person: &Person, world: &World, project: &pb::Project) -> Vec<(String, bool, String)> {
    let request = pb::GetProjectPermissionsRequest {
        organisation: world.id(),
        project: project.id.clone(),
        ..Default::default()
    };
    let permissions = person.call(request).await.unwrap().permissions;
    permissions.into_iter().map(|permission| (permission.action, permission.allowed, permission.reason)).collect()
}

/// Someone whose token says nothing of roles.
fn bare(world: &World, name: &str) -> Person {
    world.person(name, &[])
}

#[tokio::test]
async fn grant_counts_where_it_holds_from_its_first_day_to_its_last_and_until_revoked() {
    let world = World::new().await;
    let (project, other) = (world.project().await, world.project().await);
    let reader = bare(&world, "u1");
    assert!(refused(&reader.call(get(&world, &project)).await.unwrap_err(), "ROLE_MISSING"));
    let mut grant = world.grant_at("u1", Role::Reader, ScopeKind::OrgUnit, &project.org_unit);
    (grant.valid_from, grant.valid_until) = (Some(world.day(1)), Some(world.day(2)));
    let grant = world.person("granter", &[Role::Reader]).call(grant).await.unwrap().role_grant.unwrap();

    assert!(reader.call(get(&world, &project)).await.is_err(), "it begins tomorrow");
    world.clock.advance(time::Duration::days(1));
    let reader = bare(&world, "u1");
    reader.call(get(&world, &project)).await.unwrap();
    let failure = reader.call(get(&world, &other)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "in another unit: {failure:?}");
    world.clock.advance(time::Duration::days(2));
    let reader = bare(&world, "u1");
    assert!(reader.call(get(&world, &project)).await.is_err(), "it ended yesterday");

    let grant_again = world.granted("u1", Role::Reader).await;
    reader.call(get(&world, &other)).await.unwrap();
    let granter = world.person("granter", &[Role::Reader]);
    let revoked = granter.call(revocation(&world, &grant_again)).await.unwrap().role_grant.unwrap();
    assert_eq!((revoked.revoked_by(), revoked.revoke_reason.as_str()), ("granter", "Fratrådt."));
    assert!(reader.call(get(&world, &other)).await.is_err(), "at once");
    let failure = granter.call(revocation(&world, &grant_again)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "ALREADY_ENDED"), "{failure:?}");
    let listed = pb::ListRoleGrantsRequest {
        organisation: world.id(),
        filter: "role = READER AND subject = \"u1\"".to_owned(),
        ..Default::default()
    };
    let listed = world.office().call(listed).await.unwrap().role_grants;
    assert_eq!(listed.iter().map(|grant| grant.id.as_str()).collect::<Vec<_>>(), [&grant_again.id, &grant.id]);
}

#[tokio::test]
async fn grant_of_what_one_does_not_hold_or_to_oneself_refused_and_recorded() {
    let world = World::new().await;
    let (unit, sibling) = (world.unit("Enhed").await, world.unit("Søster").await);
    let leader = world.granted("u1", Role::Reader).await;
    let at_unit = world.grant_at("u2", Role::Finance, ScopeKind::OrgUnit, &unit.id);
    world.person("granter", &[Role::Finance]).call(at_unit).await.unwrap();
    let holder = bare(&world, "u2");
    // Inside what one holds: a unit, and what lies in it.
    holder.call(world.grant_at("u3", Role::Finance, ScopeKind::OrgUnit, &unit.id)).await.unwrap();
    let project = world.office().call(world.registration(&unit, "t")).await.unwrap().project.unwrap();
    holder.call(world.grant_at("u3", Role::Finance, ScopeKind::Project, &project.id)).await.unwrap();

    let cases = [
        (world.grant_at("u3", Role::Finance, ScopeKind::OrgUnit, &sibling.id), "ROLE_MISSING"),
        (world.grant_request("u3", Role::Finance), "ROLE_MISSING"),
        (world.grant_at("u3", Role::Auditor, ScopeKind::OrgUnit, &unit.id), "ROLE_MISSING"),
        (world.grant_at("u2", Role::Finance, ScopeKind::OrgUnit, &unit.id), "GRANT_TO_ONESELF"),
    ];
    for (number, (request, reason)) in cases.into_iter().enumerate() {
        let id = format!("grant-{number}");
        let failure = bare(&world, "u2").with("x-request-id", &id).call(request).await.unwrap_err();
        assert!(refused(&failure, reason), "{number}: {failure:?}");
        let entries = world.audited(&format!("request_id = \"{id}\"")).await;
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((entry.reason.as_str(), entry.outcome()), (reason, pb::AuditOutcome::Refused));
        assert_eq!(entry.policy, if reason == "ROLE_MISSING" { "" } else { "grant-to-another" });
    }
    // Held, but not to be passed on; and held for a shorter time than it is to be given.
    let request = pb::GrantRoleRequest { grantable: false, ..world.grant_request("u4", Role::Finance) };
    world.person("granter", &[Role::Finance]).call(request).await.unwrap();
    let failure = bare(&world, "u4").call(world.grant_request("u5", Role::Finance)).await.unwrap_err();
    assert!(refused(&failure, "ROLE_MISSING"), "{failure:?}");
    let until = world.day(7);
    let short = pb::GrantRoleRequest { valid_until: Some(until.clone()), ..world.grant_request("u6", Role::Finance) };
    world.person("granter", &[Role::Finance]).call(short).await.unwrap();
    let failure = bare(&world, "u6").call(world.grant_request("u7", Role::Finance)).await.unwrap_err();
    assert!(refused(&failure, "ROLE_MISSING"), "{failure:?}");
    let within = pb::GrantRoleRequest { valid_until: Some(until), ..world.grant_request("u7", Role::Finance) };
    bare(&world, "u6").call(within).await.unwrap();
    // Nor does a system give roles, whatever it holds.
    let failure = world.service("sys", &[Role::Reader]).call(world.grant_request("u8", Role::Reader)).await;
    assert!(refused(&failure.unwrap_err(), "PERSON_REQUIRED"));
    assert_eq!(leader.subject, "u1");
}

#[tokio::test]
async fn grant_invalid_says_which_field() {
    let world = World::new().await;
    let granter = world.person("granter", &[Role::Reader]);
    let good = world.grant_request("u1", Role::Reader);
    let scope = |kind: ScopeKind, id: &str| Some(pb::Scope { kind: kind.into(), id: id.to_owned() });
    let cases = [
        (pb::GrantRoleRequest { role: 0, ..good.clone() }, "role"),
        (pb::GrantRoleRequest { role: 99, ..good.clone() }, "role"),
        (pb::GrantRoleRequest { scope: None, ..good.clone() }, "scope"),
        (pb::GrantRoleRequest { scope: scope(ScopeKind::Project, "x"), ..good.clone() }, "scope.id"),
        (pb::GrantRoleRequest { subject: "med mellemrum".to_owned(), ..good.clone() }, "subject"),
        (pb::GrantRoleRequest { reason: String::new(), ..good.clone() }, "reason"),
        (pb::GrantRoleRequest { valid_from: Some("2026-02-30".to_owned()), ..good.clone() }, "valid_from"),
        (pb::GrantRoleRequest { valid_until: Some("2020-01-01".to_owned()), ..good.clone() }, "valid_until"),
    ];
    for (request, field) in cases {
        let failure = granter.call(request).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
        assert_eq!(failure.fields, [field]);
    }
    for kind in [ScopeKind::Organisation, ScopeKind::Portfolio, ScopeKind::OrgUnit, ScopeKind::Project] {
        let request = world.grant_at("u1", Role::Reader, kind, "01999999-0000-7000-8000-00000000dead");
        let failure = granter.call(request).await.unwrap_err();
        assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{kind:?} {failure:?}");
    }
}

#[tokio::test]
async fn unit_led_is_a_role_there_and_one_of_a_portfolio_reaches_across_units() {
    let world = World::new().await;
    let (project, other) = (world.project().await, world.project().await);
    // `unit` makes "leader" the leader of both units; the other one gets another.
    let unit = pb::GetOrgUnitRequest { organisation: world.id(), org_unit: other.org_unit.clone() };
    let unit = world.office().call(unit).await.unwrap().org_unit.unwrap();
    let changes = pb::OrgUnitChanges { leader: Some("somebody".to_owned()), ..Default::default() };
    let update = pb::UpdateOrgUnitRequest {
        organisation: world.id(),
        org_unit: unit.id,
        changes: Some(changes),
        etag: unit.etag,
        ..Default::default()
    };
    world.office().call(update).await.unwrap();
    bare(&world, "leader").call(get(&world, &project)).await.unwrap();
    let failure = bare(&world, "leader").call(get(&world, &other)).await.unwrap_err();
    assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");

    let portfolio = world.portfolio("Velfærd").await;
    let changes = pb::ProjectChanges { portfolio: Some(portfolio.id.clone()), ..Default::default() };
    let update = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: other.id.clone(),
        changes: Some(changes),
        etag: other.etag.clone(),
        ..Default::default()
    };
    world.office().call(update).await.unwrap();
    let grant = world.grant_at("u1", Role::PortfolioOffice, ScopeKind::Portfolio, &portfolio.id);
    world.person("granter", &[Role::PortfolioOffice]).call(grant).await.unwrap();
    bare(&world, "u1").call(get(&world, &other)).await.unwrap();
    assert!(bare(&world, "u1").call(get(&world, &project)).await.is_err());
    let list = pb::ListProjectsRequest { organisation: world.id(), ..Default::default() };
    let listed = bare(&world, "u1").call(list).await.unwrap().projects;
    assert_eq!(listed.iter().map(|project| &project.id).collect::<Vec<_>>(), [&other.id]);
}

#[tokio::test]
async fn delegate_acts_for_the_delegator_both_are_recorded_and_it_counts_once_i03() {
    let world = World::new().await;
    let grant = world.granted("member", Role::SteeringGroup).await;
    world.delegated(&grant, "substitute").await;
    world.rule(2_000_000_000, true).await;
    let request = pb::SubmitGateReviewRequest {
        amount_ore: 1_500_000_000,
        ..world.submission(&world.funded().await, GateCode::G1)
    };
    let review = world.office().call(request).await.unwrap().gate_review.unwrap();
    let decision = world.decision(&review, GateOutcome::Go);
    let for_member = pb::DecideGateReviewRequest { acting_for: "member".to_owned(), ..decision.clone() };
    // By themselves the substitute holds nothing; for somebody else, what is lent alone.
    let substitute = bare(&world, "substitute");
    assert!(refused(&substitute.call(decision.clone()).await.unwrap_err(), "ROLE_MISSING"));
    let for_another = pb::DecideGateReviewRequest { acting_for: "office".to_owned(), ..decision.clone() };
    assert!(refused(&substitute.call(for_another).await.unwrap_err(), "NOT_A_DELEGATE"));
    let for_themselves = pb::DecideGateReviewRequest { acting_for: "substitute".to_owned(), ..decision.clone() };
    assert_eq!(substitute.call(for_themselves).await.unwrap_err().fields, ["acting_for"]);

    let first = substitute.clone().with("x-request-id", "first").call(for_member.clone()).await.unwrap();
    let first = first.gate_review.unwrap();
    assert_eq!(first.state(), pb::GateReviewState::Submitted, "a second is awaited");
    let [vote] = &first.votes[..] else { panic!("{first:?}") };
    assert_eq!((vote.voter.as_str(), vote.acting_for()), ("substitute", "member"));
    let entries = world.audited("request_id = \"first\"").await;
    assert_eq!((entries[0].actor.as_str(), entries[0].acting_for.as_str()), ("substitute", "member"));
    // The member has answered, through the substitute; and the substitute has.
    let member = bare(&world, "member").call(decision.clone()).await.unwrap_err();
    assert!(member.is(Code::FailedPrecondition, "ALREADY_VOTED"), "{member:?}");
    let again = substitute.call(for_member).await.unwrap_err();
    assert!(again.is(Code::FailedPrecondition, "ALREADY_VOTED"), "{again:?}");
    let dissenter = world.person("dissenter", &[Role::SteeringGroup]);
    let kept = dissenter.call(world.decision(&review, GateOutcome::Hold)).await.unwrap().gate_review.unwrap();
    assert_eq!((kept.state(), kept.votes.len()), (pb::GateReviewState::Submitted, 2), "kept, and decides nothing");
    let decided = world.steering().call(decision).await.unwrap();
    assert_eq!(decided.project.unwrap().stage(), pb::Stage::Analysis);
    let decided = decided.gate_review.unwrap();
    assert_eq!((decided.state(), decided.votes.len()), (pb::GateReviewState::Decided, 3));
    let get = pb::GetGateReviewRequest {
        organisation: world.id(),
        project: review.project.clone(),
        gate_review: review.id.clone(),
    };
    assert_eq!(world.office().call(get).await.unwrap().gate_review.unwrap(), decided);
}

/// I03: what is submitted for somebody is theirs, and they do not decide it, nor does anybody for them.
#[tokio::test]
async fn submission_for_somebody_is_theirs_i03() {
    let world = World::new().await;
    let office = world.granted("p", Role::PortfolioOffice).await;
    let seat = world.granted("p", Role::SteeringGroup).await;
    world.delegated(&office, "d").await;
    world.delegated(&seat, "e").await;
    let request = pb::SubmitGateReviewRequest {
        acting_for: "p".to_owned(),
        ..world.submission(&world.project().await, GateCode::G1)
    };
    let review = bare(&world, "d").call(request).await.unwrap().gate_review.unwrap();
    assert_eq!((review.submitter.as_str(), review.submitted_for()), ("d", "p"));
    let decision = world.decision(&review, GateOutcome::Go);
    let failure = bare(&world, "p").call(decision.clone()).await.unwrap_err();
    assert!(refused(&failure, "DECIDER_IS_SUBMITTER"), "{failure:?}");
    let lent = pb::DecideGateReviewRequest { acting_for: "p".to_owned(), ..decision.clone() };
    let failure = bare(&world, "e").call(lent).await.unwrap_err();
    assert!(refused(&failure, "DECIDER_IS_SUBMITTER"), "{failure:?}");
    world.steering().call(decision).await.unwrap();
}

/// I03: one voice each, given or lent, in whatever order; and an answer whose giver may not answer any more counts no
/// more.
#[tokio::test]
async fn second_answer_of_one_voice_refused_and_of_a_new_manager_not_counted_i03() {
    let world = World::new().await;
    assert!(world.rule(5_000_000_000, true).await.second_required);
    let (p, d) = (world.granted("p", Role::SteeringGroup).await, world.granted("d", Role::SteeringGroup).await);
    world.delegated(&p, "d").await;
    world.delegated(&d, "d2").await;
    let submit = async || {
        let request = pb::SubmitGateReviewRequest {
            amount_ore: 2_000_000_000,
            ..world.submission(&world.funded().await, GateCode::G1)
        };
        world.office().call(request).await.unwrap().gate_review.unwrap()
    };
    let decide = async |review: &pb::GateReview, who: &str, acting_for: &str| {
        let request = pb::DecideGateReviewRequest {
            acting_for: acting_for.to_owned(),
            ..world.decision(review, GateOutcome::Go)
        };
        let answer = bare(&world, who).call(request).await;
        answer.map(|answer| answer.gate_review.unwrap().state()).map_err(|failure| failure.reason)
    };
    for [first, second] in [[("d", "p"), ("d2", "d")], [("d2", "d"), ("d", "p")], [("d", ""), ("d2", "d")]] {
        let review = submit().await;
        assert_eq!(decide(&review, first.0, first.1).await, Ok(pb::GateReviewState::Submitted));
        assert_eq!(decide(&review, second.0, second.1).await, Err("ALREADY_VOTED".to_owned()), "{first:?} {second:?}");
    }
    // Who has answered becomes the manager: their answer counts no more, and another is awaited.
    let review = submit().await;
    decide(&review, "d", "").await.unwrap();
    let get = pb::GetProjectRequest { organisation: world.id(), project: review.project.clone() };
    let project = world.office().call(get).await.unwrap().project.unwrap();
    let update = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id,
        changes: Some(pb::ProjectChanges { project_manager: Some("d".to_owned()), ..Default::default() }),
        etag: project.etag,
        ..Default::default()
    };
    world.office().call(update).await.unwrap();
    assert_eq!(decide(&review, "p", "").await, Ok(pb::GateReviewState::Submitted), "one that counts");
    // Nor does that of somebody whose access has been revoked since.
    let third = world.granted("third", Role::SteeringGroup).await;
    world.denied("p").await;
    assert_eq!(decide(&review, &third.subject, "").await, Ok(pb::GateReviewState::Submitted), "one that counts");
    world.granted("fourth", Role::SteeringGroup).await;
    assert_eq!(decide(&review, "fourth", "").await, Ok(pb::GateReviewState::Decided));
}

/// I04: where a project lies says who decides, and its track by which rule.
#[tokio::test]
async fn project_moved_only_by_who_may_put_it_there_and_not_under_review() {
    let world = World::new().await;
    let (project, elsewhere) = (world.project().await, world.unit("Et andet sted").await);
    let portfolio = world.portfolio("Velfærd").await;
    let change = |project: &pb::Project, changes: pb::ProjectChanges| pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(changes),
        etag: project.etag.clone(),
        ..Default::default()
    };
    let away = pb::ProjectChanges { org_unit: Some(elsewhere.id.clone()), ..Default::default() };
    let into = pb::ProjectChanges { portfolio: Some(portfolio.id.clone()), ..Default::default() };
    let faster = pb::ProjectChanges { track: Some(pb::Track::Standard.into()), ..Default::default() };
    // The manager keeps the project, and no place to put it.
    let manager = bare(&world, "manager");
    for changes in [away.clone(), into.clone()] {
        let failure = manager.call(change(&project, changes)).await.unwrap_err();
        assert!(refused(&failure, "ROLE_MISSING"), "{failure:?}");
    }
    let leader = bare(&world, "leader");
    let unit = pb::OrgUnit { id: project.org_unit.clone(), ..Default::default() };
    let register = pb::RegisterProjectRequest {
        portfolio: Some(portfolio.id.clone()),
        ..world.registration(&unit, "I en andens portefølje")
    };
    assert!(refused(&leader.call(register).await.unwrap_err(), "ROLE_MISSING"));
    world.submitted(&project, GateCode::G1).await;
    for changes in [away, into, faster] {
        let failure = world.office().call(change(&project, changes)).await.unwrap_err();
        assert!(failure.is(Code::FailedPrecondition, "REVIEW_ALREADY_OPEN"), "{failure:?}");
    }
}

#[tokio::test]
async fn delegation_counts_only_when_approved_by_a_third_and_until_it_ends() {
    let world = World::new().await;
    let grant = world.granted("member", Role::SteeringGroup).await;
    let delegation = world.lent(&grant, "substitute").await;
    let review = world.submitted(&world.project().await, GateCode::G1).await;
    let decision = pb::DecideGateReviewRequest {
        acting_for: "member".to_owned(),
        validate_only: true,
        ..world.decision(&review, GateOutcome::Go)
    };
    let substitute = world.person("substitute", &[Role::Reader]);
    let decide = async || substitute.call(decision.clone()).await.map(drop).map_err(|failure| failure.reason);
    assert_eq!(decide().await, Err("NOT_A_DELEGATE".to_owned()), "not approved");
    for (name, reason) in [("member", "OWN_DELEGATION"), ("substitute", "OWN_DELEGATION"), ("office", "")] {
        let request = pb::ApproveDelegationRequest { validate_only: true, ..approval(&world, &delegation) };
        let answer = world.person(name, &[Role::ExecutiveBoard]).call(request).await;
        assert_eq!(answer.map_or_else(|failure| failure.reason, |_| String::new()), reason, "{name}");
    }
    assert!(refused(&substitute.call(approval(&world, &delegation)).await.unwrap_err(), "ROLE_MISSING"));
    world.board().call(approval(&world, &delegation)).await.unwrap();
    let again = world.board().call(approval(&world, &delegation)).await.unwrap_err();
    assert!(again.is(Code::FailedPrecondition, "ALREADY_APPROVED"), "{again:?}");
    assert_eq!(decide().await, Ok(()));
    // Each end of it ends what it lends.
    let denial = world.denied("member").await;
    assert_eq!(decide().await, Err("NOT_A_DELEGATE".to_owned()), "who lends is revoked");
    let lift = pb::LiftTokenDenialRequest {
        organisation: world.id(),
        token_denial: denial.id,
        reason: "En fejl.".to_owned(),
        validate_only: false,
    };
    world.office().call(lift).await.unwrap();
    assert_eq!(decide().await, Ok(()));
    bare(&world, "member").call(end(&world, &delegation)).await.unwrap();
    assert_eq!(decide().await, Err("NOT_A_DELEGATE".to_owned()), "ended");
    let again = bare(&world, "member").call(end(&world, &delegation)).await.unwrap_err();
    assert!(again.is(Code::FailedPrecondition, "ALREADY_ENDED"), "{again:?}");
    world.delegated(&grant, "substitute").await;
    assert_eq!(decide().await, Ok(()));
    world.person("granter", &[Role::SteeringGroup]).call(revocation(&world, &grant)).await.unwrap();
    assert_eq!(decide().await, Err("NOT_A_DELEGATE".to_owned()), "what is lent is revoked");
}

#[tokio::test]
async fn delegation_of_anothers_grant_or_beyond_it_refused() {
    let world = World::new().await;
    let grant = world.granted("member", Role::SteeringGroup).await;
    let failure = world.steering().call(world.loan(&grant, "substitute")).await.unwrap_err();
    assert!(refused(&failure, "ROLE_MISSING"), "{failure:?}");
    let failure = bare(&world, "member").call(world.loan(&grant, "member")).await.unwrap_err();
    assert_eq!(failure.fields, ["delegate"]);
    let until = world.day(7);
    let short = pb::GrantRoleRequest { valid_until: Some(until), ..world.grant_request("m2", Role::SteeringGroup) };
    let short = world.person("granter", &[Role::SteeringGroup]).call(short).await.unwrap().role_grant.unwrap();
    let failure = bare(&world, "m2").call(world.loan(&short, "substitute")).await.unwrap_err();
    assert_eq!(failure.fields, ["valid_until"]);
    world.person("granter", &[Role::SteeringGroup]).call(revocation(&world, &grant)).await.unwrap();
    let failure = bare(&world, "member").call(world.loan(&grant, "substitute")).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "ALREADY_ENDED"), "{failure:?}");
}

#[tokio::test]
async fn decision_beyond_the_matrix_refused_but_to_escalate_i04() {
    let world = World::new().await;
    let project = world.funded().await;
    let submit = async |amount_ore: i64, risk_class: RiskClass| {
        let request = pb::SubmitGateReviewRequest {
            amount_ore,
            risk_class: risk_class.into(),
            ..world.submission(&project, GateCode::G1)
        };
        world.office().call(request).await.unwrap().gate_review.unwrap()
    };
    let withdraw = async |review: &pb::GateReview| {
        let request = pb::WithdrawGateReviewRequest {
            organisation: world.id(),
            project: review.project.clone(),
            gate_review: review.id.clone(),
            reason: "Forfra.".to_owned(),
            validate_only: false,
        };
        world.office().call(request).await.unwrap();
    };
    // The default matrix: the steering group to 10 million kroner, beyond that two of the board.
    for (amount, reason) in [(1_000_000_000, ""), (1_000_000_001, "AUTHORITY_EXCEEDED")] {
        let review = submit(amount, RiskClass::High).await;
        let request = pb::DecideGateReviewRequest { validate_only: true, ..world.decision(&review, GateOutcome::Go) };
        let answer = world.steering().call(request).await;
        assert_eq!(answer.map_or_else(|failure| failure.reason, |_| String::new()), reason, "{amount}");
        withdraw(&review).await;
    }
    // A matrix of one's own: the default ends, and a rule for small, safe ones stands.
    let list = pb::ListAuthorityRulesRequest { organisation: world.id(), ..Default::default() };
    for rule in world.steering().call(list).await.unwrap().authority_rules {
        let request = pb::EndAuthorityRuleRequest {
            organisation: world.id(),
            authority_rule: rule.id,
            reason: "Ny matrix.".to_owned(),
            validate_only: false,
        };
        world.board().call(request).await.unwrap();
    }
    let rule = pb::SetAuthorityRuleRequest {
        organisation: world.id(),
        role: Role::SteeringGroup as i32,
        max_amount_ore: 500,
        max_risk_class: RiskClass::Low.into(),
        tracks: vec![pb::Track::StartSmall.into()],
        outcomes: vec![GateOutcome::Go.into(), GateOutcome::Hold.into()],
        reason: "Småt begyndt.".to_owned(),
        ..Default::default()
    };
    assert!(refused(&world.steering().call(rule.clone()).await.unwrap_err(), "ROLE_MISSING"), "not one's own limits");
    world.board().call(rule).await.unwrap();
    let cases = [
        (500, RiskClass::Low, GateOutcome::Go, ""),
        (501, RiskClass::Low, GateOutcome::Go, "AUTHORITY_EXCEEDED"),
        (500, RiskClass::Medium, GateOutcome::Go, "AUTHORITY_EXCEEDED"),
        // What nobody has assessed is not called safe.
        (500, RiskClass::Unspecified, GateOutcome::Go, "AUTHORITY_EXCEEDED"),
        (500, RiskClass::Low, GateOutcome::Kill, "AUTHORITY_EXCEEDED"),
        (501, RiskClass::High, GateOutcome::Escalated, ""),
    ];
    for (amount, risk, outcome, reason) in cases {
        let review = submit(amount, risk).await;
        let request = pb::DecideGateReviewRequest { validate_only: true, ..world.decision(&review, outcome) };
        let answer = world.steering().call(request).await;
        let told = answer.map_or_else(|failure| failure.reason, |_| String::new());
        assert_eq!(told, reason, "{amount} {risk:?} {outcome:?}");
        withdraw(&review).await;
    }
    let review = submit(501, RiskClass::High).await;
    let escalated = world.steering().call(world.decision(&review, GateOutcome::Escalated)).await.unwrap();
    let project = escalated.project.unwrap();
    assert_eq!((project.stage(), project.status()), (pb::Stage::Idea, pb::ProjectStatus::Active));
    assert_eq!(escalated.gate_review.unwrap().outcome(), GateOutcome::Escalated);
    // The same gate again, for those who may.
    world.submitted(&project, GateCode::G1).await;
}

#[tokio::test]
async fn system_decides_nothing_and_auditor_changes_nothing_whatever_else_they_are() {
    let world = World::new().await;
    let review = world.submitted(&world.project().await, GateCode::G1).await;
    let system = world.service("system", &[Role::SteeringGroup]).with("x-request-id", "system");
    let failure = system.call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(refused(&failure, "PERSON_REQUIRED"), "{failure:?}");
    let entries = world.audited("request_id = \"system\"").await;
    assert_eq!((entries[0].actor_kind(), entries[0].policy.as_str()), (pb::ActorKind::Service, "people-decide"));
    let both = world.person("both", &[Role::Auditor, Role::SteeringGroup]);
    let failure = both.call(world.decision(&review, GateOutcome::Go)).await.unwrap_err();
    assert!(refused(&failure, "AUDITOR_READS_ONLY"), "{failure:?}");
    // A role that is lent does not take it away.
    let grant = world.granted("member", Role::SteeringGroup).await;
    world.delegated(&grant, "auditor").await;
    let request =
        pb::DecideGateReviewRequest { acting_for: "member".to_owned(), ..world.decision(&review, GateOutcome::Go) };
    assert!(refused(&world.auditor().call(request).await.unwrap_err(), "AUDITOR_READS_ONLY"));
}

#[tokio::test]
async fn revoked_subject_and_token_refused_at_once_here_alone_and_until_lifted() {
    let world = World::new().await;
    let elsewhere = world.elsewhere().await;
    let project = world.project().await;
    let reader = world.person("u1", &[Role::Reader]);
    reader.call(get(&world, &project)).await.unwrap();
    let denial = world.denied("u1").await;
    let failure = reader.clone().with("x-request-id", "revoked").call(get(&world, &project)).await.unwrap_err();
    assert!(failure.is(Code::Unauthenticated, "TOKEN_REVOKED"), "{failure:?}");
    assert_eq!(world.audited("request_id = \"revoked\"").await[0].reason, "TOKEN_REVOKED");
    assert!(reader.call(pb::ListOrganisationsRequest {}).await.unwrap().organisations.is_empty());
    let list = pb::ListProjectsRequest { organisation: world.id(), ..Default::default() };
    assert!(reader.call(list).await.unwrap_err().is(Code::Unauthenticated, "TOKEN_REVOKED"));
    let office = world.person("u1", &[Role::PortfolioOffice]);
    let failure = office.call(world.submission(&project, GateCode::G1)).await.unwrap_err();
    assert!(failure.is(Code::Unauthenticated, "TOKEN_REVOKED"), "{failure:?}");
    let there = elsewhere.person("u1", &[Role::Reader]);
    there.call(pb::GetOrganisationRequest { organisation: elsewhere.id() }).await.unwrap();
    let lift = pb::LiftTokenDenialRequest {
        organisation: world.id(),
        token_denial: denial.id,
        reason: "En fejl.".to_owned(),
        validate_only: false,
    };
    world.office().call(lift).await.unwrap();
    reader.call(get(&world, &project)).await.unwrap();

    // One token, not the other of the same person.
    let (token, other) = (world.token("u2", &[Role::Reader]), world.token("u2", &[Role::Reader]));
    let deny = pb::DenyTokenRequest {
        organisation: world.id(),
        claim: RevokedClaim::TokenId.into(),
        value: crate::harness::token_id(&token),
        reason: "Lækket.".to_owned(),
        validate_only: false,
    };
    world.office().call(deny).await.unwrap();
    let failure = world.stranger(Some(token)).call(get(&world, &project)).await.unwrap_err();
    assert!(failure.is(Code::Unauthenticated, "TOKEN_REVOKED"), "{failure:?}");
    world.stranger(Some(other)).call(get(&world, &project)).await.unwrap();
}

/// What each replica knows of a caller is good only while nothing has changed: no clock, no message between them.
#[tokio::test]
async fn change_through_one_replica_holds_at_once_on_the_other() {
    let world = World::new().await;
    let other = world.behind_another(config()).await;
    let project = world.project().await;
    let grant = world.granted("u1", Role::Reader).await;
    for round in 0..10 {
        bare(&world, "u1").call(get(&world, &project)).await.unwrap();
        bare(&other, "u1").call(get(&other, &project)).await.unwrap();
        let denial = world.denied("u1").await;
        let failure = bare(&other, "u1").call(get(&other, &project)).await.unwrap_err();
        assert!(failure.is(Code::Unauthenticated, "TOKEN_REVOKED"), "{round} {failure:?}");
        let update = other.registration(&pb::OrgUnit { id: project.org_unit.clone(), ..Default::default() }, "t");
        let failure = other.person("u1", &[Role::PortfolioOffice]).call(update).await.unwrap_err();
        assert!(failure.is(Code::Unauthenticated, "TOKEN_REVOKED"), "{round} {failure:?}");
        let lift = pb::LiftTokenDenialRequest {
            organisation: world.id(),
            token_denial: denial.id,
            reason: "En fejl.".to_owned(),
            validate_only: false,
        };
        other.office().call(lift).await.unwrap();
    }
    bare(&world, "u1").call(get(&world, &project)).await.unwrap();
    other.person("granter", &[Role::Reader]).call(revocation(&other, &grant)).await.unwrap();
    assert!(refused(&bare(&world, "u1").call(get(&world, &project)).await.unwrap_err(), "ROLE_MISSING"));
    other.stop().await;
}

/// Who sees a thing by being tied to it is answered what hangs on it, also while that is nothing.
#[tokio::test]
async fn empty_list_below_what_one_sees_without_a_role_is_empty_and_below_what_one_does_not_is_not() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "1", "2").await;
    let reviews =
        pb::ListGateReviewsRequest { organisation: world.id(), project: project.id.clone(), ..Default::default() };
    assert!(bare(&world, "manager").call(reviews.clone()).await.unwrap().gate_reviews.is_empty());
    let measurements =
        pb::ListMeasurementsRequest { organisation: world.id(), benefit: benefit.id.clone(), ..Default::default() };
    assert!(bare(&world, "owner").call(measurements.clone()).await.unwrap().measurements.is_empty());
    let nobody = bare(&world, "nobody");
    assert!(refused(&nobody.call(reviews).await.unwrap_err(), "ROLE_MISSING"));
    assert!(refused(&nobody.call(measurements).await.unwrap_err(), "ROLE_MISSING"));
}

#[tokio::test]
async fn permissions_say_what_may_be_done_and_why_not() {
    let world = World::new().await;
    let project = world.project().await;
    let is = |permissions: &[(String, bool, String)], action: &str| {
        let found = permissions.iter().find(|(name, ..)| name == action);
        found.map(|(_, allowed, reason)| (*allowed, reason.clone())).unwrap_or_else(|| panic!("{permissions:?}"))
    };
    let (yes, missing) = ((true, String::new()), (false, "ROLE_MISSING".to_owned()));
    let manager = permissions(&world.manager(), &world, &project).await;
    assert_eq!(is(&manager, "project.read"), yes);
    assert_eq!(is(&manager, "project.update"), yes);
    assert_eq!(is(&manager, "project.archive"), missing);
    assert_eq!(is(&manager, "gate.submit"), missing);
    assert!(!manager.iter().any(|(action, ..)| action == "gate.decide"), "nothing to decide");
    world.submitted(&project, GateCode::G1).await;
    let both = world.person("office", &[Role::PortfolioOffice, Role::SteeringGroup]);
    let submitter = permissions(&both, &world, &project).await;
    assert_eq!(is(&submitter, "gate.decide"), (false, "DECIDER_IS_SUBMITTER".to_owned()));
    assert_eq!(is(&submitter, "gate.withdraw"), yes);
    assert_eq!(is(&permissions(&world.steering(), &world, &project).await, "gate.decide"), yes);
    // For somebody else: what they have lent.
    world.delegated(&world.granted("member", Role::SteeringGroup).await, "substitute").await;
    let request = pb::GetProjectPermissionsRequest {
        organisation: world.id(),
        project: project.id.clone(),
        acting_for: "member".to_owned(),
    };
    let substitute = bare(&world, "substitute");
    let lent = substitute.call(request.clone()).await.unwrap().permissions;
    assert!(lent.iter().any(|permission| permission.action == "gate.decide" && permission.allowed), "{lent:?}");
    let own = permissions(&substitute, &world, &project).await;
    assert_eq!(is(&own, "gate.decide"), missing);
    assert!(refused(&world.manager().call(request.clone()).await.unwrap_err(), "NOT_A_DELEGATE"));
    let request = pb::GetProjectPermissionsRequest { acting_for: String::new(), ..request };
    let answer = world.manager().with("accept-language", "da").call(request).await.unwrap();
    let archive = answer.permissions.iter().find(|permission| permission.action == "project.archive").unwrap();
    assert!(archive.message.starts_with("Du har ikke rollen"), "{archive:?}");
    let submit = answer.permissions.iter().find(|permission| permission.action == "gate.submit").unwrap();
    assert!(submit.message.contains("portfolio-office eller project-owner"), "Danish throughout: {submit:?}");
    let request =
        pb::GetProjectPermissionsRequest { organisation: world.id(), project: project.id, ..Default::default() };
    let failure = bare(&world, "nobody").call(request).await.unwrap_err();
    assert!(refused(&failure, "ROLE_MISSING"), "{failure:?}");
}
