//! The database's statistics of its tables: made anew when a tenth of a table or more has changed since, so that the first query
//! after a load is planned as well as the thousandth. Knows how much was changed; no rows.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{catalog::EntityId, layout::EntityTables};

use super::{
    Inner,
    bind::get,
    failed,
    load::{Writing, family},
    types::{Run, StoreError},
};

/// A table of which one part in so many has changed is looked at again.
const PART: u64 = 10;

/// Rows of each type that this process has written or deleted since their table's statistics were made.
#[derive(Default)]
pub(super) struct Changed(Mutex<HashMap<EntityId, u64>>);

impl Changed {
    pub fn note(&self, counts: &[(EntityId, u64)]) {
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (entity, count) in counts {
            *changed.entry(*entity).or_default() += count;
        }
    }

    fn of(&self, entity: EntityId) -> u64 {
        let changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changed.get(&entity).copied().unwrap_or(0)
    }

    fn forget(&self, entity: EntityId) {
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changed.remove(&entity);
    }
}

/// At the end of a run. What fails here only leaves plans as they were, and is tried again by the next run.
pub(super) async fn renew(inner: &Inner, run: &Run) {
    for entity in family(&inner.layout, run.entity) {
        if let Err(error) = renew_one(inner, entity).await {
            let name = &inner.catalog.entity(entity).name;
            tracing::warn!(entity = %name, "the database's statistics are those of before: {error}");
        }
    }
}

async fn renew_one(inner: &Inner, entity: EntityId) -> Result<(), StoreError> {
    let (changed, tables) = (inner.changed.of(entity), inner.layout.entity(entity));
    if changed == 0 || known_rows(inner, tables).await? > changed.saturating_mul(PART) {
        return Ok(());
    }
    let names: Vec<String> = [&tables.table.name]
        .into_iter()
        .chain(tables.joins.iter().map(|join| &join.name))
        .map(|name| inner.dialect.quote(name))
        .collect();
    let statements = inner.dialect.analyze(&names);
    if inner.dialect.exclusive() {
        let mut work = Writing::begin(inner).await?;
        for statement in statements {
            work.run(work.params(), statement).await?;
        }
        work.commit().await?;
    } else {
        let writer = inner.writer()?;
        for statement in statements {
            writer.execute(inner.params().query(statement)).await.map_err(failed)?;
        }
    }
    inner.changed.forget(entity);
    Ok(())
}

/// The rows that a table had when its statistics were made; none when there are none.
async fn known_rows(inner: &Inner, tables: &EntityTables) -> Result<u64, StoreError> {
    let sql = inner.dialect.known_rows(&tables.table.name);
    let mut reader = inner.own.take().await?;
    // SQLite has no table of statistics before the first are made.
    let Ok(lines) = reader.run(inner.params().query(sql)).await? else {
        return Ok(0);
    };
    let known: Option<i64> = lines.first().map_or(Ok(None), |line| get(line, 0))?;
    Ok(known.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0))
}
