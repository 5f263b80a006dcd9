//! `FundingService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, funding_service_server::FundingService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl FundingService for Service {
    async fn record_appropriation(
        &self,
        request: Request<pb::RecordAppropriationRequest>,
    ) -> Result<Response<pb::RecordAppropriationResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::appropriate(ctx, request).await?))
    }

    async fn end_appropriation(
        &self,
        request: Request<pb::EndAppropriationRequest>,
    ) -> Result<Response<pb::EndAppropriationResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::end_appropriation(ctx, request).await?))
    }

    async fn record_expenditure(
        &self,
        request: Request<pb::RecordExpenditureRequest>,
    ) -> Result<Response<pb::RecordExpenditureResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::spend(ctx, request).await?))
    }

    async fn list_expenditures(
        &self,
        request: Request<pb::ListExpendituresRequest>,
    ) -> Result<Response<pb::ListExpendituresResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list_expenditures(ctx, request).await?))
    }

    async fn get_project_funding(
        &self,
        request: Request<pb::GetProjectFundingRequest>,
    ) -> Result<Response<pb::GetProjectFundingResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::get(ctx, request).await?))
    }
}
