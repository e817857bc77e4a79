//! The first system tables. Knows their columns; times are RFC 3339 text in UTC, so that text order
//! is time order.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, blob, text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000001_system_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            run(),
            run_seen(),
            request_state(),
            quarantine(),
            change_log(),
            feed_head(),
            layout(),
        ] {
            manager.create_table(table).await?;
        }
        let slot = Index::create()
            .unique()
            .name("hayloft_run_slot")
            .table("hayloft_run")
            .col("fetch")
            .col("slot")
            .to_owned();
        manager.create_index(slot).await?;
        let fetch = Index::create()
            .name("hayloft_quarantine_fetch")
            .table("hayloft_quarantine")
            .col("fetch")
            .col("run")
            .to_owned();
        manager.create_index(fetch).await
    }
}

/// A number that the database hands out and never hands out again.
fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name)
        .big_integer()
        .not_null()
        .auto_increment()
        .primary_key()
        .to_owned()
}

fn counter(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().default(0).to_owned()
}

/// The ledger: one row per run.
fn run() -> TableCreateStatement {
    let mut table = Table::create();
    table.table("hayloft_run").col(number("id"));
    for name in [
        "fetch",
        "slot",
        "reason",
        "state",
        "definition",
        "started_at",
        "heartbeat_at",
        "lease_until",
    ] {
        table.col(text(name));
    }
    for name in ["finished_at", "error", "checkpoint"] {
        table.col(text_null(name));
    }
    for name in [
        "fence",
        "pages",
        "bytes",
        "new_rows",
        "changed_rows",
        "same_rows",
        "gone_rows",
        "refused_rows",
        "held_rows",
    ] {
        table.col(counter(name));
    }
    // Where the checkpoint stands: pages and rows before it, and the last part of
    // `hayloft_run_seen` that it covers.
    for name in ["checkpoint_pages", "checkpoint_rows", "checkpoint_part"] {
        table.col(counter(name));
    }
    table.to_owned()
}

/// The row numbers that a running run has seen: one blob per committed group.
fn run_seen() -> TableCreateStatement {
    Table::create()
        .table("hayloft_run_seen")
        .col(big_integer("run"))
        .col(big_integer("part"))
        .col(blob("rows"))
        .primary_key(Index::create().col("run").col("part"))
        .to_owned()
}

/// What is remembered of a request, with the numbers of the rows it brought.
fn request_state() -> TableCreateStatement {
    Table::create()
        .table("hayloft_request_state")
        .col(text("fetch"))
        .col(text("request"))
        .col(text("definition"))
        .col(big_integer("run"))
        .col(text_null("etag"))
        .col(text_null("last_modified"))
        .col(text_null("body_hash"))
        .col(text("page"))
        .col(counter("rows"))
        .col(blob("seen"))
        .primary_key(Index::create().col("fetch").col("request"))
        .to_owned()
}

/// Records that did not become rows.
fn quarantine() -> TableCreateStatement {
    Table::create()
        .table("hayloft_quarantine")
        .col(number("id"))
        .col(big_integer("run"))
        .col(text("fetch"))
        .col(text_null("row_key"))
        .col(text("reason"))
        .col(text("record"))
        .col(text("at"))
        .to_owned()
}

/// Committed changes in commit order; `seq` is dense.
fn change_log() -> TableCreateStatement {
    Table::create()
        .table("hayloft_change_log")
        .col(ColumnDef::new("seq").big_integer().not_null().primary_key())
        .col(text("type"))
        .col(text("row_key"))
        .col(text("op"))
        .col(big_integer("run"))
        .col(text("at"))
        .to_owned()
}

/// One row: the newest number of the change log, and the epoch in which numbers are comparable.
fn feed_head() -> TableCreateStatement {
    Table::create()
        .table("hayloft_feed_head")
        .col(ColumnDef::new("one").integer().not_null().primary_key())
        .col(text("epoch"))
        .col(counter("seq"))
        .to_owned()
}

/// The layouts that were applied, newest last.
fn layout() -> TableCreateStatement {
    Table::create()
        .table("hayloft_applied_layout")
        .col(number("id"))
        .col(text("definition"))
        .col(text("layout"))
        .col(text("at"))
        .to_owned()
}
