//! One transaction's writing: looks up, inserts, updates, deletes, and notes every change. Knows tables; no runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::BoxFuture;
use sqlx::{Sqlite, Transaction, sqlite::SqliteRow};

use crate::{
    catalog::EntityId,
    layout::{EntityTables, HASH_COLUMN, POSITION_COLUMN, ROW_COLUMN},
    store::{
        Inner,
        bind::{Params, get},
        dialect::{Dialect, scalar_of},
        failed,
        types::{Refused, StoreError},
    },
    value::{Key, Row, Value},
};

use super::batch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    New,
    Changed,
    Gone,
}

impl Op {
    pub fn name(self) -> &'static str {
        match self {
            Op::New => "new",
            Op::Changed => "changed",
            Op::Gone => "gone",
        }
    }
}

/// What became of a row that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    New(i64),
    Changed(i64),
    Same(i64),
    /// Refused; the number is that of the older row that stays, if there is one.
    Refused(Option<i64>),
}

impl Fate {
    pub fn row(self) -> Option<i64> {
        match self {
            Fate::New(row) | Fate::Changed(row) | Fate::Same(row) => Some(row),
            Fate::Refused(row) => row,
        }
    }
}

/// A row with its place in its owner's list (0 for rows without an owner).
#[derive(Clone, Copy)]
pub struct Item<'a> {
    pub row: &'a Row,
    pub position: i64,
}

/// Writing inside one transaction.
pub struct Work<'a> {
    pub inner: &'a Inner,
    pub tx: Transaction<'static, Sqlite>,
    /// Keys of changed rows as JSON, in the order in which they will be numbered.
    pub changes: BTreeMap<(EntityId, Op), Vec<String>>,
    pub refused: Vec<Refused>,
    /// The next unused row number, per entity.
    next: HashMap<EntityId, i64>,
}

/// A stored row as the lookup finds it.
struct Found {
    row: i64,
    hash: i64,
    position: i64,
}

impl<'a> Work<'a> {
    pub async fn begin(inner: &'a Inner) -> Result<Work<'a>, StoreError> {
        let tx = inner.writer()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        Ok(Work {
            inner,
            tx,
            changes: BTreeMap::new(),
            refused: Vec::new(),
            next: HashMap::new(),
        })
    }

    pub fn tables(&self, entity: EntityId) -> &'a EntityTables {
        self.inner.layout.entity(entity)
    }

    pub fn quote(&self, name: &str) -> String {
        self.inner.dialect.quote(name)
    }

    pub async fn run(&mut self, params: Params, sql: String) -> Result<u64, StoreError> {
        let done = params.query(sql).execute(&mut *self.tx).await.map_err(failed)?;
        Ok(done.rows_affected())
    }

    pub async fn all(&mut self, params: Params, sql: String) -> Result<Vec<SqliteRow>, StoreError> {
        params.query(sql).fetch_all(&mut *self.tx).await.map_err(failed)
    }

    /// The key of a row, position included where it belongs to the key.
    pub fn key_of(&self, entity: EntityId, item: Item<'_>) -> Vec<Value> {
        let tables = self.tables(entity);
        let values = tables
            .table
            .key
            .iter()
            .filter_map(|at| item.row.values.get(*at))
            .cloned();
        values
            .chain(tables.positional.then_some(Value::Int(item.position)))
            .collect()
    }

    /// The names of the key's columns, position included.
    pub fn key_names(&self, entity: EntityId) -> Vec<&'a str> {
        let tables = self.tables(entity);
        let names = tables
            .table
            .key
            .iter()
            .filter_map(|at| tables.table.columns.get(*at))
            .map(|column| column.name.as_str());
        names.chain(tables.positional.then_some(POSITION_COLUMN)).collect()
    }

    /// Reads a key from a result row, beginning at a column.
    pub fn read_key(&self, entity: EntityId, row: &SqliteRow, from: usize) -> Result<Vec<Value>, StoreError> {
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

    /// Notes a change for the log.
    pub fn note(&mut self, entity: EntityId, op: Op, key: &[Value]) {
        let tables = self.tables(entity);
        let kinds = tables
            .table
            .key
            .iter()
            .filter_map(|at| tables.table.columns.get(*at))
            .map(|column| scalar_of(column.kind));
        let kinds = kinds.chain(tables.positional.then_some(crate::value::Scalar::Int));
        let json: Vec<serde_json::Value> = kinds.zip(key).map(|(kind, value)| kind.to_wire(value)).collect();
        self.changes
            .entry((entity, op))
            .or_default()
            .push(serde_json::Value::Array(json).to_string());
    }

    /// The types with changes so far.
    pub fn touched(&self) -> BTreeSet<EntityId> {
        self.changes.keys().map(|(entity, _)| *entity).collect()
    }

    /// Writes rows whose keys differ among themselves. `fresh`: none of them can be stored already.
    pub fn upsert<'w>(
        &'w mut self,
        entity: EntityId,
        items: &'w [Item<'w>],
        fresh: bool,
    ) -> BoxFuture<'w, Result<Vec<Fate>, StoreError>> {
        Box::pin(async move {
            let width = self.tables(entity).table.columns.len();
            if items.iter().any(|item| item.row.values.len() != width) {
                let text = format!(
                    "a row of {} needs {width} values",
                    self.inner.catalog.entity(entity).name
                );
                return Err(StoreError::Refused(text));
            }
            let found = if fresh {
                HashMap::new()
            } else {
                self.find(entity, items).await?
            };
            let mut fates = Vec::with_capacity(items.len());
            let mut next = self.next_row(entity).await?;
            for (at, item) in items.iter().enumerate() {
                fates.push(match found.get(&at) {
                    Some(old) if old.hash == item.row.hash && old.position == item.position => Fate::Same(old.row),
                    Some(old) => Fate::Changed(old.row),
                    None => {
                        next += 1;
                        Fate::New(next - 1)
                    }
                });
            }
            self.next.insert(entity, next);
            super::write::rows(self, entity, items, &mut fates).await?;
            for (item, fate) in items.iter().zip(&fates) {
                let op = match fate {
                    Fate::New(_) => Op::New,
                    Fate::Changed(_) => Op::Changed,
                    Fate::Same(_) | Fate::Refused(_) => continue,
                };
                let key = self.key_of(entity, *item);
                self.note(entity, op, &key);
            }
            super::write::links(self, entity, items, &fates).await?;
            super::write::children(self, entity, items, &fates).await?;
            Ok(fates)
        })
    }

    /// The stored rows with the keys of these, by their place in `items`.
    async fn find(&mut self, entity: EntityId, items: &[Item<'_>]) -> Result<HashMap<usize, Found>, StoreError> {
        let names = self.key_names(entity);
        let table = self.quote(&self.tables(entity).table.name);
        let position = if self.tables(entity).positioned {
            self.quote(POSITION_COLUMN)
        } else {
            "0".to_owned()
        };
        let wanted: Vec<String> = (0..names.len()).map(|at| format!("k{at}")).collect();
        let conditions: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| format!("t.{}=wanted.k{at}", self.quote(name)))
            .collect();
        let (row, hash) = (self.quote(ROW_COLUMN), self.quote(HASH_COLUMN));
        let mut found = HashMap::with_capacity(items.len());
        let mut from = 0;
        for size in batch::sizes(items.len(), names.len(), &self.inner.dialect) {
            let sql = format!(
                "WITH wanted(n,{}) AS (VALUES {}) SELECT wanted.n,t.{row},t.{hash},{position} FROM wanted CROSS JOIN {table} AS t ON {}",
                wanted.join(","),
                batch::values(size, names.len(), true),
                conditions.join(" AND ")
            );
            let mut params = Params::with_capacity(size * names.len());
            for item in items.iter().skip(from).take(size) {
                for value in self.key_of(entity, *item) {
                    params.owned(value)?;
                }
            }
            for line in self.all(params, sql).await? {
                let place: i64 = get(&line, 0)?;
                let old = Found {
                    row: get(&line, 1)?,
                    hash: get(&line, 2)?,
                    position: get(&line, 3)?,
                };
                found.insert(from + usize::try_from(place).unwrap_or_default(), old);
            }
            from += size;
        }
        Ok(found)
    }

    /// The first row number that was never used. SQLite keeps the highest one for tables with AUTOINCREMENT.
    async fn next_row(&mut self, entity: EntityId) -> Result<i64, StoreError> {
        if let Some(next) = self.next.get(&entity) {
            return Ok(*next);
        }
        let mut params = Params::default();
        params.add(self.tables(entity).table.name.clone())?;
        let rows = self
            .all(params, "SELECT seq FROM sqlite_sequence WHERE name=?".to_owned())
            .await?;
        let last: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
        Ok(last + 1)
    }
}

/// Items whose keys differ, the last of equal ones kept, and how many were dropped.
pub fn distinct<'r>(work: &Work<'_>, entity: EntityId, items: Vec<Item<'r>>) -> (Vec<Item<'r>>, u64) {
    let mut places: HashMap<Key, usize> = HashMap::with_capacity(items.len());
    let mut out: Vec<Item<'r>> = Vec::with_capacity(items.len());
    let mut repeated = 0;
    for item in items {
        match places.entry(Key(work.key_of(entity, item))) {
            std::collections::hash_map::Entry::Occupied(place) => {
                repeated += 1;
                if let Some(older) = out.get_mut(*place.get()) {
                    *older = item;
                }
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(out.len());
                out.push(item);
            }
        }
    }
    (out, repeated)
}

/// A column as the value that it was stored from.
pub fn read_value(row: &SqliteRow, at: usize, scalar: crate::value::Scalar) -> Result<Value, StoreError> {
    use crate::value::Scalar;
    Ok(match scalar {
        Scalar::Int | Scalar::BigInt | Scalar::Duration => get::<Option<i64>>(row, at)?.map_or(Value::Null, Value::Int),
        Scalar::Boolean => get::<Option<i64>>(row, at)?.map_or(Value::Null, |value| Value::Bool(value != 0)),
        Scalar::Float => get::<Option<f64>>(row, at)?.map_or(Value::Null, Value::Float),
        _ => get::<Option<String>>(row, at)?.map_or(Value::Null, Value::Text),
    })
}
