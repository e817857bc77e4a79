//! The tables of past versions, beside those of rows and links, and their indexes. Knows DDL; no
//! rows, and not when a version begins.

use crate::{
    layout::{
        BEGIN_COLUMN, Column, ColumnKind, EntityTables, FROM_COLUMN, GONE_COLUMN, IndexKind, JoinTable,
        POSITION_COLUMN, ROW_COLUMN, UNTIL_COLUMN, history_name,
    },
    store::db::dialect::{BETWEEN, Dialect},
    value::Scalar,
};

const WHOLE: ColumnKind = ColumnKind::Scalar(Scalar::BigInt);
const MOMENT: ColumnKind = ColumnKind::Scalar(Scalar::DateTime);

/// Creates that of a type, under this name.
pub(crate) fn table(dialect: &dyn Dialect, tables: &EntityTables, under: &str) -> String {
    let mut cells = vec![cell(dialect, ROW_COLUMN, WHOLE, true)];
    cells.extend(tables.kept_columns().map(|column| of(dialect, column)));
    cells.extend(tables.positioned.then(|| cell(dialect, POSITION_COLUMN, WHOLE, true)));
    cells.extend(moments(dialect));
    cells.push(cell(dialect, BEGIN_COLUMN, WHOLE, true));
    cells.push(cell(dialect, GONE_COLUMN, WHOLE, false));
    create(dialect, under, &cells)
}

/// Creates that of a table of links, under this name.
pub(crate) fn join_table(dialect: &dyn Dialect, join: &JoinTable, under: &str) -> String {
    let mut cells: Vec<String> = join.owner.iter().map(|column| of(dialect, column)).collect();
    cells.push(cell(dialect, POSITION_COLUMN, WHOLE, true));
    cells.extend(join.targets.iter().map(|column| of(dialect, column)));
    cells.extend(moments(dialect));
    create(dialect, under, &cells)
}

/// What was kept before a definition required a value has none, so all may be null.
fn of(dialect: &dyn Dialect, column: &Column) -> String {
    cell(dialect, &column.name, column.kind, false)
}

fn moments(dialect: &dyn Dialect) -> [String; 2] {
    [
        cell(dialect, FROM_COLUMN, MOMENT, true),
        cell(dialect, UNTIL_COLUMN, MOMENT, false),
    ]
}

fn cell(dialect: &dyn Dialect, name: &str, kind: ColumnKind, required: bool) -> String {
    let end = if required { " NOT NULL" } else { "" };
    format!("{} {}{end}", dialect.quote(name), dialect.column_type(kind))
}

fn create(dialect: &dyn Dialect, under: &str, cells: &[String]) -> String {
    format!("CREATE TABLE {}({})", dialect.quote(under), cells.join(","))
}

/// The indexes of both, each by its name with what creates it: the versions of a row are found by
/// its number, of which one begins at a moment, and by its key; those that lead to a row by what
/// they hold of it.
pub(crate) fn indexes(dialect: &dyn Dialect, tables: &EntityTables) -> Vec<(String, String)> {
    let table = history_name(&tables.table.name);
    let name = |at: &usize| Some(tables.table.columns.get(*at)?.name.clone());
    let mut key: Vec<String> = tables.table.key.iter().filter_map(name).collect();
    key.extend(tables.positional.then(|| POSITION_COLUMN.to_owned()));
    key.push(FROM_COLUMN.to_owned());
    let row = called(dialect, &table, "row");
    let columns = dialect.names(&[ROW_COLUMN, FROM_COLUMN]);
    let mut all = vec![
        (
            row.clone(),
            format!(
                "CREATE UNIQUE INDEX {} ON {} ({columns})",
                dialect.quote(&row),
                dialect.quote(&table)
            ),
        ),
        plain(dialect, &table, "key", &key),
    ];
    let links = tables.table.indexes.iter();
    for index in links.filter(|index| index.kind == IndexKind::Reference) {
        let columns: Vec<String> = index.columns.iter().filter_map(name).collect();
        all.push(plain(dialect, &table, &columns.join(BETWEEN), &columns));
    }
    for join in &tables.joins {
        let table = history_name(&join.name);
        let names = |columns: &[Column]| -> Vec<String> { columns.iter().map(|column| column.name.clone()).collect() };
        let mut owner = names(&join.owner);
        owner.push(POSITION_COLUMN.to_owned());
        all.push(plain(dialect, &table, "owner", &owner));
        all.push(plain(dialect, &table, "targets", &names(&join.targets)));
    }
    all
}

fn called(dialect: &dyn Dialect, table: &str, ending: &str) -> String {
    dialect.name(&[table, ending].join(BETWEEN)).into_owned()
}

fn plain(dialect: &dyn Dialect, table: &str, ending: &str, columns: &[String]) -> (String, String) {
    let name = called(dialect, table, ending);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let sql = format!(
        "CREATE INDEX {} ON {} ({})",
        dialect.quote(&name),
        dialect.quote(table),
        dialect.names(&columns)
    );
    (name, sql)
}
