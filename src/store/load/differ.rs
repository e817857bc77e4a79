//! Which columns of stored rows differ from what they are about to become: asked of the database
//! before it writes them, as a row's hash only says that something does. Knows columns; writes
//! nothing.

use crate::{
    catalog::{EntityId, Part},
    layout::{Column, EntityTables, POSITION_COLUMN, ROW_COLUMN},
    store::{
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
    },
};

use super::batch::{Batch, Item};

/// The columns that a record may change, by position. Those of the key are what it was found by.
pub(crate) fn of_records(tables: &EntityTables) -> Vec<usize> {
    let columns = tables.table.columns.iter().enumerate();
    // The two zeros are one key, and not one text.
    let stays = |at: &usize, column: &Column| tables.table.key.contains(at) && Kind::of(column.kind) != Kind::Float;
    columns
        .filter(|(at, column)| column.is_recorded() && !stays(at, column))
        .map(|(at, _)| at)
        .collect()
}

/// Notes which of these columns differ in any of these stored rows, by their numbers. What is noted
/// already is not asked for again: a load that changes everything asks but once.
pub(crate) async fn note(
    batch: &mut Batch<'_>,
    entity: EntityId,
    columns: &[usize],
    rows: &[(i64, Item<'_>)],
) -> Result<(), StoreError> {
    let tables = batch.tables(entity);
    let mut rest = rows;
    while !rest.is_empty() {
        let columns = columns
            .iter()
            .filter_map(|at| Some((*at, tables.table.columns.get(*at)?)));
        let is_open = |column: &Column| !batch.parts.contains(&Part::field(entity, column.field));
        let columns: Vec<(usize, &Column)> = columns.filter(|(_, column)| is_open(column)).collect();
        let places = tables.positioned && !batch.parts.contains(&Part::rows(entity));
        if columns.is_empty() && !places {
            break;
        }
        let mut kinds = vec![Kind::Int];
        kinds.extend(columns.iter().map(|(_, column)| Kind::of(column.kind)));
        kinds.extend(places.then_some(Kind::Int));
        let sizes = batch.context.dialect.row_sizes(rest.len(), kinds.len());
        let size = sizes.first().copied().unwrap_or(rest.len()).clamp(1, rest.len());
        let (chunk, others) = rest.split_at(size);
        rest = others;
        let mut wanted = Rows::new(batch.params(), &kinds, size);
        for (row, item) in chunk {
            wanted.int(*row)?;
            let values = columns.iter().filter_map(|(at, _)| item.row.values.get(*at));
            values.into_iter().try_for_each(|value| wanted.value(value))?;
            if places {
                wanted.int(item.position)?;
            }
        }
        let columns: Vec<&Column> = columns.into_iter().map(|(_, column)| column).collect();
        let sql = sql(batch, tables, &columns, &kinds, places, size);
        for line in batch.all(wanted.bind()?, sql).await? {
            for (at, column) in columns.iter().enumerate() {
                if get::<i64>(&line, at)? > 0 {
                    batch.touch(entity, column.field);
                }
            }
            if places && get::<i64>(&line, columns.len())? > 0 {
                batch.touch_rows(entity);
            }
        }
    }
    Ok(())
}

/// Gives one line: for each column, whether it differs in any of the rows.
fn sql(
    batch: &Batch<'_>,
    tables: &EntityTables,
    columns: &[&Column],
    kinds: &[Kind],
    places: bool,
    size: usize,
) -> String {
    let mut cells = vec!["r".to_owned()];
    let mut tests = Vec::with_capacity(kinds.len());
    let stored = columns
        .iter()
        .map(|column| (column.name.as_str(), Kind::of(column.kind)));
    for (at, (name, kind)) in stored.chain(places.then_some((POSITION_COLUMN, Kind::Int))).enumerate() {
        let (old, new) = (format!("t.{}", batch.quote(name)), format!("one.c{at}"));
        let mut differs = format!("{old} IS DISTINCT FROM {new}");
        if kind == Kind::Float {
            // The two zeros are equal, and written as two texts.
            differs = format!("({differs} OR {old}=0 AND CAST({old} AS TEXT)<>CAST({new} AS TEXT))");
        }
        tests.push(format!(
            "CAST(coalesce(max(CASE WHEN {differs} THEN 1 ELSE 0 END),0) AS BIGINT)"
        ));
        cells.push(format!("c{at}"));
    }
    format!(
        "WITH _one({}) AS ({}) SELECT {} FROM _one AS one {} {} AS t ON t.{}=one.r",
        cells.join(","),
        batch.rows(kinds, size),
        tests.join(","),
        batch.context.dialect.chain(),
        batch.quote(&tables.table.name),
        batch.quote(ROW_COLUMN)
    )
}
