//! Whether all records that a run got were refused, so that it has brought nothing. Knows its
//! counts and its quarantine; decides nothing.

use crate::store::{
    error::StoreError,
    load::batch::{Batch, Notes},
    system::{quarantine, runs},
    tx::Transaction,
    types::{AllRefused, Run},
};

/// Looks within the transaction that ends the run. An answer about a row may say that there is
/// nothing: then it has no row and nothing refused. One that leads to rows without bringing them
/// has brought links, which are no rows in any count.
pub(crate) async fn find(tx: &mut Transaction<'_>, run: &Run) -> Result<Option<AllRefused>, StoreError> {
    let Some(count) = runs::only_refused(tx, run).await? else {
        return Ok(None);
    };
    let first = match quarantine::first_of(tx, run).await? {
        Some((key, reason)) => {
            let key = key.map_or(String::new(), |key| format!("{key}: "));
            format!("{key}{reason}")
        }
        None => String::new(),
    };
    Ok(Some(AllRefused { count, first }))
}

/// The end of a run that has stored nothing so far: what it does is undone if nothing comes of it.
pub(crate) struct Trial<'a> {
    notes: Notes<'a>,
}

/// Before what was refused is tried again and rows are deleted. None: there is something that came
/// of the run.
pub(crate) async fn begin<'a>(batch: &mut Batch<'a>, run: &Run) -> Result<Option<Trial<'a>>, StoreError> {
    if find(batch, run).await?.is_none() {
        return Ok(None);
    }
    batch.plain("SAVEPOINT trial").await?;
    Ok(Some(Trial { notes: batch.notes() }))
}

impl<'a> Trial<'a> {
    /// Afterwards: if all is refused still, nothing was deleted for it.
    pub(crate) async fn end(self, batch: &mut Batch<'a>, run: &Run) -> Result<Option<AllRefused>, StoreError> {
        let all = find(batch, run).await?;
        if all.is_some() {
            batch.plain("ROLLBACK TO SAVEPOINT trial").await?;
            batch.back_to(self.notes);
        }
        Ok(all)
    }
}
