//! `hayloft_applied_layout`: the layouts that were applied, newest last. Compares none.

use crate::{
    layout::Layout,
    store::{
        db::pool::{Line, get},
        error::StoreError,
        tx::Transaction,
    },
};

pub(crate) const NEWEST: &str = "SELECT id FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1";
/// The same, not before the layout is whole that is being applied, nor any other after it until the transaction ends. A statement
/// locks its tables before it looks at them, also one of which it reads nothing.
pub(crate) const NEWEST_HELD: &str = "SELECT id FROM hayloft_applied_layout WHERE (SELECT next FROM hayloft_row_number LIMIT 0) IS NULL \
                           ORDER BY id DESC LIMIT 1";
pub(crate) const NEWEST_LAYOUT: &str = "SELECT id,layout FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1";

pub(crate) fn number(lines: &[Line]) -> Result<i64, StoreError> {
    lines.first().map_or(Ok(0), |line| get(line, 0))
}

/// The record's table and the newest record.
pub(crate) const RECORDED: &str = "SELECT layout,id FROM hayloft_applied_layout ORDER BY id DESC";

pub(crate) fn parse(text: &str) -> Result<Layout, StoreError> {
    let layout: Result<Layout, _> = serde_json::from_str(text);
    layout
        .map(Layout::with_owners)
        .map_err(|error| StoreError::Database(Box::new(error)))
}

pub(crate) fn to_json(layout: &Layout) -> Result<String, StoreError> {
    serde_json::to_string(layout).map_err(|error| StoreError::Database(Box::new(error)))
}

/// The number of the newest record.
pub(crate) fn newest(lines: &[Line]) -> Result<i64, StoreError> {
    lines.first().map_or(Ok(0), |line| get(line, 1))
}

/// Writes a record; gives its number.
pub(crate) async fn record(tx: &mut Transaction<'_>) -> Result<i64, StoreError> {
    let mut params = tx.params();
    params.add(tx.context.catalog.fingerprint.clone())?;
    params.add(to_json(&tx.context.layout)?)?;
    let now = tx.context.now(0);
    let sql = format!("INSERT INTO hayloft_applied_layout(definition,layout,at) VALUES ($1,$2,{now}) RETURNING id");
    let lines = tx.all(params, sql).await?;
    lines.first().map_or(Ok(0), |line| get(line, 0))
}
