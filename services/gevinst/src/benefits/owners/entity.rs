//! Who was asked to own benefits, and who owns them, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::{FromQueryResult, entity::prelude::*};
use serde::Deserialize;
use time::{Date, OffsetDateTime};

use super::rules::{OwnershipState, Reason, Unit, escalated_to, is_covered, leadership};
use crate::{
    auth::Resource,
    benefits::entity::benefit,
    db::{json_column, postgres},
    error::Result,
    ids::{BenefitId, OrganisationId, ProjectId},
    listing::{Field, FieldKind, List},
    organisations::entity::org_unit,
    projects,
    wire::{known, read_json, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "benefit_ownerships")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub benefit_id: Uuid,
    pub owner: String,
    pub state: String,
    pub nominated_by: String,
    pub reason: String,
    #[serde(with = "time::serde::iso8601")]
    pub nominated_at: OffsetDateTime,
    pub eligibility: Option<Json>,
    pub exception_reason: String,
    pub approver: Option<String>,
    pub approval_reason: String,
    #[serde(with = "time::serde::iso8601::option")]
    pub approved_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::iso8601::option")]
    pub answered_at: Option<OffsetDateTime>,
    pub decline_reason: String,
    #[serde(with = "time::serde::iso8601::option")]
    pub ended_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::iso8601::option")]
    pub orphaned_at: Option<OffsetDateTime>,
    pub accepted_plan: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}

/// A benefit's ownerships.
pub fn find_in(organisation: OrganisationId, benefit: BenefitId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid())).filter(Column::BenefitId.eq(benefit.uuid()))
}

/// The ownership of who has accepted, and has not departed.
pub fn find_accepted_in(organisation: OrganisationId, benefit: BenefitId) -> Select<Entity> {
    find_in(organisation, benefit).filter(Column::State.eq(<&str>::from(OwnershipState::Accepted)))
}

/// Ends the ownership of who has accepted, departed or not, if somebody has: another accepts.
pub async fn hand_over(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    benefit: BenefitId,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(<&str>::from(OwnershipState::HandedOver)))
        .col_expr(Column::EndedAt, Expr::value(now))
        .filter(Column::OrganisationId.eq(organisation.uuid()))
        .filter(Column::BenefitId.eq(benefit.uuid()))
        .filter(Column::State.is_in([OwnershipState::Accepted, OwnershipState::Orphaned].map(<&str>::from)))
        .exec(db)
        .await
        .map(drop)
}

/// What ownerships can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "owner", column: Column::Owner, kind: FieldKind::Text },
        Field {
            name: "state",
            column: Column::State,
            kind: FieldKind::Name(|name| name.parse::<OwnershipState>().is_ok()),
        },
        Field { name: "nominate_time", column: Column::NominatedAt, kind: FieldKind::Time },
    ],
    orders: &["nominate_time"],
    default_order: "nominate_time desc",
    id: Column::Id,
};

impl Model {
    /// Where it is.
    pub fn state(&self) -> Result<OwnershipState> {
        known(&self.state)
    }

    /// Whether an exception was approved that covers what is found of its owner.
    pub fn is_excepted(&self, found: &pb::BenefitOwnerEligibility) -> Result<bool> {
        let Some(asked) = self.approver.as_ref().and(self.eligibility.clone()) else { return Ok(false) };
        let asked: pb::BenefitOwnerEligibility = read_json(asked)?;
        Ok(is_covered(&known_reasons(&asked), &known_reasons(found)))
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::BenefitOwnership> {
        Ok(pb::BenefitOwnership {
            state: self.state()? as i32,
            id: self.id.to_string(),
            benefit: self.benefit_id.to_string(),
            owner: self.owner,
            nominator: self.nominated_by,
            reason: self.reason,
            nominate_time: Some(timestamp(self.nominated_at)),
            eligibility: self.eligibility.map(read_json).transpose()?,
            exception_reason: self.exception_reason,
            approver: self.approver,
            approval_reason: self.approval_reason,
            approve_time: self.approved_at.map(timestamp),
            answer_time: self.answered_at.map(timestamp),
            decline_reason: self.decline_reason,
            end_time: self.ended_at.map(timestamp),
            orphan_time: self.orphaned_at.map(timestamp),
            accepted_plan: self.accepted_plan,
        })
    }
}

fn known_reasons(found: &pb::BenefitOwnerEligibility) -> Vec<Reason> {
    found.reasons.iter().filter_map(|reason| Reason::from_repr(reason.code)).collect()
}

/// A benefit with its project and the nomination that waits for an answer, if one does.
pub struct Nominated {
    pub project: projects::entity::Model,
    pub benefit: benefit::Model,
    pub open: Option<Model>,
}

/// One benefit of a project that is locked, with its open nomination, in one question.
pub async fn nominated(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    project: projects::entity::Model,
    id: BenefitId,
) -> Result<Option<Nominated>> {
    let sql = "SELECT b.*, to_json(o)::text AS open FROM benefits b LEFT JOIN benefit_ownerships o \
        ON o.organisation_id = b.organisation_id AND o.benefit_id = b.id AND o.state IN ('NOMINATED', 'AWAITING_APPROVAL') \
        WHERE b.organisation_id = $1 AND b.id = $2";
    let Some(row) = db.query_one_raw(postgres(sql, [organisation.uuid().into(), id.uuid().into()])).await? else {
        return Ok(None);
    };
    Ok(Some(Nominated {
        project,
        benefit: benefit::Model::from_query_result(&row, "")?,
        open: json_column(&row, "open")?,
    }))
}

impl<'a> From<&'a Nominated> for Resource<'a> {
    fn from(nominated: &'a Nominated) -> Self {
        let Nominated { project, benefit, open } = nominated;
        Self::Benefit {
            organisation: &benefit.organisation_id,
            scopes: &project.scopes,
            owner: &benefit.owner,
            accepted: benefit.accepted_owner(),
            escalated_to: benefit.escalated_to.as_deref(),
            nominee: open.as_ref().map_or(&benefit.owner, |open| &open.owner),
            nominator: open.as_ref().map_or(&benefit.owner, |open| &open.nominated_by),
            project_owner: &project.project_owner,
            project_manager: &project.project_manager,
        }
    }
}

/// A project with the units that it affects (I10), and those above them.
pub struct Affecting {
    pub project: projects::entity::Model,
    /// From the top down.
    units: Vec<org_unit::Model>,
}

/// One project with its units, in one question.
pub async fn affecting(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    project: ProjectId,
) -> Result<Option<Affecting>> {
    let sql = "SELECT p.*, (SELECT json_agg(u ORDER BY cardinality(u.path))::text FROM org_units u \
        WHERE u.organisation_id = p.organisation_id AND (u.id = ANY (p.scopes) OR EXISTS (SELECT FROM org_units t \
            WHERE t.organisation_id = p.organisation_id AND t.id = ANY (p.affected_units) AND u.id = ANY (t.path)))) AS units \
        FROM projects p WHERE p.organisation_id = $1 AND p.id = $2";
    let Some(row) = db.query_one_raw(postgres(sql, [organisation.uuid().into(), project.uuid().into()])).await? else {
        return Ok(None);
    };
    let project = projects::entity::Model::from_query_result(&row, "")?;
    Ok(Some(Affecting { project, units: json_column(&row, "units")?.unwrap_or_default() }))
}

impl<'a> From<&'a Affecting> for Resource<'a> {
    fn from(affecting: &'a Affecting) -> Self {
        (&affecting.project).into()
    }
}

impl Affecting {
    /// The units from the top down to each that the project affects, its own first.
    fn ways(&self) -> impl Iterator<Item = Vec<&org_unit::Model>> {
        let affected = std::iter::once(&self.project.org_unit_id).chain(&self.project.affected_units);
        let affected = affected.filter_map(|id| self.units.iter().find(|unit| unit.id == *id));
        affected.map(|last| self.units.iter().filter(|unit| last.path.contains(&unit.id)).collect())
    }

    /// Who sees to the project's benefits when their owner has departed.
    pub fn escalated_to(&self, owner: &str, today: Date) -> Option<String> {
        self.ways().find_map(|way| escalated_to(owner, &asked(&way, today)).map(str::to_owned))
    }

    /// Whether somebody can own the project's benefits, and all that was found of it: of what they lead, one way is enough.
    pub fn eligibility(&self, subject: &str, today: Date) -> pb::BenefitOwnerEligibility {
        let mut found: Vec<(Reason, &str)> = Vec::new();
        for way in self.ways() {
            let (reason, at) = leadership(subject, &asked(&way, today));
            let said = (reason, way.get(at).map_or("", |unit| &unit.name));
            if !found.contains(&said) {
                found.push(said);
            }
        }
        if let Some(leads) = found.iter().copied().find(|(reason, _)| *reason == Reason::LeadsAffectedArea) {
            found = vec![leads];
        }
        let leads = found.iter().any(|(reason, _)| *reason == Reason::LeadsAffectedArea);
        let manages = self.project.project_manager == subject;
        found.extend(manages.then_some((Reason::ManagesProject, "")));
        pb::BenefitOwnerEligibility {
            eligible: leads && !manages,
            reasons: found.into_iter().map(|(reason, unit)| said(reason, unit)).collect(),
        }
    }
}

/// Units as far as I10 asks of them.
fn asked<'a>(units: &[&'a org_unit::Model], today: Date) -> Vec<Unit<'a>> {
    let asked = units.iter().map(|unit| Unit {
        leader: unit.leader.as_deref(),
        is_operational_area: unit.is_operational_area,
        in_force: unit.valid_from.is_none_or(|from| from <= today)
            && unit.valid_until.is_none_or(|until| until >= today),
    });
    asked.collect()
}

/// Whether an organisation has revoked a subject's access.
pub async fn is_revoked(db: &impl ConnectionTrait, organisation: OrganisationId, subject: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM token_denials WHERE organisation_id = $1 AND value = $2 AND claim = 'SUBJECT' \
        AND lifted_at IS NULL)";
    let row = db.query_one_raw(postgres(sql, [organisation.uuid().into(), subject.into()])).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
}

/// A reason in words; `unit` is the one that it speaks of.
fn said(reason: Reason, unit: &str) -> pb::BenefitOwnerReason {
    let (da, en) = match reason {
        Reason::LeadsAffectedArea => {
            (format!("Leder {unit}, som projektet berører."), format!("Leads {unit}, which the project affects."))
        }
        Reason::LeadsNoAffectedUnit => (
            format!("Leder hverken {unit} eller en enhed over den."),
            format!("Leads neither {unit} nor a unit above it."),
        ),
        Reason::UnitNotInForce => {
            (format!("Leder {unit}, som ikke gælder i dag."), format!("Leads {unit}, which is not in force today."))
        }
        Reason::NoOperationalArea => (
            format!(
                "Leder {unit}, men hverken den eller en enhed mellem den og det, som projektet berører, er et driftsområde."
            ),
            format!(
                "Leads {unit}, but neither it nor a unit between it and what the project affects is an operational area."
            ),
        ),
        Reason::ManagesProject => ("Leder selv projektet.".to_owned(), "Manages the project.".to_owned()),
    };
    pb::BenefitOwnerReason { code: reason as i32, text: Some(pb::LocalizedText { da, en }) }
}
