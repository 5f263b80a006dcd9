//! Projects, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::entity::prelude::*;
use serde::Deserialize;
use time::OffsetDateTime;

use super::rules::{ProjectClass, SizeClass, Stage, Standing, Status, Track};
use crate::{
    auth::Resource,
    db::postgres,
    error::Result,
    gates,
    ids::{OrgUnitId, OrganisationId, PortfolioId, ProjectId},
    listing::{Field, FieldKind, List},
    wire::{etag, known, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
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
    pub portfolio_id: Option<Uuid>,
    pub track: String,
    pub version: i64,
    #[serde(with = "time::serde::iso8601")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::iso8601")]
    pub updated_at: OffsetDateTime,
    pub scopes: Vec<Uuid>,
    pub size_class: String,
    pub track_reason: String,
    pub gate_model_id: Uuid,
    pub single_kind_reason: String,
    pub affected_units: Vec<Uuid>,
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

/// Registers a project and numbers it. One statement: the row lock on the year's number is taken last and held no longer
/// than to the commit, and a registration that fails gives its number back (gapless).
const REGISTER: &str = "WITH year AS (SELECT extract(year FROM $9::timestamptz AT TIME ZONE 'Europe/Copenhagen')::int AS y), \
    numbered AS (INSERT INTO project_numbers AS n (organisation_id, year, last) SELECT $1, y, 1 FROM year \
        ON CONFLICT (organisation_id, year) DO UPDATE SET last = n.last + 1 RETURNING year, last) \
    INSERT INTO projects (organisation_id, id, number, title, vision, org_unit_id, project_owner, project_manager, \
        project_class, stage, status, created_at, updated_at, portfolio_id, track, size_class, track_reason, \
        gate_model_id) \
    SELECT $1, $2, o.number_prefix || '-' || year || '-' || lpad(last::text, greatest(3, length(last::text)), '0'), \
        $3, $4, $5, $6, $7, $8, $10, $11, $9, $9, $12, $13, $14, $15, \
        coalesce((SELECT id FROM gate_models WHERE organisation_id = $1 ORDER BY published_at DESC, id DESC LIMIT 1), $16) \
        FROM numbered, organisations o WHERE o.id = $1 RETURNING *";

/// What a new project is made of.
pub struct Registration {
    pub organisation: OrganisationId,
    pub id: ProjectId,
    pub title: String,
    pub vision: String,
    pub org_unit: OrgUnitId,
    pub project_owner: String,
    pub project_manager: String,
    pub project_class: ProjectClass,
    pub portfolio: Option<PortfolioId>,
    pub track: Track,
    pub size_class: SizeClass,
    pub track_reason: String,
    pub now: OffsetDateTime,
}

/// Adds a project under the next number of its organisation and year.
pub async fn register(db: &impl ConnectionTrait, new: Registration) -> Result<Option<Model>, DbErr> {
    let values = [
        new.organisation.uuid().into(),
        new.id.uuid().into(),
        new.title.into(),
        new.vision.into(),
        new.org_unit.uuid().into(),
        new.project_owner.into(),
        new.project_manager.into(),
        <&str>::from(new.project_class).into(),
        new.now.into(),
        <&str>::from(Stage::Idea).into(),
        <&str>::from(Status::Active).into(),
        new.portfolio.map(PortfolioId::uuid).into(),
        <&str>::from(new.track).into(),
        <&str>::from(new.size_class).into(),
        new.track_reason.into(),
        gates::model::SHIPPED.into(),
    ];
    Entity::find().from_raw_sql(postgres(REGISTER, values)).one(db).await
}

/// What projects can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "number", column: Column::Number, kind: FieldKind::Text },
        Field { name: "title", column: Column::Title, kind: FieldKind::Text },
        Field { name: "org_unit", column: Column::OrgUnitId, kind: FieldKind::Id },
        Field { name: "portfolio", column: Column::PortfolioId, kind: FieldKind::Id },
        Field { name: "project_owner", column: Column::ProjectOwner, kind: FieldKind::Text },
        Field { name: "project_manager", column: Column::ProjectManager, kind: FieldKind::Text },
        Field {
            name: "project_class",
            column: Column::ProjectClass,
            kind: FieldKind::Name(|name| name.parse::<ProjectClass>().is_ok()),
        },
        Field { name: "track", column: Column::Track, kind: FieldKind::Name(|name| name.parse::<Track>().is_ok()) },
        Field {
            name: "size_class",
            column: Column::SizeClass,
            kind: FieldKind::Name(|name| name.parse::<SizeClass>().is_ok()),
        },
        Field { name: "gate_model", column: Column::GateModelId, kind: FieldKind::Id },
        Field { name: "stage", column: Column::Stage, kind: FieldKind::Name(|name| name.parse::<Stage>().is_ok()) },
        Field { name: "status", column: Column::Status, kind: FieldKind::Name(|name| name.parse::<Status>().is_ok()) },
        Field { name: "archived", column: Column::Archived, kind: FieldKind::Bool },
        Field { name: "create_time", column: Column::CreatedAt, kind: FieldKind::Time },
        Field { name: "update_time", column: Column::UpdatedAt, kind: FieldKind::Time },
    ],
    orders: &["create_time", "title", "update_time"],
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

    /// The units besides its own whose daily work it changes.
    pub fn affected_units(&self) -> Vec<String> {
        self.affected_units.iter().map(Uuid::to_string).collect()
    }

    /// Its track.
    pub fn track(&self) -> Result<Track> {
        known(&self.track)
    }

    /// Its size.
    pub fn size_class(&self) -> Result<SizeClass> {
        known(&self.size_class)
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::Project> {
        let Standing { stage, status, archived } = self.standing()?;
        Ok(pb::Project {
            affected_units: self.affected_units(),
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
            portfolio: self.portfolio_id.map(|id| id.to_string()),
            track: known::<Track>(&self.track)? as i32,
            size_class: known::<SizeClass>(&self.size_class)? as i32,
            track_reason: self.track_reason,
            gate_model: self.gate_model_id.to_string(),
            single_kind_reason: self.single_kind_reason,
        })
    }
}

impl<'a> From<&'a Model> for Resource<'a> {
    fn from(model: &'a Model) -> Self {
        Self::Project {
            organisation: &model.organisation_id,
            scopes: &model.scopes,
            owner: &model.project_owner,
            manager: &model.project_manager,
        }
    }
}

/// A turn in a project's life that no other row tells of; never changed.
pub mod event {
    use gevinst_proto::v1 as pb;
    use sea_orm::{ActiveValue::Set, entity::prelude::*};
    use serde::Deserialize;
    use strum::IntoStaticStr;
    use time::OffsetDateTime;

    use crate::{
        ctx::Command,
        error::Result,
        ids::{ProjectEventId, ProjectId},
        wire::{named, timestamp},
    };

    /// The kinds of turns, named as in the contract.
    #[derive(Clone, Copy, IntoStaticStr)]
    #[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
    pub enum Kind {
        Resumed,
        HeldByCondition,
        GateModelMigrated,
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "project_events")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub kind: String,
        pub actor: String,
        pub reason: String,
        #[serde(with = "time::serde::iso8601")]
        pub occurred_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// Tells of a turn.
    pub async fn record(command: &Command, project: ProjectId, kind: Kind, reason: &str) -> Result<()> {
        let (ctx, id): (_, ProjectEventId) = (command.ctx(), command.ctx().new_id());
        let event = ActiveModel {
            organisation_id: Set(ctx.organisation()?.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project.uuid()),
            kind: Set(<&str>::from(kind).to_owned()),
            actor: Set(ctx.caller().subject().to_owned()),
            reason: Set(reason.to_owned()),
            occurred_at: Set(ctx.now()),
        };
        event.insert(command.tx()).await?;
        Ok(())
    }

    impl Model {
        /// As the contract shows it.
        pub fn into_proto(self) -> Result<pb::ProjectEvent> {
            Ok(pb::ProjectEvent {
                kind: named(pb::ProjectEventKind::from_str_name, "PROJECT_EVENT_KIND_", &self.kind)?,
                actor: self.actor,
                reason: self.reason,
                time: Some(timestamp(self.occurred_at)),
                id: self.id.to_string(),
            })
        }
    }
}
