//! `hayloft_fetch`: the turn of a fetch, when its schedule was looked at, and until when it is left
//! alone.
//!
//! Large pages that were in hand when a process ended without a word may be why. A process that is
//! started again and takes the same page at once would end again, and again. So the fetch is left
//! alone for a while, longer each time, until one of its runs is complete. Of a fetch on a field
//! only the request is, which counts as failed meanwhile, until it is answered. A person who starts
//! it does not wait.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::store::{
    context::Context,
    db::pool::{ResultRow, get},
    error::StoreError,
    tx::Transaction,
    types::Aside,
};

use super::clock;

/// The first time that a fetch is left alone; it doubles.
const ASIDE: Duration = Duration::from_secs(60);
const ASIDE_MAX: Duration = Duration::from_secs(3_600);

/// Whether a fetch is left alone for now. Its last run, which nobody has in hand any more, may have
/// had such a page.
pub(crate) async fn is_aside(
    tx: &mut Transaction<'_>,
    fetch: &str,
    last: i64,
    page: Option<&str>,
) -> Result<bool, StoreError> {
    if let Some(page) = page {
        set_aside(tx, fetch, last, page).await?;
    }
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    // By the database's clock, as it was set: processes may have others.
    let now = tx.context.now(0);
    let sql = format!("SELECT \"fetch\" FROM hayloft_fetch WHERE \"fetch\"=$1 AND aside_until>{now}");
    Ok(!tx.all(params, sql).await?.is_empty())
}

async fn set_aside(tx: &mut Transaction<'_>, fetch: &str, last: i64, page: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(last)?;
    // Once for each end of a process: the next look at the same run must not count it again.
    let sql = "UPDATE hayloft_run SET working=NULL WHERE id=$1".to_owned();
    tx.run(params, sql).await?;
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "UPDATE hayloft_fetch SET ended_processes=ended_processes+1 WHERE \"fetch\"=$1 RETURNING ended_processes";
    let rows = tx.all(params, sql.to_owned()).await?;
    let ended: i64 = rows.first().map_or(Ok(1), |row| get(row, 0))?;
    let wait = wait_after(ended);
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(page.to_owned())?;
    let until = tx.context.now(wait.as_secs().cast_signed());
    let sql = format!("UPDATE hayloft_fetch SET aside_until={until},aside_page=$2 WHERE \"fetch\"=$1");
    tx.run(params, sql).await?;
    tracing::warn!(
        fetch,
        ?wait,
        "a process ended while it was at work on {page}, which may be why; {fetch} is set aside, and tried again after that. \
         `hayloft harvest {fetch}` does so at once"
    );
    Ok(())
}

/// How long, after so many processes that ended.
pub(crate) fn wait_after(ended: i64) -> Duration {
    // A process that is started again and again ends any number of times.
    let doubled = u32::try_from(ended - 1).ok().and_then(|ended| 2u32.checked_pow(ended));
    ASIDE.saturating_mul(doubled.unwrap_or(u32::MAX)).min(ASIDE_MAX)
}

/// How many columns [`columns`] has.
pub(crate) const COLUMNS: usize = 4;

/// The columns of a `SELECT` that [`told`] reads; `$1` is the fetch.
pub(crate) fn columns(context: &Context) -> String {
    let now = context.now(0);
    let of = |column: &str| format!("(SELECT {column} FROM hayloft_fetch WHERE \"fetch\"=$1 AND aside_until>{now})");
    let looked = "(SELECT looked_at FROM hayloft_fetch WHERE \"fetch\"=$1)".to_owned();
    [looked, of("aside_until"), of("aside_page"), of("ended_processes")].join(",")
}

/// Reads these columns from the one at `at` on: when its schedule was looked at, and for which page
/// it is left alone.
pub(crate) fn told(row: &ResultRow, at: usize) -> Result<(Option<DateTime<Utc>>, Option<Aside>), StoreError> {
    let (page, ended): (Option<String>, Option<i64>) = (get(row, at + 2)?, get(row, at + 3)?);
    let aside = clock::instant_at(row, at + 1)?.map(|until| Aside {
        until,
        page: page.unwrap_or_default(),
        ended: ended.unwrap_or(1).unsigned_abs(),
    });
    Ok((clock::instant_at(row, at)?, aside))
}

/// A run was complete: whatever it was is over.
pub(crate) async fn forget_aside(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    // Nearly no run has anything to forget, and then nothing is written.
    let sql = "UPDATE hayloft_fetch SET ended_processes=0,aside_until=NULL,aside_page=NULL WHERE \"fetch\"=$1 AND ended_processes>0";
    tx.run(params, sql.to_owned()).await?;
    Ok(())
}

/// Takes the turn of a fetch and gives its number, which counts on.
pub(crate) async fn turn(tx: &mut Transaction<'_>, fetch: &str) -> Result<i64, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    // An update also where the row is there: it locks the row, and the number is what a claim in
    // doubt is known by.
    let sql = "INSERT INTO hayloft_fetch(\"fetch\",turns) VALUES ($1,1) \
               ON CONFLICT(\"fetch\") DO UPDATE SET turns=hayloft_fetch.turns+1 RETURNING turns";
    let rows = tx.all(params, sql.to_owned()).await?;
    rows.first().map_or(Ok(0), |row| get(row, 0))
}

pub(crate) async fn note_look(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = format!(
        "UPDATE hayloft_fetch SET looked_at={} WHERE \"fetch\"=$1",
        tx.context.now(0)
    );
    tx.run(params, sql).await?;
    Ok(())
}

/// Holds the turn of a fetch until the transaction ends.
pub(crate) async fn lock(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    // Not counted: nothing is claimed, and a claim in doubt must find its number again.
    let lock = tx.context.dialect.for_update();
    let sql = format!("SELECT turns FROM hayloft_fetch WHERE \"fetch\"=$1{lock}");
    tx.all(params, sql).await.map(|_| ())
}
