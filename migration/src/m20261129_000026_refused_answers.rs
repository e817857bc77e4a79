//! Refused records of an answer about a row know that row, so that they stay until it is answered
//! well or goes. Knows one column.

use sea_orm_migration::{prelude::*, schema::big_integer_null};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261129_000026_refused_answers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter()
            .table("hayloft_quarantine")
            .add_column(big_integer_null("parent"))
            .to_owned();
        manager.alter_table(column).await
    }
}
