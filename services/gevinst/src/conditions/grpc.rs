//! `ConditionService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, condition_service_server::ConditionService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl ConditionService for Service {
    async fn list_conditions(
        &self,
        request: Request<pb::ListConditionsRequest>,
    ) -> Result<Response<pb::ListConditionsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list(ctx, request).await?))
    }

    async fn meet_condition(
        &self,
        request: Request<pb::MeetConditionRequest>,
    ) -> Result<Response<pb::MeetConditionResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::meet(ctx, request).await?))
    }

    async fn propose_condition_waiver(
        &self,
        request: Request<pb::ProposeConditionWaiverRequest>,
    ) -> Result<Response<pb::ProposeConditionWaiverResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::propose_waiver(ctx, request).await?))
    }

    async fn approve_condition_waiver(
        &self,
        request: Request<pb::ApproveConditionWaiverRequest>,
    ) -> Result<Response<pb::ApproveConditionWaiverResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::approve_waiver(ctx, request).await?))
    }
}
