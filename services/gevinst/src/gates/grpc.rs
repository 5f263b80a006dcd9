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
        Ok(Response::new(super::models::get(ctx, request).await?))
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

    async fn publish_gate_model(
        &self,
        request: Request<pb::PublishGateModelRequest>,
    ) -> Result<Response<pb::PublishGateModelResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::models::publish(ctx, request).await?))
    }

    async fn list_gate_models(
        &self,
        request: Request<pb::ListGateModelsRequest>,
    ) -> Result<Response<pb::ListGateModelsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::models::list(ctx, request).await?))
    }

    async fn migrate_project_gate_model(
        &self,
        request: Request<pb::MigrateProjectGateModelRequest>,
    ) -> Result<Response<pb::MigrateProjectGateModelResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::models::migrate(ctx, request).await?))
    }

    async fn assess_criterion(
        &self,
        request: Request<pb::AssessCriterionRequest>,
    ) -> Result<Response<pb::AssessCriterionResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::assessments::assess(ctx, request).await?))
    }

    async fn list_criterion_assessments(
        &self,
        request: Request<pb::ListCriterionAssessmentsRequest>,
    ) -> Result<Response<pb::ListCriterionAssessmentsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::assessments::list(ctx, request).await?))
    }

    async fn draft_gate_review(
        &self,
        request: Request<pb::DraftGateReviewRequest>,
    ) -> Result<Response<pb::DraftGateReviewResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::drafts::draft(ctx, request).await?))
    }

    async fn update_gate_review_draft(
        &self,
        request: Request<pb::UpdateGateReviewDraftRequest>,
    ) -> Result<Response<pb::UpdateGateReviewDraftResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::drafts::change(ctx, request).await?))
    }

    async fn submit_gate_review_draft(
        &self,
        request: Request<pb::SubmitGateReviewDraftRequest>,
    ) -> Result<Response<pb::SubmitGateReviewDraftResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::drafts::submit(ctx, request).await?))
    }
}
