//! `ProjectService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, project_service_server::ProjectService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl ProjectService for Service {
    async fn register_project(
        &self,
        request: Request<pb::RegisterProjectRequest>,
    ) -> Result<Response<pb::RegisterProjectResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::register(ctx, request).await?))
    }

    async fn get_project(
        &self,
        request: Request<pb::GetProjectRequest>,
    ) -> Result<Response<pb::GetProjectResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::get(ctx, request).await?))
    }

    async fn list_projects(
        &self,
        request: Request<pb::ListProjectsRequest>,
    ) -> Result<Response<pb::ListProjectsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list(ctx, request).await?))
    }

    async fn update_project(
        &self,
        request: Request<pb::UpdateProjectRequest>,
    ) -> Result<Response<pb::UpdateProjectResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::update(ctx, request).await?))
    }

    async fn archive_project(
        &self,
        request: Request<pb::ArchiveProjectRequest>,
    ) -> Result<Response<pb::ArchiveProjectResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::archive(ctx, request).await?))
    }

    async fn resume_project(
        &self,
        request: Request<pb::ResumeProjectRequest>,
    ) -> Result<Response<pb::ResumeProjectResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::resume(ctx, request).await?))
    }
}
