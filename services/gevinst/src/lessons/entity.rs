//! Lessons, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::entity::prelude::*;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    ids::OrganisationId,
    listing::{Field, FieldKind, List},
    wire::timestamp,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "lessons")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub project_id: Uuid,
    pub what: String,
    pub why: String,
    pub advice: String,
    pub tags: Vec<String>,
    pub publisher: String,
    #[serde(with = "time::serde::iso8601")]
    pub published_at: OffsetDateTime,
}

impl ActiveModelBehavior for ActiveModel {}

/// An organisation's lessons.
pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
}

/// What lessons can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "project", column: Column::ProjectId, kind: FieldKind::Id },
        Field { name: "what", column: Column::What, kind: FieldKind::Text },
        Field { name: "why", column: Column::Why, kind: FieldKind::Text },
        Field { name: "advice", column: Column::Advice, kind: FieldKind::Text },
        Field { name: "publisher", column: Column::Publisher, kind: FieldKind::Text },
        Field { name: "publish_time", column: Column::PublishedAt, kind: FieldKind::Time },
    ],
    orders: &["publish_time"],
    default_order: "publish_time desc",
    id: Column::Id,
};

impl From<Model> for pb::Lesson {
    fn from(model: Model) -> Self {
        Self {
            id: model.id.to_string(),
            organisation: model.organisation_id.to_string(),
            project: model.project_id.to_string(),
            what: model.what,
            why: model.why,
            advice: model.advice,
            tags: model.tags,
            publisher: model.publisher,
            publish_time: Some(timestamp(model.published_at)),
        }
    }
}
