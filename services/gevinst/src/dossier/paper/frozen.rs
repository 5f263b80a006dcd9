//! A basis, read back. A basis is kept for ever in the shape that it was frozen in; what an earlier version had not is
//! empty, and what a later one adds is passed over.

use gevinst_proto::v1 as pb;
use prost_types::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    wire::{read_json, timestamp},
};

/// What was known when a review was submitted.
pub struct Frozen {
    /// When that was.
    pub submit_time: Option<Timestamp>,
    /// What its drafter says of it.
    pub summary: String,
    /// The gate model that asks.
    pub gate_model: FrozenModel,
    /// All that was known of the project.
    pub dossier: pb::Dossier,
    /// How the criteria stood; none before version 3.
    pub criteria: Vec<pb::CriterionResult>,
}

/// A gate model, as a basis names it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct FrozenModel {
    /// Its id; before version 3 there was none.
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: i32,
    /// The hash of its definition; before version 3 there was none.
    pub sha256: String,
}

impl Frozen {
    /// Reads a stored text.
    pub fn read(text: &str) -> Result<Self> {
        let unreadable = |error: serde_json::Error| Error::Internal(format!("a basis: {error}"));
        let mut document: Json = serde_json::from_str(text).map_err(unreadable)?;
        let dossier = match document.get_mut("dossier") {
            Some(dossier) => dossier.take(),
            None => early_dossier(&mut document),
        };
        let criteria = match document.get_mut("criteria").map(Json::take) {
            Some(Json::Array(criteria)) => criteria,
            _ => Vec::new(),
        };
        let gate_model = document.get_mut("gate_model").map(Json::take).unwrap_or_default();
        let submit_time = document["submit_time"].as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        Ok(Self {
            submit_time: submit_time.map(timestamp),
            summary: document["summary"].as_str().unwrap_or_default().to_owned(),
            gate_model: serde_json::from_value(gate_model).map_err(unreadable)?,
            dossier: read_json(dossier)?,
            criteria: criteria.into_iter().map(read_json).collect::<Result<_>>()?,
        })
    }
}

/// Versions 1 and 2: less, and with names without their prefixes. Version 1 knew neither amount, risk nor track.
fn early_dossier(document: &mut Json) -> Json {
    let mut project = document["project"].take();
    let benefits = list(document["benefits"].take()).into_iter().map(|benefit| {
        json!({
            "benefit": {
                "id": benefit["id"],
                "title": benefit["title"],
                "kind": named("BENEFIT_KIND_", &benefit["kind"]),
                "measure": benefit["measure"],
                "baseline": benefit["baseline"],
                "target": benefit["target"],
                "owner": benefit["owner"],
                "planned_annual_value": benefit["planned_annual_ore"].as_str().map(|ore| {
                    json!({"ore": ore, "price_level_year": benefit["price_level_year"]})
                }),
            },
            "latest_measurement": benefit["latest_measurement"],
        })
    });
    let benefits: Vec<Json> = benefits.collect();
    let decisions = list(document["decisions"].take()).into_iter().map(|decision| {
        json!({
            "id": decision["id"],
            "gate": named("GATE_CODE_", &decision["gate"]),
            "attempt": decision["attempt"],
            "outcome": named("GATE_OUTCOME_", &decision["outcome"]),
            "decider": decision["decider"],
            "reason": decision["reason"],
            "end_time": decision["end_time"],
            "decision_basis": {"sha256": decision["basis_sha256"]},
        })
    });
    let decisions: Vec<Json> = decisions.collect();
    json!({
        "org_unit": project["org_unit"].take(),
        "project": {
            "id": project["id"],
            "organisation": project["organisation"],
            "number": project["number"],
            "title": project["title"],
            "vision": project["vision"],
            "project_owner": project["project_owner"],
            "project_manager": project["project_manager"],
            "project_class": named("PROJECT_CLASS_", &project["project_class"]),
            "track": named("TRACK_", &project["track"]),
            "stage": named("STAGE_", &project["stage"]),
            "status": named("PROJECT_STATUS_", &project["status"]),
            "create_time": project["create_time"],
        },
        "asked": {
            "gate": named("GATE_CODE_", &document["gate"]),
            "attempt": document["attempt"],
            "amount_ore": document["amount_ore"],
            "risk_class": named("RISK_CLASS_", &document["risk_class"]),
        },
        "benefits": benefits,
        "decisions": decisions,
    })
}

fn list(value: Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items,
        _ => Vec::new(),
    }
}

/// The contract's name of what was written without its prefix; nothing of nothing.
fn named(prefix: &str, name: &Json) -> Json {
    name.as_str().map_or(Json::Null, |name| format!("{prefix}{name}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_of_earlier_versions_read_with_what_they_have() {
        let first = Frozen::read(include_str!("basis_v1.json")).unwrap();
        let second = Frozen::read(include_str!("basis_v2.json")).unwrap();
        for frozen in [&first, &second] {
            let (dossier, project) = (&frozen.dossier, frozen.dossier.project.as_ref().unwrap());
            assert_eq!((project.title.as_str(), project.stage()), ("Færre breve", pb::Stage::Analysis));
            assert_eq!(dossier.org_unit.as_ref().unwrap().name, "Borgerservice");
            assert_eq!(dossier.asked.as_ref().unwrap().gate(), pb::GateCode::G2);
            let benefit = &dossier.benefits[0];
            assert_eq!(benefit.benefit.as_ref().unwrap().planned_annual_value.as_ref().unwrap().ore, 45_000_000);
            assert_eq!(benefit.latest_measurement.as_ref().unwrap().value, "41");
            assert_eq!(dossier.decisions[0].outcome(), pb::GateOutcome::Go);
            assert!(frozen.criteria.is_empty() && frozen.gate_model.id.is_none() && frozen.submit_time.is_some());
        }
        assert_eq!(first.dossier.asked.as_ref().unwrap().risk_class(), pb::RiskClass::Unspecified);
        let asked = second.dossier.asked.unwrap();
        assert_eq!((asked.amount_ore, asked.risk_class()), (123_456_700, pb::RiskClass::Medium));
        assert_eq!(second.dossier.project.unwrap().track(), pb::Track::StartSmall);
    }

    #[test]
    fn basis_of_a_later_version_read_without_what_nobody_knows() {
        let text = r#"{"version": 9, "later": {}, "criteria": [{"code": "A", "later": 1}],
            "gate_model": {"name": "Standard", "later": []}, "dossier": {"project": {"title": "t", "later": "x"}}}"#;
        let frozen = Frozen::read(text).unwrap();
        assert_eq!((frozen.criteria[0].code.as_str(), frozen.gate_model.name.as_str()), ("A", "Standard"));
        assert_eq!(frozen.dossier.project.unwrap().title, "t");
        assert!(Frozen::read("").is_err());
    }
}
