//! One transaction: statements in it, the keys of its rows, row numbers that it has taken. Knows a
//! layout's tables; no runs.

use std::collections::{HashMap, HashSet};

use crate::{
    catalog::EntityId,
    layout::{EntityTables, POSITION_COLUMN},
    value::{Scalar, Value},
};

use super::{
    context::Context,
    db::{
        dialect::{Numbered, scalar_of},
        params::{Kind, Params},
        pool::{ResultRow, Tx, get},
        sqlite::journal,
    },
    error::{self, StoreError, failed},
};

/// One transaction. Rolled back when dropped.
pub(crate) struct Transaction<'a> {
    pub context: &'a Context,
    pub driver: Tx,
    /// The generation of its connection.
    pub generation: u64,
    /// The next unused row number, per entity.
    pub next: HashMap<EntityId, i64>,
    /// The same as the database keeps them, of types that are locked.
    pub locked: HashMap<EntityId, i64>,
    /// The types of which rows were written, or may have been.
    pub wrote: HashSet<EntityId>,
}

/// A transaction and its generation: the same before and after, so that of the connection, too.
async fn begin(context: &Context, begin_with: Option<&'static str>) -> Result<(Tx, u64), StoreError> {
    let writer = context.writer()?;
    // Before the transaction, which takes the one connection that folds the journal.
    journal::before_write(&context.journal, writer).await;
    loop {
        // In each round: the one before may be what found out that no connection is let in any
        // more.
        context.guard.usable()?;
        let generation = context.guard.generation();
        let begun = match begin_with {
            Some(sql) => writer.begin_with(sql).await,
            None => writer.begin().await,
        };
        let tx = begun.map_err(failed)?;
        // Otherwise the connection may be of either place: it is dropped, and another one asked
        // for.
        if context.guard.generation() == generation {
            return Ok((tx, generation));
        }
    }
}

impl<'a> Transaction<'a> {
    /// Begins one that may write at once.
    pub(super) async fn begin(context: &'a Context) -> Result<Transaction<'a>, StoreError> {
        Self::within(context, None).await
    }

    /// The same by statements of the dialect's own.
    pub(super) async fn within(
        context: &'a Context,
        begin_with: Option<&'static str>,
    ) -> Result<Transaction<'a>, StoreError> {
        let (driver, generation) = begin(context, begin_with).await?;
        Ok(Transaction {
            context,
            driver,
            generation,
            next: HashMap::new(),
            locked: HashMap::new(),
            wrote: HashSet::new(),
        })
    }

    /// By how much it raises how often a type was written.
    pub(crate) fn adds_to_written(&self, entity: EntityId) -> i64 {
        i64::from(self.wrote.contains(&entity))
    }

    pub(super) fn tables(&self, entity: EntityId) -> &'a EntityTables {
        self.context.layout.entity(entity)
    }

    pub(super) fn quote(&self, name: &str) -> String {
        self.context.dialect.quote(name)
    }

    /// Parameters for a statement of this transaction.
    pub(super) fn params(&self) -> Params {
        self.context.params()
    }

    /// Rows of parameters as the table of a statement that has no others before them.
    pub(super) fn rows(&self, kinds: &[Kind], count: usize) -> String {
        self.context.dialect.rows(kinds, 1, count, Numbered::No)
    }

    /// Runs a statement; the number of rows that it changed.
    pub(super) async fn run(&mut self, params: Params, sql: String) -> Result<u64, StoreError> {
        match self.driver.execute(params.query(sql)).await {
            Ok(count) => Ok(count),
            Err(error) => Err(self.give_up(error).await),
        }
    }

    /// Runs a statement without parameters.
    pub(super) async fn plain(&mut self, sql: &str) -> Result<u64, StoreError> {
        self.run(self.params(), sql.to_owned()).await
    }

    pub(super) async fn all(&mut self, params: Params, sql: String) -> Result<Vec<ResultRow>, StoreError> {
        match self.driver.fetch_all(params.query(sql)).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.give_up(error).await),
        }
    }

    /// Names an error. A statement that was prepared before a column's type changed is prepared
    /// anew when the transaction begins again.
    pub(crate) async fn give_up(&mut self, error: sqlx::Error) -> StoreError {
        // The error would come with each further try on this connection, which keeps the statement.
        if error::is_stale(&error) && self.driver.forget_statements().await.is_ok() {
            return StoreError::Conflict;
        }
        let error = failed(error);
        // Health asks for this: a full disk looks well to whoever only reads.
        self.context.writable.failed(&error);
        error
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        // A full disk may show itself only here.
        let done = self.driver.commit().await.map_err(failed);
        done.inspect_err(|error| self.context.writable.failed(error))
    }

    /// The names of the key's columns, position included.
    pub(super) fn key_names(&self, entity: EntityId) -> Vec<&'a str> {
        let tables = self.tables(entity);
        let names = tables
            .table
            .key
            .iter()
            .filter_map(|at| tables.table.columns.get(*at))
            .map(|column| column.name.as_str());
        // Rows without a key of their own are told apart by where they stand in their list.
        names.chain(tables.positional.then_some(POSITION_COLUMN)).collect()
    }

    /// The kinds of the key's columns, position included.
    pub(super) fn key_kinds(&self, entity: EntityId) -> Vec<Kind> {
        let tables = self.tables(entity);
        let columns = tables.table.key.iter().filter_map(|at| tables.table.columns.get(*at));
        let kinds = columns.map(|column| Kind::of(column.kind));
        kinds.chain(tables.positional.then_some(Kind::Int)).collect()
    }

    /// The key's columns as [`Transaction::read_key`] reads them.
    pub(super) fn key_columns(&self, entity: EntityId) -> String {
        let columns: Vec<(&str, Kind)> = self.key_names(entity).into_iter().zip(self.key_kinds(entity)).collect();
        let table = self.quote(&self.tables(entity).table.name);
        self.context.dialect.read_names(&table, &columns)
    }

    /// Reads a key of [`Transaction::key_columns`] from a result row, beginning at a column.
    pub(super) fn read_key(&self, entity: EntityId, row: &ResultRow, from: usize) -> Result<Vec<Value>, StoreError> {
        let tables = self.tables(entity);
        let columns = tables.table.key.iter().filter_map(|at| tables.table.columns.get(*at));
        let mut key = Vec::new();
        for column in columns {
            key.push(read_value(row, from + key.len(), scalar_of(column.kind))?);
        }
        if tables.positional {
            key.push(Value::Int(get(row, from + key.len())?));
        }
        Ok(key)
    }
}

/// A column as the value that it was stored from.
pub(crate) fn read_value(row: &ResultRow, at: usize, scalar: Scalar) -> Result<Value, StoreError> {
    Ok(match scalar {
        Scalar::Int | Scalar::BigInt | Scalar::Duration => get::<Option<i64>>(row, at)?.map_or(Value::Null, Value::Int),
        Scalar::Boolean => get::<Option<bool>>(row, at)?.map_or(Value::Null, Value::Bool),
        Scalar::Float => get::<Option<f64>>(row, at)?.map_or(Value::Null, Value::Float),
        _ => get::<Option<String>>(row, at)?.map_or(Value::Null, Value::Text),
    })
}
