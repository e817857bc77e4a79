//! One transaction's writing: looks up, inserts, updates, deletes, and notes every change. Knows tables; no runs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    hash::{Hash, Hasher},
};

use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use crate::{
    catalog::EntityId,
    layout::{EntityTables, HASH_COLUMN, POSITION_COLUMN, ROW_COLUMN},
    store::{
        Inner,
        bind::{Kind, Line, Params, get},
        connect, crash,
        dialect::{Numbered, scalar_of},
        driver::Tx,
        failed,
        rows::Rows,
        types::{Refused, StoreError},
    },
    value::{Key, Row, Scalar, Value},
};

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
    pub tx: Tx,
    /// Keys of changed rows as JSON, in the order in which they will be numbered.
    pub changes: BTreeMap<(EntityId, Op), Vec<String>>,
    pub refused: Vec<Refused>,
    /// The next unused row number, per entity.
    pub next: HashMap<EntityId, i64>,
    /// The same as the database keeps them, of types that are locked.
    pub locked: HashMap<EntityId, i64>,
}

/// A stored row as the lookup finds it.
#[derive(Clone, Copy)]
struct Found {
    row: i64,
    /// Hash and position are those of the item.
    same: bool,
}

/// The key of an item, compared where it lies.
struct KeyOf<'r> {
    row: &'r Row,
    columns: &'r [usize],
    position: Option<i64>,
}

impl<'r> KeyOf<'r> {
    fn new(tables: &'r EntityTables, item: Item<'r>) -> KeyOf<'r> {
        KeyOf {
            row: item.row,
            columns: &tables.table.key,
            position: tables.positional.then_some(item.position),
        }
    }

    fn values(&self) -> impl Iterator<Item = &'r Value> {
        let row = self.row;
        self.columns.iter().filter_map(|at| row.values.get(*at))
    }

    fn bind(&self, rows: &mut Rows<'r>) -> Result<(), StoreError> {
        self.values().try_for_each(|value| rows.value(value))?;
        self.position.map_or(Ok(()), |position| rows.int(position))
    }
}

impl PartialEq for KeyOf<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position && self.values().eq(other.values())
    }
}

impl Eq for KeyOf<'_> {}

impl Hash for KeyOf<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.position.hash(state);
        self.values().for_each(|value| value.hash_key(state));
    }
}

impl<'a> Work<'a> {
    pub async fn begin(inner: &'a Inner) -> Result<Work<'a>, StoreError> {
        let tx = inner.writer()?.begin().await.map_err(failed)?;
        Ok(Self::within(inner, tx))
    }

    /// The same for statements that find all rows by their keys.
    pub async fn begin_load(inner: &'a Inner) -> Result<Work<'a>, StoreError> {
        let Some(sql) = inner.dialect.begin_load() else {
            return Self::begin(inner).await;
        };
        let tx = inner.writer()?.begin_with(sql).await.map_err(failed)?;
        Ok(Self::within(inner, tx))
    }

    fn within(inner: &'a Inner, tx: Tx) -> Work<'a> {
        Work {
            inner,
            tx,
            changes: BTreeMap::new(),
            refused: Vec::new(),
            next: HashMap::new(),
            locked: HashMap::new(),
        }
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
        failed(error)
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await.map_err(failed)
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

    /// Reads a key from a result row, beginning at a column.
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
        let tables = self.tables(entity);
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
        self.changes.entry((entity, op)).or_default().push(json);
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
            let found = match fresh {
                true => vec![None; items.len()],
                false => self.find(entity, items).await?,
            };
            let mut fates = Vec::with_capacity(items.len());
            let mut next = self.next_row(entity).await?;
            for found in found {
                fates.push(match found {
                    Some(old) if old.same => Fate::Same(old.row),
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
                let tables = self.tables(entity);
                let position = tables.positional.then_some(Value::Int(item.position));
                self.note(entity, op, KeyOf::new(tables, *item).values().chain(&position));
            }
            crash::point("load::links");
            super::kin::links(self, entity, items, &fates).await?;
            crash::point("load::children");
            super::kin::children(self, entity, items, &fates).await?;
            Ok(fates)
        })
    }

    /// The stored rows with the keys of these, by their place in `items`.
    async fn find(&mut self, entity: EntityId, items: &[Item<'_>]) -> Result<Vec<Option<Found>>, StoreError> {
        let tables = self.tables(entity);
        let mut kinds = vec![Kind::Int];
        kinds.extend(tables.positioned.then_some(Kind::Int));
        kinds.extend(self.key_kinds(entity));
        let mut found = Vec::with_capacity(items.len());
        let mut from = 0;
        for size in self.inner.dialect.row_sizes(items.len(), kinds.len()) {
            let sql = self.find_sql(entity, &kinds, size);
            let mut wanted = Rows::new(self.params(), &kinds, size);
            for item in items.iter().skip(from).take(size) {
                wanted.int(item.row.hash)?;
                if tables.positioned {
                    wanted.int(item.position)?;
                }
                KeyOf::new(tables, *item).bind(&mut wanted)?;
            }
            let lines = self.all(wanted.bind()?, sql).await?;
            let text: Option<&str> = lines.first().map_or(Ok(None), |line| get(line, 0))?;
            found.resize(from + size, None);
            let part = found.get_mut(from..).unwrap_or_default();
            read_found(text.unwrap_or_default(), part).ok_or_else(|| {
                StoreError::Refused("the database gave a list of rows that cannot be read".to_owned())
            })?;
            from += size;
        }
        Ok(found)
    }

    /// Gives one text for all rows, `place:row,…`, the row negative when it differs: a result row each would cost more
    /// than the whole lookup.
    fn find_sql(&self, entity: EntityId, kinds: &[Kind], size: usize) -> String {
        let names = self.key_names(entity);
        let dialect = self.inner.dialect;
        let mut wanted = vec!["h".to_owned()];
        let mut same = format!("t.{}=wanted.h", self.quote(HASH_COLUMN));
        if self.tables(entity).positioned {
            wanted.push("p".to_owned());
            same.push_str(&format!(" AND t.{}=wanted.p", self.quote(POSITION_COLUMN)));
        }
        wanted.extend((0..names.len()).map(|at| format!("k{at}")));
        let conditions: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| format!("t.{}=wanted.k{at}", self.quote(name)))
            .collect();
        let row = self.quote(ROW_COLUMN);
        let place = format!("wanted.n||':'||CASE WHEN {same} THEN t.{row} ELSE -t.{row} END");
        format!(
            "WITH wanted(n,{}) AS ({}) SELECT {} FROM wanted {} {} AS t ON {}",
            wanted.join(","),
            dialect.rows(kinds, 1, size, Numbered::Yes),
            dialect.join_texts(&place),
            dialect.chain(),
            self.quote(&self.tables(entity).table.name),
            conditions.join(" AND ")
        )
    }

    /// The numbers of the stored rows with these keys.
    pub async fn rows_of(&mut self, entity: EntityId, keys: &[&Key]) -> Result<Vec<i64>, StoreError> {
        let kinds = self.key_kinds(entity);
        if keys.iter().any(|key| key.0.len() != kinds.len()) {
            let name = &self.inner.catalog.entity(entity).name;
            return Err(StoreError::Refused(format!(
                "a key of {name} needs {} values",
                kinds.len()
            )));
        }
        let head = format!(
            "SELECT {} FROM {} WHERE ({}) IN (",
            self.quote(ROW_COLUMN),
            self.quote(&self.tables(entity).table.name),
            self.inner.dialect.names(&self.key_names(entity))
        );
        let mut found = Vec::new();
        let mut from = 0;
        for size in self.inner.dialect.row_sizes(keys.len(), kinds.len()) {
            let mut wanted = Rows::new(self.params(), &kinds, size);
            for value in keys.iter().skip(from).take(size).flat_map(|key| &key.0) {
                wanted.value(value)?;
            }
            let sql = format!("{head}{})", self.rows(&kinds, size));
            for line in self.all(wanted.bind()?, sql).await? {
                found.push(get(&line, 0)?);
            }
            from += size;
        }
        Ok(found)
    }

    /// The first row number that was never used.
    async fn next_row(&mut self, entity: EntityId) -> Result<i64, StoreError> {
        if let Some(next) = self.next.get(&entity) {
            return Ok(*next);
        }
        if !self.inner.dialect.exclusive() {
            return super::numbers::lock(self, [entity].into())
                .await
                .map(|()| self.next.get(&entity).copied().unwrap_or(1));
        }
        // SQLite keeps the highest one for tables with AUTOINCREMENT.
        let mut params = self.params();
        params.add(self.tables(entity).table.name.clone())?;
        let sql = "SELECT seq FROM sqlite_sequence WHERE name=$1".to_owned();
        let rows = self.all(params, sql).await?;
        let last: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
        Ok(last + 1)
    }
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

/// Reads the text of a lookup into the places that it names.
fn read_found(text: &str, places: &mut [Option<Found>]) -> Option<()> {
    for entry in text.split(',').filter(|entry| !entry.is_empty()) {
        let (place, row) = entry.split_once(':')?;
        let row: i64 = row.parse().ok()?;
        *places.get_mut(place.parse::<usize>().ok()?)? = Some(Found {
            row: row.abs(),
            same: row > 0,
        });
    }
    Some(())
}

/// Items whose keys differ, the last of equal ones kept, and how many were dropped.
pub fn distinct<'r>(work: &Work<'r>, entity: EntityId, items: Vec<Item<'r>>) -> (Vec<Item<'r>>, u64) {
    let tables = work.tables(entity);
    let mut places: HashMap<KeyOf<'r>, usize> = HashMap::with_capacity(items.len());
    let mut out: Vec<Item<'r>> = Vec::with_capacity(items.len());
    let mut repeated = 0;
    for item in items {
        match places.entry(KeyOf::new(tables, item)) {
            Entry::Occupied(place) => {
                repeated += 1;
                if let Some(older) = out.get_mut(*place.get()) {
                    *older = item;
                }
            }
            Entry::Vacant(place) => {
                place.insert(out.len());
                out.push(item);
            }
        }
    }
    (out, repeated)
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
