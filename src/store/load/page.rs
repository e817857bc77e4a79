//! What is remembered of the pages of a fetch, and for which rows an unchanged one vouches. Knows `hayloft_request_state`.

use crate::{
    store::{
        Inner,
        db::pool::get,
        error::StoreError,
        state::row_set,
        types::{Group, RequestState, Run},
    },
    value::Key,
};

use super::{
    batch::{Item, Work},
    print::{Print, spans},
    rest::rests,
};

/// Whether an unchanged request may stand for the rows that it brought when it was last read: each is stored as it wrote it, and
/// none is among those that wait to be written before it. Otherwise it has to be read in full.
pub async fn vouches(inner: &Inner, run: &Run, request: &str, before: &[Group]) -> Result<bool, StoreError> {
    let memory = inner.memory(run)?;
    let memory = memory.lock().await;
    let mut work = Work::begin(inner).await?;
    if before.is_empty() && rests(&mut work, run, request).await?.is_some() {
        return Ok(true);
    }
    let Some((rows, print)) = remembered(&mut work, run, request).await? else {
        return Ok(false);
    };
    // Another copy of such a row may come, or has: which is the last one shows when it is read.
    if rows.iter().any(|row| memory.repeating.contains(*row)) {
        return Ok(false);
    }
    let stored = work.print(run.entity, &spans(&rows)).await?;
    if print != Some(stored.folded()) {
        return Ok(false);
    }
    let waiting = before.iter().flat_map(|group| &group.rows);
    let keys: Vec<Key> = waiting
        .map(|row| Key(work.key_of(run.entity, Item { row, position: 0 })))
        .collect();
    let waiting = work.rows_of(run.entity, &keys.iter().collect::<Vec<_>>()).await?;
    Ok(waiting.iter().all(|row| rows.binary_search(row).is_err()))
}

/// The rows that an unchanged request brought when it was last read, and how many of its records were refused then: they
/// are refused still, and go over to this run. Whether it may stand for them was asked before, by [`vouches`]: what others wrote
/// since came after it.
pub async fn unchanged(work: &mut Work<'_>, run: &Run, request: &str) -> Result<(Vec<i64>, u64), StoreError> {
    let Some((rows, _)) = remembered(work, run, request).await? else {
        return Err(StoreError::Refused(
            "what was remembered of a page was deleted while its run was under way; the next run reads it in full"
                .to_owned(),
        ));
    };
    Ok((rows, take_over(work, run, request).await?))
}

/// Makes an unchanged request this run's; gives how many of its records are refused still.
pub async fn take_over(work: &mut Work<'_>, run: &Run, request: &str) -> Result<u64, StoreError> {
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
    Ok(refused)
}

/// What a request brought when it was last read, by the definition in force, and the print of its rows.
async fn remembered(
    work: &mut Work<'_>,
    run: &Run,
    request: &str,
) -> Result<Option<(Vec<i64>, Option<i64>)>, StoreError> {
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let sql = "SELECT seen,print FROM hayloft_request_state WHERE \"fetch\"=$1 AND request=$2 AND definition=$3";
    let lines = work.all(params, sql.to_owned()).await?;
    let Some(line) = lines.first() else { return Ok(None) };
    let bytes: Vec<u8> = get(line, 0)?;
    let rows =
        row_set::unpack(&bytes).ok_or_else(|| StoreError::Refused("a stored request state is damaged".to_owned()))?;
    Ok(Some((rows, get(line, 1)?)))
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
               body_hash=excluded.body_hash,page=excluded.page,rows=excluded.rows,seen=excluded.seen,print=excluded.print,\
               written=NULL,brought=NULL";
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
