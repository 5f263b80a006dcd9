//! Strategy goals, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::entity::prelude::*;
use serde::Deserialize;
use time::{Date, OffsetDateTime};

use crate::{
    error::Result,
    ids::{OrganisationId, StrategyGoalId},
    listing::{Field, FieldKind, List},
    wire::{iso_day, named, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "strategy_goals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub code: String,
    pub title_da: String,
    pub title_en: String,
    pub principle: Option<String>,
    pub created_by: String,
    #[serde(with = "time::serde::iso8601")]
    pub created_at: OffsetDateTime,
    #[serde(with = "iso_day::option")]
    pub ends_on: Option<Date>,
    pub ended_by: Option<String>,
    #[serde(with = "time::serde::iso8601::option")]
    pub ended_at: Option<OffsetDateTime>,
    pub end_reason: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// An organisation's goals.
pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
}

/// One of them.
pub fn find_one_in(organisation: OrganisationId, id: StrategyGoalId) -> Select<Entity> {
    find_in(organisation).filter(Column::Id.eq(id.uuid()))
}

/// What goals can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "code", column: Column::Code, kind: FieldKind::Text },
        Field {
            name: "principle",
            column: Column::Principle,
            kind: FieldKind::Name(|name| pb::Principle::from_str_name(&format!("PRINCIPLE_{name}")).is_some()),
        },
        Field { name: "ends_on", column: Column::EndsOn, kind: FieldKind::Date },
        Field { name: "create_time", column: Column::CreatedAt, kind: FieldKind::Time },
    ],
    orders: &["code", "create_time"],
    default_order: "code",
    id: Column::Id,
};

impl Model {
    /// Whether its last day has passed.
    pub fn is_over(&self, today: Date) -> bool {
        self.ends_on.is_some_and(|last| last < today)
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::StrategyGoal> {
        let principle = |name: String| named(pb::Principle::from_str_name, "PRINCIPLE_", &name);
        Ok(pb::StrategyGoal {
            id: self.id.to_string(),
            organisation: self.organisation_id.to_string(),
            code: self.code,
            title: Some(pb::LocalizedText { da: self.title_da, en: self.title_en }),
            principle: self.principle.map(principle).transpose()?.unwrap_or_default(),
            ends_on: self.ends_on.map(|day| day.to_string()),
            end_reason: self.end_reason,
            create_time: Some(timestamp(self.created_at)),
        })
    }
}
