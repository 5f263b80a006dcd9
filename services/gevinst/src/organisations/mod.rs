//! Organisations and their units: the boundary that nothing crosses, and who leads what inside it.
//!
//! Callers keep the units; an organisation itself is founded by the operator (`gevinst organisation`), because no caller
//! belongs to it before.

pub mod entity;
pub mod grpc;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, FromQueryResult, IntoActiveModel, QuerySelect};

use self::entity::{org_unit, organisation};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::{Error, Result, on_constraint},
    ids::{OrgUnit, OrgUnitId},
    wire::{etag, masked, required},
};

/// The caller's organisations, by name.
pub async fn list(ctx: Ctx, _: pb::ListOrganisationsRequest) -> Result<pb::ListOrganisationsResponse> {
    let rows = ctx.own_organisations().await?;
    let organisations = rows
        .iter()
        .map(|row| organisation::Model::from_query_result(row, "").map(Into::into))
        .collect::<Result<_, _>>()?;
    Ok(pb::ListOrganisationsResponse { organisations })
}

/// One organisation.
pub async fn get(ctx: Ctx, _: pb::GetOrganisationRequest) -> Result<pb::GetOrganisationResponse> {
    let db = ctx.read(Action::OrganisationRead).await?;
    let found = organisation::find_in(db.organisation()).one(&db).await?;
    let found = found.ok_or_else(|| db.organisation().not_found())?;
    Ok(pb::GetOrganisationResponse { organisation: Some(found.into()) })
}

/// Adds a unit.
pub async fn create_unit(ctx: Ctx, request: pb::CreateOrgUnitRequest) -> Result<pb::CreateOrgUnitResponse> {
    let parent = request.parent.as_deref().map(OrgUnitId::parse).transpose()?;
    ctx.command(Action::OrgUnitCreate, Object::new::<OrgUnit>(), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let id: OrgUnitId = command.ctx().new_id();
        let now = command.ctx().now();
        let unit = org_unit::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            name: Set(request.name.clone()),
            parent_id: Set(parent.map(OrgUnitId::uuid)),
            leader: Set(request.leader),
            is_operational_area: Set(request.is_operational_area),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let unit = match unit.insert(command.tx()).await {
            Ok(unit) => unit,
            Err(error) => return Err(unit_error(error, &request.name, parent)),
        };
        let changes = Changes::default()
            .set("name", unit.name.as_str())
            .set("parent", unit.parent_id.map(|id| id.to_string()))
            .set("leader", unit.leader.as_deref())
            .set("is_operational_area", unit.is_operational_area);
        let response = pb::CreateOrgUnitResponse { org_unit: Some(unit.into()) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// One unit.
pub async fn get_unit(ctx: Ctx, request: pb::GetOrgUnitRequest) -> Result<pb::GetOrgUnitResponse> {
    let id = OrgUnitId::parse(&request.org_unit)?;
    let db = ctx.read(Action::OrgUnitRead).await?;
    let found = org_unit::find_one_in(db.organisation(), id).one(&db).await?;
    Ok(pb::GetOrgUnitResponse { org_unit: Some(found.ok_or_else(|| id.not_found())?.into()) })
}

/// The organisation's units, a page at a time.
pub async fn list_units(ctx: Ctx, request: pb::ListOrgUnitsRequest) -> Result<pb::ListOrgUnitsResponse> {
    let page = org_unit::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::OrgUnitRead).await?;
    let (units, next_page_token) = page.fetch(&db, org_unit::find_in(db.organisation())).await?;
    Ok(pb::ListOrgUnitsResponse { org_units: units.into_iter().map(Into::into).collect(), next_page_token })
}

/// Changes a unit.
pub async fn update_unit(ctx: Ctx, request: pb::UpdateOrgUnitRequest) -> Result<pb::UpdateOrgUnitResponse> {
    let id = OrgUnitId::parse(&request.org_unit)?;
    let new = request.changes.unwrap_or_default();
    let mask = masked(
        request.update_mask,
        &[
            ("name", new.name.is_some()),
            ("leader", new.leader.is_some()),
            ("is_operational_area", new.is_operational_area.is_some()),
        ],
    )?;
    ctx.command(Action::OrgUnitUpdate, Object::of(id), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let found = org_unit::find_one_in(command.ctx().organisation()?, id).lock_exclusive().one(command.tx()).await?;
        let before = found.ok_or_else(|| id.not_found())?;
        if etag(before.version) != request.etag {
            return Err(Error::EtagStale);
        }
        let mut unit = before.clone().into_active_model();
        for field in mask {
            match field {
                "name" => unit.name = Set(required(field, new.name.clone())?),
                "leader" => unit.leader = Set(new.leader.clone()),
                _ => unit.is_operational_area = Set(required(field, new.is_operational_area)?),
            }
        }
        unit.version = Set(before.version + 1);
        unit.updated_at = Set(command.ctx().now());
        let after = match unit.update(command.tx()).await {
            Ok(after) => after,
            Err(error) => return Err(unit_error(error, new.name.as_deref().unwrap_or_default(), None)),
        };
        let changes = Changes::default()
            .change("name", before.name, after.name.as_str())
            .change("leader", before.leader, after.leader.as_deref())
            .change("is_operational_area", before.is_operational_area, after.is_operational_area);
        let response = pb::UpdateOrgUnitResponse { org_unit: Some(after.into()) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

fn unit_error(error: sea_orm::DbErr, name: &str, parent: Option<OrgUnitId>) -> Error {
    let taken = || Error::NameTaken { kind: "org_unit", name: name.to_owned() };
    match parent {
        Some(parent) if crate::error::violates(&error, "org_units_parent_fkey") => parent.not_found(),
        _ => on_constraint("org_units_name_key", taken)(error),
    }
}

/// What founds an organisation.
#[derive(Clone, Debug)]
pub struct Founding {
    /// Its id; a new one when absent.
    pub id: Option<uuid::Uuid>,
    /// Its name.
    pub name: String,
    /// Its four-digit code.
    pub code: String,
    /// The letters its project numbers begin with.
    pub number_prefix: String,
}

/// Founds an organisation, as the schema's owner: an operator's act, audited as such. Gives its id. Founding the same
/// id again changes nothing; a code that another organisation has is refused (`organisations_code_key`).
pub async fn found(
    db: &sea_orm::DatabaseConnection,
    founding: &Founding,
    clock: &crate::ctx::Clock,
) -> Result<uuid::Uuid, sea_orm::DbErr> {
    let now = clock.now();
    let ids = crate::ctx::Ids::default();
    let id = founding.id.unwrap_or_else(|| ids.next(now));
    let sql = "WITH caller AS MATERIALIZED (SELECT set_config('app.organisation', $1::text, true)::uuid AS id), \
        founded AS (INSERT INTO organisations (id, name, code, number_prefix, created_at) \
            SELECT caller.id, $2, $3, $4, $5 FROM caller ON CONFLICT (id) DO NOTHING RETURNING id), \
        audited AS (INSERT INTO audit_entries (id, organisation_id, occurred_at, actor, action, object_type, object_id, \
            outcome, changes, trace_id, request_id) \
            SELECT $6, id, $5, 'operator', 'organisation.found', 'organisation', id, 'DONE', \
            jsonb_build_object('name', jsonb_build_object('before', NULL, 'after', $2)), '', '' FROM founded) \
        SELECT count(*) FROM founded";
    let values = [
        id.to_string().into(),
        founding.name.as_str().into(),
        founding.code.as_str().into(),
        founding.number_prefix.as_str().into(),
        now.into(),
        ids.next(now).into(),
    ];
    db.query_one_raw(crate::db::postgres(sql, values)).await?;
    Ok(id)
}
