//! Rows whose key comes several times in one run: how many copies there were, and which rows. Knows
//! their columns.

use sea_orm_migration::{prelude::*, schema::blob_null};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000020_repeats"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let repeated = ColumnDef::new("repeated_rows")
            .big_integer()
            .not_null()
            .default(0)
            .to_owned();
        // SQLite adds one column at a time. `repeating` has the numbers of the rows, as
        // `hayloft_run_seen` has them.
        for column in [repeated, blob_null("repeating")] {
            let table = Table::alter().table("hayloft_run").add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
