//! Which of the live processes have a definition that is not in force. Knows this column.

use sea_orm_migration::{prelude::*, schema::big_integer};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000008_replaced"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One that has been replaced lives on, and has no part in the sources.
        let replaced = Table::alter()
            .table("hayloft_process")
            .add_column(big_integer("replaced").default(0))
            .to_owned();
        manager.alter_table(replaced).await
    }
}
