//! For which rows an unchanged page vouches. Knows prints; what is remembered of a page is told in
//! `system::requests`.

use crate::{
    store::{
        context::Context,
        error::StoreError,
        state::{print::spans, row_set::RowSet},
        system::{requests, row_numbers},
        tx::Transaction,
        types::{Group, Run},
    },
    value::Key,
};

use super::batch::{Batch, Item};

/// Whether an unchanged request may stand for the rows that it brought when it was last read: each
/// is stored as it wrote it, and none is among those that wait to be written before it. Otherwise
/// it has to be read in full.
pub(crate) async fn vouches(context: &Context, run: &Run, request: &str, before: &[Group]) -> Result<bool, StoreError> {
    let memory = context.runs.of(run)?;
    let mut memory = memory.lock().await;
    let mut batch = Batch::from(Transaction::begin(context).await?);
    // Before any row is looked at: what others write from here on may not have been seen.
    let written = match memory.part == 0 && before.is_empty() {
        true => Some(row_numbers::written(&mut batch, run.entity).await?),
        false => None,
    };
    let vouches = may_vouch(&mut batch, run, request, before, &memory.repeating).await?;
    if vouches && written.is_some() {
        memory.written = written;
    }
    Ok(vouches)
}

async fn may_vouch(
    batch: &mut Batch<'_>,
    run: &Run,
    request: &str,
    before: &[Group],
    repeating: &RowSet,
) -> Result<bool, StoreError> {
    if before.is_empty() && requests::rests(batch, run, request).await?.is_some() {
        return Ok(true);
    }
    let Some((rows, print)) = requests::remembered(batch, run, request).await? else {
        return Ok(false);
    };
    // Another copy of such a row may come, or has: which is the last one shows when it is read.
    if rows.iter().any(|row| repeating.contains(*row)) {
        return Ok(false);
    }
    let stored = batch.print(run.entity, &spans(&rows)).await?;
    if print != Some(stored.folded()) {
        return Ok(false);
    }
    let waiting = before.iter().flat_map(|group| &group.rows);
    let keys: Vec<Key> = waiting
        .map(|row| Key(batch.key_of(run.entity, Item { row, position: 0 })))
        .collect();
    let waiting = batch.rows_of(run.entity, &keys.iter().collect::<Vec<_>>()).await?;
    Ok(waiting.iter().all(|row| rows.binary_search(row).is_err()))
}

/// The rows that an unchanged request brought when it was last read, and how many of its records
/// were refused then: they are refused still, and go over to this run. Whether it may stand for
/// them was asked before, by [`vouches`]: what others wrote since came after it.
pub(crate) async fn unchanged(
    tx: &mut Transaction<'_>,
    run: &Run,
    request: &str,
) -> Result<(Vec<i64>, u64), StoreError> {
    let Some((rows, _)) = requests::remembered(tx, run, request).await? else {
        return Err(StoreError::Refused(
            "what was remembered of a page was deleted while its run was under way; the next run reads it in full"
                .to_owned(),
        ));
    };
    Ok((rows, requests::take_over(tx, run, request).await?))
}
