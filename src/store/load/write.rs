//! Writes rows, their links and their children in batches, and finds the culprit when a unique value is taken. Knows SQL
//! of tables; no runs.

use std::collections::HashSet;

use crate::{
    catalog::EntityId,
    layout::{HASH_COLUMN, JoinTable, POSITION_COLUMN, ROW_COLUMN},
    store::{
        bind::{Params, get},
        dialect::scalar_of,
        failed,
        types::{Refused, StoreError},
    },
    value::{Row, Value},
};

use super::{
    batch,
    work::{Fate, Item, Op, Work, distinct},
};

/// Bytes of a refused record that are kept.
const RECORD_MAX: usize = 64 * 1024;

/// A row to be written, by its place in `items`.
#[derive(Clone, Copy)]
struct Pending {
    place: usize,
    row: i64,
    /// Set when the row exists already.
    changed: bool,
}

/// Writes what is new or changed; a row whose unique value is taken becomes `Fate::Refused`.
pub async fn rows(
    work: &mut Work<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    fates: &mut [Fate],
) -> Result<(), StoreError> {
    let mut failed_rows = Vec::new();
    // Changed rows first: they may give up a value that a new row takes.
    for changed in [true, false] {
        let pending: Vec<Pending> = fates
            .iter()
            .enumerate()
            .filter_map(|(place, fate)| match fate {
                Fate::Changed(row) if changed => Some(Pending {
                    place,
                    row: *row,
                    changed,
                }),
                Fate::New(row) if !changed => Some(Pending {
                    place,
                    row: *row,
                    changed,
                }),
                _ => None,
            })
            .collect();
        let width = work.tables(entity).table.columns.len() + 3;
        let mut from = 0;
        for size in batch::sizes(pending.len(), width, &work.inner.dialect) {
            let chunk = pending.get(from..from + size).unwrap_or_default();
            from += size;
            if write(work, entity, items, chunk).await?.is_some() {
                failed_rows.extend(one_by_one(work, entity, items, chunk).await?);
            }
        }
    }
    for (pending, column) in settle(work, entity, items, failed_rows).await? {
        let (Some(item), Some(fate)) = (items.get(pending.place), fates.get_mut(pending.place)) else {
            continue;
        };
        let refused = refusal(work, entity, item, &column);
        work.refused.push(refused);
        *fate = Fate::Refused(pending.changed.then_some(pending.row));
    }
    Ok(())
}

/// Writes a chunk with one statement; `Some` names the columns of a unique value that is taken, and nothing was written.
async fn write(
    work: &mut Work<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    chunk: &[Pending],
) -> Result<Option<String>, StoreError> {
    let tables = work.tables(entity);
    let data: Vec<&str> = tables.table.columns.iter().map(|column| column.name.as_str()).collect();
    let mut columns = vec![ROW_COLUMN];
    columns.extend(&data);
    columns.extend(tables.positioned.then_some(POSITION_COLUMN));
    columns.push(HASH_COLUMN);
    let mut sql = format!(
        "INSERT INTO {}({}) VALUES {}",
        work.quote(&tables.table.name),
        batch::names(&work.inner.dialect, columns.iter().copied()),
        batch::values(chunk.len(), columns.len(), false)
    );
    if chunk.first().is_some_and(|first| first.changed) {
        let sets: Vec<String> = columns
            .iter()
            .skip(1)
            .map(|name| format!("{0}=excluded.{0}", work.quote(name)))
            .collect();
        sql.push_str(&format!(
            " ON CONFLICT({}) DO UPDATE SET {}",
            work.quote(ROW_COLUMN),
            sets.join(",")
        ));
    }
    let mut params = Params::with_capacity(chunk.len() * columns.len());
    for pending in chunk {
        let Some(item) = items.get(pending.place) else { continue };
        params.add(pending.row)?;
        for value in &item.row.values {
            params.value(value)?;
        }
        if tables.positioned {
            params.add(item.position)?;
        }
        params.add(item.row.hash)?;
    }
    match params.query(sql).execute(&mut *work.tx).await {
        Ok(_) => Ok(None),
        Err(error) => match error.as_database_error() {
            Some(cause) if cause.is_unique_violation() => Ok(Some(cause.message().to_owned())),
            _ => Err(failed(error)),
        },
    }
}

async fn one_by_one(
    work: &mut Work<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    chunk: &[Pending],
) -> Result<Vec<(Pending, String)>, StoreError> {
    let mut left = Vec::new();
    for pending in chunk {
        if let Some(column) = write(work, entity, items, std::slice::from_ref(pending)).await? {
            left.push((*pending, column));
        }
    }
    Ok(left)
}

/// Tries again what failed while others of the group still held the value, then rows that exchange values among themselves.
async fn settle(
    work: &mut Work<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    mut left: Vec<(Pending, String)>,
) -> Result<Vec<(Pending, String)>, StoreError> {
    // Each round writes at least one row or is the last.
    loop {
        let before = left.len();
        let chunk: Vec<Pending> = left.iter().map(|(pending, _)| *pending).collect();
        left = one_by_one(work, entity, items, &chunk).await?;
        if left.is_empty() || left.len() == before {
            break;
        }
    }
    let exchanged: Vec<Pending> = left
        .iter()
        .map(|(pending, _)| *pending)
        .filter(|pending| pending.changed)
        .collect();
    if exchanged.len() < 2 {
        return Ok(left);
    }
    work.run(Params::default(), "SAVEPOINT exchange".to_owned()).await?;
    for pending in &exchanged {
        let mut params = Params::default();
        params.add(pending.row)?;
        let table = work.quote(&work.tables(entity).table.name);
        let sql = format!("DELETE FROM {table} WHERE {}=?", work.quote(ROW_COLUMN));
        work.run(params, sql).await?;
    }
    if one_by_one(work, entity, items, &exchanged).await?.is_empty() {
        left.retain(|(pending, _)| !pending.changed);
    } else {
        work.run(Params::default(), "ROLLBACK TO exchange".to_owned()).await?;
    }
    work.run(Params::default(), "RELEASE exchange".to_owned()).await?;
    Ok(left)
}

/// A row that was refused because a unique value is taken; `message` names the columns as `table.column, …`.
fn refusal(work: &Work<'_>, entity: EntityId, item: &Item<'_>, message: &str) -> Refused {
    let model = work.inner.catalog.entity(entity);
    let tables = work.tables(entity);
    let named = |column: &&crate::layout::Column| {
        let suffix = format!("{}.{}", tables.table.name, column.name);
        message.split([',', ' ']).any(|part| part == suffix)
    };
    let column = tables.table.columns.iter().find(named);
    let field = column.map_or("a unique field", |column| model.field(column.field).name.as_str());
    let value = column.and_then(|found| tables.table.columns.iter().position(|column| column.name == found.name));
    let value = value
        .and_then(|at| item.row.values.get(at))
        .map_or(String::new(), |value| format!(" \"{value}\""));
    let key = crate::value::Key(work.key_of(entity, *item)).to_string();
    let mut reason = format!(
        "{field}: another {} already has the value{value}, and the field is @unique",
        model.name
    );
    let mut record = as_json(work, entity, item.row);
    if record.len() > RECORD_MAX {
        let at = (0..=RECORD_MAX)
            .rev()
            .find(|at| record.is_char_boundary(*at))
            .unwrap_or(0);
        record.truncate(at);
        reason.push_str(" (the record is cut at 64 KiB)");
    }
    Refused {
        key: Some(key),
        // Nobody need look it up again: the fate of the row says which one stays.
        id: None,
        reason,
        record,
    }
}

fn as_json(work: &Work<'_>, entity: EntityId, row: &Row) -> String {
    let columns = work.tables(entity).table.columns.iter();
    let object: serde_json::Map<String, serde_json::Value> = columns
        .zip(&row.values)
        .map(|(column, value)| (column.name.clone(), scalar_of(column.kind).to_wire(value)))
        .collect();
    serde_json::Value::Object(object).to_string()
}

/// Replaces the links of changed rows and inserts those of new ones.
pub async fn links(
    work: &mut Work<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    fates: &[Fate],
) -> Result<(), StoreError> {
    for (at, join) in work.tables(entity).joins.iter().enumerate() {
        let changed = keys(work, entity, items, fates, true);
        delete_where(
            work,
            &join.name,
            join.owner.iter().map(|column| column.name.as_str()),
            &changed,
        )
        .await?;
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

async fn insert_links(
    work: &mut Work<'_>,
    join: &JoinTable,
    lines: Vec<(Vec<Value>, i64, &[Value])>,
) -> Result<(), StoreError> {
    let owner = join.owner.iter().map(|column| column.name.as_str());
    let targets = join.targets.iter().map(|column| column.name.as_str());
    let columns: Vec<&str> = owner.chain([POSITION_COLUMN]).chain(targets).collect();
    let head = format!(
        "INSERT INTO {}({}) VALUES ",
        work.quote(&join.name),
        batch::names(&work.inner.dialect, columns.iter().copied())
    );
    let mut lines = lines.into_iter();
    for size in batch::sizes(lines.len(), columns.len(), &work.inner.dialect) {
        let mut params = Params::with_capacity(size * columns.len());
        for (key, position, target) in lines.by_ref().take(size) {
            for value in &key {
                params.value(value)?;
            }
            params.add(position)?;
            for value in target {
                params.value(value)?;
            }
        }
        let sql = format!("{head}{}", batch::values(size, columns.len(), false));
        work.run(params, sql).await?;
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
async fn delete_where(
    work: &mut Work<'_>,
    table: &str,
    columns: impl Iterator<Item = &str>,
    values: &[Vec<Value>],
) -> Result<(), StoreError> {
    let columns: Vec<&str> = columns.collect();
    let head = format!(
        "DELETE FROM {} WHERE ({}) IN (VALUES ",
        work.quote(table),
        batch::names(&work.inner.dialect, columns.iter().copied())
    );
    let mut from = 0;
    for size in batch::sizes(values.len(), columns.len(), &work.inner.dialect) {
        let mut params = Params::with_capacity(size * columns.len());
        for value in values.iter().skip(from).take(size).flatten() {
            params.value(value)?;
        }
        from += size;
        let sql = format!("{head}{})", batch::values(size, columns.len(), false));
        work.run(params, sql).await?;
    }
    Ok(())
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
    let columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    let key = batch::names(&work.inner.dialect, work.key_names(child));
    let head = format!(
        "SELECT {},{key} FROM {} WHERE ({}) IN (VALUES ",
        work.quote(ROW_COLUMN),
        work.quote(&tables.table.name),
        batch::names(&work.inner.dialect, columns.iter().copied())
    );
    let mut out = Vec::new();
    let mut from = 0;
    for size in batch::sizes(owners.len(), columns.len(), &work.inner.dialect) {
        let mut params = Params::with_capacity(size * columns.len());
        for value in owners.iter().skip(from).take(size).flatten() {
            params.value(value)?;
        }
        from += size;
        let sql = format!("{head}{})", batch::values(size, columns.len(), false));
        for line in work.all(params, sql).await? {
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
) -> futures_util::future::BoxFuture<'w, Result<(), StoreError>> {
    Box::pin(async move {
        if rows.is_empty() {
            return Ok(());
        }
        let keys: Vec<Vec<Value>> = rows.iter().map(|(_, key)| key.clone()).collect();
        for join in &work.tables(entity).joins {
            delete_where(
                work,
                &join.name,
                join.owner.iter().map(|column| column.name.as_str()),
                &keys,
            )
            .await?;
        }
        for nested in &work.tables(entity).nested {
            let gone = owned(work, nested.child, &keys).await?;
            delete(work, nested.child, gone).await?;
        }
        let numbers: Vec<Vec<Value>> = rows.iter().map(|(row, _)| vec![Value::Int(*row)]).collect();
        let table = &work.tables(entity).table.name;
        delete_where(work, table, [ROW_COLUMN].into_iter(), &numbers).await?;
        for key in keys {
            work.note(entity, Op::Gone, key.iter());
        }
        Ok(())
    })
}
