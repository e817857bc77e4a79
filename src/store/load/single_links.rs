//! Single links that requests of their own bring (`@fetch` on a field that is one row). They stand
//! in the row asked about, as every link to one row does; its record leaves them alone. Knows those
//! columns; nothing else of the row.

use std::collections::HashSet;

use crate::{
    catalog::{EntityId, FieldFetch},
    layout::{Column, ROW_COLUMN},
    store::{
        db::{dialect::scalar_of, params::Kind, pool::get, rows::Rows},
        error::StoreError,
        system::change_log::Op,
        tx::{Transaction, read_value},
        types::{ParentAnswer, ParentOutcome},
    },
    value::Value,
};

use super::batch::Batch;

/// What the columns of a row hold, by the row's number.
pub(crate) type Stored = (i64, Vec<Value>);

/// Sets the links that differ from the answers, and notes the rows asked about as changed.
pub(crate) async fn relink(
    batch: &mut Batch<'_>,
    each: &FieldFetch,
    answers: &[&ParentAnswer],
) -> Result<(), StoreError> {
    let columns = batch.tables(each.parent).fetched();
    let columns: Vec<&Column> = columns.filter(|column| column.field == each.field).collect();
    let mut stored: Vec<Stored> = Vec::with_capacity(answers.len());
    for answer in answers {
        if let Some(target) = target(answer, columns.len())? {
            stored.push((answer.parent.row, target));
        }
    }
    batch.before(each.parent, stored.iter().map(|(row, _)| *row)).await?;
    let changed = set(batch, each.parent, &columns, &stored).await?;
    if !changed.is_empty() {
        batch.touch(each.parent, each.field);
    }
    for answer in answers.iter().filter(|answer| changed.contains(&answer.parent.row)) {
        batch.note(each.parent, Op::Changed, answer.parent.key.iter());
    }
    Ok(())
}

/// What an answer makes of a link of so many columns; `None` leaves it as it is.
fn target(answer: &ParentAnswer, width: usize) -> Result<Option<Vec<Value>>, StoreError> {
    let ParentOutcome::Read { links, refused, .. } = &answer.outcome else {
        return Ok(None);
    };
    match &links[..] {
        // There is a row, and nobody can tell which.
        [] if !refused.is_empty() => Ok(None),
        [] => Ok(Some(vec![Value::Null; width])),
        [link] if link.0.len() == width => Ok(Some(link.0.clone())),
        _ => Err(StoreError::Internal("an answer does not fit a single link".to_owned())),
    }
}

/// Writes columns of rows where they differ; gives the rows that did.
async fn set(
    tx: &mut Transaction<'_>,
    entity: EntityId,
    columns: &[&Column],
    stored: &[Stored],
) -> Result<HashSet<i64>, StoreError> {
    let mut kinds = vec![Kind::Int];
    kinds.extend(columns.iter().map(|column| Kind::of(column.kind)));
    let mut changed = HashSet::new();
    let mut from = 0;
    for size in tx.context.dialect.row_sizes(stored.len(), kinds.len()) {
        let mut rows = Rows::new(tx.params(), &kinds, size);
        for (row, values) in stored.iter().skip(from).take(size) {
            rows.int(*row)?;
            values.iter().try_for_each(|value| rows.value(value))?;
        }
        from += size;
        let sql = set_sql(tx, entity, columns, &kinds, size);
        for row in tx.all(rows.bind()?, sql).await? {
            changed.insert(get(&row, 0)?);
        }
    }
    Ok(changed)
}

fn set_sql(tx: &Transaction<'_>, entity: EntityId, columns: &[&Column], kinds: &[Kind], size: usize) -> String {
    let row = tx.quote(ROW_COLUMN);
    let names: Vec<String> = columns.iter().map(|column| tx.quote(&column.name)).collect();
    let cells: Vec<String> = (0..names.len()).map(|at| format!("c{at}")).collect();
    let pairs = || names.iter().zip(&cells);
    let sets: Vec<String> = pairs().map(|(name, cell)| format!("{name}=one.{cell}")).collect();
    let tests = pairs().map(|(name, cell)| format!("t.{name} IS DISTINCT FROM one.{cell}"));
    let tests: Vec<String> = tests.collect();
    format!(
        "WITH _one(r,{}) AS ({}) UPDATE {} AS t SET {} FROM _one AS one WHERE t.{row}=one.r AND ({}) RETURNING {row}",
        cells.join(","),
        tx.rows(kinds, size),
        tx.quote(&tx.tables(entity).table.name),
        sets.join(","),
        tests.join(" OR ")
    )
}

/// What no record of some rows brings, such links and rollups, to be put back when the rows were
/// written anew: else a rollup would look like its default, and its change like none.
pub(crate) async fn stored(
    tx: &mut Transaction<'_>,
    entity: EntityId,
    rows: &[i64],
) -> Result<Vec<Stored>, StoreError> {
    let columns = unrecorded(tx, entity);
    let mut stored = Vec::new();
    if columns.is_empty() {
        return Ok(stored);
    }
    let head = format!(
        "SELECT {},{} FROM {} WHERE {} IN (",
        tx.quote(ROW_COLUMN),
        columns
            .iter()
            .map(|column| exact(tx, column))
            .collect::<Vec<_>>()
            .join(","),
        tx.quote(&tx.tables(entity).table.name),
        tx.quote(ROW_COLUMN),
    );
    let mut from = 0;
    for size in tx.context.dialect.row_sizes(rows.len(), 1) {
        let mut wanted = Rows::new(tx.params(), &[Kind::Int], size);
        rows.iter().skip(from).take(size).try_for_each(|row| wanted.int(*row))?;
        from += size;
        let sql = format!("{head}{})", tx.rows(&[Kind::Int], size));
        for row in tx.all(wanted.bind()?, sql).await? {
            let values = (1..).zip(&columns);
            let values = values.map(|(at, column)| read_value(&row, at, scalar_of(column.kind)));
            stored.push((get(&row, 0)?, values.collect::<Result<_, _>>()?));
        }
    }
    Ok(stored)
}

/// Exact numbers are read as they are written.
fn exact(tx: &Transaction<'_>, column: &Column) -> String {
    let name = tx.quote(&column.name);
    match Kind::of(column.kind) {
        Kind::Decimal => format!("CAST({name} AS TEXT)"),
        _ => name,
    }
}

/// The columns that no record fills.
fn unrecorded<'t>(tx: &Transaction<'t>, entity: EntityId) -> Vec<&'t Column> {
    let columns = tx.tables(entity).table.columns.iter();
    columns.filter(|column| !column.is_recorded()).collect()
}

/// Puts back what [`stored`] gave.
pub(crate) async fn put_back(tx: &mut Transaction<'_>, entity: EntityId, stored: &[Stored]) -> Result<(), StoreError> {
    let columns = unrecorded(tx, entity);
    set(tx, entity, &columns, stored).await.map(|_| ())
}
