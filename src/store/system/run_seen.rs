//! `hayloft_run_seen`: the rows that a run has seen, a set for each part. Knows numbers of rows
//! only.

use crate::store::{db::pool::get, error::StoreError, state::row_set, tx::Transaction, types::Run};

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

/// Forgets the parts after one: what was seen of a page that is read again.
pub(crate) async fn forget_after(tx: &mut Transaction<'_>, run: i64, part: i64) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run)?;
    params.add(part)?;
    let sql = "DELETE FROM hayloft_run_seen WHERE run=$1 AND part>$2".to_owned();
    tx.run(params, sql).await.map(|_| ())
}

/// All rows that a run has seen.
pub(crate) async fn rows(tx: &mut Transaction<'_>, run: i64) -> Result<Vec<i64>, StoreError> {
    let mut params = tx.params();
    params.add(run)?;
    let sql = "SELECT rows FROM hayloft_run_seen WHERE run=$1".to_owned();
    let mut all = Vec::new();
    for part in &tx.all(params, sql).await? {
        let rows = row_set::unpack(&get::<Vec<u8>>(part, 0)?);
        all.extend(rows.ok_or_else(|| StoreError::Internal("the stored rows of a run are damaged".to_owned()))?);
    }
    Ok(all)
}

pub(crate) async fn is_there(tx: &mut Transaction<'_>, run: &Run, part: i64) -> Result<bool, StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(part)?;
    let sql = "SELECT run FROM hayloft_run_seen WHERE run=$1 AND part=$2".to_owned();
    Ok(!tx.all(params, sql).await?.is_empty())
}
