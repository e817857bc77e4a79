//! The database's clock, and instants as it writes them. Times are compared by the database alone.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::store::{
    context::{self, Context},
    db::pool::{ResultRow, get},
    error::StoreError,
    tx::Transaction,
};

/// Slots are microseconds in text, so that text order is time order.
pub(crate) fn slot_text(slot: DateTime<Utc>) -> String {
    slot.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The database's clock within a transaction.
pub(crate) async fn now_within(tx: &mut Transaction<'_>) -> Result<DateTime<Utc>, StoreError> {
    let sql = format!("SELECT {}", tx.context.now(0));
    let rows = tx.all(tx.params(), sql).await?;
    instant(&rows.first().map_or(Ok(String::new()), |row| get(row, 0))?)
}

pub(crate) fn instant(text: &str) -> Result<DateTime<Utc>, StoreError> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed
        .map(|at| at.with_timezone(&Utc))
        .map_err(|error| StoreError::Database(Box::new(error)))
}

pub(crate) async fn now(context: &Context) -> Result<DateTime<Utc>, StoreError> {
    let found = context::ask(context, context.params(), format!("SELECT {}", context.now(0))).await?;
    let text: String = found.first().map_or(Ok(String::new()), |row| get(row, 0))?;
    instant(&text)
}

/// An instant that may be missing, in a column.
pub(crate) fn instant_at(row: &ResultRow, column: usize) -> Result<Option<DateTime<Utc>>, StoreError> {
    let text: Option<String> = get(row, column)?;
    text.as_deref().map(instant).transpose()
}
