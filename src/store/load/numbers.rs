//! Row numbers where the database keeps none, and the turns of the writers of one type. Knows one system table.

use std::collections::BTreeMap;

use crate::{
    catalog::EntityId,
    store::{bind::get, types::StoreError},
};

use super::work::Work;

/// Locks the numbers of these types until the transaction ends, so that who else writes one of them waits. Always in the
/// order of their tables' names: two who want the same cannot wait for each other.
pub async fn lock(work: &mut Work<'_>, entities: Vec<EntityId>) -> Result<(), StoreError> {
    let wanted: BTreeMap<String, EntityId> = entities
        .into_iter()
        .filter(|entity| !work.locked.contains_key(entity))
        .map(|entity| (work.tables(entity).table.name.clone(), entity))
        .collect();
    for (name, entity) in wanted {
        let next = match number(work, &name).await? {
            Some(next) => next,
            None => {
                insert(work, &name).await?;
                number(work, &name).await?.unwrap_or(1)
            }
        };
        work.next.insert(entity, next);
        work.locked.insert(entity, next);
    }
    Ok(())
}

async fn number(work: &mut Work<'_>, table: &str) -> Result<Option<i64>, StoreError> {
    let mut params = work.params();
    params.text(table)?;
    let lock = work.inner.dialect.for_update();
    let sql = format!("SELECT next FROM hayloft_row_number WHERE name=$1{lock}");
    work.all(params, sql)
        .await?
        .first()
        .map(|line| get(line, 0))
        .transpose()
}

/// The first time that a table is written.
async fn insert(work: &mut Work<'_>, table: &str) -> Result<(), StoreError> {
    let mut params = work.params();
    params.text(table)?;
    let sql = "INSERT INTO hayloft_row_number(name,next) VALUES ($1,1) ON CONFLICT DO NOTHING";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}

/// Keeps the numbers that were handed out.
pub async fn keep(work: &mut Work<'_>) -> Result<(), StoreError> {
    let moved = work.locked.iter().filter_map(|(entity, before)| {
        let next = work.next.get(entity).filter(|next| *next != before)?;
        Some((work.tables(*entity).table.name.clone(), *next))
    });
    let moved: Vec<(String, i64)> = moved.collect();
    for (name, next) in moved {
        let mut params = work.params();
        params.add(name)?;
        params.add(next)?;
        let sql = "UPDATE hayloft_row_number SET next=$2 WHERE name=$1".to_owned();
        work.run(params, sql).await?;
    }
    Ok(())
}
