//! A review as a paper: what was frozen when it was submitted, and, apart from it, what has been answered since.
//!
//! The first part is read from the basis alone (`frozen.rs`), so that the paper of a review is the same whenever it is
//! printed, and whatever the project has become. `page.rs` writes it, part by part (`sections.rs`, `after.rs`).

mod after;
mod frozen;
mod labels;
mod page;
mod sections;

use std::sync::Arc;

use gevinst_proto::{google::api::HttpBody, v1 as pb};

use self::{
    frozen::Frozen,
    page::{Asks, Page},
};
use super::words::Language;
use crate::{
    auth::Action,
    ctx::{Ctx, Reading},
    error::{Error, Result},
    gates::{
        entity,
        model::{self, GateModel},
    },
    ids::{GateReviewId, ProjectId},
};

pub use self::page::STYLE;

/// The paper of a review.
pub async fn paper(ctx: Ctx, request: pb::GetDecisionPaperRequest) -> Result<pb::GetDecisionPaperResponse> {
    let project = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    let db = ctx.read(Action::GateRead)?;
    let found = entity::placed(&db, db.organisation(), project, id).await?;
    let review = db.found(found, id).await?.into_proto()?;
    // A draft, or one that was withdrawn as a draft.
    let Some(basis) = &review.decision_basis else { return Err(Error::ReviewNotSubmitted) };
    let frozen = Frozen::read(&basis.canonical_json)?;
    let model = named_model(&db, &frozen).await?;
    let asks = model.as_ref().and_then(|model| Asks::find(&model.definition.gates, &frozen.dossier));
    let language = Language::from(request.language());
    let page = Page { language, review: &review, basis, frozen: &frozen, asks };
    let paper = HttpBody {
        content_type: "text/html; charset=utf-8".to_owned(),
        data: page.write().into_bytes(),
        extensions: Vec::new(),
    };
    Ok(pb::GetDecisionPaperResponse { paper: Some(paper) })
}

/// The very model that the basis names by its hash, which has the gate's name. A version never changes: usually one that is
/// known already.
async fn named_model(db: &Reading<'_>, frozen: &Frozen) -> Result<Option<Arc<GateModel>>> {
    let Some(id) = frozen.gate_model.id else { return Ok(None) };
    let model = model::find(db, db.organisation(), id).await?;
    Ok(model.filter(|model| model.shown.sha256 == frozen.gate_model.sha256))
}
