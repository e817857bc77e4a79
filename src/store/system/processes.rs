//! The processes that harvest from one database: each gives signs of life and learns its place among the live ones.
//! Knows the register; what a place is good for is known elsewhere.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::store::{
    Inner,
    db::pool::{Line, get},
    error::StoreError,
    in_force::{self, Standing},
    load::batch::Work,
    runs::{claim, finish::instant, status},
    types::PROCESS_GONE,
};

/// A live process that harvests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    pub id: String,
    /// It runs a harvest by hand.
    pub by_hand: bool,
    /// Its definition is not in force: it harvests nothing.
    pub replaced: bool,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
}

/// A process among those that harvest from one database, at the time of its last sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attendance {
    /// Its place, from 0.
    pub rank: usize,
    pub count: usize,
    /// A lock keeps all others out for as long as the database is open.
    pub alone: bool,
    /// It was not known before, or was given up meanwhile: the others have not counted on it.
    pub joined: bool,
    pub now: DateTime<Utc>,
    /// Of all others, the oldest last sign of life.
    pub others_seen: Option<DateTime<Utc>>,
}

/// A name that no other process has: its number for a person, and some chance for other machines.
pub(crate) fn name() -> Arc<str> {
    format!("{}-{:06x}", std::process::id(), rand::random_range(0..0x100_0000)).into()
}

const GONE_SECONDS: i64 = PROCESS_GONE.as_secs() as i64;
/// Entries of processes that ended without a word are taken out after this: the list is shown to people.
const FORGET_SECONDS: i64 = 3_600;
/// The columns of a process that is seen.
const SEEN: &str = "id,by_hand,replaced,started_at,seen_at";

/// Live at the time of the database: heard of lately, and not in the future of a clock that was set back.
pub(crate) fn live(inner: &Inner) -> String {
    let (oldest, newest) = (inner.now(-GONE_SECONDS), inner.now(GONE_SECONDS));
    format!("seen_at>{oldest} AND seen_at<={newest}")
}

/// A sign of life of this process. Where a lock keeps others out, nothing is written: it is alone.
pub(crate) async fn attend(inner: &Inner, by_hand: bool) -> Result<Attendance, StoreError> {
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
    let standing = in_force::look(inner).await?;
    let mut work = Work::begin(inner).await?;
    if standing != Standing::InForce {
        step_aside(&mut work, by_hand).await?;
        work.commit().await?;
        return Err(StoreError::Replaced);
    }
    let now = claim::now(&mut work).await?;
    let joined = beat(&mut work, by_hand).await?;
    let mut params = work.params();
    params.add(work.inner.process.to_string())?;
    let sql = format!(
        "SELECT {SEEN} FROM hayloft_process WHERE {} AND replaced=0 ORDER BY by_hand DESC,started_at,id",
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
async fn beat(work: &mut Work<'_>, by_hand: bool) -> Result<bool, StoreError> {
    let now = work.inner.now(0);
    let mut params = work.params();
    params.add(work.inner.process.to_string())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let sql = format!(
        "UPDATE hayloft_process SET seen_at={now},definition=$2 WHERE id=$1 AND replaced=0 AND {}",
        live(work.inner)
    );
    if work.run(params, sql).await? > 0 {
        return Ok(false);
    }
    enter(work, by_hand, false).await?;
    Ok(true)
}

/// A sign of life without a claim to a place: the sources are for those whose definition is in force.
async fn step_aside(work: &mut Work<'_>, by_hand: bool) -> Result<(), StoreError> {
    enter(work, by_hand, true).await
}

async fn enter(work: &mut Work<'_>, by_hand: bool, replaced: bool) -> Result<(), StoreError> {
    let now = work.inner.now(0);
    let mut params = work.params();
    params.add(work.inner.process.to_string())?;
    params.add(i64::from(by_hand))?;
    params.add(i64::from(replaced))?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let sql = format!(
        "INSERT INTO hayloft_process(id,by_hand,replaced,definition,started_at,seen_at) VALUES ($1,$2,$3,$4,{now},{now}) \
         ON CONFLICT(id) DO UPDATE SET by_hand=excluded.by_hand,replaced=excluded.replaced,definition=excluded.definition,\
         started_at=excluded.started_at,\
         seen_at=excluded.seen_at"
    );
    work.run(params, sql).await.map(|_| ())
}

/// Takes this process out of the register.
pub(crate) async fn leave(inner: &Inner) -> Result<(), StoreError> {
    if inner.is_alone() {
        return Ok(());
    }
    let mut params = inner.params();
    params.add(inner.process.to_string())?;
    let sql = "DELETE FROM hayloft_process WHERE id=$1".to_owned();
    let left = inner.writer()?.execute(params.query(sql)).await;
    left.map_err(crate::store::error::failed).map(|_| ())
}

/// The live ones, the oldest first.
pub(crate) async fn all(inner: &Inner) -> Result<Vec<ProcessSeen>, StoreError> {
    let sql = format!(
        "SELECT {SEEN} FROM hayloft_process WHERE {} ORDER BY started_at,id",
        live(inner)
    );
    let found = inner.own.take().await?.fetch(inner.params().query(sql)).await?;
    found.iter().map(read).collect()
}

fn read(line: &Line) -> Result<ProcessSeen, StoreError> {
    Ok(ProcessSeen {
        id: get(line, 0)?,
        by_hand: get::<i64>(line, 1)? != 0,
        replaced: get::<i64>(line, 2)? != 0,
        started_at: instant(&get::<String>(line, 3)?)?,
        seen_at: instant(&get::<String>(line, 4)?)?,
    })
}
