//! The processes that harvest from one database: each gives signs of life and learns its place among the live ones.
//! Knows the register; what a place is good for is known elsewhere.

use super::{
    Inner,
    bind::{Line, get},
    ledger::{claim, instant},
    load::Writing,
    status,
    types::{Attendance, PROCESS_GONE, ProcessSeen, StoreError},
};

const GONE_SECONDS: i64 = PROCESS_GONE.as_secs() as i64;
/// Entries of processes that ended without a word are taken out after this: the list is shown to people.
const FORGET_SECONDS: i64 = 3_600;

/// Live at the time of the database: heard of lately, and not in the future of a clock that was set back.
pub(super) fn live(inner: &Inner) -> String {
    let (oldest, newest) = (inner.now(-GONE_SECONDS), inner.now(GONE_SECONDS));
    format!("seen_at>{oldest} AND seen_at<={newest}")
}

/// A sign of life of this process. Where a lock keeps others out, nothing is written: it is alone.
pub(super) async fn attend(inner: &Inner, by_hand: bool) -> Result<Attendance, StoreError> {
    if inner.is_alone() {
        return Ok(Attendance {
            rank: 0,
            count: 1,
            alone: true,
            joined: false,
            now: status::now(inner).await?,
            others_seen: None,
        });
    }
    let mut work = Writing::begin(inner).await?;
    let now = claim::now(&mut work).await?;
    let joined = beat(&mut work, by_hand).await?;
    let mut params = work.params();
    params.add(work.inner.process.to_string())?;
    let sql = format!(
        "SELECT id,by_hand,started_at,seen_at FROM hayloft_process WHERE {} ORDER BY by_hand DESC,started_at,id",
        live(inner)
    );
    let all = work.all(work.params(), sql).await?;
    let all = all.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let sql = format!(
        "DELETE FROM hayloft_process WHERE id<>$1 AND seen_at<={}",
        inner.now(-FORGET_SECONDS)
    );
    work.run(params, sql).await?;
    work.commit().await?;
    let is_own = |process: &&ProcessSeen| *process.id == *inner.process;
    Ok(Attendance {
        rank: all.iter().position(|process| is_own(&process)).unwrap_or(0),
        count: all.len().max(1),
        alone: false,
        joined,
        now,
        others_seen: all
            .iter()
            .filter(|process| !is_own(process))
            .map(|other| other.seen_at)
            .min(),
    })
}

/// Renews the entry of this process; true when it had none that counts.
async fn beat(work: &mut Writing<'_>, by_hand: bool) -> Result<bool, StoreError> {
    let now = work.inner.now(0);
    let mut params = work.params();
    params.add(work.inner.process.to_string())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let sql = format!(
        "UPDATE hayloft_process SET seen_at={now},definition=$2 WHERE id=$1 AND {}",
        live(work.inner)
    );
    if work.run(params, sql).await? > 0 {
        return Ok(false);
    }
    let mut params = work.params();
    params.add(work.inner.process.to_string())?;
    params.add(i64::from(by_hand))?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let sql = format!(
        "INSERT INTO hayloft_process(id,by_hand,definition,started_at,seen_at) VALUES ($1,$2,$3,{now},{now}) \
         ON CONFLICT(id) DO UPDATE SET by_hand=excluded.by_hand,definition=excluded.definition,started_at=excluded.started_at,\
         seen_at=excluded.seen_at"
    );
    work.run(params, sql).await?;
    Ok(true)
}

/// Takes this process out of the register.
pub(super) async fn leave(inner: &Inner) -> Result<(), StoreError> {
    if inner.is_alone() {
        return Ok(());
    }
    let mut params = inner.params();
    params.add(inner.process.to_string())?;
    let sql = "DELETE FROM hayloft_process WHERE id=$1".to_owned();
    let left = inner.writer()?.execute(params.query(sql)).await;
    left.map_err(super::failed).map(|_| ())
}

/// The live ones, the oldest first.
pub(super) async fn all(inner: &Inner) -> Result<Vec<ProcessSeen>, StoreError> {
    let sql = format!(
        "SELECT id,by_hand,started_at,seen_at FROM hayloft_process WHERE {} ORDER BY started_at,id",
        live(inner)
    );
    let found = inner.own.take().await?.fetch(inner.params().query(sql)).await?;
    found.iter().map(read).collect()
}

fn read(line: &Line) -> Result<ProcessSeen, StoreError> {
    Ok(ProcessSeen {
        id: get(line, 0)?,
        by_hand: get::<i64>(line, 1)? != 0,
        started_at: instant(&get::<String>(line, 2)?)?,
        seen_at: instant(&get::<String>(line, 3)?)?,
    })
}
