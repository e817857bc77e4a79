//! `hayloft_process`: the processes that harvest from one database, by their signs of life. Knows
//! who is live; not what for.

use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};

use crate::store::{
    context::Context,
    error::{StoreError, failed},
    tx::Transaction,
    types::{PROCESS_GONE, ProcessSeen},
};

use super::{
    clock,
    entities::{self, process},
};

/// A name that no other process has: its number for a person, and some chance for other machines.
pub(crate) fn name() -> Arc<str> {
    format!("{}-{:06x}", std::process::id(), rand::random_range(0..0x100_0000)).into()
}

const GONE_SECONDS: i64 = PROCESS_GONE.as_secs() as i64;
/// Entries of processes that ended without a word are taken out after this: the list is shown to
/// people.
const FORGET_SECONDS: i64 = 3_600;

/// Live at the time of the database: heard of lately, and not in the future of a clock that was set
/// back.
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

/// A sign of life without a claim to a place: the sources are for those whose definition is in
/// force.
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
    let select = process::Entity::find().filter(Expr::cust(live(context)));
    let select = select
        .order_by_asc(process::Column::StartedAt)
        .order_by_asc(process::Column::Id);
    entities::all(context, select).await?.into_iter().map(seen).collect()
}

/// The live ones that may have a place, in the order of these.
pub(crate) async fn by_rank(tx: &mut Transaction<'_>) -> Result<Vec<ProcessSeen>, StoreError> {
    let select = process::Entity::find()
        .filter(Expr::cust(live(tx.context)))
        .filter(process::Column::Replaced.eq(0_i64))
        .order_by_desc(process::Column::ByHand)
        .order_by_asc(process::Column::StartedAt)
        .order_by_asc(process::Column::Id);
    entities::all_within(tx, select).await?.into_iter().map(seen).collect()
}

fn seen(row: process::Model) -> Result<ProcessSeen, StoreError> {
    Ok(ProcessSeen {
        id: row.id,
        by_hand: row.by_hand != 0,
        replaced: row.replaced != 0,
        started_at: clock::instant(&row.started_at)?,
        seen_at: clock::instant(&row.seen_at)?,
    })
}

/// Takes out entries of processes that ended without a word.
pub(crate) async fn forget_gone(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(tx.context.process.to_string())?;
    let oldest = tx.context.now(-FORGET_SECONDS);
    let sql = format!("DELETE FROM hayloft_process WHERE id<>$1 AND seen_at<={oldest}");
    tx.run(params, sql).await.map(|_| ())
}
