//! `BenefitMapService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, benefit_map_service_server::BenefitMapService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl BenefitMapService for Service {
    async fn set_benefit_map(
        &self,
        request: Request<pb::SetBenefitMapRequest>,
    ) -> Result<Response<pb::SetBenefitMapResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::set(ctx, request).await?))
    }

    async fn get_benefit_map(
        &self,
        request: Request<pb::GetBenefitMapRequest>,
    ) -> Result<Response<pb::GetBenefitMapResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::get(ctx, request).await?))
    }

    async fn export_benefit_map(
        &self,
        request: Request<pb::ExportBenefitMapRequest>,
    ) -> Result<Response<pb::ExportBenefitMapResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::export(ctx, request).await?))
    }
}
