//! Grants: given by who holds the same and may pass it on, ended by being revoked, never removed.

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, IntoActiveModel, QuerySelect, TryIntoModel};
use time::Date;
use uuid::Uuid;

use super::{
    entity::role_grant::{self, Model},
    rules::{self, ScopeKind},
};
use crate::{
    audit::Object,
    auth::{Action, Resource, Role},
    ctx::{Changes, Command, Ctx},
    error::{Error, Result},
    ids::{OrgUnitId, OrganisationId, PortfolioId, ProjectId, RoleGrant, RoleGrantId},
    organisations::entity::{org_unit, portfolio},
    projects,
    wire::{day, today},
};

/// Grants a role to somebody else.
pub async fn grant(ctx: Ctx, request: pb::GrantRoleRequest) -> Result<pb::GrantRoleResponse> {
    let role = Role::from_repr(request.role).ok_or_else(|| Error::invalid("role", "is no role"))?;
    let scope = request.scope.unwrap_or_default();
    let kind = ScopeKind::from_repr(scope.kind).ok_or_else(|| Error::invalid("scope.kind", "is no kind"))?;
    let place = crate::wire::uuid("scope.id", &scope.id)?;
    let today = today(ctx.now());
    let valid_from = request.valid_from.map(|text| day("valid_from", &text)).transpose()?.unwrap_or(today);
    let until = request.valid_until.map(|text| day("valid_until", &text)).transpose()?;
    rules::must_lie_ahead(valid_from, until, today)?;
    ctx.command(Action::RoleGrantCreate, Object::new::<RoleGrant>(), async move |command| {
        let scopes = places(&command, kind, place).await?;
        let granted_by = command.ctx().caller().subject();
        let about = Resource::RoleGrant { role, scopes: &scopes, subject: &request.subject, granted_by, until };
        let allowed = command.authorize(about)?;
        let id: RoleGrantId = command.ctx().new_id();
        let grant = role_grant::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            role: Set(role.row_name().to_owned()),
            scope_kind: Set(<&str>::from(kind).to_owned()),
            scope_id: Set(place),
            grantable: Set(request.grantable),
            valid_from: Set(valid_from),
            valid_until: Set(until),
            reason: Set(request.reason),
            granted_by: Set(granted_by.to_owned()),
            granted_at: Set(command.ctx().now()),
            revoked_by: Set(None),
            revoked_at: Set(None),
            revoke_reason: Set(String::new()),
            subject: Set(request.subject),
        };
        let grant: Model = grant.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("subject", grant.subject.as_str())
            .set("role", grant.role.as_str())
            .set("scope_kind", grant.scope_kind.as_str())
            .set("scope", grant.scope_id.to_string())
            .set("grantable", grant.grantable)
            .set("valid_from", grant.valid_from.to_string())
            .set("valid_until", grant.valid_until.map(|day| day.to_string()))
            .set("reason", grant.reason.as_str());
        let response = pb::GrantRoleResponse { role_grant: Some(grant.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// Ends a grant.
pub async fn revoke(ctx: Ctx, request: pb::RevokeRoleGrantRequest) -> Result<pb::RevokeRoleGrantResponse> {
    let id = RoleGrantId::parse(&request.role_grant)?;
    ctx.command(Action::RoleGrantRevoke, Object::of(id), async move |command| {
        let organisation = command.ctx().organisation()?;
        let found = role_grant::find_one_in(organisation, id).lock_exclusive().one(command.tx()).await?;
        let before = found.ok_or_else(|| id.not_found())?;
        let scopes = places(&command, crate::wire::known(&before.scope_kind)?, before.scope_id).await?;
        let allowed = command.authorize(Resource::RoleGrant {
            role: before.role()?,
            scopes: &scopes,
            subject: &before.subject,
            granted_by: &before.granted_by,
            // Who may grant it today may take it away today, however long it was to last.
            until: Some(Date::MIN),
        })?;
        if before.revoked_at.is_some() {
            return Err(Error::AlreadyEnded { kind: "role_grant" });
        }
        let mut grant = before.into_active_model();
        grant.revoked_by = Set(Some(command.ctx().caller().subject().to_owned()));
        grant.revoked_at = Set(Some(command.ctx().now()));
        grant.revoke_reason = Set(request.reason);
        let grant: Model = grant.update(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("revoked_by", grant.revoked_by.as_deref())
            .set("reason", grant.revoke_reason.as_str());
        let response = pb::RevokeRoleGrantResponse { role_grant: Some(grant.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// The organisation's grants, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListRoleGrantsRequest) -> Result<pb::ListRoleGrantsResponse> {
    let page = role_grant::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::RoleGrantRead)?;
    let (grants, next_page_token) = page.fetch(&db, role_grant::find_in(db.organisation())).await?;
    db.allowed().await?;
    let role_grants = grants.into_iter().map(Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListRoleGrantsResponse { role_grants, next_page_token })
}

/// A place and all that contain it; NOT_FOUND where there is none such.
async fn places(command: &Command, kind: ScopeKind, id: Uuid) -> Result<Vec<Uuid>> {
    let (organisation, tx) = (command.ctx().organisation()?, command.tx());
    Ok(match kind {
        ScopeKind::Organisation => {
            let named = OrganisationId::new(id);
            if named == organisation { vec![id] } else { return Err(named.not_found()) }
        }
        ScopeKind::Portfolio => {
            let id = PortfolioId::new(id);
            let found = portfolio::find_one_in(organisation, id).one(tx).await?;
            vec![found.ok_or_else(|| id.not_found())?.id]
        }
        ScopeKind::OrgUnit => {
            let id = OrgUnitId::new(id);
            org_unit::find_one_in(organisation, id).one(tx).await?.ok_or_else(|| id.not_found())?.path
        }
        ScopeKind::Project => {
            let id = ProjectId::new(id);
            projects::entity::find_one_in(organisation, id).one(tx).await?.ok_or_else(|| id.not_found())?.scopes
        }
    })
}

/// What an operator grants, so that there is somebody to grant the rest.
#[derive(Clone, Debug)]
pub struct Bestowal {
    /// The organisation; all of it is covered.
    pub organisation: Uuid,
    /// Who is to hold it.
    pub subject: String,
    /// The role.
    pub role: Role,
    /// Whether it may be passed on.
    pub grantable: bool,
    /// Why.
    pub reason: String,
}

/// Grants a role in the whole organisation, as the schema's owner: an operator's act, audited as such, by a name that no
/// subject can have (those hold no space). Gives the grant's
/// id; none when there is no such organisation.
pub async fn bestow(
    db: &sea_orm::DatabaseConnection,
    bestowal: &Bestowal,
    clock: &crate::ctx::Clock,
) -> Result<Option<Uuid>, sea_orm::DbErr> {
    let now = clock.now();
    let ids = crate::ctx::Ids::default();
    let id = ids.next(now);
    let sql = "WITH caller AS MATERIALIZED (SELECT set_config('app.organisation', $1::text, true)::uuid AS id), \
        granted AS (INSERT INTO role_grants (organisation_id, id, subject, role, scope_kind, scope_id, grantable, \
            valid_from, reason, granted_by, granted_at) \
            SELECT o.id, $2, $3, $4, 'ORGANISATION', o.id, $5, ($7::timestamptz AT TIME ZONE 'Europe/Copenhagen')::date, \
            $6, 'gevinst grant', $7 FROM caller JOIN organisations o ON o.id = caller.id RETURNING organisation_id, id), \
        audited AS (INSERT INTO audit_entries (id, organisation_id, occurred_at, actor, actor_kind, action, object_type, \
            object_id, outcome, changes, trace_id, request_id) \
            SELECT $8, organisation_id, $7, 'operator', 'OPERATOR', 'role_grant.create', 'role_grant', id, 'DONE', \
            jsonb_build_object('subject', jsonb_build_object('before', NULL, 'after', $3::text), \
                'role', jsonb_build_object('before', NULL, 'after', $4::text), \
                'grantable', jsonb_build_object('before', NULL, 'after', $5::boolean), \
                'reason', jsonb_build_object('before', NULL, 'after', $6::text)), '', '' FROM granted) \
        SELECT count(*) FROM granted";
    let values = [
        bestowal.organisation.to_string().into(),
        id.into(),
        bestowal.subject.as_str().into(),
        bestowal.role.row_name().into(),
        bestowal.grantable.into(),
        bestowal.reason.as_str().into(),
        now.into(),
        ids.next(now).into(),
    ];
    let row = db.query_one_raw(crate::db::postgres(sql, values)).await?;
    let granted = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?.unwrap_or_default();
    Ok((granted == 1).then_some(id))
}
