//! Units, one at a time: a tree whose every place is remembered. What a unit is below changes by a move alone, which
//! leaves the old place as a row of history.

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, IntoActiveModel, PaginatorTrait, QuerySelect};

use super::{
    entity::{org_unit, placement},
    rules,
};
use crate::{
    audit::Object,
    auth::{Action, Allowed, Resource},
    ctx::{Changes, Command, Ctx},
    error::{Error, Result, violates},
    ids::{OrgUnit, OrgUnitId},
    wire::{day, etag, masked, required, uuid},
};

/// Adds a unit.
pub async fn create(ctx: Ctx, request: pb::CreateOrgUnitRequest) -> Result<pb::CreateOrgUnitResponse> {
    let parent = request.parent.as_deref().map(OrgUnitId::parse).transpose()?;
    let fk_org_uuid = request.fk_org_uuid.map(|id| uuid("fk_org_uuid", &id)).transpose()?;
    let kitos_uuid = request.kitos_uuid.map(|id| uuid("kitos_uuid", &id)).transpose()?;
    let valid_from = request.valid_from.map(|text| day("valid_from", &text)).transpose()?;
    let valid_until = request.valid_until.map(|text| day("valid_until", &text)).transpose()?;
    rules::must_be_a_time(valid_from, valid_until)?;
    ctx.command(Action::OrgUnitCreate, Object::new::<OrgUnit>(), async move |command| {
        let allowed = authorize_below(&command, parent).await?;
        let id: OrgUnitId = command.ctx().new_id();
        let now = command.ctx().now();
        let wanted = org_unit::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            name: Set(request.name),
            parent_id: Set(parent.map(OrgUnitId::uuid)),
            leader: Set(request.leader),
            is_operational_area: Set(request.is_operational_area),
            fk_org_uuid: Set(fk_org_uuid),
            kitos_uuid: Set(kitos_uuid),
            valid_from: Set(valid_from),
            valid_until: Set(valid_until),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        let unit = wanted.clone().insert(command.tx()).await.map_err(|error| refused(error, &wanted))?;
        place(&command, &unit, "created").await?;
        let changes = Changes::default()
            .set("name", unit.name.as_str())
            .set("parent", unit.parent_id.map(text))
            .set("leader", unit.leader.as_deref())
            .set("is_operational_area", unit.is_operational_area)
            .set("fk_org_uuid", unit.fk_org_uuid.map(text))
            .set("kitos_uuid", unit.kitos_uuid.map(text))
            .set("valid_from", unit.valid_from.map(text))
            .set("valid_until", unit.valid_until.map(text));
        let response = pb::CreateOrgUnitResponse { org_unit: Some(unit.into()) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// One unit.
pub async fn get(ctx: Ctx, request: pb::GetOrgUnitRequest) -> Result<pb::GetOrgUnitResponse> {
    let id = OrgUnitId::parse(&request.org_unit)?;
    let db = ctx.read(Action::OrgUnitRead)?;
    let found = org_unit::find_one_in(db.organisation(), id).one(&db).await?;
    db.allowed().await?;
    Ok(pb::GetOrgUnitResponse { org_unit: Some(found.ok_or_else(|| id.not_found())?.into()) })
}

/// The organisation's units, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListOrgUnitsRequest) -> Result<pb::ListOrgUnitsResponse> {
    let page = org_unit::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::OrgUnitRead)?;
    let (units, next_page_token) = page.fetch(&db, org_unit::find_in(db.organisation())).await?;
    db.allowed().await?;
    Ok(pb::ListOrgUnitsResponse { org_units: units.into_iter().map(Into::into).collect(), next_page_token })
}

/// Changes a unit, but not what it is below.
pub async fn update(ctx: Ctx, request: pb::UpdateOrgUnitRequest) -> Result<pb::UpdateOrgUnitResponse> {
    let id = OrgUnitId::parse(&request.org_unit)?;
    let new = request.changes.unwrap_or_default();
    let mask = masked(
        request.update_mask,
        &[
            ("name", new.name.is_some()),
            ("leader", new.leader.is_some()),
            ("is_operational_area", new.is_operational_area.is_some()),
            ("fk_org_uuid", new.fk_org_uuid.is_some()),
            ("kitos_uuid", new.kitos_uuid.is_some()),
            ("valid_from", new.valid_from.is_some()),
            ("valid_until", new.valid_until.is_some()),
        ],
    )?;
    let fk_org_uuid = new.fk_org_uuid.map(|id| uuid("changes.fk_org_uuid", &id)).transpose()?;
    let kitos_uuid = new.kitos_uuid.map(|id| uuid("changes.kitos_uuid", &id)).transpose()?;
    let valid_from = new.valid_from.map(|text| day("changes.valid_from", &text)).transpose()?;
    let valid_until = new.valid_until.map(|text| day("changes.valid_until", &text)).transpose()?;
    ctx.command(Action::OrgUnitUpdate, Object::of(id), async move |command| {
        let before = load(&command, id).await?;
        let allowed = command.authorize(&before)?;
        must_match(&before, &request.etag)?;
        let mut wanted = before.clone().into_active_model();
        for field in mask {
            match field {
                "name" => wanted.name = Set(required(field, new.name.clone())?),
                "leader" => wanted.leader = Set(new.leader.clone()),
                "is_operational_area" => wanted.is_operational_area = Set(required(field, new.is_operational_area)?),
                "fk_org_uuid" => wanted.fk_org_uuid = Set(fk_org_uuid),
                "kitos_uuid" => wanted.kitos_uuid = Set(kitos_uuid),
                "valid_from" => wanted.valid_from = Set(valid_from),
                _ => wanted.valid_until = Set(valid_until),
            }
        }
        let (from, until) = (wanted.valid_from.try_as_ref(), wanted.valid_until.try_as_ref());
        rules::must_be_a_time(from.copied().flatten(), until.copied().flatten())?;
        let after = save(&command, &before, wanted).await?;
        let changes = Changes::default()
            .change("name", before.name, after.name.as_str())
            .change("leader", before.leader, after.leader.as_deref())
            .change("is_operational_area", before.is_operational_area, after.is_operational_area)
            .change("fk_org_uuid", before.fk_org_uuid.map(text), after.fk_org_uuid.map(text))
            .change("kitos_uuid", before.kitos_uuid.map(text), after.kitos_uuid.map(text))
            .change("valid_from", before.valid_from.map(text), after.valid_from.map(text))
            .change("valid_until", before.valid_until.map(text), after.valid_until.map(text));
        let response = pb::UpdateOrgUnitResponse { org_unit: Some(after.into()) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Moves a unit below another one, or to the top. What is below it, and the projects in it, follow by the database's
/// triggers.
pub async fn relocate(ctx: Ctx, request: pb::MoveOrgUnitRequest) -> Result<pb::MoveOrgUnitResponse> {
    let id = OrgUnitId::parse(&request.org_unit)?;
    let parent = request.parent.as_deref().map(OrgUnitId::parse).transpose()?;
    ctx.command(Action::OrgUnitMove, Object::of(id), async move |command| {
        let organisation = command.ctx().organisation()?;
        org_unit::lock_tree(command.tx(), organisation).await?;
        let before = load(&command, id).await?;
        // Out of what one keeps, and into what one keeps.
        command.authorize(&before)?;
        let allowed = authorize_below(&command, parent).await?;
        must_match(&before, &request.etag)?;
        let parent = parent.map(OrgUnitId::uuid);
        if before.parent_id == parent {
            return Err(Error::invalid("parent", "is where the unit is already: name another one"));
        }
        let mut wanted = before.clone().into_active_model();
        wanted.parent_id = Set(parent);
        let after = save(&command, &before, wanted).await?;
        place(&command, &after, &request.reason).await?;
        org_unit::renew_below(command.tx(), organisation, vec![after.id], command.ctx().now()).await?;
        let changes = Changes::default()
            .change("parent", before.parent_id.map(text), after.parent_id.map(text))
            .set("reason", request.reason);
        let response = pb::MoveOrgUnitResponse { org_unit: Some(after.into()) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// What a unit has been below, a page at a time.
pub async fn list_placements(
    ctx: Ctx,
    request: pb::ListOrgUnitPlacementsRequest,
) -> Result<pb::ListOrgUnitPlacementsResponse> {
    let id = OrgUnitId::parse(&request.org_unit)?;
    let page = placement::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::OrgUnitRead)?;
    let (placements, next_page_token) = page.fetch(&db, placement::find_in(db.organisation(), id)).await?;
    db.allowed().await?;
    if placements.is_empty() && request.page_token.is_empty() {
        // Empty is an answer only for a unit that is there (I25).
        let there = org_unit::find_one_in(db.organisation(), id).count(&db).await?;
        if there == 0 {
            return Err(id.not_found());
        }
    }
    Ok(pb::ListOrgUnitPlacementsResponse {
        placements: placements.into_iter().map(Into::into).collect(),
        next_page_token,
    })
}

/// A unit, locked until the command ends.
async fn load(command: &Command, id: OrgUnitId) -> Result<org_unit::Model> {
    let organisation = command.ctx().organisation()?;
    let found = org_unit::find_one_in(organisation, id).lock_exclusive().one(command.tx()).await?;
    found.ok_or_else(|| id.not_found())
}

/// In the state that the caller has read.
fn must_match(unit: &org_unit::Model, wanted: &str) -> Result<()> {
    if etag(unit.version) == wanted { Ok(()) } else { Err(Error::EtagStale) }
}

/// Whether the caller may put something below this unit; at the top, into the organisation.
async fn authorize_below(command: &Command, parent: Option<OrgUnitId>) -> Result<Allowed> {
    let Some(parent) = parent else {
        return command.authorize(Resource::Organisation);
    };
    let found = org_unit::find_one_in(command.ctx().organisation()?, parent).one(command.tx()).await?;
    command.authorize(&found.ok_or_else(|| parent.not_found())?)
}

async fn save(
    command: &Command,
    before: &org_unit::Model,
    mut wanted: org_unit::ActiveModel,
) -> Result<org_unit::Model> {
    wanted.version = Set(before.version + 1);
    wanted.updated_at = Set(command.ctx().now());
    wanted.clone().update(command.tx()).await.map_err(|error| refused(error, &wanted))
}

/// Writes where a unit is now into its history.
async fn place(command: &Command, unit: &org_unit::Model, reason: &str) -> Result<()> {
    let ctx = command.ctx();
    let new = placement::New { id: ctx.new_id(), unit: unit.id, parent: unit.parent_id };
    let why = placement::Why { by: ctx.caller().subject(), at: ctx.now(), reason };
    Ok(placement::begin(command.tx(), ctx.organisation()?, &[new], why).await?)
}

/// Why the database would not have a unit so.
fn refused(error: DbErr, wanted: &org_unit::ActiveModel) -> Error {
    let taken = |field, id: Option<&Option<::uuid::Uuid>>| {
        let id = id.copied().flatten().map(text).unwrap_or_default();
        Error::ExternalIdTaken { field, id }
    };
    let parent = wanted.parent_id.try_as_ref().copied().flatten();
    match parent {
        Some(parent) if violates(&error, "org_units_parent_fkey") => OrgUnitId::new(parent).not_found(),
        _ if violates(&error, "org_units_acyclic") => Error::UnitCycle,
        _ if violates(&error, "org_units_fk_org_key") => taken("fk_org_uuid", wanted.fk_org_uuid.try_as_ref()),
        _ if violates(&error, "org_units_kitos_key") => taken("kitos_uuid", wanted.kitos_uuid.try_as_ref()),
        _ if violates(&error, "org_units_name_key") => {
            Error::NameTaken { kind: "org_unit", name: wanted.name.try_as_ref().cloned().unwrap_or_default() }
        }
        _ => error.into(),
    }
}

fn text(value: impl ToString) -> String {
    value.to_string()
}
