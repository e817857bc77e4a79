//! `hayloft_refill`: fetches that owe a run for fields that came. Knows names of fields.

use crate::store::{error::StoreError, tx::Transaction, types::Run};

use super::{readings, runs::CLOCK_SLACK_SECONDS};

/// A complete run that began after fields came has brought their values, if it read as the definition in force does.
pub(crate) async fn paid(tx: &mut Transaction<'_>, run: &Run) -> Result<(), StoreError> {
    if !readings::note_complete(tx, &run.fetch).await? {
        return Ok(());
    }
    // An instant in the future is of a clock that ran ahead.
    let latest = tx.context.now(CLOCK_SLACK_SECONDS);
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    let sql = format!(
        "DELETE FROM hayloft_refill WHERE \"fetch\"=$1 \
         AND (at<=(SELECT started_at FROM hayloft_run WHERE id=$2) OR at>{latest})"
    );
    tx.run(params, sql).await?;
    Ok(())
}
