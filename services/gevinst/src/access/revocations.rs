//! Revocations: a token, or everything of a subject, refused from the moment its row is committed, on every replica:
//! each read and each command looks, in the statement that it makes anyway (`auth/authority.rs`).

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QuerySelect, TryIntoModel};

use super::{
    entity::token_denial::{self, Model},
    rules::RevokedClaim,
};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::{Error, Result},
    ids::{TokenDenial, TokenDenialId},
};

/// Revokes a token or a subject.
pub async fn deny(ctx: Ctx, request: pb::DenyTokenRequest) -> Result<pb::DenyTokenResponse> {
    let claim = RevokedClaim::from_repr(request.claim).ok_or_else(|| Error::invalid("claim", "is no claim"))?;
    ctx.command(Action::TokenDenialCreate, Object::new::<TokenDenial>(), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let id: TokenDenialId = command.ctx().new_id();
        let denial = token_denial::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            claim: Set(<&str>::from(claim).to_owned()),
            value: Set(request.value),
            reason: Set(request.reason),
            denied_by: Set(command.ctx().caller().subject().to_owned()),
            denied_at: Set(command.ctx().now()),
            lifted_by: Set(None),
            lifted_at: Set(None),
            lift_reason: Set(String::new()),
        };
        let denial: Model = denial.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("claim", denial.claim.as_str())
            .set("value", denial.value.as_str())
            .set("reason", denial.reason.as_str());
        let response = pb::DenyTokenResponse { token_denial: Some(denial.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// Lifts a revocation.
pub async fn lift(ctx: Ctx, request: pb::LiftTokenDenialRequest) -> Result<pb::LiftTokenDenialResponse> {
    let id = TokenDenialId::parse(&request.token_denial)?;
    ctx.command(Action::TokenDenialLift, Object::of(id), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let organisation = command.ctx().organisation()?;
        let found = token_denial::find_one_in(organisation, id).lock_exclusive().one(command.tx()).await?;
        let before = found.ok_or_else(|| id.not_found())?;
        if before.lifted_at.is_some() {
            return Err(Error::AlreadyEnded { kind: "token_denial" });
        }
        let mut denial = before.into_active_model();
        denial.lifted_by = Set(Some(command.ctx().caller().subject().to_owned()));
        denial.lifted_at = Set(Some(command.ctx().now()));
        denial.lift_reason = Set(request.reason);
        let denial: Model = denial.update(command.tx()).await?.try_into_model()?;
        let changes =
            Changes::default().set("lifted_by", denial.lifted_by.as_deref()).set("reason", denial.lift_reason.as_str());
        let response = pb::LiftTokenDenialResponse { token_denial: Some(denial.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// The organisation's revocations, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListTokenDenialsRequest) -> Result<pb::ListTokenDenialsResponse> {
    let page = token_denial::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::TokenDenialRead)?;
    let (denials, next_page_token) = page.fetch(&db, token_denial::find_in(db.organisation())).await?;
    db.allowed().await?;
    let token_denials = denials.into_iter().map(Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListTokenDenialsResponse { token_denials, next_page_token })
}
