//! The slots of a fetch that wait: queued by the rule of who schedules, within the turn of the fetch. Knows slots; no runs.

use crate::store::{
    context::Context,
    error::StoreError,
    in_force,
    system::{clock, fetches},
    tx::Transaction,
    types::{FetchStatus, Plan, PlanRule},
};

use super::{claim, status};

/// Asks the rule what the ledger lacks, writes it, and gives what is known of the fetch then.
pub async fn plan(inner: &Context, fetch: &str, rule: PlanRule<'_>) -> Result<FetchStatus, StoreError> {
    let mut work = in_force::begin(inner).await?;
    fetches::turn(&mut work, fetch).await?;
    let now = clock::now_within(&mut work).await?;
    let known = status::within(&mut work, fetch).await?;
    let Plan { add, keep, looked } = rule(&known, now);
    for due in add {
        claim::queue(&mut work, fetch, due).await?;
    }
    leave_out(&mut work, fetch, keep).await?;
    if looked {
        fetches::note_look(&mut work, fetch).await?;
    }
    let known = status::within(&mut work, fetch).await?;
    work.commit().await?;
    Ok(known)
}

/// Takes the oldest waiting slots out again, and those of a clock that ran ahead: they come again when it is time.
async fn leave_out(work: &mut Transaction<'_>, fetch: &str, keep: usize) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    params.add(i64::try_from(keep).unwrap_or(i64::MAX))?;
    let now = work.inner.now(0);
    let sql = format!(
        "DELETE FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' AND (slot>{now} OR id NOT IN \
         (SELECT id FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' AND slot<={now} ORDER BY slot DESC LIMIT $2))"
    );
    work.run(params, sql).await?;
    Ok(())
}
