//! The audit log: one entry for every change, written in its transaction, and one for every refusal (I24).
//!
//! Entries carry no running number: numbering inside the transaction would make all writers wait for each other. They
//! are ordered by time and id.

pub mod door;
pub mod entity;
pub mod grpc;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    auth::{Action, CallerKind},
    ctx::{Changes, Ctx},
    db::{Tx, postgres},
    error::{Error, Result},
    ids::{AuditEntryId, Id, Kind, OrganisationId},
};

/// What something was done to.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    kind: &'static str,
    id: Option<Uuid>,
}

impl Object {
    /// Something that is there.
    pub fn of<K: Kind>(id: Id<K>) -> Self {
        Self { kind: K::TYPE, id: Some(id.uuid()) }
    }

    /// Something that is to be created.
    pub fn new<K: Kind>() -> Self {
        Self { kind: K::TYPE, id: None }
    }

    /// The domain's word for it.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The error that says it is not there.
    pub fn not_found(&self) -> Error {
        Error::NotFound { kind: self.kind, id: self.id.map(|id| id.to_string()).unwrap_or_default() }
    }

    /// Its id.
    pub fn id(&self) -> Option<Uuid> {
        self.id
    }
}

/// An entry about to be written.
pub struct Entry<'a> {
    pub(crate) id: AuditEntryId,
    pub(crate) organisation: Option<OrganisationId>,
    pub(crate) occurred_at: OffsetDateTime,
    pub(crate) actor: &'a str,
    pub(crate) actor_kind: CallerKind,
    pub(crate) acting_for: &'a str,
    pub(crate) action: Action,
    pub(crate) object: Object,
    pub(crate) refused: Option<&'static str>,
    /// The policy that allowed or forbade.
    pub(crate) policy: &'a str,
    pub(crate) changes: Changes,
    pub(crate) trace_id: &'a str,
    pub(crate) request_id: &'a str,
}

/// Writes the entry and, in the same statement, the answer under the command's idempotency key.
pub async fn record(tx: &Tx, entry: &Entry<'_>, answer: Option<(&str, Vec<u8>)>) -> Result<()> {
    insert(tx, entry, answer, None).await.map(drop)
}

/// The same, if who holds what is still of this version; `false` if it is not, and nothing is written.
pub async fn record_as_of(tx: &Tx, entry: &Entry<'_>, answer: Option<(&str, Vec<u8>)>, version: i64) -> Result<bool> {
    insert(tx, entry, answer, Some(version)).await
}

/// Writes more entries of the same command, many to a statement.
pub async fn record_more(tx: &Tx, entries: &[Entry<'_>]) -> Result<()> {
    for entries in entries.chunks(1_000) {
        let rows = entries.iter().map(row).collect::<Result<Vec<_>>>()?;
        entity::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

fn row(entry: &Entry<'_>) -> Result<entity::ActiveModel> {
    let organisation =
        entry.organisation.ok_or_else(|| Error::Internal("an audit entry without an organisation".to_owned()))?;
    Ok(entity::ActiveModel {
        organisation_id: Set(organisation.uuid()),
        id: Set(entry.id.uuid()),
        occurred_at: Set(entry.occurred_at),
        actor: Set(entry.actor.to_owned()),
        action: Set(entry.action.name().to_owned()),
        object_type: Set(entry.object.kind.to_owned()),
        object_id: Set(entry.object.id),
        outcome: Set(if entry.refused.is_some() { "REFUSED" } else { "DONE" }.to_owned()),
        reason: Set(entry.refused.unwrap_or_default().to_owned()),
        changes: Set(entry.changes.to_json()),
        trace_id: Set(entry.trace_id.to_owned()),
        request_id: Set(entry.request_id.to_owned()),
        actor_kind: Set(<&str>::from(entry.actor_kind).to_owned()),
        acting_for: Set(entry.acting_for.to_owned()),
        policy: Set(entry.policy.to_owned()),
    })
}

async fn insert(tx: &Tx, entry: &Entry<'_>, answer: Option<(&str, Vec<u8>)>, version: Option<i64>) -> Result<bool> {
    let organisation =
        entry.organisation.ok_or_else(|| Error::Internal("an audit entry without an organisation".to_owned()))?;
    let mut values: Vec<Value> = vec![
        entry.id.uuid().into(),
        organisation.uuid().into(),
        entry.occurred_at.into(),
        entry.actor.into(),
        entry.action.name().into(),
        entry.object.kind.into(),
        entry.object.id.into(),
        if entry.refused.is_some() { "REFUSED" } else { "DONE" }.into(),
        entry.refused.unwrap_or_default().into(),
        entry.changes.to_json().into(),
        entry.trace_id.into(),
        entry.request_id.into(),
        <&str>::from(entry.actor_kind).into(),
        entry.acting_for.into(),
        entry.policy.into(),
        version.into(),
    ];
    let insert = "INSERT INTO audit_entries (id, organisation_id, occurred_at, actor, action, object_type, object_id, \
        outcome, reason, changes, trace_id, request_id, actor_kind, acting_for, policy) \
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 WHERE $16::bigint IS NULL \
        OR EXISTS (SELECT FROM authority_states s WHERE s.organisation_id = $2 AND s.version = $16)";
    let sql = match answer {
        None => insert.to_owned(),
        Some((key, response)) => {
            values.push(key.into());
            values.push(response.into());
            format!(
                "WITH answered AS (UPDATE idempotency_records SET response = $18 \
                 WHERE organisation_id = $2 AND actor = $4 AND key = $17) {insert}"
            )
        }
    };
    Ok(tx.execute_raw(postgres(sql, values)).await?.rows_affected() == 1)
}

/// Names the policies that decide from now on, in the organisation's log: an auditor can tell which ones any later entry
/// rests on. Another command that does the same is waited for, and then this one has nothing to add.
pub async fn record_policies(
    tx: &Tx,
    id: Uuid,
    organisation: OrganisationId,
    now: OffsetDateTime,
    before: Option<&str>,
    after: &str,
) -> Result<()> {
    let sql = "WITH adopted AS (UPDATE authority_states SET policies_sha256 = $4 \
            WHERE organisation_id = $2 AND policies_sha256 IS DISTINCT FROM $4 RETURNING organisation_id) \
        INSERT INTO audit_entries (id, organisation_id, occurred_at, actor, actor_kind, action, object_type, object_id, \
            outcome, changes, trace_id, request_id) \
        SELECT $1, organisation_id, $3, 'gevinst', 'SYSTEM', 'policy_set.adopt', 'organisation', organisation_id, 'DONE', \
            $5, '', '' FROM adopted";
    let changes = Changes::default().change("sha256", before, after).to_json();
    let values = [id.into(), organisation.uuid().into(), now.into(), after.into(), changes.into()];
    tx.execute_raw(postgres(sql, values)).await?;
    Ok(())
}

/// The organisation's entries, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListAuditEntriesRequest) -> Result<pb::ListAuditEntriesResponse> {
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::AuditList)?;
    let (entries, next_page_token) = page.fetch(&db, entity::find_in(db.organisation())).await?;
    db.allowed().await?;
    Ok(pb::ListAuditEntriesResponse { audit_entries: entries.into_iter().map(Into::into).collect(), next_page_token })
}
