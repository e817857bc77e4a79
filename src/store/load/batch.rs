//! One transaction's writing: looks up, inserts, updates, deletes, and notes every change. Knows tables; no runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use crate::{
    catalog::EntityId,
    layout::{EntityTables, POSITION_COLUMN},
    store::{
        Inner,
        db::{
            dialect::{Numbered, scalar_of},
            failpoint,
            params::{Kind, Params},
            pool::{Line, Tx, get},
            postgres::connect,
            sqlite::journal,
        },
        error::{StoreError, failed},
        in_force,
        state::key_filter::Added,
        types::Refused,
    },
    value::{Row, Scalar, Value},
};

use super::{find::Found, key::KeyOf};

/// Room for a common key, so that noting it allocates once.
const KEY_BYTES: usize = 32;

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

/// Changes of one kind, by group, type and kind.
pub type Change = (u32, EntityId, Op);

/// What became of a row that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    New(i64),
    Changed(i64),
    Same(i64),
    /// Stored as it is to be, but for children that were refused when it was written; they have been tried again.
    Open(i64),
    /// Refused; the number is that of the older row that stays, if there is one.
    Refused(Option<i64>),
}

impl Fate {
    pub fn row(self) -> Option<i64> {
        match self {
            Fate::New(row) | Fate::Changed(row) | Fate::Same(row) | Fate::Open(row) => Some(row),
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
    pub tx: Tx,
    /// The era of its connection.
    pub era: u64,
    /// Keys of changed rows as JSON, in the order in which they will be numbered.
    pub changes: BTreeMap<Change, Vec<String>>,
    /// The group that is being written: what it changes comes after what those before it changed.
    pub step: u32,
    pub refused: Vec<Refused>,
    /// Rows with a child, or a child's child, that was refused.
    pub open: HashSet<(EntityId, i64)>,
    /// The next unused row number, per entity.
    pub next: HashMap<EntityId, i64>,
    /// The same as the database keeps them, of types that are locked.
    pub locked: HashMap<EntityId, i64>,
    /// The types of which rows were written, or may have been.
    pub wrote: HashSet<EntityId>,
    /// The only page of the run stands for so many rows, and none of them need be looked at.
    pub rests: Option<u64>,
    /// All keys that the table of a type has.
    pub added: Option<(EntityId, &'a Added)>,
    /// Hashes of those that this transaction has added to it.
    pub fresh: HashSet<u64>,
}

/// A transaction and its era: the same before and after, so that of the connection, too.
async fn begin(inner: &Inner, begin_with: Option<&'static str>) -> Result<(Tx, u64), StoreError> {
    let writer = inner.writer()?;
    journal::before_write(inner, writer).await;
    loop {
        inner.ground.usable()?;
        let era = inner.ground.era();
        let begun = match begin_with {
            Some(sql) => writer.begin_with(sql).await,
            None => writer.begin().await,
        };
        let tx = begun.map_err(failed)?;
        if inner.ground.era() == era {
            return Ok((tx, era));
        }
    }
}

impl<'a> Work<'a> {
    pub async fn begin(inner: &'a Inner) -> Result<Work<'a>, StoreError> {
        Self::within(inner, None).await
    }

    async fn within(inner: &'a Inner, begin_with: Option<&'static str>) -> Result<Work<'a>, StoreError> {
        let (tx, era) = begin(inner, begin_with).await?;
        Ok(Work {
            inner,
            tx,
            era,
            changes: BTreeMap::new(),
            step: 0,
            refused: Vec::new(),
            open: HashSet::new(),
            next: HashMap::new(),
            locked: HashMap::new(),
            wrote: HashSet::new(),
            rests: None,
            added: None,
            fresh: HashSet::new(),
        })
    }

    /// The same for what only a definition in force may do, and which stays in force until the end.
    pub async fn in_force(inner: &'a Inner) -> Result<Work<'a>, StoreError> {
        let mut work = Work::begin(inner).await?;
        in_force::hold(&mut work).await?;
        Ok(work)
    }

    /// The same for statements that find all rows by their keys.
    pub async fn in_force_load(inner: &'a Inner) -> Result<Work<'a>, StoreError> {
        let mut work = Self::within(inner, inner.dialect.begin_load()).await?;
        in_force::hold(&mut work).await?;
        Ok(work)
    }

    pub fn tables(&self, entity: EntityId) -> &'a EntityTables {
        self.inner.layout.entity(entity)
    }

    pub fn quote(&self, name: &str) -> String {
        self.inner.dialect.quote(name)
    }

    /// Parameters for a statement of this transaction.
    pub fn params(&self) -> Params {
        self.inner.params()
    }

    /// Rows of parameters as the table of a statement that has no others before them.
    pub fn rows(&self, kinds: &[Kind], count: usize) -> String {
        self.inner.dialect.rows(kinds, 1, count, Numbered::No)
    }

    /// Runs a statement; the number of rows that it changed.
    pub async fn run(&mut self, params: Params, sql: String) -> Result<u64, StoreError> {
        match self.tx.execute(params.query(sql)).await {
            Ok(count) => Ok(count),
            Err(error) => Err(self.give_up(error).await),
        }
    }

    pub async fn all(&mut self, params: Params, sql: String) -> Result<Vec<Line>, StoreError> {
        match self.tx.fetch_all(params.query(sql)).await {
            Ok(lines) => Ok(lines),
            Err(error) => Err(self.give_up(error).await),
        }
    }

    /// Names an error. A statement that was prepared before a column's type changed is prepared anew when the transaction
    /// begins again.
    async fn give_up(&mut self, error: sqlx::Error) -> StoreError {
        if connect::is_stale(&error) && self.tx.forget_statements().await.is_ok() {
            return StoreError::Conflict;
        }
        let error = failed(error);
        self.inner.writable.failed(&error);
        error
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        let done = self.tx.commit().await.map_err(failed);
        done.inspect_err(|error| self.inner.writable.failed(error))
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

    /// The kinds of the key's columns, position included.
    pub fn key_kinds(&self, entity: EntityId) -> Vec<Kind> {
        let tables = self.tables(entity);
        let columns = tables.table.key.iter().filter_map(|at| tables.table.columns.get(*at));
        let kinds = columns.map(|column| Kind::of(column.kind));
        kinds.chain(tables.positional.then_some(Kind::Int)).collect()
    }

    /// The key's columns as [`Work::read_key`] reads them.
    pub fn key_columns(&self, entity: EntityId) -> String {
        let columns: Vec<(&str, Kind)> = self.key_names(entity).into_iter().zip(self.key_kinds(entity)).collect();
        let table = self.quote(&self.tables(entity).table.name);
        self.inner.dialect.read_names(&table, &columns)
    }

    /// Reads a key of [`Work::key_columns`] from a result row, beginning at a column.
    pub fn read_key(&self, entity: EntityId, row: &Line, from: usize) -> Result<Vec<Value>, StoreError> {
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
    pub fn note<'v>(&mut self, entity: EntityId, op: Op, key: impl Iterator<Item = &'v Value>) {
        let json = key_json(self.tables(entity), key);
        self.changes.entry((self.step, entity, op)).or_default().push(json);
    }

    /// How many changes are noted so far.
    pub fn count_changes(&self) -> usize {
        self.changes.values().map(Vec::len).sum()
    }

    /// The types with changes so far.
    pub fn touched(&self) -> BTreeSet<EntityId> {
        self.changes.keys().map(|(_, entity, _)| *entity).collect()
    }

    /// The same with their numbers.
    pub fn counts(&self) -> Vec<(EntityId, u64)> {
        let changes = self.changes.iter();
        changes
            .map(|((_, entity, _), keys)| (*entity, keys.len() as u64))
            .collect()
    }

    /// Writes rows whose keys differ among themselves.
    pub async fn upsert(&mut self, entity: EntityId, items: &[Item<'_>]) -> Result<Vec<Fate>, StoreError> {
        self.fits(entity, items)?;
        let found = self.find(entity, items).await?;
        self.put(entity, items, found).await
    }

    /// Refuses rows that are of another layout.
    pub fn fits(&self, entity: EntityId, items: &[Item<'_>]) -> Result<(), StoreError> {
        let width = self.tables(entity).table.columns.len();
        match items.iter().all(|item| item.row.values.len() == width) {
            true => Ok(()),
            false => Err(StoreError::Refused(format!(
                "a row of {} needs {width} values",
                self.inner.catalog.entity(entity).name
            ))),
        }
    }

    /// The same for rows that were looked for already.
    pub fn put<'w>(
        &'w mut self,
        entity: EntityId,
        items: &'w [Item<'w>],
        found: Vec<Option<Found>>,
    ) -> BoxFuture<'w, Result<Vec<Fate>, StoreError>> {
        Box::pin(async move {
            if items.iter().any(|item| item.row.part.is_some()) {
                return crate::store::load::part::put(self, entity, items, found).await;
            }
            let mut fates = Vec::with_capacity(items.len());
            let mut next = self.next_row(entity).await?;
            for found in found {
                fates.push(match found {
                    Some(old) if old.open => Fate::Open(old.row),
                    Some(old) if old.same => Fate::Same(old.row),
                    Some(old) => Fate::Changed(old.row),
                    None => {
                        next += 1;
                        Fate::New(next - 1)
                    }
                });
            }
            self.next.insert(entity, next);
            if fates.iter().any(|fate| !matches!(fate, Fate::Same(_))) {
                self.wrote.insert(entity);
            }
            let (tables, hopes) = (self.tables(entity), fates.clone());
            // The database writes the rows meanwhile.
            let keys = async { log_keys(tables, items, &hopes) };
            let (written, mut keys) =
                tokio::join!(crate::store::load::write::rows(self, entity, items, &mut fates), keys);
            written?;
            failpoint::point("load::links");
            crate::store::load::links::links(self, entity, items, &fates).await?;
            failpoint::point("load::children");
            crate::store::load::links::children(self, entity, items, &mut fates).await?;
            for (at, (item, fate)) in items.iter().zip(&fates).enumerate() {
                let op = match fate {
                    Fate::New(_) => Op::New,
                    Fate::Changed(_) => Op::Changed,
                    Fate::Same(_) | Fate::Open(_) | Fate::Refused(_) => continue,
                };
                // An owner that was open is a changed one only now.
                let json = keys.get_mut(at).and_then(Option::take);
                let json = json.unwrap_or_else(|| log_key(tables, *item));
                self.changes.entry((self.step, entity, op)).or_default().push(json);
            }
            Ok(fates)
        })
    }

    /// Whether all that a row brings is stored: itself and all rows nested in it.
    pub fn is_whole(&self, entity: EntityId, fate: Fate) -> bool {
        match fate {
            Fate::Refused(_) => false,
            fate => fate.row().is_none_or(|row| !self.open.contains(&(entity, row))),
        }
    }

    /// The first row number that was never used.
    pub async fn next_row(&mut self, entity: EntityId) -> Result<i64, StoreError> {
        if let Some(next) = self.next.get(&entity) {
            return Ok(*next);
        }
        if !self.inner.dialect.exclusive() {
            return crate::store::system::row_numbers::lock(self, [entity].into())
                .await
                .map(|()| self.next.get(&entity).copied().unwrap_or(1));
        }
        // SQLite keeps the highest one for tables with AUTOINCREMENT.
        let mut params = self.params();
        params.add(self.tables(entity).table.name.clone())?;
        let sql = "SELECT seq FROM sqlite_sequence WHERE name=$1".to_owned();
        let rows = self.all(params, sql).await?;
        let last: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
        self.next.insert(entity, last + 1);
        Ok(last + 1)
    }
}

/// The keys of rows that are to be written, as the log has them.
fn log_keys(tables: &EntityTables, items: &[Item<'_>], fates: &[Fate]) -> Vec<Option<String>> {
    let is_written = |fate: &Fate| matches!(fate, Fate::New(_) | Fate::Changed(_));
    let pairs = items.iter().zip(fates);
    pairs
        .map(|(item, fate)| is_written(fate).then(|| log_key(tables, *item)))
        .collect()
}

fn log_key(tables: &EntityTables, item: Item<'_>) -> String {
    let position = tables.positional.then_some(Value::Int(item.position));
    key_json(tables, KeyOf::new(tables, item).values().chain(&position))
}

/// A key as a JSON array.
fn key_json<'v>(tables: &EntityTables, key: impl Iterator<Item = &'v Value>) -> String {
    let columns = tables.table.key.iter().filter_map(|at| tables.table.columns.get(*at));
    let kinds = columns.map(|column| scalar_of(column.kind)).chain([Scalar::Int]);
    let mut json = String::with_capacity(KEY_BYTES);
    json.push('[');
    for (at, (kind, value)) in kinds.zip(key).enumerate() {
        if at > 0 {
            json.push(',');
        }
        match kind.to_wire(value) {
            Json::String(text) if is_plain(&text) => json.extend(["\"", &text, "\""]),
            other => json.push_str(&other.to_string()),
        }
    }
    json.push(']');
    json
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

/// A column as the value that it was stored from.
pub fn read_value(row: &Line, at: usize, scalar: Scalar) -> Result<Value, StoreError> {
    Ok(match scalar {
        Scalar::Int | Scalar::BigInt | Scalar::Duration => get::<Option<i64>>(row, at)?.map_or(Value::Null, Value::Int),
        Scalar::Boolean => get::<Option<bool>>(row, at)?.map_or(Value::Null, Value::Bool),
        Scalar::Float => get::<Option<f64>>(row, at)?.map_or(Value::Null, Value::Float),
        _ => get::<Option<String>>(row, at)?.map_or(Value::Null, Value::Text),
    })
}
