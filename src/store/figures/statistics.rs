//! The database's statistics of its tables, and our own figures beside them: made anew when a tenth
//! of a table or more has changed since, so that the first query after a load is planned and
//! estimated as well as the thousandth. Knows how much was changed; no rows.

use crate::{
    catalog::EntityId,
    layout::{EntityTables, history_name},
    store::{
        context::Context,
        db::pool::get,
        error::{StoreError, failed},
        in_force,
        state::changed,
        system::figures,
        tx::Transaction,
        types::Run,
    },
};

use super::measure;

/// A table of which one part in so many has changed is looked at again.
const PART: u64 = 10;

/// At the end of a run. What fails here only leaves plans as they were, and is tried again by the
/// next run.
pub(crate) async fn renew(context: &Context, run: &Run) {
    for entity in context.layout.family(run.entity) {
        if let Err(error) = renew_one(context, entity).await {
            let name = &context.catalog.entity(entity).name;
            tracing::warn!(entity = %name, "the database's statistics are those of before: {error}");
        }
    }
}

async fn renew_one(context: &Context, entity: EntityId) -> Result<(), StoreError> {
    let (changed, tables) = (context.changed.of(entity), context.layout.entity(entity));
    let due = changed > 0 && known_rows(context, tables).await? <= changed.saturating_mul(PART);
    if due {
        // Before the database looks, because after that each connection reads the schema again.
        let found = measure::measure(context, entity).await;
        make(context, tables, found.as_deref().ok()).await?;
        found?;
        context.changed.measured(entity);
        context.changed.forget(entity);
    } else if !has_figures(context, entity).await? {
        measure(context, entity).await?;
    }
    Ok(())
}

/// Has the database look at a type's tables, and keeps what was found in them; both at once where
/// that is one write less.
async fn make(context: &Context, tables: &EntityTables, found: Option<&str>) -> Result<(), StoreError> {
    let own = [&tables.table.name].into_iter();
    let own: Vec<&String> = own.chain(tables.joins.iter().map(|join| &join.name)).collect();
    let past = own.iter().filter(|_| tables.history).map(|name| history_name(name));
    let names = own.iter().map(|name| context.dialect.quote(name));
    let past: Vec<String> = past.map(|name| context.dialect.quote(&name)).collect();
    let names: Vec<String> = names.chain(past).collect();
    let mut statements = context.dialect.analyze(&names);
    if !context.dialect.exclusive() {
        let writer = context.writer()?;
        for statement in statements.drain(..) {
            writer
                .execute(context.params().query(statement))
                .await
                .map_err(failed)?;
        }
    }
    let mut tx = Transaction::begin(context).await?;
    for statement in statements {
        tx.run(tx.params(), statement).await?;
    }
    if let Some(found) = found {
        figures::put(&mut tx, &tables.table.name, found).await?;
    }
    tx.commit().await
}

async fn has_figures(context: &Context, entity: EntityId) -> Result<bool, StoreError> {
    if changed::lock(&context.changed.measured).contains(&entity) {
        return Ok(true);
    }
    let found = figures::are_there(context, &context.layout.entity(entity).table.name).await?;
    if found {
        changed::lock(&context.changed.measured).insert(entity);
    }
    Ok(found)
}

/// Looks at its rows, and keeps what is found for all processes.
async fn measure(context: &Context, entity: EntityId) -> Result<(), StoreError> {
    let found = measure::measure(context, entity).await?;
    let mut tx = Transaction::begin(context).await?;
    figures::put(&mut tx, &context.layout.entity(entity).table.name, &found).await?;
    tx.commit().await?;
    context.changed.measured(entity);
    Ok(())
}

/// Measures the types of which nothing is known: those of a database that an older version made, or
/// whose tables were changed. What fails is tried again by the next run or start.
pub(crate) async fn complete(context: &Context) {
    for entity in context.catalog.entity_ids() {
        match complete_one(context, entity).await {
            Ok(()) => {}
            // Whoever has the newer definition looks at its tables.
            Err(StoreError::Replaced) => return,
            Err(error) => {
                let name = &context.catalog.entity(entity).name;
                tracing::warn!(entity = %name, "estimates know little of it: {error}");
            }
        }
    }
}

async fn complete_one(context: &Context, entity: EntityId) -> Result<(), StoreError> {
    let table = context.dialect.quote(&context.layout.entity(entity).table.name);
    let any = context.params().query(format!("SELECT 1 FROM {table} LIMIT 1"));
    let rows = in_force::read(context, context.own.take().await?, any).await?;
    let is_empty = rows.is_empty();
    if !is_empty && !has_figures(context, entity).await? {
        measure(context, entity).await?;
    }
    Ok(())
}

/// The rows that a table had when its statistics were made; none when there are none.
async fn known_rows(context: &Context, tables: &EntityTables) -> Result<u64, StoreError> {
    let sql = context.dialect.known_rows(&tables.table.name);
    let mut reader = context.own.take().await?;
    // SQLite has no table of statistics before the first are made.
    let Ok(rows) = reader.run(context.params().query(sql)).await? else {
        return Ok(0);
    };
    let known: Option<i64> = rows.first().map_or(Ok(None), |row| get(row, 0))?;
    Ok(known.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0))
}
