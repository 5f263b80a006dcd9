//! The decision basis: what is known about a project, frozen at submission (S32).
//!
//! Canonical JSON (RFC 8785) and its SHA-256: whoever has the text can compute the hash again, with `sha256sum` alone.
//! Money and other 64-bit numbers are texts, as in ProtoJSON, and decimals are too: no figure depends on a float's printing.
//! A basis is its text: whatever the contract becomes, those that are stored stay as they are
//! (`tests/golden/basis_v3.json` is one, kept for ever).

use aws_lc_rs::digest::{SHA256, digest};
use gevinst_proto::v1 as pb;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::model::GateModel;
use crate::{
    error::{Error, Result},
    wire,
};

/// The frozen facts: the text, and the hash of its bytes in hex.
pub struct Basis {
    /// Canonical JSON.
    pub text: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Freezes what is known, and how the criteria stand on it. `version` of the document rises when its shape changes.
pub fn freeze(
    at: OffsetDateTime,
    summary: &str,
    model: &GateModel,
    dossier: &pb::Dossier,
    criteria: &[pb::CriterionResult],
) -> Result<Basis> {
    let shown = &model.shown;
    let whole = |result: &pb::CriterionResult| wire::json(result, true);
    let document = json!({
        "version": 3,
        "submit_time": at.format(&Rfc3339).map_err(|error| Error::Internal(error.to_string()))?,
        "summary": summary,
        "gate_model": {
            "id": shown.id,
            "name": model.definition.name,
            "version": shown.version,
            "sha256": shown.sha256,
        },
        "dossier": wire::json(dossier, true)?,
        "criteria": criteria.iter().map(whole).collect::<Result<Vec<_>>>()?,
    });
    let text = serde_json_canonicalizer::to_string(&document).map_err(|error| Error::Internal(error.to_string()))?;
    let sha256 = digest(&SHA256, text.as_bytes());
    let sha256 = sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Basis { text, sha256 })
}
