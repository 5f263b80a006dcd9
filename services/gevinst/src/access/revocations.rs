//! Revocations: a token, or everything of a subject, refused from the moment its row is committed, on every replica:
//! each read and each command looks, in the statement that it makes anyway (`auth/authority.rs`).

use gevinst_proto::v1::{self as pb, deny_token_request::Revoked};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QuerySelect, TryIntoModel};

use super::entity::token_denial::{self, Model};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::{Error, Result},
    ids::{TokenDenial, TokenDenialId},
};

/// Revokes a token or a subject.
pub async fn deny(ctx: Ctx, request: pb::DenyTokenRequest) -> Result<pb::DenyTokenResponse> {
    let (subject, token_id) = match request.revoked {
        Some(Revoked::Subject(subject)) => (Some(subject), None),
        Some(Revoked::TokenId(id)) => (None, Some(id)),
        None => return Err(Error::invalid("subject", "name a subject, or a token by its id")),
    };
    ctx.command(Action::TokenDenialCreate, Object::new::<TokenDenial>(), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let id: TokenDenialId = command.ctx().new_id();
        let denial = token_denial::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            subject: Set(subject),
            token_id: Set(token_id),
            reason: Set(request.reason),
            denied_by: Set(command.ctx().caller().subject().to_owned()),
            denied_at: Set(command.ctx().now()),
            lifted_by: Set(None),
            lifted_at: Set(None),
        };
        let denial: Model = denial.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("subject", denial.subject.as_deref())
            .set("token_id", denial.token_id.as_deref())
            .set("reason", denial.reason.as_str());
        let response = pb::DenyTokenResponse { token_denial: Some(denial.into()) };
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
        let denial: Model = denial.update(command.tx()).await?.try_into_model()?;
        let changes = Changes::default().set("lifted_by", denial.lifted_by.as_deref()).set("reason", request.reason);
        let response = pb::LiftTokenDenialResponse { token_denial: Some(denial.into()) };
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
    let token_denials = denials.into_iter().map(Into::into).collect();
    Ok(pb::ListTokenDenialsResponse { token_denials, next_page_token })
}
