//! Rows that stand for groups of another type's rows: which there have to be, added and taken away.
//! Knows what tells groups apart; not what is computed of them, which is in `settle`.

use crate::{
    catalog::{EntityId, Groups},
    layout::{ColumnKind, HASH_COLUMN, ROW_COLUMN},
    store::{
        bulk,
        context::Context,
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
        read::compiler::Compiler,
        system::row_numbers,
        tx::Transaction,
    },
    value::{Scalar, Value},
};

use super::{
    computed::{Computed, InGroups, compiler},
    group_keys::{kept_in, key, values_of},
    lists::for_rows,
};

/// Whether the values of groups are computed by going through all rows once, and not through those
/// of each group: for all groups, and where no index finds those of one.
pub(super) fn goes_through_all(compiler: &Compiler<'_>, computed: &Computed<'_>, of_all: bool) -> bool {
    let Some(groups) = computed.groups() else {
        return false;
    };
    let first = compiler.catalog.grouped_by(groups).into_iter().next();
    let source = compiler.layout.entity(groups.of);
    // All rows are one group.
    first.is_some_and(|(_, of)| of_all || !source.leads_by(of))
}

/// The values of the groups in a list of row numbers, or of all, as [`Computed::in_all_groups`]
/// computes them.
///
/// Rows and groups are put below each other and grouped by key, and not joined: while rows are
/// loaded PostgreSQL joins by loops alone, which would make each key for each pair.
pub(super) fn values(context: &Context, computed: &Computed<'_>, of: &InGroups, list: Option<&str>) -> String {
    let (table, id) = table_of(context, computed.parent);
    let row = context.dialect.quote(ROW_COLUMN);
    let these = format!("SELECT p.{row} AS r,p.{id} AS k FROM {table} AS p");
    let InGroups {
        key,
        value,
        rows,
        function,
    } = of;
    // The list stands in the statement once: its parameters may have no numbers. With `IS TRUE`
    // it is looked up in a table of hashes, and is no join either.
    let (these, of_these) = match list {
        Some(list) => (
            format!("{these} WHERE p.{row} IN ({list})"),
            format!(" AND ({key} IN (SELECT k FROM _these)) IS TRUE"),
        ),
        None => (these, String::new()),
    };
    format!(
        "WITH _these AS MATERIALIZED ({these}) SELECT max(n.r),{function} FROM (\
         SELECT {key} AS k,{value} AS v,CAST(NULL AS BIGINT) AS r {rows}{of_these} \
         UNION ALL SELECT k,NULL,r FROM _these) AS n GROUP BY n.k HAVING max(n.r) IS NOT NULL"
    )
}

/// The groups that rows belong to, each once: their key `k` and the values `b0`, `b1`, … that they
/// keep.
fn found(compiler: &Compiler<'_>, groups: &Groups, condition: &str) -> (String, Vec<String>) {
    let names: Vec<String> = (0..values_of(compiler, groups, "c").len())
        .map(|at| format!("b{at}"))
        .collect();
    let values = values_of(compiler, groups, "c").into_iter().zip(&names);
    let values: String = values
        .map(|(value, name)| format!(",{} AS {name}", value.sql))
        .collect();
    let sql = format!(
        "SELECT DISTINCT {} AS k{values} FROM {}{condition}",
        key(compiler, groups, "c"),
        compiler.table(groups.of, "c")
    );
    (sql, names)
}

/// The table of a type of groups, and its key, quoted.
fn table_of(context: &Context, group: EntityId) -> (String, String) {
    let table = &context.layout.entity(group).table;
    let key = table.key.iter().filter_map(|at| table.columns.get(*at));
    let key: Vec<&str> = key.map(|column| column.name.as_str()).collect();
    (context.dialect.quote(&table.name), context.dialect.names(&key))
}

fn groups_of<'a>(tx: &Transaction<'a>, group: EntityId) -> Result<&'a Groups, StoreError> {
    let groups = tx.context.catalog.entity(group).groups.as_ref();
    groups.ok_or_else(|| StoreError::Internal("a type without groups".to_owned()))
}

/// Adds a row for each group that these rows, or all, belong to and that has none; gives their
/// numbers. What is computed of them is that of no rows yet.
pub(super) async fn add_missing(
    tx: &mut Transaction<'_>,
    group: EntityId,
    rows: Option<&[i64]>,
) -> Result<Vec<i64>, StoreError> {
    let mut added = Vec::new();
    match rows {
        None => add_of(tx, group, None, &mut added).await?,
        Some(mut rest) => {
            for size in tx.context.dialect.row_sizes(rest.len(), 1) {
                let (chunk, others) = rest.split_at(size.min(rest.len()));
                rest = others;
                add_of(tx, group, Some(chunk), &mut added).await?;
            }
        }
    }
    Ok(added)
}

async fn add_of(
    tx: &mut Transaction<'_>,
    group: EntityId,
    rows: Option<&[i64]>,
    added: &mut Vec<i64>,
) -> Result<(), StoreError> {
    let (context, groups) = (tx.context, groups_of(tx, group)?);
    let next = row_numbers::next_row(tx, group).await?;
    let dialect = context.dialect;
    let compiler = compiler(context);
    let row = dialect.quote(ROW_COLUMN);
    let mut params = tx.params();
    params.add(next - 1)?;
    let (params, condition) = match rows {
        Some(rows) => {
            let mut wanted = Rows::new(params, &[Kind::Int], rows.len());
            rows.iter().try_for_each(|row| wanted.int(*row))?;
            let list = dialect.numbers(2, rows.len());
            (wanted.bind()?, format!(" WHERE c.{row} IN ({list})"))
        }
        None => (params, String::new()),
    };
    let (found, names) = found(&compiler, groups, &condition);
    let kept: Vec<String> = kept_in(&compiler, group, groups, "p")
        .into_iter()
        .map(|column| format!(",{}", column.sql.trim_start_matches("p.")))
        .collect();
    let values: String = names.iter().map(|name| format!(",d.{name}")).collect();
    let (table, id) = table_of(context, group);
    let order = dialect.collate(ColumnKind::Scalar(Scalar::Id));
    let sql = format!(
        "INSERT INTO {table} ({row},{},{id}{}) \
         SELECT {}+row_number() OVER (ORDER BY d.k{order}),0,d.k{values} FROM ({found}) AS d \
         WHERE NOT EXISTS (SELECT 1 FROM {table} AS p WHERE p.{id}=d.k) RETURNING {row}",
        dialect.quote(HASH_COLUMN),
        kept.concat(),
        dialect.param(1, Kind::Int),
    );
    let new = tx.all(params, sql).await?;
    for line in &new {
        added.push(get(line, 0)?);
    }
    if !new.is_empty() {
        tx.wrote.insert(group);
        tx.next.insert(group, next + new.len() as i64);
    }
    Ok(())
}

/// Deletes those of these rows whose groups have no rows any more; gives their keys.
pub(super) async fn drop_empty(
    tx: &mut Transaction<'_>,
    group: EntityId,
    rows: &[i64],
) -> Result<Vec<Vec<Value>>, StoreError> {
    let context = tx.context;
    let count = compiler(context).column(group, groups_of(tx, group)?.count, "p")?.sql;
    let count = count.trim_start_matches("p.");
    let (key, row) = (tx.key_columns(group), tx.quote(ROW_COLUMN));
    let (table, order) = table_of(context, group);
    let statement =
        |list: &str| format!("SELECT {row},{key} FROM {table} WHERE {row} IN ({list}) AND {count}=0 ORDER BY {order}");
    let (mut numbers, mut keys) = (Vec::new(), Vec::new());
    for line in for_rows(tx, &[], rows, statement).await? {
        numbers.push(vec![Value::Int(get(&line, 0)?)]);
        keys.push(tx.read_key(group, &line, 1)?);
    }
    if !numbers.is_empty() {
        tx.wrote.insert(group);
    }
    let name = tx.tables(group).table.name.clone();
    bulk::delete_where(tx, &name, &[(ROW_COLUMN, Kind::Int)], &numbers).await?;
    Ok(keys)
}

/// Deletes the rows of all groups that have no rows any more; gives their keys.
pub(super) async fn drop_gone(tx: &mut Transaction<'_>, group: EntityId) -> Result<Vec<Vec<Value>>, StoreError> {
    let groups = groups_of(tx, group)?;
    let (found, _) = found(&compiler(tx.context), groups, "");
    let (table, id) = table_of(tx.context, group);
    // PostgreSQL goes through the list of a long `NOT IN` for each row, SQLite through that of
    // `NOT EXISTS`.
    let gone = format!("SELECT {id} FROM {table} EXCEPT SELECT k FROM _found");
    let sql =
        format!("WITH _found AS MATERIALIZED ({found}) DELETE FROM {table} WHERE {id} IN ({gone}) RETURNING {id}");
    let lines = tx.all(tx.params(), sql).await?;
    let keys: Result<Vec<_>, _> = lines.iter().map(|line| tx.read_key(group, line, 0)).collect();
    let mut keys = keys?;
    // Databases give them in orders of their own.
    keys.sort_by(|one, other| one.iter().map(text_of).cmp(other.iter().map(text_of)));
    if !keys.is_empty() {
        tx.wrote.insert(group);
    }
    Ok(keys)
}

/// A key is one text.
fn text_of(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

/// Makes the rows of a type of groups those of the groups that there are. What is computed of them
/// is not looked at.
pub(super) async fn all_anew(tx: &mut Transaction<'_>, group: EntityId) -> Result<(), StoreError> {
    let context = tx.context;
    let groups = groups_of(tx, group)?;
    let of = compiler(context);
    let (found, names) = found(&of, groups, "");
    let (table, id) = table_of(context, group);
    let there = format!("WITH _found AS MATERIALIZED ({found})");
    drop_gone(tx, group).await?;
    // A key says which values it is of, and not of which fields: these may be others now.
    let kept = kept_in(&of, group, groups, "t");
    let pairs: Vec<(String, String)> = kept
        .into_iter()
        .zip(names)
        .map(|(column, name)| (column.sql, format!("n.{name}")))
        .collect();
    if !pairs.is_empty() {
        let set = pairs
            .iter()
            .map(|(own, new)| format!("{}={new}", own.trim_start_matches("t.")));
        let differs = pairs.iter().map(|(own, new)| format!("{own} IS DISTINCT FROM {new}"));
        let sql = format!(
            "{there} UPDATE {table} AS t SET {} FROM _found AS n WHERE t.{id}=n.k AND ({})",
            set.collect::<Vec<_>>().join(","),
            differs.collect::<Vec<_>>().join(" OR ")
        );
        tx.run(tx.params(), sql).await?;
    }
    add_missing(tx, group, None).await?;
    row_numbers::keep(tx).await
}
