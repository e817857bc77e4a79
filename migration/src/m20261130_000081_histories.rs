//! Since when the past of each type's rows is kept, and the moment of the last commit that kept
//! some. Knows the table `hayloft_history` and this column.

use sea_orm_migration::{
    prelude::*,
    schema::{text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261130_000081_histories"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("hayloft_history")
            .col(text("type").primary_key())
            .col(text("began"))
            .to_owned();
        manager.create_table(table).await?;
        // Moments only grow, whatever a clock does: the next one lies behind this.
        let column = text_null("history_at");
        let column = Table::alter().table("hayloft_feed_head").add_column(column).to_owned();
        manager.alter_table(column).await
    }
}
