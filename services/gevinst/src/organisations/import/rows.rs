//! What an import reads and writes: a handful of statements, however many units there are.

use sea_orm::{ConnectionTrait, DbErr, QueryOrder, QuerySelect, Value};
use serde_json::{Value as Json, json};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{
    super::entity::{org_unit, placement},
    rules::{Plan, Unit},
};
use crate::{
    ctx::Command,
    db::{Tx, postgres},
    error::{Error, Result, violates},
    ids::OrganisationId,
};

/// The columns of a unit as a statement's one parameter carries them.
const UNIT: &str = "(id uuid, fk_org_uuid uuid, kitos_uuid uuid, name text, parent_id uuid, leader text, \
    is_operational_area boolean, valid_from date, valid_until date)";

/// Every unit of the organisation, locked until the command ends.
pub async fn all(tx: &Tx, organisation: OrganisationId) -> Result<Vec<Unit>> {
    let units = org_unit::find_in(organisation).order_by_asc(org_unit::Column::Id).lock_exclusive().all(tx).await?;
    let unit = |model: org_unit::Model| Unit {
        id: model.id,
        fk_org_uuid: model.fk_org_uuid,
        kitos_uuid: model.kitos_uuid,
        name: model.name,
        parent: model.parent_id,
        leader: model.leader,
        is_operational_area: model.is_operational_area,
        valid_from: model.valid_from,
        valid_until: model.valid_until,
    };
    Ok(units.into_iter().map(unit).collect())
}

/// Writes a plan, a level of the tree at a time from the top down: the trigger that keeps paths reads the path of the
/// unit above, which is then as it is to be.
pub async fn write(command: &Command, plan: &Plan) -> Result<()> {
    let (ctx, tx) = (command.ctx(), command.tx());
    let (organisation, now) = (ctx.organisation()?, ctx.now());
    set_names_aside(tx, organisation, plan).await?;
    let create = format!(
        "INSERT INTO org_units (organisation_id, id, fk_org_uuid, kitos_uuid, name, parent_id, leader, \
            is_operational_area, valid_from, valid_until, version, created_at, updated_at) \
         SELECT $1, n.id, n.fk_org_uuid, n.kitos_uuid, n.name, n.parent_id, n.leader, n.is_operational_area, \
            n.valid_from, n.valid_until, 1, $3, $3 FROM jsonb_to_recordset($2) AS n {UNIT}"
    );
    let change = format!(
        "UPDATE org_units u SET fk_org_uuid = n.fk_org_uuid, kitos_uuid = n.kitos_uuid, name = n.name, \
            parent_id = n.parent_id, leader = n.leader, is_operational_area = n.is_operational_area, \
            valid_from = n.valid_from, valid_until = n.valid_until, version = u.version + 1, updated_at = $3 \
         FROM jsonb_to_recordset($2) AS n {UNIT} WHERE u.organisation_id = $1 AND u.id = n.id"
    );
    for level in &plan.levels {
        let created = level.created.iter();
        let changed = level.changed.iter().map(|changed| &changed.unit);
        for (sql, units) in [(&create, created.map(json).collect()), (&change, changed.map(json).collect())] {
            let units: Vec<Json> = units;
            if !units.is_empty() {
                let values = [organisation.uuid().into(), json!(units).into(), now.into()];
                tx.execute_raw(postgres(sql, values)).await.map_err(raced)?;
            }
        }
    }
    let new = |unit: &Unit| placement::New { id: ctx.new_id(), unit: unit.id, parent: unit.parent };
    let placements: Vec<_> = plan.created().chain(plan.moved()).map(new).collect();
    if !placements.is_empty() {
        let why = placement::Why { by: ctx.caller().subject(), at: now, reason: "import" };
        placement::begin(tx, organisation, &placements, why).await?;
    }
    let moved: Vec<Uuid> = plan.moved().map(|unit| unit.id).collect();
    if !moved.is_empty() {
        org_unit::renew_below(tx, organisation, moved, now).await?;
    }
    Ok(())
}

/// Frees the names that change hands, of which a reorganisation has many: two units may well swap theirs.
async fn set_names_aside(tx: &Tx, organisation: OrganisationId, plan: &Plan) -> Result<()> {
    let renamed: Vec<Uuid> = plan.changed().filter(|changed| changed.renamed).map(|changed| changed.unit.id).collect();
    if !renamed.is_empty() {
        let sql = "UPDATE org_units SET name = id::text WHERE organisation_id = $1 AND id = ANY ($2)";
        tx.execute_raw(postgres(sql, [organisation.uuid().into(), renamed.into()])).await?;
    }
    Ok(())
}

/// Lets units end: today is their last day, or, of those yet to begin, their first.
pub async fn end(
    tx: &Tx,
    organisation: OrganisationId,
    units: &[Uuid],
    today: Date,
    now: OffsetDateTime,
) -> Result<()> {
    if units.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE org_units SET valid_until = greatest($3, valid_from), version = version + 1, updated_at = $4 \
        WHERE organisation_id = $1 AND id = ANY ($2)";
    let values: [Value; 4] = [organisation.uuid().into(), units.to_vec().into(), today.into(), now.into()];
    tx.execute_raw(postgres(sql, values)).await?;
    Ok(())
}

fn json(unit: &Unit) -> Json {
    json!({
        "id": unit.id,
        "fk_org_uuid": unit.fk_org_uuid,
        "kitos_uuid": unit.kitos_uuid,
        "name": unit.name,
        "parent_id": unit.parent,
        "leader": unit.leader,
        "is_operational_area": unit.is_operational_area,
        "valid_from": unit.valid_from.map(|day| day.to_string()),
        "valid_until": unit.valid_until.map(|day| day.to_string()),
    })
}

/// The plan fits the units that were read under locks; a name or an id that is taken now, was taken by a concurrent call.
fn raced(error: DbErr) -> Error {
    let keys = ["org_units_name_key", "org_units_fk_org_key", "org_units_kitos_key"];
    if keys.iter().any(|key| violates(&error, key)) { Error::Conflict(error) } else { error.into() }
}
