//! Portfolios: sets of projects with a purpose of their own, across the units. A role can cover one.

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};

use super::entity::portfolio;
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::{Error, Result, on_constraint},
    ids::{Portfolio, PortfolioId},
};

/// Adds a portfolio.
pub async fn create(ctx: Ctx, request: pb::CreatePortfolioRequest) -> Result<pb::CreatePortfolioResponse> {
    ctx.command(Action::PortfolioCreate, Object::new::<Portfolio>(), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        let id: PortfolioId = command.ctx().new_id();
        let portfolio = portfolio::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            name: Set(request.name.clone()),
            created_at: Set(command.ctx().now()),
        };
        let taken = || Error::NameTaken { kind: "portfolio", name: request.name };
        let portfolio = portfolio.insert(command.tx()).await.map_err(on_constraint("portfolios_name_key", taken))?;
        let changes = Changes::default().set("name", portfolio.name.as_str());
        let response = pb::CreatePortfolioResponse { portfolio: Some(portfolio.into()) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// The organisation's portfolios, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListPortfoliosRequest) -> Result<pb::ListPortfoliosResponse> {
    let page = portfolio::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::PortfolioRead)?;
    let (portfolios, next_page_token) = page.fetch(&db, portfolio::find_in(db.organisation())).await?;
    db.allowed().await?;
    Ok(pb::ListPortfoliosResponse { portfolios: portfolios.into_iter().map(Into::into).collect(), next_page_token })
}
