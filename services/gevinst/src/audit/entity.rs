//! The audit log's rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::{
    ids::OrganisationId,
    listing::{Field, FieldKind, List},
    wire::timestamp,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub occurred_at: OffsetDateTime,
    pub actor: String,
    pub action: String,
    pub object_type: String,
    pub object_id: Option<Uuid>,
    pub outcome: String,
    pub reason: String,
    pub changes: Json,
    pub trace_id: String,
    pub request_id: String,
    pub actor_kind: String,
    pub acting_for: String,
    pub policy: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// An organisation's entries.
pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
}

/// What audit entries can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "occur_time", column: Column::OccurredAt, kind: FieldKind::Time },
        Field { name: "actor", column: Column::Actor, kind: FieldKind::Text },
        Field { name: "action", column: Column::Action, kind: FieldKind::Text },
        Field { name: "object_type", column: Column::ObjectType, kind: FieldKind::Text },
        Field { name: "object", column: Column::ObjectId, kind: FieldKind::Id },
        Field {
            name: "outcome",
            column: Column::Outcome,
            kind: FieldKind::Name(|name| name == "DONE" || name == "REFUSED"),
        },
        Field { name: "reason", column: Column::Reason, kind: FieldKind::Text },
        Field {
            name: "actor_kind",
            column: Column::ActorKind,
            kind: FieldKind::Name(|name| pb::ActorKind::from_str_name(&format!("ACTOR_KIND_{name}")).is_some()),
        },
        Field { name: "acting_for", column: Column::ActingFor, kind: FieldKind::Text },
        Field { name: "policy", column: Column::Policy, kind: FieldKind::Text },
        Field { name: "trace_id", column: Column::TraceId, kind: FieldKind::Text },
        Field { name: "request_id", column: Column::RequestId, kind: FieldKind::Text },
    ],
    orders: &["occur_time"],
    default_order: "occur_time desc",
    id: Column::Id,
};

impl From<Model> for pb::AuditEntry {
    fn from(model: Model) -> Self {
        let outcome = match model.outcome.as_str() {
            "DONE" => pb::AuditOutcome::Done,
            _ => pb::AuditOutcome::Refused,
        };
        Self {
            id: model.id.to_string(),
            organisation: model.organisation_id.to_string(),
            occur_time: Some(timestamp(model.occurred_at)),
            actor: model.actor,
            action: model.action,
            object_type: model.object_type,
            object: model.object_id.map(|id| id.to_string()),
            outcome: outcome.into(),
            reason: model.reason,
            changes_json: model.changes.to_string(),
            trace_id: model.trace_id,
            request_id: model.request_id,
            actor_kind: pb::ActorKind::from_str_name(&format!("ACTOR_KIND_{}", model.actor_kind))
                .unwrap_or_default()
                .into(),
            acting_for: model.acting_for,
            policy: model.policy,
        }
    }
}
