//! What a remembered answer wrote, so that an unchanged one vouches only for rows that still are
//! so. Knows its columns.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer_null, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000025_prints"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // None: it was remembered before there were prints, and vouches for nothing.
        for (table, column) in [
            ("hayloft_request_state", big_integer_null("print")),
            ("hayloft_fan_out", big_integer_null("print")),
            // The numbers of the rows that the answer brought: `7+3,12` are 7, 8, 9, 10 and 12.
            ("hayloft_fan_out", text_null("brought")),
        ] {
            let column = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(column).await?;
        }
        Ok(())
    }
}
