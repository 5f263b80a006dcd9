//! Money: appropriated, released, spent, and never more than was released (I05, S08).

use gevinst::auth::Role;
use gevinst_proto::v1::{
    self as pb, CostCategory, GateCode, GateOutcome,
    SpendPurpose::{Experiments, General},
};
use sea_orm::{ConnectionTrait, TransactionTrait};
use tonic::Code;
use uuid::Uuid;

use crate::{
    harness::{Failure, Person, World},
    lessons::{archived, lesson},
};

/// Runs a statement in the world's organisation, below the service: answers with its first column.
async fn below(world: &World, sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Uuid {
    let db = crate::harness::runtime_role().await;
    let tx = db.begin().await.unwrap();
    tx.execute_unprepared(&format!(
        "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{{{0}}}}}', true)",
        world.organisation
    ))
    .await
    .unwrap();
    let row = tx.query_one_raw(gevinst::db::postgres(sql, values)).await.unwrap().unwrap();
    let id = row.try_get_by_index(0).unwrap();
    tx.commit().await.unwrap();
    db.close().await.unwrap();
    id
}

/// A review of the project to hang a tranche on, taken back again so that there can be another.
async fn review(world: &World, project: &pb::Project) -> pb::GateReview {
    let review = world.submitted(project, GateCode::G1).await;
    let request = pb::WithdrawGateReviewRequest {
        organisation: world.id(),
        project: project.id.clone(),
        gate_review: review.id.clone(),
        reason: "Kun til en tranche.".to_owned(),
        validate_only: false,
    };
    world.office().call(request).await.unwrap();
    review
}

/// Money released to a project, written below the service: what is held here is how money is spent, not how a gate's
/// decision releases it. Answers with the tranche's id.
pub async fn released(world: &World, project: &pb::Project, amount_ore: i64, purpose: pb::SpendPurpose) -> Uuid {
    let review = review(world, project).await;
    let sql = "INSERT INTO spend_authorities (organisation_id, id, project_id, gate_review_id, amount_ore, purpose, \
        granted_at) VALUES ($1, gen_random_uuid(), $2::uuid, $3::uuid, $4, $5, $6) RETURNING id";
    let purpose = purpose.as_str_name().trim_start_matches("SPEND_PURPOSE_");
    let values = [
        world.organisation.into(),
        project.id.parse::<Uuid>().unwrap().into(),
        review.id.parse::<Uuid>().unwrap().into(),
        amount_ore.into(),
        purpose.into(),
        world.clock.now().into(),
    ];
    below(world, sql, values).await
}

/// A tranche revoked, as a decision that supersedes its own does it.
async fn revoked(world: &World, project: &pb::Project, tranche: Uuid) {
    let review = review(world, project).await;
    let sql = "UPDATE spend_authorities SET revoked_by_review_id = $3, revoked_at = $4 \
        WHERE organisation_id = $1 AND id = $2 RETURNING id";
    let review = review.id.parse::<Uuid>().unwrap();
    below(world, sql, [world.organisation.into(), tranche.into(), review.into(), world.clock.now().into()]).await;
}

fn finance(world: &World) -> Person {
    world.person("finance", &[Role::Finance])
}

fn appropriation(world: &World, project: &pb::Project, amount_ore: i64) -> pb::RecordAppropriationRequest {
    pb::RecordAppropriationRequest {
        organisation: world.id(),
        project: project.id.clone(),
        basis: pb::AppropriationBasis::CouncilDecision.into(),
        expenditure_type: pb::ExpenditureType::Capital.into(),
        body: "Byrådet".to_owned(),
        decided_on: "2026-01-28".to_owned(),
        case_number: "26/1234".to_owned(),
        amount_ore,
        first_year: 2026,
        years: 0,
        validate_only: false,
    }
}

pub async fn appropriated(world: &World, project: &pb::Project, amount_ore: i64) -> pb::Appropriation {
    finance(world).call(appropriation(world, project, amount_ore)).await.unwrap().appropriation.unwrap()
}

fn ending(world: &World, appropriation: &pb::Appropriation) -> pb::EndAppropriationRequest {
    pb::EndAppropriationRequest {
        organisation: world.id(),
        project: appropriation.project.clone(),
        appropriation: appropriation.id.clone(),
        reason: "Taget tilbage.".to_owned(),
        validate_only: false,
    }
}

fn expenditure(
    world: &World,
    project: &pb::Project,
    amount_ore: i64,
    purpose: pb::SpendPurpose,
) -> pb::RecordExpenditureRequest {
    pb::RecordExpenditureRequest {
        organisation: world.id(),
        project: project.id.clone(),
        amount_ore,
        spent_on: "2026-01-31".to_owned(),
        purpose: purpose.into(),
        category: CostCategory::Consultants.into(),
        source: "Økonomisystemet".to_owned(),
        validate_only: false,
    }
}

async fn spent(
    world: &World,
    project: &pb::Project,
    amount_ore: i64,
    purpose: pb::SpendPurpose,
) -> Result<pb::RecordExpenditureResponse, Failure> {
    finance(world).call(expenditure(world, project, amount_ore, purpose)).await
}

async fn funding(world: &World, project: &pb::Project) -> pb::Funding {
    let request = pb::GetProjectFundingRequest { organisation: world.id(), project: project.id.clone() };
    world.office().call(request).await.unwrap().funding.unwrap()
}

fn exceeds(failure: &Failure, left_ore: i64) {
    assert!(failure.is(Code::FailedPrecondition, "SPEND_EXCEEDS_AUTHORITY"), "{failure:?}");
    assert_eq!(failure.metadata["left_ore"], left_ore.to_string());
}

fn listed(world: &World, project: &pb::Project, filter: &str) -> pb::ListExpendituresRequest {
    pb::ListExpendituresRequest {
        organisation: world.id(),
        project: project.id.clone(),
        filter: filter.to_owned(),
        ..Default::default()
    }
}

/// What an entry says of each field.
pub fn changes(entry: &pb::AuditEntry) -> serde_json::Value {
    serde_json::from_str(&entry.changes_json).unwrap()
}

#[tokio::test]
async fn appropriate_kept_as_given_audited_and_one_year_unless_it_says_more() {
    let world = World::new().await;
    let project = world.project().await;
    let request = appropriation(&world, &project, 100_000_000_000_000);
    let first = finance(&world).call(request.clone()).await.unwrap().appropriation.unwrap();
    assert_eq!((first.basis(), first.expenditure_type()), (request.basis(), request.expenditure_type()));
    assert_eq!(
        (&first.body, &first.decided_on, &first.case_number),
        (&request.body, &request.decided_on, &request.case_number)
    );
    assert_eq!((first.amount_ore, first.first_year, first.last_year), (100_000_000_000_000, 2026, 2026));
    assert_eq!((first.recorder.as_str(), first.ended_by.as_deref(), first.end_time), ("finance", None, None));
    for (years, last_year) in [(1, 2026), (4, 2029), (30, 2055)] {
        let request = pb::RecordAppropriationRequest {
            basis: pb::AppropriationBasis::ExistingFrame.into(),
            expenditure_type: pb::ExpenditureType::Operating.into(),
            years,
            ..request.clone()
        };
        let recorded = finance(&world).call(request).await.unwrap().appropriation.unwrap();
        assert_eq!(recorded.last_year, last_year, "{years} years");
        assert_eq!(recorded.basis(), pb::AppropriationBasis::ExistingFrame);
        assert_eq!(recorded.expenditure_type(), pb::ExpenditureType::Operating);
    }
    let funding = funding(&world, &project).await;
    assert_eq!((funding.appropriated_ore, funding.appropriations.len()), (400_000_000_000_000, 4));
    assert_eq!(funding.appropriations[0], first, "the oldest first, as it was answered");

    let entries = world.audited("action = \"appropriation.record\"").await;
    let entry = entries.last().unwrap();
    let (kind, object) = (entry.object_type.as_str(), entry.object());
    assert_eq!((kind, object), ("appropriation", first.id.as_str()));
    let changes = changes(entry);
    for field in [
        "project",
        "basis",
        "expenditure_type",
        "body",
        "decided_on",
        "case_number",
        "amount_ore",
        "first_year",
        "last_year",
    ] {
        assert!(!changes[field]["after"].is_null(), "{field} in {changes}");
    }
    assert_eq!(changes["amount_ore"]["after"], "100000000000000");
}

#[tokio::test]
async fn appropriate_wrong_fields_named() {
    let world = World::new().await;
    let project = world.project().await;
    let good = appropriation(&world, &project, 1);
    let tomorrow = world.day(1);
    let cases = [
        (pb::RecordAppropriationRequest { amount_ore: 0, ..good.clone() }, "amount_ore"),
        (pb::RecordAppropriationRequest { amount_ore: -1, ..good.clone() }, "amount_ore"),
        (pb::RecordAppropriationRequest { amount_ore: 100_000_000_000_001, ..good.clone() }, "amount_ore"),
        (pb::RecordAppropriationRequest { basis: 0, ..good.clone() }, "basis"),
        (pb::RecordAppropriationRequest { expenditure_type: 3, ..good.clone() }, "expenditure_type"),
        (pb::RecordAppropriationRequest { body: String::new(), ..good.clone() }, "body"),
        (pb::RecordAppropriationRequest { case_number: String::new(), ..good.clone() }, "case_number"),
        (pb::RecordAppropriationRequest { first_year: 1999, ..good.clone() }, "first_year"),
        (pb::RecordAppropriationRequest { first_year: 2101, ..good.clone() }, "first_year"),
        (pb::RecordAppropriationRequest { years: 31, ..good.clone() }, "years"),
        (pb::RecordAppropriationRequest { years: -1, ..good.clone() }, "years"),
        (pb::RecordAppropriationRequest { decided_on: "2026-02-30".to_owned(), ..good.clone() }, "decided_on"),
        (pb::RecordAppropriationRequest { decided_on: "0000-01-01".to_owned(), ..good.clone() }, "decided_on"),
        (pb::RecordAppropriationRequest { decided_on: tomorrow, ..good.clone() }, "decided_on"),
    ];
    for (request, field) in cases {
        let failure = finance(&world).call(request).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{field} {failure:?}");
        assert_eq!(failure.fields, [field]);
    }
    let today = world.day(0);
    finance(&world).call(pb::RecordAppropriationRequest { decided_on: today, ..good }).await.unwrap();
}

#[tokio::test]
async fn money_kept_by_those_who_may_and_by_no_others() {
    let world = World::new().await;
    let project = world.project().await;
    appropriated(&world, &project, 1_000).await;
    released(&world, &project, 1_000, General).await;
    // role: may appropriate, may spend
    for (role, appropriates, spends) in [
        (Role::Finance, true, true),
        (Role::PortfolioOffice, true, true),
        (Role::Integration, false, true),
        (Role::SteeringGroup, false, false),
        (Role::ExecutiveBoard, false, false),
        (Role::ProjectManager, false, false),
        (Role::ProjectOwner, false, false),
        (Role::AreaLeader, false, false),
        (Role::Reader, false, false),
    ] {
        let person = world.person("someone", &[role]);
        let standing = appropriated(&world, &project, 1).await;
        let answers = [
            (person.call(appropriation(&world, &project, 1)).await.err(), appropriates),
            (person.call(ending(&world, &standing)).await.err(), appropriates),
            (person.call(expenditure(&world, &project, 1, General)).await.err(), spends),
        ];
        for (number, (failure, allowed)) in answers.into_iter().enumerate() {
            match failure {
                None => assert!(allowed, "{role:?} {number}"),
                Some(failure) => {
                    assert!(!allowed, "{role:?} {number} {failure:?}");
                    assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{role:?} {number} {failure:?}");
                }
            }
        }
    }
    // Nor does the project's own manager, nor an auditor who holds the role too.
    for person in [world.manager(), world.person("project-owner", &[])] {
        let failure = person.call(expenditure(&world, &project, 1, General)).await.unwrap_err();
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
        assert_eq!(failure.metadata["needs"], "finance, portfolio-office or integration");
    }
    let auditor = world.person("auditor", &[Role::Auditor, Role::Finance]);
    let failure = auditor.call(appropriation(&world, &project, 1)).await.unwrap_err();
    assert!(failure.is(Code::PermissionDenied, "AUDITOR_READS_ONLY"), "{failure:?}");
    // A system hands expenditure in.
    world.service("erp", &[Role::Integration]).call(expenditure(&world, &project, 1, General)).await.unwrap();
}

#[tokio::test]
async fn money_of_a_project_that_is_not_there_not_found() {
    let world = World::new().await;
    let ghost = pb::Project { id: world.id(), ..Default::default() };
    let (project, other) = (world.project().await, world.project().await);
    let theirs = appropriated(&world, &other, 1).await;
    let of_another = pb::EndAppropriationRequest { project: project.id.clone(), ..ending(&world, &theirs) };
    let get = pb::GetProjectFundingRequest { organisation: world.id(), project: ghost.id.clone() };
    let finance = finance(&world);
    for (failure, kind) in [
        (finance.call(appropriation(&world, &ghost, 1)).await.unwrap_err(), "project"),
        (finance.call(expenditure(&world, &ghost, 1, General)).await.unwrap_err(), "project"),
        (finance.call(listed(&world, &ghost, "")).await.unwrap_err(), "project"),
        (finance.call(get).await.unwrap_err(), "project"),
        (finance.call(of_another).await.unwrap_err(), "appropriation"),
    ] {
        assert!(failure.is(Code::NotFound, "NOT_FOUND"), "{failure:?}");
        assert_eq!(failure.metadata["type"], kind);
    }
    assert!(finance.call(listed(&world, &project, "")).await.unwrap().expenditures.is_empty());
    let unspent = funding(&world, &project).await;
    assert_eq!(unspent, pb::Funding::default());
}

#[tokio::test]
async fn money_seen_by_who_sees_the_project_i25() {
    let world = World::new().await;
    let project = world.project().await;
    released(&world, &project, 10, General).await;
    appropriated(&world, &project, 10).await;
    spent(&world, &project, 4, General).await.unwrap();
    let get = pb::GetProjectFundingRequest { organisation: world.id(), project: project.id.clone() };
    // By name alone, without a role.
    let manager = world.person("manager", &[]);
    assert_eq!(manager.call(get.clone()).await.unwrap().funding.unwrap(), funding(&world, &project).await);
    assert_eq!(manager.call(listed(&world, &project, "")).await.unwrap().expenditures.len(), 1);
    let nobody = world.person("nobody", &[]);
    for failure in [nobody.call(get).await.unwrap_err(), nobody.call(listed(&world, &project, "")).await.unwrap_err()] {
        assert!(failure.is(Code::PermissionDenied, "ROLE_MISSING"), "{failure:?}");
    }
}

#[tokio::test]
async fn end_appropriation_only_what_released_money_can_do_without_i05() {
    let world = World::new().await;
    let project = world.project().await;
    let (small, large) = (appropriated(&world, &project, 40).await, appropriated(&world, &project, 60).await);
    let tranche = released(&world, &project, 60, General).await;
    let failure = finance(&world).call(ending(&world, &large)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "APPROPRIATION_MISSING"), "{failure:?}");
    assert_eq!(failure.metadata["missing_ore"], "20");
    let dry = pb::EndAppropriationRequest { validate_only: true, ..ending(&world, &small) };
    finance(&world).call(dry).await.unwrap();
    assert_eq!(funding(&world, &project).await.appropriated_ore, 100);

    let ended = finance(&world).key("end").call(ending(&world, &small)).await.unwrap().appropriation.unwrap();
    assert_eq!((ended.ended_by(), ended.end_reason.as_str()), ("finance", "Taget tilbage."));
    assert!(ended.end_time.is_some());
    assert_eq!(finance(&world).key("end").call(ending(&world, &small)).await.unwrap().appropriation.unwrap(), ended);
    let failure = finance(&world).call(ending(&world, &small)).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "ALREADY_ENDED"), "{failure:?}");
    let funding_now = funding(&world, &project).await;
    assert_eq!((funding_now.appropriated_ore, funding_now.authorised_ore), (60, 60));
    assert_eq!(funding_now.appropriations, [ended, large.clone()], "nothing is deleted");

    let failure = finance(&world).call(ending(&world, &large)).await.unwrap_err();
    assert_eq!(failure.metadata["missing_ore"], "60");
    revoked(&world, &project, tranche).await;
    finance(&world).call(ending(&world, &large)).await.unwrap();
    assert_eq!(funding(&world, &project).await.appropriated_ore, 0);
    let entries = world.audited("action = \"appropriation.end\" AND outcome = DONE").await;
    let changes = changes(&entries[0]);
    assert_eq!(
        (&changes["ended_by"]["after"], &changes["reason"]["after"]),
        (&"finance".into(), &"Taget tilbage.".into())
    );
}

#[tokio::test]
async fn end_appropriations_at_once_one_stays_for_what_is_released_i05() {
    let world = World::new().await;
    let project = world.project().await;
    let mut standing = Vec::new();
    for _ in 0..8 {
        standing.push(appropriated(&world, &project, 10).await);
    }
    released(&world, &project, 25, General).await;
    let calls: Vec<_> = standing
        .iter()
        .map(|appropriation| {
            let (finance, request) = (finance(&world), ending(&world, appropriation));
            tokio::spawn(async move { finance.call(request).await })
        })
        .collect();
    let mut ended = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => ended += 1,
            Err(failure) => assert_eq!(failure.reason, "APPROPRIATION_MISSING", "{failure:?}"),
        }
    }
    assert_eq!((ended, funding(&world, &project).await.appropriated_ore), (5, 30));
}

#[tokio::test]
async fn spend_up_to_what_is_released_and_not_an_ore_more_i05() {
    let world = World::new().await;
    let project = world.project().await;
    exceeds(&spent(&world, &project, 1, General).await.unwrap_err(), 0);
    // An appropriation is no release.
    appropriated(&world, &project, 1_000).await;
    exceeds(&spent(&world, &project, 1, Experiments).await.unwrap_err(), 0);
    released(&world, &project, 600, General).await;
    released(&world, &project, 400, General).await;
    exceeds(&spent(&world, &project, 1_001, General).await.unwrap_err(), 1_000);
    exceeds(&spent(&world, &project, 100_000_000_000_000, General).await.unwrap_err(), 1_000);
    let request = expenditure(&world, &project, 999, General);
    let recorded = finance(&world).call(request.clone()).await.unwrap().expenditure.unwrap();
    assert_eq!(
        (recorded.amount_ore, recorded.purpose(), recorded.category()),
        (999, General, CostCategory::Consultants)
    );
    assert_eq!((&recorded.spent_on, &recorded.source), (&request.spent_on, &request.source));
    assert_eq!((recorded.project.as_str(), recorded.recorder.as_str()), (project.id.as_str(), "finance"));
    exceeds(&spent(&world, &project, 2, General).await.unwrap_err(), 1);
    spent(&world, &project, 1, General).await.unwrap();
    exceeds(&spent(&world, &project, 1, General).await.unwrap_err(), 0);
    let funding = funding(&world, &project).await;
    assert_eq!((funding.authorised_ore, funding.spent_ore, funding.left_ore), (1_000, 1_000, 0));
    assert_eq!(funding.spend_authorities.len(), 2);

    let entries = world.audited("action = \"expenditure.record\" AND outcome = DONE").await;
    let changes = changes(entries.last().unwrap());
    for field in ["project", "amount_ore", "spent_on", "purpose", "category", "source"] {
        assert!(!changes[field]["after"].is_null(), "{field} in {changes}");
    }
    assert_eq!(changes["amount_ore"]["after"], "999");
    let refusals = world.audited("action = \"expenditure.record\" AND outcome = REFUSED").await;
    assert!(refusals.iter().all(|entry| entry.reason == "SPEND_EXCEEDS_AUTHORITY"));
    assert_eq!(refusals.len(), 6);
}

#[tokio::test]
async fn spend_money_for_experiments_on_experiments_only_s08() {
    let world = World::new().await;
    let project = world.project().await;
    released(&world, &project, 300, Experiments).await;
    exceeds(&spent(&world, &project, 1, General).await.unwrap_err(), 0);
    released(&world, &project, 500, General).await;
    exceeds(&spent(&world, &project, 501, General).await.unwrap_err(), 500);
    // Experiments use their own first, then general money.
    spent(&world, &project, 200, Experiments).await.unwrap();
    let now = funding(&world, &project).await;
    assert_eq!((now.left_ore, now.left_general_ore), (600, 500));
    assert_eq!((now.authorised_for_experiments_ore, now.spent_on_experiments_ore), (300, 200));
    spent(&world, &project, 150, Experiments).await.unwrap();
    let now = funding(&world, &project).await;
    assert_eq!((now.left_ore, now.left_general_ore), (450, 450));
    exceeds(&spent(&world, &project, 451, General).await.unwrap_err(), 450);
    exceeds(&spent(&world, &project, 451, Experiments).await.unwrap_err(), 450);
    spent(&world, &project, 450, General).await.unwrap();
    // What an experiment gives back goes first to what it had taken beyond its own.
    spent(&world, &project, -50, Experiments).await.unwrap();
    let now = funding(&world, &project).await;
    assert_eq!((now.left_ore, now.left_general_ore), (50, 50));
    spent(&world, &project, -100, Experiments).await.unwrap();
    let now = funding(&world, &project).await;
    assert_eq!((now.left_ore, now.left_general_ore), (150, 50));
}

#[tokio::test]
async fn spend_negative_no_more_comes_back_than_went_out_on_it() {
    let world = World::new().await;
    let project = world.project().await;
    released(&world, &project, 1_000, General).await;
    spent(&world, &project, 100, General).await.unwrap();
    spent(&world, &project, 40, Experiments).await.unwrap();
    for (amount, purpose) in [(-101, General), (-41, Experiments), (-100_000_000_000_000, General)] {
        let failure = spent(&world, &project, amount, purpose).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{failure:?}");
        assert_eq!(failure.fields, ["amount_ore"]);
    }
    spent(&world, &project, -100, General).await.unwrap();
    spent(&world, &project, -40, Experiments).await.unwrap();
    let now = funding(&world, &project).await;
    assert_eq!((now.spent_ore, now.spent_on_experiments_ore, now.left_ore), (0, 0, 1_000));
    let failure = spent(&world, &project, -1, General).await.unwrap_err();
    assert_eq!(failure.fields, ["amount_ore"]);
}

#[tokio::test]
async fn spend_of_revoked_tranches_refused_and_what_comes_back_taken() {
    let world = World::new().await;
    let project = world.project().await;
    let tranche = released(&world, &project, 700, General).await;
    released(&world, &project, 300, General).await;
    spent(&world, &project, 500, General).await.unwrap();
    revoked(&world, &project, tranche).await;
    let now = funding(&world, &project).await;
    assert_eq!((now.authorised_ore, now.spent_ore, now.left_ore, now.left_general_ore), (300, 500, -200, -200));
    assert_eq!(now.spend_authorities.len(), 2, "revoked ones stay");
    assert!(now.spend_authorities[0].revoked_by_review.is_some() && now.spend_authorities[0].revoke_time.is_some());
    assert_eq!(now.spend_authorities[1].revoked_by_review, None);
    exceeds(&spent(&world, &project, 1, General).await.unwrap_err(), 0);
    spent(&world, &project, -100, General).await.unwrap();
    exceeds(&spent(&world, &project, 1, Experiments).await.unwrap_err(), 0);
    spent(&world, &project, -200, General).await.unwrap();
    spent(&world, &project, 100, General).await.unwrap();
    exceeds(&spent(&world, &project, 1, General).await.unwrap_err(), 0);
}

#[tokio::test]
async fn spend_sixteen_times_at_once_what_only_ten_of_them_fit_i05() {
    let world = World::new().await;
    let project = world.project().await;
    released(&world, &project, 109, General).await;
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let (finance, request) = (finance(&world), expenditure(&world, &project, 10, General));
            tokio::spawn(async move { finance.call(request).await })
        })
        .collect();
    let mut recorded = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => recorded += 1,
            Err(failure) => exceeds(&failure, 9),
        }
    }
    assert_eq!(recorded, 10);
    let now = funding(&world, &project).await;
    assert_eq!((now.spent_ore, now.left_ore), (100, 9));
    assert_eq!(world.office().call(listed(&world, &project, "")).await.unwrap().expenditures.len(), 10);
}

#[tokio::test]
async fn spend_under_one_key_at_once_recorded_once() {
    let world = World::new().await;
    let project = world.project().await;
    released(&world, &project, 10, General).await;
    let request = expenditure(&world, &project, 10, General);
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (finance, request) = (finance(&world).key("faktura-7"), request.clone());
            tokio::spawn(async move { finance.call(request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap().unwrap());
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]), "all get the same answer");
    assert_eq!(funding(&world, &project).await.spent_ore, 10);
}

#[tokio::test]
async fn spend_validated_only_changes_nothing() {
    let world = World::new().await;
    let project = world.project().await;
    released(&world, &project, 10, General).await;
    let dry =
        |amount| pb::RecordExpenditureRequest { validate_only: true, ..expenditure(&world, &project, amount, General) };
    finance(&world).call(dry(10)).await.unwrap();
    exceeds(&finance(&world).call(dry(11)).await.unwrap_err(), 10);
    assert_eq!(funding(&world, &project).await.spent_ore, 0);
    finance(&world)
        .call(pb::RecordAppropriationRequest { validate_only: true, ..appropriation(&world, &project, 1) })
        .await
        .unwrap();
    assert!(funding(&world, &project).await.appropriations.is_empty());
    assert!(world.audited("action = \"expenditure.record\" AND outcome = DONE").await.is_empty());
}

#[tokio::test]
async fn spend_wrong_fields_named() {
    let world = World::new().await;
    let project = world.project().await;
    released(&world, &project, 1_000, General).await;
    let good = expenditure(&world, &project, 1, General);
    let tomorrow = world.day(1);
    let day = |spent_on: &str| pb::RecordExpenditureRequest { spent_on: spent_on.to_owned(), ..good.clone() };
    let cases = [
        (pb::RecordExpenditureRequest { amount_ore: 0, ..good.clone() }, "amount_ore"),
        (pb::RecordExpenditureRequest { amount_ore: 100_000_000_000_001, ..good.clone() }, "amount_ore"),
        (pb::RecordExpenditureRequest { amount_ore: i64::MIN, ..good.clone() }, "amount_ore"),
        (pb::RecordExpenditureRequest { purpose: 0, ..good.clone() }, "purpose"),
        (pb::RecordExpenditureRequest { purpose: 3, ..good.clone() }, "purpose"),
        (pb::RecordExpenditureRequest { category: 0, ..good.clone() }, "category"),
        (pb::RecordExpenditureRequest { category: 10, ..good.clone() }, "category"),
        (pb::RecordExpenditureRequest { source: String::new(), ..good.clone() }, "source"),
        (day("2026-02-30"), "spent_on"),
        (day("0000-01-01"), "spent_on"),
        (day("31-01-2026"), "spent_on"),
        (day(&tomorrow), "spent_on"),
    ];
    for (request, field) in cases {
        let failure = finance(&world).call(request).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{field} {failure:?}");
        assert_eq!(failure.fields, [field]);
    }
    let today = world.day(0);
    finance(&world).call(day(&today)).await.unwrap();
    for category in 1..=9 {
        finance(&world).call(pb::RecordExpenditureRequest { category, ..good.clone() }).await.unwrap();
    }
}

#[tokio::test]
async fn money_of_a_project_that_has_ended_goes_on_until_it_is_archived() {
    let world = World::new().await;
    let (held, stopped, closed) = (world.project().await, world.project().await, world.project().await);
    for project in [&held, &stopped, &closed] {
        released(&world, project, 100, General).await;
        world.office().call(lesson(&world, project)).await.unwrap();
    }
    world.decided(&held, GateCode::G1, GateOutcome::Hold).await;
    world.decided(&stopped, GateCode::G1, GateOutcome::Kill).await;
    for gate in [GateCode::G1, GateCode::G2, GateCode::G3, GateCode::G4, GateCode::G5] {
        world.decided(&closed, gate, GateOutcome::Go).await;
    }
    for project in [&held, &stopped, &closed] {
        spent(&world, project, 1, General).await.unwrap();
        appropriated(&world, project, 100).await;
    }
    let spare = appropriated(&world, &stopped, 10).await;
    archived(&world, &stopped).await;
    let failures = [
        spent(&world, &stopped, 1, General).await.unwrap_err(),
        spent(&world, &stopped, -1, General).await.unwrap_err(),
        finance(&world).call(appropriation(&world, &stopped, 1)).await.unwrap_err(),
    ];
    for failure in failures {
        assert!(failure.is(Code::FailedPrecondition, "PROJECT_NOT_ACTIVE"), "{failure:?}");
        assert_eq!(failure.metadata["status"], "ARCHIVED");
    }
    finance(&world).call(ending(&world, &spare)).await.unwrap();
    assert_eq!(funding(&world, &stopped).await.spent_ore, 1, "its figures stay");
}

#[tokio::test]
async fn list_expenditures_newest_day_first_by_page_and_filter() {
    let world = World::new().await;
    let (project, other) = (world.project().await, world.project().await);
    released(&world, &project, 1_000, General).await;
    released(&world, &other, 1_000, General).await;
    spent(&world, &other, 77, General).await.unwrap();
    for (amount_ore, day, purpose, category) in [
        (1, "2026-03-31", General, CostCategory::Software),
        (2, "2026-01-31", Experiments, CostCategory::Training),
        (3, "2026-03-31", General, CostCategory::Software),
        (-1, "2026-02-28", General, CostCategory::Exit),
    ] {
        let request = pb::RecordExpenditureRequest {
            spent_on: day.to_owned(),
            category: category.into(),
            ..expenditure(&world, &project, amount_ore, purpose)
        };
        finance(&world).call(request).await.unwrap();
    }
    let amounts = |answer: pb::ListExpendituresResponse| {
        answer.expenditures.into_iter().map(|each| each.amount_ore).collect::<Vec<_>>()
    };
    let office = world.office();
    let page = pb::ListExpendituresRequest { page_size: 3, ..listed(&world, &project, "") };
    let first = office.call(page.clone()).await.unwrap();
    let next = pb::ListExpendituresRequest { page_token: first.next_page_token.clone(), ..page };
    let second = office.call(next).await.unwrap();
    assert_eq!((amounts(first), second.next_page_token.as_str()), (vec![3, 1, -1], ""));
    assert_eq!(amounts(second), [2]);
    let oldest = pb::ListExpendituresRequest { order_by: "spent_on".to_owned(), ..listed(&world, &project, "") };
    assert_eq!(amounts(office.call(oldest).await.unwrap()), [2, -1, 1, 3]);
    for (filter, found) in [
        ("category = SOFTWARE", vec![3, 1]),
        ("purpose = EXPERIMENTS", vec![2]),
        ("spent_on >= \"2026-02-28\" AND NOT category = SOFTWARE", vec![-1]),
        ("recorder = \"finance\"", vec![3, 1, -1, 2]),
        ("recorder = \"office\"", vec![]),
    ] {
        assert_eq!(amounts(office.call(listed(&world, &project, filter)).await.unwrap()), found, "{filter}");
    }
    for filter in ["amount_ore = 1", "category = NOTHING", "purpose = \"SPEND_PURPOSE_GENERAL\""] {
        let failure = office.call(listed(&world, &project, filter)).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FILTER_INVALID"), "{filter} {failure:?}");
    }
    let wrong = pb::ListExpendituresRequest { order_by: "amount_ore".to_owned(), ..listed(&world, &project, "") };
    let failure = office.call(wrong).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "ORDER_INVALID"), "{failure:?}");
    let wrong = pb::ListExpendituresRequest { page_token: "x".to_owned(), ..listed(&world, &project, "") };
    let failure = office.call(wrong).await.unwrap_err();
    assert!(failure.is(Code::InvalidArgument, "PAGE_TOKEN_INVALID"), "{failure:?}");
}

#[tokio::test]
async fn expenditures_never_changed() {
    let world = World::new().await;
    let project = world.project().await;
    released(&world, &project, 1, General).await;
    spent(&world, &project, 1, General).await.unwrap();
    let db = crate::harness::owner().await;
    for sql in ["UPDATE expenditures SET amount_ore = 2", "DELETE FROM expenditures"] {
        let scoped = format!(
            "SELECT set_config('app.organisation', '{0}', true), set_config('app.scopes', '{{{{{0}}}}}', true); {sql}",
            world.organisation
        );
        let error = db.execute_unprepared(&scoped).await.unwrap_err();
        assert!(error.to_string().contains("never changed or removed"), "{error}");
    }
}
