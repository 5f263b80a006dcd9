//! Benefits and their measurements, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use uuid::Uuid;

use crate::{
    auth::Resource,
    db::postgres,
    error::Result,
    ids::{BenefitId, OrganisationId},
    projects,
};

/// What a project is to be worth.
pub mod benefit {
    use gevinst_proto::v1 as pb;
    use rust_decimal::Decimal;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::{Date, OffsetDateTime};

    use super::super::{
        map::parts::Serves,
        owners::rules::OwnerState,
        profile::{Evidence, Groups, Scale, Start, Years},
        rules::{self, BenefitKind, BenefitState, Cashability, Range},
    };
    use crate::{
        error::Result,
        ids::{BenefitId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::{decimal_text, etag, exact, iso_day, known, named, timestamp},
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
        pub disbenefit: bool,
        pub cashability: Option<String>,
        pub beneficiaries: Groups,
        pub measure_method: String,
        pub measure_source: String,
        pub measure_frequency: Option<String>,
        pub measure_aggregation: Option<String>,
        pub measure_direction: Option<String>,
        pub measure_scale: Scale,
        pub plan_number: i32,
        pub baseline_evidence: Option<Evidence>,
        pub targets: Years,
        pub start: Option<Start>,
        pub plan_reason: String,
        pub planner: String,
        #[serde(with = "time::serde::iso8601")]
        pub planned_at: OffsetDateTime,
        #[serde(with = "iso_day::option")]
        pub starts_on: Option<Date>,
        pub baseline_plan: Option<i32>,
        #[serde(with = "iso_day::option")]
        pub baseline_starts_on: Option<Date>,
        pub outcome: Option<String>,
        #[serde(with = "time::serde::iso8601::option")]
        pub outcome_at: Option<OffsetDateTime>,
        pub serves: Serves,
        #[serde(with = "iso_day::option")]
        pub realises_from: Option<Date>,
        pub version: i64,
        /// Derived by the database.
        pub state: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    const YES_NO: &str = "YES_NO";

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
            Field { name: "disbenefit", column: Column::Disbenefit, kind: FieldKind::Bool },
            Field {
                name: "cashability",
                column: Column::Cashability,
                kind: FieldKind::Name(|name| name.parse::<Cashability>().is_ok()),
            },
            Field {
                name: "state",
                column: Column::State,
                kind: FieldKind::Name(|name| name.parse::<BenefitState>().is_ok()),
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

        /// I11: who has accepted to own it, and has not departed; nobody who is merely named.
        pub fn accepted_owner(&self) -> Option<&str> {
            (self.owner_state == <&str>::from(OwnerState::Accepted)).then_some(&self.owner)
        }

        /// What kind of value it is.
        pub fn kind(&self) -> Result<BenefitKind> {
            known(&self.kind)
        }

        /// Fails unless the measure can have this value; `field` is the one that holds it.
        pub fn must_hold(&self, field: &str, value: Decimal) -> Result<()> {
            let scale = self.measure_scale.values()?;
            Range { scale: &scale, yes_no: self.is_yes_no() }.must_hold(field, value)
        }

        fn is_yes_no(&self) -> bool {
            self.measure_aggregation.as_deref() == Some(YES_NO)
        }

        /// What profile and plan say of each other: money where there is money (S30), and figures that the measure can have.
        pub fn must_be_sound(&self) -> Result<()> {
            let kind = self.kind()?;
            rules::must_be_cashable(kind, self.cashability.as_deref().map(known).transpose()?)?;
            Range { scale: &self.measure_scale.values()?, yes_no: self.is_yes_no() }.must_be_a_scale()?;
            let years = self.targets.targets()?;
            rules::must_be_valued_yearly(kind, self.baseline, &years)?;
            self.must_hold("baseline", self.baseline)?;
            for (index, year) in years.iter().enumerate() {
                self.must_hold(&format!("targets[{index}].target"), year.target)?;
            }
            self.must_hold("target", self.target)
        }

        /// How many measurements a year's figure is the sum of: one, but where measurements are summed up.
        pub fn measurements_a_year(&self) -> i32 {
            match (self.measure_aggregation.as_deref(), self.measure_frequency.as_deref()) {
                (Some("SUM"), Some("YEARLY")) => 1,
                (Some("SUM"), Some("HALF_YEARLY")) => 2,
                (Some("SUM"), Some("QUARTERLY")) => 4,
                (Some("SUM"), _) => 12,
                _ => 1,
            }
        }

        /// Whether a gate has frozen it (I14).
        pub fn is_frozen(&self) -> bool {
            self.baseline_plan.is_some()
        }

        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::Benefit> {
            let measure = pb::Measure {
                name: self.measure_name,
                unit: self.measure_unit,
                method: self.measure_method,
                source: self.measure_source,
                frequency: chosen(pb::MeasureFrequency::from_str_name, "MEASURE_FREQUENCY_", self.measure_frequency)?,
                aggregation: chosen(
                    pb::MeasureAggregation::from_str_name,
                    "MEASURE_AGGREGATION_",
                    self.measure_aggregation,
                )?,
                direction: chosen(pb::MeasureDirection::from_str_name, "MEASURE_DIRECTION_", self.measure_direction)?,
                scale: self.measure_scale.into_proto(),
            };
            let (baseline, target) = (decimal_text(self.baseline), decimal_text(self.target));
            let plan = pb::BenefitPlan {
                number: self.plan_number,
                baseline: baseline.clone(),
                baseline_evidence: self.baseline_evidence.map(Into::into),
                target: target.clone(),
                targets: self.targets.into_proto(),
                price_level_year: self.price_level_year,
                start: self.start.map(Start::into_proto).transpose()?,
                reason: self.plan_reason,
                planner: self.planner,
                plan_time: Some(timestamp(self.planned_at)),
            };
            Ok(pb::Benefit {
                owner_state: known::<OwnerState>(&self.owner_state)? as i32,
                id: self.id.to_string(),
                organisation: self.organisation_id.to_string(),
                project: self.project_id.to_string(),
                title: self.title,
                kind: known::<BenefitKind>(&self.kind)? as i32,
                measure: Some(measure),
                baseline,
                target,
                owner: self.owner,
                planned_annual_value: self
                    .planned_annual_ore
                    .zip(self.price_level_year)
                    .map(|(ore, price_level_year)| pb::Money { ore, price_level_year }),
                create_time: Some(timestamp(self.created_at)),
                nominee: self.nominee,
                escalated_to: self.escalated_to,
                disbenefit: self.disbenefit,
                cashability: chosen(pb::Cashability::from_str_name, "CASHABILITY_", self.cashability)?,
                groups: self.beneficiaries.into_proto()?,
                state: known::<BenefitState>(&self.state)? as i32,
                plan: Some(plan),
                starts_on: self.starts_on.map(|day| day.to_string()),
                baseline_plan: self.baseline_plan,
                etag: etag(self.version),
                serves: self.serves.into_proto()?,
                baseline_starts_on: self.baseline_starts_on.map(|day| day.to_string()),
                outcome: chosen(pb::BenefitOutcome::from_str_name, "BENEFIT_OUTCOME_", self.outcome)?,
                outcome_time: self.outcome_at.map(timestamp),
                realises_from: self.realises_from.map(|day| day.to_string()),
            })
        }
    }

    /// The number of what has been chosen; 0 of what has not.
    fn chosen<E: Into<i32>>(enum_of: fn(&str) -> Option<E>, prefix: &str, name: Option<String>) -> Result<i32> {
        name.map_or(Ok(0), |name| named(enum_of, prefix, &name))
    }
}

/// What a benefit was planned to become; never changed (I14).
pub mod plan {
    use gevinst_proto::v1 as pb;
    use rust_decimal::Decimal;
    use sea_orm::entity::prelude::*;
    use time::OffsetDateTime;

    use super::super::profile::{Evidence, Start, Years};
    use crate::{
        error::Result,
        ids::{BenefitId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::{decimal_text, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "benefit_plans")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub benefit_id: Uuid,
        pub number: i32,
        #[sea_orm(column_type = "Decimal(Some((21, 6)))")]
        pub baseline: Decimal,
        pub baseline_evidence: Option<Evidence>,
        #[sea_orm(column_type = "Decimal(Some((21, 6)))")]
        pub target: Decimal,
        pub targets: Years,
        pub planned_annual_ore: Option<i64>,
        pub price_level_year: Option<i32>,
        pub start: Option<Start>,
        pub reason: String,
        pub planner: String,
        pub planned_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A benefit's plans.
    pub fn find_in(organisation: OrganisationId, benefit: BenefitId) -> Select<Entity> {
        Entity::find()
            .filter(Column::OrganisationId.eq(organisation.uuid()))
            .filter(Column::BenefitId.eq(benefit.uuid()))
    }

    /// What plans can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "planner", column: Column::Planner, kind: FieldKind::Text },
            Field { name: "plan_time", column: Column::PlannedAt, kind: FieldKind::Time },
        ],
        orders: &["plan_time"],
        default_order: "plan_time desc",
        id: Column::Id,
    };

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::BenefitPlan> {
            Ok(pb::BenefitPlan {
                number: self.number,
                baseline: decimal_text(self.baseline),
                baseline_evidence: self.baseline_evidence.map(Into::into),
                target: decimal_text(self.target),
                targets: self.targets.into_proto(),
                price_level_year: self.price_level_year,
                start: self.start.map(Start::into_proto).transpose()?,
                reason: self.reason,
                planner: self.planner,
                plan_time: Some(timestamp(self.planned_at)),
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
            accepted: measured.benefit.accepted_owner(),
            escalated_to: measured.benefit.escalated_to.as_deref(),
            nominee: measured.benefit.nominee.as_ref().unwrap_or(&measured.benefit.owner),
            nominator: &measured.benefit.owner,
            project_owner: &measured.project_owner,
            project_manager: &measured.project_manager,
        }
    }
}

impl Measured {
    /// From a row of [`measured_from`].
    pub fn read(row: &QueryResult) -> Result<Self> {
        Ok(Self {
            benefit: benefit::Model::from_query_result(row, "")?,
            latest: measurement::Model::from_query_result_optional(row, "m_")?,
            scopes: row.try_get::<Option<_>>("", "p_scopes")?.unwrap_or_default(),
            project_owner: row.try_get::<Option<_>>("", "p_owner")?.unwrap_or_default(),
            project_manager: row.try_get::<Option<_>>("", "p_manager")?.unwrap_or_default(),
        })
    }
}

/// The question for benefits with their newest measurements, and more columns of the benefit `b`; `$1` is the organisation.
pub fn measured_from(columns: &str, filter: &str) -> String {
    format!(
        "SELECT b.*, m.organisation_id AS m_organisation_id, m.id AS m_id, m.benefit_id AS m_benefit_id, \
            m.value AS m_value, m.measured_on AS m_measured_on, m.source AS m_source, m.recorder AS m_recorder, \
            m.recorded_at AS m_recorded_at, m.corrects_id AS m_corrects_id, m.correction_reason AS m_correction_reason, \
            p.scopes AS p_scopes, p.project_owner AS p_owner, p.project_manager AS p_manager, {columns} \
        FROM benefits b LEFT JOIN projects p ON p.organisation_id = b.organisation_id AND p.id = b.project_id \
        LEFT JOIN LATERAL (SELECT * FROM measurements l \
            WHERE l.organisation_id = b.organisation_id AND l.benefit_id = b.id \
            AND NOT EXISTS (SELECT FROM measurements c WHERE c.organisation_id = l.organisation_id AND c.corrects_id = l.id) \
            ORDER BY measured_on DESC, id DESC LIMIT 1) m ON true \
        WHERE b.organisation_id = $1 AND {filter}"
    )
}

/// One benefit with its newest measurement, in one question.
pub async fn measured(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    id: BenefitId,
) -> Result<Option<Measured>> {
    let question = postgres(measured_from("NULL", "b.id = $2"), [organisation.uuid().into(), id.uuid().into()]);
    db.query_one_raw(question).await?.as_ref().map(Measured::read).transpose()
}

/// The projects of these benefits, locked in the order of their ids: of two who lock many, one waits for the other.
pub async fn lock_projects_of(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    benefits: Vec<Uuid>,
) -> Result<Vec<projects::entity::Model>> {
    let sql = "SELECT p.* FROM projects p WHERE p.organisation_id = $1 AND p.id IN (SELECT b.project_id FROM benefits b \
        WHERE b.organisation_id = $1 AND b.id = ANY ($2)) ORDER BY p.id FOR UPDATE";
    let rows = db.query_all_raw(postgres(sql, [organisation.uuid().into(), benefits.into()])).await?;
    Ok(rows.iter().map(|row| projects::entity::Model::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Those of an organisation's benefits that have one of these ids.
pub async fn benefits_among(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    ids: Vec<Uuid>,
) -> Result<Vec<benefit::Model>> {
    let sql = "SELECT * FROM benefits WHERE organisation_id = $1 AND id = ANY ($2)";
    let rows = db.query_all_raw(postgres(sql, [organisation.uuid().into(), ids.into()])).await?;
    Ok(rows.iter().map(|row| benefit::Model::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// A measurement that is to be corrected.
#[derive(FromQueryResult)]
pub struct ToCorrect {
    /// Its id.
    pub id: Uuid,
    /// Of which benefit it is.
    pub benefit_id: Uuid,
    /// What has taken its place.
    pub corrected_by: Option<Uuid>,
}

/// Those of an organisation's measurements that have one of these ids.
pub async fn corrections_among(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    ids: Vec<Uuid>,
) -> Result<Vec<ToCorrect>> {
    let sql = "SELECT m.id, m.benefit_id, c.id AS corrected_by FROM measurements m LEFT JOIN measurements c \
        ON c.organisation_id = m.organisation_id AND c.corrects_id = m.id \
        WHERE m.organisation_id = $1 AND m.id = ANY ($2)";
    let rows = db.query_all_raw(postgres(sql, [organisation.uuid().into(), ids.into()])).await?;
    Ok(rows.iter().map(|row| ToCorrect::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
