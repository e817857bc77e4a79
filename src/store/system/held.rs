//! `hayloft_held`: deletions that were too many, and wait for a person: which rows, and what was
//! decided of them. Deletes nothing itself.
//!
//! A decision is about rows, not about a number: whoever approves 40 rows has not approved 400 that
//! are missing next time.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::store::{
    context::Context,
    db::pool::get,
    error::StoreError,
    state::row_set::{RowSet, pack, unpack},
    tx::Transaction,
    types::{Decision, HeldDeletion},
};

use super::{
    clock,
    entities::{self, held},
};

/// What is stored of a fetch.
#[derive(Default)]
pub(crate) struct HeldRows {
    pub open: Vec<i64>,
    pub approved: Vec<i64>,
    pub kept: Vec<i64>,
}

impl HeldRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.approved.is_empty() && self.kept.is_empty()
    }

    fn of(&mut self, decision: Decision) -> &mut Vec<i64> {
        match decision {
            Decision::Open => &mut self.open,
            Decision::Approved => &mut self.approved,
            Decision::Kept => &mut self.kept,
        }
    }
}

pub(crate) fn set(rows: &[i64]) -> RowSet {
    let mut set = RowSet::default();
    for row in rows {
        set.insert(*row);
    }
    set
}

/// All that is held of a fetch, to be replaced by [`put`]: whoever wants to do the same waits until
/// this transaction ends.
pub(crate) async fn of(tx: &mut Transaction<'_>, fetch: &str) -> Result<HeldRows, StoreError> {
    lock(tx, fetch).await?;
    // Of a statement by itself, which sees what those wrote for whom the lock waited.
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT decision,seen FROM hayloft_held WHERE \"fetch\"=$1".to_owned();
    let mut held = HeldRows::default();
    for row in tx.all(params, sql).await? {
        let (decision, bytes): (String, Vec<u8>) = (get(&row, 0)?, get(&row, 1)?);
        let rows = unpack(&bytes).ok_or_else(|| StoreError::Internal("a list of held rows is damaged".to_owned()))?;
        if let Some(decision) = Decision::ALL.into_iter().find(|known| known.name() == decision) {
            *held.of(decision) = rows;
        }
    }
    Ok(held)
}

/// Locks what is held, always in the same order.
async fn lock(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    if tx.context.dialect.exclusive() {
        return Ok(());
    }
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let lock = tx.context.dialect.for_update();
    let sql = format!("SELECT decision FROM hayloft_held WHERE \"fetch\"=$1 ORDER BY decision{lock}");
    tx.all(params, sql).await.map(|_| ())
}

/// Puts these rows in the place of all that was held of the fetch.
pub(crate) async fn put(tx: &mut Transaction<'_>, fetch: &str, run: i64, mut held: HeldRows) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "DELETE FROM hayloft_held WHERE \"fetch\"=$1".to_owned();
    tx.run(params, sql).await?;
    for decision in Decision::ALL {
        let rows = held.of(decision);
        if rows.is_empty() {
            continue;
        }
        let bytes = pack(rows);
        let mut params = tx.params();
        params.add(fetch.to_owned())?;
        params.add(decision.name())?;
        params.add(run)?;
        params.add((rows.len() as u64).cast_signed())?;
        params.add(bytes)?;
        let now = tx.context.now(0);
        let sql =
            format!("INSERT INTO hayloft_held(\"fetch\",decision,run,rows,seen,at) VALUES ($1,$2,$3,$4,$5,{now})");
        tx.run(params, sql).await?;
    }
    Ok(())
}

/// What waits for a decision.
pub(crate) async fn open(context: &Context) -> Result<Vec<HeldDeletion>, StoreError> {
    let open = held::Column::Decision.eq(Decision::Open.name());
    let select = held::Entity::find().filter(open).order_by_asc(held::Column::Fetch);
    let deletion = |row: held::Model| {
        Ok(HeldDeletion {
            fetch: row.fetch,
            rows: row.rows.unsigned_abs(),
            at: clock::instant(&row.at)?,
        })
    };
    entities::all(context, select)
        .await?
        .into_iter()
        .map(deletion)
        .collect()
}

/// Decides about the rows that are held of a fetch; gives how many they are, 0 when none is.
pub(crate) async fn decide(context: &Context, fetch: &str, decision: Decision) -> Result<u64, StoreError> {
    let mut tx = Transaction::begin(context).await?;
    // One decision at a time, and none beside a run's own end.
    let mut held = of(&mut tx, fetch).await?;
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT run FROM hayloft_held WHERE \"fetch\"=$1 AND decision='open'".to_owned();
    let run: Option<i64> = tx.all(params, sql).await?.first().map(|row| get(row, 0)).transpose()?;
    let Some(run) = run else { return Ok(0) };
    let mut decided = std::mem::take(&mut held.open);
    let count = decided.len() as u64;
    held.of(decision).append(&mut decided);
    put(&mut tx, fetch, run, held).await?;
    tx.commit().await?;
    Ok(count)
}
