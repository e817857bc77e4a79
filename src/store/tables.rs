//! The statements that create the tables and indexes of a layout. Knows DDL; no rows.

use sea_orm::sea_query::{Alias, ColumnDef, Index, Table};

use crate::{
    layout::{self, Column, ColumnKind, EntityTables, HASH_COLUMN, JoinTable, POSITION_COLUMN, ROW_COLUMN},
    value::Scalar,
};

use super::dialect::Dialect;

/// An index that a layout needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPlan {
    pub name: String,
    pub table: String,
    pub columns: Vec<String>,
    /// It is what rows are told apart by.
    pub is_key: bool,
    pub sql: String,
}

/// The indexes of one entity's tables.
pub fn indexes(dialect: &dyn Dialect, tables: &EntityTables) -> Vec<IndexPlan> {
    let name = &tables.table.name;
    let names = |set: &[usize]| -> Vec<String> {
        set.iter()
            .filter_map(|at| tables.table.columns.get(*at))
            .map(|column| column.name.clone())
            .collect()
    };
    let mut key = names(&tables.table.key);
    if tables.positional {
        key.push(POSITION_COLUMN.to_owned());
    }
    let mut indexes = vec![index(dialect, name, KEY_SUFFIX, key, true)];
    for set in &tables.table.unique {
        indexes.push(index(dialect, name, UNIQUE_SUFFIX, names(set), true));
    }
    for set in &tables.table.indexes {
        indexes.push(index(dialect, name, "_index", names(set), false));
    }
    for join in &tables.joins {
        let targets: Vec<String> = join.targets.iter().map(|column| column.name.clone()).collect();
        indexes.push(index(dialect, &join.name, "_targets", targets, false));
    }
    indexes
}

fn define(dialect: &dyn Dialect, column: &Column) -> ColumnDef {
    let mut definition = ColumnDef::new(name(dialect, &column.name));
    definition.custom(Alias::new(dialect.column_type(column.kind)));
    if !column.nullable {
        definition.not_null();
    }
    definition
}

/// Creates an entity's table, under this name.
pub fn table(dialect: &dyn Dialect, tables: &EntityTables, under: &str) -> String {
    let mut row = ColumnDef::new(Alias::new(ROW_COLUMN));
    row.custom(Alias::new(dialect.row_number_type()));
    let mut table = Table::create();
    table.table(name(dialect, under)).col(row);
    for column in &tables.table.columns {
        table.col(define(dialect, column));
    }
    if tables.positioned {
        table.col(whole_number(dialect, POSITION_COLUMN));
    }
    table.col(whole_number(dialect, HASH_COLUMN));
    dialect.backend().build(&table).sql
}

/// Creates a table of links, under this name. Keyed by owner and position, so that an owner's links lie together in their order.
pub fn join_table(dialect: &dyn Dialect, join: &JoinTable, under: &str) -> String {
    let mut table = Table::create();
    table.table(name(dialect, under));
    let mut key = Index::create();
    for column in &join.owner {
        table.col(define(dialect, column));
        key.col(name(dialect, &column.name));
    }
    table.col(whole_number(dialect, POSITION_COLUMN));
    key.col(Alias::new(POSITION_COLUMN));
    for column in &join.targets {
        table.col(define(dialect, column));
    }
    table.primary_key(&mut key);
    if !dialect.join_table_end().is_empty() {
        table.extra(dialect.join_table_end());
    }
    dialect.backend().build(&table).sql
}

/// What the names of keys' indexes end with.
const KEY_SUFFIX: &str = "_key";
/// What the names of indexes of `@unique` fields end with.
const UNIQUE_SUFFIX: &str = "_unique";

fn name(dialect: &dyn Dialect, name: &str) -> Alias {
    Alias::new(dialect.name(name))
}

fn whole_number(dialect: &dyn Dialect, name: &str) -> ColumnDef {
    let mut definition = ColumnDef::new(Alias::new(name));
    definition.custom(Alias::new(dialect.column_type(ColumnKind::Scalar(Scalar::BigInt))));
    definition.not_null().to_owned()
}

fn index_name(dialect: &dyn Dialect, table: &str, columns: &[String], suffix: &str) -> String {
    dialect
        .name(&format!("{table}_{}{suffix}", columns.join("_")))
        .into_owned()
}

/// The name of the index that keeps a set of columns unique.
pub fn unique_index(dialect: &dyn Dialect, table: &layout::Table, set: &[usize]) -> String {
    let columns = set.iter().filter_map(|at| table.columns.get(*at));
    let columns: Vec<String> = columns.map(|column| column.name.clone()).collect();
    index_name(dialect, &table.name, &columns, UNIQUE_SUFFIX)
}

fn index(dialect: &dyn Dialect, table: &str, suffix: &str, columns: Vec<String>, unique: bool) -> IndexPlan {
    let index_name = index_name(dialect, table, &columns, suffix);
    let mut index = Index::create();
    index.name(&index_name).table(name(dialect, table));
    if unique {
        index.unique();
    }
    for column in &columns {
        index.col(name(dialect, column));
    }
    IndexPlan {
        table: table.to_owned(),
        is_key: suffix == KEY_SUFFIX,
        sql: dialect.backend().build(&index).sql,
        name: index_name,
        columns,
    }
}
