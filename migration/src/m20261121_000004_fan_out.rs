//! The requests of `@fetch` on fields: one row for each row asked about. Knows its columns; times
//! are RFC 3339 text in UTC.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000004_fan_out"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(fan_out()).await?;
        // What is due is claimed in the order of the rows, without looking at what is done.
        let state = Index::create()
            .name("hayloft_fan_out_state")
            .table("hayloft_fan_out")
            .col("fetch")
            .col("state")
            .col("parent")
            .to_owned();
        manager.create_index(state).await
    }
}

fn fan_out() -> TableCreateStatement {
    let mut table = Table::create();
    table.table("hayloft_fan_out");
    // Which request: the fetch, and the number of the row that it is about.
    table.col(text("fetch")).col(big_integer("parent"));
    // due, claimed, done, failed; and the run that planned it.
    table.col(text("state")).col(big_integer("run"));
    // The row's hash and what the definition said, when its answer was last good.
    table.col(big_integer_null("hash")).col(text_null("signature"));
    for name in ["request", "etag", "last_modified", "body_hash"] {
        table.col(text_null(name));
    }
    let mut tries = ColumnDef::new("tries");
    table.col(tries.big_integer().not_null().default(0));
    // When it may be tried again, who asks now and for how long, what went wrong, and when it was
    // last answered.
    for name in ["next_at", "owner", "until", "error", "at"] {
        table.col(text_null(name));
    }
    table.primary_key(Index::create().col("fetch").col("parent"));
    table.to_owned()
}
