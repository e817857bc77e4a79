//! `hayloft_row_number`: row numbers where the database keeps none, the turns of the writers of one
//! type, and how often they wrote. Knows one table.

use std::collections::BTreeMap;

use crate::{
    catalog::EntityId,
    store::{db::pool::get, error::StoreError, tx::Transaction},
};

/// Locks the numbers of these types until the transaction ends, so that who else writes one of them
/// waits. Always in the order of their tables' names: two who want the same cannot wait for each
/// other.
pub(crate) async fn lock(tx: &mut Transaction<'_>, entities: Vec<EntityId>) -> Result<(), StoreError> {
    let wanted: BTreeMap<String, EntityId> = entities
        .into_iter()
        .filter(|entity| !tx.locked.contains_key(entity))
        .map(|entity| (tx.tables(entity).table.name.clone(), entity))
        .collect();
    for (name, entity) in wanted {
        let next = match number(tx, &name).await? {
            Some(next) => next,
            None => {
                insert(tx, &name).await?;
                number(tx, &name).await?.unwrap_or(1)
            }
        };
        tx.next.insert(entity, next);
        tx.locked.insert(entity, next);
    }
    Ok(())
}

async fn number(tx: &mut Transaction<'_>, table: &str) -> Result<Option<i64>, StoreError> {
    let mut params = tx.params();
    params.text(table)?;
    let lock = tx.context.dialect.for_update();
    let sql = format!("SELECT next FROM hayloft_row_number WHERE name=$1{lock}");
    tx.all(params, sql).await?.first().map(|row| get(row, 0)).transpose()
}

/// The first time that a table is written. How often it was begins anywhere: a table of this name
/// may have been counted before.
async fn insert(tx: &mut Transaction<'_>, table: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.text(table)?;
    params.add(rand::random_range(0..i64::MAX / 2))?;
    let sql = "INSERT INTO hayloft_row_number(name,next,written) VALUES ($1,1,$2) ON CONFLICT DO NOTHING";
    tx.run(params, sql.to_owned()).await?;
    Ok(())
}

/// Keeps the numbers that were handed out, and counts that the types were written.
pub(crate) async fn keep(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let mut kept: BTreeMap<String, (Option<i64>, i64)> = BTreeMap::new();
    let moved = tx.locked.iter().filter_map(|(entity, before)| {
        let next = tx.next.get(entity).filter(|next| *next != before)?;
        Some((*entity, *next))
    });
    let moved: Vec<(EntityId, i64)> = moved.collect();
    for (entity, next) in moved {
        tx.locked.insert(entity, next);
        kept.insert(tx.tables(entity).table.name.clone(), (Some(next), 0));
    }
    for entity in std::mem::take(&mut tx.wrote) {
        kept.entry(tx.tables(entity).table.name.clone()).or_default().1 = 1;
    }
    for (name, (next, written)) in kept {
        // Where the database counts the rows itself, none is there before.
        if count(tx, &name, next, written).await? == 0 {
            insert(tx, &name).await?;
        }
    }
    Ok(())
}

async fn count(tx: &mut Transaction<'_>, table: &str, next: Option<i64>, written: i64) -> Result<u64, StoreError> {
    let mut params = tx.params();
    params.text(table)?;
    params.add(next)?;
    params.add(written)?;
    let sql = "UPDATE hayloft_row_number SET next=coalesce($2,next),written=written+$3 WHERE name=$1";
    tx.run(params, sql.to_owned()).await
}

/// How often rows of a type were written, this transaction included.
pub(crate) async fn written(tx: &mut Transaction<'_>, entity: EntityId) -> Result<i64, StoreError> {
    keep(tx).await?;
    let name = tx.tables(entity).table.name.clone();
    loop {
        let mut params = tx.params();
        params.text(&name)?;
        let sql = "SELECT written FROM hayloft_row_number WHERE name=$1".to_owned();
        match tx.all(params, sql).await?.first() {
            Some(row) => return get(row, 0),
            None => insert(tx, &name).await?,
        }
    }
}

/// The first row number that was never used.
pub(crate) async fn next_row(tx: &mut Transaction<'_>, entity: EntityId) -> Result<i64, StoreError> {
    if let Some(next) = tx.next.get(&entity) {
        return Ok(*next);
    }
    if !tx.context.dialect.exclusive() {
        return lock(tx, [entity].into())
            .await
            .map(|()| tx.next.get(&entity).copied().unwrap_or(1));
    }
    // SQLite keeps the highest one for tables with AUTOINCREMENT.
    let mut params = tx.params();
    params.add(tx.tables(entity).table.name.clone())?;
    let sql = "SELECT seq FROM sqlite_sequence WHERE name=$1".to_owned();
    let rows = tx.all(params, sql).await?;
    let last: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    tx.next.insert(entity, last + 1);
    Ok(last + 1)
}

/// Notes that rows of any type may have been written.
pub(crate) async fn all_written(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let sql = "UPDATE hayloft_row_number SET written=written+1".to_owned();
    tx.run(tx.params(), sql).await.map(|_| ())
}
