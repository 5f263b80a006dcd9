//! Conditions, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::{ExprTrait, FromQueryResult, entity::prelude::*};
use serde::Deserialize;
use strum::{EnumString, FromRepr, IntoStaticStr};
use time::{Date, OffsetDateTime};

use crate::{
    auth::{Resource, caller::SYSTEM},
    db::postgres,
    error::Result,
    gates::entity::evidence,
    ids::{ConditionId, GateReviewId, OrganisationId, ProjectId},
    listing::{Field, FieldKind, List},
    wire::{etag, iso_day, known, timestamp},
};

/// Where a condition is. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
pub enum ConditionState {
    Open = 1,
    Met = 2,
    Waived = 3,
    Lapsed = 4,
    Superseded = 5,
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "conditions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub project_id: Uuid,
    pub gate_review_id: Uuid,
    pub title: String,
    pub owner: String,
    #[serde(with = "iso_day")]
    pub due_on: Date,
    pub blocking: bool,
    pub state: String,
    pub evidence: Json,
    pub waiver_proposer: Option<String>,
    pub waiver_reason: String,
    pub settled_by: Option<String>,
    pub settle_reason: String,
    #[serde(with = "time::serde::iso8601::option")]
    pub settled_at: Option<OffsetDateTime>,
    pub version: i64,
    #[serde(with = "time::serde::iso8601")]
    pub created_at: OffsetDateTime,
}

impl ActiveModelBehavior for ActiveModel {}

/// An organisation's conditions.
pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
}

/// One of them.
pub fn find_one_in(organisation: OrganisationId, id: ConditionId) -> Select<Entity> {
    find_in(organisation).filter(Column::Id.eq(id.uuid()))
}

/// Those that a project may not go on without, and that were not met by their day.
pub fn find_blocking_lapsed(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
    find_in(organisation)
        .filter(Column::ProjectId.eq(project.uuid()))
        .filter(Column::Blocking.eq(true))
        .filter(Column::State.eq(<&str>::from(ConditionState::Lapsed)))
}

/// Ends those of a review that are neither met nor waived: the decision that set them counts no more.
pub async fn supersede(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    review: GateReviewId,
    now: OffsetDateTime,
) -> Result<Vec<Model>, DbErr> {
    let unsettled = [ConditionState::Open, ConditionState::Lapsed].map(<&str>::from);
    Entity::update_many()
        .col_expr(Column::State, Expr::value(<&str>::from(ConditionState::Superseded)))
        .col_expr(Column::SettledBy, Expr::value(SYSTEM))
        .col_expr(Column::SettleReason, Expr::value(""))
        .col_expr(Column::SettledAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::OrganisationId.eq(organisation.uuid()))
        .filter(Column::GateReviewId.eq(review.uuid()))
        .filter(Column::State.is_in(unsettled))
        .exec_with_returning(db)
        .await
}

/// What conditions can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "project", column: Column::ProjectId, kind: FieldKind::Id },
        Field { name: "gate_review", column: Column::GateReviewId, kind: FieldKind::Id },
        Field { name: "owner", column: Column::Owner, kind: FieldKind::Text },
        Field {
            name: "state",
            column: Column::State,
            kind: FieldKind::Name(|name| name.parse::<ConditionState>().is_ok()),
        },
        Field { name: "blocking", column: Column::Blocking, kind: FieldKind::Bool },
        Field { name: "due_on", column: Column::DueOn, kind: FieldKind::Date },
    ],
    orders: &["due_on"],
    default_order: "due_on",
    id: Column::Id,
};

impl Model {
    /// Where it is.
    pub fn state(&self) -> Result<ConditionState> {
        known(&self.state)
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::Condition> {
        Ok(pb::Condition {
            state: self.state()? as i32,
            id: self.id.to_string(),
            organisation: self.organisation_id.to_string(),
            project: self.project_id.to_string(),
            gate_review: self.gate_review_id.to_string(),
            title: self.title,
            owner: self.owner,
            due_on: self.due_on.to_string(),
            blocking: self.blocking,
            evidence: evidence(self.evidence)?,
            waiver_proposer: self.waiver_proposer,
            waiver_reason: self.waiver_reason,
            settled_by: self.settled_by,
            settle_reason: self.settle_reason,
            settle_time: self.settled_at.map(timestamp),
            create_time: Some(timestamp(self.created_at)),
            etag: etag(self.version),
        })
    }
}

/// A condition, and what authority asks of its project; its own owner may not see that.
pub struct Placed {
    pub condition: Model,
    scopes: Vec<Uuid>,
    project_owner: String,
    project_manager: String,
}

const PLACED: &str = "SELECT c.*, p.scopes AS p_scopes, p.project_owner AS p_owner, p.project_manager AS p_manager \
    FROM conditions c LEFT JOIN projects p ON p.organisation_id = c.organisation_id AND p.id = c.project_id \
    WHERE c.organisation_id = $1 AND c.id = $2 FOR UPDATE OF c";

/// One condition with its place, in one question; locked until the command ends.
pub async fn placed(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    id: ConditionId,
) -> Result<Option<Placed>> {
    let question = postgres(PLACED, [organisation.uuid().into(), id.uuid().into()]);
    let Some(row) = db.query_one_raw(question).await? else {
        return Ok(None);
    };
    Ok(Some(Placed {
        condition: Model::from_query_result(&row, "")?,
        scopes: row.try_get::<Option<_>>("", "p_scopes")?.unwrap_or_default(),
        project_owner: row.try_get::<Option<_>>("", "p_owner")?.unwrap_or_default(),
        project_manager: row.try_get::<Option<_>>("", "p_manager")?.unwrap_or_default(),
    }))
}

impl<'a> From<&'a Placed> for Resource<'a> {
    fn from(placed: &'a Placed) -> Self {
        Self::Condition {
            organisation: &placed.condition.organisation_id,
            scopes: &placed.scopes,
            owner: &placed.condition.owner,
            waiver_proposer: placed.condition.waiver_proposer.as_deref().unwrap_or(&placed.condition.owner),
            project_owner: &placed.project_owner,
            project_manager: &placed.project_manager,
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for state in ConditionState::iter() {
            let name = format!("CONDITION_STATE_{}", <&str>::from(state));
            assert_eq!(pb::ConditionState::from_str_name(&name).map(i32::from), Some(state as i32), "{name}");
        }
    }
}
