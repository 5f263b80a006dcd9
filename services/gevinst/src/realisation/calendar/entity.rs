//! Measurements that are to be made, and what the clock has told of them, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

/// A measurement that is to be made: an interval of a benefit's frequency.
pub mod slot {
    use gevinst_proto::v1 as pb;
    use sea_orm::{
        QueryTrait,
        entity::prelude::*,
        sea_query::{Expr, Func},
    };
    use time::Date;

    use crate::{
        error::Result,
        ids::OrganisationId,
        listing::{Field, FieldKind, List},
        wire::named,
    };

    /// The rows of a function, not of a table.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "measurement_slots")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub benefit_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i32,
        pub project_id: Uuid,
        pub owner: String,
        pub from_on: Date,
        pub due_on: Date,
        pub state: String,
        pub measurement_id: Option<Uuid>,
        pub measured_on: Option<Date>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's, as they stand on a day.
    pub fn find_in(organisation: OrganisationId, today: Date) -> Select<Entity> {
        let mut select = Entity::find();
        let function = Func::cust("measurement_slots").args([Expr::value(organisation.uuid()), Expr::value(today)]);
        QueryTrait::query(&mut select).from_clear().from_function(function, Entity);
        select
    }

    /// What they can be filtered on and ordered by. No two of a benefit are due on one day.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "benefit", column: Column::BenefitId, kind: FieldKind::Id },
            Field { name: "project", column: Column::ProjectId, kind: FieldKind::Id },
            Field { name: "owner", column: Column::Owner, kind: FieldKind::Text },
            Field { name: "state", column: Column::State, kind: FieldKind::Name(|name| state(name).is_ok()) },
            Field { name: "due_on", column: Column::DueOn, kind: FieldKind::Date },
        ],
        orders: &["due_on"],
        default_order: "due_on",
        id: Column::BenefitId,
    };

    fn state(name: &str) -> Result<i32> {
        named(pb::ScheduledMeasurementState::from_str_name, "SCHEDULED_MEASUREMENT_STATE_", name)
    }

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::ScheduledMeasurement> {
            Ok(pb::ScheduledMeasurement {
                benefit: self.benefit_id.to_string(),
                project: self.project_id.to_string(),
                owner: self.owner,
                number: self.number,
                from: self.from_on.to_string(),
                due_on: self.due_on.to_string(),
                state: state(&self.state)?,
                measurement: self.measurement_id.map(|id| id.to_string()),
                measured_on: self.measured_on.map(|day| day.to_string()),
            })
        }
    }
}

/// That a measurement or a review was due, late or missing; never changed.
pub mod event {
    use gevinst_proto::v1 as pb;
    use sea_orm::{FromQueryResult, entity::prelude::*};
    use time::{Date, OffsetDateTime};

    use crate::{
        db::postgres,
        error::Result,
        ids::{BenefitId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::{named, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "benefit_events")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub benefit_id: Uuid,
        pub project_id: Uuid,
        pub kind: String,
        pub number: i32,
        pub due_on: Date,
        pub occurred_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// What they can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "benefit", column: Column::BenefitId, kind: FieldKind::Id },
            Field { name: "project", column: Column::ProjectId, kind: FieldKind::Id },
            Field { name: "kind", column: Column::Kind, kind: FieldKind::Name(|name| kind(name).is_ok()) },
            Field { name: "due_on", column: Column::DueOn, kind: FieldKind::Date },
            Field { name: "occur_time", column: Column::OccurredAt, kind: FieldKind::Time },
        ],
        orders: &["occur_time"],
        default_order: "occur_time desc",
        id: Column::Id,
    };

    fn kind(name: &str) -> Result<i32> {
        named(pb::BenefitEventKind::from_str_name, "BENEFIT_EVENT_KIND_", name)
    }

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::BenefitEvent> {
            Ok(pb::BenefitEvent {
                id: self.id.to_string(),
                benefit: self.benefit_id.to_string(),
                project: self.project_id.to_string(),
                kind: kind(&self.kind)?,
                number: self.number,
                due_on: self.due_on.to_string(),
                occur_time: Some(timestamp(self.occurred_at)),
            })
        }
    }

    /// What is to be told.
    #[derive(Debug, FromQueryResult)]
    pub struct Untold {
        pub kind: String,
        pub number: i32,
        pub due_on: Date,
    }

    /// What nobody has been told yet of a benefit's measurements and reviews, as they stand on a day: so much at most, the
    /// oldest first.
    pub async fn untold(
        db: &impl ConnectionTrait,
        organisation: OrganisationId,
        benefit: BenefitId,
        today: Date,
        most: i64,
    ) -> Result<Vec<Untold>> {
        let sql = "SELECT found.* FROM (SELECT 'MEASUREMENT_' || s.state AS kind, s.number, s.due_on \
                FROM measurement_slots($1, $3) s WHERE s.benefit_id = $2 AND s.state IN ('DUE', 'LATE', 'MISSING') \
            UNION ALL SELECT 'REVIEW_DUE', d.number, d.due_on FROM benefit_review_dues($1) d \
                WHERE d.benefit_id = $2 AND NOT d.done AND d.due_on <= $3) found \
            WHERE NOT EXISTS (SELECT FROM benefit_events e WHERE e.organisation_id = $1 AND e.benefit_id = $2 \
                AND e.kind = found.kind AND e.due_on = found.due_on) \
            ORDER BY found.due_on, found.kind LIMIT $4";
        let values = [organisation.uuid().into(), benefit.uuid().into(), today.into(), most.into()];
        Ok(Untold::find_by_statement(postgres(sql, values)).all(db).await?)
    }
}
