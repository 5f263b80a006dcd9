//! `DossierService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, dossier_service_server::DossierService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl DossierService for Service {
    async fn get_project_dossier(
        &self,
        request: Request<pb::GetProjectDossierRequest>,
    ) -> Result<Response<pb::GetProjectDossierResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::get(ctx, request).await?))
    }

    async fn get_gate_readiness(
        &self,
        request: Request<pb::GetGateReadinessRequest>,
    ) -> Result<Response<pb::GetGateReadinessResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::readiness(ctx, request).await?))
    }

    async fn get_project_history(
        &self,
        request: Request<pb::GetProjectHistoryRequest>,
    ) -> Result<Response<pb::GetProjectHistoryResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::history(ctx, request).await?))
    }

    async fn get_decision_paper(
        &self,
        request: Request<pb::GetDecisionPaperRequest>,
    ) -> Result<Response<pb::GetDecisionPaperResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::paper(ctx, request).await?))
    }
}
