//! `hayloft_refill`: fetches that owe a run for fields that came. Knows names of fields.

use std::collections::BTreeSet;

use crate::store::{
    db::pool::{ResultRow, get},
    error::StoreError,
    tx::Transaction,
    types::{Refill, Run},
};

use super::{clock, fetch_signatures, runs::CLOCK_SLACK_SECONDS};

/// A complete run that began after fields came has brought their values, if it read as the
/// definition in force does.
pub(crate) async fn paid(tx: &mut Transaction<'_>, run: &Run) -> Result<(), StoreError> {
    if !fetch_signatures::note_complete(tx, &run.fetch).await? {
        return Ok(());
    }
    // An instant in the future is of a clock that ran ahead.
    let latest = tx.context.now(CLOCK_SLACK_SECONDS);
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    let sql = format!(
        "DELETE FROM hayloft_refill WHERE \"fetch\"=$1 \
         AND (at<=(SELECT started_at FROM hayloft_run WHERE id=$2) OR at>{latest})"
    );
    tx.run(params, sql).await?;
    Ok(())
}

/// How many columns [`columns`] has.
pub(crate) const COLUMNS: usize = 2;

/// The columns of a `SELECT` that [`owed`] reads; `$1` is the fetch.
pub(crate) const fn columns() -> &'static str {
    "(SELECT fields FROM hayloft_refill WHERE \"fetch\"=$1),(SELECT at FROM hayloft_refill WHERE \"fetch\"=$1)"
}

/// Reads these columns from the one at `at` on.
pub(crate) fn owed(row: &ResultRow, at: usize) -> Result<Option<Refill>, StoreError> {
    let (Some(fields), Some(since)) = (get::<Option<String>>(row, at)?, clock::instant_at(row, at + 1)?) else {
        return Ok(None);
    };
    let fields = serde_json::from_str(&fields).map_err(|error| StoreError::Database(Box::new(error)))?;
    Ok(Some(Refill { fields, since }))
}

/// Notes that a fetch owes a run for some fields, beside those that it owes one for already.
pub(crate) async fn owe(tx: &mut Transaction<'_>, fetch: &str, mut fields: BTreeSet<String>) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT fields FROM hayloft_refill WHERE \"fetch\"=$1".to_owned();
    for row in tx.all(params, sql).await? {
        let before: Vec<String> = serde_json::from_str(&get::<String>(&row, 0)?).unwrap_or_default();
        fields.extend(before);
    }
    let fields = serde_json::to_string(&fields).map_err(|error| StoreError::Database(Box::new(error)))?;
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(fields)?;
    let sql = format!(
        "INSERT INTO hayloft_refill(\"fetch\",fields,at) VALUES ($1,$2,{}) \
         ON CONFLICT(\"fetch\") DO UPDATE SET fields=excluded.fields,at=excluded.at",
        tx.context.now(0)
    );
    tx.run(params, sql).await.map(|_| ())
}
