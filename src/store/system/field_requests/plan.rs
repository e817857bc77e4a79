//! Which rows of `hayloft_fan_out` a run plans, and what it reads of those that it has claimed.
//! Knows the rows asked about; not what is made of them.

use crate::{
    catalog::{EntityId, FetchId, When},
    layout::{HASH_COLUMN, ROW_COLUMN},
    store::{
        context,
        db::pool::{ResultRow, get},
        error::StoreError,
        tx::Transaction,
        types::Run,
    },
};

use super::may_be_made;

/// Makes this run's what an earlier one left; gives how many those are.
pub(crate) async fn take_over(tx: &mut Transaction<'_>, run: &Run) -> Result<u64, StoreError> {
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    // Also claimed ones: no other run of this fetch goes on, so whoever has them has lost them.
    // Tries begin anew, because what kept them from succeeding may be over.
    let sql = "UPDATE hayloft_fan_out SET run=$2,state='due',tries=0,next_at=NULL,owner=NULL,until=NULL \
               WHERE \"fetch\"=$1 AND state IN ('due','claimed')";
    tx.run(params, sql.to_owned()).await
}

/// Plans the requests that the fetch's `when` asks for.
pub(crate) async fn add(tx: &mut Transaction<'_>, run: &Run, fetch: FetchId, resumes: bool) -> Result<(), StoreError> {
    let each = context::field_fetch(tx.context, fetch)?;
    let (row, hash) = (tx.quote(ROW_COLUMN), tx.quote(HASH_COLUMN));
    let changed = format!("s.hash IS NULL OR s.hash<>p.{hash} OR s.signature IS NULL OR s.signature<>$3");
    let rule = match each.when {
        // An answer that was read in another way is none to this request.
        When::New => "s.hash IS NULL OR s.signature IS NULL OR s.signature<>$3".to_owned(),
        // A run that was cut short is brought to its end before all begins again.
        When::Always if resumes => changed,
        When::Always => "s.hash IS NULL OR s.hash IS NOT NULL".to_owned(),
        When::Changed => changed,
    };
    let sql = format!(
        // One statement, however many rows there are: asked row by row a plan would take longer
        // than many a run, with the run's row locked.
        "INSERT INTO hayloft_fan_out(\"fetch\",parent,state,run) \
         SELECT $1,p.{row},'due',$2 FROM {} AS p LEFT JOIN hayloft_fan_out AS s ON s.fetch=$1 AND s.parent=p.{row} \
         WHERE (s.state IS NULL OR s.state<>'due') AND ({rule}) AND $3 IS NOT NULL AND {} \
         ON CONFLICT(\"fetch\",parent) DO UPDATE SET state='due',run=excluded.run,tries=0,next_at=NULL",
        tx.quote(&tx.tables(each.parent).table.name),
        may_be_made(tx.context, "$2"),
    );
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    params.add(tx.context.catalog.signature(fetch))?;
    tx.run(params, sql).await?;
    Ok(())
}

/// How many are to be made.
pub(crate) async fn due(tx: &mut Transaction<'_>, fetch: &str) -> Result<u64, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM hayloft_fan_out WHERE \"fetch\"=$1 AND state='due'";
    let rows = tx.all(params, sql.to_owned()).await?;
    let due: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(due.unsigned_abs())
}

/// Where the columns of the row begin in what [`claimed`] gives. Before them: the row's number, its
/// hash, the tries, and the signature, request, etag, last change and hash of the body of the last
/// good answer.
pub(crate) const VALUES: usize = 8;

/// What an owner has claimed from the first to the last of some rows, with columns of these.
pub(crate) async fn claimed(
    tx: &mut Transaction<'_>,
    run: &Run,
    parent: EntityId,
    owner: &str,
    rows: &[i64],
    columns: &str,
) -> Result<Vec<ResultRow>, StoreError> {
    let sql = format!(
        "SELECT p.{row},p.{},s.tries,s.signature,s.request,s.etag,s.last_modified,s.body_hash,{columns} \
         FROM hayloft_fan_out AS s JOIN {} AS p ON p.{row}=s.parent \
         WHERE s.fetch=$1 AND s.owner=$2 AND s.state='claimed' AND s.parent>=$3 AND s.parent<=$4",
        tx.quote(HASH_COLUMN),
        tx.quote(&tx.tables(parent).table.name),
        row = tx.quote(ROW_COLUMN),
    );
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(owner.to_owned())?;
    // A range instead of a list: the rows of a claim lie together, and each length of a list would
    // be a statement of its own.
    params.add(rows.iter().min().copied().unwrap_or_default())?;
    params.add(rows.iter().max().copied().unwrap_or_default())?;
    tx.all(params, sql).await
}
