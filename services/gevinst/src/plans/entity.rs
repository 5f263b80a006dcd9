//! Baselines, changes of direction and increments, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{
    auth::Resource,
    db::postgres,
    error::{Error, Result},
    ids::{OrganisationId, ProjectId},
    projects,
};

/// What a project is held to; never changed.
pub mod baseline {
    use gevinst_proto::v1 as pb;
    use sea_orm::{QueryOrder, QuerySelect, entity::prelude::*};
    use serde::Deserialize;
    use time::{Date, OffsetDateTime};

    use crate::{
        ids::{OrganisationId, ProjectId},
        wire::{iso_day, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "project_baselines")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub project_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i32,
        pub budget_ore: i64,
        #[serde(with = "iso_day")]
        pub end_on: Date,
        pub scope: String,
        pub set_by: String,
        #[serde(with = "time::serde::iso8601")]
        pub set_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A project's baselines.
    pub fn find_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
        Entity::find()
            .filter(Column::OrganisationId.eq(organisation.uuid()))
            .filter(Column::ProjectId.eq(project.uuid()))
    }

    /// The newest of them.
    pub fn find_newest_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
        find_in(organisation, project).order_by_desc(Column::Number).limit(1)
    }

    impl From<Model> for pb::ProjectBaseline {
        fn from(model: Model) -> Self {
            Self {
                number: model.number,
                budget_ore: model.budget_ore,
                end_on: model.end_on.to_string(),
                scope: model.scope,
                set_by: model.set_by,
                set_time: Some(timestamp(model.set_at)),
            }
        }
    }
}

/// A change of direction; never changed.
pub mod direction_change {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::OffsetDateTime;

    use crate::wire::timestamp;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "direction_changes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub from_direction: String,
        pub to_direction: String,
        pub learnt: String,
        pub decided_by: String,
        pub decided_for: Option<String>,
        #[serde(with = "time::serde::iso8601")]
        pub decided_at: OffsetDateTime,
        pub baseline_number: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl From<Model> for pb::DirectionChange {
        fn from(model: Model) -> Self {
            Self {
                id: model.id.to_string(),
                from: model.from_direction,
                to: model.to_direction,
                trigger: model.learnt,
                decided_by: model.decided_by,
                decided_for: model.decided_for,
                decide_time: Some(timestamp(model.decided_at)),
                baseline_number: model.baseline_number,
            }
        }
    }
}

/// A small step.
pub mod increment {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::{Date, OffsetDateTime};

    use crate::{
        error::Result,
        ids::{IncrementId, OrganisationId, ProjectId},
        wire::{iso_day, named, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "increments")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub goal: String,
        pub benefit_id: Option<Uuid>,
        pub scope: String,
        pub budget_ore: i64,
        #[serde(with = "iso_day")]
        pub start_on: Date,
        #[serde(with = "iso_day")]
        pub end_on: Date,
        pub done_criteria: Vec<String>,
        pub state: String,
        pub result: String,
        pub planner: String,
        #[serde(with = "time::serde::iso8601")]
        pub planned_at: OffsetDateTime,
        pub ended_by: Option<String>,
        #[serde(with = "time::serde::iso8601::option")]
        pub ended_at: Option<OffsetDateTime>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A project's increments.
    pub fn find_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
        Entity::find()
            .filter(Column::OrganisationId.eq(organisation.uuid()))
            .filter(Column::ProjectId.eq(project.uuid()))
    }

    /// One of them.
    pub fn find_one_in(organisation: OrganisationId, project: ProjectId, id: IncrementId) -> Select<Entity> {
        find_in(organisation, project).filter(Column::Id.eq(id.uuid()))
    }

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::Increment> {
            Ok(pb::Increment {
                id: self.id.to_string(),
                goal: self.goal,
                benefit: self.benefit_id.map(|id| id.to_string()),
                scope: self.scope,
                budget_ore: self.budget_ore,
                start_on: self.start_on.to_string(),
                end_on: self.end_on.to_string(),
                done_criteria: self.done_criteria,
                state: named(pb::IncrementState::from_str_name, "INCREMENT_STATE_", &self.state)?,
                result: self.result,
                planner: self.planner,
                plan_time: Some(timestamp(self.planned_at)),
                ended_by: self.ended_by,
                end_time: self.ended_at.map(timestamp),
            })
        }
    }
}

/// A project with its plan: baselines and changes of direction by number, increments by their first day.
pub struct Planned {
    pub baselines: Vec<baseline::Model>,
    pub direction_changes: Vec<direction_change::Model>,
    pub increments: Vec<increment::Model>,
    project: projects::entity::Model,
}

impl<'a> From<&'a Planned> for Resource<'a> {
    fn from(planned: &'a Planned) -> Self {
        (&planned.project).into()
    }
}

const PLANNED: &str = "SELECT p.*, \
    (SELECT coalesce(json_agg(to_jsonb(b) ORDER BY b.number), '[]') FROM project_baselines b \
        WHERE b.organisation_id = p.organisation_id AND b.project_id = p.id) AS p_baselines, \
    (SELECT coalesce(json_agg(to_jsonb(d) ORDER BY d.baseline_number), '[]') FROM direction_changes d \
        WHERE d.organisation_id = p.organisation_id AND d.project_id = p.id) AS p_direction_changes, \
    (SELECT coalesce(json_agg(to_jsonb(i) ORDER BY i.start_on, i.id), '[]') FROM increments i \
        WHERE i.organisation_id = p.organisation_id AND i.project_id = p.id) AS p_increments \
    FROM projects p WHERE p.organisation_id = $1 AND p.id = $2";

/// One project's plan, in one question.
pub async fn planned(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    project: ProjectId,
) -> Result<Option<Planned>> {
    let question = postgres(PLANNED, [organisation.uuid().into(), project.uuid().into()]);
    let Some(row) = db.query_one_raw(question).await? else {
        return Ok(None);
    };
    Ok(Some(Planned {
        baselines: rows(&row, "p_baselines")?,
        direction_changes: rows(&row, "p_direction_changes")?,
        increments: rows(&row, "p_increments")?,
        project: projects::entity::Model::from_query_result(&row, "")?,
    }))
}

fn rows<T: DeserializeOwned>(row: &QueryResult, column: &str) -> Result<Vec<T>> {
    let rows: Json = row.try_get("", column)?;
    serde_json::from_value(rows).map_err(|error| Error::Internal(format!("a project's plan: {error}")))
}
