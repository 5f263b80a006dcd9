//! `AccessService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, access_service_server::AccessService};
use tonic::{Request, Response, Status};

use super::{delegations, grants, matrix, permissions, revocations};
use crate::server::Service;

#[tonic::async_trait]
impl AccessService for Service {
    async fn grant_role(
        &self,
        request: Request<pb::GrantRoleRequest>,
    ) -> Result<Response<pb::GrantRoleResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(grants::grant(ctx, request).await?))
    }

    async fn revoke_role_grant(
        &self,
        request: Request<pb::RevokeRoleGrantRequest>,
    ) -> Result<Response<pb::RevokeRoleGrantResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(grants::revoke(ctx, request).await?))
    }

    async fn list_role_grants(
        &self,
        request: Request<pb::ListRoleGrantsRequest>,
    ) -> Result<Response<pb::ListRoleGrantsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(grants::list(ctx, request).await?))
    }

    async fn propose_delegation(
        &self,
        request: Request<pb::ProposeDelegationRequest>,
    ) -> Result<Response<pb::ProposeDelegationResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(delegations::propose(ctx, request).await?))
    }

    async fn approve_delegation(
        &self,
        request: Request<pb::ApproveDelegationRequest>,
    ) -> Result<Response<pb::ApproveDelegationResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(delegations::approve(ctx, request).await?))
    }

    async fn end_delegation(
        &self,
        request: Request<pb::EndDelegationRequest>,
    ) -> Result<Response<pb::EndDelegationResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(delegations::end(ctx, request).await?))
    }

    async fn list_delegations(
        &self,
        request: Request<pb::ListDelegationsRequest>,
    ) -> Result<Response<pb::ListDelegationsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(delegations::list(ctx, request).await?))
    }

    async fn set_authority_rule(
        &self,
        request: Request<pb::SetAuthorityRuleRequest>,
    ) -> Result<Response<pb::SetAuthorityRuleResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(matrix::set(ctx, request).await?))
    }

    async fn end_authority_rule(
        &self,
        request: Request<pb::EndAuthorityRuleRequest>,
    ) -> Result<Response<pb::EndAuthorityRuleResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(matrix::end(ctx, request).await?))
    }

    async fn list_authority_rules(
        &self,
        request: Request<pb::ListAuthorityRulesRequest>,
    ) -> Result<Response<pb::ListAuthorityRulesResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(matrix::list(ctx, request).await?))
    }

    async fn deny_token(
        &self,
        request: Request<pb::DenyTokenRequest>,
    ) -> Result<Response<pb::DenyTokenResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(revocations::deny(ctx, request).await?))
    }

    async fn lift_token_denial(
        &self,
        request: Request<pb::LiftTokenDenialRequest>,
    ) -> Result<Response<pb::LiftTokenDenialResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(revocations::lift(ctx, request).await?))
    }

    async fn list_token_denials(
        &self,
        request: Request<pb::ListTokenDenialsRequest>,
    ) -> Result<Response<pb::ListTokenDenialsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(revocations::list(ctx, request).await?))
    }

    async fn get_project_permissions(
        &self,
        request: Request<pb::GetProjectPermissionsRequest>,
    ) -> Result<Response<pb::GetProjectPermissionsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(permissions::get(ctx, request).await?))
    }
}
