//! Rollups brought to what they are: those of rows that a transaction has touched, or all. Knows
//! the columns that hold them; tells which rows changed, and notes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{EntityId, FieldId, Part, Rolled},
    layout::ROW_COLUMN,
    store::{
        db::{failpoint, params::Kind, pool::get, rows::Rows},
        error::StoreError,
        read::operands::operands,
        tx::Transaction,
    },
    value::Value,
};

use super::{
    computed::{Computed, all, compiler},
    touched::{Parents, Touched, WIDTH},
};

/// What rollups became.
#[derive(Default)]
pub(crate) struct Settled {
    /// Those of which a row has another value than before.
    pub fields: Vec<(EntityId, FieldId)>,
    /// The keys of rows that were there before and have another value now, in their order.
    pub keys: Vec<(EntityId, Vec<Vec<Value>>)>,
}

/// Computes what the rows have now that were touched; `parts` is what the transaction changed.
pub(crate) async fn settle(
    tx: &mut Transaction<'_>,
    mut touched: Touched<'_>,
    parts: &BTreeSet<Part>,
) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    let of_none = |parents: &Parents| parents.whole.is_empty() && parents.shifts.is_empty();
    if touched.rows.is_empty() && touched.rollups.iter().all(|(_, parents)| of_none(parents)) {
        return Ok(settled);
    }
    // What a rollup does not go by has not changed it.
    for (computed, parents) in &mut touched.rollups {
        if computed.goes_by().is_disjoint(parts) {
            parents.shifts.clear();
        }
    }
    for (entity, rows) in std::mem::take(&mut touched.rows) {
        let mut rows: Vec<i64> = rows.into_iter().collect();
        rows.sort_unstable();
        touched.count_now(tx, entity, &rows, parts).await?;
    }
    failpoint::point("rollups::counted");
    let mut changed: BTreeMap<EntityId, BTreeSet<i64>> = BTreeMap::new();
    for (computed, Parents { mut whole, shifts }) in touched.rollups {
        let mut rows = Vec::new();
        if computed.rollup.what == Rolled::Count {
            let shifts = shifts.into_iter();
            let shifts: Vec<(i64, i64)> = shifts.filter(|(row, by)| *by != 0 && !whole.contains(row)).collect();
            rows.extend(shift(tx, &computed, &shifts).await?);
        } else {
            whole.extend(shifts.into_keys());
        }
        let whole: Vec<i64> = whole.into_iter().collect();
        rows.extend(compute(tx, &computed, Some(&whole)).await?);
        if !rows.is_empty() {
            settled.fields.push((computed.parent, computed.field));
            changed.entry(computed.parent).or_default().extend(rows);
        }
    }
    failpoint::point("rollups::written");
    for (entity, rows) in changed {
        let new = touched.new.get(&entity);
        let rows = rows.into_iter().filter(|row| new.is_none_or(|new| !new.contains(row)));
        let rows: Vec<i64> = rows.collect();
        if !rows.is_empty() {
            settled.keys.push((entity, keys(tx, entity, &rows).await?));
        }
    }
    Ok(settled)
}

/// Computes all rollups of all rows.
pub(crate) async fn all_anew(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let context = tx.context;
    for computed in all(&context.catalog) {
        compute(tx, &computed, None).await?;
    }
    Ok(())
}

impl Touched<'_> {
    /// Counts rows for the parents that they have in the end.
    async fn count_now(
        &mut self,
        tx: &mut Transaction<'_>,
        entity: EntityId,
        rows: &[i64],
        parts: &BTreeSet<Part>,
    ) -> Result<(), StoreError> {
        let (out, within): (Vec<_>, Vec<_>) = std::mem::take(&mut self.rollups)
            .into_iter()
            .partition(|(computed, _)| computed.goes_by().is_disjoint(parts));
        self.rollups = within;
        let counted = self.count(tx, entity, rows, 1).await;
        self.rollups.extend(out);
        counted
    }
}

/// Adds to counts; gives the rows.
async fn shift(
    tx: &mut Transaction<'_>,
    computed: &Computed<'_>,
    shifts: &[(i64, i64)],
) -> Result<Vec<i64>, StoreError> {
    let kinds = [Kind::Int, Kind::Int];
    let (table, column) = place(tx, computed)?;
    let row = tx.quote(ROW_COLUMN);
    let mut changed = Vec::with_capacity(shifts.len());
    let mut from = 0;
    for size in tx.context.dialect.row_sizes(shifts.len(), kinds.len()) {
        let mut rows = Rows::new(tx.params(), &kinds, size);
        for (row, by) in shifts.iter().skip(from).take(size) {
            rows.int(*row)?;
            rows.int(*by)?;
        }
        from += size;
        let sql = format!(
            "WITH _one(r,n) AS ({}) UPDATE {table} AS t SET {column}=t.{column}+one.n FROM _one AS one \
             WHERE t.{row}=one.r RETURNING {row}",
            tx.rows(&kinds, size)
        );
        for line in tx.all(rows.bind()?, sql).await? {
            changed.push(get(&line, 0)?);
        }
    }
    Ok(changed)
}

/// Computes a rollup of these rows, or of all; gives those of the former that have another value
/// now.
async fn compute(
    tx: &mut Transaction<'_>,
    computed: &Computed<'_>,
    rows: Option<&[i64]>,
) -> Result<Vec<i64>, StoreError> {
    let context = tx.context;
    let mut compiler = compiler(context);
    let value = computed.value(&mut compiler)?;
    let (table, column) = place(tx, computed)?;
    let row = tx.quote(ROW_COLUMN);
    let differs = format!("t.{column} IS DISTINCT FROM n.v");
    let statement = |which: &str, end: &str| {
        format!(
            "WITH _new(r,v) AS MATERIALIZED (SELECT p.{row},{value} FROM {table} AS p{which}) \
             UPDATE {table} AS t SET {column}=n.v FROM _new AS n WHERE t.{row}=n.r AND {differs}{end}"
        )
    };
    let Some(rows) = rows else {
        let params = operands(&compiler.binds, &[], context.dialect)?;
        tx.run(params, statement("", "")).await?;
        return Ok(Vec::new());
    };
    let number = compiler.binds.len() + 1;
    let mut changed = Vec::new();
    let mut rest = rows;
    for size in context.dialect.row_sizes(rows.len(), WIDTH) {
        let (chunk, others) = rest.split_at(size.min(rest.len()));
        rest = others;
        let mut wanted = Rows::new(
            operands(&compiler.binds, &[], context.dialect)?,
            &[Kind::Int],
            chunk.len(),
        );
        chunk.iter().try_for_each(|row| wanted.int(*row))?;
        let list = context.dialect.numbers(number, chunk.len());
        let sql = statement(&format!(" WHERE p.{row} IN ({list})"), &format!(" RETURNING {row}"));
        for line in tx.all(wanted.bind()?, sql).await? {
            changed.push(get(&line, 0)?);
        }
    }
    Ok(changed)
}

/// The table and the column of a rollup, quoted.
fn place(tx: &Transaction<'_>, computed: &Computed<'_>) -> Result<(String, String), StoreError> {
    let table = &tx.tables(computed.parent).table;
    let column = table.columns.iter().find(|column| column.field == computed.field);
    let column = column.ok_or_else(|| StoreError::Internal("a rollup without a column".to_owned()))?;
    Ok((tx.quote(&table.name), tx.quote(&column.name)))
}

/// The keys of rows, in their order.
async fn keys(tx: &mut Transaction<'_>, entity: EntityId, rows: &[i64]) -> Result<Vec<Vec<Value>>, StoreError> {
    let key = tx.key_columns(entity);
    let order = tx.context.dialect.names(&tx.key_names(entity));
    let head = format!(
        "SELECT {key} FROM {} WHERE {} IN (",
        tx.quote(&tx.tables(entity).table.name),
        tx.quote(ROW_COLUMN)
    );
    let mut keys = Vec::with_capacity(rows.len());
    let mut from = 0;
    for size in tx.context.dialect.row_sizes(rows.len(), 1) {
        let mut wanted = Rows::new(tx.params(), &[Kind::Int], size);
        rows.iter().skip(from).take(size).try_for_each(|row| wanted.int(*row))?;
        from += size;
        let sql = format!("{head}{}) ORDER BY {order}", tx.rows(&[Kind::Int], size));
        for line in tx.all(wanted.bind()?, sql).await? {
            keys.push(tx.read_key(entity, &line, 0)?);
        }
    }
    Ok(keys)
}
