//! The change log as a whole: its head, and what it lets go. Knows the log's columns; no runs, no tables.

use std::sync::PoisonError;

use crate::store::{
    Inner,
    db::{params::Params, pool::get},
    error::StoreError,
    load::batch::Work,
    types::LogHead,
};

/// Changes that one transaction takes out: some milliseconds, so that no commit waits long for it.
const STEP: i64 = 10_000;
/// Steps after one run. More is left to the next one: a run brings far less than this.
const STEPS_MAX: usize = 500;

/// Seconds in a hundred years: databases count back so far, and nobody keeps changes longer.
const AGE_MAX: i64 = 100 * 365 * 86_400;

/// The epoch of the log, and the first and the last change that are kept.
pub(crate) async fn head(inner: &Inner) -> Result<LogHead, StoreError> {
    let sql = "SELECT epoch,seq,(SELECT min(first_seq) FROM hayloft_change_pack) FROM hayloft_feed_head WHERE one=1";
    let found = inner.own.take().await?.fetch(inner.params().query(sql)).await?;
    let Some(row) = found.first() else {
        return Err(StoreError::Refused("the database has no change log yet".to_owned()));
    };
    let (head, first): (i64, Option<i64>) = (get(row, 1)?, get(row, 2)?);
    Ok(LogHead {
        epoch: get(row, 0)?,
        first: first.unwrap_or(head + 1),
        head,
    })
}

/// Takes out what is older, or more, than is kept. A failure is told in the log and costs nothing: the next run goes on.
pub(crate) async fn prune(inner: &Inner) {
    for _ in 0..STEPS_MAX {
        match step(inner).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "the change log could not be cut to its bound; it is tried after the next run");
                return;
            }
        }
    }
}

/// One step from the old end; whether there may be another.
async fn step(inner: &Inner) -> Result<bool, StoreError> {
    let keep = *inner.retention.lock().unwrap_or_else(PoisonError::into_inner);
    let head = head(inner).await?;
    let most = i64::try_from(keep.changes).unwrap_or(i64::MAX);
    let end = head.first.saturating_add(STEP).min(head.head + 1);
    // The first of these that stays, a whole pack of changes. Times may go back where a clock did: only what lies before it may
    // go, so that what is kept has no gaps.
    let mut params = inner.params();
    params.add(head.first)?;
    params.add(end)?;
    params.add(head.head.saturating_sub(most))?;
    let oldest = inner.now(-i64::try_from(keep.age.as_secs()).unwrap_or(AGE_MAX).min(AGE_MAX));
    let sql = format!(
        "SELECT min(first_seq) FROM hayloft_change_pack WHERE seq>=$1 AND seq<$2 AND first_seq>$3 AND at>={oldest}"
    );
    let stays: Option<i64> = one(inner, params, sql).await?;
    let until = stays.unwrap_or(end);
    if until <= head.first {
        return Ok(false);
    }
    let mut work = Work::begin(inner).await?;
    let mut params = work.params();
    params.add(until)?;
    let sql = "DELETE FROM hayloft_change_pack WHERE seq<$1".to_owned();
    work.run(params, sql).await?;
    work.commit().await?;
    Ok(stays.is_none() && until <= head.head)
}

async fn one(inner: &Inner, params: Params, sql: String) -> Result<Option<i64>, StoreError> {
    let found = inner.own.take().await?.fetch(params.query(sql)).await?;
    found.first().map_or(Ok(None), |row| get(row, 0))
}
