//! Large pages that were in hand when a process ended without a word: they may be why. Knows when their fetch may begin again, or
//! their request, where it is one about a row; no pages.
//!
//! A process that is started again and takes the same page at once would end again, and again. So the fetch is left alone for a
//! while, longer each time, until one of its runs is complete. Of a fetch on a field only the request is, which counts as failed
//! meanwhile, until it is answered. A person who starts it does not wait.

use std::time::Duration;

use crate::store::{
    Inner,
    db::pool::get,
    error::StoreError,
    load::batch::Work,
    types::{Aside, Run},
};

/// The first time that a fetch is left alone; it doubles.
const ASIDE: Duration = Duration::from_secs(60);
const ASIDE_MAX: Duration = Duration::from_secs(3_600);

/// Notes the large page that a run takes in hand, as people see it; none: a small one.
pub async fn working(inner: &Inner, run: &Run, place: Option<&str>) -> Result<(), StoreError> {
    let mut work = Work::begin(inner).await?;
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
pub async fn is_aside(work: &mut Work<'_>, fetch: &str, last: i64, page: Option<&str>) -> Result<bool, StoreError> {
    if let Some(page) = page {
        set_aside(work, fetch, last, page).await?;
    }
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let now = work.inner.now(0);
    let sql = format!("SELECT \"fetch\" FROM hayloft_fetch WHERE \"fetch\"=$1 AND aside_until>{now}");
    Ok(!work.all(params, sql).await?.is_empty())
}

async fn set_aside(work: &mut Work<'_>, fetch: &str, last: i64, page: &str) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(last)?;
    let sql = "UPDATE hayloft_run SET working=NULL WHERE id=$1".to_owned();
    work.run(params, sql).await?;
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let sql = "UPDATE hayloft_fetch SET ended_processes=ended_processes+1 WHERE \"fetch\"=$1 RETURNING ended_processes";
    let lines = work.all(params, sql.to_owned()).await?;
    let ended: i64 = lines.first().map_or(Ok(1), |line| get(line, 0))?;
    let wait = wait_after(ended);
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    params.add(page.to_owned())?;
    let until = work.inner.now(wait.as_secs().cast_signed());
    let sql = format!("UPDATE hayloft_fetch SET aside_until={until},aside_page=$2 WHERE \"fetch\"=$1");
    work.run(params, sql).await?;
    tracing::warn!(
        fetch,
        ?wait,
        "a process ended while it was at work on {page}, which may be why; {fetch} is set aside, and tried again after that. \
         `hayloft harvest {fetch}` does so at once"
    );
    Ok(())
}

/// How long, after so many processes that ended.
fn wait_after(ended: i64) -> Duration {
    let doubled = u32::try_from(ended - 1).ok().and_then(|ended| 2u32.checked_pow(ended));
    ASIDE.saturating_mul(doubled.unwrap_or(u32::MAX)).min(ASIDE_MAX)
}

/// The fetch's part of its status: which page it is left alone for.
pub fn columns(inner: &Inner) -> String {
    let now = inner.now(0);
    let of = |column: &str| format!("(SELECT {column} FROM hayloft_fetch WHERE \"fetch\"=$1 AND aside_until>{now})");
    [of("aside_until"), of("aside_page"), of("ended_processes")].join(",")
}

/// What these say.
pub fn told(until: Option<&str>, page: Option<String>, ended: Option<i64>) -> Result<Option<Aside>, StoreError> {
    let until = until.map(crate::store::runs::finish::instant).transpose()?;
    Ok(until.map(|until| Aside {
        until,
        page: page.unwrap_or_default(),
        ended: ended.unwrap_or(1).unsigned_abs(),
    }))
}

/// Notes the large answer about a row that a crew takes in hand.
pub async fn answering(inner: &Inner, fetch: &str, owner: &str, row: i64, place: &str) -> Result<(), StoreError> {
    let mut work = Work::begin(inner).await?;
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    params.add(owner.to_owned())?;
    params.add(row)?;
    params.add(place.to_owned())?;
    let sql = "UPDATE hayloft_fan_out SET working=$4 WHERE \"fetch\"=$1 AND owner=$2 AND parent=$3 AND state='claimed'";
    work.run(params, sql.to_owned()).await?;
    work.commit().await
}

/// Sets requests aside whose crew has gone with a large answer in hand: claimed ones that satisfy a condition. They count as failed.
pub async fn set_requests_aside(work: &mut Work<'_>, fetch: &str, condition: &str) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let sql = format!(
        "SELECT parent,working,ended_processes FROM hayloft_fan_out WHERE \"fetch\"=$1 AND state='claimed' AND working IS NOT NULL \
         AND {condition} ORDER BY parent{}",
        work.inner.dialect.skip_locked()
    );
    for line in work.all(params, sql).await? {
        let (row, place, ended): (i64, String, i64) = (get(&line, 0)?, get(&line, 1)?, get(&line, 2)?);
        let wait = wait_after(ended + 1);
        let error = format!(
            "{place}: a process ended while it was at work on the answer, which may be why; the request is set aside for {wait:?}, and \
             made by the next run after that; `hayloft harvest {fetch}` makes it at once"
        );
        tracing::warn!(fetch, "{error}");
        let mut params = work.params();
        params.add(fetch.to_owned())?;
        params.add(row)?;
        params.add(ended + 1)?;
        params.add(error)?;
        let sql = format!(
            "UPDATE hayloft_fan_out SET state='failed',error=$4,ended_processes=$3,aside_until={},working=NULL,owner=NULL,until=NULL,\
             next_at=NULL WHERE \"fetch\"=$1 AND parent=$2",
            work.inner.now(wait.as_secs().cast_signed())
        );
        work.run(params, sql).await?;
    }
    Ok(())
}

/// A condition on a request `s`: it is not left alone, or a person has begun the run.
pub fn may_be_made(inner: &Inner, run: &str) -> String {
    format!(
        "(s.aside_until IS NULL OR s.aside_until<={} OR EXISTS(SELECT 1 FROM hayloft_run AS by_hand WHERE by_hand.id={run} AND \
         by_hand.reason='hand'))",
        inner.now(0)
    )
}

/// A run was complete: whatever it was is over.
pub async fn forget(work: &mut Work<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let sql = "UPDATE hayloft_fetch SET ended_processes=0,aside_until=NULL,aside_page=NULL WHERE \"fetch\"=$1 AND ended_processes>0";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}
