//! Lessons: what projects have learnt (S22, I20).

pub mod entity;
pub mod grpc;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, TryIntoModel};

use self::entity::Model;
use crate::{
    audit::Object,
    auth::Action,
    ctx::{Changes, Ctx},
    error::Result,
    ids::{LessonId, ProjectId},
    projects,
};

/// Publishes a lesson, also of a project that has ended.
pub async fn publish(ctx: Ctx, request: pb::PublishLessonRequest) -> Result<pb::PublishLessonResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    ctx.command(Action::LessonPublish, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        project.standing()?.must_be_listed()?;
        projects::must_have_room(&command, project_id, "lessons", "lesson").await?;
        let id: LessonId = command.ctx().new_id();
        let lesson = entity::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project_id.uuid()),
            what: Set(request.what),
            why: Set(request.why),
            advice: Set(request.advice),
            tags: Set(request.tags),
            publisher: Set(command.ctx().caller().subject().to_owned()),
            published_at: Set(command.ctx().now()),
        };
        let lesson: Model = lesson.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("project", project_id.to_string())
            .set("what", lesson.what.as_str())
            .set("why", lesson.why.as_str())
            .set("advice", lesson.advice.as_str())
            .set("tags", lesson.tags.clone());
        let response = pb::PublishLessonResponse { lesson: Some(lesson.into()) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// The organisation's lessons, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListLessonsRequest) -> Result<pb::ListLessonsResponse> {
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::ProjectRead)?;
    let (lessons, next_page_token) = page.fetch(&db, entity::find_in(db.organisation())).await?;
    db.listed(lessons.is_empty()).await?;
    Ok(pb::ListLessonsResponse { lessons: lessons.into_iter().map(Into::into).collect(), next_page_token })
}
