//! How criteria stand, as people record it: grades with reasons, and evidence. The newest counts.

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, TryIntoModel};

use super::{
    entity::{self, assessment},
    model::{self, Criterion, GateModel},
    rules::Step,
};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::{Error, Result},
    ids::{CriterionAssessmentId, ProjectId},
    projects,
    wire::{bare, json_list, known},
};

/// Records how a criterion stands at the project's next gate.
pub async fn assess(ctx: Ctx, request: pb::AssessCriterionRequest) -> Result<pb::AssessCriterionResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let grade = bare(request.grade().as_str_name(), "GRADE_");
    let evidence = json_list(&request.evidence)?;
    ctx.command(Action::CriterionAssess, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let model = model::of(command.tx(), &project).await?;
        let standing = project.standing()?;
        let organisation = command.ctx().organisation()?;
        // While a decision is being corrected, its gate asks again, wherever the project stands.
        let open = entity::find_open(organisation, project_id).one(command.tx()).await?;
        let correcting = open.as_ref().filter(|open| open.supersedes_id.is_some());
        let step = match correcting {
            Some(open) => model.step_of(known(&open.gate)?, project.size_class()?),
            None => model.step_from(standing.stage, project.size_class()?),
        };
        let criterion = step.and_then(|step| assessable(&model, step, &request.criterion));
        let definition = criterion.map(|criterion| &criterion.definition);
        let is_graded = definition.is_some_and(|criterion| criterion.kind() == pb::CriterionKind::Assessment);
        let allowed = command.authorize(Resource::Criterion {
            organisation: &project.organisation_id,
            scopes: &project.scopes,
            owner: &project.project_owner,
            manager: &project.project_manager,
            // Of what nobody assesses, whoever assesses anything there is told so.
            assessors: definition.map_or_else(|| anybody(&model), |criterion| criterion.assessors.clone()).as_slice(),
            is_graded,
        })?;
        if correcting.is_some() { standing.must_be_listed() } else { standing.must_not_have_ended() }?;
        let (Some(step), Some(definition)) = (step, definition) else {
            return Err(unknown(&model, step));
        };
        if definition.kind() == pb::CriterionKind::Evidence && request.evidence.is_empty() {
            return Err(Error::invalid("evidence", "is missing: link what shows it"));
        }
        let (ctx, id): (_, CriterionAssessmentId) = (command.ctx(), command.ctx().new_id());
        let row = assessment::ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project_id.uuid()),
            gate: Set(<&str>::from(step.code).to_owned()),
            criterion: Set(request.criterion),
            grade: Set(grade),
            reason: Set(request.reason),
            evidence: Set(evidence),
            assessor: Set(ctx.caller().subject().to_owned()),
            assessed_for: Set(ctx.acting_for().map(str::to_owned)),
            assessed_at: Set(ctx.now()),
            gate_model_id: Set(project.gate_model_id),
        };
        let row: assessment::Model = row.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("project", project_id.to_string())
            .set("gate", row.gate.as_str())
            .set("criterion", row.criterion.as_str())
            .set("grade", row.grade.as_str())
            .set("reason", row.reason.as_str())
            .set("evidence", row.evidence.clone());
        let response = pb::AssessCriterionResponse { assessment: Some(row.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// What people can assess at a gate.
fn assessable<'m>(model: &'m GateModel, step: &'m Step, code: &str) -> Option<&'m Criterion> {
    model.asked_at(step).find(|criterion| criterion.rule.is_none() && criterion.definition.code == code)
}

/// All the roles that may assess anything.
fn anybody(model: &GateModel) -> Vec<String> {
    let mut roles: Vec<String> =
        model.definition.criteria.iter().flat_map(|criterion| criterion.assessors.iter().cloned()).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn unknown(model: &GateModel, step: Option<&Step>) -> Error {
    let Some(step) = step else {
        return Error::invalid("criterion", "is not asked: no gate leads on from the project's stage");
    };
    let codes: Vec<&str> = model
        .asked_at(step)
        .filter(|criterion| criterion.rule.is_none())
        .map(|criterion| criterion.definition.code.as_str())
        .collect();
    let gate = <&str>::from(step.code);
    Error::invalid("criterion", format!("is nothing that people assess at {gate}; there are: {}", codes.join(", ")))
}

/// A project's assessments, a page at a time.
pub async fn list(
    ctx: Ctx,
    request: pb::ListCriterionAssessmentsRequest,
) -> Result<pb::ListCriterionAssessmentsResponse> {
    let project = ProjectId::parse(&request.project)?;
    let page = assessment::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::ProjectRead)?;
    let (rows, next_page_token) = page.fetch(&db, assessment::find_in(db.organisation(), project)).await?;
    let has_some = !rows.is_empty() || !request.page_token.is_empty();
    db.listed_of(has_some, project, projects::entity::find_one_in(db.organisation(), project)).await?;
    let assessments = rows.into_iter().map(assessment::Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListCriterionAssessmentsResponse { assessments, next_page_token })
}
