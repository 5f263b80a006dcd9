//! The dossier: everything known about a project in one document. What a gate's criteria see, what a review freezes and
//! what a reader is shown are the same.
//!
//! It is read in one question (`dossier.sql`); a second asks for the gate model, the first time that this process meets it.
//!
//! # To add a section
//!
//! 1. A field in `Dossier` (`dossier_service.proto`), of the contract's own message: its name is what rules will speak of.
//! 2. A subselect in `dossier.sql` that gives the rows as JSON (decimals as text), and their `Model` (with `Deserialize`) in
//!    [`load`]. The table has the policy `visible`, and no more than 200 rows a project, and no text over 8 KiB: rules are
//!    bounded for that much (`gates/expression/facts.rs`), and say so of more.
//! 3. Where people are to read it: `paper/sections.rs` and, of a decision, `history.rs`.
//! 4. If the default gate model is to ask about it: a criterion in `gates/default_model.json` (code, gates, principle, both
//!    languages, who can) as long as that version is unreleased; else the next version beside it, and a line in
//!    `SHIPPED_VERSIONS`. `gates::model`'s tests hold it whole, `tests/it/readiness.rs` walks through it.

pub mod grpc;
pub mod history;
pub mod paper;
pub mod words;

use std::sync::LazyLock;

use gevinst_proto::v1 as pb;
use sea_orm::{ConnectionTrait, QueryResult};
use serde::{Deserialize, de::DeserializeOwned};
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::{history::history, paper::paper};
use crate::{
    auth::{Action, Resource},
    benefits::entity::{benefit, measurement},
    conditions,
    ctx::Ctx,
    db::postgres,
    error::{Error, Result},
    funding::{self, entity as money},
    gates::{
        criteria,
        entity::{self as gates, assessment, vote},
        model::{self, GateModel},
        rules::{GateCode, Outcome, RiskClass, Step},
    },
    ids::{GateReviewId, OrganisationId, ProjectId},
    lessons,
    organisations::entity::org_unit,
    plans::{self, entity as plan},
    projects::entity::{self as projects, event},
    wire::{known, today},
};

/// Every row of a project's, each list in the order that the contract gives; on one line, as traces show statements.
static DOSSIER: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("dossier.sql").lines().map(str::trim).filter(|line| !line.starts_with("--"));
    lines.collect::<Vec<_>>().join(" ")
});

/// What is known of a project.
pub struct Known {
    /// Its row.
    pub project: projects::Model,
    /// Its review that is drafted or waits, without its basis.
    pub open: Option<gates::Model>,
    /// Its decided reviews, oldest first, without their bases.
    pub decided: Vec<Decided>,
    /// All of it; `asked` is filled in by [`Known::ask`].
    pub dossier: pb::Dossier,
}

/// A decided review, without its basis and criteria.
#[derive(Clone, Debug, Deserialize)]
pub struct Decided {
    /// The review.
    #[serde(flatten)]
    pub review: gates::Model,
    votes: Vec<vote::Model>,
    /// What has corrected it.
    pub superseded_by: Option<Uuid>,
}

#[derive(Deserialize)]
struct Measured {
    #[serde(flatten)]
    benefit: benefit::Model,
    latest: Option<measurement::Model>,
}

impl<'a> From<&'a Known> for Resource<'a> {
    fn from(known: &'a Known) -> Self {
        (&known.project).into()
    }
}

/// What is to be decided, as far as criteria ask.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The gate.
    pub gate: GateCode,
    /// Which time.
    pub attempt: i32,
    /// What is to be released, in øre.
    pub amount_ore: i64,
    /// How risky it is to go on.
    pub risk: RiskClass,
    /// The decision that is to be corrected.
    pub supersedes: Option<Uuid>,
    /// When.
    pub at: OffsetDateTime,
}

impl Known {
    /// Puts the question that the criteria are to answer.
    pub fn ask(&mut self, asked: Asked) {
        let corrected = asked.supersedes.map(|id| id.to_string());
        let tranches = self.dossier.funding.iter().flat_map(|funding| &funding.spend_authorities);
        let counts = |tranche: &&pb::SpendAuthority| {
            Some(&tranche.gate_review) == corrected.as_ref() && tranche.revoked_by_review.is_none()
        };
        let corrects_amount_ore = tranches.filter(counts).map(|tranche| tranche.amount_ore).sum();
        self.dossier.asked = Some(pb::DossierQuestion {
            gate: asked.gate as i32,
            attempt: asked.attempt,
            amount_ore: asked.amount_ore,
            risk_class: asked.risk as i32,
            asked_on: today(asked.at).to_string(),
            corrects_amount_ore,
            corrects: corrected,
        });
    }

    /// 1, and one more for each time that the gate has sent the project back.
    pub fn attempt(&self, gate: GateCode) -> i32 {
        let recycled = |decided: &&Decided| {
            decided.superseded_by.is_none()
                && decided.review.gate == <&str>::from(gate)
                && decided.review.outcome.as_deref() == Some(Outcome::Recycle.into())
        };
        1 + i32::try_from(self.decided.iter().filter(recycled).count()).unwrap_or(i32::MAX - 1)
    }

    /// The latest decision, which alone can be corrected. What was only passed on decided nothing.
    pub fn latest(&self) -> Option<&gates::Model> {
        let decided = |found: &&Decided| found.review.outcome.as_deref() != Some(Outcome::Escalated.into());
        self.decided.iter().filter(decided).map(|found| &found.review).max_by_key(|review| (review.ended_at, review.id))
    }

    /// What the project's next gate is asked: by the open review, or by who wonders.
    fn question(&self, step: &Step, wondered: (i64, RiskClass), now: OffsetDateTime) -> Result<Asked> {
        Ok(match &self.open {
            Some(open) => Asked {
                gate: known(&open.gate)?,
                attempt: open.attempt,
                amount_ore: open.amount_ore,
                risk: known(&open.risk_class)?,
                supersedes: open.supersedes_id,
                at: now,
            },
            None => Asked {
                gate: step.code,
                attempt: self.attempt(step.code),
                amount_ore: wondered.0,
                risk: wondered.1,
                supersedes: None,
                at: now,
            },
        })
    }

    /// The gate that the project is at: the open review's, or the one that leads on.
    fn step<'m>(&self, model: &'m GateModel) -> Result<Option<&'m Step>> {
        let size = self.project.size_class()?;
        Ok(match &self.open {
            Some(open) if open.supersedes_id.is_some() => model.step_of(known(&open.gate)?, size),
            _ => model.step_from(self.project.standing()?.stage, size),
        })
    }
}

/// Reads everything known of a project, in one question.
pub async fn load(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    project: ProjectId,
) -> Result<Option<Known>> {
    let question = postgres(DOSSIER.as_str(), [organisation.uuid().into(), project.uuid().into()]);
    let Some(row) = db.query_one_raw(question).await? else {
        return Ok(None);
    };
    let project: projects::Model = section(&row, "project")?;
    let decided: Vec<Decided> = section(&row, "decisions")?;
    let benefits: Vec<Measured> = section(&row, "benefits")?;
    let dossier = pb::Dossier {
        project: Some(project.clone().into_proto()?),
        org_unit: Some(section::<org_unit::Model>(&row, "org_unit")?.into()),
        asked: None,
        benefits: benefits
            .into_iter()
            .map(|Measured { benefit, latest }| {
                let (benefit, latest_measurement) = (Some(benefit.into_proto()?), latest.map(Into::into));
                Ok(pb::DossierBenefit { benefit, latest_measurement })
            })
            .collect::<Result<_>>()?,
        decisions: decided.iter().cloned().map(Decided::into_proto).collect::<Result<_>>()?,
        conditions: each(&row, "conditions", conditions::entity::Model::into_proto)?,
        funding: Some(funding::into_proto(
            section::<Vec<money::appropriation::Model>>(&row, "appropriations")?,
            section::<Vec<money::spend_authority::Model>>(&row, "spend_authorities")?,
            row.try_get("", "spent_ore")?,
            row.try_get("", "spent_on_experiments_ore")?,
        )?),
        plan: Some(plans::into_proto(
            section::<Vec<plan::baseline::Model>>(&row, "baselines")?,
            section::<Vec<plan::direction_change::Model>>(&row, "direction_changes")?,
            section::<Vec<plan::increment::Model>>(&row, "increments")?,
        )?),
        lessons: each(&row, "lessons", |lesson: lessons::entity::Model| Ok(lesson.into()))?,
        assessments: each(&row, "assessments", assessment::Model::into_proto)?,
        events: each(&row, "events", event::Model::into_proto)?,
    };
    let open = section(&row, "open")?;
    Ok(Some(Known { project, open, decided, dossier }))
}

fn section<T: DeserializeOwned>(row: &QueryResult, name: &str) -> Result<T> {
    let value: serde_json::Value = row.try_get("", name)?;
    serde_json::from_value(value).map_err(|error| Error::Internal(format!("dossier, {name}: {error}")))
}

fn each<M: DeserializeOwned, P>(row: &QueryResult, name: &str, into: impl Fn(M) -> Result<P>) -> Result<Vec<P>> {
    section::<Vec<M>>(row, name)?.into_iter().map(into).collect()
}

impl Decided {
    /// As the contract shows it, with its answers.
    pub fn into_proto(self) -> Result<pb::GateReview> {
        Ok(pb::GateReview {
            votes: self.votes.into_iter().map(vote::Model::into_proto).collect::<Result<_>>()?,
            superseded_by: self.superseded_by.map(|id| GateReviewId::new(id).to_string()),
            ..self.review.into_proto()?
        })
    }
}

/// Everything known.
pub async fn get(ctx: Ctx, request: pb::GetProjectDossierRequest) -> Result<pb::GetProjectDossierResponse> {
    let id = ProjectId::parse(&request.project)?;
    let db = ctx.read(Action::ProjectRead)?;
    let found = load(&db, db.organisation(), id).await?;
    let mut known = db.found(found, id).await?;
    let model = model::of(&db, &known.project).await?;
    if let Some(step) = known.step(&model)? {
        let asked = known.question(step, (0, RiskClass::High), ctx.now())?;
        known.ask(asked);
    }
    Ok(pb::GetProjectDossierResponse { dossier: Some(known.dossier) })
}

/// What the next gate asks, criterion by criterion.
pub async fn readiness(ctx: Ctx, request: pb::GetGateReadinessRequest) -> Result<pb::GetGateReadinessResponse> {
    let id = ProjectId::parse(&request.project)?;
    // What nobody has assessed is not called safe.
    let risk = RiskClass::from_repr(request.risk_class).unwrap_or(RiskClass::High);
    let db = ctx.read(Action::ProjectRead)?;
    let found = load(&db, db.organisation(), id).await?;
    let mut known = db.found(found, id).await?;
    let model = model::of(&db, &known.project).await?;
    // A decision that is to be corrected is asked about wherever the project stands.
    if known.open.is_none() {
        known.project.standing()?.must_not_have_ended()?;
    }
    let Some(step) = known.step(&model)? else {
        return Err(Error::StageNotInModel { stage: known.project.stage });
    };
    let asked = known.question(step, (request.amount_ore, risk), ctx.now())?;
    known.ask(asked);
    let criteria = criteria::results(&model, step, &known.dossier, false).await?;
    Ok(pb::GetGateReadinessResponse {
        gate: step.code as i32,
        to_stage: step.to as i32,
        asked: known.dossier.asked,
        gate_model: known.project.gate_model_id.to_string(),
        go_possible: criteria::go_possible(&criteria),
        summary: Some(summary(&criteria)),
        criteria,
    })
}

/// What is missing, in one sentence.
fn summary(criteria: &[pb::CriterionResult]) -> pb::LocalizedText {
    let missing = |strength: pb::CriterionStrength| {
        criteria.iter().filter(move |found| found.applies && !found.met && found.strength() == strength)
    };
    let musts: Vec<&str> = missing(pb::CriterionStrength::Must).map(|found| found.code.as_str()).collect();
    let shoulds = missing(pb::CriterionStrength::Should).count();
    match (musts.len(), shoulds) {
        (0, 0) => pb::LocalizedText {
            da: "Alt, porten spørger om, er på plads.".into(),
            en: "All that the gate asks is there.".into(),
        },
        (0, _) => pb::LocalizedText {
            da: format!("Alle skal-krav er opfyldt; {shoulds} bør-krav er det ikke."),
            en: format!("Every must is met; {shoulds} shoulds are not."),
        },
        _ => pb::LocalizedText {
            da: format!("Porten kan ikke sige ja endnu: {} mangler.", musts.join(", ")),
            en: format!("The gate cannot say yes yet: {} are missing.", musts.join(", ")),
        },
    }
}
