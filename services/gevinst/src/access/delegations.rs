//! Delegations: a grant lent to a substitute for a time. Who acts under one acts for the delegator, says so in the call
//! (`acting_for`), and counts as the delegator, once (I03).

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QuerySelect, TryIntoModel};

use super::{
    entity::{
        delegation::{self, Model},
        role_grant,
    },
    rules,
};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Command, Ctx},
    error::{Error, Result},
    ids::{Delegation, DelegationId, RoleGrantId},
    wire::{day, today},
};

/// Proposes to lend a grant.
pub async fn propose(ctx: Ctx, request: pb::ProposeDelegationRequest) -> Result<pb::ProposeDelegationResponse> {
    let grant_id = RoleGrantId::parse(&request.role_grant)?;
    let valid_from = day("valid_from", &request.valid_from)?;
    let valid_until = day("valid_until", &request.valid_until)?;
    rules::must_lie_ahead(valid_from, Some(valid_until), today(ctx.now()))?;
    if request.delegate == ctx.caller().subject() {
        return Err(Error::invalid("delegate", "is yourself: name the one who acts meanwhile"));
    }
    ctx.command(Action::DelegationPropose, Object::new::<Delegation>(), async move |command| {
        let organisation = command.ctx().organisation()?;
        let found = role_grant::find_one_in(organisation, grant_id).lock_shared().one(command.tx()).await?;
        let grant = found.ok_or_else(|| grant_id.not_found())?;
        let allowed =
            command.authorize(Resource::Delegation { delegator: &grant.subject, delegate: &request.delegate })?;
        let over = grant.valid_until.is_some_and(|last| last < today(command.ctx().now()));
        if grant.revoked_at.is_some() || over {
            return Err(Error::AlreadyEnded { kind: "role_grant" });
        }
        rules::must_end_within(valid_until, grant.valid_until)?;
        let id: DelegationId = command.ctx().new_id();
        let delegation = delegation::ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            role_grant_id: Set(grant.id),
            delegator: Set(grant.subject),
            delegate: Set(request.delegate),
            valid_from: Set(valid_from),
            valid_until: Set(valid_until),
            reason: Set(request.reason),
            proposed_at: Set(command.ctx().now()),
            approved_by: Set(None),
            approved_at: Set(None),
            ended_by: Set(None),
            ended_at: Set(None),
            end_reason: Set(String::new()),
        };
        let delegation: Model = delegation.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("role_grant", delegation.role_grant_id.to_string())
            .set("delegator", delegation.delegator.as_str())
            .set("delegate", delegation.delegate.as_str())
            .set("valid_from", delegation.valid_from.to_string())
            .set("valid_until", delegation.valid_until.to_string())
            .set("reason", delegation.reason.as_str());
        let response = pb::ProposeDelegationResponse { delegation: Some(delegation.into()) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// Approves a delegation, as a third person.
pub async fn approve(ctx: Ctx, request: pb::ApproveDelegationRequest) -> Result<pb::ApproveDelegationResponse> {
    let id = DelegationId::parse(&request.delegation)?;
    ctx.command(Action::DelegationApprove, Object::of(id), async move |command| {
        let before = load(&command, id).await?;
        let allowed = command.authorize(&before)?;
        if before.ended_at.is_some() {
            return Err(Error::AlreadyEnded { kind: "delegation" });
        }
        if before.approved_at.is_some() {
            return Err(Error::AlreadyApproved);
        }
        let mut delegation = before.into_active_model();
        delegation.approved_by = Set(Some(command.ctx().caller().subject().to_owned()));
        delegation.approved_at = Set(Some(command.ctx().now()));
        let delegation: Model = delegation.update(command.tx()).await?.try_into_model()?;
        let changes = Changes::default().set("approved_by", delegation.approved_by.as_deref());
        let response = pb::ApproveDelegationResponse { delegation: Some(delegation.into()) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Ends a delegation.
pub async fn end(ctx: Ctx, request: pb::EndDelegationRequest) -> Result<pb::EndDelegationResponse> {
    let id = DelegationId::parse(&request.delegation)?;
    ctx.command(Action::DelegationEnd, Object::of(id), async move |command| {
        let before = load(&command, id).await?;
        let allowed = command.authorize(&before)?;
        if before.ended_at.is_some() {
            return Err(Error::AlreadyEnded { kind: "delegation" });
        }
        let mut delegation = before.into_active_model();
        delegation.ended_by = Set(Some(command.ctx().caller().subject().to_owned()));
        delegation.ended_at = Set(Some(command.ctx().now()));
        delegation.end_reason = Set(request.reason);
        let delegation: Model = delegation.update(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("ended_by", delegation.ended_by.as_deref())
            .set("reason", delegation.end_reason.as_str());
        let response = pb::EndDelegationResponse { delegation: Some(delegation.into()) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// The organisation's delegations, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListDelegationsRequest) -> Result<pb::ListDelegationsResponse> {
    let page = delegation::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::DelegationRead)?;
    let (delegations, next_page_token) = page.fetch(&db, delegation::find_in(db.organisation())).await?;
    db.allowed().await?;
    let delegations = delegations.into_iter().map(Into::into).collect();
    Ok(pb::ListDelegationsResponse { delegations, next_page_token })
}

async fn load(command: &Command, id: DelegationId) -> Result<Model> {
    let organisation = command.ctx().organisation()?;
    let found = delegation::find_one_in(organisation, id).lock_exclusive().one(command.tx()).await?;
    found.ok_or_else(|| id.not_found())
}
