//! Deletions of many rows of any table, by the values of some columns. Knows no table.

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

/// Names and kinds of columns.
pub(super) fn named(columns: &[Column]) -> Vec<(&str, Kind)> {
    let named = columns.iter();
    named
        .map(|column| (column.name.as_str(), Kind::of(column.kind)))
        .collect()
}
