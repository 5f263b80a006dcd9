//! Gate reviews, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::{Iterable, QueryOrder, QuerySelect, entity::prelude::*};
use time::OffsetDateTime;

use super::rules::{GateCode, Outcome, ReviewState};
use crate::{
    auth::{Relationship, Resource},
    error::Result,
    ids::{GateReviewId, OrganisationId, ProjectId},
    listing::{Field, FieldKind, List},
    wire::{known, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "gate_reviews")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub project_id: Uuid,
    pub gate: String,
    pub attempt: i32,
    pub state: String,
    pub submitter: String,
    pub project_manager: String,
    pub submitted_at: OffsetDateTime,
    pub basis: String,
    pub basis_sha256: String,
    pub outcome: Option<String>,
    pub decider: Option<String>,
    pub reason: String,
    pub ended_at: Option<OffsetDateTime>,
}

impl ActiveModelBehavior for ActiveModel {}

/// A project's reviews.
pub fn find_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid())).filter(Column::ProjectId.eq(project.uuid()))
}

/// The same, with empty texts for their bases: those can be long, and a list has many.
pub fn find_without_basis_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
    let columns = Column::iter().filter(|column| !matches!(column, Column::Basis));
    find_in(organisation, project).select_only().columns(columns).column_as(Expr::value(""), Column::Basis)
}

/// One of them.
pub fn find_one_in(organisation: OrganisationId, project: ProjectId, id: GateReviewId) -> Select<Entity> {
    find_in(organisation, project).filter(Column::Id.eq(id.uuid()))
}

/// The project's review that waits for its decision.
pub fn find_open(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
    find_in(organisation, project).filter(Column::State.eq(<&str>::from(ReviewState::Submitted)))
}

/// The project's decided reviews, oldest first.
pub fn find_decided(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
    find_in(organisation, project)
        .filter(Column::State.eq(<&str>::from(ReviewState::Decided)))
        .order_by_asc(Column::SubmittedAt)
        .order_by_asc(Column::Id)
}

/// What reviews can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "gate", column: Column::Gate, kind: FieldKind::Name(|name| name.parse::<GateCode>().is_ok()) },
        Field {
            name: "state",
            column: Column::State,
            kind: FieldKind::Name(|name| name.parse::<ReviewState>().is_ok()),
        },
        Field {
            name: "outcome",
            column: Column::Outcome,
            kind: FieldKind::Name(|name| name.parse::<Outcome>().is_ok()),
        },
        Field { name: "submitter", column: Column::Submitter, kind: FieldKind::Text },
        Field { name: "decider", column: Column::Decider, kind: FieldKind::Text },
        Field { name: "submit_time", column: Column::SubmittedAt, kind: FieldKind::Time },
    ],
    orders: &["submit_time"],
    default_order: "submit_time desc",
    id: Column::Id,
};

impl Model {
    /// As the contract shows it, with the text of the basis.
    pub fn into_proto(self) -> Result<pb::GateReview> {
        Ok(pb::GateReview {
            id: self.id.to_string(),
            organisation: self.organisation_id.to_string(),
            project: self.project_id.to_string(),
            gate: known::<GateCode>(&self.gate)? as i32,
            attempt: self.attempt,
            state: known::<ReviewState>(&self.state)? as i32,
            submitter: self.submitter,
            project_manager: self.project_manager,
            submit_time: Some(timestamp(self.submitted_at)),
            decision_basis: Some(pb::DecisionBasis { canonical_json: self.basis, sha256: self.basis_sha256 }),
            outcome: match self.outcome {
                Some(outcome) => known::<Outcome>(&outcome)? as i32,
                None => 0,
            },
            decider: self.decider,
            reason: self.reason,
            end_time: self.ended_at.map(timestamp),
        })
    }
}

impl<'a> From<&'a Model> for Resource<'a> {
    fn from(model: &'a Model) -> Self {
        Self::Related(Relationship::Submitter, &model.submitter)
    }
}
