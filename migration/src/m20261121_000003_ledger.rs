//! What several processes need of the ledger: owners, the turn of each fetch, live processes, and
//! fetches that owe values. Knows their columns; times are RFC 3339 text in UTC, as everywhere.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000003_ledger"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [text_null("owner"), counter("turn")] {
            let table = Table::alter().table("hayloft_run").add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        for table in [fetch(), process(), refill()] {
            manager.create_table(table).await?;
        }
        // A crash of an older version may have left runs that nobody runs any more; they would
        // break the index.
        let left = Query::update()
            .table("hayloft_run")
            .value("state", "interrupted")
            .and_where(Expr::col("state").eq("running"))
            .to_owned();
        manager.execute(left).await?;
        manager.create_index(running()).await
    }
}

/// `turn` counts the claims of a fetch's runs: their order, also when a clock steps back or slots
/// wait.
fn counter(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().default(0).to_owned()
}

/// At most one running run per fetch, whatever the program believes.
fn running() -> IndexCreateStatement {
    Index::create()
        .unique()
        .name("hayloft_run_running")
        .table("hayloft_run")
        .col("fetch")
        .and_where(Expr::col("state").eq("running"))
        .to_owned()
}

/// One row per fetch, locked by whoever decides about its runs; and when its schedule was last
/// looked at.
fn fetch() -> TableCreateStatement {
    Table::create()
        .table("hayloft_fetch")
        .col(text("fetch").primary_key())
        .col(counter("turns"))
        .col(text_null("looked_at"))
        .to_owned()
}

/// The processes that harvest, with their last sign of life.
fn process() -> TableCreateStatement {
    Table::create()
        .table("hayloft_process")
        .col(text("id").primary_key())
        .col(big_integer("by_hand"))
        .col(text("started_at"))
        .col(text("seen_at"))
        .to_owned()
}

/// Fetches that must harvest everything once, because fields came that what is stored has no values
/// for.
fn refill() -> TableCreateStatement {
    Table::create()
        .table("hayloft_refill")
        .col(text("fetch").primary_key())
        .col(text("fields"))
        .col(text("at"))
        .to_owned()
}
