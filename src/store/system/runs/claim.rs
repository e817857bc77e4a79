//! How the rows of `hayloft_run` are claimed: slots that wait, interrupted runs, and who has them.
//! Knows states and turns; not which run is to begin.

use crate::store::{context::Context, db::pool::get, error::StoreError, system::run_seen, tx::Transaction, types::Run};

use super::{LEASE_SECONDS, Newest};

/// Claims a slot that waits, the oldest unless `only` names one; gives the run and its fence.
/// Nothing runs while another run of the fetch does: its turn is ours, and the index over running
/// runs would refuse it.
pub(crate) async fn take(
    tx: &mut Transaction<'_>,
    fetch: &str,
    turn: i64,
    only: Option<i64>,
) -> Result<Option<(i64, i64)>, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(turn)?;
    params.add(tx.context.process.to_string())?;
    params.add(tx.context.catalog.fingerprint.clone())?;
    let mut which = "\"fetch\"=$1 AND state='queued'".to_owned();
    if let Some(id) = only {
        params.add(id)?;
        which.push_str(" AND id=$5");
    }
    // By the database's clock: processes whose clocks differ would take leases from each other.
    let (now, lease) = (tx.context.now(0), tx.context.now(LEASE_SECONDS));
    let sql = format!(
        "UPDATE hayloft_run SET state='running',fence=fence+1,turn=$2,owner=$3,definition=$4,\
         started_at={now},heartbeat_at={now},lease_until={lease} WHERE id=(SELECT id FROM hayloft_run \
         WHERE {which} AND NOT EXISTS (SELECT 1 FROM hayloft_run AS other WHERE other.fetch=$1 AND other.state='running') \
         ORDER BY slot LIMIT 1{}) RETURNING id,fence",
        tx.context.dialect.skip_locked()
    );
    let rows = tx.all(params, sql).await?;
    rows.first().map(|row| Ok((get(row, 0)?, get(row, 1)?))).transpose()
}

/// Makes an interrupted run go on here; gives its fence.
pub(crate) async fn resume(tx: &mut Transaction<'_>, newest: &Newest, turn: i64) -> Result<i64, StoreError> {
    let mut params = tx.params();
    params.add(newest.id)?;
    params.add(turn)?;
    params.add(tx.context.process.to_string())?;
    let sql = format!(
        // The fence is raised here and not only at the first claim: the process that had the run
        // may be no more than slow, and its next write has to be refused.
        "UPDATE hayloft_run SET state='running',fence=fence+1,turn=$2,owner=$3,error=NULL,finished_at=NULL,\
         heartbeat_at={},lease_until={} WHERE id=$1",
        tx.context.now(0),
        tx.context.now(LEASE_SECONDS)
    );
    tx.run(params, sql).await?;
    // The row is locked since it was read, so nobody else has raised it.
    Ok(newest.fence + 1)
}

/// Ends an interrupted run for good.
pub(crate) async fn close(tx: &mut Transaction<'_>, id: i64) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(id)?;
    let now = tx.context.now(0);
    let sql = format!("UPDATE hayloft_run SET state='interrupted',finished_at=coalesce(finished_at,{now}) WHERE id=$1");
    tx.run(params, sql).await?;
    // What it saw is of use to a run that goes on only, and it is large.
    run_seen::forget(tx, id).await
}

/// Whether this process has the run that began with a turn of the fetch.
pub(crate) async fn is_claimed(tx: &mut Transaction<'_>, fetch: &str, turn: i64) -> Result<bool, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(turn)?;
    params.add(tx.context.process.to_string())?;
    let sql = "SELECT id FROM hayloft_run WHERE \"fetch\"=$1 AND turn=$2 AND owner=$3 AND state='running'";
    Ok(!tx.all(params, sql.to_owned()).await?.is_empty())
}

/// The running runs of this definition, in whichever process, that have requests about rows to give
/// away: number, fetch, fence.
pub(crate) async fn with_requests(context: &Context) -> Result<Vec<(i64, String, i64)>, StoreError> {
    let mut params = context.params();
    params.add(context.catalog.fingerprint.clone())?;
    // Of the same definition only: under another one the answers would be read in another way.
    let sql = "SELECT r.id,r.fetch,r.fence FROM hayloft_run AS r WHERE r.state='running' AND r.definition=$1 AND \
               EXISTS(SELECT 1 FROM hayloft_fan_out AS s WHERE s.fetch=r.fetch AND s.state='due' AND s.run=r.id)";
    let rows = context.own.take().await?.fetch(params.query(sql)).await?;
    let read = |row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?));
    rows.iter().map(read).collect()
}

/// Holds a run until the transaction ends.
pub(crate) async fn lock(tx: &mut Transaction<'_>, run: &Run) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    let lock = tx.context.dialect.for_update();
    let sql = format!("SELECT id FROM hayloft_run WHERE id=$1{lock}");
    tx.all(params, sql).await.map(|_| ())
}

pub(crate) async fn has_ended(tx: &mut Transaction<'_>, run: &Run) -> Result<bool, StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(run.fence)?;
    let sql = "SELECT id FROM hayloft_run WHERE id=$1 AND fence=$2 AND state<>'running'";
    Ok(!tx.all(params, sql.to_owned()).await?.is_empty())
}
