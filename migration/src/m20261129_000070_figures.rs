//! What was measured of the rows of each table when its statistics were made: widths, and which
//! keys have many rows. Knows the table
//! `hayloft_figures`.

use sea_orm_migration::{prelude::*, schema::text};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000070_figures"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // By the name of a type's table. `figures` is JSON, read and written as a whole.
        let table = Table::create()
            .table("hayloft_figures")
            .col(ColumnDef::new("name").text().not_null().primary_key())
            .col(text("figures"))
            .to_owned();
        manager.create_table(table).await
    }
}
