//! A page that is all of its run and has not changed, of a type that nobody has written since: its
//! run costs no look at any row. Knows how often a type was written; no rows.
//!
//! What such a page brought is stored as it was, and nothing else is: so what was seen then is seen
//! now, and what the last run judged to be missing is judged.

use crate::{
    catalog::Missing,
    store::{
        error::StoreError,
        state::run_memory::RunMemory,
        system::{requests, row_numbers},
        tx::Transaction,
        types::{Finish, Group, Run, RunSummary},
    },
};

use super::before::Ended;

/// The same where these groups are all of a run, and have nothing but such a page. Whoever writes
/// the type waits meanwhile.
pub(crate) async fn alone(tx: &mut Transaction<'_>, run: &Run, groups: &[Group]) -> Result<Option<u64>, StoreError> {
    match groups {
        [only] if only.rows.is_empty() && only.refused.is_empty() => match &only.unchanged {
            Some(request) => requests::rests(tx, run, request).await,
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Whether these groups are the first that a run compares with what is stored. An unchanged page
/// was compared before.
pub(super) fn begins(memory: &RunMemory, groups: &[Group]) -> bool {
    memory.part == 0 && groups.iter().all(|group| group.unchanged.is_none())
}

/// Notes of the only page of a run that ends complete what [`rests`] goes by. What was not judged
/// for a reason of this run is judged by the next one.
pub(crate) async fn note(
    tx: &mut Transaction<'_>,
    run: &Run,
    (finish, summary): (&Finish, &RunSummary),
    ended: &Ended,
) -> Result<(), StoreError> {
    let Finish::Complete { missing, told, .. } = finish else {
        return Ok(());
    };
    let catalog = &tx.context.catalog;
    let own = catalog.entity(run.entity).fetch;
    let keeps = own.is_some_and(|own| catalog.fetch(own).missing == Missing::Keep);
    let judged = *missing == Missing::Delete || keeps;
    let alone = summary.pages == 1 && !summary.resumed;
    // Where a row came twice, which copy counts shows when the page is read.
    let whole = ended.copied.is_empty() && ended.later.is_empty() && told.doubt.is_none();
    if ended.rests || !(judged && alone && whole) {
        return Ok(());
    }
    let own = tx.adds_to_written(run.entity);
    let written = row_numbers::written(tx, run.entity).await?;
    // What others wrote since the page was compared is not what it says.
    if ended.written.map(|before| before + own) != Some(written) {
        return Ok(());
    }
    requests::note_rest(tx, run, written, ended.seen.len()).await
}
