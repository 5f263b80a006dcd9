//! What holds for every RPC of the contract, read from its descriptor set: a new RPC is held to it by being there.
//!
//! [`sample`] knows a request for each method; a method without one fails every test here.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use gevinst::{auth::Role, wire};
use gevinst_proto::{
    DESCRIPTOR_POOL,
    v1::{self as pb, GateCode, GateOutcome},
};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use serde_json::json;
use tonic::Code;

use crate::{
    conditions::{self, Condition},
    funding::{appropriated, released},
    harness::{Person, World, bare_model, owner},
    owners,
    plans::{baseline, planned as increment},
    realisation, strategy,
};

/// Services that answer without a token, and why.
const OPEN: [&str; 3] = [
    // Probes have no token, and learn nothing but up or down.
    "grpc.health.v1.Health",
    // The contract is public.
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// RPCs without an HTTP form, which are not called as the others are, and what holds them to the same instead.
const STREAMS: [(&str, &str); 1] = [("RecordMeasurements", "bulk.rs; over HTTP there is ImportMeasurements")];

/// RPCs that are about many things and answer for each: that one is refused fails no call.
const FOR_EACH: [&str; 1] = ["ImportMeasurements"];

/// Every RPC of the contract but those.
pub fn methods() -> Vec<MethodDescriptor> {
    let services: Vec<_> =
        DESCRIPTOR_POOL.services().filter(|service| service.package_name() == "gevinst.v1").collect();
    assert_eq!(services.len(), 15);
    let (streams, calls): (Vec<_>, Vec<_>) = services
        .iter()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .partition(|method| method.is_client_streaming());
    let streams: Vec<String> = streams.iter().map(|method| method.name().to_owned()).collect();
    assert_eq!(streams, STREAMS.map(|(name, _)| name));
    calls
}

pub fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// A command changes something; the contract marks what does not.
pub fn is_command(method: &MethodDescriptor) -> bool {
    method.method_descriptor_proto().options.as_ref().is_none_or(|options| {
        options.idempotency_level() != prost_types::method_options::IdempotencyLevel::NoSideEffects
    })
}

/// Objects in an organisation, each in the state that a sample needs it in.
pub struct Objects {
    organisation: String,
    unit: pb::OrgUnit,
    to_move: pb::OrgUnit,
    portfolio: String,
    idea: pb::Project,
    held: pb::Project,
    to_archive: pb::Project,
    to_decide: pb::GateReview,
    to_withdraw: pb::GateReview,
    benefit: pb::Benefit,
    to_update: pb::Benefit,
    to_plan: pb::Benefit,
    to_approve: pb::BenefitOwnership,
    to_accept: pb::Benefit,
    to_decline: pb::Benefit,
    economic: pb::Benefit,
    to_review: pb::Benefit,
    model: pb::GateModel,
    to_prepare: pb::Project,
    to_migrate: pb::Project,
    to_change: pb::GateReview,
    to_submit: pb::GateReview,
    funded: pb::Project,
    to_take_back: pb::Appropriation,
    planned: pb::Project,
    increment: pb::Increment,
    grant: pb::RoleGrant,
    to_lend: pb::RoleGrant,
    delegation: pb::Delegation,
    to_end: pb::Delegation,
    rule: pb::AuthorityRule,
    denial: pb::TokenDenial,
    goal: pb::StrategyGoal,
    to_map: pb::Project,
    to_meet: String,
    to_propose: String,
    to_waive: pb::Condition,
}

impl Objects {
    /// Makes them.
    pub async fn in_(world: &World) -> Self {
        let model = asking_the_office(world).await;
        let held = world.project().await;
        let review = world.decided(&held, GateCode::G1, GateOutcome::Hold).await.gate_review.unwrap();
        let owner = owner().await;
        let condition = async || conditions::set(&owner, world, &review, &Condition::default()).await;
        let benefit = world.benefit(&held, "1", "2").await;
        let (funded, planned) = (world.project().await, world.project().await);
        released(world, &funded, 1, pb::SpendPurpose::General).await;
        appropriated(world, &funded, 1).await;
        world.office().call(baseline(world, &planned, 1, "2026-12-31")).await.unwrap();
        let to_lend = world.granted("portfolio-office", Role::SteeringGroup).await;
        Self {
            grant: world.granted("someone", Role::Finance).await,
            delegation: world.lent(&world.granted("lender", Role::SteeringGroup).await, "substitute").await,
            to_end: world.lent(&to_lend, "substitute").await,
            rule: world.rule(1, false).await,
            denial: world.denied("nobody").await,
            goal: strategy::created(world, "MÅL-1").await,
            to_map: world.project().await,
            to_take_back: appropriated(world, &funded, 1).await,
            increment: increment(world, &planned).await,
            model,
            to_prepare: world.project().await,
            to_migrate: world.project().await,
            to_change: drafted(world).await,
            to_submit: drafted(world).await,
            funded,
            planned,
            to_meet: condition().await,
            to_propose: condition().await,
            to_waive: conditions::proposed(world, &condition().await).await,
            to_lend,
            organisation: world.id(),
            unit: world.unit("Prøveenhed").await,
            to_move: world.unit("Flytteenhed").await,
            portfolio: world.portfolio("Prøveportefølje").await.id,
            idea: world.project().await,
            to_archive: world.project().await,
            to_decide: world.submitted(&world.project().await, GateCode::G1).await,
            to_withdraw: world.submitted(&world.project().await, GateCode::G1).await,
            to_update: world.benefit(&held, "1", "2").await,
            to_plan: world.benefit(&held, "1", "2").await,
            economic: realisation::economic(world, &held).await,
            to_review: realisation::realising(world).await,
            to_approve: owners::awaiting(world, &world.benefit(&held, "1", "2").await, "expert").await,
            to_accept: owners::excepted(world, &world.benefit(&held, "1", "2").await, "portfolio-office").await,
            to_decline: owners::excepted(world, &world.benefit(&held, "1", "2").await, "portfolio-office").await,
            held,
            benefit,
        }
    }
}

/// A gate model that the office can assess something by.
async fn asking_the_office(world: &World) -> pb::GateModel {
    let text = Some(pb::LocalizedText { da: "Prøve".to_owned(), en: "Sample".to_owned() });
    let criterion = pb::Criterion {
        code: "SAMPLE".to_owned(),
        title: text.clone(),
        remedy: text,
        kind: pb::CriterionKind::Assessment.into(),
        strength: pb::CriterionStrength::Should.into(),
        weight: 1,
        principle: pb::Principle::GiveValue.into(),
        gates: vec![GateCode::G1.into()],
        assessors: vec!["portfolio-office".to_owned()],
        ..Default::default()
    };
    let request = pb::PublishGateModelRequest {
        organisation: world.id(),
        definition: Some(pb::GateModelDefinition { criteria: vec![criterion], ..bare_model() }),
        reason: "Prøve.".to_owned(),
        validate_only: false,
    };
    world.office().call(request).await.unwrap().gate_model.unwrap()
}

async fn drafted(world: &World) -> pb::GateReview {
    let request = pb::DraftGateReviewRequest {
        organisation: world.id(),
        project: world.project().await.id,
        gate: GateCode::G1.into(),
        ..Default::default()
    };
    world.office().call(request).await.unwrap().gate_review.unwrap()
}

/// A good request for each method, and the role that may make it.
pub fn sample(method: &str, of: &Objects) -> (serde_json::Value, Role) {
    let office = Role::PortfolioOffice;
    let (request, role) = match method {
        "ListOrganisations" => return (json!({}), office),
        "GetBenefitRollup" | "GetValueByGroup" => (json!({}), office),
        "GetOrganisation"
        | "ListOrgUnits"
        | "ListPortfolios"
        | "ListProjects"
        | "GetGateModel"
        | "ListBenefits"
        | "ListConditions"
        | "GetBenefitPolicy"
        | "ListBudgetEffects"
        | "ListDueBenefitReviews"
        | "ListMeasurementCalendar"
        | "ListBenefitEvents" => (json!({}), office),
        "MeetCondition" => (
            json!({"condition": of.to_meet, "evidence": [{"title": "t", "uri": "https://esdh.example/1"}], "reason": "r"}),
            office,
        ),
        "ProposeConditionWaiver" => (json!({"condition": of.to_propose, "reason": "r"}), office),
        "ApproveConditionWaiver" => {
            (json!({"condition": of.to_waive.id, "reason": "r", "etag": of.to_waive.etag}), Role::SteeringGroup)
        }
        "CreateOrgUnit" => (json!({"name": "Ny enhed", "parent": of.unit.id}), office),
        "GetOrgUnit" => (json!({"orgUnit": of.unit.id}), office),
        "UpdateOrgUnit" => {
            (json!({"orgUnit": of.unit.id, "changes": {"leader": "ny-leder"}, "etag": of.unit.etag}), office)
        }
        "MoveOrgUnit" => {
            (json!({"orgUnit": of.to_move.id, "parent": of.unit.id, "reason": "nu", "etag": of.to_move.etag}), office)
        }
        "ListOrgUnitPlacements" => (json!({"orgUnit": of.unit.id}), office),
        "ImportOrgUnits" => {
            let file = "kitos_uuid,name\n5f0c1b2a-0000-4000-8000-000000000001,Fra en fil\n";
            (json!({"format": "ORG_UNIT_FORMAT_CSV", "content": STANDARD.encode(file)}), office)
        }
        "CreatePortfolio" => (json!({"name": "Ny portefølje"}), office),
        "RegisterProject" => (
            json!({"title": "t", "vision": "v", "orgUnit": of.unit.id, "projectOwner": "o", "projectManager": "m",
                "projectClass": "PROJECT_CLASS_EFFICIENCY", "portfolio": of.portfolio}),
            office,
        ),
        "GetProjectDossier" | "GetGateReadiness" | "GetProjectHistory" => (json!({"project": of.idea.id}), office),
        "GetDecisionPaper" => (json!({"project": of.to_decide.project, "gateReview": of.to_decide.id}), office),
        "GetProject" | "ListGateReviews" => (json!({"project": of.idea.id}), office),
        "UpdateProject" => (json!({"project": of.idea.id, "changes": {"title": "ny"}, "etag": of.idea.etag}), office),
        "ArchiveProject" => (json!({"project": of.to_archive.id, "etag": of.to_archive.etag}), office),
        "ResumeProject" => (json!({"project": of.held.id, "reason": "nu"}), Role::SteeringGroup),
        "SubmitGateReview" => (json!({"project": of.idea.id, "gate": "GATE_CODE_G1"}), office),
        "PublishGateModel" => {
            let bare = wire::json(&bare_model(), false).unwrap();
            (json!({"definition": bare, "reason": "r"}), office)
        }
        "ListGateModels" => (json!({}), office),
        "MigrateProjectGateModel" => {
            (json!({"project": of.to_migrate.id, "gateModel": of.model.id, "reason": "r"}), Role::SteeringGroup)
        }
        "AssessCriterion" => {
            (json!({"project": of.idea.id, "criterion": "SAMPLE", "grade": "GRADE_GREEN", "reason": "r"}), office)
        }
        "ListCriterionAssessments" => (json!({"project": of.idea.id}), office),
        "DraftGateReview" => (json!({"project": of.to_prepare.id, "gate": "GATE_CODE_G1"}), office),
        "UpdateGateReviewDraft" => (
            json!({"project": of.to_change.project, "gateReview": of.to_change.id, "changes": {"summary": "s"},
                "etag": of.to_change.etag}),
            office,
        ),
        "SubmitGateReviewDraft" => {
            (json!({"project": of.to_submit.project, "gateReview": of.to_submit.id, "etag": of.to_submit.etag}), office)
        }
        "GetGateReview" => (json!({"project": of.to_decide.project, "gateReview": of.to_decide.id}), office),
        "DecideGateReview" => (
            json!({"project": of.to_decide.project, "gateReview": of.to_decide.id, "outcome": "GATE_OUTCOME_GO",
                "reason": "ja"}),
            Role::SteeringGroup,
        ),
        "WithdrawGateReview" => {
            (json!({"project": of.to_withdraw.project, "gateReview": of.to_withdraw.id, "reason": "nej"}), office)
        }
        "CreateBenefit" => (
            json!({"project": of.idea.id, "title": "t", "kind": "BENEFIT_KIND_QUALITATIVE", "baseline": "1",
                "measure": {"name": "n", "unit": "u"}, "target": "2", "owner": "o"}),
            office,
        ),
        "UpdateBenefit" => {
            (json!({"benefit": of.to_update.id, "changes": {"title": "t"}, "etag": of.to_update.etag}), office)
        }
        "PlanBenefit" => (
            json!({"benefit": of.to_plan.id, "targets": [{"target": "2"}], "reason": "r", "etag": of.to_plan.etag,
                "start": {"event": "BENEFIT_START_EVENT_DATE", "plannedOn": "2026-01-01"}}),
            office,
        ),
        "GetBenefit" | "ListBenefitPlans" | "ListMeasurements" | "GetBenefitProgress" | "ListBenefitOwnerships" => {
            (json!({"benefit": of.benefit.id}), office)
        }
        "CheckBenefitOwner" => (json!({"project": of.idea.id, "subject": "s"}), office),
        "NominateBenefitOwner" => (json!({"benefit": of.benefit.id, "nominee": "leader", "reason": "r"}), office),
        "ApproveBenefitOwnerException" => (
            json!({"benefit": of.to_approve.benefit, "ownership": of.to_approve.id, "reason": "r"}),
            Role::SteeringGroup,
        ),
        "AcceptBenefitOwnership" => (json!({"benefit": of.to_accept.id, "etag": of.to_accept.etag}), office),
        "DeclineBenefitOwnership" => (json!({"benefit": of.to_decline.id, "reason": "r"}), office),
        "SetBenefitPolicy" => (
            json!({"replacesVersion": 0, "reviewMonths": [6, 12], "graceDays": 14, "missingDays": 60,
                "yellowBelow": "0.9", "redBelow": "0.8", "realisedFrom": "0.9", "partlyFrom": "0.1", "reason": "r"}),
            office,
        ),
        "RecordBudgetEffect" => (
            json!({"benefit": of.economic.id, "account": "5.46", "year": 2028, "step": "BUDGET_STEP_PROMISED",
                "amountOre": "1"}),
            office,
        ),
        "GetBudgetEffect" | "ListBenefitReviews" => (json!({"benefit": of.benefit.id}), office),
        "RecordBenefitReview" => (json!({"benefit": of.to_review.id, "statement": "s"}), office),
        "RecordMeasurement" => {
            (json!({"benefit": of.benefit.id, "value": "1", "measuredOn": "2026-01-31", "source": "s"}), office)
        }
        "ImportMeasurements" => {
            let file = format!("benefit,value,measured_on,source\n{},1,2026-01-31,s\n", of.benefit.id);
            (json!({"content": STANDARD.encode(file)}), office)
        }
        "SetBenefitMap" => (
            json!({"project": of.to_map.id, "etag": "v0",
                "nodes": [{"key": "o", "kind": "BENEFIT_MAP_NODE_KIND_OUTPUT", "title": "t"}]}),
            office,
        ),
        "GetBenefitMap" => (json!({"project": of.idea.id}), office),
        "ExportBenefitMap" => (json!({"project": of.idea.id, "format": "BENEFIT_MAP_FORMAT_SVG"}), office),
        "CreateStrategyGoal" => (json!({"code": "MÅL-2", "title": {"da": "Mål", "en": "Goal"}}), office),
        "EndStrategyGoal" => (json!({"strategyGoal": of.goal.id, "endsOn": "2999-12-31", "reason": "r"}), office),
        "ListStrategyGoals" => (json!({}), office),
        "RecordAppropriation" => (
            json!({"project": of.idea.id, "basis": "APPROPRIATION_BASIS_EXISTING_FRAME", "body": "b", "amountOre": "1",
                "expenditureType": "EXPENDITURE_TYPE_OPERATING", "decidedOn": "2026-01-31", "caseNumber": "c",
                "firstYear": 2026}),
            Role::Finance,
        ),
        "EndAppropriation" => (
            json!({"project": of.to_take_back.project, "appropriation": of.to_take_back.id, "reason": "r"}),
            Role::Finance,
        ),
        "RecordExpenditure" => (
            json!({"project": of.funded.id, "amountOre": "1", "spentOn": "2026-01-31", "source": "s",
                "purpose": "SPEND_PURPOSE_GENERAL", "category": "COST_CATEGORY_OTHER"}),
            Role::Integration,
        ),
        "ListExpenditures" | "GetProjectFunding" => (json!({"project": of.funded.id}), office),
        "SetProjectBaseline" => {
            (json!({"project": of.idea.id, "budgetOre": "1", "endOn": "2026-12-31", "scope": "s"}), office)
        }
        "ChangeDirection" => (
            json!({"project": of.planned.id, "from": "f", "to": "t", "trigger": "l", "endOn": "2026-12-31"}),
            Role::SteeringGroup,
        ),
        "PlanIncrement" => (
            json!({"project": of.held.id, "benefit": of.benefit.id, "goal": "g", "scope": "s", "startOn": "2026-09-01",
                "days": 7, "doneCriteria": ["d"]}),
            office,
        ),
        "EndIncrement" => {
            (json!({"project": of.planned.id, "increment": of.increment.id, "done": true, "result": "r"}), office)
        }
        "GetProjectPlan" => (json!({"project": of.planned.id}), office),
        "PublishLesson" => {
            (json!({"project": of.idea.id, "what": "w", "why": "w", "advice": "a", "tags": ["t"]}), office)
        }
        "ListLessons" => (json!({}), office),
        "GrantRole" => (
            json!({"subject": "s", "role": "ROLE_FINANCE", "reason": "r",
                "scope": {"kind": "SCOPE_KIND_ORG_UNIT", "id": of.unit.id}}),
            Role::Finance,
        ),
        "RevokeRoleGrant" => (json!({"roleGrant": of.grant.id, "reason": "r"}), Role::Finance),
        "ListRoleGrants" | "ListDelegations" | "ListAuthorityRules" | "ListTokenDenials" => (json!({}), office),
        "ProposeDelegation" => (
            json!({"roleGrant": of.to_lend.id, "delegate": "d", "validFrom": "2026-01-01", "validUntil": "2999-12-31",
                "reason": "r"}),
            office,
        ),
        "ApproveDelegation" => (json!({"delegation": of.delegation.id}), Role::ExecutiveBoard),
        "EndDelegation" => (json!({"delegation": of.to_end.id, "reason": "r"}), office),
        "SetAuthorityRule" => (
            json!({"role": "ROLE_STEERING_GROUP", "maxAmountOre": "1", "maxRiskClass": "RISK_CLASS_LOW", "reason": "r"}),
            Role::ExecutiveBoard,
        ),
        "EndAuthorityRule" => (json!({"authorityRule": of.rule.id, "reason": "r"}), Role::ExecutiveBoard),
        "DenyToken" => (json!({"claim": "REVOKED_CLAIM_SUBJECT", "value": "s", "reason": "r"}), Role::AssessorCiso),
        "LiftTokenDenial" => (json!({"tokenDenial": of.denial.id, "reason": "r"}), Role::AssessorCiso),
        "GetProjectPermissions" => (json!({"project": of.idea.id}), office),
        "ListAuditEntries" => (json!({}), Role::Auditor),
        other => panic!("coverage.rs has no sample of {other}: give it one"),
    };
    let mut request = request;
    request["organisation"] = json!(of.organisation);
    (request, role)
}

pub fn message(method: &MethodDescriptor, request: serde_json::Value) -> DynamicMessage {
    DynamicMessage::deserialize(method.input(), request).unwrap()
}

async fn code(person: &Person, method: &MethodDescriptor, request: &DynamicMessage) -> (Code, String) {
    match person.call_bytes(&path(method), request.encode_to_vec()).await {
        Ok(_) => (Code::Ok, String::new()),
        Err(failure) => (failure.code, failure.reason),
    }
}

#[tokio::test]
async fn every_rpc_without_a_token_unauthenticated() {
    let world = World::new().await;
    for method in methods() {
        let refused = code(&world.stranger(None), &method, &DynamicMessage::new(method.input())).await;
        assert_eq!(refused, (Code::Unauthenticated, "TOKEN_MISSING".to_owned()), "{}", method.full_name());
        let forged = world.stranger(Some("not.a.token".to_owned()));
        let refused = code(&forged, &method, &DynamicMessage::new(method.input())).await;
        assert_eq!(refused, (Code::Unauthenticated, "TOKEN_INVALID".to_owned()), "{}", method.full_name());
    }
}

/// What is not seen is not there; and who may do nothing at all is told that, or that it is not there.
#[tokio::test]
async fn every_rpc_without_a_role_denied_and_recorded() {
    let world = World::new().await;
    let objects = Objects::in_(&world).await;
    for method in methods().into_iter().filter(|method| method.name() != "ListOrganisations") {
        let (request, _) = sample(method.name(), &objects);
        let id = format!("{}-bare", method.name());
        let nobody = world.person("nobody-at-all", &[]).with("x-request-id", &id);
        let (code, reason) = code(&nobody, &method, &message(&method, request)).await;
        let missing = (Code::PermissionDenied, "ROLE_MISSING");
        let not_there = (Code::NotFound, "NOT_FOUND");
        let refusals = world.audited(&format!("request_id = \"{id}\"")).await;
        assert_eq!(refusals.len(), 1, "{} left {refusals:?}", method.full_name());
        if FOR_EACH.contains(&method.name()) {
            assert_eq!((code, refusals[0].reason.as_str()), (Code::Ok, "NOT_FOUND"));
            continue;
        }
        assert!([missing, not_there].contains(&(code, &reason)), "{}: {reason}", method.full_name());
        assert_eq!(refusals[0].reason, reason);
    }
}

#[tokio::test]
async fn every_service_that_is_served_is_of_the_contract_or_listed_as_open() {
    let world = World::new().await;
    let served: BTreeSet<&str> = gevinst::auth::OPEN_SERVICES.iter().map(|path| path.trim_matches('/')).collect();
    assert_eq!(served, BTreeSet::from(OPEN));
    // What is not there is not open either: a stranger learns nothing of it.
    let failure = world.stranger(None).over_grpc().call_bytes("/gevinst.v1.Nothing/Get", Vec::new()).await.unwrap_err();
    assert!(failure.is(Code::Unauthenticated, "TOKEN_MISSING"), "{failure:?}");
}

#[tokio::test]
async fn every_rpc_on_another_organisations_objects_not_found_i25() {
    let here = World::new().await;
    let there = here.elsewhere().await;
    let (own, other) = (Objects::in_(&here).await, Objects::in_(&there).await);
    // An auditor would be told that they change nothing.
    let everyone = gevinst::dev::roles().map(|role| role.parse::<Role>().unwrap());
    let everyone: Vec<Role> = everyone.filter(|role| *role != Role::Auditor).collect();
    let caller = here.person("nosy", &everyone);
    let not_found = (Code::NotFound, "NOT_FOUND".to_owned());
    let mut tried = 0;
    for method in methods() {
        let (foreign, _) = sample(method.name(), &other);
        let Some(fields) = foreign.as_object().filter(|fields| fields.contains_key("organisation")) else {
            assert_eq!(method.name(), "ListOrganisations", "only this one has no organisation");
            continue;
        };
        // Their organisation, their objects.
        let refused = code(&caller, &method, &message(&method, foreign.clone())).await;
        assert_eq!(refused, not_found, "{} in their organisation", method.full_name());
        // Our organisation, and each of their objects in turn.
        let fields_named = [
            "orgUnit",
            "project",
            "gateReview",
            "benefit",
            "appropriation",
            "increment",
            "condition",
            "gateModel",
            "strategyGoal",
            "parent",
            "portfolio",
        ];
        for field in fields_named {
            let Some(id) = fields.get(field) else { continue };
            let (mut request, _) = sample(method.name(), &own);
            request[field] = id.clone();
            let refused = code(&caller, &method, &message(&method, request)).await;
            assert_eq!(refused, not_found, "{} of their {field}", method.full_name());
            tried += 1;
        }
    }
    assert!(tried >= 20, "only {tried} foreign objects were tried");
}

#[tokio::test]
async fn every_command_leaves_an_audit_entry_done_or_refused_and_no_query_does_i24() {
    let world = World::new().await;
    let objects = Objects::in_(&world).await;
    for method in methods() {
        let (request, role) = sample(method.name(), &objects);
        let request = message(&method, request);
        // Refused first: it changes nothing, so the sample still fits afterwards.
        let reader = world.person("reader", &[Role::Reader]).with("x-request-id", &format!("{}-no", method.name()));
        let refused = code(&reader, &method, &request).await;
        let allowed = world.person(role.name(), &[role]).with("x-request-id", method.name());
        assert_eq!(code(&allowed, &method, &request).await, (Code::Ok, String::new()), "{}", method.full_name());

        let done = world.audited(&format!("request_id = \"{}\"", method.name())).await;
        let refusals = world.audited(&format!("request_id = \"{}-no\"", method.name())).await;
        if is_command(&method) {
            if !FOR_EACH.contains(&method.name()) {
                assert_eq!(refused, (Code::PermissionDenied, "ROLE_MISSING".to_owned()), "{}", method.full_name());
            }
            let [done] = &done[..] else { panic!("{} left {done:?}", method.full_name()) };
            assert_eq!((done.outcome(), done.actor.as_str()), (pb::AuditOutcome::Done, role.name()));
            assert!(done.object.is_some() && done.changes_json.len() > 2, "{done:?}");
            assert_ne!(done.trace_id, "0".repeat(32));
            let [refusal] = &refusals[..] else { panic!("{} left {refusals:?}", method.full_name()) };
            assert_eq!((refusal.outcome(), refusal.reason.as_str()), (pb::AuditOutcome::Refused, "ROLE_MISSING"));
        } else {
            assert!(done.is_empty(), "{} left {done:?}", method.full_name());
        }
    }
}

#[tokio::test]
async fn every_command_validated_only_changes_nothing() {
    let world = World::new().await;
    let objects = Objects::in_(&world).await;
    let before = everything(&world).await;
    for method in methods().into_iter().filter(is_command) {
        let (mut request, role) = sample(method.name(), &objects);
        request["validateOnly"] = json!(true);
        let answer = code(&world.person(role.name(), &[role]), &method, &message(&method, request)).await;
        assert_eq!(answer, (Code::Ok, String::new()), "{}", method.full_name());
    }
    assert_eq!(everything(&world).await, before);
}

/// All that an organisation has, its audit log included.
async fn everything(
    world: &World,
) -> (Vec<pb::Project>, Vec<pb::OrgUnit>, Vec<pb::Portfolio>, Vec<pb::Benefit>, Vec<pb::AuditEntry>) {
    let organisation = world.id();
    let projects = pb::ListProjectsRequest { organisation: organisation.clone(), page_size: 200, ..Default::default() };
    let units = pb::ListOrgUnitsRequest { organisation: organisation.clone(), page_size: 200, ..Default::default() };
    let portfolios =
        pb::ListPortfoliosRequest { organisation: organisation.clone(), page_size: 200, ..Default::default() };
    let benefits = pb::ListBenefitsRequest { organisation, page_size: 200, ..Default::default() };
    let office = world.office();
    (
        office.call(projects).await.unwrap().projects,
        office.call(units).await.unwrap().org_units,
        office.call(portfolios).await.unwrap().portfolios,
        office.call(benefits).await.unwrap().benefits,
        world.audited("").await,
    )
}

#[test]
fn every_rpc_has_its_http_path_below_its_organisation() {
    let mut seen = BTreeSet::new();
    for method in methods() {
        let http = DESCRIPTOR_POOL.get_extension_by_name("google.api.http").unwrap();
        let options = method.options();
        let Value::Message(rule) = &*options.get_extension(&http) else { panic!("{}", method.full_name()) };
        let (verb, template) = ["get", "put", "post", "delete", "patch"]
            .iter()
            .find_map(|verb| match rule.get_field_by_name(verb)?.into_owned() {
                Value::String(template) if !template.is_empty() => Some((*verb, template)),
                _ => None,
            })
            .unwrap_or_else(|| panic!("{} has no HTTP path", method.full_name()));
        assert!(template == "/v1/organisations" || template.starts_with("/v1/organisations/{organisation}"));
        assert_eq!(verb == "get", !is_command(&method), "{}: a GET has no side effects", method.full_name());
        assert!(seen.insert((verb, template.clone())), "{template} stands twice");
        for variable in template.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            assert!(method.input().get_field_by_name(variable).is_some(), "{variable} of {template}");
        }
    }
}
