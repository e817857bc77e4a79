//! Refused records know the request that brought them, so that they stay as long as its answer
//! does. Knows one column.

use sea_orm_migration::{prelude::*, schema::text_null};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000002_quarantine_request"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter()
            .table("hayloft_quarantine")
            .add_column(text_null("request"))
            .to_owned();
        manager.alter_table(column).await
    }
}
