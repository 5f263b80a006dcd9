//! `PlanService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, plan_service_server::PlanService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl PlanService for Service {
    async fn set_project_baseline(
        &self,
        request: Request<pb::SetProjectBaselineRequest>,
    ) -> Result<Response<pb::SetProjectBaselineResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::set_baseline(ctx, request).await?))
    }

    async fn change_direction(
        &self,
        request: Request<pb::ChangeDirectionRequest>,
    ) -> Result<Response<pb::ChangeDirectionResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::change_direction(ctx, request).await?))
    }

    async fn plan_increment(
        &self,
        request: Request<pb::PlanIncrementRequest>,
    ) -> Result<Response<pb::PlanIncrementResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::plan_increment(ctx, request).await?))
    }

    async fn end_increment(
        &self,
        request: Request<pb::EndIncrementRequest>,
    ) -> Result<Response<pb::EndIncrementResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::end_increment(ctx, request).await?))
    }

    async fn get_project_plan(
        &self,
        request: Request<pb::GetProjectPlanRequest>,
    ) -> Result<Response<pb::GetProjectPlanResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::get(ctx, request).await?))
    }
}
