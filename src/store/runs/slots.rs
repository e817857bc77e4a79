//! The slots of a fetch that wait: queued by the rule of who schedules, within the turn of the
//! fetch. Knows slots; no runs.

use crate::store::{
    context::Context,
    error::StoreError,
    in_force,
    system::{clock, fetches, runs},
    types::{FetchStatus, Plan, PlanRule},
};

use super::status;

/// Asks the rule what the ledger lacks, writes it, and gives what is known of the fetch then.
pub(crate) async fn plan(context: &Context, fetch: &str, rule: PlanRule<'_>) -> Result<FetchStatus, StoreError> {
    let mut tx = in_force::begin(context).await?;
    // Before the ledger is read: what the rule adds and leaves out has to fit what is there at the
    // commit.
    fetches::turn(&mut tx, fetch).await?;
    // The database's time: processes whose clocks differ would plan different slots.
    let now = clock::now_within(&mut tx).await?;
    let known = status::within(&mut tx, fetch).await?;
    let Plan { add, keep, looked } = rule(&known, now);
    for due in add {
        runs::queue(&mut tx, fetch, due).await?;
    }
    // After the new ones are in, for they count among those that are kept.
    runs::leave_out(&mut tx, fetch, keep).await?;
    if looked {
        fetches::note_look(&mut tx, fetch).await?;
    }
    let known = status::within(&mut tx, fetch).await?;
    tx.commit().await?;
    Ok(known)
}
