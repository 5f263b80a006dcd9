//! Appropriations, tranches and expenditures, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value as Json;

use super::rules::Spent;
use crate::{
    auth::Resource,
    db::postgres,
    error::{Error, Result},
    ids::{OrganisationId, ProjectId},
    projects,
};

/// Where money comes from.
pub mod appropriation {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::{Date, OffsetDateTime};

    use crate::{
        error::Result,
        wire::{iso_day, named, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "appropriations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub basis: String,
        pub expenditure_type: String,
        pub body: String,
        #[serde(with = "iso_day")]
        pub decided_on: Date,
        pub case_number: String,
        pub amount_ore: i64,
        pub first_year: i32,
        pub last_year: i32,
        pub recorder: String,
        #[serde(with = "time::serde::iso8601")]
        pub recorded_at: OffsetDateTime,
        pub ended_by: Option<String>,
        pub end_reason: String,
        #[serde(with = "time::serde::iso8601::option")]
        pub ended_at: Option<OffsetDateTime>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::Appropriation> {
            Ok(pb::Appropriation {
                id: self.id.to_string(),
                project: self.project_id.to_string(),
                basis: named(pb::AppropriationBasis::from_str_name, "APPROPRIATION_BASIS_", &self.basis)?,
                expenditure_type: named(
                    pb::ExpenditureType::from_str_name,
                    "EXPENDITURE_TYPE_",
                    &self.expenditure_type,
                )?,
                body: self.body,
                decided_on: self.decided_on.to_string(),
                case_number: self.case_number,
                amount_ore: self.amount_ore,
                first_year: self.first_year,
                last_year: self.last_year,
                recorder: self.recorder,
                record_time: Some(timestamp(self.recorded_at)),
                ended_by: self.ended_by,
                end_reason: self.end_reason,
                end_time: self.ended_at.map(timestamp),
            })
        }
    }
}

/// What a gate has released.
pub mod spend_authority {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::OffsetDateTime;

    use crate::{
        error::Result,
        wire::{named, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "spend_authorities")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub gate_review_id: Uuid,
        pub amount_ore: i64,
        pub purpose: String,
        #[serde(with = "time::serde::iso8601")]
        pub granted_at: OffsetDateTime,
        pub revoked_by_review_id: Option<Uuid>,
        #[serde(with = "time::serde::iso8601::option")]
        pub revoked_at: Option<OffsetDateTime>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::SpendAuthority> {
            Ok(pb::SpendAuthority {
                id: self.id.to_string(),
                project: self.project_id.to_string(),
                gate_review: self.gate_review_id.to_string(),
                amount_ore: self.amount_ore,
                purpose: named(pb::SpendPurpose::from_str_name, "SPEND_PURPOSE_", &self.purpose)?,
                grant_time: Some(timestamp(self.granted_at)),
                revoked_by_review: self.revoked_by_review_id.map(|id| id.to_string()),
                revoke_time: self.revoked_at.map(timestamp),
            })
        }
    }
}

/// What was spent; never changed.
pub mod expenditure {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::{Date, OffsetDateTime};

    use crate::{
        error::Result,
        ids::{OrganisationId, ProjectId},
        listing::{Field, FieldKind, List},
        wire::{iso_day, named, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "expenditures")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub amount_ore: i64,
        #[serde(with = "iso_day")]
        pub spent_on: Date,
        pub purpose: String,
        pub category: String,
        pub source: String,
        pub recorder: String,
        #[serde(with = "time::serde::iso8601")]
        pub recorded_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A project's expenditures.
    pub fn find_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
        Entity::find()
            .filter(Column::OrganisationId.eq(organisation.uuid()))
            .filter(Column::ProjectId.eq(project.uuid()))
    }

    /// What expenditures can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "spent_on", column: Column::SpentOn, kind: FieldKind::Date },
            Field {
                name: "purpose",
                column: Column::Purpose,
                kind: FieldKind::Name(|name| named(pb::SpendPurpose::from_str_name, "SPEND_PURPOSE_", name).is_ok()),
            },
            Field {
                name: "category",
                column: Column::Category,
                kind: FieldKind::Name(|name| named(pb::CostCategory::from_str_name, "COST_CATEGORY_", name).is_ok()),
            },
            Field { name: "recorder", column: Column::Recorder, kind: FieldKind::Text },
        ],
        orders: &["spent_on"],
        default_order: "spent_on desc",
        id: Column::Id,
    };

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::Expenditure> {
            Ok(pb::Expenditure {
                id: self.id.to_string(),
                project: self.project_id.to_string(),
                amount_ore: self.amount_ore,
                spent_on: self.spent_on.to_string(),
                purpose: named(pb::SpendPurpose::from_str_name, "SPEND_PURPOSE_", &self.purpose)?,
                category: named(pb::CostCategory::from_str_name, "COST_CATEGORY_", &self.category)?,
                source: self.source,
                recorder: self.recorder,
                record_time: Some(timestamp(self.recorded_at)),
            })
        }
    }
}

/// A project with its appropriations and tranches, oldest first, and what it has spent.
pub struct Funded {
    pub appropriations: Vec<appropriation::Model>,
    pub authorities: Vec<spend_authority::Model>,
    pub spent: Spent,
    project: projects::entity::Model,
}

impl<'a> From<&'a Funded> for Resource<'a> {
    fn from(funded: &'a Funded) -> Self {
        (&funded.project).into()
    }
}

const FUNDED: &str = "SELECT p.*, \
    (SELECT coalesce(json_agg(to_jsonb(a) ORDER BY a.recorded_at, a.id), '[]') FROM appropriations a \
        WHERE a.organisation_id = p.organisation_id AND a.project_id = p.id) AS f_appropriations, \
    (SELECT coalesce(json_agg(to_jsonb(s) ORDER BY s.granted_at, s.id), '[]') FROM spend_authorities s \
        WHERE s.organisation_id = p.organisation_id AND s.project_id = p.id) AS f_authorities, \
    f.total::bigint AS f_total, f.on_experiments::bigint AS f_on_experiments \
    FROM projects p CROSS JOIN LATERAL (SELECT coalesce(sum(e.amount_ore), 0) AS total, \
        coalesce(sum(e.amount_ore) FILTER (WHERE e.purpose = 'EXPERIMENTS'), 0) AS on_experiments FROM expenditures e \
        WHERE e.organisation_id = p.organisation_id AND e.project_id = p.id) f \
    WHERE p.organisation_id = $1 AND p.id = $2";

/// One project's money, in one question.
pub async fn funded(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    project: ProjectId,
) -> Result<Option<Funded>> {
    let question = postgres(FUNDED, [organisation.uuid().into(), project.uuid().into()]);
    let Some(row) = db.query_one_raw(question).await? else {
        return Ok(None);
    };
    let unreadable = |error| Error::Internal(format!("a project's money: {error}"));
    let (appropriations, authorities): (Json, Json) =
        (row.try_get("", "f_appropriations")?, row.try_get("", "f_authorities")?);
    Ok(Some(Funded {
        appropriations: serde_json::from_value(appropriations).map_err(unreadable)?,
        authorities: serde_json::from_value(authorities).map_err(unreadable)?,
        spent: Spent {
            total_ore: row.try_get("", "f_total")?,
            on_experiments_ore: row.try_get("", "f_on_experiments")?,
        },
        project: projects::entity::Model::from_query_result(&row, "")?,
    }))
}
