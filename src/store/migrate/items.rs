//! The tables of items of indexed lists, where a database has such: made anew for each type that
//! changes, because their triggers go with the table of the type. Knows which; their SQL is in
//! `store::ddl::items`.

use crate::{
    layout::{
        Column, ColumnKind, EntityTables,
        steps::{Origin, Reshape},
    },
    store::{db::dialect::Dialect, ddl::items, error::StoreError, tx::Transaction},
};

use super::migration::Migration;

/// Drops those of types that change or go, before anything else does.
pub(crate) async fn drop_old(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    for tables in of_changed(migration) {
        each(tx, tables, items::drop).await?;
    }
    Ok(())
}

/// The stored tables of types that change or go.
pub(super) fn of_changed<'m>(migration: &'m Migration<'_>) -> impl Iterator<Item = &'m EntityTables> {
    let kept = migration.steps.kept.iter();
    let stay: Vec<usize> = kept
        .filter(|kept| stays(migration, kept))
        .map(|kept| kept.stored)
        .collect();
    let stored = migration.stored.entities.iter().enumerate();
    stored.filter_map(move |(at, tables)| (!stay.contains(&at)).then_some(tables))
}

/// Makes and fills those of types that changed or came.
pub(crate) async fn make(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let changed = migration.steps.kept.iter().filter(|kept| !stays(migration, kept));
    let changed = changed.map(|kept| kept.entity);
    for entity in changed.chain(migration.steps.created.iter().copied()) {
        each(tx, migration.new.entity(entity), items::make).await?;
    }
    Ok(())
}

/// Whether nothing of a type's table changes, nor which of its lists are indexed, nor what is
/// searched.
pub(super) fn stays(migration: &Migration<'_>, kept: &Reshape) -> bool {
    let new = migration.new.entity(kept.entity);
    let Some(old) = migration.stored.entities.get(kept.stored) else {
        return false;
    };
    let form = |columns: &[Column]| -> Vec<(String, ColumnKind, bool)> {
        let form = |column: &Column| (column.name.clone(), column.kind, column.nullable);
        columns.iter().map(form).collect()
    };
    let in_place = (0..new.table.columns.len()).map(Origin::Stored);
    !migration.steps.steps.iter().any(|step| step.entity == new.name)
        && old.table.name == new.table.name
        && form(&old.table.columns) == form(&new.table.columns)
        && old.table.lists().eq(new.table.lists())
        && old.table.searched() == new.table.searched()
        && kept.origins.iter().cloned().eq(in_place)
}

async fn each(
    tx: &mut Transaction<'_>,
    tables: &EntityTables,
    statements: fn(&dyn Dialect, &str, &str) -> Vec<String>,
) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    if !dialect.keeps_items() {
        return Ok(());
    }
    let lists = tables.table.lists();
    let columns = lists.filter_map(|list| tables.table.columns.get(list.column));
    for statement in columns.flat_map(|column| statements(dialect, &tables.table.name, &column.name)) {
        tx.run(tx.params(), statement).await?;
    }
    Ok(())
}
