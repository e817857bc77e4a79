//! What is told of the runs of a fetch, from `hayloft_run`. Only reads.

use chrono::{DateTime, Utc};

use crate::store::{
    context::Context,
    db::pool::{ResultRow, get},
    error::StoreError,
    types::{Due, Hold, Reason, RunSummary},
};

use super::{
    super::{asking::Asking, clock},
    SUMMARY, SUMMARY_COLUMNS, hold, lease_over, summary,
};

/// The run that began last, and who has it in hand.
pub(crate) async fn last(asking: &mut Asking<'_, '_>, fetch: &str) -> Result<Option<(RunSummary, Hold)>, StoreError> {
    let rows = newest(asking, fetch, "state<>'queued'").await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let run = summary(row)?;
    let (fence, over): (i64, bool) = (get(row, SUMMARY_COLUMNS)?, get(row, SUMMARY_COLUMNS + 1)?);
    let hold = hold(asking.context(), &run, fence, over);
    Ok(Some((run, hold)))
}

/// The complete run that began last.
pub(crate) async fn last_complete(asking: &mut Asking<'_, '_>, fetch: &str) -> Result<Option<RunSummary>, StoreError> {
    let rows = newest(asking, fetch, "state='complete'").await?;
    rows.first().map(summary).transpose()
}

async fn newest(asking: &mut Asking<'_, '_>, fetch: &str, state: &str) -> Result<Vec<ResultRow>, StoreError> {
    let over = lease_over(asking.context());
    let sql = format!(
        "SELECT {SUMMARY},fence,{over} FROM hayloft_run WHERE \"fetch\"=$1 AND {state} ORDER BY turn DESC,id DESC LIMIT 1"
    );
    asking.all(fetch, sql).await
}

/// The slots that wait, the oldest first.
pub(crate) async fn waiting(asking: &mut Asking<'_, '_>, fetch: &str) -> Result<Vec<Due>, StoreError> {
    let sql = "SELECT slot,reason FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' ORDER BY slot".to_owned();
    let rows = asking.all(fetch, sql).await?;
    let due = |row| {
        Ok(Due {
            slot: clock::instant(&get::<String>(row, 0)?)?,
            reason: Reason::from_name(&get::<String>(row, 1)?),
        })
    };
    rows.iter().map(due).collect()
}

/// How often it failed since it was complete, its newest slot, and when it last was complete
/// without a doubt.
pub(crate) struct Ends {
    pub(crate) failures: u32,
    pub(crate) newest_slot: Option<DateTime<Utc>>,
    pub(crate) whole_at: Option<DateTime<Utc>>,
}

/// How many columns [`columns`] has.
pub(crate) const COLUMNS: usize = 3;

/// The columns of a `SELECT` that [`ends`] reads; `$1` is the fetch.
pub(crate) fn columns(context: &Context) -> String {
    // What a clock that ran ahead once left in the future says nothing about the slots before it.
    let latest = context.now(0);
    format!(
        "(SELECT CAST(count(*) AS BIGINT) FROM hayloft_run AS run WHERE run.fetch=$1 AND run.state='failed' \
         AND NOT EXISTS (SELECT 1 FROM hayloft_run AS done WHERE done.fetch=$1 AND done.state='complete' \
         AND (done.turn,done.id)>(run.turn,run.id))),(SELECT max(slot) FROM hayloft_run WHERE \"fetch\"=$1 AND slot<={latest}),\
         (SELECT finished_at FROM hayloft_run WHERE \"fetch\"=$1 AND state='complete' AND doubt IS NULL \
         ORDER BY turn DESC,id DESC LIMIT 1)"
    )
}

/// Reads these columns from the one at `at` on.
pub(crate) fn ends(row: &ResultRow, at: usize) -> Result<Ends, StoreError> {
    let failures: i64 = get(row, at)?;
    Ok(Ends {
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        newest_slot: clock::instant_at(row, at + 1)?,
        whole_at: clock::instant_at(row, at + 2)?,
    })
}

/// An expression for reads: the earliest of the last complete ends of `count` fetches, whose names
/// are given as literals; none while one of them never ended so.
pub(crate) fn complete_at(fetches: &str, count: usize) -> String {
    format!(
        "(SELECT CASE WHEN count(*)={count} THEN min(ended) END FROM (SELECT max(finished_at) AS ended FROM hayloft_run \
         WHERE state='complete' AND doubt IS NULL AND \"fetch\" IN ({fetches}) GROUP BY \"fetch\") AS done)"
    )
}

/// The same: a column of the run that began last of some fetches.
pub(crate) fn last_try(fetches: &str, column: &str) -> String {
    format!(
        "(SELECT {column} FROM hayloft_run WHERE \"fetch\" IN ({fetches}) AND state<>'queued' \
         ORDER BY started_at DESC,id DESC LIMIT 1)"
    )
}
