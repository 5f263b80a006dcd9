//! Gate reviews, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use aws_lc_rs::digest::{SHA256, digest};
use gevinst_proto::v1 as pb;
use sea_orm::{FromQueryResult, Iterable, QuerySelect, entity::prelude::*};
use serde::Deserialize;
use time::OffsetDateTime;

use super::rules::{GateCode, Outcome, ReviewState, RiskClass, Stop};
use crate::{
    auth::Resource,
    conditions,
    db::postgres,
    error::{Error, Result},
    ids::{GateReviewId, OrganisationId, ProjectId},
    listing::{Field, FieldKind, List},
    wire::{known, named, read_json, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
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
    #[serde(with = "time::serde::iso8601")]
    pub submitted_at: OffsetDateTime,
    #[serde(default)]
    pub basis: String,
    pub basis_sha256: String,
    pub outcome: Option<String>,
    pub decider: Option<String>,
    pub reason: String,
    #[serde(with = "time::serde::iso8601::option")]
    pub ended_at: Option<OffsetDateTime>,
    pub amount_ore: i64,
    pub risk_class: String,
    pub decided_for: Option<String>,
    pub submitted_for: Option<String>,
    pub drafter: Option<String>,
    pub summary: String,
    pub hold_reasons: Vec<String>,
    pub supersedes_id: Option<Uuid>,
    pub gate_model_id: Uuid,
    #[serde(default = "no_criteria")]
    pub criteria: Json,
    pub stop: Option<Json>,
    pub led_to: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

fn no_criteria() -> Json {
    Json::Array(Vec::new())
}

/// A project's reviews.
pub fn find_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid())).filter(Column::ProjectId.eq(project.uuid()))
}

/// The same, with empty texts for their bases: those can be long, and a list has many.
pub fn find_without_basis_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
    let columns = Column::iter().filter(|column| !matches!(column, Column::Basis | Column::Criteria));
    find_in(organisation, project)
        .select_only()
        .columns(columns)
        .column_as(Expr::value(""), Column::Basis)
        .column_as(Expr::value(serde_json::json!([])), Column::Criteria)
}

/// One of them.
pub fn find_one_in(organisation: OrganisationId, project: ProjectId, id: GateReviewId) -> Select<Entity> {
    find_in(organisation, project).filter(Column::Id.eq(id.uuid()))
}

/// The project's review that is drafted or waits for its decision.
pub fn find_open(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
    let open = [ReviewState::Draft, ReviewState::Submitted].map(<&str>::from);
    find_in(organisation, project).filter(Column::State.is_in(open))
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

    /// Names what a draft asks for: who submits it has read just that.
    pub fn etag(&self) -> String {
        let asked = format!("{} {} {} {}", self.state, self.amount_ore, self.risk_class, self.summary);
        let hash = digest(&SHA256, asked.as_bytes());
        hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Who prepares it, while it is a draft; then it is its submitter's.
    pub fn drafter(&self) -> &str {
        let drafter = self.drafter.as_deref().filter(|_| self.state == <&str>::from(ReviewState::Draft));
        drafter.unwrap_or(&self.submitter)
    }

    /// As the contract shows it, with the text of the basis; answers, conditions and what has corrected it are beside it.
    pub fn into_proto(self) -> Result<pb::GateReview> {
        let (submitted, etag) = (!self.basis_sha256.is_empty(), self.etag());
        let basis = pb::DecisionBasis { canonical_json: self.basis, sha256: self.basis_sha256 };
        let criteria: Vec<Json> = serde_json::from_value(self.criteria).map_err(unreadable)?;
        Ok(pb::GateReview {
            id: self.id.to_string(),
            organisation: self.organisation_id.to_string(),
            project: self.project_id.to_string(),
            gate: known::<GateCode>(&self.gate)? as i32,
            attempt: self.attempt,
            state: known::<ReviewState>(&self.state)? as i32,
            submitter: self.submitter,
            project_manager: self.project_manager,
            submit_time: submitted.then(|| timestamp(self.submitted_at)),
            decision_basis: submitted.then_some(basis),
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
            hold_reasons: hold_reasons(&self.hold_reasons)?,
            conditions: Vec::new(),
            supersedes: self.supersedes_id.map(|id| id.to_string()),
            superseded_by: None,
            drafter: self.drafter,
            etag,
            gate_model: self.gate_model_id.to_string(),
            criteria: criteria.into_iter().map(read_json).collect::<Result<_>>()?,
            stop: self.stop.map(stop).transpose()?,
            summary: Some(self.summary).filter(|summary| !summary.is_empty()),
        })
    }
}

/// A review, its answers, and what authority asks of its project.
pub struct Placed {
    pub review: Model,
    votes: Vec<vote::Model>,
    conditions: Vec<conditions::entity::Model>,
    superseded_by: Option<Uuid>,
    scopes: Vec<Uuid>,
    project_owner: String,
    manager_now: String,
}

const PLACED: &str = "SELECT r.*, p.scopes AS p_scopes, p.project_owner AS p_owner, p.project_manager AS p_manager, \
    (SELECT coalesce(json_agg(v ORDER BY v.voted_at), '[]') FROM gate_votes v \
        WHERE v.organisation_id = r.organisation_id AND v.gate_review_id = r.id) AS p_votes, \
    (SELECT coalesce(json_agg(c ORDER BY c.due_on, c.id), '[]') FROM conditions c \
        WHERE c.organisation_id = r.organisation_id AND c.gate_review_id = r.id) AS p_conditions, \
    (SELECT s.id FROM gate_reviews s WHERE s.organisation_id = r.organisation_id AND s.supersedes_id = r.id \
        AND s.state = 'DECIDED' AND s.outcome <> 'ESCALATED') AS p_superseded_by \
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
    let (votes, conditions): (Json, Json) = (row.try_get("", "p_votes")?, row.try_get("", "p_conditions")?);
    Ok(Some(Placed {
        review: Model::from_query_result(&row, "")?,
        votes: serde_json::from_value(votes).map_err(unreadable)?,
        conditions: serde_json::from_value(conditions).map_err(unreadable)?,
        superseded_by: row.try_get("", "p_superseded_by")?,
        scopes: row.try_get("", "p_scopes")?,
        project_owner: row.try_get("", "p_owner")?,
        manager_now: row.try_get("", "p_manager")?,
    }))
}

impl Placed {
    /// As the contract shows it, with all that belongs to it.
    pub fn into_proto(self) -> Result<pb::GateReview> {
        Ok(pb::GateReview {
            votes: self.votes.into_iter().map(vote::Model::into_proto).collect::<Result<_>>()?,
            conditions: self
                .conditions
                .into_iter()
                .map(conditions::entity::Model::into_proto)
                .collect::<Result<_>>()?,
            superseded_by: self.superseded_by.map(|id| id.to_string()),
            ..self.review.into_proto()?
        })
    }
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
            drafter: placed.review.drafter(),
            project_owner: &placed.project_owner,
        }
    }
}

/// The numbers of reasons to hold.
fn hold_reasons(names: &[String]) -> Result<Vec<i32>> {
    names.iter().map(|name| named(pb::HoldReason::from_str_name, "HOLD_REASON_", name)).collect()
}

/// What a project had cost when it was stopped (S21).
fn stop(row: Json) -> Result<pb::StopRecord> {
    let stop: Stop = serde_json::from_value(row).map_err(unreadable)?;
    Ok(pb::StopRecord {
        sunk_cost_ore: stop.sunk_cost_ore,
        days_since_g1: stop.days_since_g1,
        budget_ore: stop.budget_ore,
        share_of_budget: stop.share_of_budget().map(|share| share.to_string()),
    })
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::Internal(format!("a review's row: {error}"))
}

/// Links, as rows keep them.
pub fn evidence(links: Json) -> Result<Vec<pb::EvidenceLink>> {
    let links: Vec<Json> = serde_json::from_value(links).map_err(unreadable)?;
    links.into_iter().map(read_json).collect()
}

/// A published version of the gate model; never changed.
pub mod gate_model {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::OffsetDateTime;

    use crate::{
        error::{Error, Result},
        ids::OrganisationId,
        listing::{Field, FieldKind, List},
        wire::{read_json, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "gate_models")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub version: i32,
        pub definition: String,
        pub sha256: String,
        pub publisher: String,
        pub reason: String,
        #[serde(with = "time::serde::iso8601")]
        pub published_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's models.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// What models can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "name", column: Column::Name, kind: FieldKind::Text },
            Field { name: "publisher", column: Column::Publisher, kind: FieldKind::Text },
            Field { name: "publish_time", column: Column::PublishedAt, kind: FieldKind::Time },
        ],
        orders: &["publish_time"],
        default_order: "publish_time desc",
        id: Column::Id,
    };

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::GateModel> {
            let definition = serde_json::from_str(&self.definition)
                .map_err(|error| Error::Internal(format!("gate model {}: {error}", self.id)))?;
            Ok(pb::GateModel {
                id: self.id.to_string(),
                organisation: self.organisation_id.to_string(),
                version: self.version,
                sha256: self.sha256,
                publisher: Some(self.publisher),
                reason: self.reason,
                publish_time: Some(timestamp(self.published_at)),
                definition: Some(read_json(definition)?),
            })
        }
    }
}

/// How a criterion stands; never changed.
pub mod assessment {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::OffsetDateTime;

    use super::{super::rules::GateCode, evidence};
    use crate::{
        error::Result,
        ids::{OrganisationId, ProjectId},
        listing::{Field, FieldKind, List},
        wire::{known, named, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "criterion_assessments")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub gate: String,
        pub criterion: String,
        pub grade: String,
        pub reason: String,
        pub evidence: Json,
        pub assessor: String,
        pub assessed_for: Option<String>,
        #[serde(with = "time::serde::iso8601")]
        pub assessed_at: OffsetDateTime,
        pub gate_model_id: Uuid,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A project's assessments.
    pub fn find_in(organisation: OrganisationId, project: ProjectId) -> Select<Entity> {
        Entity::find()
            .filter(Column::OrganisationId.eq(organisation.uuid()))
            .filter(Column::ProjectId.eq(project.uuid()))
    }

    /// What assessments can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field {
                name: "gate",
                column: Column::Gate,
                kind: FieldKind::Name(|name| name.parse::<GateCode>().is_ok()),
            },
            Field { name: "criterion", column: Column::Criterion, kind: FieldKind::Text },
            Field {
                name: "grade",
                column: Column::Grade,
                kind: FieldKind::Name(|name| named(pb::Grade::from_str_name, "GRADE_", name).is_ok()),
            },
            Field { name: "assessor", column: Column::Assessor, kind: FieldKind::Text },
            Field { name: "assess_time", column: Column::AssessedAt, kind: FieldKind::Time },
        ],
        orders: &["assess_time"],
        default_order: "assess_time desc",
        id: Column::Id,
    };

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::CriterionAssessment> {
            Ok(pb::CriterionAssessment {
                id: self.id.to_string(),
                project: self.project_id.to_string(),
                gate: known::<GateCode>(&self.gate)? as i32,
                criterion: self.criterion,
                grade: named(pb::Grade::from_str_name, "GRADE_", &self.grade)?,
                reason: self.reason,
                evidence: evidence(self.evidence)?,
                assessor: self.assessor,
                assessed_for: self.assessed_for,
                assess_time: Some(timestamp(self.assessed_at)),
                gate_model: self.gate_model_id.to_string(),
            })
        }
    }
}

/// One person's answer; never changed.
pub mod vote {
    use gevinst_proto::v1 as pb;
    use sea_orm::{QueryOrder, entity::prelude::*};
    use serde::Deserialize;
    use time::OffsetDateTime;

    use super::{super::rules::Outcome, hold_reasons, unreadable};
    use crate::{
        error::Result,
        ids::{GateReviewId, OrganisationId},
        wire::{known, read_json, timestamp},
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
        pub hold_reasons: Vec<String>,
        pub conditions: Json,
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
        /// The conditions that it names.
        pub fn conditions(&self) -> Result<Vec<pb::NewCondition>> {
            let conditions: Vec<Json> = serde_json::from_value(self.conditions.clone()).map_err(unreadable)?;
            conditions.into_iter().map(read_json).collect()
        }

        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::GateVote> {
            Ok(pb::GateVote {
                hold_reasons: hold_reasons(&self.hold_reasons)?,
                conditions: self.conditions()?,
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
