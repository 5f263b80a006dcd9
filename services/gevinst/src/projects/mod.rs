//! Projects: registered in minutes, changed by their people, moved by their gates only (I01).

pub mod entity;
pub mod grpc;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect, TryIntoModel,
};

use self::{
    entity::Model,
    rules::{ProjectClass, SizeClass, Stage, Status, Track},
};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    conditions,
    ctx::{Changes, Command, Ctx},
    db::postgres,
    error::{Error, Result, violates},
    gates,
    ids::{OrgUnitId, PortfolioId, Project, ProjectId},
    organisations::entity::org_unit,
    wire::{etag, masked, required},
};

/// Registers a project.
pub async fn register(ctx: Ctx, request: pb::RegisterProjectRequest) -> Result<pb::RegisterProjectResponse> {
    let unit = OrgUnitId::parse(&request.org_unit)?;
    let class = class(request.project_class)?;
    let portfolio = request.portfolio.as_deref().map(PortfolioId::parse).transpose()?;
    let track = Track::registered(request.track)?;
    let size_class = SizeClass::registered(request.size_class)?;
    ctx.command(Action::ProjectRegister, Object::new::<Project>(), async move |command| {
        let organisation = command.ctx().organisation()?;
        let place = org_unit::find_one_in(organisation, unit).one(command.tx()).await?;
        let allowed = command.authorize(place.as_ref().map_or(Resource::Organisation, Into::into))?;
        into_portfolio(&command, portfolio)?;
        let id: ProjectId = command.ctx().new_id();
        let registration = entity::Registration {
            organisation: command.ctx().organisation()?,
            id,
            title: request.title,
            vision: request.vision,
            org_unit: unit,
            project_owner: request.project_owner,
            project_manager: request.project_manager,
            project_class: class,
            portfolio,
            track,
            size_class,
            track_reason: request.track_reason,
            now: command.ctx().now(),
        };
        let registered =
            entity::register(command.tx(), registration).await.map_err(|error| misplaced(error, unit, portfolio))?;
        let project = registered.ok_or_else(|| Error::Internal("nothing was registered".to_owned()))?;
        let changes = described(&project);
        let response = pb::RegisterProjectResponse { project: Some(project.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// One project.
pub async fn get(ctx: Ctx, request: pb::GetProjectRequest) -> Result<pb::GetProjectResponse> {
    let id = ProjectId::parse(&request.project)?;
    let db = ctx.read(Action::ProjectRead)?;
    let found = entity::find_one_in(db.organisation(), id).one(&db).await?;
    Ok(pb::GetProjectResponse { project: Some(db.found(found, id).await?.into_proto()?) })
}

/// The organisation's projects, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListProjectsRequest) -> Result<pb::ListProjectsResponse> {
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::ProjectRead)?;
    let mut select = entity::find_in(db.organisation());
    if !page.filters_on("archived") {
        select = select.filter(entity::Column::Archived.eq(false));
    }
    let (projects, next_page_token) = page.fetch(&db, select).await?;
    db.listed(projects.is_empty()).await?;
    Ok(pb::ListProjectsResponse {
        projects: projects.into_iter().map(Model::into_proto).collect::<Result<_>>()?,
        next_page_token,
    })
}

/// Changes what was registered.
pub async fn update(ctx: Ctx, request: pb::UpdateProjectRequest) -> Result<pb::UpdateProjectResponse> {
    let id = ProjectId::parse(&request.project)?;
    let new = request.changes.unwrap_or_default();
    let mask = masked(
        request.update_mask,
        &[
            ("title", new.title.is_some()),
            ("vision", new.vision.is_some()),
            ("org_unit", new.org_unit.is_some()),
            ("project_owner", new.project_owner.is_some()),
            ("project_manager", new.project_manager.is_some()),
            ("project_class", new.project_class.is_some()),
            ("portfolio", new.portfolio.is_some()),
            ("track", new.track.is_some()),
            ("size_class", new.size_class.is_some()),
            ("track_reason", new.track_reason.is_some()),
            ("single_kind_reason", new.single_kind_reason.is_some()),
            ("affected_units", !new.affected_units.is_empty()),
        ],
    )?;
    let unit = new.org_unit.as_deref().map(OrgUnitId::parse).transpose()?;
    let portfolio = new.portfolio.as_deref().map(PortfolioId::parse).transpose()?;
    let affected: Vec<OrgUnitId> =
        new.affected_units.iter().map(|unit| OrgUnitId::parse(unit)).collect::<Result<_>>()?;
    ctx.command(Action::ProjectUpdate, Object::of(id), async move |command| {
        let before = load(&command, id).await?;
        let allowed = command.authorize(&before)?;
        before.standing()?.must_be_listed()?;
        must_match(&before, &request.etag)?;
        if mask.iter().any(|field| ["org_unit", "portfolio", "track", "size_class"].contains(field)) {
            must_be_movable(&command, &before, (unit, portfolio)).await?;
        }
        let mut project = before.clone().into_active_model();
        for field in mask {
            match field {
                "title" => project.title = Set(required(field, new.title.clone())?),
                "vision" => project.vision = Set(required(field, new.vision.clone())?),
                "org_unit" => project.org_unit_id = Set(required(field, unit)?.uuid()),
                "project_owner" => project.project_owner = Set(required(field, new.project_owner.clone())?),
                "project_manager" => project.project_manager = Set(required(field, new.project_manager.clone())?),
                "project_class" => {
                    let class = class(required(field, new.project_class)?)?;
                    project.project_class = Set(<&str>::from(class).to_owned());
                }
                "portfolio" => project.portfolio_id = Set(portfolio.map(PortfolioId::uuid)),
                "size_class" => {
                    let size = SizeClass::numbered(required(field, new.size_class)?)?;
                    project.size_class = Set(<&str>::from(size).to_owned());
                }
                "single_kind_reason" => {
                    project.single_kind_reason = Set(new.single_kind_reason.clone().unwrap_or_default());
                }
                "affected_units" => {
                    must_be_there(&command, &affected).await?;
                    project.affected_units = Set(affected.iter().map(|unit| unit.uuid()).collect());
                }
                "track_reason" => project.track_reason = Set(new.track_reason.clone().unwrap_or_default()),
                _ => {
                    let track = Track::numbered(required(field, new.track)?)?;
                    project.track = Set(<&str>::from(track).to_owned());
                }
            }
        }
        let unit = unit.unwrap_or_else(|| OrgUnitId::new(before.org_unit_id));
        let after = save(&command, &before, project).await.map_err(|error| misplaced(error, unit, portfolio))?;
        let changes = changed(&before, &after);
        let response = pb::UpdateProjectResponse { project: Some(after.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// The units that a project affects, all of them of its organisation.
async fn must_be_there(command: &Command, units: &[OrgUnitId]) -> Result<()> {
    let of_the_organisation = org_unit::find_in(command.ctx().organisation()?);
    let ids = units.iter().map(|unit| unit.uuid()).collect::<Vec<_>>();
    let found = of_the_organisation.filter(org_unit::Column::Id.eq_any(ids)).all(command.tx()).await?;
    match units.iter().find(|unit| !found.iter().any(|found| found.id == unit.uuid())) {
        Some(unit) => Err(unit.not_found()),
        None => Ok(()),
    }
}

/// Whether the caller may put a project into a portfolio: those who hold a role of it then see it, and decide on it.
fn into_portfolio(command: &Command, portfolio: Option<PortfolioId>) -> Result<()> {
    match portfolio {
        Some(portfolio) => {
            let scopes = &[portfolio.uuid()];
            command.authorize_also(Action::ProjectRegister, Resource::Place { scopes }).map(drop)
        }
        None => Ok(()),
    }
}

/// Where a project lies says who decides on it, and its track by which rule (I04): who moves it must be allowed to put one
/// there, and nobody changes either while a review waits for its decision.
async fn must_be_movable(
    command: &Command,
    before: &Model,
    (unit, portfolio): (Option<OrgUnitId>, Option<PortfolioId>),
) -> Result<()> {
    let organisation = command.ctx().organisation()?;
    if gates::entity::find_open(organisation, before.id()).count(command.tx()).await? > 0 {
        return Err(Error::ReviewAlreadyOpen);
    }
    if let Some(unit) = unit {
        let place = org_unit::find_one_in(organisation, unit).one(command.tx()).await?;
        command.authorize_also(Action::ProjectRegister, &place.ok_or_else(|| unit.not_found())?)?;
    }
    into_portfolio(command, portfolio)
}

/// Takes a project out of the lists.
pub async fn archive(ctx: Ctx, request: pb::ArchiveProjectRequest) -> Result<pb::ArchiveProjectResponse> {
    let id = ProjectId::parse(&request.project)?;
    ctx.command(Action::ProjectArchive, Object::of(id), async move |command| {
        let before = load(&command, id).await?;
        let allowed = command.authorize(&before)?;
        before.standing()?.must_be_listed()?;
        must_match(&before, &request.etag)?;
        if gates::entity::find_open(command.ctx().organisation()?, id).count(command.tx()).await? > 0 {
            return Err(Error::ReviewAlreadyOpen);
        }
        let mut project = before.clone().into_active_model();
        project.archived = Set(true);
        let after = save(&command, &before, project).await?;
        let changes = changed(&before, &after);
        let response = pb::ArchiveProjectResponse { project: Some(after.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Takes a project on hold up again, at the same gate.
pub async fn resume(ctx: Ctx, request: pb::ResumeProjectRequest) -> Result<pb::ResumeProjectResponse> {
    let id = ProjectId::parse(&request.project)?;
    ctx.command(Action::ProjectResume, Object::of(id), async move |command| {
        let before = load(&command, id).await?;
        let allowed = command.authorize(&before)?;
        let standing = before.standing()?;
        standing.must_be_listed()?;
        if standing.status != Status::OnHold {
            return Err(Error::ProjectNotOnHold);
        }
        if conditions::any_lapsed(&command, id).await? {
            return Err(Error::ConditionLapsed);
        }
        let after = stand(&command, &before, standing.stage, Status::Active).await?;
        entity::event::record(&command, id, entity::event::Kind::Resumed, &request.reason).await?;
        let changes = changed(&before, &after).set("reason", request.reason);
        let response = pb::ResumeProjectResponse { project: Some(after.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// A project, locked until the command ends: two commands on it follow each other.
pub async fn load(command: &Command, id: ProjectId) -> Result<Model> {
    let organisation = command.ctx().organisation()?;
    let found = entity::find_one_in(organisation, id).lock_exclusive().one(command.tx()).await?;
    found.ok_or_else(|| id.not_found())
}

/// How many of each a project can have: as many as the rules of its gates see (`gates/expression/facts.rs`).
pub const MOST_OF_EACH: i64 = 200;

/// Whether a project whose row is locked can have one more of what a table keeps.
pub async fn must_have_room(command: &Command, project: ProjectId, table: &str, kind: &'static str) -> Result<()> {
    let sql = format!("SELECT count(*) FROM {table} WHERE organisation_id = $1 AND project_id = $2");
    let values = [command.ctx().organisation()?.uuid().into(), project.uuid().into()];
    let row = command.tx().query_one_raw(postgres(sql, values)).await?;
    let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
    if count < MOST_OF_EACH { Ok(()) } else { Err(Error::TooMany { kind }) }
}

/// Gives a project the stage and status that a gate, or a resumption, leads to.
pub async fn stand(command: &Command, before: &Model, stage: Stage, status: Status) -> Result<Model> {
    let mut project = before.clone().into_active_model();
    project.stage = Set(<&str>::from(stage).to_owned());
    project.status = Set(<&str>::from(status).to_owned());
    Ok(save(command, before, project).await?)
}

/// Writes a changed project, under its next version.
pub async fn save(
    command: &Command,
    before: &Model,
    mut project: entity::ActiveModel,
) -> Result<Model, sea_orm::DbErr> {
    project.version = Set(before.version + 1);
    project.updated_at = Set(command.ctx().now());
    project.update(command.tx()).await?.try_into_model()
}

fn must_match(project: &Model, wanted: &str) -> Result<()> {
    if etag(project.version) == wanted { Ok(()) } else { Err(Error::EtagStale) }
}

/// A unit or a portfolio that is not there.
fn misplaced(error: sea_orm::DbErr, unit: OrgUnitId, portfolio: Option<PortfolioId>) -> Error {
    match portfolio {
        _ if violates(&error, "projects_org_unit_fkey") => unit.not_found(),
        Some(portfolio) if violates(&error, "projects_portfolio_fkey") => portfolio.not_found(),
        _ => error.into(),
    }
}

fn class(number: i32) -> Result<ProjectClass> {
    ProjectClass::from_repr(number).ok_or_else(|| Error::invalid("project_class", "is no class"))
}

/// Everything of a new project, for the audit entry.
fn described(project: &Model) -> Changes {
    Changes::default()
        .set("number", project.number.as_str())
        .set("title", project.title.as_str())
        .set("vision", project.vision.as_str())
        .set("org_unit", project.org_unit_id.to_string())
        .set("project_owner", project.project_owner.as_str())
        .set("project_manager", project.project_manager.as_str())
        .set("project_class", project.project_class.as_str())
        .set("stage", project.stage.as_str())
        .set("status", project.status.as_str())
        .set("portfolio", project.portfolio_id.map(|id| id.to_string()))
        .set("track", project.track.as_str())
        .set("size_class", project.size_class.as_str())
        .set("track_reason", project.track_reason.as_str())
        .set("gate_model", project.gate_model_id.to_string())
}

/// What differs between two states of a project, for the audit entry.
pub fn changed(before: &Model, after: &Model) -> Changes {
    Changes::default()
        .change("title", before.title.as_str(), after.title.as_str())
        .change("vision", before.vision.as_str(), after.vision.as_str())
        .change("org_unit", before.org_unit_id.to_string(), after.org_unit_id.to_string())
        .change("project_owner", before.project_owner.as_str(), after.project_owner.as_str())
        .change("project_manager", before.project_manager.as_str(), after.project_manager.as_str())
        .change("project_class", before.project_class.as_str(), after.project_class.as_str())
        .change("stage", before.stage.as_str(), after.stage.as_str())
        .change("status", before.status.as_str(), after.status.as_str())
        .change("portfolio", before.portfolio_id.map(|id| id.to_string()), after.portfolio_id.map(|id| id.to_string()))
        .change("track", before.track.as_str(), after.track.as_str())
        .change("size_class", before.size_class.as_str(), after.size_class.as_str())
        .change("track_reason", before.track_reason.as_str(), after.track_reason.as_str())
        .change("single_kind_reason", before.single_kind_reason.as_str(), after.single_kind_reason.as_str())
        .change("affected_units", before.affected_units(), after.affected_units())
        .change("gate_model", before.gate_model_id.to_string(), after.gate_model_id.to_string())
        .change("archived", before.archived, after.archived)
}
