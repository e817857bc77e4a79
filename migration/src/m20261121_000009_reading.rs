//! How each fetch is read: by the definition in force, and by the last complete run; and which
//! definition a process has. Knows their columns.

use sea_orm_migration::{
    prelude::*,
    schema::{text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000009_reading"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // `definition` is the one that wants it so; `done` is empty before the first complete run.
        let table = Table::create()
            .table("hayloft_reading")
            .col(text("fetch").primary_key())
            .col(text("definition"))
            .col(text("wanted"))
            .col(text_null("done"))
            .to_owned();
        manager.create_table(table).await?;
        let column = Table::alter()
            .table("hayloft_process")
            .add_column(text_null("definition"))
            .to_owned();
        manager.alter_table(column).await
    }
}
