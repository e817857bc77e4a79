//! The large page for which a fetch is left alone, and the same of single requests about rows.
//! Knows these columns.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000073_aside"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let ended = big_integer("ended_processes").default(0).to_owned();
        for (table, column) in [
            ("hayloft_fetch", text_null("aside_page")),
            // The large answer in hand, as people see it; how often in a row one was when a process
            // ended, and until when the request is left alone.
            ("hayloft_fan_out", text_null("working")),
            ("hayloft_fan_out", ended),
            ("hayloft_fan_out", text_null("aside_until")),
        ] {
            let column = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(column).await?;
        }
        Ok(())
    }
}
