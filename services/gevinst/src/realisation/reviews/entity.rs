//! What reviews have found, and those that the policy asks for, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::rules::BenefitOutcome;
use crate::{
    error::Result,
    ids::{BenefitId, OrganisationId},
    listing::{Field, FieldKind, List},
    wire::{decimal_text, known, named, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "benefit_reviews")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub benefit_id: Uuid,
    pub number: Option<i32>,
    pub outcome: String,
    pub outcome_by_rule: Option<String>,
    pub deviation_reason: String,
    pub statement: String,
    pub plan_number: i32,
    #[sea_orm(column_type = "Decimal(Some((21, 6)))")]
    pub baseline: Decimal,
    #[sea_orm(column_type = "Decimal(Some((21, 6)))")]
    pub target: Decimal,
    pub measurement_id: Option<Uuid>,
    #[sea_orm(column_type = "Decimal(Some((21, 6)))")]
    pub actual: Option<Decimal>,
    pub realised_ore: Option<i64>,
    pub planned_to_date_ore: Option<i64>,
    #[sea_orm(column_type = "Decimal(None)")]
    pub share: Option<Decimal>,
    pub share_basis: Option<String>,
    pub policy_version: i32,
    #[sea_orm(column_type = "Decimal(Some((5, 4)))")]
    pub realised_from: Decimal,
    #[sea_orm(column_type = "Decimal(Some((5, 4)))")]
    pub partly_from: Decimal,
    pub reviewer: String,
    pub reviewed_at: OffsetDateTime,
}

impl ActiveModelBehavior for ActiveModel {}

/// A benefit's reviews.
pub fn find_in(organisation: OrganisationId, benefit: BenefitId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid())).filter(Column::BenefitId.eq(benefit.uuid()))
}

/// What reviews can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field {
            name: "outcome",
            column: Column::Outcome,
            kind: FieldKind::Name(|name| name.parse::<BenefitOutcome>().is_ok()),
        },
        Field { name: "reviewer", column: Column::Reviewer, kind: FieldKind::Text },
        Field { name: "review_time", column: Column::ReviewedAt, kind: FieldKind::Time },
    ],
    orders: &["review_time"],
    default_order: "review_time desc",
    id: Column::Id,
};

impl Model {
    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::BenefitReview> {
        let by_rule = self.outcome_by_rule.map(|name| known::<BenefitOutcome>(&name)).transpose()?;
        let basis = |name: String| named(pb::ReviewShareBasis::from_str_name, "REVIEW_SHARE_BASIS_", &name);
        Ok(pb::BenefitReview {
            id: self.id.to_string(),
            benefit: self.benefit_id.to_string(),
            number: self.number,
            outcome: known::<BenefitOutcome>(&self.outcome)? as i32,
            outcome_by_rule: by_rule.map(|outcome| outcome as i32).unwrap_or_default(),
            deviation_reason: self.deviation_reason,
            statement: self.statement,
            plan: self.plan_number,
            baseline: decimal_text(self.baseline),
            target: decimal_text(self.target),
            measurement: self.measurement_id.map(|id| id.to_string()),
            actual: self.actual.map(decimal_text),
            realised_ore: self.realised_ore,
            planned_to_date_ore: self.planned_to_date_ore,
            share: self.share.map(|share| share.to_string()),
            share_basis: self.share_basis.map(basis).transpose()?.unwrap_or_default(),
            policy_version: self.policy_version,
            realised_from: decimal_text(self.realised_from),
            partly_from: decimal_text(self.partly_from),
            reviewer: self.reviewer,
            review_time: Some(timestamp(self.reviewed_at)),
        })
    }
}

/// A review that the policy asks for, of a project.
pub mod due {
    use gevinst_proto::v1 as pb;
    use sea_orm::{
        QueryTrait,
        entity::prelude::*,
        sea_query::{Expr, Func},
    };
    use time::Date;

    use crate::{
        db::postgres,
        error::Result,
        ids::{BenefitId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::named,
    };

    /// The rows of a function, not of a table.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "due_benefit_reviews")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub project_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i32,
        pub due_on: Date,
        pub state: String,
        pub missing: Vec<Uuid>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's, as they stand on a day.
    pub fn find_in(organisation: OrganisationId, today: Date) -> Select<Entity> {
        let mut select = Entity::find();
        let function = Func::cust("due_benefit_reviews").args([Expr::value(organisation.uuid()), Expr::value(today)]);
        QueryTrait::query(&mut select).from_clear().from_function(function, Entity);
        select
    }

    /// The day on which a benefit's review is due, of those that the policy in force asks for.
    pub async fn day(
        db: &impl ConnectionTrait,
        organisation: OrganisationId,
        benefit: BenefitId,
        number: i32,
    ) -> Result<Option<Date>> {
        let sql = "SELECT d.due_on FROM benefit_review_dues($1) d WHERE d.benefit_id = $2 AND d.number = $3";
        let values = [organisation.uuid().into(), benefit.uuid().into(), number.into()];
        let row = db.query_one_raw(postgres(sql, values)).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    }

    /// What they can be filtered on and ordered by. No two of a project are due on one day.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "project", column: Column::ProjectId, kind: FieldKind::Id },
            Field { name: "state", column: Column::State, kind: FieldKind::Name(|name| state(name).is_ok()) },
            Field { name: "due_on", column: Column::DueOn, kind: FieldKind::Date },
        ],
        orders: &["due_on"],
        default_order: "due_on",
        id: Column::ProjectId,
    };

    fn state(name: &str) -> Result<i32> {
        named(pb::DueReviewState::from_str_name, "DUE_REVIEW_STATE_", name)
    }

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::DueBenefitReview> {
            Ok(pb::DueBenefitReview {
                project: self.project_id.to_string(),
                number: self.number,
                due_on: self.due_on.to_string(),
                state: state(&self.state)?,
                missing_benefits: self.missing.iter().map(Uuid::to_string).collect(),
            })
        }
    }
}
