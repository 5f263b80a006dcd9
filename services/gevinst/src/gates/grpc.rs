//! `GateService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, gate_service_server::GateService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl GateService for Service {
    async fn get_gate_model(
        &self,
        request: Request<pb::GetGateModelRequest>,
    ) -> Result<Response<pb::GetGateModelResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::model(ctx, request).await?))
    }

    async fn submit_gate_review(
        &self,
        request: Request<pb::SubmitGateReviewRequest>,
    ) -> Result<Response<pb::SubmitGateReviewResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::submit(ctx, request).await?))
    }

    async fn get_gate_review(
        &self,
        request: Request<pb::GetGateReviewRequest>,
    ) -> Result<Response<pb::GetGateReviewResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::get(ctx, request).await?))
    }

    async fn list_gate_reviews(
        &self,
        request: Request<pb::ListGateReviewsRequest>,
    ) -> Result<Response<pb::ListGateReviewsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list(ctx, request).await?))
    }

    async fn decide_gate_review(
        &self,
        request: Request<pb::DecideGateReviewRequest>,
    ) -> Result<Response<pb::DecideGateReviewResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::decide(ctx, request).await?))
    }

    async fn withdraw_gate_review(
        &self,
        request: Request<pb::WithdrawGateReviewRequest>,
    ) -> Result<Response<pb::WithdrawGateReviewResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::withdraw(ctx, request).await?))
    }
}
