//! Large pages that were in hand when a process ended without a word: they may be why. Knows when their fetch may begin again;
//! no pages.
//!
//! A process that is started again and takes the same page at once would end again, and again. So the fetch is left alone for a
//! while, longer each time, until one of its runs is complete. A person who starts it does not wait.

use std::time::Duration;

use crate::store::{
    Inner,
    bind::get,
    load::Writing,
    types::{Run, StoreError},
};

/// The first time that a fetch is left alone; it doubles.
const ASIDE: Duration = Duration::from_secs(60);
const ASIDE_MAX: Duration = Duration::from_secs(3_600);

/// Notes the large page that a run takes in hand, as people see it; none: a small one.
pub async fn working(inner: &Inner, run: &Run, place: Option<&str>) -> Result<(), StoreError> {
    let mut work = Writing::begin(inner).await?;
    let mut params = work.params();
    params.add(run.id)?;
    params.add(run.fence)?;
    params.add(place.map(str::to_owned))?;
    let sql = "UPDATE hayloft_run SET working=$3 WHERE id=$1 AND fence=$2 AND state='running'".to_owned();
    if work.era != run.era || work.run(params, sql).await? == 0 {
        return Err(StoreError::Fenced);
    }
    work.commit().await
}

/// Whether a fetch is left alone for now. Its last run, which nobody has in hand any more, may have had such a page.
pub async fn is_aside(work: &mut Writing<'_>, fetch: &str, last: i64, page: Option<&str>) -> Result<bool, StoreError> {
    if let Some(page) = page {
        set_aside(work, fetch, last, page).await?;
    }
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let now = work.inner.now(0);
    let sql = format!("SELECT \"fetch\" FROM hayloft_fetch WHERE \"fetch\"=$1 AND aside_until>{now}");
    Ok(!work.all(params, sql).await?.is_empty())
}

async fn set_aside(work: &mut Writing<'_>, fetch: &str, last: i64, page: &str) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(last)?;
    let sql = "UPDATE hayloft_run SET working=NULL WHERE id=$1".to_owned();
    work.run(params, sql).await?;
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let sql = "UPDATE hayloft_fetch SET ended_processes=ended_processes+1 WHERE \"fetch\"=$1 RETURNING ended_processes";
    let lines = work.all(params, sql.to_owned()).await?;
    let ended: i64 = lines.first().map_or(Ok(1), |line| get(line, 0))?;
    let doubled = u32::try_from(ended - 1).ok().and_then(|ended| 2u32.checked_pow(ended));
    let wait = ASIDE.saturating_mul(doubled.unwrap_or(u32::MAX)).min(ASIDE_MAX);
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let until = work.inner.now(wait.as_secs().cast_signed());
    let sql = format!("UPDATE hayloft_fetch SET aside_until={until} WHERE \"fetch\"=$1");
    work.run(params, sql).await?;
    tracing::warn!(
        fetch,
        ?wait,
        "a process ended while it was at work on {page}, which may be why; {fetch} is set aside, and tried again after that. \
         `hayloft harvest {fetch}` does so at once"
    );
    Ok(())
}

/// A run was complete: whatever it was is over.
pub async fn forget(work: &mut Writing<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let sql = "UPDATE hayloft_fetch SET ended_processes=0,aside_until=NULL WHERE \"fetch\"=$1 AND ended_processes>0";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}
