//! The decision basis: what is known about a project, frozen at submission (S32).
//!
//! Canonical JSON (RFC 8785) and its SHA-256: whoever has the text can compute the hash again, with `sha256sum` alone.
//! Decimals are texts and money is whole øre, so no figure depends on a float's printing.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    entity::Model as Review,
    rules::{MODEL, RiskClass},
};
use crate::{
    benefits::entity::Measured,
    error::{Error, Result},
    organisations::entity::org_unit::Model as Unit,
    projects::entity::Model as Project,
    wire::decimal_text,
};

/// The frozen facts: the text, and the hash of its bytes in hex.
pub struct Basis {
    /// Canonical JSON.
    pub text: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// What is asked of the gate.
pub struct Asked {
    /// Which gate.
    pub gate: &'static str,
    /// Which time.
    pub attempt: i32,
    /// When.
    pub at: OffsetDateTime,
    /// What the decision is to release, in øre.
    pub amount_ore: i64,
    /// How risky it is to go on.
    pub risk: RiskClass,
}

/// Freezes what is known. `version` of the document rises when its shape changes; stored ones stay as they are.
pub fn freeze(
    asked: &Asked,
    project: &Project,
    unit: &Unit,
    benefits: &[Measured],
    decided: &[Review],
) -> Result<Basis> {
    let document = json!({
        "version": 2,
        "gate_model": {"name": MODEL.0, "version": MODEL.1},
        "gate": asked.gate,
        "attempt": asked.attempt,
        "submit_time": rfc3339(asked.at)?,
        // Who may decide depends on these, and on the track (I04).
        "amount_ore": asked.amount_ore.to_string(),
        "risk_class": <&str>::from(asked.risk),
        "project": {
            "id": project.id,
            "organisation": project.organisation_id,
            "number": project.number,
            "title": project.title,
            "vision": project.vision,
            "project_owner": project.project_owner,
            "project_manager": project.project_manager,
            "project_class": project.project_class,
            "portfolio": project.portfolio_id,
            "track": project.track,
            "stage": project.stage,
            "status": project.status,
            "version": project.version,
            "create_time": rfc3339(project.created_at)?,
            "org_unit": {
                "id": unit.id,
                "name": unit.name,
                "leader": unit.leader,
                "is_operational_area": unit.is_operational_area,
            },
        },
        "benefits": benefits.iter().map(benefit).collect::<Vec<_>>(),
        "decisions": decided.iter().map(decision).collect::<Result<Vec<_>>>()?,
    });
    let text = serde_json_canonicalizer::to_string(&document).map_err(|error| Error::Internal(error.to_string()))?;
    let sha256 = digest(&SHA256, text.as_bytes());
    let sha256 = sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Basis { text, sha256 })
}

fn benefit(Measured { benefit, latest, .. }: &Measured) -> Value {
    json!({
        "id": benefit.id,
        "title": benefit.title,
        "kind": benefit.kind,
        "measure": {"name": benefit.measure_name, "unit": benefit.measure_unit},
        "baseline": decimal_text(benefit.baseline),
        "target": decimal_text(benefit.target),
        "owner": benefit.owner,
        // Øre go beyond what a JSON number holds exactly everywhere (2^53): a text, as ProtoJSON has it.
        "planned_annual_ore": benefit.planned_annual_ore.map(|ore| ore.to_string()),
        "price_level_year": benefit.price_level_year,
        "latest_measurement": latest.as_ref().map(|measurement| json!({
            "id": measurement.id,
            "value": decimal_text(measurement.value),
            "measured_on": measurement.measured_on.to_string(),
            "source": measurement.source,
        })),
    })
}

fn decision(review: &Review) -> Result<Value> {
    Ok(json!({
        "id": review.id,
        "gate": review.gate,
        "attempt": review.attempt,
        "outcome": review.outcome,
        "decider": review.decider,
        "reason": review.reason,
        "end_time": review.ended_at.map(rfc3339).transpose()?,
        "basis_sha256": review.basis_sha256,
    }))
}

fn rfc3339(moment: OffsetDateTime) -> Result<String> {
    moment.format(&Rfc3339).map_err(|error| Error::Internal(error.to_string()))
}
