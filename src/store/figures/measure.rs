//! Measures the rows of a type when its statistics are made: the widths of their texts by a sample,
//! and, where the database keeps no counts of its own, which keys have many rows. Knows what a look
//! costs; what the figures are for is told beside.
//!
//! A sample is a thousand rows, whatever the table's size. Counts go through an index once, about a
//! tenth of a microsecond for each entry, which a load has just spent a hundred times of.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    catalog::EntityId,
    layout::{Column, EntityTables, POSITION_COLUMN, ROW_COLUMN},
    store::{
        context::Context,
        db::{
            params::Kind,
            pool::{ResultRow, get},
            readers::Readers,
        },
        error::StoreError,
        in_force,
    },
};

use super::sides::{Place, Side, sides};

/// Rows of a sample.
const SAMPLE: u32 = 1_000;
/// Keys that are remembered of each side.
pub(crate) const HEAVY: usize = 100;
/// Fewer rows than these are not many.
const MANY: u64 = if cfg!(test) { 4 } else { 16 };
/// Rows that are looked at in a millisecond: for fewer no connection is made.
const SMALL: u64 = if cfg!(test) { 10 } else { 10_000 };
/// How long one statement may take there; what takes longer is left unknown.
const LIMIT: Duration = Duration::from_secs(30);

/// What is stored of a type's rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// None where the database knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// By the names of columns.
    pub widths: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
}

/// How the rows of a table spread over the values of some columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub table: String,
    pub columns: Vec<String>,
    pub rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<u64>,
    /// Those with many, with their rows.
    pub heavy: Vec<(Vec<String>, u64)>,
}

/// Measures a type anew, as text; beside whoever reads and writes.
pub(crate) async fn measure(context: &Context, entity: EntityId) -> Result<String, StoreError> {
    let measuring = |reader| Measuring {
        context,
        reader,
        tables: context.layout.entity(entity),
    };
    let measured = match context.dialect.spreads("", &[]).is_some() {
        // Its own statistics tell the rest.
        true => Measured {
            widths: measuring(&context.own).widths().await?,
            ..Measured::default()
        },
        false if measuring(&context.own).is_small().await? => measuring(&context.own).all(entity).await?,
        false => {
            let reader = context.readers.apart(LIMIT);
            let measured = measuring(&reader).all_apart(entity).await;
            reader.close().await;
            measured?
        }
    };
    serde_json::to_string(&measured).map_err(|error| StoreError::Database(Box::new(error)))
}

struct Measuring<'m> {
    context: &'m Context,
    reader: &'m Arc<Readers>,
    tables: &'m EntityTables,
}

impl Measuring<'_> {
    /// By a connection that nobody has after it.
    async fn all_apart(&self, entity: EntityId) -> Result<Measured, StoreError> {
        if let Some(statement) = self.context.dialect.before_measure() {
            self.ask(statement.to_owned()).await?;
        }
        self.all(entity).await
    }

    /// Whether the type and its links have few rows.
    async fn is_small(&self) -> Result<bool, StoreError> {
        let tables = [&self.tables.table.name]
            .into_iter()
            .chain(self.tables.joins.iter().map(|join| &join.name));
        let counts = tables.map(|table| {
            let table = self.context.dialect.quote(table);
            format!("(SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {SMALL}+1) AS some)")
        });
        let sql = format!("SELECT {}", counts.collect::<Vec<_>>().join("+"));
        let [rows] = self.numbers(sql).await?;
        Ok(rows <= SMALL)
    }

    async fn all(&self, entity: EntityId) -> Result<Measured, StoreError> {
        let mut measured = Measured {
            rows: Some(self.count(&self.tables.table.name).await?),
            widths: self.widths().await?,
            counted: Vec::new(),
        };
        for side in sides(&self.context.catalog, &self.context.layout, entity) {
            if side.indexed {
                match self.counted(&side).await {
                    Ok(counted) => measured.counted.push(counted),
                    Err(StoreError::Timeout(_)) => {
                        tracing::warn!(table = side.table, "its keys could not be counted in time");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(measured)
    }

    async fn ask(&self, sql: String) -> Result<Vec<ResultRow>, StoreError> {
        in_force::read(
            self.context,
            self.reader.take().await?,
            self.context.params().query(sql),
        )
        .await
    }

    async fn numbers<const N: usize>(&self, sql: String) -> Result<[u64; N], StoreError> {
        let rows = self.ask(sql).await?;
        let mut numbers = [0; N];
        for (at, number) in numbers.iter_mut().enumerate() {
            let found: Option<i64> = rows.first().map_or(Ok(None), |row| get(row, at))?;
            *number = found.and_then(|found| u64::try_from(found).ok()).unwrap_or(0);
        }
        Ok(numbers)
    }

    async fn count(&self, table: &str) -> Result<u64, StoreError> {
        let table = self.context.dialect.quote(table);
        let [rows] = self.numbers(format!("SELECT count(*) FROM {table}")).await?;
        Ok(rows)
    }

    /// Mean bytes of what is kept as text. Rows of a sample lie at numbers that are strewn over all
    /// that were given.
    async fn widths(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let is_text = |column: &&Column| Kind::of(column.kind) == Kind::Text;
        let columns: Vec<&Column> = self.tables.table.columns.iter().filter(is_text).collect();
        if columns.is_empty() {
            return Ok(BTreeMap::new());
        }
        let dialect = self.context.dialect;
        let (table, row) = (dialect.quote(&self.tables.table.name), dialect.quote(ROW_COLUMN));
        let means = columns.iter().map(|column| {
            let column = dialect.quote(&column.name);
            format!("CAST(round(avg(coalesce(octet_length(t.{column}),2))) AS BIGINT)")
        });
        let sql = format!(
            "WITH RECURSIVE _ends(low,span) AS (SELECT min({row}),max({row})-min({row})+1 FROM {table}),\
             _n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM _n WHERE i<{SAMPLE}),\
             _picked(r) AS (SELECT (SELECT s.{row} FROM {table} AS s WHERE s.{row}>=ends.low+(n.i*2654435761)%ends.span \
             ORDER BY s.{row} LIMIT 1) FROM _n AS n CROSS JOIN _ends AS ends) \
             SELECT {} FROM _picked JOIN {table} AS t ON t.{row}=_picked.r",
            means.collect::<Vec<_>>().join(",")
        );
        let rows = self.ask(sql).await?;
        let Some(row) = rows.first() else {
            return Ok(BTreeMap::new());
        };
        let mut widths = BTreeMap::new();
        for (at, column) in columns.iter().enumerate() {
            if let Some(width) = get::<Option<i64>>(row, at)? {
                widths.insert(column.name.clone(), width.unsigned_abs());
            }
        }
        Ok(widths)
    }

    /// Goes through an index once or twice.
    async fn counted(&self, side: &Side<'_>) -> Result<Counted, StoreError> {
        let dialect = self.context.dialect;
        let (table, columns) = (dialect.quote(side.table), dialect.names(&side.columns));
        let there: Vec<String> = match side.required {
            true => Vec::new(),
            false => side
                .columns
                .iter()
                .map(|name| format!("{} IS NOT NULL", dialect.quote(name)))
                .collect(),
        };
        let (rows, values) = match side.place {
            // As many as there are rows on that side.
            Place::Owners(_) | Place::Targets(_) => (self.count(side.table).await?, None),
            Place::Field(_) => {
                let groups = grouped(&table, &columns, &there);
                let sql = format!("SELECT count(*),sum(n) FROM (SELECT count(*) AS n FROM {groups})");
                let [values, rows] = self.numbers(sql).await?;
                (rows, Some(values))
            }
        };
        // Whoever has many links has one in each of the first places, so that the few beyond them
        // tell who it is.
        let (first, there) = match side.place {
            Place::Owners(_) => {
                let position = dialect.quote(POSITION_COLUMN);
                (MANY, vec![format!("{position}>={MANY}")])
            }
            _ => (0, there),
        };
        let texts: Vec<String> = side
            .columns
            .iter()
            .map(|name| format!("CAST({} AS TEXT)", dialect.quote(name)))
            .collect();
        let groups = grouped(&table, &columns, &there);
        let sql = format!(
            "SELECT n+{first},{} FROM (SELECT count(*) AS n,{columns} FROM {groups}) ORDER BY n DESC LIMIT {HEAVY}",
            texts.join(",")
        );
        let mut heavy = Vec::new();
        for row in self.ask(sql).await? {
            let count = get::<i64>(&row, 0)?.unsigned_abs();
            if count >= MANY {
                let parts: Result<Vec<String>, StoreError> = (1..=side.columns.len()).map(|at| get(&row, at)).collect();
                heavy.push((parts?, count));
            }
        }
        Ok(Counted {
            table: side.table.to_owned(),
            columns: side.columns.iter().map(|name| (*name).to_owned()).collect(),
            rows,
            values,
            heavy,
        })
    }
}

fn grouped(table: &str, columns: &str, there: &[String]) -> String {
    let there = match there {
        [] => String::new(),
        there => format!(" WHERE {}", there.join(" AND ")),
    };
    format!("{table}{there} GROUP BY {columns}")
}
