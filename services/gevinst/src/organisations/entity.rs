//! Organisations and their units, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

/// A municipality.
pub mod organisation {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use time::OffsetDateTime;

    use crate::ids::OrganisationId;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "organisations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub code: String,
        pub number_prefix: String,
        pub created_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// The organisation itself.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::Id.eq(organisation.uuid()))
    }

    impl From<Model> for pb::Organisation {
        fn from(model: Model) -> Self {
            Self { id: model.id.to_string(), name: model.name, code: model.code, number_prefix: model.number_prefix }
        }
    }
}

/// A part of an organisation with a leader of its own.
pub mod org_unit {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde::Deserialize;
    use time::{Date, OffsetDateTime};

    use crate::{
        auth::Resource,
        db::postgres,
        ids::{OrgUnitId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::{etag, iso_day, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
    #[sea_orm(table_name = "org_units")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub parent_id: Option<Uuid>,
        pub leader: Option<String>,
        pub is_operational_area: bool,
        pub fk_org_uuid: Option<Uuid>,
        pub kitos_uuid: Option<Uuid>,
        #[serde(with = "iso_day::option")]
        pub valid_from: Option<Date>,
        #[serde(with = "iso_day::option")]
        pub valid_until: Option<Date>,
        /// Kept by the database's triggers.
        pub path: Vec<Uuid>,
        pub version: i64,
        #[serde(with = "time::serde::iso8601")]
        pub created_at: OffsetDateTime,
        #[serde(with = "time::serde::iso8601")]
        pub updated_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's units.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// One of them.
    pub fn find_one_in(organisation: OrganisationId, id: OrgUnitId) -> Select<Entity> {
        find_in(organisation).filter(Column::Id.eq(id.uuid()))
    }

    /// Lets no other move or import of the organisation's units in before the command ends: of two that would make a
    /// circle together, the second sees what the first has done, and is told.
    pub async fn lock_tree(db: &impl ConnectionTrait, organisation: OrganisationId) -> Result<(), DbErr> {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended('org_units ' || $1, 0))";
        db.execute_raw(postgres(sql, [organisation.to_string().into()])).await.map(drop)
    }

    /// Gives the units below those that have moved another version: their paths have changed, and an answer that a
    /// caller keeps under the old etag would not say so.
    pub async fn renew_below(
        db: &impl ConnectionTrait,
        organisation: OrganisationId,
        moved: Vec<Uuid>,
        now: OffsetDateTime,
    ) -> Result<(), DbErr> {
        let sql = "UPDATE org_units SET version = version + 1, updated_at = $3 \
            WHERE organisation_id = $1 AND path && $2 AND id <> ALL ($2)";
        db.execute_raw(postgres(sql, [organisation.uuid().into(), moved.into(), now.into()])).await.map(drop)
    }

    /// What units can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "name", column: Column::Name, kind: FieldKind::Text },
            Field { name: "parent", column: Column::ParentId, kind: FieldKind::Id },
            Field { name: "ancestor", column: Column::Path, kind: FieldKind::Ids },
            Field { name: "leader", column: Column::Leader, kind: FieldKind::Text },
            Field { name: "is_operational_area", column: Column::IsOperationalArea, kind: FieldKind::Bool },
            Field { name: "fk_org_uuid", column: Column::FkOrgUuid, kind: FieldKind::Id },
            Field { name: "kitos_uuid", column: Column::KitosUuid, kind: FieldKind::Id },
            Field { name: "valid_from", column: Column::ValidFrom, kind: FieldKind::Date },
            Field { name: "valid_until", column: Column::ValidUntil, kind: FieldKind::Date },
            Field { name: "create_time", column: Column::CreatedAt, kind: FieldKind::Time },
        ],
        orders: &["name", "create_time"],
        default_order: "name",
        id: Column::Id,
    };

    impl<'a> From<&'a Model> for Resource<'a> {
        fn from(model: &'a Model) -> Self {
            Self::Place { scopes: &model.path }
        }
    }

    impl From<Model> for pb::OrgUnit {
        fn from(model: Model) -> Self {
            Self {
                id: model.id.to_string(),
                organisation: model.organisation_id.to_string(),
                name: model.name,
                parent: model.parent_id.map(|id| id.to_string()),
                leader: model.leader,
                is_operational_area: model.is_operational_area,
                create_time: Some(timestamp(model.created_at)),
                update_time: Some(timestamp(model.updated_at)),
                etag: etag(model.version),
                fk_org_uuid: model.fk_org_uuid.map(|id| id.to_string()),
                kitos_uuid: model.kitos_uuid.map(|id| id.to_string()),
                valid_from: model.valid_from.map(|day| day.to_string()),
                valid_until: model.valid_until.map(|day| day.to_string()),
                path: model.path.iter().map(Uuid::to_string).collect(),
            }
        }
    }
}

/// A time that a unit was below another one, or at the top.
pub mod placement {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use serde_json::json;
    use time::OffsetDateTime;

    use crate::{
        db::postgres,
        ids::{OrgUnitId, OrgUnitPlacementId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::timestamp,
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "org_unit_placements")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub org_unit_id: Uuid,
        pub parent_id: Option<Uuid>,
        pub placed_at: OffsetDateTime,
        pub placed_by: String,
        pub reason: String,
        pub left_at: Option<OffsetDateTime>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A unit's placements.
    pub fn find_in(organisation: OrganisationId, unit: OrgUnitId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid())).filter(Column::OrgUnitId.eq(unit.uuid()))
    }

    /// A unit's new place.
    pub struct New {
        pub id: OrgUnitPlacementId,
        pub unit: Uuid,
        pub parent: Option<Uuid>,
    }

    /// Who places units, when and why.
    pub struct Why<'a> {
        pub by: &'a str,
        pub at: OffsetDateTime,
        pub reason: &'a str,
    }

    /// Closes these units' current placements, where they have one, and opens the new ones.
    pub async fn begin(
        db: &impl ConnectionTrait,
        organisation: OrganisationId,
        placements: &[New],
        why: Why<'_>,
    ) -> Result<(), DbErr> {
        let units: Vec<Uuid> = placements.iter().map(|new| new.unit).collect();
        let close = "UPDATE org_unit_placements SET left_at = $3 \
            WHERE organisation_id = $1 AND org_unit_id = ANY ($2) AND left_at IS NULL";
        db.execute_raw(postgres(close, [organisation.uuid().into(), units.into(), why.at.into()])).await?;
        let rows: Vec<_> = placements
            .iter()
            .map(|new| json!({"id": new.id.uuid(), "org_unit_id": new.unit, "parent_id": new.parent}))
            .collect();
        let open = "INSERT INTO org_unit_placements \
                (organisation_id, id, org_unit_id, parent_id, placed_at, placed_by, reason) \
            SELECT $1, n.id, n.org_unit_id, n.parent_id, $3, $4, $5 \
            FROM jsonb_to_recordset($2) AS n (id uuid, org_unit_id uuid, parent_id uuid)";
        let values = [organisation.uuid().into(), json!(rows).into(), why.at.into(), why.by.into(), why.reason.into()];
        db.execute_raw(postgres(open, values)).await.map(drop)
    }

    /// What placements can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "parent", column: Column::ParentId, kind: FieldKind::Id },
            Field { name: "placed_by", column: Column::PlacedBy, kind: FieldKind::Text },
            Field { name: "place_time", column: Column::PlacedAt, kind: FieldKind::Time },
            Field { name: "leave_time", column: Column::LeftAt, kind: FieldKind::Time },
        ],
        orders: &["place_time"],
        default_order: "place_time desc",
        id: Column::Id,
    };

    impl From<Model> for pb::OrgUnitPlacement {
        fn from(model: Model) -> Self {
            Self {
                id: model.id.to_string(),
                org_unit: model.org_unit_id.to_string(),
                parent: model.parent_id.map(|id| id.to_string()),
                placed_by: model.placed_by,
                place_time: Some(timestamp(model.placed_at)),
                leave_time: model.left_at.map(timestamp),
                reason: model.reason,
            }
        }
    }
}

/// A set of projects with a purpose of its own.
pub mod portfolio {
    use gevinst_proto::v1 as pb;
    use sea_orm::entity::prelude::*;
    use time::OffsetDateTime;

    use crate::{
        ids::{OrganisationId, PortfolioId},
        listing::{Field, FieldKind, List},
        wire::timestamp,
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "portfolios")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub organisation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub created_at: OffsetDateTime,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// An organisation's portfolios.
    pub fn find_in(organisation: OrganisationId) -> Select<Entity> {
        Entity::find().filter(Column::OrganisationId.eq(organisation.uuid()))
    }

    /// One of them.
    pub fn find_one_in(organisation: OrganisationId, id: PortfolioId) -> Select<Entity> {
        find_in(organisation).filter(Column::Id.eq(id.uuid()))
    }

    /// What portfolios can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "name", column: Column::Name, kind: FieldKind::Text },
            Field { name: "create_time", column: Column::CreatedAt, kind: FieldKind::Time },
        ],
        orders: &["name", "create_time"],
        default_order: "name",
        id: Column::Id,
    };

    impl From<Model> for pb::Portfolio {
        fn from(model: Model) -> Self {
            Self {
                id: model.id.to_string(),
                organisation: model.organisation_id.to_string(),
                name: model.name,
                create_time: Some(timestamp(model.created_at)),
            }
        }
    }
}
