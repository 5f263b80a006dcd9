//! The database schema as plain SQL files, so that a DBA and an auditor read what runs; `migrations/README.md` says how
//! one is written. Run by `gevinst migrate` as the owner of the schema; the service itself only looks at the level.

use sea_orm_migration::prelude::*;

/// One migration: a pair of SQL files, each run in one transaction.
struct SqlMigration {
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

impl MigrationName for SqlMigration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlMigration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.up).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.down).await.map(drop)
    }
}

const MIGRATIONS: [SqlMigration; 10] = [
    SqlMigration {
        name: "m20261123_000001_spine",
        up: include_str!("../sql/m20261123_000001_spine.up.sql"),
        down: include_str!("../sql/m20261123_000001_spine.down.sql"),
    },
    SqlMigration {
        name: "m20261123_000002_authority",
        up: include_str!("../sql/m20261123_000002_authority.up.sql"),
        down: include_str!("../sql/m20261123_000002_authority.down.sql"),
    },
    SqlMigration {
        name: "m20261123_000003_gates",
        up: include_str!("../sql/m20261123_000003_gates.up.sql"),
        down: include_str!("../sql/m20261123_000003_gates.down.sql"),
    },
    SqlMigration {
        name: "m20261124_000001_benefit_owners",
        up: include_str!("../sql/m20261124_000001_benefit_owners.up.sql"),
        down: include_str!("../sql/m20261124_000001_benefit_owners.down.sql"),
    },
    SqlMigration {
        name: "m20261124_000002_corrections",
        up: include_str!("../sql/m20261124_000002_corrections.up.sql"),
        down: include_str!("../sql/m20261124_000002_corrections.down.sql"),
    },
    SqlMigration {
        name: "m20261124_000003_benefit_register",
        up: include_str!("../sql/m20261124_000003_benefit_register.up.sql"),
        down: include_str!("../sql/m20261124_000003_benefit_register.down.sql"),
    },
    SqlMigration {
        name: "m20261124_000004_benefit_map",
        up: include_str!("../sql/m20261124_000004_benefit_map.up.sql"),
        down: include_str!("../sql/m20261124_000004_benefit_map.down.sql"),
    },
    SqlMigration {
        name: "m20261124_000006_realisation",
        up: include_str!("../sql/m20261124_000006_realisation.up.sql"),
        down: include_str!("../sql/m20261124_000006_realisation.down.sql"),
    },
    SqlMigration {
        name: "m20261124_000007_affected",
        up: include_str!("../sql/m20261124_000007_affected.up.sql"),
        down: include_str!("../sql/m20261124_000007_affected.down.sql"),
    },
    SqlMigration {
        name: "m20261124_000008_followed_up",
        up: include_str!("../sql/m20261124_000008_followed_up.up.sql"),
        down: include_str!("../sql/m20261124_000008_followed_up.down.sql"),
    },
];

/// Every migration of this version, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        MIGRATIONS.into_iter().map(|migration| Box::new(migration) as Box<dyn MigrationTrait>).collect()
    }
}

/// The names of every migration of this version, oldest first: the schema that this version knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.name)
}
