//! What belongs to rows and goes with them: links and nested rows. Knows SQL of tables; no runs, no unique values.

use std::collections::HashSet;

use futures_util::future::BoxFuture;

use crate::{
    catalog::EntityId,
    layout::{Column, HASH_COLUMN, JoinTable, POSITION_COLUMN, ROW_COLUMN},
    store::{
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
        field_fetch::commit::forget,
    },
    value::{Key, Row, Value},
};

use super::{
    batch::{Fate, Item, Op, Work},
    find::open_hash,
    key::distinct,
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
        let changed = changed(work, entity, items, fates);
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
        let mut rows = Rows::to_add(work.inner.dialect, &kinds, size);
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

/// The keys of written rows that existed before.
fn changed(work: &Work<'_>, entity: EntityId, items: &[Item<'_>], fates: &[Fate]) -> Vec<Vec<Value>> {
    let changed = items
        .iter()
        .zip(fates)
        .filter(|(_, fate)| matches!(fate, Fate::Changed(_)));
    changed.map(|(item, _)| work.key_of(entity, *item)).collect()
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

/// Brings the children of written rows to what the rows say: missing ones deleted, then differing ones written, so that a
/// unique value which one gives up is free for another. Owners of a refused child stay open; those that were open and have all
/// their children now become changed ones.
pub async fn children(
    work: &mut Work<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    fates: &mut [Fate],
) -> Result<(), StoreError> {
    let mut open: HashSet<i64> = HashSet::new();
    for at in 0..work.tables(entity).nested.len() {
        // A part of a row that does not have the list leaves it alone; such parts come one by one.
        if items.iter().all(|item| item.row.lacks_children(at)) {
            continue;
        }
        list(work, entity, at, items, fates, &mut open).await?;
    }
    let mut turned = Vec::new();
    for fate in fates.iter_mut() {
        match *fate {
            Fate::New(row) | Fate::Changed(row) if open.contains(&row) => turned.push(row),
            Fate::Open(row) if !open.contains(&row) => {
                turned.push(row);
                *fate = Fate::Changed(row);
            }
            _ => {}
        }
    }
    work.open.extend(open.into_iter().map(|row| (entity, row)));
    turn(work, entity, &turned).await
}

/// Turns the hashes of rows into those of open ones, and back.
async fn turn(work: &mut Work<'_>, entity: EntityId, turned: &[i64]) -> Result<(), StoreError> {
    let hash = work.quote(HASH_COLUMN);
    let head = format!(
        "UPDATE {} SET {hash}={} WHERE {} IN (",
        work.quote(&work.tables(entity).table.name),
        open_hash(&hash),
        work.quote(ROW_COLUMN)
    );
    let mut from = 0;
    for size in work.inner.dialect.row_sizes(turned.len(), 1) {
        let mut rows = Rows::new(work.params(), &[Kind::Int], size);
        turned.iter().skip(from).take(size).try_for_each(|row| rows.int(*row))?;
        from += size;
        let sql = format!("{head}{})", work.rows(&[Kind::Int], size));
        work.run(rows.bind()?, sql).await?;
    }
    Ok(())
}

/// The children of one field; gives the numbers of the owners that one of them was refused to.
async fn list(
    work: &mut Work<'_>,
    entity: EntityId,
    at: usize,
    items: &[Item<'_>],
    fates: &[Fate],
    open: &mut HashSet<i64>,
) -> Result<(), StoreError> {
    let Some(child) = work.tables(entity).nested.get(at).map(|nested| nested.child) else {
        return Ok(());
    };
    let looked_at = |fate: &Fate| matches!(fate, Fate::New(_) | Fate::Changed(_) | Fate::Open(_));
    let owners: Vec<(&Item<'_>, &Fate)> = items.iter().zip(fates).filter(|(_, fate)| looked_at(fate)).collect();
    let mut all: Vec<Item<'_>> = Vec::new();
    for (owner, _) in &owners {
        let placed = owner.row.children_of(at);
        all.extend(placed.map(|(position, row)| Item {
            row,
            position: position as i64,
        }));
    }
    let (rows, repeated) = distinct(work, child, all);
    if repeated > 0 {
        let name = &work.inner.catalog.entity(child).name;
        tracing::warn!(entity = %name, repeated, "nested rows with the same key inside one owner: the last one is kept");
    }
    work.fits(child, &rows)?;
    let stored: Vec<&Item<'_>> = owners
        .iter()
        .filter(|(_, fate)| !matches!(fate, Fate::New(_)))
        .map(|(owner, _)| *owner)
        .collect();
    let found = match stored.is_empty() {
        true => vec![None; rows.len()],
        false => {
            let found = work.find(child, &rows).await?;
            let there: HashSet<i64> = found.iter().flatten().map(|found| found.row).collect();
            let stay = Stay::of(work, entity, at, &stored);
            let owners: Vec<Vec<Value>> = stored.iter().map(|owner| work.key_of(entity, **owner)).collect();
            let mut gone = owned(work, child, &owners).await?;
            gone.retain(|(row, key)| !there.contains(row) && !stay.has(key));
            delete(work, child, gone).await?;
            found
        }
    };
    let written = work.put(child, &rows, found).await?;
    let refused = rows
        .iter()
        .zip(written)
        .filter(|(_, fate)| !work.is_whole(child, *fate));
    let refused: HashSet<*const Row> = refused.map(|(item, _)| std::ptr::from_ref(item.row)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    for (owner, fate) in owners {
        let mut rows = owner.row.children.get(at).into_iter().flatten();
        if rows.any(|row| refused.contains(&std::ptr::from_ref(row))) {
            open.extend(fate.row());
        }
    }
    Ok(())
}

/// Stored children that stay although they are not among the written ones: the last good versions of refused ones.
#[derive(Default)]
struct Stay {
    keys: HashSet<Key>,
    /// Owners of a refused child that may be any of theirs.
    owners: HashSet<Key>,
    /// Values of an owner's key, with which those of its children begin.
    width: usize,
}

impl Stay {
    fn of(work: &Work<'_>, entity: EntityId, at: usize, owners: &[&Item<'_>]) -> Stay {
        let mut stay = Stay::default();
        let nested = work.tables(entity).nested.get(at);
        let positional = nested.is_some_and(|nested| work.tables(nested.child).positional);
        for owner in owners {
            for kept in owner.row.kept_of(at) {
                let mut key = work.key_of(entity, **owner);
                stay.width = key.len();
                match &kept.key {
                    Some(whole) => stay.keys.insert(whole.clone()),
                    None if positional => {
                        key.push(Value::Int(kept.position as i64));
                        stay.keys.insert(Key(key))
                    }
                    None => stay.owners.insert(Key(key)),
                };
            }
        }
        stay
    }

    fn has(&self, key: &[Value]) -> bool {
        if self.keys.is_empty() && self.owners.is_empty() {
            return false;
        }
        let owner = key.get(..self.width).unwrap_or_default();
        self.keys.contains(&Key(key.to_vec())) || self.owners.contains(&Key(owner.to_vec()))
    }
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
        work.wrote.insert(entity);
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
