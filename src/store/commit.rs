//! Commits whose answer was lost with the connection: whether they happened is asked, never guessed. Knows what each kind of
//! transaction leaves behind; no rows of a definition.
//!
//! A transaction that did not happen begins again, so a connection that is cut for a moment fails no run. It goes on for as long as
//! a lease does: after that another process may have the run, and the fence says so.

use super::{
    Inner,
    db::{
        params::Params,
        pool::get,
        retry::{AWAY_MAX, pause},
    },
    error::StoreError,
    load::batch::Work,
    types::Run,
};

/// By what a transaction is known to have happened.
#[derive(Clone, Copy)]
pub(crate) enum Trace<'a> {
    /// By nothing, and none is needed: run again it finds what it did, and does nothing twice.
    Again,
    /// The part of what a run has seen that it stored.
    Part(&'a Run, i64),
    /// The run has ended.
    Ended(&'a Run),
    /// This process has the run that began with this turn of the fetch.
    Claimed(&'a str, i64),
    /// This owner has the request about a row.
    Asked(&'a Run, &'a str, i64),
}

/// Commits. `Conflict` says that nothing of the transaction happened, though it was committed once: it may begin again.
pub(crate) async fn commit(work: Work<'_>, trace: Trace<'_>) -> Result<(), StoreError> {
    let (inner, era) = (work.inner, work.era);
    match (work.commit().await, trace) {
        (Err(StoreError::Unreachable), Trace::Part(..) | Trace::Ended(_) | Trace::Claimed(..) | Trace::Asked(..)) => {}
        (done, _) => return done,
    }
    tracing::info!("the answer to a commit was lost; the database is asked whether it happened");
    let since = std::time::Instant::now();
    let mut tries = 1;
    loop {
        match happened(inner, era, trace).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(StoreError::Conflict),
            Err(StoreError::Unreachable | StoreError::Crowded | StoreError::Conflict) if since.elapsed() < AWAY_MAX => {
                pause(tries).await;
            }
            Err(error) => return Err(error),
        }
        tries += 1;
    }
}

/// Whether the trace is there. The transaction may still be under way in a session that has not noticed the cut: it holds the row
/// that is locked here first, so it is waited for.
async fn happened(inner: &Inner, era: u64, trace: Trace<'_>) -> Result<bool, StoreError> {
    let mut work = Work::begin(inner).await?;
    // Another place: what happened at the old one says nothing here.
    if work.era != era {
        return Ok(false);
    }
    let lock = inner.dialect.for_update();
    match trace {
        Trace::Again => Ok(false),
        Trace::Part(run, part) => {
            lock_run(&mut work, run).await?;
            let params = numbers(&work, [run.id, part])?;
            is_there(
                &mut work,
                params,
                "SELECT run FROM hayloft_run_seen WHERE run=$1 AND part=$2",
            )
            .await
        }
        Trace::Ended(run) => {
            lock_run(&mut work, run).await?;
            let params = numbers(&work, [run.id, run.fence])?;
            let sql = "SELECT id FROM hayloft_run WHERE id=$1 AND fence=$2 AND state<>'running'";
            is_there(&mut work, params, sql).await
        }
        Trace::Claimed(fetch, turn) => {
            let mut params = work.params();
            params.add(fetch.to_owned())?;
            let sql = format!("SELECT turns FROM hayloft_fetch WHERE \"fetch\"=$1{lock}");
            work.all(params, sql).await?;
            let mut params = work.params();
            params.add(fetch.to_owned())?;
            params.add(turn)?;
            params.add(inner.process.to_string())?;
            let sql = "SELECT id FROM hayloft_run WHERE \"fetch\"=$1 AND turn=$2 AND owner=$3 AND state='running'";
            is_there(&mut work, params, sql).await
        }
        Trace::Asked(run, owner, parent) => {
            let mut params = work.params();
            params.add(run.fetch.clone())?;
            params.add(parent)?;
            let sql = format!("SELECT owner FROM hayloft_fan_out WHERE \"fetch\"=$1 AND parent=$2{lock}");
            let lines = work.all(params, sql).await?;
            let now: Option<String> = lines.first().map_or(Ok(None), |line| get(line, 0))?;
            Ok(now.as_deref() == Some(owner))
        }
    }
}

async fn lock_run(work: &mut Work<'_>, run: &Run) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(run.id)?;
    let lock = work.inner.dialect.for_update();
    let sql = format!("SELECT id FROM hayloft_run WHERE id=$1{lock}");
    work.all(params, sql).await.map(|_| ())
}

fn numbers(work: &Work<'_>, numbers: [i64; 2]) -> Result<Params, StoreError> {
    let mut params = work.params();
    numbers.into_iter().try_for_each(|number| params.add(number))?;
    Ok(params)
}

async fn is_there(work: &mut Work<'_>, params: Params, sql: &str) -> Result<bool, StoreError> {
    Ok(!work.all(params, sql.to_owned()).await?.is_empty())
}
