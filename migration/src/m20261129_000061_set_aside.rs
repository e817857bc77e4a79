//! What a run is at work on, and how long a fetch whose page ended its process is left alone. Knows
//! these columns.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000061_set_aside"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let ended = big_integer("ended_processes").default(0).to_owned();
        for (table, column) in [
            // The large page in hand, as people see it.
            ("hayloft_run", text_null("working")),
            // How often in a row a large page was in hand when a process ended without a word, and
            // until when it is left alone.
            ("hayloft_fetch", ended),
            ("hayloft_fetch", text_null("aside_until")),
        ] {
            let column = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(column).await?;
        }
        Ok(())
    }
}
