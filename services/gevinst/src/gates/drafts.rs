//! Drafts of reviews: prepared by who runs the project, submitted by somebody else (I03).

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, TryIntoModel};

use super::{
    Question, Standpoint, entity, freeze, know, load, model, open, placed,
    rules::{ReviewState, RiskClass},
    standpoint,
};
use crate::{
    audit::Object,
    auth::Action,
    ctx::{Changes, Ctx},
    error::{Error, Result, on_constraint},
    ids::{GateReviewId, ProjectId},
    projects,
    wire::{masked, required},
};

/// Prepares a review.
pub async fn draft(ctx: Ctx, request: pb::DraftGateReviewRequest) -> Result<pb::DraftGateReviewResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let question = Question::read(
        request.gate,
        request.amount_ore,
        request.risk_class,
        request.supersedes.as_deref(),
        request.summary,
    )?;
    ctx.command(Action::GateDraft, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        let found = know(&command, project_id).await?;
        let model = model::of(command.tx(), &project).await?;
        let Standpoint { attempt, .. } = standpoint(&found, &model, &question, None)?;
        let id: GateReviewId = command.ctx().new_id();
        let review = entity::ActiveModel {
            drafter: Set(Some(command.ctx().caller().subject().to_owned())),
            state: Set(<&str>::from(ReviewState::Draft).to_owned()),
            ..open(&command, id, &project, &question, attempt)?
        };
        let review = review
            .insert(command.tx())
            .await
            .and_then(TryIntoModel::try_into_model)
            .map_err(on_constraint("gate_reviews_one_open", || Error::ReviewAlreadyOpen))?;
        let changes = described(&review).set("project", project_id.to_string());
        let response = pb::DraftGateReviewResponse { gate_review: Some(review.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

fn described(review: &entity::Model) -> Changes {
    Changes::default()
        .set("gate", review.gate.as_str())
        .set("attempt", review.attempt)
        .set("state", review.state.as_str())
        .set("amount_ore", review.amount_ore.to_string())
        .set("risk_class", review.risk_class.as_str())
        .set("summary", review.summary.as_str())
        .set("supersedes", review.supersedes_id.map(|id| id.to_string()))
}

/// Changes what a draft asks for.
pub async fn change(ctx: Ctx, request: pb::UpdateGateReviewDraftRequest) -> Result<pb::UpdateGateReviewDraftResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    let new = request.changes.unwrap_or_default();
    let mask = masked(
        request.update_mask,
        &[
            ("amount_ore", new.amount_ore.is_some()),
            ("risk_class", new.risk_class.is_some()),
            ("summary", new.summary.is_some()),
        ],
    )?;
    ctx.command(Action::GateRedraft, Object::of(id), async move |command| {
        let (project, before) = load(&command, project_id, id).await?;
        let allowed = command.authorize(placed(&project, &before))?;
        must_be_draft(&before, &request.etag)?;
        let mut review = before.clone().into_active_model();
        for field in mask {
            match field {
                "amount_ore" => review.amount_ore = Set(required(field, new.amount_ore)?),
                "risk_class" => {
                    let risk = RiskClass::from_repr(required(field, new.risk_class)?);
                    let risk = risk.ok_or_else(|| Error::invalid("changes.risk_class", "is no risk class"))?;
                    review.risk_class = Set(<&str>::from(risk).to_owned());
                }
                _ => review.summary = Set(new.summary.clone().unwrap_or_default()),
            }
        }
        let after: entity::Model = review.update(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .change("amount_ore", before.amount_ore.to_string(), after.amount_ore.to_string())
            .change("risk_class", before.risk_class.as_str(), after.risk_class.as_str())
            .change("summary", before.summary.as_str(), after.summary.as_str());
        let response = pb::UpdateGateReviewDraftResponse { gate_review: Some(after.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Submits a draft: freezes what is known now.
pub async fn submit(ctx: Ctx, request: pb::SubmitGateReviewDraftRequest) -> Result<pb::SubmitGateReviewDraftResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = GateReviewId::parse(&request.gate_review)?;
    ctx.command(Action::GateSubmit, Object::of(id), async move |command| {
        let (project, draft) = load(&command, project_id, id).await?;
        let allowed = command.authorize(&project)?;
        must_be_draft(&draft, &request.etag)?;
        let question = Question::of(&draft)?;
        let frozen = freeze(&command, &project, &question).await?;
        let mut review = draft.clone().into_active_model();
        frozen.write(&command, &project, &mut review);
        let review: entity::Model = review.update(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .change("state", draft.state, review.state.as_str())
            .set("basis_sha256", review.basis_sha256.as_str());
        let response = pb::SubmitGateReviewDraftResponse { gate_review: Some(review.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// A draft, as it was read.
fn must_be_draft(review: &entity::Model, etag: &str) -> Result<()> {
    if review.state != <&str>::from(ReviewState::Draft) {
        return Err(Error::ReviewNotDraft { state: review.state.clone() });
    }
    if review.etag() == etag { Ok(()) } else { Err(Error::EtagStale) }
}
