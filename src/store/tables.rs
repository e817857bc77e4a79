//! Creates the tables of a layout and says in words how two layouts differ. Knows DDL; no rows.

use std::collections::BTreeMap;

use sea_orm::sea_query::{
    Alias, ColumnDef, Index, IndexCreateStatement, SqliteQueryBuilder, Table, TableCreateStatement,
};

use crate::layout::{Column, EntityTables, HASH_COLUMN, JoinTable, Layout, POSITION_COLUMN, ROW_COLUMN};

use super::dialect::Dialect;

/// Differences that an error lists before it only counts.
const LISTED_MAX: usize = 8;

/// The statements that create one entity's tables and indexes.
pub fn create(dialect: &dyn Dialect, tables: &EntityTables) -> Vec<String> {
    let mut statements = vec![table(dialect, tables).to_string(SqliteQueryBuilder)];
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
    let mut indexes = vec![index(name, "_key", &key, true)];
    for set in &tables.table.unique {
        indexes.push(index(name, "_unique", &names(set), true));
    }
    for set in &tables.table.indexes {
        indexes.push(index(name, "_index", &names(set), false));
    }
    for join in &tables.joins {
        statements.push(join_table(dialect, join).to_string(SqliteQueryBuilder));
        let targets: Vec<String> = join.targets.iter().map(|column| column.name.clone()).collect();
        indexes.push(index(&join.name, "_targets", &targets, false));
    }
    statements.extend(indexes.iter().map(|index| index.to_string(SqliteQueryBuilder)));
    statements
}

fn define(dialect: &dyn Dialect, column: &Column) -> ColumnDef {
    let mut definition = ColumnDef::new(Alias::new(&column.name));
    definition.custom(Alias::new(dialect.column_type(column.kind)));
    if !column.nullable {
        definition.not_null();
    }
    definition
}

fn table(dialect: &dyn Dialect, tables: &EntityTables) -> TableCreateStatement {
    let mut row = ColumnDef::new(Alias::new(ROW_COLUMN));
    row.integer().not_null().primary_key().auto_increment();
    let mut table = Table::create();
    table.table(Alias::new(&tables.table.name)).col(row);
    for column in &tables.table.columns {
        table.col(define(dialect, column));
    }
    if tables.positioned {
        table.col(ColumnDef::new(Alias::new(POSITION_COLUMN)).integer().not_null());
    }
    table.col(ColumnDef::new(Alias::new(HASH_COLUMN)).integer().not_null());
    table.to_owned()
}

/// Keyed by owner and position, so that an owner's links lie together in their order.
fn join_table(dialect: &dyn Dialect, join: &JoinTable) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(&join.name));
    let mut key = Index::create();
    for column in &join.owner {
        table.col(define(dialect, column));
        key.col(Alias::new(&column.name));
    }
    table.col(ColumnDef::new(Alias::new(POSITION_COLUMN)).integer().not_null());
    key.col(Alias::new(POSITION_COLUMN));
    for column in &join.targets {
        table.col(define(dialect, column));
    }
    table.primary_key(&mut key).extra("WITHOUT ROWID");
    table.to_owned()
}

fn index(table: &str, suffix: &str, columns: &[String], unique: bool) -> IndexCreateStatement {
    let mut index = Index::create();
    index
        .name(format!("{table}_{}{suffix}", columns.join("_")))
        .table(Alias::new(table));
    if unique {
        index.unique();
    }
    for column in columns {
        index.col(Alias::new(column));
    }
    index
}

/// What one layout says about each table, in words; positions of fields do not matter.
fn described(layout: &Layout) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut tables = BTreeMap::new();
    for entity in &layout.entities {
        let names = |set: &[usize]| -> String {
            let names = set
                .iter()
                .filter_map(|at| entity.table.columns.get(*at))
                .map(|column| column.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let mut facts: BTreeMap<String, String> = columns(&entity.table.columns);
        facts.insert("the key".to_owned(), names(&entity.table.key));
        if entity.positioned {
            facts.insert("its place in an owner".to_owned(), entity.positional.to_string());
        }
        for set in &entity.table.unique {
            facts.insert(format!("the unique values of {}", names(set)), String::new());
        }
        for set in &entity.table.indexes {
            facts.insert(format!("the index on {}", names(set)), String::new());
        }
        for join in &entity.joins {
            let mut link = columns(&join.owner);
            link.extend(columns(&join.targets));
            facts.insert(format!("the links {}", join.name), format!("{link:?}"));
        }
        tables.insert(entity.table.name.clone(), facts);
    }
    tables
}

fn columns(columns: &[Column]) -> BTreeMap<String, String> {
    let fact = |column: &Column| {
        let null = if column.nullable { "" } else { "!" };
        (
            format!("the column {}", column.name),
            format!("{:?}{null}", column.kind),
        )
    };
    columns.iter().map(fact).collect()
}

/// The differences in words; types that are only in `new` are none, they are created.
pub fn differences(stored: &Layout, new: &Layout) -> Vec<String> {
    let (stored, new) = (described(stored), described(new));
    let mut found = Vec::new();
    for (table, old) in &stored {
        let Some(facts) = new.get(table) else {
            found.push(format!("{table} is gone"));
            continue;
        };
        for (fact, meaning) in old {
            match facts.get(fact) {
                None => found.push(format!("{table}: {fact} is gone")),
                Some(now) if now != meaning => found.push(format!("{table}: {fact} was {meaning}, is {now}")),
                Some(_) => {}
            }
        }
        let added = facts.keys().filter(|fact| !old.contains_key(*fact));
        found.extend(added.map(|fact| format!("{table}: {fact} is new")));
    }
    found
}

/// The error's text about differences.
pub fn explain(differences: &[String]) -> String {
    let mut listed: Vec<&str> = differences.iter().take(LISTED_MAX).map(String::as_str).collect();
    let more = format!("and {} more", differences.len().saturating_sub(LISTED_MAX));
    if differences.len() > LISTED_MAX {
        listed.push(&more);
    }
    format!(
        "the database was made for another definition ({}); give a new file with --database, and harvest again",
        listed.join("; ")
    )
}
