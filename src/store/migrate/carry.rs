//! Indexes that go over to the next layout. Those that have to be unique are made before anything
//! is altered, while everybody can read; those that are there already get their new names, instead
//! of being built anew while nobody can. Knows names and columns before and after the steps; only
//! where a table is altered in place.

use crate::{
    layout::{
        Column, EntityTables,
        steps::{Origin, Reshape},
    },
    store::{db::dialect::Dialect, ddl::tables, error::StoreError, tx::Transaction},
};

use super::{
    index::{self, Found},
    migration::{Carried, Migration},
};

/// Finds the indexes that go over, and makes those that keep something unique and are not there
/// yet.
pub(crate) async fn carry(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<Vec<Carried>, StoreError> {
    let dialect = tx.context.dialect;
    let mut carried = Vec::new();
    // Where tables are built anew, everybody reads the old ones meanwhile.
    if !dialect.alters_columns() {
        return Ok(carried);
    }
    let there = index::there(tx).await?;
    for kept in &migration.steps.kept {
        let Some(old) = migration.stored.entities.get(kept.stored) else {
            continue;
        };
        for pair in pairs(dialect, kept, old, migration.new.entity(kept.entity)) {
            let stands = there.iter().any(|found| found.is(dialect, &pair.before));
            if is_taken(&there, &carried, &pair) || !stands && !pair.before.is_unique() {
                continue;
            }
            if !stands {
                index::create(tx, &pair.before).await?;
            }
            carried.push(pair);
        }
    }
    Ok(carried)
}

/// Whether another index has the name that one is to have: types can exchange their names.
fn is_taken(there: &[Found], carried: &[Carried], pair: &Carried) -> bool {
    let wanted = &pair.after.name;
    let is_there = || there.iter().any(|found| found.name() == wanted);
    pair.before.name != *wanted && (is_there() || carried.iter().any(|other| other.before.name == *wanted))
}

/// The indexes of a table that stays, of columns that stay what they are.
fn pairs(dialect: &dyn Dialect, kept: &Reshape, old: &EntityTables, new: &EntityTables) -> Vec<Carried> {
    if old.positioned != new.positioned {
        return Vec::new();
    }
    let own = |tables: &EntityTables| EntityTables {
        joins: Vec::new(),
        ..tables.clone()
    };
    let (mut before, after) = (own(new), own(new));
    before.table.name.clone_from(&old.table.name);
    let mut altered = Vec::new();
    for (column, origin) in before.table.columns.iter_mut().zip(&kept.origins) {
        match stored(old, origin).filter(|stored| is_same(dialect, stored, column)) {
            Some(stored) => column.name.clone_from(&stored.name),
            None => altered.push(column.name.clone()),
        }
    }
    let pairs = tables::indexes(dialect, &before)
        .into_iter()
        .zip(tables::indexes(dialect, &after));
    pairs
        .filter(|(_, after)| !after.columns.iter().any(|name| altered.contains(name)))
        .map(|(before, after)| Carried { before, after })
        .collect()
}

fn stored<'m>(old: &'m EntityTables, origin: &Origin) -> Option<&'m Column> {
    match origin {
        Origin::Stored(from) => old.table.columns.get(*from),
        Origin::Nothing => None,
    }
}

fn is_same(dialect: &dyn Dialect, stored: &Column, column: &Column) -> bool {
    dialect.column_type(stored.kind) == dialect.column_type(column.kind)
}

/// Gives the indexes their new names; those of the tables and columns have changed.
pub(crate) async fn rename(tx: &mut Transaction<'_>, carried: &[Carried]) -> Result<(), StoreError> {
    for Carried { before, after } in carried.iter().filter(|pair| pair.before.name != pair.after.name) {
        for statement in tx.context.dialect.rename_index(&before.name, &after.name, &after.sql) {
            tx.run(tx.params(), statement).await?;
        }
    }
    Ok(())
}
