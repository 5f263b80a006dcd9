//! `RealisationService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, realisation_service_server::RealisationService};
use tonic::{Request, Response, Status};

use super::{calendar, effects, policies, reviews};
use crate::server::Service;

#[tonic::async_trait]
impl RealisationService for Service {
    async fn get_benefit_policy(
        &self,
        request: Request<pb::GetBenefitPolicyRequest>,
    ) -> Result<Response<pb::GetBenefitPolicyResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(policies::get(ctx, request).await?))
    }

    async fn set_benefit_policy(
        &self,
        request: Request<pb::SetBenefitPolicyRequest>,
    ) -> Result<Response<pb::SetBenefitPolicyResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(policies::set(ctx, request).await?))
    }

    async fn record_budget_effect(
        &self,
        request: Request<pb::RecordBudgetEffectRequest>,
    ) -> Result<Response<pb::RecordBudgetEffectResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(effects::record(ctx, request).await?))
    }

    async fn list_budget_effects(
        &self,
        request: Request<pb::ListBudgetEffectsRequest>,
    ) -> Result<Response<pb::ListBudgetEffectsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(effects::list(ctx, request).await?))
    }

    async fn get_budget_effect(
        &self,
        request: Request<pb::GetBudgetEffectRequest>,
    ) -> Result<Response<pb::GetBudgetEffectResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(effects::get(ctx, request).await?))
    }

    async fn record_benefit_review(
        &self,
        request: Request<pb::RecordBenefitReviewRequest>,
    ) -> Result<Response<pb::RecordBenefitReviewResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(reviews::record(ctx, request).await?))
    }

    async fn list_benefit_reviews(
        &self,
        request: Request<pb::ListBenefitReviewsRequest>,
    ) -> Result<Response<pb::ListBenefitReviewsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(reviews::list(ctx, request).await?))
    }

    async fn list_due_benefit_reviews(
        &self,
        request: Request<pb::ListDueBenefitReviewsRequest>,
    ) -> Result<Response<pb::ListDueBenefitReviewsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(reviews::list_due(ctx, request).await?))
    }

    async fn list_measurement_calendar(
        &self,
        request: Request<pb::ListMeasurementCalendarRequest>,
    ) -> Result<Response<pb::ListMeasurementCalendarResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(calendar::list(ctx, request).await?))
    }

    async fn list_benefit_events(
        &self,
        request: Request<pb::ListBenefitEventsRequest>,
    ) -> Result<Response<pb::ListBenefitEventsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(calendar::list_events(ctx, request).await?))
    }
}
