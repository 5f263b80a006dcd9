//! `AuditService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, audit_service_server::AuditService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl AuditService for Service {
    async fn list_audit_entries(
        &self,
        request: Request<pb::ListAuditEntriesRequest>,
    ) -> Result<Response<pb::ListAuditEntriesResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list(ctx, request).await?))
    }
}
