//! What is remembered of the pages of a fetch, and for which rows an unchanged one vouches. Knows `hayloft_request_state`.

use crate::store::{
    bind::get,
    types::{RequestState, Run, StoreError},
};

use super::{
    print::{Print, spans},
    seen,
    work::Work,
};

/// The rows that an unchanged request brought when it was last read, and how many of its records were refused then: they
/// are refused still, and go over to this run. None: the rows are not what it wrote any more, so it has to be read again.
pub async fn unchanged(work: &mut Work<'_>, run: &Run, request: &str) -> Result<Option<(Vec<i64>, u64)>, StoreError> {
    let Some(rows) = vouched(work, run, request).await? else {
        return Ok(None);
    };
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_quarantine SET run=$3 WHERE \"fetch\"=$1 AND request=$2 AND run=\
               (SELECT run FROM hayloft_request_state WHERE \"fetch\"=$1 AND request=$2)";
    let refused = work.run(params, sql.to_owned()).await?;
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_request_state SET run=$3 WHERE \"fetch\"=$1 AND request=$2";
    work.run(params, sql.to_owned()).await?;
    Ok(Some((rows, refused)))
}

/// The rows of a request that is remembered, if each of them is stored as it wrote them: another page, an earlier run that
/// failed, a field's answer or a deletion may have come since.
async fn vouched(work: &mut Work<'_>, run: &Run, request: &str) -> Result<Option<Vec<i64>>, StoreError> {
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let sql = "SELECT seen,print FROM hayloft_request_state WHERE \"fetch\"=$1 AND request=$2 AND definition=$3";
    let lines = work.all(params, sql.to_owned()).await?;
    let Some(line) = lines.first() else { return Ok(None) };
    let Some(print) = get::<Option<i64>>(line, 1)? else {
        return Ok(None);
    };
    let bytes: Vec<u8> = get(line, 0)?;
    let rows =
        seen::unpack(&bytes).ok_or_else(|| StoreError::Refused("a stored request state is damaged".to_owned()))?;
    let stored = work.print(run.entity, &spans(&rows)).await?;
    Ok((stored.folded() == print).then_some(rows))
}

/// Remembers a page with the rows that it brought.
pub async fn remember(
    work: &mut Work<'_>,
    run: &Run,
    state: &RequestState,
    seen: Vec<u8>,
    print: Print,
) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(state.request.clone())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    params.add(run.id)?;
    params.add(state.etag.clone())?;
    params.add(state.last_modified.clone())?;
    params.add(state.body_hash.clone())?;
    params.add(state.page.clone())?;
    params.add(state.rows.cast_signed())?;
    params.add(seen)?;
    params.add(print.folded())?;
    let sql = "INSERT INTO hayloft_request_state\
               (\"fetch\",request,definition,run,etag,last_modified,body_hash,page,rows,seen,print) \
               VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) ON CONFLICT(\"fetch\",request) DO UPDATE SET \
               definition=excluded.definition,run=excluded.run,etag=excluded.etag,last_modified=excluded.last_modified,\
               body_hash=excluded.body_hash,page=excluded.page,rows=excluded.rows,seen=excluded.seen,print=excluded.print";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}

/// Remembers what the headers of an unchanged page say anew; its rows are those that it had.
pub async fn refresh(work: &mut Work<'_>, run: &Run, state: &RequestState) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(state.request.clone())?;
    params.add(state.etag.clone())?;
    params.add(state.last_modified.clone())?;
    params.add(state.body_hash.clone())?;
    params.add(state.page.clone())?;
    let sql = "UPDATE hayloft_request_state SET etag=$3,last_modified=$4,body_hash=$5,page=$6 \
               WHERE \"fetch\"=$1 AND request=$2";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}

/// Forgets a page, so that it is read in full next time.
pub async fn forget(work: &mut Work<'_>, run: &Run, request: &str) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    work.run(
        params,
        "DELETE FROM hayloft_request_state WHERE \"fetch\"=$1 AND request=$2".to_owned(),
    )
    .await?;
    Ok(())
}
