//! Benefit owners: who can be one, who is asked, who has accepted, also after the project has closed (S35, I10, I11).

use futures_util::future::join_all;
use gevinst::auth::Role;
use gevinst_proto::v1::{
    self as pb, BenefitOwnerReasonCode as Reason, BenefitOwnerState, BenefitOwnershipState, GateCode, GateOutcome,
};
use time::Duration;
use tonic::Code;

use crate::{
    budget_effects::promise,
    harness::{Failure, Person, World},
    register::planning,
};

/// A nomination of somebody, without an exception.
pub fn nomination(world: &World, benefit: &pb::Benefit, nominee: &str) -> pb::NominateBenefitOwnerRequest {
    pb::NominateBenefitOwnerRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        nominee: nominee.to_owned(),
        reason: "Leder området.".to_owned(),
        exception_reason: String::new(),
        validate_only: false,
    }
}

/// The same of somebody who is not eligible.
fn exception(world: &World, benefit: &pb::Benefit, nominee: &str) -> pb::NominateBenefitOwnerRequest {
    pb::NominateBenefitOwnerRequest {
        exception_reason: "Gevinsten ligger hos flere områder.".to_owned(),
        ..nomination(world, benefit, nominee)
    }
}

pub fn approval(world: &World, nominated: &pb::BenefitOwnership) -> pb::ApproveBenefitOwnerExceptionRequest {
    pb::ApproveBenefitOwnerExceptionRequest {
        organisation: world.id(),
        benefit: nominated.benefit.clone(),
        ownership: nominated.id.clone(),
        reason: "Enig.".to_owned(),
        ..Default::default()
    }
}

/// An acceptance of it.
pub fn acceptance(world: &World, benefit: &pb::Benefit) -> pb::AcceptBenefitOwnershipRequest {
    pb::AcceptBenefitOwnershipRequest { organisation: world.id(), benefit: benefit.id.clone(), ..Default::default() }
}

fn refusal(world: &World, benefit: &pb::Benefit) -> pb::DeclineBenefitOwnershipRequest {
    pb::DeclineBenefitOwnershipRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        reason: "Ikke mit område.".to_owned(),
        validate_only: false,
    }
}

/// Somebody who is not eligible, nominated by the office.
pub async fn awaiting(world: &World, benefit: &pb::Benefit, nominee: &str) -> pb::BenefitOwnership {
    world.office().call(exception(world, benefit, nominee)).await.unwrap().ownership.unwrap()
}

/// The same, approved by the steering group.
pub async fn excepted(world: &World, benefit: &pb::Benefit, nominee: &str) -> pb::Benefit {
    let nominated = awaiting(world, benefit, nominee).await;
    world.steering().call(approval(world, &nominated)).await.unwrap().benefit.unwrap()
}

/// Somebody without any role: what they may, they may as who they are.
pub fn bare(world: &World, subject: &str) -> Person {
    world.person(subject, &[])
}

/// The benefit as it is now.
pub async fn reread(world: &World, benefit: &pb::Benefit) -> pb::Benefit {
    let request = pb::GetBenefitRequest { organisation: world.id(), benefit: benefit.id.clone() };
    world.office().call(request).await.unwrap().benefit.unwrap()
}

/// Owners and where their ownership is, newest first.
pub async fn history(world: &World, benefit: &pb::Benefit) -> Vec<(String, BenefitOwnershipState)> {
    let request = pb::ListBenefitOwnershipsRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        ..Default::default()
    };
    let ownerships = world.office().call(request).await.unwrap().ownerships;
    ownerships.into_iter().map(|ownership| (ownership.owner.clone(), ownership.state())).collect()
}

fn refused<T>(answer: Result<T, Failure>, reason: &str) -> Failure {
    let failure = answer.err().unwrap();
    assert!(failure.is(Code::FailedPrecondition, reason), "{failure:?}");
    failure
}

fn denied<T>(answer: Result<T, Failure>, reason: &str) {
    let failure = answer.err().unwrap();
    assert!(failure.is(Code::PermissionDenied, reason), "{failure:?}");
}

/// A unit below another one; operational and led by `leader`, unless something else is said.
pub async fn unit(world: &World, name: &str, of: pb::CreateOrgUnitRequest) -> pb::OrgUnit {
    let request = pb::CreateOrgUnitRequest { organisation: world.id(), name: name.to_owned(), ..of };
    world.office().call(request).await.unwrap().org_unit.unwrap()
}

pub async fn project_in(world: &World, unit: &pb::OrgUnit) -> pb::Project {
    world.office().call(world.registration(unit, "Et projekt")).await.unwrap().project.unwrap()
}

/// Gives the project's unit another leader, `successor`.
pub async fn replaced(world: &World, project: &pb::Project) {
    let changes = pb::OrgUnitChanges { leader: Some("successor".to_owned()), ..Default::default() };
    change_unit(world, project, changes).await;
}

/// Changes the project's unit.
pub async fn change_unit(world: &World, project: &pb::Project, changes: pb::OrgUnitChanges) {
    let get = pb::GetOrgUnitRequest { organisation: world.id(), org_unit: project.org_unit.clone() };
    let unit = world.office().call(get).await.unwrap().org_unit.unwrap();
    let request = pb::UpdateOrgUnitRequest {
        organisation: world.id(),
        org_unit: unit.id,
        changes: Some(changes),
        etag: unit.etag,
        ..Default::default()
    };
    world.office().call(request).await.unwrap();
}

/// Gives the project another manager.
pub async fn managed_by(world: &World, project: &pb::Project, manager: &str) {
    let get = pb::GetProjectRequest { organisation: world.id(), project: project.id.clone() };
    let etag = world.office().call(get).await.unwrap().project.unwrap().etag;
    let changes = pb::ProjectChanges { project_manager: Some(manager.to_owned()), ..Default::default() };
    let request = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(changes),
        etag,
        ..Default::default()
    };
    world.office().call(request).await.unwrap();
}

/// A benefit whose owner, `leader`, has accepted, of a project in a unit below one that `director` leads.
pub async fn accepted(world: &World) -> (pb::Project, pb::Benefit) {
    let led = |leader: &str, parent| pb::CreateOrgUnitRequest {
        leader: Some(leader.to_owned()),
        is_operational_area: true,
        parent,
        ..Default::default()
    };
    let above = unit(world, "Sundhed", led("director", None)).await;
    let project = project_in(world, &unit(world, "Hjemmepleje", led("leader", Some(above.id))).await).await;
    let benefit = world.benefit(&project, "10", "5").await;
    world.office().call(nomination(world, &benefit, "leader")).await.unwrap();
    let accepted = bare(world, "leader").call(acceptance(world, &benefit)).await.unwrap();
    (project, accepted.benefit.unwrap())
}

async fn check(world: &World, project: &pb::Project, subject: &str) -> pb::BenefitOwnerEligibility {
    let request = pb::CheckBenefitOwnerRequest {
        organisation: world.id(),
        project: project.id.clone(),
        subject: subject.to_owned(),
    };
    world.manager().call(request).await.unwrap().eligibility.unwrap()
}

fn reasons(found: &pb::BenefitOwnerEligibility) -> Vec<Reason> {
    found.reasons.iter().map(pb::BenefitOwnerReason::code).collect()
}

#[tokio::test]
async fn check_leader_of_the_unit_or_one_above_eligible_with_reasons_in_both_languages_i10() {
    let world = World::new().await;
    let (project, _) = accepted(&world).await;
    for (subject, unit) in [("leader", "Hjemmepleje"), ("director", "Sundhed")] {
        let found = check(&world, &project, subject).await;
        assert_eq!((found.eligible, reasons(&found)), (true, vec![Reason::LeadsAffectedArea]));
        let text = found.reasons[0].text.as_ref().unwrap();
        assert!(text.da.starts_with(&format!("Leder {unit},")), "{text:?}");
        assert!(text.en.starts_with(&format!("Leads {unit},")), "{text:?}");
    }
}

#[tokio::test]
async fn check_stranger_manager_it_and_what_has_ended_not_eligible_i10() {
    let world = World::new().await;
    let today = world.clock.now().date();
    let led = |leader: &str| pb::CreateOrgUnitRequest { leader: Some(leader.to_owned()), ..Default::default() };
    let area = pb::CreateOrgUnitRequest { is_operational_area: true, ..led("manager") };
    let ended = pb::CreateOrgUnitRequest {
        valid_until: Some((today - Duration::days(2)).to_string()),
        is_operational_area: true,
        ..led("before")
    };
    let later = pb::CreateOrgUnitRequest {
        valid_from: Some((today + Duration::days(2)).to_string()),
        is_operational_area: true,
        ..led("after")
    };
    let managed = project_in(&world, &unit(&world, "Hjemmepleje", area).await).await;
    for (project, subject, expected) in [
        (&managed, "stranger", &[Reason::LeadsNoAffectedUnit][..]),
        (&managed, "manager", &[Reason::LeadsAffectedArea, Reason::ManagesProject]),
        (
            &project_in(&world, &unit(&world, "It", led("it-chief")).await).await,
            "it-chief",
            &[Reason::NoOperationalArea],
        ),
        (&project_in(&world, &unit(&world, "Nedlagt", ended).await).await, "before", &[Reason::UnitNotInForce]),
        (&project_in(&world, &unit(&world, "Kommende", later).await).await, "after", &[Reason::UnitNotInForce]),
    ] {
        let found = check(&world, project, subject).await;
        assert_eq!((found.eligible, &reasons(&found)[..]), (false, expected), "{subject}");
        let said = |text: &pb::LocalizedText| !text.da.is_empty() && !text.en.is_empty();
        assert!(found.reasons.iter().all(|reason| reason.text.as_ref().is_some_and(said)), "{found:?}");
    }
}

#[tokio::test]
async fn create_names_an_owner_who_is_asked_and_answers_in_person_i11() {
    let world = World::new().await;
    let project = world.project().await;
    let request = pb::CreateBenefitRequest { owner: "leader".to_owned(), ..world.benefit_request(&project, "1", "2") };
    let benefit = world.manager().call(request).await.unwrap().benefit.unwrap();
    assert_eq!((benefit.owner_state(), benefit.nominee()), (BenefitOwnerState::Nominated, "leader"));
    assert_eq!(history(&world, &benefit).await, [("leader".to_owned(), BenefitOwnershipState::Nominated)]);

    let answer = bare(&world, "leader").call(acceptance(&world, &benefit)).await.unwrap();
    let (accepted, ownership) = (answer.benefit.unwrap(), answer.ownership.unwrap());
    assert_eq!(accepted, reread(&world, &benefit).await);
    assert_eq!((accepted.owner.as_str(), accepted.owner_state()), ("leader", BenefitOwnerState::Accepted));
    assert_eq!((accepted.nominee, ownership.state()), (None, BenefitOwnershipState::Accepted));
    assert!(ownership.eligibility.unwrap().eligible && ownership.answer_time.is_some());
    let [entry] = &world.audited("action = \"benefit.accept_ownership\"").await[..] else { panic!("one entry") };
    assert!(entry.changes_json.contains("ACCEPTED"), "{}", entry.changes_json);
    // Who has accepted is not asked again.
    refused(world.office().call(nomination(&world, &benefit, "leader")).await, "ALREADY_BENEFIT_OWNER");
    refused(bare(&world, "leader").call(acceptance(&world, &benefit)).await, "NOMINATION_NOT_OPEN");
    refused(bare(&world, "leader").call(refusal(&world, &benefit)).await, "NOMINATION_NOT_OPEN");
}

#[tokio::test]
async fn named_at_creation_without_being_eligible_cannot_accept_i10() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    let failure = refused(world.benefit_owner().call(acceptance(&world, &benefit)).await, "BENEFIT_OWNER_NOT_ELIGIBLE");
    assert_eq!(failure.metadata["reasons"], "LEADS_NO_AFFECTED_UNIT");
    assert_eq!(reread(&world, &benefit).await, benefit);
}

#[tokio::test]
async fn who_is_named_or_has_declined_does_not_act_as_owner_i11() {
    let world = World::new().await;
    let benefit = world.office().call(world.economic_request(&world.project().await, "2026-01-01")).await;
    let benefit = benefit.unwrap().benefit.unwrap();
    let owner = bare(&world, "owner");
    let acts = async || {
        let now = reread(&world, &benefit).await;
        denied(owner.call(planning(&world, &now, "45", "2027-01-01")).await, "ROLE_MISSING");
        denied(owner.call(world.measurement(&benefit, "9", "2026-06-30")).await, "ROLE_MISSING");
        denied(owner.call(promise(&world, &benefit, 5)).await, "ROLE_MISSING");
        denied(owner.call(nomination(&world, &benefit, "leader")).await, "ROLE_MISSING");
    };
    acts().await;
    owner.call(refusal(&world, &benefit)).await.unwrap();
    acts().await;
    world.accept(&benefit).await;
    owner.call(world.measurement(&benefit, "9", "2026-06-30")).await.unwrap();
}

#[tokio::test]
async fn acceptance_keeps_the_plan_that_was_accepted_and_may_name_what_was_read_i11() {
    let world = World::new().await;
    let project = world.project().await;
    let request =
        pb::CreateBenefitRequest { owner: "leader".to_owned(), ..world.planned_request(&project, "2027-01-01") };
    let read = world.office().call(request).await.unwrap().benefit.unwrap();
    world.manager().call(planning(&world, &read, "30", "2027-01-01")).await.unwrap();
    let stale = pb::AcceptBenefitOwnershipRequest { etag: Some(read.etag.clone()), ..acceptance(&world, &read) };
    let failure = bare(&world, "leader").call(stale).await.unwrap_err();
    assert!(failure.is(Code::Aborted, "ETAG_STALE"), "{failure:?}");
    let etag = Some(reread(&world, &read).await.etag);
    let request = pb::AcceptBenefitOwnershipRequest { etag, ..acceptance(&world, &read) };
    let accepted = bare(&world, "leader").call(request).await.unwrap();
    assert_eq!(accepted.ownership.unwrap().accepted_plan, Some(1));
    let planned = planning(&world, &accepted.benefit.unwrap(), "31", "2027-01-01");
    assert_eq!(world.manager().call(planned).await.unwrap().benefit.unwrap().plan.unwrap().number, 2);
    let request = pb::ListBenefitOwnershipsRequest { organisation: world.id(), benefit: read.id, ..Default::default() };
    assert_eq!(world.auditor().call(request).await.unwrap().ownerships[0].accepted_plan, Some(1));
}

#[tokio::test]
async fn exception_covers_what_it_was_approved_for_and_not_what_its_nominee_became_i10() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = excepted(&world, &world.benefit(&project, "1", "2").await, "expert").await;
    managed_by(&world, &project, "expert").await;
    let failure =
        refused(bare(&world, "expert").call(acceptance(&world, &benefit)).await, "BENEFIT_OWNER_NOT_ELIGIBLE");
    assert_eq!(failure.metadata["reasons"], "LEADS_NO_AFFECTED_UNIT,MANAGES_PROJECT");
    let anew = excepted(&world, &benefit, "expert").await;
    bare(&world, "expert").call(acceptance(&world, &anew)).await.unwrap();
}

#[tokio::test]
async fn nominate_without_being_eligible_refused_with_each_reason_i10() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    let office = world.office().with("accept-language", "da");
    let failure = refused(office.call(nomination(&world, &benefit, "manager")).await, "BENEFIT_OWNER_NOT_ELIGIBLE");
    assert_eq!(failure.metadata["reasons"], "LEADS_NO_AFFECTED_UNIT,MANAGES_PROJECT");
    let said = &failure.localized.1;
    assert!(said.contains("(I10). Leder hverken ") && said.ends_with(" Leder selv projektet."), "{said}");
    assert_eq!(reread(&world, &benefit).await, benefit);
}

#[tokio::test]
async fn nominate_by_office_manager_or_owner_and_nobody_else_s35() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    denied(bare(&world, "owner").call(nomination(&world, &benefit, "leader")).await, "ROLE_MISSING");
    world.accept(&benefit).await;
    for by in [world.office(), world.manager(), bare(&world, "owner")] {
        let nominated = by.call(nomination(&world, &benefit, "leader")).await.unwrap().benefit.unwrap();
        assert_eq!((nominated.owner.as_str(), nominated.nominee()), ("owner", "leader"));
    }
    for by in [world.steering(), world.person("another-manager", &[Role::ProjectManager, Role::BenefitOwner])] {
        denied(by.call(nomination(&world, &benefit, "leader")).await, "ROLE_MISSING");
    }
    let superseded = ("leader".to_owned(), BenefitOwnershipState::Superseded);
    let found = history(&world, &benefit).await;
    assert_eq!(found[0], ("leader".to_owned(), BenefitOwnershipState::Nominated));
    assert_eq!(found[1..3], [superseded.clone(), superseded]);
    assert_eq!(found[3], ("owner".to_owned(), BenefitOwnershipState::Accepted));
    // Who is not asked any more does not answer.
    denied(bare(&world, "owner").call(acceptance(&world, &benefit)).await, "ROLE_MISSING");
}

#[tokio::test]
async fn exception_waits_for_an_approver_then_for_the_nominee_i10() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    let nominated = awaiting(&world, &benefit, "expert").await;
    assert_eq!(nominated.state(), BenefitOwnershipState::AwaitingApproval);
    assert!(!nominated.eligibility.as_ref().unwrap().eligible && !nominated.exception_reason.is_empty());
    refused(bare(&world, "expert").call(acceptance(&world, &benefit)).await, "EXCEPTION_NOT_APPROVED");

    let approved = world.steering().call(approval(&world, &nominated)).await.unwrap().ownership.unwrap();
    assert_eq!((approved.state(), approved.approver()), (BenefitOwnershipState::Nominated, "steering"));
    refused(world.steering().call(approval(&world, &nominated)).await, "NOMINATION_NOT_OPEN");
    let accepted = bare(&world, "expert").call(acceptance(&world, &benefit)).await.unwrap();
    let (benefit, ownership) = (accepted.benefit.unwrap(), accepted.ownership.unwrap());
    assert_eq!((benefit.owner.as_str(), benefit.owner_state()), ("expert", BenefitOwnerState::Accepted));
    assert_eq!((ownership.approver(), ownership.approval_reason.as_str()), ("steering", "Enig."));
}

#[tokio::test]
async fn exception_not_used_of_who_is_eligible_i10() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    let nominated = world.office().call(exception(&world, &benefit, "leader")).await.unwrap().ownership.unwrap();
    assert_eq!((nominated.state(), nominated.exception_reason.as_str()), (BenefitOwnershipState::Nominated, ""));
    refused(world.steering().call(approval(&world, &nominated)).await, "NOMINATION_NOT_OPEN");
}

#[tokio::test]
async fn exception_approved_by_neither_nominator_nor_nominee_nor_for_them_i10() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    let nominated = awaiting(&world, &benefit, "expert").await;
    let deciding = [Role::PortfolioOffice, Role::SteeringGroup];
    for name in ["office", "expert"] {
        denied(world.person(name, &deciding).call(approval(&world, &nominated)).await, "OWN_NOMINATION");
        let substitute = format!("substitute-of-{name}");
        world.delegated(&world.granted(name, Role::SteeringGroup).await, &substitute).await;
        let for_them =
            pb::ApproveBenefitOwnerExceptionRequest { acting_for: name.to_owned(), ..approval(&world, &nominated) };
        denied(bare(&world, &substitute).call(for_them).await, "OWN_NOMINATION");
    }
    denied(world.manager().call(approval(&world, &nominated)).await, "ROLE_MISSING");
    denied(world.service("robot", &deciding).call(approval(&world, &nominated)).await, "PERSON_REQUIRED");
    assert_eq!(reread(&world, &benefit).await.owner_state(), BenefitOwnerState::Nominated);
    // A colleague in the office may.
    world.person("colleague", &[Role::PortfolioOffice]).call(approval(&world, &nominated)).await.unwrap();
}

#[tokio::test]
async fn exception_approved_of_another_nomination_than_the_one_read_refused() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    let (read, now) = (awaiting(&world, &benefit, "expert").await, awaiting(&world, &benefit, "friend").await);
    refused(world.steering().call(approval(&world, &read)).await, "NOMINATION_NOT_OPEN");
    world.steering().call(approval(&world, &now)).await.unwrap();
}

#[tokio::test]
async fn handover_leaves_the_old_owner_until_the_new_one_accepts_anew_i11() {
    let world = World::new().await;
    let (_, benefit) = accepted(&world).await;
    let (old, new) = (bare(&world, "leader"), bare(&world, "director"));
    let nominated = old.call(nomination(&world, &benefit, "director")).await.unwrap().benefit.unwrap();
    assert_eq!((nominated.owner.as_str(), nominated.owner_state()), ("leader", BenefitOwnerState::Accepted));
    assert_eq!(nominated.nominee(), "director");
    old.call(world.measurement(&benefit, "9", "2026-06-30")).await.unwrap();
    denied(new.call(world.measurement(&benefit, "8", "2026-06-30")).await, "ROLE_MISSING");

    let handed_over = new.call(acceptance(&world, &benefit)).await.unwrap().benefit.unwrap();
    assert_eq!((handed_over.owner.as_str(), handed_over.owner_state()), ("director", BenefitOwnerState::Accepted));
    new.call(world.measurement(&benefit, "8", "2026-06-30")).await.unwrap();
    denied(old.call(world.measurement(&benefit, "7", "2026-06-30")).await, "ROLE_MISSING");
    assert_eq!(
        history(&world, &benefit).await,
        [
            ("director".to_owned(), BenefitOwnershipState::Accepted),
            ("leader".to_owned(), BenefitOwnershipState::HandedOver),
            ("owner".to_owned(), BenefitOwnershipState::Superseded),
        ]
    );
}

#[tokio::test]
async fn declined_leaves_who_has_accepted_and_without_one_says_so_i11() {
    let world = World::new().await;
    let (project, benefit) = accepted(&world).await;
    world.office().call(nomination(&world, &benefit, "director")).await.unwrap();
    let kept = bare(&world, "director").call(refusal(&world, &benefit)).await.unwrap().benefit.unwrap();
    assert_eq!((kept.owner.as_str(), kept.owner_state()), ("leader", BenefitOwnerState::Accepted));
    assert_eq!(kept.nominee, None);

    let never = world.benefit(&project, "1", "2").await;
    let answer = bare(&world, "owner").call(refusal(&world, &never)).await.unwrap();
    assert_eq!(answer.benefit.unwrap().owner_state(), BenefitOwnerState::Declined);
    assert_eq!(answer.ownership.unwrap().decline_reason, "Ikke mit område.");
    let request = pb::ListBenefitsRequest {
        organisation: world.id(),
        filter: "owner_state = DECLINED".to_owned(),
        ..Default::default()
    };
    let found = world.office().call(request).await.unwrap().benefits;
    assert_eq!(found.iter().map(|benefit| &benefit.id).collect::<Vec<_>>(), [&never.id]);
    let asked = world.office().call(nomination(&world, &never, "leader")).await.unwrap().benefit.unwrap();
    assert_eq!(asked.owner_state(), BenefitOwnerState::Nominated);
}

#[tokio::test]
async fn nominee_without_any_role_sees_what_they_are_asked_and_no_more_when_they_have_declined() {
    let world = World::new().await;
    let benefit = excepted(&world, &world.benefit(&world.project().await, "1", "2").await, "expert").await;
    let nominee = bare(&world, "expert");
    let mine = pb::ListBenefitsRequest {
        organisation: world.id(),
        filter: "nominee = \"expert\"".to_owned(),
        ..Default::default()
    };
    assert_eq!(nominee.call(mine).await.unwrap().benefits.len(), 1);
    let asked = pb::ListBenefitOwnershipsRequest {
        organisation: world.id(),
        benefit: benefit.id.clone(),
        filter: "state = NOMINATED".to_owned(),
        ..Default::default()
    };
    assert_eq!(nominee.call(asked.clone()).await.unwrap().ownerships.len(), 1);
    nominee.call(refusal(&world, &benefit)).await.unwrap();
    let get = pb::GetBenefitRequest { organisation: world.id(), benefit: benefit.id.clone() };
    assert!(nominee.call(get).await.is_err());
    assert!(nominee.call(asked).await.is_err());
}

#[tokio::test]
async fn answer_by_delegate_office_or_program_refused_i11() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    world.office().call(nomination(&world, &benefit, "leader")).await.unwrap();
    world.delegated(&world.granted("leader", Role::BenefitOwner).await, "substitute").await;
    for by in [bare(&world, "substitute"), world.office(), world.manager()] {
        for failure in [
            by.call(acceptance(&world, &benefit)).await.unwrap_err(),
            by.call(refusal(&world, &benefit)).await.unwrap_err(),
        ] {
            assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
        }
    }
    denied(world.service("leader", &[]).call(acceptance(&world, &benefit)).await, "PERSON_REQUIRED");
    assert_eq!(reread(&world, &benefit).await.nominee(), "leader");
}

#[tokio::test]
async fn leader_who_was_replaced_before_the_answer_not_eligible_any_more_i10() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.benefit(&project, "1", "2").await;
    world.office().call(nomination(&world, &benefit, "leader")).await.unwrap();
    replaced(&world, &project).await;
    let failure =
        refused(bare(&world, "leader").call(acceptance(&world, &benefit)).await, "BENEFIT_OWNER_NOT_ELIGIBLE");
    assert_eq!(failure.metadata["reasons"], "LEADS_NO_AFFECTED_UNIT");
}

#[tokio::test]
async fn handover_two_years_after_the_project_closed_s35() {
    let world = World::new().await;
    let (project, benefit) = accepted(&world).await;
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5] {
        world.decided(&project, gate, GateOutcome::Go).await;
    }
    world.clock.advance(Duration::days(730));
    bare(&world, "leader").call(nomination(&world, &benefit, "director")).await.unwrap();
    let handed_over = bare(&world, "director").call(acceptance(&world, &benefit)).await.unwrap().benefit.unwrap();
    assert_eq!((handed_over.owner.as_str(), handed_over.owner_state()), ("director", BenefitOwnerState::Accepted));
    bare(&world, "director").call(world.measurement(&benefit, "6", "2027-10-01")).await.unwrap();
}

#[tokio::test]
async fn accept_many_times_at_once_accepted_once_and_under_one_key_answered_alike() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "1", "2").await;
    world.office().call(nomination(&world, &benefit, "leader")).await.unwrap();
    let nominee = bare(&world, "leader");
    let answers = join_all((0..8).map(|_| nominee.call(acceptance(&world, &benefit)))).await;
    let (accepted, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(accepted.len(), 1);
    for answer in late {
        refused(answer, "NOMINATION_NOT_OPEN");
    }
    let accepted = history(&world, &benefit).await;
    assert_eq!(accepted[0], ("leader".to_owned(), BenefitOwnershipState::Accepted));

    let other = world.benefit(&world.project().await, "1", "2").await;
    let nominated = world.office().key("nominate").call(nomination(&world, &other, "leader")).await.unwrap();
    assert_eq!(world.office().key("nominate").call(nomination(&world, &other, "leader")).await.unwrap(), nominated);
    let first = nominee.clone().key("accept").call(acceptance(&world, &other)).await.unwrap();
    assert_eq!(nominee.key("accept").call(acceptance(&world, &other)).await.unwrap(), first);
}

#[tokio::test]
async fn accept_and_nominate_at_once_leave_one_owner_and_one_story() {
    let world = World::new().await;
    let (_, benefit) = accepted(&world).await;
    for _ in 0..4 {
        world.office().call(exception(&world, &benefit, "expert")).await.unwrap();
        world.office().call(nomination(&world, &benefit, "director")).await.unwrap();
        let (office, director) = (world.office(), bare(&world, "director"));
        let (accepted, nominated) = tokio::join!(
            director.call(acceptance(&world, &benefit)),
            office.call(exception(&world, &benefit, "expert")),
        );
        nominated.unwrap();
        let now = reread(&world, &benefit).await;
        assert_eq!((now.owner_state(), now.nominee()), (BenefitOwnerState::Accepted, "expert"));
        assert_eq!(now.owner == "director", accepted.is_ok(), "{accepted:?}");
        if accepted.is_ok() {
            world.office().call(nomination(&world, &benefit, "leader")).await.unwrap();
            bare(&world, "leader").call(acceptance(&world, &benefit)).await.unwrap();
        }
    }
}

/// The project with these units besides its own.
pub async fn affecting(world: &World, project: &pb::Project, units: &[&pb::OrgUnit]) -> pb::Project {
    let get = pb::GetProjectRequest { organisation: world.id(), project: project.id.clone() };
    let etag = world.office().call(get).await.unwrap().project.unwrap().etag;
    let request = pb::UpdateProjectRequest {
        organisation: world.id(),
        project: project.id.clone(),
        changes: Some(pb::ProjectChanges {
            affected_units: units.iter().map(|unit| unit.id.clone()).collect(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["affected_units".to_owned()] }),
        etag,
        ..Default::default()
    };
    world.office().call(request).await.unwrap().project.unwrap()
}

/// An operational area beside the project's own, led by `neighbour`.
pub async fn neighbour(world: &World) -> pb::OrgUnit {
    let led = pb::CreateOrgUnitRequest {
        leader: Some("neighbour".to_owned()),
        is_operational_area: true,
        ..Default::default()
    };
    unit(world, "Visitation", led).await
}

#[tokio::test]
async fn leader_of_another_unit_that_the_project_affects_owns_its_benefits_i10() {
    let world = World::new().await;
    let (project, benefit) = accepted(&world).await;
    let area = neighbour(&world).await;
    let check = async || {
        let request = pb::CheckBenefitOwnerRequest {
            organisation: world.id(),
            project: project.id.clone(),
            subject: "neighbour".to_owned(),
        };
        world.office().call(request).await.unwrap().eligibility.unwrap()
    };
    let said =
        |found: &pb::BenefitOwnerEligibility| found.reasons.iter().map(|reason| reason.code()).collect::<Vec<_>>();
    assert_eq!(said(&check().await), [Reason::LeadsNoAffectedUnit]);
    refused(world.office().call(nomination(&world, &benefit, "neighbour")).await, "BENEFIT_OWNER_NOT_ELIGIBLE");

    let affected = affecting(&world, &project, &[&area]).await;
    assert_eq!(affected.affected_units, std::slice::from_ref(&area.id));
    let found = check().await;
    assert_eq!((found.eligible, said(&found)), (true, vec![Reason::LeadsAffectedArea]));
    assert!(found.reasons[0].text.as_ref().unwrap().da.contains("Visitation"), "{found:?}");
    world.office().call(nomination(&world, &benefit, "neighbour")).await.unwrap();
    let owned = bare(&world, "neighbour").call(acceptance(&world, &benefit)).await.unwrap().benefit.unwrap();
    assert_eq!((owned.owner.as_str(), owned.owner_state()), ("neighbour", BenefitOwnerState::Accepted));

    assert!(affecting(&world, &project, &[]).await.affected_units.is_empty());
    let found = check().await;
    assert_eq!((found.eligible, said(&found)), (false, vec![Reason::LeadsNoAffectedUnit]));
}
