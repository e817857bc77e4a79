//! `hayloft_request_state`: what is remembered of the pages of a fetch.

use crate::store::{
    context::{self, Context},
    db::{params::Kind, pool::get, rows::Rows},
    error::StoreError,
    state::{print::Print, row_set},
    tx::Transaction,
    types::{RequestState, Run},
};

/// Of an unchanged request that was all of the last run: how many rows it stands for, if no row of
/// its type was written since that run ended.
pub(crate) async fn rests(tx: &mut Transaction<'_>, run: &Run, request: &str) -> Result<Option<u64>, StoreError> {
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(tx.context.catalog.fingerprint.clone())?;
    params.text(&tx.tables(run.entity).table.name)?;
    // Rows that wait for a decision may have got one.
    let sql = "SELECT s.brought FROM hayloft_request_state AS s JOIN hayloft_row_number AS n ON n.written=s.written \
               WHERE s.\"fetch\"=$1 AND s.request=$2 AND s.definition=$3 AND n.name=$4 AND s.brought IS NOT NULL \
               AND NOT EXISTS (SELECT 1 FROM hayloft_held AS h WHERE h.\"fetch\"=$1)";
    let rows = tx.all(params, sql.to_owned()).await?;
    let brought: Option<i64> = rows.first().map(|row| get(row, 0)).transpose()?;
    Ok(brought.map(i64::unsigned_abs))
}

/// Forgets the pages that a complete run did not visit: they may list rows that are gone now, which
/// their validators would hide, and pages that are never asked for again would pile up. `all`
/// forgets those that it did visit, too.
pub(crate) async fn forget_unvisited(tx: &mut Transaction<'_>, run: &Run, all: bool) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    params.add(all)?;
    let sql = "DELETE FROM hayloft_request_state WHERE \"fetch\"=$1 AND (run<>$2 OR $3)";
    tx.run(params, sql.to_owned()).await?;
    Ok(())
}

/// Makes an unchanged request this run's; gives how many of its records are refused still.
pub(crate) async fn take_over(tx: &mut Transaction<'_>, run: &Run, request: &str) -> Result<u64, StoreError> {
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_quarantine SET run=$3 WHERE \"fetch\"=$1 AND request=$2 AND run=\
               (SELECT run FROM hayloft_request_state WHERE \"fetch\"=$1 AND request=$2)";
    let refused = tx.run(params, sql.to_owned()).await?;
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_request_state SET run=$3 WHERE \"fetch\"=$1 AND request=$2";
    tx.run(params, sql.to_owned()).await?;
    Ok(refused)
}

/// What a request brought when it was last read, by the definition in force, and the print of its
/// rows.
pub(crate) async fn remembered(
    tx: &mut Transaction<'_>,
    run: &Run,
    request: &str,
) -> Result<Option<(Vec<i64>, Option<i64>)>, StoreError> {
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(tx.context.catalog.fingerprint.clone())?;
    let sql = "SELECT seen,print FROM hayloft_request_state WHERE \"fetch\"=$1 AND request=$2 AND definition=$3";
    let rows = tx.all(params, sql.to_owned()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let bytes: Vec<u8> = get(row, 0)?;
    let rows =
        row_set::unpack(&bytes).ok_or_else(|| StoreError::Internal("a stored request state is damaged".to_owned()))?;
    Ok(Some((rows, get(row, 1)?)))
}

/// A page with the rows that it brought.
pub(crate) struct Remembered {
    pub state: RequestState,
    /// A packed set of their numbers.
    pub seen: Vec<u8>,
    pub print: Print,
}

/// The columns that a page gives values to, but for `written` and `brought`.
const COLUMNS: &str = "\"fetch\",request,definition,run,etag,last_modified,body_hash,page,rows,seen,print";
const KINDS: [Kind; 11] = [
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Int,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Int,
    Kind::Bytes,
    Kind::Int,
];

/// Remembers pages whose requests differ.
pub(crate) async fn remember(tx: &mut Transaction<'_>, run: &Run, pages: &[Remembered]) -> Result<(), StoreError> {
    let context = tx.context;
    let mut from = 0;
    for size in context.dialect.row_sizes(pages.len(), KINDS.len()) {
        let mut rows = Rows::new(tx.params(), &KINDS, size);
        for Remembered { state, seen, print } in pages.iter().skip(from).take(size) {
            rows.text(run.fetch.as_str())?;
            rows.text(state.request.as_str())?;
            rows.text(context.catalog.fingerprint.as_str())?;
            rows.int(run.id)?;
            rows.text(state.etag.as_deref())?;
            rows.text(state.last_modified.as_deref())?;
            rows.text(state.body_hash.as_deref())?;
            rows.text(state.page.as_str())?;
            rows.int(state.rows.cast_signed())?;
            rows.bytes(seen)?;
            rows.int(print.folded())?;
        }
        from += size;
        let sql = format!(
            "INSERT INTO hayloft_request_state({COLUMNS}) {} ON CONFLICT(\"fetch\",request) DO UPDATE SET \
             definition=excluded.definition,run=excluded.run,etag=excluded.etag,last_modified=excluded.last_modified,\
             body_hash=excluded.body_hash,page=excluded.page,rows=excluded.rows,seen=excluded.seen,print=excluded.print,\
             written=NULL,brought=NULL",
            tx.rows(&KINDS, size)
        );
        tx.run(rows.bind()?, sql).await?;
    }
    Ok(())
}

/// Remembers what the headers of an unchanged page say anew; its rows are those that it had.
pub(crate) async fn refresh(tx: &mut Transaction<'_>, run: &Run, state: &RequestState) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(state.request.clone())?;
    params.add(state.etag.clone())?;
    params.add(state.last_modified.clone())?;
    params.add(state.body_hash.clone())?;
    params.add(state.page.clone())?;
    let sql = "UPDATE hayloft_request_state SET etag=$3,last_modified=$4,body_hash=$5,page=$6 \
               WHERE \"fetch\"=$1 AND request=$2";
    tx.run(params, sql.to_owned()).await?;
    Ok(())
}

/// Forgets a page, so that it is read in full next time.
pub(crate) async fn forget(tx: &mut Transaction<'_>, run: &Run, request: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    tx.run(
        params,
        "DELETE FROM hayloft_request_state WHERE \"fetch\"=$1 AND request=$2".to_owned(),
    )
    .await?;
    Ok(())
}

pub(crate) async fn of(context: &Context, fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError> {
    let mut params = context.params();
    params.add(fetch.to_owned())?;
    params.add(request.to_owned())?;
    params.add(context.catalog.fingerprint.clone())?;
    let sql = "SELECT request,etag,last_modified,body_hash,page,rows FROM hayloft_request_state \
               WHERE \"fetch\"=$1 AND request=$2 AND definition=$3";
    let rows = context::ask(context, params, sql.to_owned()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(RequestState {
        request: get(row, 0)?,
        etag: get(row, 1)?,
        last_modified: get(row, 2)?,
        body_hash: get(row, 3)?,
        page: get(row, 4)?,
        rows: get::<i64>(row, 5)?.unsigned_abs(),
    }))
}

/// Forgets the pages that had records which were refused.
pub(crate) async fn forget_refused(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "DELETE FROM hayloft_request_state WHERE \"fetch\"=$1 AND request IN \
               (SELECT request FROM hayloft_quarantine WHERE \"fetch\"=$1)";
    tx.run(params, sql.to_owned()).await.map(|_| ())
}

/// Forgets all pages of a fetch.
pub(crate) async fn forget_all(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "DELETE FROM hayloft_request_state WHERE \"fetch\"=$1";
    tx.run(params, sql.to_owned()).await.map(|_| ())
}

/// Notes of the only page of a run how often its type was written by then, and how many rows it
/// stands for: [`rests`] goes by that.
pub(crate) async fn note_rest(
    tx: &mut Transaction<'_>,
    run: &Run,
    written: i64,
    brought: u64,
) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    params.add(written)?;
    params.add(brought.cast_signed())?;
    let sql = "UPDATE hayloft_request_state SET written=$3,brought=$4 WHERE \"fetch\"=$1 AND run=$2";
    tx.run(params, sql.to_owned()).await.map(|_| ())
}
