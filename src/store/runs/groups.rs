//! A run that computes the groups of a type: all of them, in one transaction. Knows the order of
//! that; not what is computed, and not when.
//!
//! Who writes the rows waits meanwhile, so that all values of a group are of the same moment.

use crate::store::{
    commit::{self, Evidence},
    context::Context,
    db::{failpoint, pool::get},
    error::StoreError,
    in_force,
    load::batch::Batch,
    system::{
        change_log, row_numbers,
        runs::{self, counts::Counts},
    },
    tx::Transaction,
    types::{Run, RunState, RunSummary, Told},
};

/// Brings all groups to what the rows are now, writes what differs, and ends the run.
pub(crate) async fn compute(context: &Context, run: &Run, told: &Told) -> Result<RunSummary, StoreError> {
    // Not as a load begins: here whole tables are gone through.
    let mut batch = Batch::from(in_force::begin(context).await?);
    runs::check_fence(&mut batch, run).await?;
    take_turn(&mut batch, run).await?;
    failpoint::point("groups::begun");
    let [new, changed, gone] = batch.compute_groups(run.entity).await?;
    let all = count(&mut batch, run).await?;
    let counts = Counts {
        new,
        changed,
        same: all.saturating_sub(new + changed),
        ..Counts::default()
    };
    runs::counts::count(&mut batch, run, counts).await?;
    runs::tell(&mut batch, run, told).await?;
    let summary = runs::end(&mut batch, run, RunState::Complete, None, (gone, 0)).await?;
    runs::prune(&mut batch, &run.fetch).await?;
    let commit = batch.finish(run, Evidence::Ended(run)).await?;
    failpoint::point("groups::after");
    context.runs.release(run);
    commit::announce(context, commit);
    change_log::prune(context).await;
    Ok(summary)
}

/// The turn of those who write the groups, and the rows that these are of.
async fn take_turn(tx: &mut Transaction<'_>, run: &Run) -> Result<(), StoreError> {
    if tx.context.dialect.exclusive() {
        return Ok(());
    }
    let groups = tx.context.catalog.entity(run.entity).groups.as_ref();
    let of = groups.map(|groups| groups.of);
    row_numbers::lock(tx, of.into_iter().chain([run.entity]).collect()).await
}

/// How many groups there are.
async fn count(tx: &mut Transaction<'_>, run: &Run) -> Result<u64, StoreError> {
    let table = tx.quote(&tx.tables(run.entity).table.name);
    let sql = format!("SELECT CAST(count(*) AS BIGINT) FROM {table}");
    let rows = tx.all(tx.params(), sql).await?;
    let all: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(all.unsigned_abs())
}
