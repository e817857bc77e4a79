//! Rollups of rows that a transaction has touched, each as cheaply as that can be: shifted,
//! compared or computed anew. Knows what the rows were for their parents before and what they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{FieldId, Function, Part, Rolled},
    layout::{ColumnKind, ROW_COLUMN},
    store::{
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
        tx::Transaction,
    },
    value::{Scalar, Total, Value},
};

use super::{
    anew::{Which, compute},
    columns::place,
    computed::{Computed, compiler},
    lists::for_rows,
    tally::{Tally, no_number},
    totals,
    touched::{Alike, Parents},
};

/// What is to be added to a rollup: for each parent's row the number, or null where it stays.
struct Shift<'r, 'a> {
    /// The place of the rollup among those that are alike.
    at: usize,
    computed: &'r Computed<'a>,
    scalar: Scalar,
    by: BTreeMap<i64, Value>,
    /// Parents that only lost values: whether any is left is not known.
    drained: Vec<i64>,
}

/// Brings rollups to what they are; gives of each the rows that have another value now.
pub(super) async fn bring<'r, 'a>(
    tx: &mut Transaction<'_>,
    alike: &'r Alike<'a>,
    parts: &BTreeSet<Part>,
) -> Result<Vec<(&'r Computed<'a>, BTreeSet<i64>)>, StoreError> {
    let catalog = &tx.context.catalog;
    let goes_by = |computed: &Computed<'_>| !computed.goes_by(catalog).is_disjoint(parts);
    let met: Vec<bool> = alike.rollups.iter().map(goes_by).collect();
    let mut shifts = Vec::new();
    for (at, computed) in alike.rollups.iter().enumerate() {
        if met.get(at) == Some(&true) {
            shifts.extend(Shift::of(tx, at, computed, &alike.parents)?);
        }
    }
    let mut changed = shift(tx, &shifts, alike.rollups.len()).await?;
    for (at, (computed, is_met)) in alike.rollups.iter().zip(met).enumerate() {
        let shifted = shifts.iter().find(|shift| shift.at == at);
        let rows = match shifted {
            Some(shift) => {
                let whole: Vec<i64> = alike.parents.whole.iter().copied().collect();
                let mut rows = compute(tx, computed, Which::These(&whole)).await?;
                rows.extend(empty(tx, shift).await?);
                rows
            }
            None => anew(tx, (at, computed), alike, is_met).await?,
        };
        changed.get_mut(at).into_iter().for_each(|all| all.extend(&rows));
    }
    Ok(alike.rollups.iter().zip(changed).collect())
}

impl<'r, 'a> Shift<'r, 'a> {
    /// What a rollup is to be shifted by; none where it is no count and no such sum.
    fn of(
        tx: &Transaction<'_>,
        at: usize,
        computed: &'r Computed<'a>,
        parents: &Parents,
    ) -> Result<Option<Shift<'r, 'a>>, StoreError> {
        let scalar = match computed.rollup.what {
            Rolled::Count | Rolled::Values(_) | Rolled::Fine(_) => Scalar::Int,
            Rolled::Exact(_) => Scalar::Decimal,
            // It is made of those that are shifted.
            Rolled::Of(..) if computed.kept().is_some() => return Ok(None),
            Rolled::Of(..) => match computed.sum(tx.context) {
                Some(scalar) => scalar,
                None => return Ok(None),
            },
            Rolled::Exists => return Ok(None),
        };
        let mut shift = Shift {
            at,
            computed,
            scalar,
            by: BTreeMap::new(),
            drained: Vec::new(),
        };
        let met: BTreeSet<&i64> = parents.lost.keys().chain(parents.gained.keys()).collect();
        for row in met.into_iter().filter(|row| !parents.whole.contains(*row)) {
            let (lost, gained) = (parents.lost.get(row), parents.gained.get(row));
            if scalar == Scalar::Int {
                let count = |tally: Option<&Tally>| match (computed.rollup.what, tally) {
                    (Rolled::Count, Some(tally)) => tally.rows,
                    (_, Some(tally)) => tally.counts.get(at).copied().unwrap_or(0),
                    (_, None) => 0,
                };
                let by = count(gained) - count(lost);
                shift.by.extend((by != 0).then_some((*row, Value::Int(by))));
                continue;
            }
            let sum = |tally: Option<&Tally>| tally.and_then(|tally| tally.sums.get(at)?.clone());
            shift.add(*row, sum(lost), sum(gained)).ok_or_else(no_number)?;
        }
        Ok(Some(shift))
    }

    /// Notes what a sum lost and gained.
    fn add(&mut self, row: i64, lost: Option<Total>, gained: Option<Total>) -> Option<()> {
        if lost.is_some() && gained.is_none() {
            self.drained.push(row);
        }
        let had_values = lost.is_some();
        let mut by = match (lost, gained) {
            (None, None) => return Some(()),
            (lost, gained) => {
                let mut by = gained.unwrap_or_default();
                lost.iter().for_each(|lost| by.take(lost));
                by
            }
        };
        let by = number(self.scalar, &mut by)?;
        let is_zero = matches!(&by, Value::Int(0)) || matches!(&by, Value::Text(text) if text == "0");
        // Of no value so far it becomes zero.
        if !is_zero || !had_values {
            self.by.insert(row, by);
        }
        Some(())
    }
}

fn number(scalar: Scalar, total: &mut Total) -> Option<Value> {
    match scalar {
        Scalar::BigInt => total.sum_whole().map(Value::Int),
        _ => total.sum().map(Value::Text),
    }
}

/// Adds to counts and sums of the same rows, in the order of their numbers; gives for each of so
/// many rollups the rows that have another value now.
async fn shift(
    tx: &mut Transaction<'_>,
    shifts: &[Shift<'_, '_>],
    of: usize,
) -> Result<Vec<BTreeSet<i64>>, StoreError> {
    let mut changed = vec![BTreeSet::new(); of];
    let rows: BTreeSet<i64> = shifts.iter().flat_map(|shift| shift.by.keys().copied()).collect();
    let rows: Vec<i64> = rows.into_iter().collect();
    let Some(first) = shifts.first().filter(|_| !rows.is_empty()) else {
        return Ok(changed);
    };
    let (table, _) = place(tx, first.computed)?;
    let row = tx.quote(ROW_COLUMN);
    let mut kinds = vec![Kind::Int];
    let (mut sets, mut differ, mut names) = (Vec::new(), Vec::new(), vec!["r".to_owned()]);
    for (at, shift) in shifts.iter().enumerate() {
        kinds.push(Kind::of(ColumnKind::Scalar(shift.scalar)));
        names.push(format!("v{at}"));
        let (_, column) = place(tx, shift.computed)?;
        let (old, by) = (format!("t.{column}"), format!("one.v{at}"));
        let new = shift.sum(tx, &old, &by);
        differ.push(format!("{old} IS DISTINCT FROM {new}"));
        sets.push(format!("{column}={new}"));
    }
    let (sets, differ, names) = (sets.join(","), differ.join(" OR "), names.join(","));
    let mut rest = rows.as_slice();
    for size in tx.context.dialect.row_sizes(rows.len(), kinds.len()) {
        let (chunk, others) = rest.split_at(size.min(rest.len()));
        rest = others;
        let mut values = Rows::new(tx.params(), &kinds, chunk.len());
        for row in chunk {
            values.int(*row)?;
            for shift in shifts {
                values.value(shift.by.get(row).unwrap_or(&Value::Null))?;
            }
        }
        let sql = format!(
            "WITH _one({names}) AS ({}) UPDATE {table} AS t SET {sets} FROM _one AS one \
             WHERE t.{row}=one.r AND ({differ}) RETURNING {row}",
            tx.rows(&kinds, chunk.len())
        );
        for line in tx.all(values.bind()?, sql).await? {
            let row: i64 = get(&line, 0)?;
            for shift in shifts.iter().filter(|shift| shift.by.contains_key(&row)) {
                changed.get_mut(shift.at).into_iter().for_each(|rows| {
                    rows.insert(row);
                });
            }
        }
    }
    Ok(changed)
}

impl Shift<'_, '_> {
    /// The stored value and what is added to it, which may be null; of no value so far is the sum
    /// of what is added.
    fn sum(&self, tx: &Transaction<'_>, old: &str, by: &str) -> String {
        let (total, _) = tx
            .context
            .dialect
            .measure(Function::Sum, "s.x", ColumnKind::Scalar(self.scalar));
        match self.scalar {
            Scalar::Int => format!("{old}+coalesce({by},0)"),
            Scalar::BigInt => format!("CASE WHEN {by} IS NULL THEN {old} ELSE coalesce({old},0)+{by} END"),
            _ => format!("(SELECT {total} FROM (SELECT {old} AS x UNION ALL SELECT {by}) AS s)"),
        }
    }
}

/// Makes sums null that are of no value any more; gives their rows. Only one that is zero can be.
async fn empty(tx: &mut Transaction<'_>, shift: &Shift<'_, '_>) -> Result<Vec<i64>, StoreError> {
    let Rolled::Of(_, field) = shift.computed.rollup.what else {
        return Ok(Vec::new());
    };
    let mut compiler = compiler(tx.context);
    let has_value = shift.computed.has_value(&mut compiler, field)?;
    let (table, column) = place(tx, shift.computed)?;
    let row = tx.quote(ROW_COLUMN);
    let statement = |list: &str| {
        format!(
            "UPDATE {table} AS p SET {column}=NULL WHERE p.{row} IN ({list}) AND CAST(p.{column} AS TEXT)='0' \
             AND NOT ({has_value}) RETURNING {row}"
        )
    };
    let found = for_rows(tx, &compiler.binds, &shift.drained, statement).await?;
    found.iter().map(|line| get(line, 0)).collect()
}

/// Brings a rollup to what it is that cannot be shifted.
async fn anew(
    tx: &mut Transaction<'_>,
    (at, computed): (usize, &Computed<'_>),
    alike: &Alike<'_>,
    is_met: bool,
) -> Result<Vec<i64>, StoreError> {
    let Parents { whole, lost, gained } = &alike.parents;
    let mut whole = whole.clone();
    let mut rows = Vec::new();
    if is_met {
        match computed.rollup.what {
            _ if computed.kept().is_some() => {
                let met: BTreeSet<i64> = lost.keys().chain(gained.keys()).copied().collect();
                let met: Vec<i64> = met.difference(&whole).copied().collect();
                let (known, unknown) = totals::of_kept(tx, computed, &met).await?;
                rows.extend(known);
                whole.extend(unknown);
            }
            Rolled::Exists => {
                let there: Vec<i64> = gained.keys().copied().collect();
                rows.extend(exist(tx, computed, &there).await?);
                whole.extend(lost.keys());
                whole.retain(|row| !gained.contains_key(row));
            }
            _ if computed.is_extreme() => whole.extend(outdone(tx, (at, computed), alike).await?),
            _ => whole.extend(lost.keys().chain(gained.keys())),
        }
    }
    let whole: Vec<i64> = whole.into_iter().collect();
    rows.extend(compute(tx, computed, Which::These(&whole)).await?);
    // After those that are computed anew, which it finds right.
    if is_met && computed.is_extreme() && !gained.is_empty() {
        rows.extend(compare(tx, computed, &alike.in_order()).await?);
    }
    Ok(rows)
}

/// Says of parents that they have rows.
async fn exist(tx: &mut Transaction<'_>, computed: &Computed<'_>, rows: &[i64]) -> Result<Vec<i64>, StoreError> {
    let (table, column) = place(tx, computed)?;
    let row = tx.quote(ROW_COLUMN);
    let statement = |list: &str| {
        format!(
            "UPDATE {table} SET {column}=TRUE WHERE {row} IN ({list}) AND {column} IS DISTINCT FROM TRUE RETURNING {row}"
        )
    };
    let found = for_rows(tx, &[], rows, statement).await?;
    found.iter().map(|line| get(line, 0)).collect()
}

/// The parents that lost a value that can be the one that is stored: what is left is not known.
async fn outdone(
    tx: &mut Transaction<'_>,
    (at, computed): (usize, &Computed<'_>),
    alike: &Alike<'_>,
) -> Result<Vec<i64>, StoreError> {
    let lost = alike.parents.lost.iter();
    let of = lost.flat_map(|(row, tally)| {
        let values = tally.extremes.get(at).into_iter().flatten();
        values.map(move |value| (*row, value))
    });
    let lost: Vec<(i64, &Value)> = of.filter(|(_, value)| **value != Value::Null).collect();
    let kind = kind_of(tx, computed)?;
    let kinds = [Kind::Int, Kind::of(kind)];
    let (table, column) = place(tx, computed)?;
    let row = tx.quote(ROW_COLUMN);
    let mut found = Vec::new();
    let mut rest = lost.as_slice();
    for size in tx.context.dialect.row_sizes(lost.len(), kinds.len()) {
        let (chunk, others) = rest.split_at(size.min(rest.len()));
        rest = others;
        let mut values = Rows::new(tx.params(), &kinds, chunk.len());
        for (row, value) in chunk {
            values.int(*row)?;
            values.value(value)?;
        }
        let sql = format!(
            "WITH _one(r,v) AS ({}) SELECT t.{row} FROM _one AS one {} {table} AS t ON t.{row}=one.r \
             WHERE one.v{}{}t.{column}",
            tx.rows(&kinds, chunk.len()),
            tx.context.dialect.chain(),
            tx.context.dialect.collate(kind),
            computed.can_be()
        );
        for line in tx.all(values.bind()?, sql).await? {
            found.push(get(&line, 0)?);
        }
    }
    Ok(found)
}

fn kind_of(tx: &Transaction<'_>, computed: &Computed<'_>) -> Result<ColumnKind, StoreError> {
    let field: FieldId = computed.field;
    let mut columns = tx.tables(computed.parent).table.columns.iter();
    let column = columns.find(|column| column.field == field);
    let column = column.ok_or_else(|| StoreError::Internal("a rollup without a column".to_owned()))?;
    Ok(column.kind)
}

/// Compares least or greatest values with those of rows that were written; gives the parents that
/// have another value now.
async fn compare(tx: &mut Transaction<'_>, computed: &Computed<'_>, written: &[i64]) -> Result<Vec<i64>, StoreError> {
    let context = tx.context;
    let mut compiler = compiler(context);
    let Some(of) = computed.extremes(&mut compiler)? else {
        return Ok(Vec::new());
    };
    let (head, tail) = (of.head, of.tail);
    let (table, column) = place(tx, computed)?;
    let row = tx.quote(ROW_COLUMN);
    let both = format!("SELECT t.{column} AS x UNION ALL SELECT n.v");
    let value = format!("s.x{}", context.dialect.collate(of.kind));
    let (best, _) = context.dialect.measure(of.function, &value, of.kind);
    let best = format!("(SELECT {best} FROM ({both}) AS s)");
    let statement = |list: &str| {
        format!(
            "WITH _new(r,v) AS MATERIALIZED ({head}{list}{tail}) UPDATE {table} AS t SET {column}={best} FROM _new AS n \
             WHERE t.{row}=n.r AND t.{column} IS DISTINCT FROM {best} RETURNING {row}"
        )
    };
    let changed = for_rows(tx, &compiler.binds, written, statement).await?;
    changed.iter().map(|line| get(line, 0)).collect()
}
