//! A schema that holds an organisation's years goes up with them, and down and up again.

use gevinst::config::{Config, Secret};
use gevinst_migrations::Migrator;
use gevinst_proto::{
    DESCRIPTOR_POOL,
    v1::{self as pb, BenefitOwnerState, BenefitOwnershipState},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use uuid::Uuid;

use crate::{
    cli,
    harness::{CLUSTER, World, config, found_as_shipped, rows},
};

/// The migrations of the version before.
const BEFORE: u32 = 2;

/// As a command stands in an organisation.
fn scope(organisation: Uuid) -> String {
    format!(
        "SELECT set_config('app.organisation', '{organisation}', true), \
         set_config('app.scopes', '{{{organisation}}}', true);"
    )
}

/// What the version before wrote: a unit, two projects, a review decided and one that waits, an answer at each, a benefit
/// with a measurement.
fn written_before(organisation: Uuid, [unit, idea, analysis, decided, waiting, benefit]: [Uuid; 6]) -> String {
    let rows = format!(
        "INSERT INTO org_units (organisation_id, id, name, is_operational_area, created_at, updated_at) \
            VALUES ('{organisation}', '{unit}', 'Afdeling', true, now(), now()); \
         INSERT INTO projects (organisation_id, id, number, title, vision, org_unit_id, project_owner, project_manager, \
            project_class, stage, status, created_at, updated_at) VALUES \
            ('{organisation}', '{idea}', 'PRK-2026-001', 'Idé', 'Nemmere.', '{unit}', 'owner', 'manager', 'EFFICIENCY', \
                'IDEA', 'ACTIVE', now(), now()), \
            ('{organisation}', '{analysis}', 'PRK-2026-002', 'Analyse', 'Nemmere.', '{unit}', 'owner', 'manager', 'MANDATORY', \
                'ANALYSIS', 'ON_HOLD', now(), now()); \
         INSERT INTO gate_reviews (organisation_id, id, project_id, gate, attempt, state, submitter, project_manager, \
            submitted_at, basis, basis_sha256, outcome, decider, reason, ended_at) VALUES \
            ('{organisation}', '{decided}', '{analysis}', 'G1', 1, 'DECIDED', 'office', 'manager', now(), '{{}}', \
                repeat('0', 64), 'GO', 'steering', 'Godt.', now()), \
            ('{organisation}', '{waiting}', '{idea}', 'G1', 1, 'SUBMITTED', 'office', 'manager', now(), '{{}}', \
                repeat('0', 64), NULL, NULL, '', NULL); \
         INSERT INTO gate_votes (organisation_id, gate_review_id, principal, voter, outcome, reason, voted_at) VALUES \
            ('{organisation}', '{decided}', 'steering', 'steering', 'GO', 'Godt.', now()), \
            ('{organisation}', '{waiting}', 'board', 'board', 'HOLD', 'Vent.', now()); \
         INSERT INTO benefits (organisation_id, id, project_id, title, kind, measure_name, measure_unit, baseline, target, \
            owner, created_at) VALUES ('{organisation}', '{benefit}', '{idea}', 'Gevinst', 'QUALITATIVE', 'Sagstid', 'dage', \
            1, 2, 'owner', now()); \
         INSERT INTO measurements (organisation_id, id, benefit_id, value, measured_on, source, recorder, recorded_at) \
            VALUES ('{organisation}', gen_random_uuid(), '{benefit}', 1, '2026-10-01', 'Systemet', 'nogen', now());"
    );
    scope(organisation) + &rows
}

/// What only this version writes: rows in every new table, a draft, one taken back, and a decision upon conditions with
/// the answers that it rests on.
fn written_since(organisation: Uuid, [_, idea, analysis, decided, waiting, _]: [Uuid; 6]) -> String {
    let upon = Uuid::from_u128(7);
    let reviews = format!(
        "INSERT INTO gate_reviews (organisation_id, id, project_id, gate, attempt, state, submitter, drafter, project_manager, \
            submitted_at, basis, basis_sha256, outcome, decider, ended_at, supersedes_id) VALUES \
            ('{organisation}', gen_random_uuid(), '{analysis}', 'G2', 1, 'WITHDRAWN', '', 'manager', 'manager', now(), '', '', \
                NULL, NULL, now(), NULL), \
            ('{organisation}', gen_random_uuid(), '{analysis}', 'G2', 2, 'DRAFT', '', 'manager', 'manager', now(), '', '', \
                NULL, NULL, NULL, NULL), \
            ('{organisation}', '{upon}', '{analysis}', 'G1', 2, 'DECIDED', 'office', NULL, 'manager', now(), '{{}}', \
                repeat('0', 64), 'GO_WITH_CONDITIONS', 'steering', now(), '{decided}'); \
         INSERT INTO gate_votes (organisation_id, gate_review_id, principal, voter, outcome, reason, voted_at) VALUES \
            ('{organisation}', '{upon}', 'steering', 'steering', 'GO_WITH_CONDITIONS', 'Næsten.', now()), \
            ('{organisation}', '{waiting}', 'steering', 'steering', 'GO_WITH_CONDITIONS', 'Næsten.', now()); \
         INSERT INTO clock_leases VALUES ('conditions', gen_random_uuid(), now()) ON CONFLICT DO NOTHING;"
    );
    [
        scope(organisation),
        reviews,
        rows::sections(organisation, idea),
        rows::released(organisation, analysis, upon),
        rows::condition(organisation, Uuid::from_u128(8), analysis, upon, "owner"),
        rows::gate_model(organisation),
    ]
    .concat()
}

/// How many rows each table of the version before has here, and what they say.
async fn kept(owner: &DatabaseConnection, organisation: Uuid) -> Vec<String> {
    let mut found = Vec::new();
    for (table, columns) in [
        ("org_units", "name"),
        ("projects", "number, title, stage, status, track, scopes, version"),
        ("gate_reviews", "gate, attempt, state, submitter, outcome, decider, reason, basis, basis_sha256"),
        ("gate_votes", "voter, outcome, reason"),
        ("benefits", "title, baseline, target"),
        ("measurements", "value, measured_on"),
        ("authority_rules", "role, outcomes"),
    ] {
        let tx = owner.begin().await.unwrap();
        tx.execute_unprepared(&scope(organisation)).await.unwrap();
        let sql = format!("SELECT string_agg(r::text, ' ' ORDER BY r::text) FROM (SELECT {columns} FROM {table}) r");
        let row = tx.query_one_raw(gevinst::db::postgres(sql, [])).await.unwrap().unwrap();
        found.push(format!("{table}: {}", row.try_get_by_index::<String>(0).unwrap()));
    }
    found
}

#[tokio::test]
async fn gates_filled_schema_of_the_version_before_goes_up_down_and_up_with_what_it_holds() {
    let database = cli::database().await;
    let owner = cli::owner(&database).await;
    Migrator::up(&owner, Some(BEFORE)).await.unwrap();
    let organisations = [found_as_shipped(&owner).await, found_as_shipped(&owner).await];
    let ids: [Uuid; 6] = [1, 2, 3, 4, 5, 6].map(Uuid::from_u128);
    let mut before = Vec::new();
    for organisation in organisations {
        // The same ids in both: each table's key begins with the organisation.
        owner.execute_unprepared(&written_before(organisation, ids)).await.unwrap();
        before.push(kept(&owner, organisation).await);
    }

    Migrator::up(&owner, None).await.unwrap();
    for (organisation, before) in organisations.into_iter().zip(&before) {
        assert_eq!(&kept(&owner, organisation).await, before);
    }
    read_by_the_service(&database, organisations[0], ids).await;

    for organisation in organisations {
        owner.execute_unprepared(&written_since(organisation, ids)).await.unwrap();
    }
    Migrator::down(&owner, Some(gevinst_migrations::names().count() as u32 - BEFORE)).await.unwrap();
    for (organisation, before) in organisations.into_iter().zip(&before) {
        assert_eq!(&kept(&owner, organisation).await, before, "what only this version can say is gone, and no more");
    }
    for refused in ["UPDATE gate_reviews SET reason = '' WHERE state = 'DECIDED'", "UPDATE gate_votes SET reason = ''"]
    {
        let sql = scope(organisations[0]) + refused;
        assert!(owner.execute_unprepared(&sql).await.is_err(), "what is decided is final still: {refused}");
    }

    Migrator::up(&owner, None).await.unwrap();
    for (organisation, before) in organisations.into_iter().zip(&before) {
        assert_eq!(&kept(&owner, organisation).await, before);
    }
    owner.close().await.unwrap();
    read_by_the_service(&database, organisations[0], ids).await;
}

/// What was written before reads as the contract says of what has no say in anything new.
async fn read_by_the_service(
    database: &str,
    organisation: Uuid,
    [_, idea, analysis, decided, waiting, benefit]: [Uuid; 6],
) {
    let database_url = Secret::new(cli::url(&CLUSTER.runtime, database));
    let mut world = World::with(Config { database_url, ..config() }).await;
    world.organisation = organisation;
    let office = world.office();
    let list = pb::ListProjectsRequest { organisation: world.id(), ..Default::default() };
    let mut projects = office.call(list).await.unwrap().projects;
    projects.sort_by(|one, other| one.number.cmp(&other.number));
    let ids: Vec<String> = projects.iter().map(|project| project.id.clone()).collect();
    assert_eq!(ids, [idea.to_string(), analysis.to_string()]);
    for project in &projects {
        assert_eq!((project.size_class(), project.track_reason.as_str()), (pb::SizeClass::M, ""));
    }
    for (project, review, state) in
        [(analysis, decided, pb::GateReviewState::Decided), (idea, waiting, pb::GateReviewState::Submitted)]
    {
        let organisation = world.id();
        let project = project.to_string();
        let list = pb::ListGateReviewsRequest { organisation, project: project.clone(), ..Default::default() };
        let reviews = office.call(list).await.unwrap().gate_reviews;
        let [listed] = &reviews[..] else { panic!("{reviews:?}") };
        let get = pb::GetGateReviewRequest { organisation: world.id(), project, gate_review: review.to_string() };
        let got = office.call(get).await.unwrap().gate_review.unwrap();
        assert_eq!((listed.id.as_str(), got.id.as_str()), (review.to_string().as_str(), listed.id.as_str()));
        assert_eq!((got.state(), got.drafter(), got.supersedes()), (state, "", ""));
        assert_eq!((got.criteria.len(), got.conditions.len(), got.hold_reasons.len()), (0, 0, 0));
        assert_eq!(got.votes.len(), 1);
    }
    let get = pb::GetBenefitRequest { organisation: world.id(), benefit: benefit.to_string() };
    let got = office.call(get).await.unwrap().benefit.unwrap();
    assert_eq!(
        (got.title.as_str(), got.owner_state(), got.nominee()),
        ("Gevinst", BenefitOwnerState::Nominated, "owner")
    );
    let list = pb::ListBenefitOwnershipsRequest {
        organisation: world.id(),
        benefit: benefit.to_string(),
        ..Default::default()
    };
    let ownerships = office.call(list).await.unwrap().ownerships;
    let [asked] = &ownerships[..] else { panic!("{ownerships:?}") };
    assert_eq!((asked.owner.as_str(), asked.state()), ("owner", BenefitOwnershipState::Nominated));
    assert_eq!((asked.nominator.as_str(), asked.nominate_time), ("gevinst", got.create_time));
    // Nobody sees the other organisation's, which has the same ids.
    let list = pb::ListBenefitsRequest { organisation: world.id(), ..Default::default() };
    assert_eq!(office.call(list).await.unwrap().benefits.len(), 1);
    world.stop().await;
}

/// What a column may say is what the contract calls it: nothing that a command writes is refused by its table, and nothing
/// stands there that no client knows.
#[tokio::test]
async fn names_that_gates_tables_allow_are_the_contracts() {
    let owner = crate::harness::owner().await;
    for (table, column, name, prefix) in [
        ("gate_reviews", "state", "GateReviewState", "GATE_REVIEW_STATE_"),
        ("gate_reviews", "outcome", "GateOutcome", "GATE_OUTCOME_"),
        ("gate_reviews", "hold_reasons", "HoldReason", "HOLD_REASON_"),
        ("gate_votes", "outcome", "GateOutcome", "GATE_OUTCOME_"),
        ("projects", "size_class", "SizeClass", "SIZE_CLASS_"),
        ("criterion_assessments", "gate", "GateCode", "GATE_CODE_"),
        ("criterion_assessments", "grade", "Grade", "GRADE_"),
        ("conditions", "state", "ConditionState", "CONDITION_STATE_"),
        ("appropriations", "basis", "AppropriationBasis", "APPROPRIATION_BASIS_"),
        ("appropriations", "expenditure_type", "ExpenditureType", "EXPENDITURE_TYPE_"),
        ("spend_authorities", "purpose", "SpendPurpose", "SPEND_PURPOSE_"),
        ("expenditures", "purpose", "SpendPurpose", "SPEND_PURPOSE_"),
        ("expenditures", "category", "CostCategory", "COST_CATEGORY_"),
        ("increments", "state", "IncrementState", "INCREMENT_STATE_"),
        ("benefits", "cashability", "Cashability", "CASHABILITY_"),
        ("benefits", "measure_frequency", "MeasureFrequency", "MEASURE_FREQUENCY_"),
        ("benefits", "measure_aggregation", "MeasureAggregation", "MEASURE_AGGREGATION_"),
        ("benefits", "measure_direction", "MeasureDirection", "MEASURE_DIRECTION_"),
        ("budget_effects", "step", "BudgetStep", "BUDGET_STEP_"),
        ("benefit_reviews", "outcome", "BenefitOutcome", "BENEFIT_OUTCOME_"),
        ("benefit_reviews", "share_basis", "ReviewShareBasis", "REVIEW_SHARE_BASIS_"),
        ("benefit_events", "kind", "BenefitEventKind", "BENEFIT_EVENT_KIND_"),
    ] {
        let sql = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2";
        let values = [table.into(), format!("{table}_{column}_check").into()];
        let row = owner.query_one_raw(gevinst::db::postgres(sql, values)).await.unwrap().unwrap();
        let check: String = row.try_get_by_index(0).unwrap();
        let mut allowed: Vec<&str> = check.split('\'').skip(1).step_by(2).collect();
        allowed.sort_unstable();
        let contract = DESCRIPTOR_POOL.get_enum_by_name(&format!("gevinst.v1.{name}")).unwrap();
        let names: Vec<String> = contract.values().map(|value| value.name().replacen(prefix, "", 1)).collect();
        let mut named: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != "UNSPECIFIED").collect();
        named.sort_unstable();
        assert_eq!(allowed, named, "{table}.{column}: {check}");
    }
}
