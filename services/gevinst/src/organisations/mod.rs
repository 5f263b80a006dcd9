//! Organisations, their units and their portfolios: the boundary that nothing crosses, who leads what inside it, and what
//! a role can cover.
//!
//! Callers keep the units (`units`, one at a time; `import`, from a file) and the portfolios; an organisation itself is
//! founded by the operator (`gevinst organisation`), because no caller belongs to it before.

pub mod entity;
pub mod grpc;
mod import;
mod portfolios;
pub mod rules;
mod units;

use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, FromQueryResult};

use self::entity::organisation;
use crate::{auth::Action, ctx::Ctx, error::Result};

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
    let db = ctx.read(Action::OrganisationRead)?;
    let found = organisation::find_in(db.organisation()).one(&db).await?;
    db.allowed().await?;
    let found = found.ok_or_else(|| db.organisation().not_found())?;
    Ok(pb::GetOrganisationResponse { organisation: Some(found.into()) })
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
/// id again changes nothing; it begins with the default authority matrix (I04); a code that another organisation has is refused (`organisations_code_key`).
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
            outcome, changes, trace_id, request_id, actor_kind) \
            SELECT $6, id, $5, 'operator', 'organisation.found', 'organisation', id, 'DONE', \
            jsonb_build_object('name', jsonb_build_object('before', NULL, 'after', $2)), '', '', 'OPERATOR' FROM founded), \
        state AS (INSERT INTO authority_states (organisation_id) SELECT id FROM founded), \
        matrix AS (INSERT INTO authority_rules (organisation_id, id, role, max_amount_ore, max_risk_class, tracks, outcomes, \
            second_required, valid_from, reason, set_by, set_at) \
            SELECT f.id, r.id, r.role, r.max_amount_ore, 'HIGH', ARRAY['START_SMALL', 'STANDARD', 'MANDATORY'], \
            ARRAY['GO', 'HOLD', 'RECYCLE', 'KILL'], r.second_required, $5::date, 'default', 'operator', $5 FROM founded f, \
            (VALUES ($7::uuid, 'STEERING_GROUP', 1000000000, false), \
                ($8::uuid, 'EXECUTIVE_BOARD', 9223372036854775807, true)) \
                AS r (id, role, max_amount_ore, second_required)) \
        SELECT count(*) FROM founded";
    let values = [
        id.to_string().into(),
        founding.name.as_str().into(),
        founding.code.as_str().into(),
        founding.number_prefix.as_str().into(),
        now.into(),
        ids.next(now).into(),
        ids.next(now).into(),
        ids.next(now).into(),
    ];
    db.query_one_raw(crate::db::postgres(sql, values)).await?;
    Ok(id)
}
