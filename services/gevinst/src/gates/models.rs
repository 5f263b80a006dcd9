//! Publishing gate models, and moving projects between their versions.

use gevinst_proto::v1 as pb;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    TryIntoModel,
};

use super::{
    entity::{self, gate_model},
    model::{self, GateModel},
};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::{Error, Result, on_constraint},
    ids::{self, GateModelId, ProjectId},
    organisations::entity::organisation,
    projects::{self, entity::event},
};

/// One version: the one asked for, or the one that new projects start with.
pub async fn get(ctx: Ctx, request: pb::GetGateModelRequest) -> Result<pb::GetGateModelResponse> {
    let id = request.gate_model.as_deref().map(GateModelId::parse).transpose()?;
    let db = ctx.read(Action::OrganisationRead)?;
    let found = match id {
        Some(id) => model::find(&db, db.organisation(), id.uuid()).await?,
        None => Some(model::current(&db, db.organisation()).await?),
    };
    // What is kept ready has asked the database nothing yet.
    if db.authority().is_err() {
        organisation::find_in(db.organisation()).one(&db).await?;
    }
    db.allowed().await?;
    let found = match (found, id) {
        (Some(found), _) => found,
        (None, Some(id)) => return Err(id.not_found()),
        (None, None) => return Err(Error::Internal("there is no gate model".to_owned())),
    };
    let pb::GateModelDefinition { name, gates, .. } = found.definition.clone();
    let version = found.shown.version;
    Ok(pb::GetGateModelResponse { name, version, gates, gate_model: Some(found.shown.clone()) })
}

/// Publishes a version, checked as a whole.
pub async fn publish(ctx: Ctx, request: pb::PublishGateModelRequest) -> Result<pb::PublishGateModelResponse> {
    let definition = request.definition.unwrap_or_default();
    let (text, sha256) = model::canonical(&definition)?;
    ctx.command(Action::GateModelPublish, Object::new::<ids::GateModel>(), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let whole = pb::GateModel { definition: Some(definition.clone()), ..Default::default() };
        let checked = tokio::task::spawn_blocking(move || GateModel::new(whole).map(drop)).await;
        checked.map_err(|error| Error::Internal(error.to_string()))?.map_err(|mistakes| {
            let places = mistakes.into_iter().map(|(place, text)| (format!("definition.{place}"), text));
            Error::FieldInvalid(places.collect())
        })?;
        let organisation = command.ctx().organisation()?;
        let before = gate_model::find_in(organisation)
            .filter(gate_model::Column::Name.eq(definition.name.as_str()))
            .order_by_desc(gate_model::Column::Version)
            .one(command.tx())
            .await?;
        let id: GateModelId = command.ctx().new_id();
        // A later version is newer, however close together two were published.
        let after = before.as_ref().map(|before| before.published_at + time::Duration::microseconds(1));
        let published_at = after.map_or(command.ctx().now(), |after| after.max(command.ctx().now()));
        let row = gate_model::ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            name: Set(definition.name),
            version: Set(before.map_or(1, |before| before.version + 1)),
            definition: Set(text),
            sha256: Set(sha256),
            publisher: Set(command.ctx().caller().subject().to_owned()),
            reason: Set(request.reason),
            published_at: Set(published_at),
        };
        // Two at once under one name: one of them comes again.
        let lost = || Error::Conflict(sea_orm::DbErr::Custom("another version was published meanwhile".to_owned()));
        let row = row
            .insert(command.tx())
            .await
            .and_then(TryIntoModel::try_into_model)
            .map_err(on_constraint("gate_models_version_key", lost))?;
        let changes = Changes::default()
            .set("name", row.name.as_str())
            .set("version", row.version)
            .set("sha256", row.sha256.as_str())
            .set("reason", row.reason.as_str());
        let response = pb::PublishGateModelResponse { gate_model: Some(row.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// The organisation's own versions, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListGateModelsRequest) -> Result<pb::ListGateModelsResponse> {
    let page = gate_model::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::OrganisationRead)?;
    let (models, next_page_token) = page.fetch(&db, gate_model::find_in(db.organisation())).await?;
    db.allowed().await?;
    let gate_models = models.into_iter().map(gate_model::Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListGateModelsResponse { gate_models, next_page_token })
}

/// Moves a project to another version.
pub async fn migrate(
    ctx: Ctx,
    request: pb::MigrateProjectGateModelRequest,
) -> Result<pb::MigrateProjectGateModelResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = request.gate_model.as_deref().map(GateModelId::parse).transpose()?;
    ctx.command(Action::GateModelMigrate, Object::of(project_id), async move |command| {
        let before = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&before)?;
        let standing = before.standing()?;
        standing.must_be_listed()?;
        let organisation = command.ctx().organisation()?;
        if entity::find_open(organisation, project_id).count(command.tx()).await? > 0 {
            return Err(Error::ReviewAlreadyOpen);
        }
        let model = match id {
            Some(id) => model::find(command.tx(), organisation, id.uuid()).await?.ok_or_else(|| id.not_found())?,
            None => model::current(command.tx(), organisation).await?,
        };
        if model.step_from(standing.stage, before.size_class()?).is_none() {
            return Err(Error::StageNotInModel { stage: before.stage });
        }
        let mut project = before.clone().into_active_model();
        project.gate_model_id = Set(model.id()?);
        let after = projects::save(&command, &before, project).await?;
        event::record(&command, project_id, event::Kind::GateModelMigrated, &request.reason).await?;
        let changes = projects::changed(&before, &after).set("reason", request.reason);
        let response = pb::MigrateProjectGateModelResponse { project: Some(after.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}
