//! `hayloft_refill`: fetches that owe a run for fields that came. Knows names of fields.

use crate::store::{error::StoreError, tx::Transaction, types::Run};

use super::{readings, runs::CLOCK_SLACK_SECONDS};

/// A complete run that began after fields came has brought their values, if it read as the definition in force does.
pub(crate) async fn paid(work: &mut Transaction<'_>, run: &Run) -> Result<(), StoreError> {
    if !readings::note_complete(work, &run.fetch).await? {
        return Ok(());
    }
    // An instant in the future is of a clock that ran ahead.
    let latest = work.inner.now(CLOCK_SLACK_SECONDS);
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    let sql = format!(
        "DELETE FROM hayloft_refill WHERE \"fetch\"=$1 \
         AND (at<=(SELECT started_at FROM hayloft_run WHERE id=$2) OR at>{latest})"
    );
    work.run(params, sql).await?;
    Ok(())
}
