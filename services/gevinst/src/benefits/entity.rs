//! Benefits and their measurements, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use uuid::Uuid;

use crate::{
    auth::Resource,
    db::postgres,
    error::Result,
    ids::{BenefitId, OrganisationId},
};

/// What a project is to be worth.
pub mod benefit {
    use gevinst_proto::v1 as pb;
    use rust_decimal::Decimal;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::OffsetDateTime;

    use super::super::{owners::rules::OwnerState, rules::BenefitKind};
    use crate::{
        error::Result,
        ids::{BenefitId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::{decimal_text, exact, known, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "benefits")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub title: String,
        pub kind: String,
        pub measure_name: String,
        pub measure_unit: String,
        #[sea_orm(column_type = "Decimal(Some((21, 6)))")]
        #[serde(deserialize_with = "exact")]
        pub baseline: Decimal,
        #[sea_orm(column_type = "Decimal(Some((21, 6)))")]
        #[serde(deserialize_with = "exact")]
        pub target: Decimal,
        pub owner: String,
        pub planned_annual_ore: Option<i64>,
        pub price_level_year: Option<i32>,
        #[serde(with = "time::serde::iso8601")]
        pub created_at: OffsetDateTime,
        pub owner_state: String,
        pub nominee: Option<String>,
        pub escalated_to: Option<String>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's benefits.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// One of them.
    pub fn find_one_in(organisation: OrganisationId, id: BenefitId) -> Select<Entity> {
        find_in(organisation).filter(Column::Id.eq(id.uuid()))
    }

    /// What benefits can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "project", column: Column::ProjectId, kind: FieldKind::Id },
            Field {
                name: "kind",
                column: Column::Kind,
                kind: FieldKind::Name(|name| name.parse::<BenefitKind>().is_ok()),
            },
            Field { name: "owner", column: Column::Owner, kind: FieldKind::Text },
            Field {
                name: "owner_state",
                column: Column::OwnerState,
                kind: FieldKind::Name(|name| name.parse::<OwnerState>().is_ok()),
            },
            Field { name: "nominee", column: Column::Nominee, kind: FieldKind::Text },
            Field { name: "title", column: Column::Title, kind: FieldKind::Text },
            Field { name: "create_time", column: Column::CreatedAt, kind: FieldKind::Time },
        ],
        orders: &["create_time", "title"],
        default_order: "create_time",
        id: Column::Id,
    };

    impl Model {
        /// How far it has an owner who answers for it.
        pub fn owner_state(&self) -> Result<OwnerState> {
            known(&self.owner_state)
        }

        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::Benefit> {
            Ok(pb::Benefit {
                owner_state: self.owner_state()? as i32,
                id: self.id.to_string(),
                organisation: self.organisation_id.to_string(),
                project: self.project_id.to_string(),
                title: self.title,
                kind: known::<BenefitKind>(&self.kind)? as i32,
                measure: Some(pb::Measure { name: self.measure_name, unit: self.measure_unit }),
                baseline: decimal_text(self.baseline),
                target: decimal_text(self.target),
                owner: self.owner,
                planned_annual_value: self
                    .planned_annual_ore
                    .zip(self.price_level_year)
                    .map(|(ore, price_level_year)| pb::Money { ore, price_level_year }),
                create_time: Some(timestamp(self.created_at)),
                nominee: self.nominee,
                escalated_to: self.escalated_to,
            })
        }
    }
}

/// What was measured on a day; never changed (I14).
pub mod measurement {
    use gevinst_proto::v1 as pb;
    use rust_decimal::Decimal;
    use sea_orm::{FromQueryResult, QuerySelect, entity::prelude::*, sea_query::Expr};
    use serde::Deserialize;
    use time::{Date, OffsetDateTime};

    use crate::{
        ids::{BenefitId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::{decimal_text, exact, iso_day, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "measurements")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub benefit_id: Uuid,
        #[sea_orm(column_type = "Decimal(Some((21, 6)))")]
        #[serde(deserialize_with = "exact")]
        pub value: Decimal,
        #[serde(with = "iso_day")]
        pub measured_on: Date,
        pub source: String,
        pub recorder: String,
        #[serde(with = "time::serde::iso8601")]
        pub recorded_at: OffsetDateTime,
        pub corrects_id: Option<Uuid>,
        pub correction_reason: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A measurement, and what has taken its place: then it counts no more.
    #[derive(FromQueryResult)]
    pub struct Recorded {
        #[sea_orm(nested)]
        pub measurement: Model,
        pub corrected_by: Option<Uuid>,
    }

    /// What is [`Recorded`] of a benefit.
    pub fn find_recorded_in(organisation: OrganisationId, benefit: BenefitId) -> Select<Entity> {
        let corrected_by = "(SELECT c.id FROM measurements c WHERE c.organisation_id = measurements.organisation_id \
            AND c.corrects_id = measurements.id)";
        find_in(organisation, benefit).column_as(Expr::cust(corrected_by), "corrected_by")
    }

    /// A benefit's measurements.
    pub fn find_in(organisation: OrganisationId, benefit: BenefitId) -> Select<Entity> {
        Entity::find()
            .filter(Column::OrganisationId.eq(organisation.uuid()))
            .filter(Column::BenefitId.eq(benefit.uuid()))
    }

    /// What measurements can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "measured_on", column: Column::MeasuredOn, kind: FieldKind::Date },
            Field { name: "recorder", column: Column::Recorder, kind: FieldKind::Text },
        ],
        orders: &["measured_on"],
        default_order: "measured_on desc",
        id: Column::Id,
    };

    impl From<Recorded> for pb::Measurement {
        fn from(recorded: Recorded) -> Self {
            Self { corrected_by: recorded.corrected_by.map(|id| id.to_string()), ..recorded.measurement.into() }
        }
    }

    impl From<Model> for pb::Measurement {
        fn from(model: Model) -> Self {
            let reason = model.correction_reason;
            Self {
                id: model.id.to_string(),
                benefit: model.benefit_id.to_string(),
                value: decimal_text(model.value),
                measured_on: model.measured_on.to_string(),
                source: model.source,
                recorder: model.recorder,
                record_time: Some(timestamp(model.recorded_at)),
                corrects: model.corrects_id.map(|id| pb::MeasurementCorrection { measurement: id.to_string(), reason }),
                corrected_by: None,
            }
        }
    }
}

/// A benefit with its newest measurement (newest day, then newest record of that day; none that was corrected), and what
/// authority asks of its project; its own owner may not see that.
pub struct Measured {
    /// The benefit.
    pub benefit: benefit::Model,
    /// The measurement; none before the first.
    pub latest: Option<measurement::Model>,
    scopes: Vec<Uuid>,
    project_owner: String,
    project_manager: String,
}

impl<'a> From<&'a Measured> for Resource<'a> {
    fn from(measured: &'a Measured) -> Self {
        Self::Benefit {
            organisation: &measured.benefit.organisation_id,
            scopes: &measured.scopes,
            owner: &measured.benefit.owner,
            nominee: measured.benefit.nominee.as_ref().unwrap_or(&measured.benefit.owner),
            nominator: &measured.benefit.owner,
            project_owner: &measured.project_owner,
            project_manager: &measured.project_manager,
        }
    }
}

impl Measured {
    fn read(row: &QueryResult) -> Result<Self> {
        Ok(Self {
            benefit: benefit::Model::from_query_result(row, "")?,
            latest: measurement::Model::from_query_result_optional(row, "m_")?,
            scopes: row.try_get::<Option<_>>("", "p_scopes")?.unwrap_or_default(),
            project_owner: row.try_get::<Option<_>>("", "p_owner")?.unwrap_or_default(),
            project_manager: row.try_get::<Option<_>>("", "p_manager")?.unwrap_or_default(),
        })
    }
}

const MEASURED: &str = "SELECT b.*, m.organisation_id AS m_organisation_id, m.id AS m_id, m.benefit_id AS m_benefit_id, \
    m.value AS m_value, m.measured_on AS m_measured_on, m.source AS m_source, m.recorder AS m_recorder, \
    m.recorded_at AS m_recorded_at, m.corrects_id AS m_corrects_id, m.correction_reason AS m_correction_reason, \
    p.scopes AS p_scopes, p.project_owner AS p_owner, p.project_manager AS p_manager \
    FROM benefits b LEFT JOIN projects p ON p.organisation_id = b.organisation_id AND p.id = b.project_id \
    LEFT JOIN LATERAL (SELECT * FROM measurements l \
    WHERE l.organisation_id = b.organisation_id AND l.benefit_id = b.id \
    AND NOT EXISTS (SELECT FROM measurements c WHERE c.organisation_id = l.organisation_id AND c.corrects_id = l.id) \
    ORDER BY measured_on DESC, id DESC LIMIT 1) m \
    ON true WHERE b.organisation_id = $1";

/// One benefit with its newest measurement, in one question.
pub async fn measured(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    id: BenefitId,
) -> Result<Option<Measured>> {
    let question = postgres(format!("{MEASURED} AND b.id = $2"), [organisation.uuid().into(), id.uuid().into()]);
    db.query_one_raw(question).await?.as_ref().map(Measured::read).transpose()
}
