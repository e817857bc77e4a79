//! How often rows of a type were written, so that a page whose type nobody has written since need
//! not look at its rows. Knows these columns.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000060_written"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in [
            // It counts the transactions that wrote rows of the table.
            ("hayloft_row_number", big_integer("written")),
            // That count when a run of this one page ended, and the rows that the page stood for.
            // None: it is not known whether the rows still are what they were.
            ("hayloft_request_state", big_integer_null("written")),
            ("hayloft_request_state", big_integer_null("brought")),
        ] {
            if table == "hayloft_row_number" {
                column.default(0);
            }
            let column = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(column).await?;
        }
        Ok(())
    }
}
