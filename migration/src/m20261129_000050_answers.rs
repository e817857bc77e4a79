//! What an answer about a row was like: whether it may be all of it, and how many of its records
//! came again. Knows its columns.

use sea_orm_migration::{prelude::*, schema::text_null};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000050_answers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let count = |name: &'static str| ColumnDef::new(name).big_integer().not_null().default(0).to_owned();
        // SQLite adds one column at a time. `leads` is 1 when it led to rows that it did not bring.
        for column in [text_null("doubt"), count("copies"), count("leads")] {
            let table = Table::alter().table("hayloft_fan_out").add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
