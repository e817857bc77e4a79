//! Brings the tables of a database from one layout to the next. Knows the order of the changes, each of which is a file
//! beside this one; what the changes are is decided in `layout::steps`.
//!
//! Everything happens in the caller's transaction, so that a crash leaves the old tables or the new ones. The order:
//! rows that cannot stay are removed, and those that wait for values are marked, while the tables are still what they were:
//! that takes long, and everybody can read meanwhile, as while indexes are made that have to be unique. From then on
//! PostgreSQL lets nobody read what is altered: what nobody needs is dropped, so that its names are free; then names change, then columns; then new tables and indexes are made.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    layout::{
        HASH_COLUMN,
        steps::{Change, Step, stale},
    },
    store::{
        db::{failpoint, pool::get},
        ddl::tables,
        error::StoreError,
        tx::Transaction,
        types::PlannedStep,
    },
};

use super::{carry, clear, index, items, migration::Migration, names, reshape};

/// Does every step. The indexes that are left for later are those that [`postponed`] finds.
pub async fn perform(work: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    items::drop_old(work, migration).await?;
    clear::rows(work, migration).await?;
    mark_stale(work, migration).await?;
    failpoint::point("migrate::cleared");
    let carried = carry::carry(work, migration).await?;
    failpoint::point("migrate::carried");
    clear::tables(work, migration).await?;
    index::drop_old(work, migration, &carried).await?;
    for kept in &migration.steps.kept {
        reshape::rename(work, migration, kept).await?;
    }
    failpoint::point("migrate::renamed");
    for kept in &migration.steps.kept {
        reshape::columns(work, migration, kept).await?;
    }
    failpoint::point("migrate::reshaped");
    create(work, migration).await?;
    items::make(work, migration).await?;
    carry::rename(work, &carried).await?;
    index::create_missing(work, migration.new).await?;
    names::types(work, migration).await?;
    // They are of other tables and columns; they are measured anew by the next start or run.
    work.run(work.params(), "DELETE FROM hayloft_figures".to_owned())
        .await?;
    owe(work, migration).await?;
    if migration.planned.iter().any(ends_epoch) {
        // Who followed the changes could not follow these: cursors of the old epoch are told to begin anew.
        let sql = format!(
            "UPDATE hayloft_feed_head SET epoch={} WHERE one=1",
            work.inner.dialect.epoch()
        );
        work.run(work.params(), sql).await?;
    }
    failpoint::point("migrate::done");
    Ok(())
}

/// Whether entries of the change log mean something else after a step.
fn ends_epoch(step: &PlannedStep) -> bool {
    step.is_lossy()
        || matches!(
            step.step.change,
            Change::RenamedType { .. } | Change::RemovedType | Change::NewKey
        )
}

async fn create(work: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let dialect = work.inner.dialect;
    for entity in &migration.steps.created {
        let tables = migration.new.entity(*entity);
        work.run(work.params(), tables::table(dialect, tables, &tables.table.name))
            .await?;
        for join in &tables.joins {
            work.run(work.params(), tables::join_table(dialect, join, &join.name))
                .await?;
        }
    }
    for kept in &migration.steps.kept {
        let joins = migration.new.entity(kept.entity).joins.iter();
        for (join, _) in joins.zip(&kept.joins).filter(|(_, from)| from.is_none()) {
            work.run(work.params(), tables::join_table(dialect, join, &join.name))
                .await?;
        }
    }
    Ok(())
}

/// Steps that leave values to be harvested.
fn owing<'m>(migration: &'m Migration<'_>) -> impl Iterator<Item = &'m Step> {
    let owes = |planned: &&PlannedStep| planned.needs_refill();
    migration.planned.iter().filter(owes).map(|planned| &planned.step)
}

/// A hash says that nothing differs from what an upstream sends. Where something is missing, it must not say so.
async fn mark_stale(work: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let stale = stale(migration.new, owing(migration));
    for kept in migration.steps.kept.iter().filter(|kept| stale.contains(&kept.entity)) {
        let Some(tables) = migration.stored.entities.get(kept.stored) else {
            continue;
        };
        let table = work.quote(&tables.table.name);
        let hash = work.quote(HASH_COLUMN);
        // No hash is 0, but for one row in 2⁶⁴.
        work.run(work.params(), format!("UPDATE {table} SET {hash}=0 WHERE {hash}<>0"))
            .await?;
    }
    Ok(())
}

/// Notes which fetches have to run soon, and what for.
async fn owe(work: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    let mut owed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for refill in owing(migration).filter_map(|step| step.refill.as_ref()) {
        for fetch in &refill.fetches {
            owed.entry(fetch).or_default().insert(refill.field.clone());
        }
    }
    for (fetch, mut fields) in owed {
        let mut params = work.params();
        params.add(fetch.to_owned())?;
        let sql = "SELECT fields FROM hayloft_refill WHERE \"fetch\"=$1".to_owned();
        for line in work.all(params, sql).await? {
            let before: Vec<String> = serde_json::from_str(&get::<String>(&line, 0)?).unwrap_or_default();
            fields.extend(before);
        }
        let fields = serde_json::to_string(&fields).map_err(|error| StoreError::Database(Box::new(error)))?;
        let mut params = work.params();
        params.add(fetch.to_owned())?;
        params.add(fields)?;
        let sql = format!(
            "INSERT INTO hayloft_refill(\"fetch\",fields,at) VALUES ($1,$2,{}) \
             ON CONFLICT(\"fetch\") DO UPDATE SET fields=excluded.fields,at=excluded.at",
            work.inner.now(0)
        );
        work.run(params, sql).await?;
        // Answers that were remembered stand for rows without the new values.
        for table in ["hayloft_request_state", "hayloft_fan_out"] {
            let mut params = work.params();
            params.add(fetch.to_owned())?;
            work.run(params, format!("DELETE FROM {table} WHERE \"fetch\"=$1"))
                .await?;
        }
    }
    Ok(())
}
