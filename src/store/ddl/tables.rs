//! The statements that create the tables and indexes of a layout. Knows DDL; no rows.

use sea_orm::sea_query::{Alias, ColumnDef, Index, Table};

use crate::{
    catalog::FieldId,
    layout::{
        self, Column, ColumnKind, EntityTables, HASH_COLUMN, IndexKind, JoinTable, POSITION_COLUMN, ROW_COLUMN,
        WORDS_COLUMN,
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
    pub kind: IndexKind,
    /// The field that it is for, as a person knows it: `Item.price`. None for that of a key.
    pub subject: Option<String>,
    /// It is of what an expression makes of the columns, of which there are no statistics without
    /// it.
    pub computed: bool,
    pub sql: String,
    /// The same with fewer columns, as earlier versions made it: it does until this one is there.
    pub shorter: Option<Box<IndexPlan>>,
}

impl IndexPlan {
    /// Whether it refuses repeated values. Any other one only makes answers quicker.
    pub(crate) fn is_unique(&self) -> bool {
        self.kind.is_unique()
    }

    /// Whether both would be made by the same statement, whatever they are for.
    pub(crate) fn is_same(&self, other: &IndexPlan) -> bool {
        self.sql == other.sql
    }

    /// The names under which it or what does until it is there can be.
    pub(crate) fn names(&self) -> Vec<&str> {
        let shorter = self
            .shorter
            .iter()
            .flat_map(|shorter| [&*shorter.name, &*shorter.former]);
        std::iter::once(&*self.name).chain(shorter).collect()
    }
}

/// The indexes of one entity's tables.
pub(crate) fn indexes(dialect: &dyn Dialect, tables: &EntityTables) -> Vec<IndexPlan> {
    let table = &tables.table;
    let mut key = names(table, &table.key);
    if tables.positional {
        key.push(POSITION_COLUMN.to_owned());
    }
    let subject = |field: Option<FieldId>| {
        let field = tables.fields.get(field?.index())?;
        Some(format!("{}.{field}", tables.name))
    };
    let mut plans = vec![index(dialect, &table.name, IndexKind::Key, key.clone())];
    for index in &table.indexes {
        let subject = match index.kind {
            IndexKind::Fields => Some(format!("{}({})", tables.name, tables.words_of(index))),
            _ => subject(table.field_of(index)),
        };
        let plan = plan(dialect, table, index, &key);
        plans.extend(plan.map(|plan| IndexPlan { subject, ..plan }));
    }
    for join in &tables.joins {
        let names = |columns: &[Column]| -> Vec<String> { columns.iter().map(|column| column.name.clone()).collect() };
        // So the owners are found without the rows of the table.
        let owners = match dialect.links_end_with_key() {
            true => Vec::new(),
            false => names(&join.owner),
        };
        plans.push(IndexPlan {
            subject: subject(Some(join.field)),
            ..longer(dialect, &join.name, IndexKind::Targets, names(&join.targets), &owners)
        });
    }
    plans
}

/// None where the database cannot index items of this kind.
fn plan(dialect: &dyn Dialect, table: &layout::Table, of: &layout::Index, key: &[String]) -> Option<IndexPlan> {
    let columns = names(table, &of.columns);
    match of.kind {
        IndexKind::List(items) => list_index(dialect, table, *of.columns.first()?, items),
        IndexKind::Fields => Some(of_fields(dialect, table, of, key)),
        IndexKind::Search => search_index(dialect, table),
        kind => Some(index(dialect, &table.name, kind, columns)),
    }
}

/// An index of these columns and then of others, which earlier versions left out.
fn longer(dialect: &dyn Dialect, table: &str, kind: IndexKind, columns: Vec<String>, others: &[String]) -> IndexPlan {
    let rest = others.iter().filter(|name| !columns.contains(name));
    let all: Vec<String> = columns.iter().chain(rest).cloned().collect();
    let shorter = (all.len() > columns.len()).then(|| Box::new(index(dialect, table, kind, columns)));
    IndexPlan {
        shorter,
        ..index(dialect, table, kind, all)
    }
}

/// An index of several fields and then of the key. Its name tells which come from their end, as the
/// database's list of indexes does not.
fn of_fields(dialect: &dyn Dialect, table: &layout::Table, of: &layout::Index, key: &[String]) -> IndexPlan {
    let (columns, descending) = (names(table, &of.columns), names(table, &of.descending));
    let rest = key.iter().filter(|name| !columns.contains(name));
    let columns: Vec<String> = columns.iter().chain(rest).cloned().collect();
    let called = columns.iter().map(|name| match descending.contains(name) {
        true => format!("{name}-"),
        false => name.clone(),
    });
    let called = called.collect();
    let plan = named(dialect, &table.name, of.kind, "fields", called);
    let ordered: Vec<String> = columns
        .iter()
        .map(|name| match descending.contains(name) {
            true => format!("{} DESC{}", dialect.quote(name), dialect.nulls_last()),
            false => dialect.quote(name),
        })
        .collect();
    IndexPlan {
        sql: format!(
            "CREATE INDEX {} ON {} ({})",
            dialect.quote(&plan.name),
            dialect.quote(&table.name),
            ordered.join(", ")
        ),
        columns,
        ..plan
    }
}

/// The index that keeps a set of columns unique.
pub(crate) fn unique(dialect: &dyn Dialect, table: &layout::Table, set: &[usize]) -> IndexPlan {
    index(dialect, &table.name, IndexKind::Unique, names(table, set))
}

fn names(table: &layout::Table, set: &[usize]) -> Vec<String> {
    let columns = set.iter().filter_map(|at| table.columns.get(*at));
    columns.map(|column| column.name.clone()).collect()
}

/// The index of the items of a list: of the list itself, or of the table that has them.
fn list_index(dialect: &dyn Dialect, table: &layout::Table, column: usize, of: ColumnKind) -> Option<IndexPlan> {
    let column = &table.columns.get(column)?.name;
    let kind = IndexKind::List(of);
    if dialect.keeps_items() {
        let columns = [items::VALUE, ROW_COLUMN].map(str::to_owned).to_vec();
        let table = items::table_name(&table.name, column);
        return Some(named(dialect, &table, kind, "index", columns));
    }
    let plan = named(dialect, &table.name, kind, "items", vec![column.clone()]);
    let sql = dialect.list_index(&plan.name, &table.name, column, of)?;
    Some(IndexPlan {
        sql,
        computed: true,
        ..plan
    })
}

/// The index of the words of rows; none where a table is that.
fn search_index(dialect: &dyn Dialect, table: &layout::Table) -> Option<IndexPlan> {
    let columns = vec![WORDS_COLUMN.to_owned()];
    let plan = named(dialect, &table.name, IndexKind::Search, "search", columns);
    let [index, of, words] = [plan.name.as_str(), table.name.as_str(), WORDS_COLUMN].map(|name| dialect.quote(name));
    Some(IndexPlan {
        sql: dialect.searches().index(&index, &of, &words)?,
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
    if let Some(begins) = begins(column) {
        definition.extra(format!("DEFAULT {begins}"));
    }
    definition
}

/// What a column holds that nobody has filled: a rollup of no rows.
pub(crate) fn begins(column: &Column) -> Option<&'static str> {
    match column.kind {
        _ if column.rollup.is_none() || column.nullable => None,
        ColumnKind::Scalar(Scalar::Boolean) => Some("FALSE"),
        _ => Some("0"),
    }
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
    if tables.table.is_searched() {
        let mut words = ColumnDef::new(Alias::new(WORDS_COLUMN));
        words.custom(Alias::new(words_type(dialect)));
        table.col(words);
    }
    dialect.backend().build(&table).sql
}

/// The type of the column of words.
pub(crate) fn words_type(dialect: &dyn Dialect) -> &'static str {
    dialect.column_type(ColumnKind::Scalar(Scalar::String))
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

fn index(dialect: &dyn Dialect, table: &str, kind: IndexKind, columns: Vec<String>) -> IndexPlan {
    let ending = match kind {
        IndexKind::Key => "key",
        IndexKind::Unique => "unique",
        IndexKind::Reference | IndexKind::Field => "index",
        IndexKind::Fields => "fields",
        IndexKind::List(_) => "items",
        IndexKind::Targets => "targets",
        IndexKind::Search => "search",
    };
    named(dialect, table, kind, ending, columns)
}

/// An index whose name ends with a word, by which those of the same columns are told apart.
fn named(dialect: &dyn Dialect, table: &str, kind: IndexKind, ending: &str, columns: Vec<String>) -> IndexPlan {
    let parts = [&[table.to_owned()], &*columns, &[ending.to_owned()]].concat();
    let index_name = dialect.name(&parts.join(BETWEEN)).into_owned();
    let mut index = Index::create();
    index.name(&index_name).table(name(dialect, table));
    if kind.is_unique() {
        index.unique();
    }
    for column in &columns {
        index.col(name(dialect, column));
    }
    IndexPlan {
        former: dialect.name(&parts.join("_")).into_owned(),
        table: table.to_owned(),
        kind,
        subject: None,
        computed: false,
        sql: dialect.backend().build(&index).sql,
        shorter: None,
        name: index_name,
        columns,
    }
}
