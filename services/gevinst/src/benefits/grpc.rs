//! `BenefitService`: decode, ask, encode.

use std::vec;

use gevinst_proto::v1::{self as pb, benefit_service_server::BenefitService};
use tonic::{Request, Response, Status, Streaming};

use super::{figures, measuring, owners, planning, register};
use crate::server::Service;

#[tonic::async_trait]
impl BenefitService for Service {
    async fn create_benefit(
        &self,
        request: Request<pb::CreateBenefitRequest>,
    ) -> Result<Response<pb::CreateBenefitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(register::create(ctx, request).await?))
    }

    async fn update_benefit(
        &self,
        request: Request<pb::UpdateBenefitRequest>,
    ) -> Result<Response<pb::UpdateBenefitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(register::update(ctx, request).await?))
    }

    async fn plan_benefit(
        &self,
        request: Request<pb::PlanBenefitRequest>,
    ) -> Result<Response<pb::PlanBenefitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(planning::plan(ctx, request).await?))
    }

    async fn list_benefit_plans(
        &self,
        request: Request<pb::ListBenefitPlansRequest>,
    ) -> Result<Response<pb::ListBenefitPlansResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(planning::list(ctx, request).await?))
    }

    async fn get_benefit(
        &self,
        request: Request<pb::GetBenefitRequest>,
    ) -> Result<Response<pb::GetBenefitResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(register::get(ctx, request).await?))
    }

    async fn list_benefits(
        &self,
        request: Request<pb::ListBenefitsRequest>,
    ) -> Result<Response<pb::ListBenefitsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(register::list(ctx, request).await?))
    }

    async fn record_measurement(
        &self,
        request: Request<pb::RecordMeasurementRequest>,
    ) -> Result<Response<pb::RecordMeasurementResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(measuring::measure(ctx, request).await?))
    }

    type RecordMeasurementsStream = tokio_stream::Iter<vec::IntoIter<Result<pb::RecordMeasurementsResponse, Status>>>;

    async fn record_measurements(
        &self,
        request: Request<Streaming<pb::RecordMeasurementsRequest>>,
    ) -> Result<Response<Self::RecordMeasurementsStream>, Status> {
        let (entered, mut stream) = self.enter_stream(request)?;
        let first = stream.message().await?.unwrap_or_default();
        let head = pb::RecordMeasurementsRequest { measurement: None, ..first.clone() };
        let mut sent = measuring::Sent::new(entered.with(&head)?, &head.organisation);
        let mut next = Some(first);
        while let Some(message) = next {
            sent.take(message)?;
            next = stream.message().await?;
        }
        let results = sent.record().await?.results;
        let answer = |result| Ok(pb::RecordMeasurementsResponse { result: Some(result) });
        let answers: Vec<_> = results.into_iter().map(answer).collect();
        Ok(Response::new(tokio_stream::iter(answers)))
    }

    async fn import_measurements(
        &self,
        request: Request<pb::ImportMeasurementsRequest>,
    ) -> Result<Response<pb::ImportMeasurementsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(measuring::import(ctx, request).await?))
    }

    async fn list_measurements(
        &self,
        request: Request<pb::ListMeasurementsRequest>,
    ) -> Result<Response<pb::ListMeasurementsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(measuring::list_measurements(ctx, request).await?))
    }

    async fn get_benefit_progress(
        &self,
        request: Request<pb::GetBenefitProgressRequest>,
    ) -> Result<Response<pb::GetBenefitProgressResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(figures::progress(ctx, request).await?))
    }

    async fn check_benefit_owner(
        &self,
        request: Request<pb::CheckBenefitOwnerRequest>,
    ) -> Result<Response<pb::CheckBenefitOwnerResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(owners::check(ctx, request).await?))
    }

    async fn nominate_benefit_owner(
        &self,
        request: Request<pb::NominateBenefitOwnerRequest>,
    ) -> Result<Response<pb::NominateBenefitOwnerResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(owners::nominate(ctx, request).await?))
    }

    async fn approve_benefit_owner_exception(
        &self,
        request: Request<pb::ApproveBenefitOwnerExceptionRequest>,
    ) -> Result<Response<pb::ApproveBenefitOwnerExceptionResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(owners::approve_exception(ctx, request).await?))
    }

    async fn accept_benefit_ownership(
        &self,
        request: Request<pb::AcceptBenefitOwnershipRequest>,
    ) -> Result<Response<pb::AcceptBenefitOwnershipResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(owners::accept(ctx, request).await?))
    }

    async fn decline_benefit_ownership(
        &self,
        request: Request<pb::DeclineBenefitOwnershipRequest>,
    ) -> Result<Response<pb::DeclineBenefitOwnershipResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(owners::decline(ctx, request).await?))
    }

    async fn list_benefit_ownerships(
        &self,
        request: Request<pb::ListBenefitOwnershipsRequest>,
    ) -> Result<Response<pb::ListBenefitOwnershipsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(owners::list(ctx, request).await?))
    }
}
