//! `hayloft_process`: the processes that harvest from one database, by their signs of life. Knows who is live; not what for.

use std::sync::Arc;

use crate::store::{
    context::Context,
    db::pool::{Line, get},
    error::{StoreError, failed},
    tx::Transaction,
    types::{PROCESS_GONE, ProcessSeen},
};

use super::clock;

/// A name that no other process has: its number for a person, and some chance for other machines.
pub(crate) fn name() -> Arc<str> {
    format!("{}-{:06x}", std::process::id(), rand::random_range(0..0x100_0000)).into()
}

const GONE_SECONDS: i64 = PROCESS_GONE.as_secs() as i64;
/// Entries of processes that ended without a word are taken out after this: the list is shown to people.
pub(crate) const FORGET_SECONDS: i64 = 3_600;
/// The columns of a process that is seen.
pub(crate) const SEEN: &str = "id,by_hand,replaced,started_at,seen_at";

/// Live at the time of the database: heard of lately, and not in the future of a clock that was set back.
pub(crate) fn live(context: &Context) -> String {
    let (oldest, newest) = (context.now(-GONE_SECONDS), context.now(GONE_SECONDS));
    format!("seen_at>{oldest} AND seen_at<={newest}")
}

/// Renews the entry of this process; true when it had none that counts.
pub(crate) async fn beat(tx: &mut Transaction<'_>, by_hand: bool) -> Result<bool, StoreError> {
    let now = tx.context.now(0);
    let mut params = tx.params();
    params.add(tx.context.process.to_string())?;
    params.add(tx.context.catalog.fingerprint.clone())?;
    let sql = format!(
        "UPDATE hayloft_process SET seen_at={now},definition=$2 WHERE id=$1 AND replaced=0 AND {}",
        live(tx.context)
    );
    if tx.run(params, sql).await? > 0 {
        return Ok(false);
    }
    enter(tx, by_hand, false).await?;
    Ok(true)
}

/// A sign of life without a claim to a place: the sources are for those whose definition is in force.
pub(crate) async fn step_aside(tx: &mut Transaction<'_>, by_hand: bool) -> Result<(), StoreError> {
    enter(tx, by_hand, true).await
}

async fn enter(tx: &mut Transaction<'_>, by_hand: bool, replaced: bool) -> Result<(), StoreError> {
    let now = tx.context.now(0);
    let mut params = tx.params();
    params.add(tx.context.process.to_string())?;
    params.add(i64::from(by_hand))?;
    params.add(i64::from(replaced))?;
    params.add(tx.context.catalog.fingerprint.clone())?;
    let sql = format!(
        "INSERT INTO hayloft_process(id,by_hand,replaced,definition,started_at,seen_at) VALUES ($1,$2,$3,$4,{now},{now}) \
         ON CONFLICT(id) DO UPDATE SET by_hand=excluded.by_hand,replaced=excluded.replaced,definition=excluded.definition,\
         started_at=excluded.started_at,\
         seen_at=excluded.seen_at"
    );
    tx.run(params, sql).await.map(|_| ())
}

/// Takes this process out of the register.
pub(crate) async fn leave(context: &Context) -> Result<(), StoreError> {
    if context.is_alone() {
        return Ok(());
    }
    let mut params = context.params();
    params.add(context.process.to_string())?;
    let sql = "DELETE FROM hayloft_process WHERE id=$1".to_owned();
    let left = context.writer()?.execute(params.query(sql)).await;
    left.map_err(failed).map(|_| ())
}

/// The live ones, the oldest first.
pub(crate) async fn all(context: &Context) -> Result<Vec<ProcessSeen>, StoreError> {
    let sql = format!(
        "SELECT {SEEN} FROM hayloft_process WHERE {} ORDER BY started_at,id",
        live(context)
    );
    let found = context.own.take().await?.fetch(context.params().query(sql)).await?;
    found.iter().map(read).collect()
}

pub(crate) fn read(line: &Line) -> Result<ProcessSeen, StoreError> {
    Ok(ProcessSeen {
        id: get(line, 0)?,
        by_hand: get::<i64>(line, 1)? != 0,
        replaced: get::<i64>(line, 2)? != 0,
        started_at: clock::instant(&get::<String>(line, 3)?)?,
        seen_at: clock::instant(&get::<String>(line, 4)?)?,
    })
}
