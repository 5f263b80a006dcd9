//! Gate reviews, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::{FromQueryResult, Iterable, QueryOrder, QuerySelect, entity::prelude::*};
use time::OffsetDateTime;

use super::rules::{GateCode, Outcome, ReviewState, RiskClass};
use crate::{
    auth::Resource,
    db::postgres,
    error::{Error, Result},
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
    pub amount_ore: i64,
    pub risk_class: String,
    pub decided_for: Option<String>,
    pub submitted_for: Option<String>,
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
    /// Whose submission it is: the submitter's, or of whom they acted for.
    pub fn submitted_for(&self) -> &str {
        self.submitted_for.as_deref().unwrap_or(&self.submitter)
    }

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
            amount_ore: self.amount_ore,
            risk_class: known::<RiskClass>(&self.risk_class)? as i32,
            decided_for: self.decided_for,
            submitted_for: self.submitted_for,
            votes: Vec::new(),
        })
    }
}

/// A review, its answers, and what authority asks of its project.
pub struct Placed {
    pub review: Model,
    pub votes: Vec<vote::Model>,
    scopes: Vec<Uuid>,
    project_owner: String,
    manager_now: String,
}

const PLACED: &str = "SELECT r.*, p.scopes AS p_scopes, p.project_owner AS p_owner, p.project_manager AS p_manager, \
    (SELECT coalesce(json_agg(v ORDER BY v.voted_at), '[]') FROM gate_votes v \
        WHERE v.organisation_id = r.organisation_id AND v.gate_review_id = r.id) AS p_votes \
    FROM gate_reviews r JOIN projects p ON p.organisation_id = r.organisation_id AND p.id = r.project_id \
    WHERE r.organisation_id = $1 AND r.project_id = $2 AND r.id = $3";

/// One review with its answers and its place, in one question.
pub async fn placed(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    project: ProjectId,
    id: GateReviewId,
) -> Result<Option<Placed>> {
    let question = postgres(PLACED, [organisation.uuid().into(), project.uuid().into(), id.uuid().into()]);
    let Some(row) = db.query_one_raw(question).await? else {
        return Ok(None);
    };
    let votes: Json = row.try_get("", "p_votes")?;
    Ok(Some(Placed {
        review: Model::from_query_result(&row, "")?,
        votes: serde_json::from_value(votes).map_err(|error| Error::Internal(format!("votes: {error}")))?,
        scopes: row.try_get("", "p_scopes")?,
        project_owner: row.try_get("", "p_owner")?,
        manager_now: row.try_get("", "p_manager")?,
    }))
}

impl<'a> From<&'a Placed> for Resource<'a> {
    fn from(placed: &'a Placed) -> Self {
        Self::GateReview {
            organisation: &placed.review.organisation_id,
            scopes: &placed.scopes,
            submitter: &placed.review.submitter,
            submitted_for: placed.review.submitted_for(),
            manager: &placed.review.project_manager,
            manager_now: &placed.manager_now,
            project_owner: &placed.project_owner,
        }
    }
}

/// One person's answer; never changed.
pub mod vote {
    use gevinst_proto::v1 as pb;
    use sea_orm::{QueryOrder, entity::prelude::*};
    use serde::Deserialize;
    use time::OffsetDateTime;

    use super::super::rules::Outcome;
    use crate::{
        error::Result,
        ids::{GateReviewId, OrganisationId},
        wire::{known, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "gate_votes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub gate_review_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub principal: String,
        pub voter: String,
        pub outcome: String,
        pub reason: String,
        pub authority_rule_id: Option<Uuid>,
        #[serde(with = "time::serde::iso8601")]
        pub voted_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A review's answers, oldest first.
    pub fn find_in(organisation: OrganisationId, review: GateReviewId) -> Select<Entity> {
        Entity::find()
            .filter(Column::OrganisationId.eq(organisation.uuid()))
            .filter(Column::GateReviewId.eq(review.uuid()))
            .order_by_asc(Column::VotedAt)
    }

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::GateVote> {
            Ok(pb::GateVote {
                acting_for: (self.principal != self.voter).then_some(self.principal),
                voter: self.voter,
                outcome: known::<Outcome>(&self.outcome)? as i32,
                reason: self.reason,
                authority_rule: self.authority_rule_id.map(|id| id.to_string()),
                vote_time: Some(timestamp(self.voted_at)),
            })
        }
    }
}
