//! Benefit policies, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, QueryOrder, entity::prelude::*};
use time::OffsetDateTime;

use super::rules::BenefitPolicy;
use crate::{
    error::Result,
    ids::OrganisationId,
    wire::{decimal_text, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "benefit_policies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i32,
    pub review_months: Vec<i32>,
    pub grace_days: i32,
    pub missing_days: i32,
    #[sea_orm(column_type = "Decimal(Some((5, 4)))")]
    pub yellow_below: Decimal,
    #[sea_orm(column_type = "Decimal(Some((5, 4)))")]
    pub red_below: Decimal,
    #[sea_orm(column_type = "Decimal(Some((5, 4)))")]
    pub realised_from: Decimal,
    #[sea_orm(column_type = "Decimal(Some((5, 4)))")]
    pub partly_from: Decimal,
    pub setter: String,
    pub set_at: OffsetDateTime,
    pub reason: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// An organisation's versions, the newest first.
pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid())).order_by_desc(Column::Version)
}

/// The version in force.
pub async fn in_force(db: &impl ConnectionTrait, organisation: OrganisationId) -> Result<BenefitPolicy> {
    let newest = find_in(organisation).one(db).await?;
    Ok(newest.as_ref().map(Model::policy).unwrap_or_default())
}

impl Model {
    /// What it says.
    pub fn policy(&self) -> BenefitPolicy {
        BenefitPolicy {
            version: self.version,
            review_months: self.review_months.clone(),
            grace_days: self.grace_days,
            missing_days: self.missing_days,
            yellow_below: self.yellow_below,
            red_below: self.red_below,
            realised_from: self.realised_from,
            partly_from: self.partly_from,
        }
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> pb::BenefitPolicy {
        let said = self.policy().into();
        pb::BenefitPolicy { setter: self.setter, set_time: Some(timestamp(self.set_at)), reason: self.reason, ..said }
    }
}

impl From<BenefitPolicy> for pb::BenefitPolicy {
    fn from(policy: BenefitPolicy) -> Self {
        Self {
            version: policy.version,
            review_months: policy.review_months,
            grace_days: policy.grace_days,
            missing_days: policy.missing_days,
            yellow_below: decimal_text(policy.yellow_below),
            red_below: decimal_text(policy.red_below),
            realised_from: decimal_text(policy.realised_from),
            partly_from: decimal_text(policy.partly_from),
            ..Self::default()
        }
    }
}
