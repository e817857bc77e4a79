//! What is remembered of the pages of a fetch, and for which rows an unchanged one vouches. Knows `hayloft_request_state`.

use crate::{
    store::{
        context::Context,
        error::StoreError,
        state::print::spans,
        system::requests,
        tx::Transaction,
        types::{Group, Run},
    },
    value::Key,
};

use super::{
    batch::{Batch, Item},
    rest::rests,
};

/// Whether an unchanged request may stand for the rows that it brought when it was last read: each is stored as it wrote it, and
/// none is among those that wait to be written before it. Otherwise it has to be read in full.
pub async fn vouches(inner: &Context, run: &Run, request: &str, before: &[Group]) -> Result<bool, StoreError> {
    let memory = inner.runs.of(run)?;
    let memory = memory.lock().await;
    let mut work = Batch::from(Transaction::begin(inner).await?);
    if before.is_empty() && rests(&mut work, run, request).await?.is_some() {
        return Ok(true);
    }
    let Some((rows, print)) = requests::remembered(&mut work, run, request).await? else {
        return Ok(false);
    };
    // Another copy of such a row may come, or has: which is the last one shows when it is read.
    if rows.iter().any(|row| memory.repeating.contains(*row)) {
        return Ok(false);
    }
    let stored = work.print(run.entity, &spans(&rows)).await?;
    if print != Some(stored.folded()) {
        return Ok(false);
    }
    let waiting = before.iter().flat_map(|group| &group.rows);
    let keys: Vec<Key> = waiting
        .map(|row| Key(work.key_of(run.entity, Item { row, position: 0 })))
        .collect();
    let waiting = work.rows_of(run.entity, &keys.iter().collect::<Vec<_>>()).await?;
    Ok(waiting.iter().all(|row| rows.binary_search(row).is_err()))
}

/// The rows that an unchanged request brought when it was last read, and how many of its records were refused then: they
/// are refused still, and go over to this run. Whether it may stand for them was asked before, by [`vouches`]: what others wrote
/// since came after it.
pub async fn unchanged(work: &mut Transaction<'_>, run: &Run, request: &str) -> Result<(Vec<i64>, u64), StoreError> {
    let Some((rows, _)) = requests::remembered(work, run, request).await? else {
        return Err(StoreError::Refused(
            "what was remembered of a page was deleted while its run was under way; the next run reads it in full"
                .to_owned(),
        ));
    };
    Ok((rows, requests::take_over(work, run, request).await?))
}
