//! `BenefitService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, benefit_service_server::BenefitService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl BenefitService for Service {
    async fn create_benefit(
        &self,
        request: Request<pb::CreateBenefitRequest>,
    ) -> Result<Response<pb::CreateBenefitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::create(ctx, request).await?))
    }

    async fn get_benefit(
        &self,
        request: Request<pb::GetBenefitRequest>,
    ) -> Result<Response<pb::GetBenefitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::get(ctx, request).await?))
    }

    async fn list_benefits(
        &self,
        request: Request<pb::ListBenefitsRequest>,
    ) -> Result<Response<pb::ListBenefitsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list(ctx, request).await?))
    }

    async fn record_measurement(
        &self,
        request: Request<pb::RecordMeasurementRequest>,
    ) -> Result<Response<pb::RecordMeasurementResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::measure(ctx, request).await?))
    }

    async fn list_measurements(
        &self,
        request: Request<pb::ListMeasurementsRequest>,
    ) -> Result<Response<pb::ListMeasurementsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list_measurements(ctx, request).await?))
    }

    async fn get_benefit_progress(
        &self,
        request: Request<pb::GetBenefitProgressRequest>,
    ) -> Result<Response<pb::GetBenefitProgressResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::progress(ctx, request).await?))
    }
}
