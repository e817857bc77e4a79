//! Numbers for rows where the database keeps none that never return. Knows these columns.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000007_row_number"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One row per table of a definition: the next number that no row ever had. Who writes rows
        // of a type locks it, so that the writers of one type take turns.
        let numbers = Table::create()
            .table("hayloft_row_number")
            .col(text("name").primary_key())
            .col(big_integer("next"))
            .to_owned();
        manager.create_table(numbers).await
    }
}
