//! The columns of rollups, and how values that are known are written into them. Knows no rows that
//! they are computed of.

use crate::{
    catalog::{EntityId, FieldId},
    layout::{ColumnKind, ROW_COLUMN},
    store::{
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
        tx::Transaction,
    },
    value::{Scalar, Value},
};

use super::computed::Computed;

/// Makes another value of the stored one and one that is given; gives the rows for which it is
/// another one.
pub(super) async fn change(
    tx: &mut Transaction<'_>,
    computed: &Computed<'_>,
    (list, scalar): (&[(i64, Value)], Scalar),
    make: impl Fn(&str, &str) -> String + Send,
) -> Result<Vec<i64>, StoreError> {
    let kinds = [Kind::Int, Kind::of(ColumnKind::Scalar(scalar))];
    let (table, column) = place(tx, computed)?;
    let row = tx.quote(ROW_COLUMN);
    let old = format!("t.{column}");
    let new = make(&old, "one.v");
    let mut changed = Vec::with_capacity(list.len());
    let mut from = 0;
    for size in tx.context.dialect.row_sizes(list.len(), kinds.len()) {
        let mut rows = Rows::new(tx.params(), &kinds, size);
        for (row, value) in list.iter().skip(from).take(size) {
            rows.int(*row)?;
            rows.value(value)?;
        }
        from += size;
        let sql = format!(
            "WITH _one(r,v) AS ({}) UPDATE {table} AS t SET {column}={new} FROM _one AS one \
             WHERE t.{row}=one.r AND {old} IS DISTINCT FROM ({new}) RETURNING {row}",
            tx.rows(&kinds, size)
        );
        for line in tx.all(rows.bind()?, sql).await? {
            changed.push(get(&line, 0)?);
        }
    }
    Ok(changed)
}

/// The table and the column of a rollup, quoted.
pub(super) fn place(tx: &Transaction<'_>, computed: &Computed<'_>) -> Result<(String, String), StoreError> {
    place_of(tx, computed.parent, computed.field)
}

/// Those of a field that is computed.
pub(super) fn place_of(tx: &Transaction<'_>, entity: EntityId, field: FieldId) -> Result<(String, String), StoreError> {
    let table = &tx.tables(entity).table;
    let column = table.columns.iter().find(|column| column.field == field);
    let column = column.ok_or_else(|| StoreError::Internal("a rollup without a column".to_owned()))?;
    Ok((tx.quote(&table.name), tx.quote(&column.name)))
}

/// The table of a type, and the column of its rows' numbers, quoted.
pub(super) fn quoted(tx: &Transaction<'_>, entity: EntityId) -> (String, String) {
    (tx.quote(&tx.tables(entity).table.name), tx.quote(ROW_COLUMN))
}
