//! Rollups brought to what they are: those of rows that a transaction has touched, or all. Knows
//! the columns that hold them; tells which rows changed, and notes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{Catalog, EntityId, FieldId, Function, Part, Rolled},
    layout::{ColumnKind, ROW_COLUMN},
    store::{
        db::{failpoint, params::Kind, pool::get, rows::Rows},
        error::StoreError,
        read::operands::operands,
        tx::Transaction,
    },
    value::{Scalar, Total, Value},
};

use super::{
    computed::{Computed, all, compiler, sum_of},
    groups,
    lists::for_rows,
    touched::{At, Parents, Touched},
};

/// What rollups became.
#[derive(Default)]
pub(crate) struct Settled {
    /// Those of which a row has another value than before.
    pub fields: Vec<(EntityId, FieldId)>,
    /// The keys of rows that were there before and have another value now, in their order.
    pub keys: Vec<(EntityId, Vec<Vec<Value>>)>,
    /// The keys of rows for groups that have rows now, and of those that have none any more.
    pub new: Vec<(EntityId, Vec<Vec<Value>>)>,
    pub gone: Vec<(EntityId, Vec<Vec<Value>>)>,
}

/// Computes what the rows have now that were touched; `parts` is what the transaction changed.
pub(crate) async fn settle(
    tx: &mut Transaction<'_>,
    mut touched: Touched<'_>,
    parts: &BTreeSet<Part>,
) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    let of_none = |parents: &Parents| parents.whole.is_empty() && parents.lost.is_empty();
    if touched.rows.is_empty() && touched.rollups.iter().all(|(_, parents)| of_none(parents)) {
        return Ok(settled);
    }
    // What a rollup does not go by has not changed it.
    let catalog = &tx.context.catalog;
    for (computed, parents) in &mut touched.rollups {
        if computed.goes_by(catalog).is_disjoint(parts) {
            parents.lost.clear();
        }
    }
    let mut written: BTreeMap<EntityId, Vec<i64>> = BTreeMap::new();
    for (entity, rows) in std::mem::take(&mut touched.rows) {
        let mut rows: Vec<i64> = rows.into_iter().collect();
        rows.sort_unstable();
        for group in touched.groups_of(entity, catalog, parts) {
            let new = groups::add_missing(tx, group, Some(&rows)).await?;
            if !new.is_empty() {
                settled.new.push((group, keys(tx, group, &new).await?));
                touched.new.entry(group).or_default().extend(new);
            }
        }
        touched.count_now(tx, entity, &rows, parts).await?;
        written.insert(entity, rows);
    }
    failpoint::point("rollups::counted");
    let mut changed: BTreeMap<EntityId, BTreeSet<i64>> = BTreeMap::new();
    let mut left: Vec<(EntityId, Vec<i64>)> = Vec::new();
    for (computed, parents) in touched.rollups {
        if computed.groups().is_some_and(|groups| groups.count == computed.field) {
            left.push((computed.parent, parents.lost.keys().copied().collect()));
        }
        let of = written.get(&computed.child()).map(Vec::as_slice).unwrap_or_default();
        let rows = bring(tx, &computed, parents, of).await?;
        if !rows.is_empty() {
            settled.fields.push((computed.parent, computed.field));
            changed.entry(computed.parent).or_default().extend(rows);
        }
    }
    failpoint::point("rollups::written");
    for (group, rows) in left {
        let gone = groups::drop_empty(tx, group, &rows).await?;
        if !gone.is_empty() {
            settled.gone.push((group, gone));
        }
    }
    for (entity, rows) in changed {
        let new = touched.new.get(&entity);
        let rows = rows.into_iter().filter(|row| new.is_none_or(|new| !new.contains(row)));
        let rows: Vec<i64> = rows.collect();
        if !rows.is_empty() {
            let keys = keys(tx, entity, &rows).await?;
            settled.keys.extend((!keys.is_empty()).then_some((entity, keys)));
        }
    }
    Ok(settled)
}

/// Brings one rollup to what it is, as cheaply as that can be; gives the rows that have another
/// value now. `written` are the rows that were touched, of those that it is computed of.
async fn bring(
    tx: &mut Transaction<'_>,
    computed: &Computed<'_>,
    parents: Parents,
    written: &[i64],
) -> Result<Vec<i64>, StoreError> {
    let Parents {
        mut whole,
        lost,
        gained,
        added,
    } = parents;
    let (mut rows, mut compares) = (Vec::new(), false);
    match computed.rollup.what {
        Rolled::Count => {
            let mut shifts = gained;
            for (parent, count) in lost {
                *shifts.entry(parent).or_default() -= count;
            }
            shifts.retain(|parent, by| *by != 0 && !whole.contains(parent));
            let shifts: Vec<(i64, Value)> = shifts.into_iter().map(|(row, by)| (row, Value::Int(by))).collect();
            rows.extend(change(tx, computed, (&shifts, Scalar::Int), |old, new| format!("{old}+{new}")).await?);
        }
        Rolled::Exists => {
            let there: Vec<(i64, Value)> = gained.into_keys().map(|row| (row, Value::Bool(true))).collect();
            rows.extend(change(tx, computed, (&there, Scalar::Boolean), |_, new| new.to_owned()).await?);
            let there: BTreeSet<i64> = there.into_iter().map(|(row, _)| row).collect();
            whole.extend(lost.into_keys());
            whole.retain(|row| !there.contains(row));
        }
        Rolled::Of(..) => match sums(tx, computed) {
            Some(scalar) => {
                // Of rows that went or changed it is not known whether any value is left.
                whole.extend(lost.into_keys());
                let added = added.into_iter().filter(|(row, _)| !whole.contains(row));
                let added: Option<Vec<(i64, Value)>> =
                    added.map(|(row, total)| Some((row, sum(scalar, &total)?))).collect();
                let added = added.ok_or_else(|| StoreError::Internal("a sum of no numbers".to_owned()))?;
                rows.extend(add(tx, computed, (&added, scalar)).await?);
            }
            // What is left of a least value that went is not known; a new one is compared with it.
            None if computed.is_extreme() => {
                whole.extend(lost.into_keys());
                compares = !gained.is_empty();
            }
            None => {
                whole.extend(lost.into_keys());
                whole.extend(gained.into_keys());
            }
        },
    }
    let whole: Vec<i64> = whole.into_iter().collect();
    rows.extend(compute(tx, computed, Which::These(&whole)).await?);
    // After those that are computed anew, which it finds right.
    if compares {
        rows.extend(compare(tx, computed, written).await?);
    }
    Ok(rows)
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

fn sums(tx: &Transaction<'_>, computed: &Computed<'_>) -> Option<Scalar> {
    let field = computed.adds_up()?;
    let columns = &tx.tables(computed.child()).table.columns;
    sum_of(columns.iter().find(|column| column.field == field)?.kind)
}

fn sum(scalar: Scalar, total: &Total) -> Option<Value> {
    match scalar {
        Scalar::BigInt => total.sum_whole().map(Value::Int),
        _ => total.sum().map(Value::Text),
    }
}

/// Adds to sums; of no value so far is the sum of what is added.
async fn add(
    tx: &mut Transaction<'_>,
    computed: &Computed<'_>,
    (list, scalar): (&[(i64, Value)], Scalar),
) -> Result<Vec<i64>, StoreError> {
    let dialect = tx.context.dialect;
    let (total, _) = dialect.measure(Function::Sum, "x", ColumnKind::Scalar(scalar));
    change(tx, computed, (list, scalar), |old, new| match scalar {
        Scalar::BigInt => format!("coalesce({old},0)+{new}"),
        _ => format!("(SELECT {total} FROM (SELECT {old} AS x UNION ALL SELECT {new}) AS s)"),
    })
    .await
}

/// Computes all rollups of all rows; those of groups that are computed now and then where `timed`
/// says so.
pub(crate) async fn all_anew(
    tx: &mut Transaction<'_>,
    timed: impl Fn(EntityId) -> bool + Send,
) -> Result<(), StoreError> {
    let catalog = &tx.context.catalog;
    let wanted = |entity: EntityId| !catalog.is_timed(entity) || timed(entity);
    for entity in catalog.entity_ids().filter(|entity| wanted(*entity)) {
        if catalog.entity(entity).groups.is_some() {
            groups::all_anew(tx, entity).await?;
        }
    }
    for computed in all(catalog).into_iter().filter(|computed| wanted(computed.parent)) {
        compute(tx, &computed, Which::All).await?;
    }
    Ok(())
}

/// Computes the groups of a type that is computed now and then.
pub(crate) async fn groups_anew(tx: &mut Transaction<'_>, group: EntityId) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    let gone = groups::drop_gone(tx, group).await?;
    failpoint::point("groups::gone");
    let new = groups::add_missing(tx, group, None).await?;
    failpoint::point("groups::added");
    let mut changed = BTreeSet::new();
    let of_it = all(&tx.context.catalog).into_iter();
    for computed in of_it.filter(|computed| computed.parent == group) {
        let rows = compute(tx, &computed, Which::AllTold).await?;
        if !rows.is_empty() {
            settled.fields.push((group, computed.field));
            changed.extend(rows);
        }
    }
    failpoint::point("groups::computed");
    for row in &new {
        changed.remove(row);
    }
    let changed: Vec<i64> = changed.into_iter().collect();
    let changed = keys(tx, group, &changed).await?;
    let new = keys(tx, group, &new).await?;
    for (all, kept) in [
        (changed, &mut settled.keys),
        (new, &mut settled.new),
        (gone, &mut settled.gone),
    ] {
        kept.extend((!all.is_empty()).then_some((group, all)));
    }
    Ok(settled)
}

impl Touched<'_> {
    /// The types of groups of a type's rows, where what tells those apart may have changed.
    fn groups_of(&self, entity: EntityId, catalog: &Catalog, parts: &BTreeSet<Part>) -> Vec<EntityId> {
        let counts = self.rollups.iter().filter(|(computed, _)| {
            let of = computed.groups().filter(|groups| groups.of == entity);
            of.is_some_and(|groups| groups.count == computed.field)
        });
        counts
            .filter(|(computed, _)| !computed.goes_by(catalog).is_disjoint(parts))
            .map(|(computed, _)| computed.parent)
            .collect()
    }

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
            .partition(|(computed, _)| computed.goes_by(&tx.context.catalog).is_disjoint(parts));
        self.rollups = within;
        let counted = self.count(tx, entity, rows, At::End).await;
        self.rollups.extend(out);
        counted
    }
}

/// Makes another value of the stored one and one that is given; gives the rows for which it is
/// another one.
async fn change(
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

/// Of which rows a rollup is computed.
#[derive(Clone, Copy)]
enum Which<'r> {
    These(&'r [i64]),
    /// Nobody wants to know which of them changed.
    All,
    AllTold,
}

/// Computes a rollup of some rows; gives those that have another value now.
async fn compute(tx: &mut Transaction<'_>, computed: &Computed<'_>, rows: Which<'_>) -> Result<Vec<i64>, StoreError> {
    let context = tx.context;
    let mut compiler = compiler(context);
    let at_once = match groups::goes_through_all(&compiler, computed, !matches!(rows, Which::These(_))) {
        true => computed.in_all_groups(&mut compiler)?,
        false => None,
    };
    let value = match &at_once {
        Some(_) => String::new(),
        None => computed.value(&mut compiler)?,
    };
    let (table, column) = place(tx, computed)?;
    let row = tx.quote(ROW_COLUMN);
    let differs = format!("t.{column} IS DISTINCT FROM n.v");
    let statement = |list: Option<&str>, end: &str| {
        let which = list.map_or(String::new(), |list| format!(" WHERE p.{row} IN ({list})"));
        let new = match &at_once {
            Some(of) => groups::values(context, computed, of, list),
            None => format!("SELECT p.{row},{value} FROM {table} AS p{which}"),
        };
        format!(
            "WITH _new(r,v) AS MATERIALIZED ({new}) \
             UPDATE {table} AS t SET {column}=n.v FROM _new AS n WHERE t.{row}=n.r AND {differs}{end}"
        )
    };
    let told = format!(" RETURNING {row}");
    let all = || operands(&compiler.binds, &[], context.dialect);
    let changed = match rows {
        Which::All => {
            let params = all()?;
            tx.run(params, statement(None, "")).await?;
            return Ok(Vec::new());
        }
        Which::AllTold => {
            let params = all()?;
            tx.all(params, statement(None, &told)).await?
        }
        Which::These(rows) => {
            let of_these = |list: &str| statement(Some(list), &told);
            for_rows(tx, &compiler.binds, rows, of_these).await?
        }
    };
    changed.iter().map(|line| get(line, 0)).collect()
}

/// The table and the column of a rollup, quoted.
fn place(tx: &Transaction<'_>, computed: &Computed<'_>) -> Result<(String, String), StoreError> {
    let table = &tx.tables(computed.parent).table;
    let column = table.columns.iter().find(|column| column.field == computed.field);
    let column = column.ok_or_else(|| StoreError::Internal("a rollup without a column".to_owned()))?;
    Ok((tx.quote(&table.name), tx.quote(&column.name)))
}

/// The keys of rows, in their order.
pub(super) async fn keys(
    tx: &mut Transaction<'_>,
    entity: EntityId,
    rows: &[i64],
) -> Result<Vec<Vec<Value>>, StoreError> {
    let key = tx.key_columns(entity);
    let order = tx.context.dialect.names(&tx.key_names(entity));
    let (table, row) = (tx.quote(&tx.tables(entity).table.name), tx.quote(ROW_COLUMN));
    let statement = |list: &str| format!("SELECT {key} FROM {table} WHERE {row} IN ({list}) ORDER BY {order}");
    let found = for_rows(tx, &[], rows, statement).await?;
    found.iter().map(|line| tx.read_key(entity, line, 0)).collect()
}
