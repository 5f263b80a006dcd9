//! The dossier: everything known about a project in one document. What a gate's criteria see, what a review freezes and
//! what a reader is shown are the same.
//!
//! It is read in one question (`sections.rs`); a second asks for the gate model, the first time that this process meets it.
//! Readiness reads what the gate's rules name, and no more: which gate that is, it guesses from the last time, and asks a
//! second time where the project has moved on since.
//!
//! # To add a section
//!
//! 1. A field in `Dossier` (`dossier_service.proto`), of the contract's own message: its name is what rules will speak of.
//! 2. A line in `SECTIONS` (`sections.rs`) under that name, a subselect that gives the rows as JSON, and their `Model` (with
//!    `Deserialize`) in [`load`]. The table has the policy `visible`, and no more than 200 rows a project, and no text over
//!    8 KiB: rules are bounded for that much (`gates/expression/facts.rs`), and say so of more.
//! 3. Where people are to read it: `paper/sections.rs` and, of a decision, `history.rs`.
//! 4. If the default gate model is to ask about it: a criterion in `gates/default_model.json` (code, gates, principle, both
//!    languages, who can) as long as that version is unreleased; else the next version beside it, and a line in
//!    `SHIPPED_VERSIONS`. `gates::model`'s tests hold it whole, `tests/it/readiness.rs` walks through it.

pub mod grpc;
pub mod history;
pub mod paper;
mod sections;
pub mod words;

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use gevinst_proto::v1 as pb;
use quick_cache::sync::Cache;
use sea_orm::{ConnectionTrait, QueryResult};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::{history::history, paper::paper, sections::Sections};
use crate::{
    auth::{Action, Resource},
    benefits::{
        entity::{benefit, measurement},
        map,
        profile::Groups,
    },
    conditions,
    ctx::Ctx,
    db::json_column,
    error::{Error, Result},
    funding::{self, entity as money},
    gates::{
        criteria,
        entity::{self as gates, assessment, vote},
        model::{self, GateModel},
        rules::{GateCode, Outcome, ReviewState, RiskClass, Step},
    },
    ids::{GateReviewId, OrganisationId, ProjectId},
    lessons,
    organisations::entity::org_unit,
    plans,
    projects::entity::{self as projects, event},
    wire::{known, today},
};

/// What was needed of projects whose readiness was asked.
static NEEDED: LazyLock<Cache<ProjectId, Sections>> = LazyLock::new(|| Cache::new(10_000));

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
#[derive(Clone, Debug)]
pub struct Decided {
    /// The review.
    pub review: gates::Model,
    votes: Vec<vote::Model>,
    /// What has corrected it.
    pub superseded_by: Option<Uuid>,
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

/// Reads what is known of a project, in one question. What is not among the sections is empty.
pub async fn load(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    project: ProjectId,
    sections: Sections,
) -> Result<Option<Known>> {
    let Some(row) = db.query_one_raw(sections.question(organisation, project)).await? else {
        return Ok(None);
    };
    let project: projects::Model =
        json_column(&row, "project")?.ok_or_else(|| Error::Internal("a dossier without a project".to_owned()))?;
    let reviews: Vec<gates::Model> = each(&row, "reviews")?;
    let (decided, open) = reviews.into_iter().partition(|review| review.state == <&str>::from(ReviewState::Decided));
    let decided = with_answers(decided, each(&row, "votes")?);
    let mut latest: HashMap<Uuid, measurement::Model> = each(&row, "latest_measurements")?
        .into_iter()
        .map(|found: measurement::Model| (found.benefit_id, found))
        .collect();
    let benefits: Vec<benefit::Model> = each(&row, "benefits")?;
    let org_unit: Option<org_unit::Model> = json_column(&row, "org_unit")?;
    let appropriations: Vec<money::appropriation::Model> = each(&row, "appropriations")?;
    let (spent_ore, spent_on_experiments_ore) = json_column(&row, "spent")?.unwrap_or_default();
    let map: Option<map::entity::Known> = json_column(&row, "benefit_map")?;
    let dossier = pb::Dossier {
        project: Some(project.clone().into_proto()?),
        org_unit: org_unit.map(Into::into),
        asked: None,
        benefits: benefits
            .into_iter()
            .map(|benefit| {
                let latest_measurement = latest.remove(&benefit.id).map(Into::into);
                Ok(pb::DossierBenefit { benefit: Some(benefit.into_proto()?), latest_measurement })
            })
            .collect::<Result<_>>()?,
        decisions: decided.iter().cloned().map(Decided::into_proto).collect::<Result<_>>()?,
        conditions: shown(each(&row, "conditions")?, conditions::entity::Model::into_proto)?,
        funding: Some(funding::into_proto(
            appropriations,
            each(&row, "spend_authorities")?,
            spent_ore,
            spent_on_experiments_ore,
        )?),
        plan: Some(plans::into_proto(
            each(&row, "baselines")?,
            each(&row, "direction_changes")?,
            each(&row, "increments")?,
        )?),
        lessons: shown(each(&row, "lessons")?, |lesson: lessons::entity::Model| Ok(lesson.into()))?,
        assessments: shown(each(&row, "assessments")?, assessment::Model::into_proto)?,
        events: shown(each(&row, "events")?, event::Model::into_proto)?,
        groups_only_carrying: Groups(each(&row, "groups_only_carrying")?).into_proto()?,
        benefit_map: map.map(|map| map.anonymous().into_proto(project.id())).transpose()?,
    };
    let open = open.into_iter().next();
    Ok(Some(Known { project, open, decided, dossier }))
}

/// Decided reviews with their answers, and with what has corrected them. A correction that was only passed on has not.
fn with_answers(decided: Vec<gates::Model>, votes: Vec<vote::Model>) -> Vec<Decided> {
    let mut answers: BTreeMap<Uuid, Vec<vote::Model>> = BTreeMap::new();
    for vote in votes {
        answers.entry(vote.gate_review_id).or_default().push(vote);
    }
    let corrects = |review: &&gates::Model| review.outcome.as_deref() != Some(Outcome::Escalated.into());
    let corrected: HashMap<Uuid, Uuid> = decided
        .iter()
        .filter(corrects)
        .filter_map(|review| review.supersedes_id.map(|corrected| (corrected, review.id)))
        .collect();
    let whole = |review: gates::Model| Decided {
        votes: answers.remove(&review.id).unwrap_or_default(),
        superseded_by: corrected.get(&review.id).copied(),
        review,
    };
    decided.into_iter().map(whole).collect()
}

fn each<M: DeserializeOwned>(row: &QueryResult, name: &str) -> Result<Vec<M>> {
    Ok(json_column(row, name)?.unwrap_or_default())
}

fn shown<M, P>(rows: Vec<M>, into: impl Fn(M) -> Result<P>) -> Result<Vec<P>> {
    rows.into_iter().map(into).collect()
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
    let found = load(&db, db.organisation(), id, Sections::ALL).await?;
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
    // As it was needed the last time; where the project stands elsewhere by now, everything.
    let last = NEEDED.get(&id);
    let mut sections = last.unwrap_or(Sections::ALL);
    let (mut known, model, step) = loop {
        let found = load(&db, db.organisation(), id, sections).await?;
        let known = db.found(found, id).await?;
        let model = model::of(&db, &known.project).await?;
        // A decision that is to be corrected is asked about wherever the project stands.
        if known.open.is_none() {
            known.project.standing()?.must_not_have_ended()?;
        }
        let Some(step) = known.step(&model)?.cloned() else {
            return Err(Error::StageNotInModel { stage: known.project.stage });
        };
        let needed = Sections::asked_at(&model, &step);
        if last != Some(needed) {
            NEEDED.insert(id, needed);
        }
        if sections.covers(needed) {
            break (known, model, step);
        }
        sections = Sections::ALL;
    };
    let step = &step;
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
