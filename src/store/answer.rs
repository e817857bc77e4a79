//! Runs compiled reads and puts the rows together to one JSON text. Knows row shapes; compiles nothing.

use std::collections::HashMap;

use futures_util::TryStreamExt;

use crate::value::{Key, Value};

use super::{
    Inner,
    bind::{Params, get},
    read,
    types::{Answer, Explanation, KeyedStatement, RootKind, RootShape, Statement, StoreError},
};

/// Keys of one statement. Counts are rounded up to a power of two, so that few texts are ever prepared.
const KEYS_MAX: usize = 256;

/// The answer under way: roots come in order, so one text grows.
struct Assembly<'a> {
    roots: &'a [RootShape],
    json: String,
    /// The root that is open, and how many rows it has.
    at: usize,
    rows: usize,
}

impl<'a> Assembly<'a> {
    fn new(roots: &'a [RootShape]) -> Self {
        let mut assembly = Assembly {
            roots,
            json: String::with_capacity(4_096),
            at: 0,
            rows: 0,
        };
        assembly.json.push('{');
        assembly.open();
        assembly
    }

    fn open(&mut self) {
        let Some(root) = self.roots.get(self.at) else { return };
        if self.at > 0 {
            self.json.push(',');
        }
        self.json.push_str(&root.key);
        match &root.kind {
            RootKind::Many => self.json.push('['),
            RootKind::Json(json) => self.json.push_str(json),
            RootKind::One => {}
        }
        self.rows = 0;
    }

    fn close(&mut self) {
        match self.roots.get(self.at).map(|root| &root.kind) {
            Some(RootKind::Many) => self.json.push(']'),
            Some(RootKind::One) if self.rows == 0 => self.json.push_str("null"),
            _ => {}
        }
        self.at += 1;
        self.open();
    }

    fn row(&mut self, root: usize, json: &str) {
        while self.at < root && self.at < self.roots.len() {
            self.close();
        }
        if self.rows > 0 {
            self.json.push(',');
        }
        self.json.push_str(json);
        self.rows += 1;
    }

    fn finish(mut self) -> String {
        while self.at < self.roots.len() {
            self.close();
        }
        self.json.push('}');
        self.json
    }
}

pub(super) async fn read(inner: &Inner, statement: &Statement, values: &[Value]) -> Result<Answer, StoreError> {
    let params = Params::operands(&statement.binds, values, &inner.dialect)?;
    let reader = inner.readers.take().await?;
    let mut head = 0;
    let mut assembly = Assembly::new(&statement.roots);
    {
        let mut rows = params
            .query(std::sync::Arc::clone(&statement.sql))
            .fetch(reader.pool()?);
        while let Some(row) = rows.try_next().await.map_err(|error| reader.error(error))? {
            let root: i64 = get(&row, 0)?;
            let json: &str = get(&row, 1)?;
            match usize::try_from(root) {
                Ok(root) => assembly.row(root, json),
                Err(_) => head = json.parse().unwrap_or_default(),
            }
        }
    }
    Ok(Answer {
        json: assembly.finish(),
        head,
    })
}

pub(super) async fn load(
    inner: &Inner,
    statement: &KeyedStatement,
    keys: &[Key],
) -> Result<HashMap<Key, String>, StoreError> {
    if keys.iter().any(|key| key.0.len() != statement.width) {
        return Err(StoreError::Refused(format!("a key here has {} parts", statement.width)));
    }
    let mut found = HashMap::with_capacity(keys.len());
    for chunk in keys.chunks(KEYS_MAX) {
        let count = chunk.len().next_power_of_two();
        let sql = match count {
            1 => std::sync::Arc::clone(&statement.sql),
            _ => read::keyed_sql(
                &inner.dialect,
                &statement.tail,
                statement.binds.len(),
                statement.width,
                count,
            )
            .into(),
        };
        let mut params = Params::operands(&statement.binds, &[], &inner.dialect)?;
        // Padding repeats the last key; its row is found twice and kept once.
        let padding = chunk.last().into_iter().cycle().take(count - chunk.len());
        for value in chunk.iter().chain(padding).flat_map(|key| &key.0) {
            params.value(value)?;
        }
        let reader = inner.readers.take().await?;
        let rows = params.query(sql).fetch_all(reader.pool()?).await;
        for row in rows.map_err(|error| reader.error(error))? {
            let place = usize::try_from(get::<i64>(&row, 0)?).unwrap_or(usize::MAX);
            if let Some(key) = chunk.get(place) {
                found.insert(key.clone(), get(&row, 1)?);
            }
        }
    }
    Ok(found)
}

pub(super) async fn explain(inner: &Inner, statement: &Statement, values: &[Value]) -> Result<Explanation, StoreError> {
    let params = Params::operands(&statement.binds, values, &inner.dialect)?;
    let reader = inner.readers.take().await?;
    let rows = params
        .query(format!("EXPLAIN QUERY PLAN {}", statement.sql))
        .fetch_all(reader.pool()?)
        .await;
    let mut depths: HashMap<i64, usize> = HashMap::new();
    let mut plan = Vec::new();
    for row in rows.map_err(|error| reader.error(error))? {
        let (id, parent): (i64, i64) = (get(&row, 0)?, get(&row, 1)?);
        let depth = depths.get(&parent).map_or(0, |depth| depth + 1);
        depths.insert(id, depth);
        plan.push(format!("{}{}", "  ".repeat(depth), get::<String>(&row, 3)?));
    }
    Ok(Explanation {
        sql: statement.sql.to_string(),
        plan,
    })
}
