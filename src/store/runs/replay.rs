//! Makes the next run read again, in full, what had rejected records. Knows the quarantine and what is remembered of requests.

use crate::store::{context::Context, db::pool::get, error::StoreError, tx::Transaction};

/// Forgets what would vouch for the answers that had rejected records; gives how many such records there are.
pub(crate) async fn forget(context: &Context, fetch: &str, on_field: bool) -> Result<u64, StoreError> {
    let mut tx = Transaction::begin(context).await?;
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM hayloft_quarantine WHERE \"fetch\"=$1".to_owned();
    let rejected: i64 = tx.all(params, sql).await?.first().map_or(Ok(0), |line| get(line, 0))?;
    if rejected == 0 {
        return Ok(0);
    }
    let forget = match on_field {
        false => {
            "DELETE FROM hayloft_request_state WHERE \"fetch\"=$1 AND request IN \
             (SELECT request FROM hayloft_quarantine WHERE \"fetch\"=$1)"
        }
        true => {
            "UPDATE hayloft_fan_out SET hash=NULL,request=NULL,etag=NULL,last_modified=NULL,body_hash=NULL \
             WHERE \"fetch\"=$1 AND state='done' AND parent IN \
             (SELECT parent FROM hayloft_quarantine WHERE \"fetch\"=$1)"
        }
    };
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    tx.run(params, forget.to_owned()).await?;
    tx.commit().await?;
    Ok(rejected.unsigned_abs())
}
