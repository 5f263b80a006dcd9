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
    use time::OffsetDateTime;

    use crate::{
        ids::{OrgUnitId, OrganisationId},
        listing::{Field, FieldKind, List},
        wire::{etag, timestamp},
    };

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
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
        pub version: i64,
        pub created_at: OffsetDateTime,
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

    /// What units can be filtered on and ordered by.
    pub static LIST: List<Entity> = List {
        fields: &[
            Field { name: "name", column: Column::Name, kind: FieldKind::Text },
            Field { name: "parent", column: Column::ParentId, kind: FieldKind::Id },
            Field { name: "leader", column: Column::Leader, kind: FieldKind::Text },
            Field { name: "is_operational_area", column: Column::IsOperationalArea, kind: FieldKind::Bool },
            Field { name: "create_time", column: Column::CreatedAt, kind: FieldKind::Time },
        ],
        orders: &["name", "create_time"],
        default_order: "name",
        id: Column::Id,
    };

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
            }
        }
    }
}
