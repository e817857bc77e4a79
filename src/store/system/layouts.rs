//! `hayloft_applied_layout` and `hayloft_layout_lock`: the layouts that were applied, newest last,
//! and whose turn it is to apply one or to build indexes. Compares none.

use crate::{
    layout::Layout,
    store::{
        db::{
            dialect::Dialect,
            pool::{ResultRow, get},
        },
        error::StoreError,
        tx::Transaction,
    },
};

/// Is there once a layout was applied.
pub(crate) const TABLE: &str = "hayloft_applied_layout";

pub(crate) const NEWEST: &str = "SELECT id FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1";
/// The same, not before the layout is whole that is being applied, nor any other after it until the
/// transaction ends. A statement locks its tables before it looks at them, also one of which it
/// reads nothing.
pub(crate) const NEWEST_HELD: &str = "SELECT id FROM hayloft_applied_layout WHERE (SELECT next FROM hayloft_row_number LIMIT 0) IS NULL \
                           ORDER BY id DESC LIMIT 1";
pub(crate) const NEWEST_LAYOUT: &str = "SELECT id,layout FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1";

pub(crate) fn number(rows: &[ResultRow]) -> Result<i64, StoreError> {
    rows.first().map_or(Ok(0), |row| get(row, 0))
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

/// Whether a record says what `own` does, which this version wrote. Where an earlier version said
/// less of the same layout, the texts differ; a definition would not know its own record again, and
/// would take the newer one's tables back.
pub(crate) fn is_text_of(record: &str, own: &str) -> bool {
    let said_anew = || parse(record).and_then(|layout| to_json(&layout));
    record == own || said_anew().is_ok_and(|text| text == own)
}

/// The number of the newest record.
pub(crate) fn newest(rows: &[ResultRow]) -> Result<i64, StoreError> {
    rows.first().map_or(Ok(0), |row| get(row, 1))
}

/// Writes a record; gives its number.
pub(crate) async fn record(tx: &mut Transaction<'_>) -> Result<i64, StoreError> {
    let mut params = tx.params();
    params.add(tx.context.catalog.fingerprint.clone())?;
    params.add(to_json(&tx.context.layout)?)?;
    let now = tx.context.now(0);
    let sql = format!("INSERT INTO hayloft_applied_layout(definition,layout,at) VALUES ($1,$2,{now}) RETURNING id");
    let rows = tx.all(params, sql).await?;
    rows.first().map_or(Ok(0), |row| get(row, 0))
}

/// One process applies a layout; another that starts at the same time waits here, and finds it
/// done.
pub(crate) async fn lock(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT one FROM hayloft_layout_lock WHERE one=1{}",
        tx.context.dialect.for_update()
    );
    tx.all(tx.params(), sql).await.map(|_| ())
}

/// The turn of who builds indexes. The statement may give up waiting, which is the caller's to
/// judge.
pub(crate) fn builders(dialect: &dyn Dialect) -> String {
    format!(
        "SELECT one FROM hayloft_layout_lock WHERE one=2{}",
        dialect.for_update()
    )
}
