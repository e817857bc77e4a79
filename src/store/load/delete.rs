//! Rows deleted with all that belongs to them: links, nested rows, requests about them.

use futures_util::future::BoxFuture;

use crate::{
    catalog::EntityId,
    layout::ROW_COLUMN,
    store::{
        bulk,
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
        system::{change_log::Op, field_requests},
        tx::Transaction,
    },
    value::Value,
};

use super::batch::Batch;

/// The stored children of these owners.
pub(crate) async fn owned(
    tx: &mut Transaction<'_>,
    child: EntityId,
    owners: &[Vec<Value>],
) -> Result<Vec<(i64, Vec<Value>)>, StoreError> {
    let tables = tx.tables(child);
    let Some(owner) = tx.context.catalog.entity(child).owner else {
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
    let key = tx.key_columns(child);
    let head = format!(
        "SELECT {},{key} FROM {} WHERE ({}) IN (",
        tx.quote(ROW_COLUMN),
        tx.quote(&tables.table.name),
        tx.context.dialect.names(&columns)
    );
    let mut out = Vec::new();
    let mut from = 0;
    for size in tx.context.dialect.row_sizes(owners.len(), columns.len()) {
        let mut wanted = Rows::new(tx.params(), &kinds, size);
        for value in owners.iter().skip(from).take(size).flatten() {
            wanted.value(value)?;
        }
        from += size;
        let sql = format!("{head}{})", tx.rows(&kinds, size));
        for row in tx.all(wanted.bind()?, sql).await? {
            out.push((get(&row, 0)?, tx.read_key(child, &row, 1)?));
        }
    }
    Ok(out)
}

/// Deletes rows with their links and children, and notes each as gone.
pub(crate) fn delete<'w>(
    batch: &'w mut Batch<'_>,
    entity: EntityId,
    rows: Vec<(i64, Vec<Value>)>,
) -> BoxFuture<'w, Result<(), StoreError>> {
    Box::pin(async move {
        if rows.is_empty() {
            return Ok(());
        }
        batch.wrote.insert(entity);
        batch.touch_rows(entity);
        let asked: Vec<i64> = rows.iter().map(|(row, _)| *row).collect();
        batch.before(entity, asked.iter().copied()).await?;
        field_requests::forget(batch, entity, &asked).await?;
        let keys: Vec<Vec<Value>> = rows.iter().map(|(_, key)| key.clone()).collect();
        for join in &batch.tables(entity).joins {
            bulk::delete_where(batch, &join.name, &bulk::named(&join.owner), &keys).await?;
            batch.touch(entity, join.field);
        }
        for nested in &batch.tables(entity).nested {
            let gone = owned(batch, nested.child, &keys).await?;
            delete(batch, nested.child, gone).await?;
        }
        let numbers: Vec<Vec<Value>> = rows.iter().map(|(row, _)| vec![Value::Int(*row)]).collect();
        let table = &batch.tables(entity).table.name;
        bulk::delete_where(batch, table, &[(ROW_COLUMN, Kind::Int)], &numbers).await?;
        for key in keys {
            batch.note(entity, Op::Gone, key.iter());
        }
        Ok(())
    })
}
