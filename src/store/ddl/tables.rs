//! The statements that create the tables and indexes of a layout. Knows DDL; no rows.

use sea_orm::sea_query::{Alias, ColumnDef, Index, Table};

use crate::{
    layout::{
        self, Column, ColumnKind, EntityTables, HASH_COLUMN, IndexedList, JoinTable, POSITION_COLUMN, ROW_COLUMN,
    },
    store::db::dialect::{BETWEEN, Dialect},
    value::Scalar,
};

use super::items;

/// An index that a layout needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexPlan {
    pub name: String,
    /// Its name in older databases, where another index could have the same.
    pub former: String,
    pub table: String,
    pub columns: Vec<String>,
    pub unique: bool,
    /// It is of what an expression makes of the columns, of which there are no statistics without
    /// it.
    pub computed: bool,
    pub sql: String,
}

/// The indexes of one entity's tables.
pub(crate) fn indexes(dialect: &dyn Dialect, tables: &EntityTables) -> Vec<IndexPlan> {
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
    let mut indexes = vec![index(dialect, name, "key", key)];
    for set in &tables.table.unique {
        indexes.push(unique(dialect, &tables.table, set));
    }
    for set in &tables.table.indexes {
        indexes.push(index(dialect, name, "index", names(set)));
    }
    for list in &tables.table.lists {
        indexes.extend(list_index(dialect, &tables.table, *list));
    }
    for join in &tables.joins {
        let targets: Vec<String> = join.targets.iter().map(|column| column.name.clone()).collect();
        indexes.push(index(dialect, &join.name, "targets", targets));
    }
    indexes
}

/// The index that keeps a set of columns unique.
pub(crate) fn unique(dialect: &dyn Dialect, table: &layout::Table, set: &[usize]) -> IndexPlan {
    let columns = set.iter().filter_map(|at| table.columns.get(*at));
    let columns = columns.map(|column| column.name.clone()).collect();
    index(dialect, &table.name, "unique", columns)
}

/// The index of the items of a list: of the list itself, or of the table that has them.
fn list_index(dialect: &dyn Dialect, table: &layout::Table, list: IndexedList) -> Option<IndexPlan> {
    let column = &table.columns.get(list.column)?.name;
    if dialect.keeps_items() {
        let columns = [items::VALUE, ROW_COLUMN].map(str::to_owned).to_vec();
        return Some(index(
            dialect,
            &items::table_name(&table.name, column),
            "index",
            columns,
        ));
    }
    let plan = index(dialect, &table.name, "items", vec![column.clone()]);
    let sql = dialect.list_index(&plan.name, &table.name, column, list.items)?;
    Some(IndexPlan {
        sql,
        computed: true,
        ..plan
    })
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
pub(crate) fn table(dialect: &dyn Dialect, tables: &EntityTables, under: &str) -> String {
    let mut row = ColumnDef::new(Alias::new(ROW_COLUMN));
    row.custom(Alias::new(dialect.row_number_type(under)));
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

/// Creates a table of links, under this name. Keyed by owner and position, so that an owner's links
/// lie together in their order.
pub(crate) fn join_table(dialect: &dyn Dialect, join: &JoinTable, under: &str) -> String {
    let mut table = Table::create();
    table.table(name(dialect, under));
    let mut key = Index::create();
    if let Some(constraint) = dialect.key_constraint(under) {
        key.name(constraint);
    }
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

fn name(dialect: &dyn Dialect, name: &str) -> Alias {
    Alias::new(dialect.name(name))
}

fn whole_number(dialect: &dyn Dialect, name: &str) -> ColumnDef {
    let mut definition = ColumnDef::new(Alias::new(name));
    definition.custom(Alias::new(dialect.column_type(ColumnKind::Scalar(Scalar::BigInt))));
    definition.not_null().to_owned()
}

/// An index whose purpose ends its name: those of `key` and `unique` refuse repeated values.
fn index(dialect: &dyn Dialect, table: &str, purpose: &str, columns: Vec<String>) -> IndexPlan {
    let parts = [&[table.to_owned()], &*columns, &[purpose.to_owned()]].concat();
    let index_name = dialect.name(&parts.join(BETWEEN)).into_owned();
    let unique = matches!(purpose, "key" | "unique");
    let mut index = Index::create();
    index.name(&index_name).table(name(dialect, table));
    if unique {
        index.unique();
    }
    for column in &columns {
        index.col(name(dialect, column));
    }
    IndexPlan {
        former: dialect.name(&parts.join("_")).into_owned(),
        table: table.to_owned(),
        unique,
        computed: false,
        sql: dialect.backend().build(&index).sql,
        name: index_name,
        columns,
    }
}
