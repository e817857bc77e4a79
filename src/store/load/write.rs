//! Writes rows in batches, and finds the culprit when a unique value is taken. Knows SQL
//! of tables; no runs.

use std::collections::HashSet;

use futures_util::future::BoxFuture;

use crate::{
    catalog::EntityId,
    layout::{Column, EntityTables, HASH_COLUMN, POSITION_COLUMN, ROW_COLUMN, WORDS_COLUMN},
    store::{
        bulk,
        context::Context,
        db::{
            dialect::scalar_of,
            params::{Kind, Params},
            pool::Taken,
            rows::Rows,
        },
        ddl::tables,
        error::{StoreError, failed},
        types::{Refused, UpsertOutcome},
        words,
    },
    value::{Row, Value},
};

use super::{
    batch::{Batch, Item},
    differ, single_links,
};

/// Bytes of a refused record that are kept.
const RECORD_MAX: usize = 64 * 1024;
/// Rounds of [`settle`]: each drops the rows that failed, and those behind them in a chain fail in
/// the next one.
const EXCHANGES_MAX: usize = 32;

/// A row to be written, by its place in `items`.
#[derive(Clone, Copy)]
struct Pending {
    place: usize,
    row: i64,
    /// Set when the row exists already.
    changed: bool,
}

/// Writes what is new or changed; a row whose unique value is taken becomes `Fate::Refused`.
pub(crate) async fn rows(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    outcomes: &mut [UpsertOutcome],
) -> Result<(), StoreError> {
    let mut failed_rows = Vec::new();
    // Changed rows first: they may give up a value that a new row takes.
    for changed in [true, false] {
        let pending: Vec<Pending> = outcomes
            .iter()
            .enumerate()
            .filter_map(|(place, outcome)| match outcome {
                UpsertOutcome::Changed(row) if changed => Some(Pending {
                    place,
                    row: *row,
                    changed,
                }),
                UpsertOutcome::New(row) if !changed => Some(Pending {
                    place,
                    row: *row,
                    changed,
                }),
                _ => None,
            })
            .collect();
        if changed {
            let rows = pending.iter();
            let rows = rows.filter_map(|pending| Some((pending.row, *items.get(pending.place)?)));
            let rows: Vec<(i64, Item<'_>)> = rows.collect();
            differ::note(batch, entity, &differ::of_records(batch.tables(entity)), &rows).await?;
            batch.before_noted(entity, rows.iter().map(|(row, _)| *row)).await?;
        }
        failed_rows.extend(chunks(batch, entity, items, &pending).await?);
    }
    for (pending, taken) in settle(batch, entity, items, failed_rows).await? {
        let (Some(item), Some(outcome)) = (items.get(pending.place), outcomes.get_mut(pending.place)) else {
            continue;
        };
        let refused = refusal(batch, entity, item, &taken);
        batch.refused.push(refused);
        *outcome = UpsertOutcome::Refused(pending.changed.then_some(pending.row));
    }
    Ok(())
}

/// Writes a chunk with one statement; `Some` names the unique value that is taken, and nothing was
/// written.
async fn write(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    chunk: &[Pending],
) -> Result<Option<Taken>, StoreError> {
    let params = bind(batch.context, batch.tables(entity), items, chunk)?;
    send(batch, entity, items, chunk, params).await
}

/// The parameters of [`send`]; none where rows are copied, which are made while they are sent.
fn bind(
    context: &Context,
    tables: &EntityTables,
    items: &[Item<'_>],
    chunk: &[Pending],
) -> Result<Option<Params>, StoreError> {
    if copies(context, chunk) {
        return Ok(None);
    }
    let mut rows = Rows::new(context.params(), &row_kinds(tables), chunk.len());
    chunk
        .iter()
        .try_for_each(|pending| cells(tables, items, *pending, &mut rows))?;
    rows.bind().map(Some)
}

/// Whether rows are copied and not inserted.
fn copies(context: &Context, rows: &[Pending]) -> bool {
    let changed = rows.first().is_some_and(|first| first.changed);
    !changed && context.dialect.copies(rows.len())
}

/// Writes the cells of a row, in the order of [`own_names`].
fn cells<'r>(
    tables: &EntityTables,
    items: &[Item<'r>],
    pending: Pending,
    rows: &mut Rows<'r>,
) -> Result<(), StoreError> {
    let Some(item) = items.get(pending.place) else {
        return Ok(());
    };
    rows.int(pending.row)?;
    let own = tables.table.columns.iter().zip(&item.row.values);
    for (_, value) in own.filter(|(column, _)| column.is_recorded()) {
        rows.value(value)?;
    }
    if tables.positioned {
        rows.int(item.position)?;
    }
    rows.int(item.row.hash)?;
    match tables.table.is_searched() {
        true => rows.own_text(words::of_values(&tables.table, &item.row.values)),
        false => Ok(()),
    }
}

async fn send(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    chunk: &[Pending],
    params: Option<Params>,
) -> Result<Option<Taken>, StoreError> {
    let tables = batch.tables(entity);
    // Only rows with unique values can be refused, and only they pay for it.
    let guarded = batch.context.dialect.savepoints() && tables.table.unique().next().is_some();
    if guarded {
        batch.plain("SAVEPOINT write").await?;
    }
    let (names, kinds) = (own_names(tables), row_kinds(tables));
    let done = match params {
        Some(params) => {
            let sql = write_sql(batch, tables, &names, &kinds, chunk);
            batch.driver.execute(params.query(sql)).await.map(|_| ())
        }
        None => {
            let table = (tables.table.name.as_str(), &names[..], &kinds[..]);
            bulk::copy(batch, table, chunk.len(), |at, rows| match chunk.get(at) {
                Some(pending) => cells(tables, items, *pending, rows),
                None => Ok(()),
            })
            .await?
        }
    };
    let taken = match done {
        Ok(()) => None,
        Err(error) => Some(Taken::of(&error).ok_or_else(|| failed(error))?),
    };
    if guarded {
        let end = match taken {
            Some(_) => "ROLLBACK TO SAVEPOINT write",
            None => "RELEASE SAVEPOINT write",
        };
        batch.plain(end).await?;
    }
    Ok(taken)
}

/// The columns that records fill; the others are left as they are.
fn own_columns(tables: &EntityTables) -> impl Iterator<Item = &Column> {
    tables.table.columns.iter().filter(|column| column.is_recorded())
}

/// The names of the columns that are written.
fn own_names(tables: &EntityTables) -> Vec<&str> {
    let mut names = vec![ROW_COLUMN];
    names.extend(own_columns(tables).map(|column| column.name.as_str()));
    names.extend(tables.positioned.then_some(POSITION_COLUMN));
    names.push(HASH_COLUMN);
    names.extend(tables.table.is_searched().then_some(WORDS_COLUMN));
    names
}

/// The kinds of the same.
fn row_kinds(tables: &EntityTables) -> Vec<Kind> {
    let mut kinds = vec![Kind::Int];
    kinds.extend(own_columns(tables).map(|column| Kind::of(column.kind)));
    kinds.extend(tables.positioned.then_some(Kind::Int));
    kinds.push(Kind::Int);
    kinds.extend(tables.table.is_searched().then_some(Kind::Text));
    kinds
}

fn write_sql(batch: &Batch<'_>, tables: &EntityTables, columns: &[&str], kinds: &[Kind], chunk: &[Pending]) -> String {
    let dialect = batch.context.dialect;
    if !chunk.first().is_some_and(|first| first.changed) {
        return dialect.add_rows(&tables.table.name, columns, kinds, chunk.len());
    }
    let sets: Vec<String> = columns
        .iter()
        .skip(1)
        .map(|name| format!("{0}=excluded.{0}", batch.quote(name)))
        .collect();
    format!(
        "INSERT INTO {}({}) {} ON CONFLICT({}) DO UPDATE SET {}",
        batch.quote(&tables.table.name),
        dialect.names(columns),
        batch.rows(kinds, chunk.len()),
        batch.quote(ROW_COLUMN),
        sets.join(",")
    )
}

/// Halves a chunk until what cannot be written stands alone; earlier rows go before later ones.
fn halves<'w>(
    batch: &'w mut Batch<'_>,
    entity: EntityId,
    items: &'w [Item<'_>],
    chunk: &'w [Pending],
) -> BoxFuture<'w, Result<Vec<(Pending, Taken)>, StoreError>> {
    Box::pin(async move {
        match write(batch, entity, items, chunk).await? {
            Some(taken) => apart(batch, entity, items, chunk, taken).await,
            None => Ok(Vec::new()),
        }
    })
}

/// What is left of a chunk that could not be written as a whole.
async fn apart(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    chunk: &[Pending],
    taken: Taken,
) -> Result<Vec<(Pending, Taken)>, StoreError> {
    if let [one] = chunk {
        return Ok(vec![(*one, taken)]);
    }
    let (first, second) = chunk.split_at(chunk.len() / 2);
    let mut left = halves(batch, entity, items, first).await?;
    left.extend(halves(batch, entity, items, second).await?);
    Ok(left)
}

/// Tries again what failed while others of the group still held its value: the changed rows give
/// theirs up together, then all are written anew. Who fails even so keeps his old version, which
/// may be in the way of others: so without him, once more.
async fn settle(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    left: Vec<(Pending, Taken)>,
) -> Result<Vec<(Pending, Taken)>, StoreError> {
    let mut refused = Vec::new();
    let mut trying = left;
    for _ in 0..EXCHANGES_MAX {
        // New rows give up nothing.
        if !trying.iter().any(|(pending, _)| pending.changed) {
            break;
        }
        let (changed, new): (Vec<Pending>, Vec<Pending>) = trying
            .iter()
            .map(|(pending, _)| *pending)
            .partition(|pending| pending.changed);
        batch.plain("SAVEPOINT exchange").await?;
        let failed = exchange(batch, entity, items, &changed, &new).await?;
        let done = failed.iter().all(|(pending, _)| !pending.changed);
        if !done {
            batch.plain("ROLLBACK TO SAVEPOINT exchange").await?;
        }
        batch.plain("RELEASE SAVEPOINT exchange").await?;
        if done {
            refused.extend(failed);
            return Ok(refused);
        }
        let failed = failed.iter().filter(|(pending, _)| pending.changed);
        let failed: HashSet<usize> = failed.map(|(pending, _)| pending.place).collect();
        let (out, still): (Vec<_>, Vec<_>) = trying
            .into_iter()
            .partition(|(pending, _)| failed.contains(&pending.place));
        refused.extend(out);
        trying = still;
    }
    refused.extend(trying);
    Ok(refused)
}

/// Deletes changed rows and writes them anew, then the new ones; gives those that could not be
/// written.
async fn exchange(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    changed: &[Pending],
    new: &[Pending],
) -> Result<Vec<(Pending, Taken)>, StoreError> {
    // What no record brings would go with the rows.
    let numbers: Vec<i64> = changed.iter().map(|pending| pending.row).collect();
    let unrecorded = single_links::stored(batch, entity, &numbers).await?;
    batch.touched.lost(entity, numbers.iter().copied());
    let numbers: Vec<Vec<Value>> = numbers.iter().map(|row| vec![Value::Int(*row)]).collect();
    let table = &batch.tables(entity).table.name;
    bulk::delete_where(batch, table, &[(ROW_COLUMN, Kind::Int)], &numbers).await?;
    let mut failed = chunks(batch, entity, items, changed).await?;
    single_links::put_back(batch, entity, &unrecorded).await?;
    failed.extend(chunks(batch, entity, items, new).await?);
    Ok(failed)
}

/// Writes rows in statements of the right size; gives those that could not be written.
async fn chunks(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    pending: &[Pending],
) -> Result<Vec<(Pending, Taken)>, StoreError> {
    let (context, tables) = (batch.context, batch.tables(entity));
    let mut rest = pending;
    // One copy takes any number of rows; but where one of them may be refused, the others of its
    // statement are written again.
    let sizes = match copies(context, pending) && tables.table.unique().next().is_none() {
        true => vec![pending.len()],
        false => context.dialect.row_sizes(pending.len(), tables.table.columns.len() + 4),
    };
    let parts: Vec<&[Pending]> = sizes
        .into_iter()
        .map(|size| rest.split_off(..size.min(rest.len())).unwrap_or_default())
        .collect();
    let mut failed = Vec::new();
    let mut ready = None;
    for (at, part) in parts.iter().enumerate() {
        let params = ready.take().unwrap_or_else(|| bind(context, tables, items, part))?;
        // The next rows are made ready while the database writes these.
        let next = async { parts.get(at + 1).map(|part| bind(context, tables, items, part)) };
        let (taken, next) = tokio::join!(send(batch, entity, items, part, params), next);
        ready = next;
        if let Some(taken) = taken? {
            failed.extend(apart(batch, entity, items, part, taken).await?);
        }
    }
    Ok(failed)
}

/// The first column of the set whose value is taken.
fn column_of<'t>(batch: &Batch<'_>, tables: &'t EntityTables, taken: &Taken) -> Option<&'t Column> {
    let table = &tables.table;
    let first = |set: &Vec<usize>| set.first().and_then(|at| table.columns.get(*at));
    let named = |set: &&Vec<usize>| match taken {
        Taken::Index(name) => *name == tables::unique(batch.context.dialect, table, set).name,
        Taken::Columns(names) => {
            first(set).is_some_and(|column| names.contains(&format!("{}.{}", table.name, column.name)))
        }
    };
    table.unique().find(named).and_then(first)
}

/// A row that was refused because a unique value is taken.
pub(crate) fn refusal(batch: &Batch<'_>, entity: EntityId, item: &Item<'_>, taken: &Taken) -> Refused {
    let model = batch.context.catalog.entity(entity);
    let tables = batch.tables(entity);
    let column = column_of(batch, tables, taken);
    let field = column.map_or("a unique field", |column| model.field(column.field).name.as_str());
    let value = column.and_then(|found| tables.table.columns.iter().position(|column| column.name == found.name));
    let value = value
        .and_then(|at| item.row.values.get(at))
        .map_or(String::new(), |value| format!(" \"{value}\""));
    let key = crate::value::Key(batch.key_of(entity, *item)).to_string();
    let mut reason = format!(
        "{field}: another {} already has the value{value}, and the field is @unique",
        model.name
    );
    let mut record = as_json(batch, entity, item.row);
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
        // Nobody need look it up again: the outcome of the row says which one stays.
        id: None,
        reason,
        record,
    }
}

/// A row as it is kept when it is refused.
pub(crate) fn as_json(batch: &Batch<'_>, entity: EntityId, row: &Row) -> String {
    let columns = batch.tables(entity).table.columns.iter();
    let object: serde_json::Map<String, serde_json::Value> = columns
        .zip(&row.values)
        .filter(|(column, _)| column.is_recorded())
        .map(|(column, value)| (column.name.clone(), scalar_of(column.kind).to_wire(value)))
        .collect();
    serde_json::Value::Object(object).to_string()
}
