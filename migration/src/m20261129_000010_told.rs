//! What a run tells beside its counts: records that were left out, why rows may be missing, and
//! notes. Knows their columns.

use sea_orm_migration::{prelude::*, schema::text_null};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000010_told"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let left_out = ColumnDef::new("left_out_rows")
            .big_integer()
            .not_null()
            .default(0)
            .to_owned();
        // SQLite adds one column at a time.
        for column in [left_out, text_null("doubt"), text_null("notes")] {
            let table = Table::alter().table("hayloft_run").add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
