//! Makes the next run read again, in full, what had refused records. Knows what is forgotten for
//! that; no SQL.

use crate::store::{
    context::Context,
    error::StoreError,
    system::{field_requests, quarantine, requests},
    tx::Transaction,
};

/// Forgets what would vouch for the answers that had refused records; gives how many such records
/// there are.
pub(crate) async fn forget(context: &Context, fetch: &str, on_field: bool) -> Result<u64, StoreError> {
    let mut tx = Transaction::begin(context).await?;
    let refused = quarantine::count(&mut tx, fetch).await?;
    if refused == 0 {
        return Ok(0);
    }
    match on_field {
        false => requests::forget_refused(&mut tx, fetch).await?,
        true => field_requests::answers::forget_refused(&mut tx, fetch).await?,
    }
    tx.commit().await?;
    Ok(refused)
}
