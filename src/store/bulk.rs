//! Many rows of any table: deleted by the values of some columns, or added. Knows no table.

use crate::{layout::Column, value::Value};

use super::{
    db::{params::Kind, rows::Rows},
    error::StoreError,
    tx::Transaction,
};

/// Deletes the rows of a table whose columns have one of these values.
pub(super) async fn delete_where(
    tx: &mut Transaction<'_>,
    table: &str,
    columns: &[(&str, Kind)],
    values: &[Vec<Value>],
) -> Result<(), StoreError> {
    let (names, kinds): (Vec<&str>, Vec<Kind>) = columns.iter().copied().unzip();
    let head = format!(
        "DELETE FROM {} WHERE ({}) IN (",
        tx.quote(table),
        tx.context.dialect.names(&names)
    );
    let mut from = 0;
    for size in tx.context.dialect.row_sizes(values.len(), columns.len()) {
        let mut rows = Rows::new(tx.params(), &kinds, size);
        for value in values.iter().skip(from).take(size).flatten() {
            rows.value(value)?;
        }
        from += size;
        let sql = format!("{head}{})", tx.rows(&kinds, size));
        tx.run(rows.bind()?, sql).await?;
    }
    Ok(())
}

/// Adds rows that a table does not have yet; `cells` writes those of the row at a place.
pub(crate) async fn add<'v>(
    tx: &mut Transaction<'_>,
    (table, columns, kinds): (&str, &[&str], &[Kind]),
    count: usize,
    mut cells: impl FnMut(usize, &mut Rows<'v>) -> Result<(), StoreError> + Send,
) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    if dialect.copies(count) {
        return match copy(tx, (table, columns, kinds), count, cells).await? {
            Ok(()) => Ok(()),
            Err(error) => Err(tx.give_up(error).await),
        };
    }
    let mut from = 0;
    for size in dialect.row_sizes(count, columns.len()) {
        let mut rows = Rows::new(tx.params(), kinds, size);
        (from..from + size).try_for_each(|at| cells(at, &mut rows))?;
        from += size;
        tx.run(rows.bind()?, dialect.add_rows(table, columns, kinds, size))
            .await?;
    }
    Ok(())
}

/// The same by one copy, whose error is the driver's: some rows are made while the server reads
/// those before them.
pub(crate) async fn copy<'v>(
    tx: &mut Transaction<'_>,
    (table, columns, kinds): (&str, &[&str], &[Kind]),
    count: usize,
    mut cells: impl FnMut(usize, &mut Rows<'v>) -> Result<(), StoreError> + Send,
) -> Result<Result<(), sqlx::Error>, StoreError> {
    let sql = tx.context.dialect.add_rows(table, columns, kinds, count);
    let mut rows = Rows::copied(tx.params(), kinds);
    let mut places = 0..count;
    let pieces = move || {
        for at in places.by_ref() {
            cells(at, &mut rows)?;
            if let Some(piece) = rows.piece() {
                return Ok(Some(piece));
            }
        }
        Ok(rows.last_piece())
    };
    Ok(tx.driver.copy(&sql, pieces).await?.map(|_| ()))
}

/// Names and kinds of columns.
pub(super) fn named(columns: &[Column]) -> Vec<(&str, Kind)> {
    let named = columns.iter();
    named
        .map(|column| (column.name.as_str(), Kind::of(column.kind)))
        .collect()
}
