//! Projects, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::rules::{ProjectClass, Stage, Standing, Status};
use crate::{
    auth::{Relationship, Resource},
    error::{Error, Result},
    ids::{OrganisationId, ProjectId},
    listing::{Field, FieldKind, List},
    wire::{etag, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "projects")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub number: String,
    pub title: String,
    pub vision: String,
    pub org_unit_id: Uuid,
    pub project_owner: String,
    pub project_manager: String,
    pub project_class: String,
    pub stage: String,
    pub status: String,
    pub archived: bool,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl ActiveModelBehavior for ActiveModel {}

/// An organisation's projects.
pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
    Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
}

/// One of them.
pub fn find_one_in(organisation: OrganisationId, id: ProjectId) -> Select<Entity> {
    find_in(organisation).filter(Column::Id.eq(id.uuid()))
}

/// What projects can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "number", column: Column::Number, kind: FieldKind::Text },
        Field { name: "title", column: Column::Title, kind: FieldKind::Text },
        Field { name: "org_unit", column: Column::OrgUnitId, kind: FieldKind::Id },
        Field { name: "project_owner", column: Column::ProjectOwner, kind: FieldKind::Text },
        Field { name: "project_manager", column: Column::ProjectManager, kind: FieldKind::Text },
        Field {
            name: "project_class",
            column: Column::ProjectClass,
            kind: FieldKind::Name(|name| name.parse::<ProjectClass>().is_ok()),
        },
        Field { name: "stage", column: Column::Stage, kind: FieldKind::Name(|name| name.parse::<Stage>().is_ok()) },
        Field { name: "status", column: Column::Status, kind: FieldKind::Name(|name| name.parse::<Status>().is_ok()) },
        Field { name: "archived", column: Column::Archived, kind: FieldKind::Bool },
        Field { name: "create_time", column: Column::CreatedAt, kind: FieldKind::Time },
        Field { name: "update_time", column: Column::UpdatedAt, kind: FieldKind::Time },
    ],
    orders: &["create_time", "number", "title", "update_time"],
    default_order: "create_time",
    id: Column::Id,
};

impl Model {
    /// The typed id.
    pub fn id(&self) -> ProjectId {
        ProjectId::new(self.id)
    }

    /// Where the project stands, as far as a rule asks.
    pub fn standing(&self) -> Result<Standing> {
        Ok(Standing { stage: known(&self.stage)?, status: known(&self.status)?, archived: self.archived })
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::Project> {
        let Standing { stage, status, archived } = self.standing()?;
        Ok(pb::Project {
            id: self.id.to_string(),
            organisation: self.organisation_id.to_string(),
            number: self.number,
            title: self.title,
            vision: self.vision,
            org_unit: self.org_unit_id.to_string(),
            project_owner: self.project_owner,
            project_manager: self.project_manager,
            project_class: known::<ProjectClass>(&self.project_class)? as i32,
            stage: stage as i32,
            status: status as i32,
            archived,
            create_time: Some(timestamp(self.created_at)),
            update_time: Some(timestamp(self.updated_at)),
            etag: etag(self.version),
        })
    }
}

impl<'a> From<&'a Model> for Resource<'a> {
    fn from(model: &'a Model) -> Self {
        Self::Related(Relationship::ProjectManager, &model.project_manager)
    }
}

/// A name from a column; the CHECK beside it lets no other in.
pub fn known<T: std::str::FromStr>(name: &str) -> Result<T> {
    name.parse().map_err(|_| Error::Internal(format!("the database holds the unknown name {name}")))
}
