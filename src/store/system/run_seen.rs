//! `hayloft_run_seen`: the rows that a run has seen, a set for each part. Knows numbers of rows only.

use crate::store::{error::StoreError, state::row_set, tx::Transaction, types::Run};

pub(crate) async fn insert_seen(
    tx: &mut Transaction<'_>,
    run: &Run,
    part: i64,
    rows: &mut Vec<i64>,
) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(part)?;
    params.add(row_set::pack(rows))?;
    tx.run(
        params,
        "INSERT INTO hayloft_run_seen(run,part,rows) VALUES ($1,$2,$3)".to_owned(),
    )
    .await?;
    Ok(())
}

pub(crate) async fn forget(tx: &mut Transaction<'_>, run: i64) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run)?;
    let sql = "DELETE FROM hayloft_run_seen WHERE run=$1".to_owned();
    tx.run(params, sql).await?;
    Ok(())
}
