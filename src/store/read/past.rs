//! Rows as they were at a moment, and the versions of one row. Knows where versions are kept; how
//! rows are read is the same as of the present ones.
//!
//! A root of the past is compiled like any other, over tables of the statement's own that hold the
//! rows of that moment, in the place of those of the database.

use std::cell::RefCell;

use crate::{
    catalog::{EntityId, FieldId},
    layout::{
        BEGIN_COLUMN, ColumnKind, EntityTables, FROM_COLUMN, GONE_COLUMN, POSITION_COLUMN, ROW_COLUMN, UNTIL_COLUMN,
        history_name, past_name,
    },
    query::{Operand, VersionValue, Versions},
    store::{
        error::StoreError,
        system::histories::{self, Begin},
    },
    value::Scalar,
};

use super::{compiler::Compiler, output::Pieces, statement::BindForm};

const MOMENT: ColumnKind = ColumnKind::Scalar(Scalar::DateTime);

impl<'a> Compiler<'a> {
    /// The tables of a type as they are read now: of a moment, or of the present.
    pub(crate) fn laid(&self, id: EntityId) -> &'a EntityTables {
        let tables = self.layout.entity(id);
        match (&self.past, &tables.past) {
            (Some(read), Some(past)) => {
                read.borrow_mut().insert(id);
                past
            }
            _ => tables,
        }
    }

    /// The rows of a root at a moment, a row for the type whose past is not kept that long, if
    /// there is one among those that it reads, and the moment's parameter.
    pub(crate) fn as_of(
        &mut self,
        moment: &Operand,
        rows: impl FnOnce(&mut Compiler<'a>) -> Result<String, StoreError>,
    ) -> Result<(String, String, String), StoreError> {
        self.past = Some(RefCell::default());
        let rows = rows(self);
        let read = self.past.take().map(RefCell::into_inner).unwrap_or_default();
        let (rows, moment) = (rows?, self.bind(moment, BindForm::Column(MOMENT)));
        let tables = read.iter().flat_map(|entity| self.tables_at(*entity, &moment));
        let tables: Vec<String> = tables.collect();
        let rows = match tables.is_empty() {
            true => rows,
            false => format!("WITH {} SELECT json FROM ({rows}) AS p", tables.join(",")),
        };
        let names = read
            .iter()
            .map(|entity| self.dialect.literal(&self.entity(*entity).name));
        let names: Vec<String> = names.collect();
        let name = self.dialect.quote("type");
        let began = format!(
            "SELECT {name}||' '||began AS json FROM {} WHERE {name} IN ({}) AND began>{moment} ORDER BY began DESC,{name} LIMIT 1",
            histories::TABLE,
            names.join(",")
        );
        Ok((rows, began, moment))
    }

    /// The rows of a type at a moment, and the links of each of its lists.
    fn tables_at(&self, entity: EntityId, moment: &str) -> Vec<String> {
        let tables = self.layout.entity(entity);
        let mut columns = vec![ROW_COLUMN];
        columns.extend(tables.kept_columns().map(|column| column.name.as_str()));
        columns.extend(tables.positioned.then_some(POSITION_COLUMN));
        let mut all = vec![self.table_at(&tables.table.name, &columns, moment)];
        for join in &tables.joins {
            let columns = join.owner.iter().chain(&join.targets);
            let mut columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
            columns.push(POSITION_COLUMN);
            all.push(self.table_at(&join.name, &columns, moment));
        }
        all
    }

    /// Put in where it is named, and not made: so its indexes are used.
    fn table_at(&self, table: &str, columns: &[&str], moment: &str) -> String {
        let [past, versions, from, until] =
            [&*past_name(table), &*history_name(table), FROM_COLUMN, UNTIL_COLUMN].map(|name| self.dialect.quote(name));
        format!(
            "{past} AS NOT MATERIALIZED (SELECT {} FROM {versions} WHERE {from}<={moment} AND ({until} IS NULL OR {until}>{moment}))",
            self.dialect.names(columns)
        )
    }

    /// The versions of a row, the newest one first.
    pub(crate) fn versions(&mut self, versions: &Versions) -> Result<String, StoreError> {
        let select = &versions.select;
        let entity = select.entity;
        let tables = self.layout.entity(entity);
        self.types.borrow_mut().insert(entity);
        let alias = self.alias();
        let mut pieces = Pieces::new();
        for member in &versions.output {
            pieces.key(&member.key);
            let sql = match &member.value {
                VersionValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                VersionValue::From => self.dialect.wire(&self.name(&alias, FROM_COLUMN), MOMENT, false),
                VersionValue::Until => self.dialect.wire(&self.name(&alias, UNTIL_COLUMN), MOMENT, true),
                VersionValue::Begin => self.begin(&alias),
                VersionValue::Deleted => {
                    let gone = self.name(&alias, GONE_COLUMN);
                    format!("CASE WHEN {gone}=1 THEN 'true' ELSE 'false' END")
                }
                VersionValue::Changed => self.changed(entity, tables, &alias),
                VersionValue::Row(outputs) => self.object(entity, &alias, outputs, None)?,
            };
            pieces.expression(self, sql);
        }
        let object = pieces.finish(self);
        let condition = match &select.filter {
            Some(filter) => self.filter(entity, &alias, filter)?,
            None => return Err(StoreError::Internal("versions of no row".to_owned())),
        };
        Ok(format!(
            "SELECT {object} AS json FROM {} AS {alias} WHERE {condition} ORDER BY {} DESC{}",
            self.dialect.quote(&history_name(&tables.table.name)),
            self.name(&alias, FROM_COLUMN),
            self.limit(select)
        ))
    }

    fn begin(&self, alias: &str) -> String {
        let column = self.name(alias, BEGIN_COLUMN);
        let names = Begin::ALL.map(|begin| format!("WHEN {} THEN '\"{}\"'", begin.number(), begin.name()));
        format!("CASE {column} {} END", names.join(" "))
    }

    /// The names of the fields that differ between a version and the one that it ended. Nobody is
    /// told of a private field.
    fn changed(&mut self, entity: EntityId, tables: &EntityTables, alias: &str) -> String {
        let (before, of) = (self.alias(), self.entity(entity));
        let key: Vec<&str> = tables
            .table
            .key
            .iter()
            .filter_map(|at| Some(&*tables.table.columns.get(*at)?.name))
            .collect();
        let own = |compiler: &Self, other: &str, theirs: &[&str]| -> Vec<String> {
            let pairs = theirs.iter().zip(&key);
            let pair = |(theirs, own): (&&str, &&str)| {
                format!("{}={}", compiler.name(other, theirs), compiler.name(alias, own))
            };
            pairs.map(pair).collect()
        };
        let fields: Vec<FieldId> = of
            .field_ids()
            .filter(|id| of.field(*id).served && !of.key.contains(id))
            .collect();
        let mut names = Vec::new();
        for id in fields {
            let columns = tables.kept_columns().filter(|column| column.field == id);
            let mut tests: Vec<String> = columns
                .map(|column| {
                    format!(
                        "{} IS DISTINCT FROM {}",
                        self.name(alias, &column.name),
                        self.name(&before, &column.name)
                    )
                })
                .collect();
            let join = tables.joins.iter().find(|join| join.field == id);
            let nested = tables.nested.iter().find(|nested| nested.field == id);
            let beside = match (join, nested) {
                (Some(join), _) => {
                    let owner = join.owner.iter().map(|column| column.name.as_str()).collect();
                    Some((join.name.clone(), owner))
                }
                (None, Some(nested)) => {
                    let child = self.layout.entity(nested.child);
                    let owner = child.table.key.iter().take(key.len());
                    let owner: Vec<&str> = owner
                        .filter_map(|at| Some(&*child.table.columns.get(*at)?.name))
                        .collect();
                    Some((child.table.name.clone(), owner))
                }
                (None, None) => None,
            };
            if let Some((table, owner)) = beside {
                let other = self.alias();
                let mut conditions = own(self, &other, &owner);
                let from = self.name(alias, FROM_COLUMN);
                conditions.push(format!(
                    "({}={from} OR {}={from})",
                    self.name(&other, FROM_COLUMN),
                    self.name(&other, UNTIL_COLUMN)
                ));
                tests.push(format!(
                    "EXISTS (SELECT 1 FROM {} AS {other} WHERE {})",
                    self.dialect.quote(&history_name(&table)),
                    conditions.join(" AND ")
                ));
            }
            if !tests.is_empty() {
                let name = self.dialect.literal(&format!(",\"{}\"", of.field(id).name));
                names.push(format!("CASE WHEN {} THEN {name} ELSE '' END", tests.join(" OR ")));
            }
        }
        if names.is_empty() {
            return self.dialect.literal("[]");
        }
        let mut conditions = own(self, &before, &key);
        conditions.push(format!(
            "{}={}",
            self.name(&before, UNTIL_COLUMN),
            self.name(alias, FROM_COLUMN)
        ));
        format!(
            "coalesce((SELECT '['||substr({},2)||']' FROM {} AS {before} WHERE {} LIMIT 1),'[]')",
            self.dialect.concat(&names),
            self.dialect.quote(&history_name(&tables.table.name)),
            conditions.join(" AND ")
        )
    }
}
