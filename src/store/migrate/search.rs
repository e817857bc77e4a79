//! The words of types that are searched, over from one layout to the next: found anew where other
//! fields are searched, or their values became others. Knows which; their SQL is in
//! `store::ddl::search`.

use crate::{
    layout::{
        EntityTables,
        steps::{Origin, Reshape},
    },
    store::{db::dialect::Dialect, ddl::search, error::StoreError, tx::Transaction, words},
};

use super::{
    items::{of_changed, stays},
    migration::Migration,
};

/// Drops the tables of words of types that change or go, before anything else does.
pub(crate) async fn drop_old(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    for tables in of_changed(migration) {
        each(tx, tables, search::drop).await?;
    }
    Ok(())
}

/// Finds the words of types that changed, and makes the tables of these and of new ones.
pub(crate) async fn make(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    for kept in migration.steps.kept.iter().filter(|kept| !stays(migration, kept)) {
        let new = migration.new.entity(kept.entity);
        let old = migration.stored.entities.get(kept.stored);
        if new.table.is_searched() && !old.is_some_and(|old| go_over(kept, old, new)) {
            words::fill(tx, &new.table).await?;
        }
        each(tx, new, search::make).await?;
    }
    for entity in &migration.steps.created {
        each(tx, migration.new.entity(*entity), search::make).await?;
    }
    Ok(())
}

/// Whether the words are still those of the fields that are searched.
fn go_over(kept: &Reshape, old: &EntityTables, new: &EntityTables) -> bool {
    let came = new.table.searched().iter().map(|at| match kept.origins.get(*at) {
        Some(Origin::Stored(from)) => {
            let form = |tables: &EntityTables, at: usize| {
                let column = tables.table.columns.get(at)?;
                Some((column.kind, column.language))
            };
            let same = form(old, *from)? == form(new, *at)?;
            same.then_some(*from)
        }
        _ => None,
    });
    let came: Option<Vec<usize>> = came.collect();
    came.is_some_and(|came| came == old.table.searched())
}

async fn each(
    tx: &mut Transaction<'_>,
    tables: &EntityTables,
    statements: fn(&dyn Dialect, &str) -> Vec<String>,
) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    if !dialect.keeps_items() || !tables.table.is_searched() {
        return Ok(());
    }
    for statement in statements(dialect, &tables.table.name) {
        tx.run(tx.params(), statement).await?;
    }
    Ok(())
}
