//! Benefit owners (gevinstansvarlige, S35): who can be one (I10), who is asked, and who has accepted (I11), also after the
//! project has closed. Until a new owner accepts, the one before them remains.
//!
//! Every command locks the project first, as measurements do: of two answers to a nomination, or an answer and another
//! nomination, the second finds what the first has done.

pub mod entity;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, IntoActiveModel, PaginatorTrait, QueryFilter, TryIntoModel,
};

use self::{
    entity::{Affecting, Model, Nominated},
    rules::{OwnerState, OwnershipState, Reason},
};
use super::{entity::benefit, register};
use crate::{
    audit::Object,
    auth::Action,
    ctx::{Changes, Command, Ctx},
    error::{Error, Result},
    ids::{BenefitId, BenefitOwnershipId, ProjectId},
    projects,
    wire::{json, today},
};

/// Whether somebody can own a project's benefits without an exception, and why, or why not (I10).
pub async fn check(ctx: Ctx, request: pb::CheckBenefitOwnerRequest) -> Result<pb::CheckBenefitOwnerResponse> {
    let id = ProjectId::parse(&request.project)?;
    let db = ctx.read(Action::ProjectRead)?;
    let found = entity::affecting(&db, db.organisation(), id).await?;
    let affecting = db.found(found, id).await?;
    let eligibility = affecting.eligibility(&request.subject, today(ctx.now()));
    Ok(pb::CheckBenefitOwnerResponse { eligibility: Some(eligibility) })
}

/// Asks somebody to become the owner; who is not eligible, once an exception is approved.
pub async fn nominate(ctx: Ctx, request: pb::NominateBenefitOwnerRequest) -> Result<pb::NominateBenefitOwnerResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    ctx.command(Action::BenefitNominateOwner, Object::of(id), async move |command| {
        let found = load(&command, id).await?;
        let allowed = command.authorize(&found)?;
        let Nominated { project, benefit: before, open } = found;
        if before.owner == request.nominee && before.owner_state()? == OwnerState::Accepted {
            return Err(Error::AlreadyBenefitOwner);
        }
        let eligibility = eligibility(&command, project.id(), &request.nominee).await?;
        if !eligibility.eligible && request.exception_reason.is_empty() {
            return Err(not_eligible(&eligibility));
        }
        if let Some(open) = open {
            let mut superseded = open.into_active_model();
            superseded.state = Set(<&str>::from(OwnershipState::Superseded).to_owned());
            superseded.ended_at = Set(Some(command.ctx().now()));
            superseded.update(command.tx()).await?;
        }
        let nomination = Nomination {
            nominee: request.nominee,
            reason: request.reason,
            exception_reason: if eligibility.eligible { String::new() } else { request.exception_reason },
            eligibility: Some(eligibility),
        };
        let ownership = open_nomination(&command, id, nomination).await?;
        let mut benefit = before.clone().into_active_model();
        benefit.nominee = Set(Some(ownership.owner.clone()));
        if before.owner_state()? == OwnerState::Declined {
            benefit.owner_state = Set(<&str>::from(OwnerState::Nominated).to_owned());
        }
        let after: benefit::Model = benefit.update(command.tx()).await?.try_into_model()?;
        let changes = owned(&before, &after)
            .set("ownership", ownership.id.to_string())
            .set("state", ownership.state.as_str())
            .set("reason", ownership.reason.as_str())
            .set("eligibility", ownership.eligibility.clone())
            .set("exception_reason", ownership.exception_reason.as_str());
        let (benefit, ownership) = (Some(after.into_proto()?), Some(ownership.into_proto()?));
        Ok(command.done(allowed, changes, pb::NominateBenefitOwnerResponse { benefit, ownership }))
    })
    .await
}

/// Approves that somebody becomes the owner who is not eligible, as somebody else than who nominated them (four eyes).
pub async fn approve_exception(
    ctx: Ctx,
    request: pb::ApproveBenefitOwnerExceptionRequest,
) -> Result<pb::ApproveBenefitOwnerExceptionResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let wanted = BenefitOwnershipId::parse(&request.ownership)?;
    ctx.command(Action::BenefitApproveOwner, Object::of(id), async move |command| {
        let found = load(&command, id).await?;
        let allowed = command.authorize(&found)?;
        let before = match found.open {
            Some(open) if open.id == wanted.uuid() => open,
            _ => return Err(not_open(&command, id, wanted).await?),
        };
        if before.state()? != OwnershipState::AwaitingApproval {
            return Err(Error::NominationNotOpen);
        }
        let mut approved = before.clone().into_active_model();
        approved.state = Set(<&str>::from(OwnershipState::Nominated).to_owned());
        approved.approver = Set(Some(command.ctx().caller().subject().to_owned()));
        approved.approval_reason = Set(request.reason);
        approved.approved_at = Set(Some(command.ctx().now()));
        let after: Model = approved.update(command.tx()).await?.try_into_model()?;
        let changes = settled(&before, &after).set("reason", after.approval_reason.as_str());
        let (benefit, ownership) = (Some(found.benefit.into_proto()?), Some(after.into_proto()?));
        Ok(command.done(allowed, changes, pb::ApproveBenefitOwnerExceptionResponse { benefit, ownership }))
    })
    .await
}

/// Accepts to be the owner, as the nominee in person (I11). Who was eligible when they were nominated may not be now, and
/// who was named at the benefit's creation has never been asked about (I10).
pub async fn accept(
    ctx: Ctx,
    request: pb::AcceptBenefitOwnershipRequest,
) -> Result<pb::AcceptBenefitOwnershipResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    ctx.command(Action::BenefitAcceptOwnership, Object::of(id), async move |command| {
        let found = load(&command, id).await?;
        let allowed = command.authorize(&found)?;
        let Nominated { project, benefit: before, open } = found;
        if let Some(read) = &request.etag {
            register::must_match(&before, read)?;
        }
        let nomination = open.ok_or(Error::NominationNotOpen)?;
        if nomination.state()? == OwnershipState::AwaitingApproval {
            return Err(Error::ExceptionNotApproved);
        }
        let eligibility = eligibility(&command, project.id(), &nomination.owner).await?;
        if !eligibility.eligible && !nomination.is_excepted(&eligibility)? {
            return Err(not_eligible(&eligibility));
        }
        let (organisation, now) = (command.ctx().organisation()?, command.ctx().now());
        entity::hand_over(command.tx(), organisation, id, now).await?;
        let mut accepted = nomination.clone().into_active_model();
        accepted.state = Set(<&str>::from(OwnershipState::Accepted).to_owned());
        // What an exception was approved for stays, for as long as they own it.
        if nomination.approver.is_none() {
            accepted.eligibility = Set(Some(json(&eligibility, false)?));
        }
        accepted.accepted_plan = Set(Some(before.plan_number));
        accepted.answered_at = Set(Some(now));
        let ownership: Model = accepted.update(command.tx()).await?.try_into_model()?;
        let mut benefit = before.clone().into_active_model();
        benefit.owner = Set(ownership.owner.clone());
        benefit.owner_state = Set(<&str>::from(OwnerState::Accepted).to_owned());
        benefit.nominee = Set(None);
        benefit.escalated_to = Set(None);
        let after: benefit::Model = benefit.update(command.tx()).await?.try_into_model()?;
        let changes =
            owned(&before, &after).and(settled(&nomination, &ownership)).set("accepted_plan", ownership.accepted_plan);
        let (benefit, ownership) = (Some(after.into_proto()?), Some(ownership.into_proto()?));
        Ok(command.done(allowed, changes, pb::AcceptBenefitOwnershipResponse { benefit, ownership }))
    })
    .await
}

/// Declines to be the owner, as the nominee in person. Who has accepted before remains the owner.
pub async fn decline(
    ctx: Ctx,
    request: pb::DeclineBenefitOwnershipRequest,
) -> Result<pb::DeclineBenefitOwnershipResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    ctx.command(Action::BenefitDeclineOwnership, Object::of(id), async move |command| {
        let found = load(&command, id).await?;
        let allowed = command.authorize(&found)?;
        let Nominated { benefit: before, open, .. } = found;
        let nomination = open.ok_or(Error::NominationNotOpen)?;
        let now = command.ctx().now();
        let mut declined = nomination.clone().into_active_model();
        declined.state = Set(<&str>::from(OwnershipState::Declined).to_owned());
        declined.answered_at = Set(Some(now));
        declined.decline_reason = Set(request.reason);
        declined.ended_at = Set(Some(now));
        let ownership: Model = declined.update(command.tx()).await?.try_into_model()?;
        let mut benefit = before.clone().into_active_model();
        benefit.nominee = Set(None);
        if before.owner_state()? == OwnerState::Nominated {
            benefit.owner_state = Set(<&str>::from(OwnerState::Declined).to_owned());
        }
        let after: benefit::Model = benefit.update(command.tx()).await?.try_into_model()?;
        let changes = owned(&before, &after)
            .and(settled(&nomination, &ownership))
            .set("reason", ownership.decline_reason.as_str());
        let (benefit, ownership) = (Some(after.into_proto()?), Some(ownership.into_proto()?));
        Ok(command.done(allowed, changes, pb::DeclineBenefitOwnershipResponse { benefit, ownership }))
    })
    .await
}

/// Finds that the owner has departed (I11): they lead no affected unit any more, or manage the project by now, and no exception
/// was approved that covers it; or their access was revoked. The clock's alone (`clock.rs`).
pub async fn orphan(ctx: Ctx, id: BenefitId) -> Result<()> {
    ctx.command(Action::BenefitOrphan, Object::of(id), async move |command| {
        let found = load(&command, id).await?;
        let allowed = command.authorize(&found)?;
        let Nominated { project, benefit: before, .. } = found;
        let (organisation, now) = (command.ctx().organisation()?, command.ctx().now());
        let accepted = entity::find_accepted_in(organisation, id).one(command.tx()).await?;
        let affecting = entity::affecting(command.tx(), organisation, project.id()).await?;
        let affecting = affecting.ok_or_else(|| project.id().not_found())?;
        let is_revoked = entity::is_revoked(command.tx(), organisation, &before.owner).await?;
        // Nobody is refused anything: somebody was faster.
        let faster = || Error::Conflict(DbErr::Custom(format!("the owner of benefit {id} has not departed any more")));
        let owner = accepted.ok_or_else(faster)?;
        let found = affecting.eligibility(&before.owner, today(now));
        if !is_revoked && (found.eligible || owner.is_excepted(&found)?) {
            return Err(faster());
        }
        let mut orphaned = owner.clone().into_active_model();
        orphaned.state = Set(<&str>::from(OwnershipState::Orphaned).to_owned());
        orphaned.orphaned_at = Set(Some(now));
        let ownership: Model = orphaned.update(command.tx()).await?.try_into_model()?;
        let mut benefit = before.clone().into_active_model();
        benefit.owner_state = Set(<&str>::from(OwnerState::Orphaned).to_owned());
        benefit.escalated_to = Set(affecting.escalated_to(&before.owner, today(now)));
        let after: benefit::Model = benefit.update(command.tx()).await?.try_into_model()?;
        let changes = owned(&before, &after).and(settled(&owner, &ownership));
        Ok(command.done(allowed, changes, ()))
    })
    .await
}

/// Who was asked to own a benefit, and who has owned it, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListBenefitOwnershipsRequest) -> Result<pb::ListBenefitOwnershipsResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::BenefitRead)?;
    let (ownerships, next_page_token) = page.fetch(&db, entity::find_in(db.organisation(), id)).await?;
    let has_some = !ownerships.is_empty() || !request.page_token.is_empty();
    db.listed_of(has_some, id, benefit::find_one_in(db.organisation(), id)).await?;
    Ok(pb::ListBenefitOwnershipsResponse {
        ownerships: ownerships.into_iter().map(Model::into_proto).collect::<Result<_>>()?,
        next_page_token,
    })
}

/// Who is asked to own a benefit, and why.
pub struct Nomination {
    /// Who.
    pub nominee: String,
    /// Why them.
    pub reason: String,
    /// Why, though they are not eligible; empty where they are, or it was not asked.
    pub exception_reason: String,
    /// What was found of them, where it was asked.
    pub eligibility: Option<pb::BenefitOwnerEligibility>,
}

/// Opens a nomination of a benefit that has none open.
pub async fn open_nomination(command: &Command, benefit: BenefitId, new: Nomination) -> Result<Model> {
    let ctx = command.ctx();
    let id: BenefitOwnershipId = ctx.new_id();
    let state = match new.exception_reason.is_empty() {
        true => OwnershipState::Nominated,
        false => OwnershipState::AwaitingApproval,
    };
    let ownership = entity::ActiveModel {
        organisation_id: Set(ctx.organisation()?.uuid()),
        id: Set(id.uuid()),
        benefit_id: Set(benefit.uuid()),
        owner: Set(new.nominee),
        state: Set(<&str>::from(state).to_owned()),
        nominated_by: Set(ctx.caller().subject().to_owned()),
        reason: Set(new.reason),
        nominated_at: Set(ctx.now()),
        eligibility: Set(new.eligibility.map(|found| json(&found, false)).transpose()?),
        exception_reason: Set(new.exception_reason),
        approver: Set(None),
        approval_reason: Set(String::new()),
        approved_at: Set(None),
        answered_at: Set(None),
        decline_reason: Set(String::new()),
        ended_at: Set(None),
        orphaned_at: Set(None),
        accepted_plan: Set(None),
    };
    Ok(ownership.insert(command.tx()).await?.try_into_model()?)
}

/// A benefit with its open nomination, its project locked. Which project it is never changes, so it can be asked first.
async fn load(command: &Command, id: BenefitId) -> Result<Nominated> {
    let organisation = command.ctx().organisation()?;
    let found = benefit::find_one_in(organisation, id).one(command.tx()).await?.ok_or_else(|| id.not_found())?;
    let project = projects::load(command, ProjectId::new(found.project_id)).await?;
    let nominated = entity::nominated(command.tx(), organisation, project, id).await?;
    nominated.ok_or_else(|| id.not_found())
}

/// Of a nomination that is not the one that is open: it was, or it is none of this benefit's (I25).
async fn not_open(command: &Command, benefit: BenefitId, wanted: BenefitOwnershipId) -> Result<Error> {
    let of_the_benefit = entity::find_in(command.ctx().organisation()?, benefit);
    let found = of_the_benefit.filter(entity::Column::Id.eq(wanted.uuid())).count(command.tx()).await?;
    Ok(if found > 0 { Error::NominationNotOpen } else { wanted.not_found() })
}

async fn eligibility(command: &Command, project: ProjectId, subject: &str) -> Result<pb::BenefitOwnerEligibility> {
    let found = entity::affecting(command.tx(), command.ctx().organisation()?, project).await?;
    let affecting: Affecting = found.ok_or_else(|| project.not_found())?;
    Ok(affecting.eligibility(subject, today(command.ctx().now())))
}

fn not_eligible(eligibility: &pb::BenefitOwnerEligibility) -> Error {
    let (mut reasons, mut da, mut en) = (Vec::new(), Vec::new(), Vec::new());
    for against in &eligibility.reasons {
        if let Some(reason) = Reason::from_repr(against.code).filter(|reason| *reason != Reason::LeadsAffectedArea) {
            reasons.push(<&str>::from(reason));
            let text = against.text.clone().unwrap_or_default();
            da.push(text.da);
            en.push(text.en);
        }
    }
    reasons.dedup();
    Error::BenefitOwnerNotEligible { reasons: reasons.join(","), da: da.join(" "), en: en.join(" ") }
}

/// What changed of a benefit's owner, for the audit entry.
fn owned(before: &benefit::Model, after: &benefit::Model) -> Changes {
    Changes::default()
        .change("owner", before.owner.as_str(), after.owner.as_str())
        .change("owner_state", before.owner_state.as_str(), after.owner_state.as_str())
        .change("nominee", before.nominee.as_deref(), after.nominee.as_deref())
        .change("escalated_to", before.escalated_to.as_deref(), after.escalated_to.as_deref())
}

/// What became of a nomination, for the audit entry.
fn settled(before: &Model, after: &Model) -> Changes {
    Changes::default()
        .set("ownership", after.id.to_string())
        .change("state", before.state.as_str(), after.state.as_str())
        .change("approver", before.approver.as_deref(), after.approver.as_deref())
}
