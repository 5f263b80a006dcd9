//! The audit log: one entry for every change, written in its transaction, and one for every refusal (I24).
//!
//! Entries carry no running number: numbering inside the transaction would make all writers wait for each other. They
//! are ordered by time and id.

pub mod entity;
pub mod grpc;

use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    auth::Action,
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
    pub(crate) action: Action,
    pub(crate) object: Object,
    pub(crate) refused: Option<&'static str>,
    pub(crate) changes: Changes,
    pub(crate) trace_id: &'a str,
    pub(crate) request_id: &'a str,
}

/// Writes the entry and, in the same statement, the answer under the command's idempotency key.
pub async fn record(tx: &Tx, entry: &Entry<'_>, answer: Option<(&str, Vec<u8>)>) -> Result<()> {
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
    ];
    let insert = "INSERT INTO audit_entries (id, organisation_id, occurred_at, actor, action, object_type, object_id, \
        outcome, reason, changes, trace_id, request_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let sql = match answer {
        None => insert.to_owned(),
        Some((key, response)) => {
            values.push(key.into());
            values.push(response.into());
            format!(
                "WITH answered AS (UPDATE idempotency_records SET response = $14 \
                 WHERE organisation_id = $2 AND actor = $4 AND key = $13) {insert}"
            )
        }
    };
    tx.execute_raw(postgres(sql, values)).await?;
    Ok(())
}

/// The organisation's entries, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListAuditEntriesRequest) -> Result<pb::ListAuditEntriesResponse> {
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::AuditList).await?;
    let (entries, next_page_token) = page.fetch(&db, entity::find_in(db.organisation())).await?;
    Ok(pb::ListAuditEntriesResponse { audit_entries: entries.into_iter().map(Into::into).collect(), next_page_token })
}
