//! `BenefitReportService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, benefit_report_service_server::BenefitReportService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl BenefitReportService for Service {
    async fn get_benefit_rollup(
        &self,
        request: Request<pb::GetBenefitRollupRequest>,
    ) -> Result<Response<pb::GetBenefitRollupResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::rollup(ctx, request).await?))
    }

    async fn get_value_by_group(
        &self,
        request: Request<pb::GetValueByGroupRequest>,
    ) -> Result<Response<pb::GetValueByGroupResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::by_group(ctx, request).await?))
    }
}
