//! What belongs to rows and goes with them: links and nested rows. Knows SQL of tables; no runs, no unique values.

use std::collections::HashSet;

use futures_util::future::BoxFuture;

use crate::{
    catalog::EntityId,
    layout::{Column, JoinTable, POSITION_COLUMN, ROW_COLUMN},
    store::{
        bind::{Kind, get},
        rows::Rows,
        types::StoreError,
    },
    value::Value,
};

use super::{
    key::distinct,
    parents::forget,
    work::{Fate, Item, Op, Work},
};

/// Replaces the links of changed rows and inserts those of new ones.
pub async fn links(
    work: &mut Work<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    fates: &[Fate],
) -> Result<(), StoreError> {
    for (at, join) in work.tables(entity).joins.iter().enumerate() {
        if join.fetched {
            continue;
        }
        let changed = keys(work, entity, items, fates, true);
        delete_where(work, &join.name, &named(&join.owner), &changed).await?;
        let mut lines: Vec<(Vec<Value>, i64, &[Value])> = Vec::new();
        for (item, fate) in items.iter().zip(fates) {
            if !matches!(fate, Fate::New(_) | Fate::Changed(_)) {
                continue;
            }
            let key = work.key_of(entity, *item);
            let targets = item.row.links.get(at).map(Vec::as_slice).unwrap_or_default();
            lines.extend(
                (0..)
                    .zip(targets)
                    .map(|(position, target)| (key.clone(), position, target.0.as_slice())),
            );
        }
        insert_links(work, join, lines).await?;
    }
    Ok(())
}

pub async fn insert_links(
    work: &mut Work<'_>,
    join: &JoinTable,
    lines: Vec<(Vec<Value>, i64, &[Value])>,
) -> Result<(), StoreError> {
    let owner = join.owner.iter().map(|column| column.name.as_str());
    let targets = join.targets.iter().map(|column| column.name.as_str());
    let columns: Vec<&str> = owner.chain([POSITION_COLUMN]).chain(targets).collect();
    let owner = join.owner.iter().map(|column| Kind::of(column.kind));
    let targets = join.targets.iter().map(|column| Kind::of(column.kind));
    let kinds: Vec<Kind> = owner.chain([Kind::Int]).chain(targets).collect();
    let mut from = 0;
    for size in work.inner.dialect.row_sizes(lines.len(), columns.len()) {
        let mut rows = Rows::to_add(work.params(), &kinds, size, Vec::new());
        for (key, position, target) in lines.iter().skip(from).take(size) {
            for value in key {
                rows.value(value)?;
            }
            rows.int(*position)?;
            for value in *target {
                rows.value(value)?;
            }
        }
        from += size;
        let sql = work.inner.dialect.add_rows(&join.name, &columns, &kinds, size);
        work.run(rows.bind()?, sql).await?;
    }
    Ok(())
}

/// The keys of written rows; only those that existed before, with `changed`.
fn keys(work: &Work<'_>, entity: EntityId, items: &[Item<'_>], fates: &[Fate], changed: bool) -> Vec<Vec<Value>> {
    let written = items.iter().zip(fates).filter(|(_, fate)| match fate {
        Fate::Changed(_) => true,
        Fate::New(_) => !changed,
        _ => false,
    });
    written.map(|(item, _)| work.key_of(entity, *item)).collect()
}

/// Deletes the rows of a table whose columns have one of these values.
pub async fn delete_where(
    work: &mut Work<'_>,
    table: &str,
    columns: &[(&str, Kind)],
    values: &[Vec<Value>],
) -> Result<(), StoreError> {
    let (names, kinds): (Vec<&str>, Vec<Kind>) = columns.iter().copied().unzip();
    let head = format!(
        "DELETE FROM {} WHERE ({}) IN (",
        work.quote(table),
        work.inner.dialect.names(&names)
    );
    let mut from = 0;
    for size in work.inner.dialect.row_sizes(values.len(), columns.len()) {
        let mut rows = Rows::new(work.params(), &kinds, size);
        for value in values.iter().skip(from).take(size).flatten() {
            rows.value(value)?;
        }
        from += size;
        let sql = format!("{head}{})", work.rows(&kinds, size));
        work.run(rows.bind()?, sql).await?;
    }
    Ok(())
}

/// Names and kinds of columns.
pub fn named(columns: &[Column]) -> Vec<(&str, Kind)> {
    let named = columns.iter();
    named
        .map(|column| (column.name.as_str(), Kind::of(column.kind)))
        .collect()
}

/// Brings the children of written rows to what the rows say: differing ones written, missing ones deleted.
pub async fn children(
    work: &mut Work<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    fates: &[Fate],
) -> Result<(), StoreError> {
    for (at, nested) in work.tables(entity).nested.iter().enumerate() {
        let written = items
            .iter()
            .zip(fates)
            .filter(|(_, fate)| matches!(fate, Fate::New(_) | Fate::Changed(_)));
        let lists = written.filter_map(|(item, _)| item.row.children.get(at));
        let all: Vec<Item<'_>> = lists
            .flat_map(|list| (0..).zip(list).map(|(position, row)| Item { row, position }))
            .collect();
        let changed = keys(work, entity, items, fates, true);
        let (rows, repeated) = distinct(work, nested.child, all);
        if repeated > 0 {
            let name = &work.inner.catalog.entity(nested.child).name;
            tracing::warn!(entity = %name, repeated, "nested rows with the same key inside one owner: the last one is kept");
        }
        let written = work.upsert(nested.child, &rows, changed.is_empty()).await?;
        if changed.is_empty() {
            continue;
        }
        let kept: HashSet<i64> = written.iter().filter_map(|fate| fate.row()).collect();
        let mut gone = owned(work, nested.child, &changed).await?;
        gone.retain(|(row, _)| !kept.contains(row));
        delete(work, nested.child, gone).await?;
    }
    Ok(())
}

/// The stored children of these owners.
async fn owned(
    work: &mut Work<'_>,
    child: EntityId,
    owners: &[Vec<Value>],
) -> Result<Vec<(i64, Vec<Value>)>, StoreError> {
    let tables = work.tables(child);
    let Some(owner) = work.inner.catalog.entity(child).owner else {
        return Ok(Vec::new());
    };
    let columns = tables
        .table
        .columns
        .iter()
        .filter(|column| column.field == owner.parent);
    let (columns, kinds): (Vec<&str>, Vec<Kind>) = columns
        .map(|column| (column.name.as_str(), Kind::of(column.kind)))
        .unzip();
    let key = work.key_columns(child);
    let head = format!(
        "SELECT {},{key} FROM {} WHERE ({}) IN (",
        work.quote(ROW_COLUMN),
        work.quote(&tables.table.name),
        work.inner.dialect.names(&columns)
    );
    let mut out = Vec::new();
    let mut from = 0;
    for size in work.inner.dialect.row_sizes(owners.len(), columns.len()) {
        let mut wanted = Rows::new(work.params(), &kinds, size);
        for value in owners.iter().skip(from).take(size).flatten() {
            wanted.value(value)?;
        }
        from += size;
        let sql = format!("{head}{})", work.rows(&kinds, size));
        for line in work.all(wanted.bind()?, sql).await? {
            out.push((get(&line, 0)?, work.read_key(child, &line, 1)?));
        }
    }
    Ok(out)
}

/// Deletes rows with their links and children, and notes each as gone.
pub fn delete<'w>(
    work: &'w mut Work<'_>,
    entity: EntityId,
    rows: Vec<(i64, Vec<Value>)>,
) -> BoxFuture<'w, Result<(), StoreError>> {
    Box::pin(async move {
        if rows.is_empty() {
            return Ok(());
        }
        let asked: Vec<i64> = rows.iter().map(|(row, _)| *row).collect();
        forget(work, entity, &asked).await?;
        let keys: Vec<Vec<Value>> = rows.iter().map(|(_, key)| key.clone()).collect();
        for join in &work.tables(entity).joins {
            delete_where(work, &join.name, &named(&join.owner), &keys).await?;
        }
        for nested in &work.tables(entity).nested {
            let gone = owned(work, nested.child, &keys).await?;
            delete(work, nested.child, gone).await?;
        }
        let numbers: Vec<Vec<Value>> = rows.iter().map(|(row, _)| vec![Value::Int(*row)]).collect();
        let table = &work.tables(entity).table.name;
        delete_where(work, table, &[(ROW_COLUMN, Kind::Int)], &numbers).await?;
        for key in keys {
            work.note(entity, Op::Gone, key.iter());
        }
        Ok(())
    })
}
