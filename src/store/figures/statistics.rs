//! The database's statistics of its tables, and our own figures beside them: made anew when a tenth of a table or more has changed since,
//! so that the first query after a load is planned and estimated as well as the thousandth. Knows how much was changed; no rows.

use crate::{
    catalog::EntityId,
    layout::EntityTables,
    store::{
        context::Context,
        db::pool::get,
        error::{StoreError, failed},
        state::changed,
        tx::Transaction,
        types::Run,
    },
};

use super::measure;

/// A table of which one part in so many has changed is looked at again.
const PART: u64 = 10;

/// At the end of a run. What fails here only leaves plans as they were, and is tried again by the next run.
pub(crate) async fn renew(inner: &Context, run: &Run) {
    for entity in inner.layout.family(run.entity) {
        if let Err(error) = renew_one(inner, entity).await {
            let name = &inner.catalog.entity(entity).name;
            tracing::warn!(entity = %name, "the database's statistics are those of before: {error}");
        }
    }
}

async fn renew_one(inner: &Context, entity: EntityId) -> Result<(), StoreError> {
    let (changed, tables) = (inner.changed.of(entity), inner.layout.entity(entity));
    let due = changed > 0 && known_rows(inner, tables).await? <= changed.saturating_mul(PART);
    if due {
        make(inner, tables).await?;
    }
    if due || !has_figures(inner, entity).await? {
        measure(inner, entity).await?;
    }
    if due {
        inner.changed.forget(entity);
    }
    Ok(())
}

/// Has the database look at a type's tables.
async fn make(inner: &Context, tables: &EntityTables) -> Result<(), StoreError> {
    let names: Vec<String> = [&tables.table.name]
        .into_iter()
        .chain(tables.joins.iter().map(|join| &join.name))
        .map(|name| inner.dialect.quote(name))
        .collect();
    let statements = inner.dialect.analyze(&names);
    if inner.dialect.exclusive() {
        let mut work = Transaction::begin(inner).await?;
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
    Ok(())
}

async fn has_figures(inner: &Context, entity: EntityId) -> Result<bool, StoreError> {
    if changed::lock(&inner.changed.measured).contains(&entity) {
        return Ok(true);
    }
    let table = inner.dialect.literal(&inner.layout.entity(entity).table.name);
    let sql = format!("SELECT name FROM hayloft_figures WHERE name={table}");
    let found = inner.own.take().await?.fetch(inner.params().query(sql)).await?;
    if !found.is_empty() {
        changed::lock(&inner.changed.measured).insert(entity);
    }
    Ok(!found.is_empty())
}

/// Looks at its rows, and keeps what is found for all processes.
async fn measure(inner: &Context, entity: EntityId) -> Result<(), StoreError> {
    let figures = measure::measure(inner, entity).await?;
    let mut params = inner.params();
    params.add(inner.layout.entity(entity).table.name.clone())?;
    params.add(figures)?;
    let sql = "INSERT INTO hayloft_figures(name,figures) VALUES ($1,$2) ON CONFLICT(name) DO UPDATE SET figures=excluded.figures";
    let mut work = Transaction::begin(inner).await?;
    work.run(params, sql.to_owned()).await?;
    work.commit().await?;
    inner.changed.measured(entity);
    Ok(())
}

/// Measures the types of which nothing is known: those of a database that an older version made, or whose tables were changed.
/// What fails is tried again by the next run or start.
pub(crate) async fn complete(inner: &Context) {
    for entity in inner.catalog.entity_ids() {
        if let Err(error) = complete_one(inner, entity).await {
            let name = &inner.catalog.entity(entity).name;
            tracing::warn!(entity = %name, "estimates know little of it: {error}");
        }
    }
}

async fn complete_one(inner: &Context, entity: EntityId) -> Result<(), StoreError> {
    let table = inner.dialect.quote(&inner.layout.entity(entity).table.name);
    let any = inner.params().query(format!("SELECT 1 FROM {table} LIMIT 1"));
    let is_empty = inner.own.take().await?.fetch(any).await?.is_empty();
    if !is_empty && !has_figures(inner, entity).await? {
        measure(inner, entity).await?;
    }
    Ok(())
}

/// The rows that a table had when its statistics were made; none when there are none.
async fn known_rows(inner: &Context, tables: &EntityTables) -> Result<u64, StoreError> {
    let sql = inner.dialect.known_rows(&tables.table.name);
    let mut reader = inner.own.take().await?;
    // SQLite has no table of statistics before the first are made.
    let Ok(lines) = reader.run(inner.params().query(sql)).await? else {
        return Ok(0);
    };
    let known: Option<i64> = lines.first().map_or(Ok(None), |line| get(line, 0))?;
    Ok(known.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0))
}
