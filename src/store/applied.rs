//! Which layout a database has: creates what is new, refuses what differs. Knows the record of layouts; no rows.

use std::path::Path;

use crate::layout::{EntityTables, Layout};

use super::{
    Inner,
    bind::{Params, get},
    dialect::Dialect,
    load::Writing,
    open, tables,
    types::StoreError,
};

/// Refuses a database that is someone else's before anything is written to it.
pub(super) async fn refuse_foreign(inner: &Inner, path: &Path) -> Result<(), StoreError> {
    let sql = "SELECT count(*),coalesce(sum(name='hayloft_migration'),0) FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite%'";
    let row = Params::default().query(sql).fetch_one(inner.writer()?).await;
    let row = row.map_err(|error| open::cannot_open(path, error))?;
    let (tables, ours): (i64, i64) = (get(&row, 0)?, get(&row, 1)?);
    if tables > 0 && ours == 0 {
        return Err(StoreError::Unusable(format!(
            "{} holds tables that Hayloft did not make; give another --database",
            path.display()
        )));
    }
    Ok(())
}

const NEWEST: &str = "SELECT layout FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1";

fn parse(text: &str) -> Result<Layout, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Database(Box::new(error)))
}

/// Brings the tables to the definition's layout, in one transaction.
pub(super) async fn apply(inner: &Inner) -> Result<(), StoreError> {
    let mut work = Writing::begin(inner).await?;
    let rows = work.all(Params::default(), NEWEST.to_owned()).await?;
    let stored = rows
        .first()
        .map(|row| get::<String>(row, 0).and_then(|text| parse(&text)))
        .transpose()?;
    let stored = stored.unwrap_or(Layout { entities: Vec::new() });
    let differences = tables::differences(&stored, &inner.layout);
    if !differences.is_empty() {
        return Err(StoreError::LayoutDiffers(tables::explain(&differences)));
    }
    let known = |tables: &EntityTables| stored.entities.iter().any(|old| old.table.name == tables.table.name);
    let new: Vec<&EntityTables> = inner.layout.entities.iter().filter(|tables| !known(tables)).collect();
    for statement in new.iter().flat_map(|tables| tables::create(&inner.dialect, tables)) {
        work.run(Params::default(), statement).await?;
    }
    let head =
        "INSERT INTO hayloft_feed_head(one,epoch,seq) VALUES (1,lower(hex(randomblob(8))),0) ON CONFLICT DO NOTHING";
    work.run(Params::default(), head.to_owned()).await?;
    if !new.is_empty() {
        let layout = serde_json::to_string(&*inner.layout).map_err(|error| StoreError::Database(Box::new(error)))?;
        let mut params = Params::default();
        params.add(inner.catalog.fingerprint.clone())?;
        params.add(layout)?;
        let now = inner.dialect.now(0);
        let sql = format!("INSERT INTO hayloft_applied_layout(definition,layout,at) VALUES (?,?,{now})");
        work.run(params, sql).await?;
    }
    work.tx.commit().await.map_err(super::failed)
}

/// Checks a database that is only read.
pub(super) async fn check(inner: &Inner, path: &Path) -> Result<(), StoreError> {
    let mut reader = inner.own.take().await?;
    let found = Params::default().query("SELECT count(*) FROM sqlite_master WHERE name='hayloft_applied_layout'");
    let found = reader
        .run(found)
        .await?
        .map_err(|error| open::cannot_open(path, error))?;
    let newest = match found.first().map(|row| get::<i64>(row, 0)).transpose()? {
        None | Some(0) => Vec::new(),
        Some(_) => reader.fetch(Params::default().query(NEWEST)).await?,
    };
    let Some(newest) = newest.first() else {
        return Err(StoreError::Unusable(format!(
            "{} holds no harvested data yet; `hayloft serve` or `hayloft harvest` fills it",
            path.display()
        )));
    };
    let stored = parse(&get::<String>(&newest, 0)?)?;
    let mut differences = tables::differences(&stored, &inner.layout);
    let known = |name: &str| stored.entities.iter().any(|old| old.table.name == name);
    let missing = inner
        .layout
        .entities
        .iter()
        .map(|tables| tables.table.name.as_str())
        .filter(|name| !known(name));
    differences.extend(missing.map(|name| format!("{name} is not made yet")));
    if differences.is_empty() {
        Ok(())
    } else {
        Err(StoreError::LayoutDiffers(tables::explain(&differences)))
    }
}
