//! Where the database lives, so that a copy of it knows that it is one. Knows one table of one row.

use sea_orm_migration::{prelude::*, schema::text};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000006_place"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("hayloft_place")
            .col(ColumnDef::new("one").integer().not_null().primary_key());
        // What each says is the database's own matter; empty where it does not tell.
        for name in ["cluster", "timeline", "base", "feed", "at"] {
            table.col(text(name));
        }
        manager.create_table(table.to_owned()).await
    }
}
