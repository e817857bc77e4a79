//! Removes what cannot stay: rows with their links and children, values that mean nothing any more,
//! tables that nobody needs. Knows the stored layout.

use std::collections::BTreeSet;

use crate::{
    layout::{
        EntityTables, Layout,
        steps::{Condition, Loss, Touch},
    },
    store::{error::StoreError, tx::Transaction},
};

use super::{count::condition, migration::Migration};

/// Levels of nesting that are followed: as deep as a definition may reasonably nest, and an end for
/// one that is damaged.
const DEPTH_MAX: usize = 100;

/// Removes the rows and values that steps touch.
pub(crate) async fn rows(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    for planned in migration.planned.iter().filter(|planned| planned.rows > 0) {
        let Some(touch) = &planned.step.touch else { continue };
        match (touch.loss, &touch.when) {
            (Loss::Row, _) => {
                let stored = migration.stored.entities.iter();
                if let Some(tables) = stored.into_iter().find(|tables| tables.table.name == touch.table) {
                    for statement in deletions(tx, migration.stored, tables, &condition(tx.context.dialect, touch)) {
                        tx.run(tx.params(), statement).await?;
                    }
                }
            }
            (Loss::Value | Loss::PastValue, Condition::OneOf { column, .. }) => forget(tx, touch, column).await?,
            // These values go with their column, links and versions with their table.
            (Loss::Value | Loss::PastValue | Loss::Links | Loss::Version, _) => {}
        }
    }
    Ok(())
}

async fn forget(tx: &mut Transaction<'_>, touch: &Touch, column: &str) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE {} SET {}=NULL WHERE {}",
        tx.quote(&touch.table),
        tx.quote(column),
        condition(tx.context.dialect, touch)
    );
    tx.run(tx.params(), sql).await.map(|_| ())
}

/// The statements that delete rows with all that belongs to them: what is owned first, because it
/// is found by its owner.
fn deletions(tx: &Transaction<'_>, stored: &Layout, tables: &EntityTables, which: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut open = vec![(tables, which.to_owned(), 0)];
    while let Some((tables, which, depth)) = open.pop() {
        let table = tx.quote(&tables.table.name);
        let key: Vec<&str> = key_names(tables);
        let keys = format!("SELECT {} FROM {table} WHERE {which}", list(tx, &key));
        out.push(format!("DELETE FROM {table} WHERE {which}"));
        for join in &tables.joins {
            let owner: Vec<&str> = join.owner.iter().map(|column| column.name.as_str()).collect();
            out.push(format!(
                "DELETE FROM {} WHERE ({}) IN ({keys})",
                tx.quote(&join.name),
                list(tx, &owner)
            ));
        }
        for nested in tables.nested.iter().filter(|_| depth < DEPTH_MAX) {
            let Some(child) = stored.entities.get(nested.child.index()) else {
                continue;
            };
            // The key of a nested row begins with its owner's.
            let parent: Vec<&str> = key_names(child).into_iter().take(key.len()).collect();
            open.push((child, format!("({}) IN ({keys})", list(tx, &parent)), depth + 1));
        }
    }
    out.reverse();
    out
}

fn key_names(tables: &EntityTables) -> Vec<&str> {
    let key = tables.table.key.iter().filter_map(|at| tables.table.columns.get(*at));
    key.map(|column| column.name.as_str()).collect()
}

fn list(tx: &Transaction<'_>, names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| tx.quote(name)).collect();
    quoted.join(",")
}

/// Drops the tables of types and links that are gone, or are made anew.
pub(crate) async fn tables(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let mut gone: Vec<&str> = Vec::new();
    for tables in migration
        .steps
        .removed
        .iter()
        .filter_map(|at| migration.stored.entities.get(*at))
    {
        gone.extend(tables.joins.iter().map(|join| join.name.as_str()));
        gone.push(&tables.table.name);
    }
    for kept in &migration.steps.kept {
        let used: BTreeSet<usize> = kept.joins.iter().flatten().copied().collect();
        let Some(tables) = migration.stored.entities.get(kept.stored) else {
            continue;
        };
        let joins = tables.joins.iter().enumerate().filter(|(at, _)| !used.contains(at));
        gone.extend(joins.map(|(_, join)| join.name.as_str()));
    }
    for table in gone {
        let sql = format!("DROP TABLE {}", tx.quote(table));
        tx.run(tx.params(), sql).await?;
    }
    Ok(())
}
