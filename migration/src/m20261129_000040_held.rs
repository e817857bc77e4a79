//! Deletions that are held, and what was decided of them. Knows the table `hayloft_held`.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, blob, text},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000040_held"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // `decision`: open, approved, or kept. `seen` has the numbers of the rows, as
        // `hayloft_run_seen` has them.
        let table = Table::create()
            .table("hayloft_held")
            .col(text("fetch"))
            .col(text("decision"))
            .col(big_integer("run"))
            .col(big_integer("rows"))
            .col(blob("seen"))
            .col(text("at"))
            .primary_key(Index::create().col("fetch").col("decision"))
            .to_owned();
        manager.create_table(table).await
    }
}
