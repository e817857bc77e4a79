//! Brings the tables of a database from one layout to the next. Knows the order of the changes,
//! each of which is a file beside this one; what the changes are is decided in `layout::steps`.
//!
//! Everything happens in the caller's transaction, so that a crash leaves the old tables or the new
//! ones. The order: rows that cannot stay are removed, and those that wait for values are marked,
//! while the tables are still what they were: that takes long, and everybody can read meanwhile, as
//! while indexes are made that have to be unique. From then on PostgreSQL lets nobody read what is
//! altered: what nobody needs is dropped, so that its names are free; then names change, then
//! columns; then new tables and indexes are made.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::EntityId,
    layout::{
        HASH_COLUMN,
        steps::{Change, Step, stale},
    },
    store::{
        db::failpoint,
        ddl::tables,
        error::StoreError,
        rollups::settle,
        system::{change_log, field_requests, figures, refills, requests, versions},
        tx::Transaction,
        types::PlannedStep,
    },
};

use super::{carry, clear, history, index, items, migration::Migration, names, reshape, search};

/// Does every step. The indexes that are left for later are those that [`postponed`] finds.
pub(crate) async fn perform(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    items::drop_old(tx, migration).await?;
    search::drop_old(tx, migration).await?;
    let past = history::Past::of(migration);
    clear::rows(tx, migration).await?;
    mark_stale(tx, migration).await?;
    failpoint::point("migrate::cleared");
    let carried = carry::carry(tx, migration).await?;
    failpoint::point("migrate::carried");
    clear::tables(tx, migration).await?;
    past.drop_old(tx).await?;
    index::drop_old(tx, migration, &carried).await?;
    for kept in &migration.steps.kept {
        reshape::rename(tx, migration, kept).await?;
    }
    failpoint::point("migrate::renamed");
    for kept in &migration.steps.kept {
        reshape::columns(tx, migration, kept).await?;
    }
    past.reshape(tx).await?;
    failpoint::point("migrate::reshaped");
    create(tx, migration).await?;
    items::make(tx, migration).await?;
    search::make(tx, migration).await?;
    carry::rename(tx, &carried).await?;
    index::create_missing(tx, migration.new).await?;
    // Rows may be gone, links and values others.
    rollups(tx, migration).await?;
    past.keep(tx).await?;
    failpoint::point("migrate::computed");
    names::types(tx, migration).await?;
    // They are of other tables and columns; they are measured anew by the next start or run.
    figures::forget_all(tx).await?;
    owe(tx, migration).await?;
    // Names and values are others now, and no commit says so.
    versions::write_all(tx).await?;
    if migration.planned.iter().any(ends_epoch) {
        // Who followed the changes could not follow these: cursors of the old epoch are told to
        // begin anew.
        change_log::new_epoch(tx).await?;
    }
    failpoint::point("migrate::done");
    Ok(())
}

/// Whether entries of the change log mean something else after a step, or rows that were there have
/// other values, which no entry tells. A new type of groups had no rows.
fn ends_epoch(step: &PlannedStep) -> bool {
    step.is_lossy()
        || match step.step.change {
            Change::RenamedType { .. }
            | Change::RemovedType
            | Change::NewKey
            | Change::Recomputed
            | Change::Cast { .. }
            | Change::Emptied { .. } => true,
            Change::NewRollup => step.step.field.is_some(),
            _ => false,
        }
}

async fn create(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    for entity in &migration.steps.created {
        let tables = migration.new.entity(*entity);
        tx.run(tx.params(), tables::table(dialect, tables, &tables.table.name))
            .await?;
        for join in &tables.joins {
            tx.run(tx.params(), tables::join_table(dialect, join, &join.name))
                .await?;
        }
    }
    for kept in &migration.steps.kept {
        let joins = migration.new.entity(kept.entity).joins.iter();
        for (join, _) in joins.zip(&kept.joins).filter(|(_, from)| from.is_none()) {
            tx.run(tx.params(), tables::join_table(dialect, join, &join.name))
                .await?;
        }
    }
    Ok(())
}

/// Computes all rollups, unless nothing changed that they could go by.
async fn rollups(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let of_indexes = |step: &Step| {
        matches!(
            step.change,
            Change::NewIndex | Change::RemovedIndex | Change::RemovedListIndex
        )
    };
    match migration.steps.steps.iter().all(of_indexes) {
        true => Ok(()),
        false => settle::all_anew(tx, |entity| anew(migration, entity)).await,
    }
}

/// Whether groups that are computed now and then are computed with these steps: where they are new,
/// and where who follows the changes begins anew. Else the next time tells what became of them.
fn anew(migration: &Migration<'_>, groups: EntityId) -> bool {
    migration.steps.created.contains(&groups) || migration.planned.iter().any(ends_epoch)
}

/// Steps that leave values to be harvested.
fn owing<'m>(migration: &'m Migration<'_>) -> impl Iterator<Item = &'m Step> {
    let owes = |planned: &&PlannedStep| planned.needs_refill();
    migration.planned.iter().filter(owes).map(|planned| &planned.step)
}

/// A hash says that nothing differs from what an upstream sends. Where something is missing, it
/// must not say so.
async fn mark_stale(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let stale = stale(migration.new, owing(migration));
    for kept in migration.steps.kept.iter().filter(|kept| stale.contains(&kept.entity)) {
        let Some(tables) = migration.stored.entities.get(kept.stored) else {
            continue;
        };
        let table = tx.quote(&tables.table.name);
        let hash = tx.quote(HASH_COLUMN);
        // No hash is 0, but for one row in 2⁶⁴.
        tx.run(tx.params(), format!("UPDATE {table} SET {hash}=0 WHERE {hash}<>0"))
            .await?;
    }
    Ok(())
}

/// Notes which fetches have to run soon, and what for.
async fn owe(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let mut owed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for refill in owing(migration).filter_map(|step| step.refill.as_ref()) {
        for fetch in &refill.fetches {
            owed.entry(fetch).or_default().insert(refill.field.clone());
        }
    }
    for (fetch, fields) in owed {
        refills::owe(tx, fetch, fields).await?;
        // Answers that were remembered stand for rows without the new values.
        requests::forget_all(tx, fetch).await?;
        field_requests::forget_all(tx, fetch).await?;
    }
    Ok(())
}
