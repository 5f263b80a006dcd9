//! `OrganisationService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, organisation_service_server::OrganisationService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl OrganisationService for Service {
    async fn list_organisations(
        &self,
        request: Request<pb::ListOrganisationsRequest>,
    ) -> Result<Response<pb::ListOrganisationsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list(ctx, request).await?))
    }

    async fn get_organisation(
        &self,
        request: Request<pb::GetOrganisationRequest>,
    ) -> Result<Response<pb::GetOrganisationResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::get(ctx, request).await?))
    }

    async fn create_org_unit(
        &self,
        request: Request<pb::CreateOrgUnitRequest>,
    ) -> Result<Response<pb::CreateOrgUnitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::units::create(ctx, request).await?))
    }

    async fn get_org_unit(
        &self,
        request: Request<pb::GetOrgUnitRequest>,
    ) -> Result<Response<pb::GetOrgUnitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::units::get(ctx, request).await?))
    }

    async fn list_org_units(
        &self,
        request: Request<pb::ListOrgUnitsRequest>,
    ) -> Result<Response<pb::ListOrgUnitsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::units::list(ctx, request).await?))
    }

    async fn update_org_unit(
        &self,
        request: Request<pb::UpdateOrgUnitRequest>,
    ) -> Result<Response<pb::UpdateOrgUnitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::units::update(ctx, request).await?))
    }

    async fn move_org_unit(
        &self,
        request: Request<pb::MoveOrgUnitRequest>,
    ) -> Result<Response<pb::MoveOrgUnitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::units::relocate(ctx, request).await?))
    }

    async fn list_org_unit_placements(
        &self,
        request: Request<pb::ListOrgUnitPlacementsRequest>,
    ) -> Result<Response<pb::ListOrgUnitPlacementsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::units::list_placements(ctx, request).await?))
    }

    async fn import_org_units(
        &self,
        request: Request<pb::ImportOrgUnitsRequest>,
    ) -> Result<Response<pb::ImportOrgUnitsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::import::import(ctx, request).await?))
    }

    async fn create_portfolio(
        &self,
        request: Request<pb::CreatePortfolioRequest>,
    ) -> Result<Response<pb::CreatePortfolioResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::portfolios::create(ctx, request).await?))
    }

    async fn list_portfolios(
        &self,
        request: Request<pb::ListPortfoliosRequest>,
    ) -> Result<Response<pb::ListPortfoliosResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::portfolios::list(ctx, request).await?))
    }
}
