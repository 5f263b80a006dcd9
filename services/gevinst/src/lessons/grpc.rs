//! `LessonService`: decode, ask, encode.

use gevinst_proto::v1::{self as pb, lesson_service_server::LessonService};
use tonic::{Request, Response, Status};

use crate::server::Service;

#[tonic::async_trait]
impl LessonService for Service {
    async fn publish_lesson(
        &self,
        request: Request<pb::PublishLessonRequest>,
    ) -> Result<Response<pb::PublishLessonResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::publish(ctx, request).await?))
    }

    async fn list_lessons(
        &self,
        request: Request<pb::ListLessonsRequest>,
    ) -> Result<Response<pb::ListLessonsResponse>, Status> {
        let (ctx, request) = self.enter(request)?;
        Ok(Response::new(super::list(ctx, request).await?))
    }
}
