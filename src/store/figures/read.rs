//! Finds the figures of a type: what was measured, and what the database's own statistics say.
//! Knows where they stand.

use std::collections::HashMap;

use crate::{
    catalog::EntityId,
    store::{
        context::Context,
        db::pool::{ResultRow, get},
        error::StoreError,
        system::figures,
        types::{Figures, Links, Spread},
    },
};

use super::{
    measure::{Counted, Measured},
    sides::{Place, Side, sides},
};

/// What a database says of the values of one column.
struct Said {
    nulls: f64,
    /// Negative: a part of the rows.
    distinct: f64,
    /// The values that are there most often, and in which part of the rows.
    common: Vec<(String, f64)>,
}

pub(crate) async fn read(context: &Context, entity: EntityId) -> Result<Figures, StoreError> {
    let tables = context.layout.entity(entity);
    let measured = measured(context, &tables.table.name).await?.unwrap_or_default();
    let mut figures = Figures {
        rows: rows_of(context, &tables.table.name).await?,
        ..Figures::default()
    };
    for column in &tables.table.columns {
        if let Some(width) = measured.widths.get(&column.name) {
            *figures.widths.entry(column.field).or_default() += width;
        }
    }
    let sides = sides(&context.catalog, &context.layout, entity);
    let spreads = match context.dialect.spreads("", &[]).is_some() {
        true => said_of(context, &sides, figures.rows).await?,
        false => {
            // Counted some time ago: since then all sides are taken to have changed alike.
            let times = figures.rows as f64 / measured.rows.unwrap_or(0).max(1) as f64;
            counted_of(&sides, &measured.counted, times)
        }
    };
    for (side, spread) in sides.iter().zip(spreads) {
        let Some(spread) = spread else { continue };
        match side.place {
            Place::Field(field) => {
                figures.fields.insert(field, spread);
            }
            Place::Owners(field) => {
                let links = figures.links.entry(field).or_default();
                (links.rows, links.by_owner) = (links.rows.max(spread.rows), Some(spread));
            }
            Place::Targets(field) => {
                let links: &mut Links = figures.links.entry(field).or_default();
                (links.rows, links.by_target) = (links.rows.max(spread.rows), Some(spread));
            }
        }
    }
    Ok(figures)
}

async fn ask(context: &Context, sql: String) -> Result<Vec<ResultRow>, StoreError> {
    context.own.take().await?.fetch(context.params().query(sql)).await
}

async fn measured(context: &Context, table: &str) -> Result<Option<Measured>, StoreError> {
    let text = figures::of(context, table).await?;
    // What another version wrote in another way is measured anew some time.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// As the statistics have it, or counted where there are none.
async fn rows_of(context: &Context, table: &str) -> Result<u64, StoreError> {
    if let Some(sql) = context.dialect.rows_estimate(table) {
        let rows = ask(context, sql).await?;
        let rows: Option<i64> = rows.first().map_or(Ok(None), |row| get(row, 0))?;
        if let Some(rows) = rows.and_then(|rows| u64::try_from(rows).ok()).filter(|rows| *rows > 0) {
            return Ok(rows);
        }
    }
    let table = context.dialect.quote(table);
    let rows = ask(context, format!("SELECT CAST(count(*) AS BIGINT) FROM {table}")).await?;
    let rows: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(rows.unsigned_abs())
}

fn counted_of(sides: &[Side<'_>], counted: &[Counted], times: f64) -> Vec<Option<Spread>> {
    let find = |side: &Side<'_>| {
        let is = |counted: &&Counted| counted.table == side.table && counted.columns == side.columns;
        let counted = counted.iter().find(is)?;
        let now = |rows: u64| (rows as f64 * times).round() as u64;
        let heavy = counted.heavy.iter().map(|(key, rows)| (key.clone(), now(*rows)));
        Some(Spread::new(now(counted.rows), counted.values, heavy))
    };
    sides.iter().map(find).collect()
}

/// Of a key of several columns, the one with the most different values says most.
async fn said_of(context: &Context, sides: &[Side<'_>], own_rows: u64) -> Result<Vec<Option<Spread>>, StoreError> {
    let mut rows: HashMap<&str, u64> = HashMap::new();
    let mut said: HashMap<(&str, String), Said> = HashMap::new();
    for side in sides {
        if rows.contains_key(side.table) {
            continue;
        }
        let count = match side.place {
            Place::Field(_) => own_rows,
            Place::Owners(_) | Place::Targets(_) => rows_of(context, side.table).await?,
        };
        rows.insert(side.table, count);
        let all = sides.iter().filter(|other| other.table == side.table);
        let columns: Vec<&str> = all.flat_map(|other| other.columns.iter().copied()).collect();
        for (column, of_it) in said_by(context, side.table, &columns).await? {
            said.insert((side.table, column), of_it);
        }
    }
    let spread = |side: &Side<'_>| {
        let rows = rows.get(side.table).copied()?;
        let of = side.columns.iter().enumerate().filter_map(|(at, column)| {
            let said = said.get(&(side.table, context.dialect.name(column).into_owned()))?;
            let spread = said.spread(rows);
            Some((at, spread))
        });
        let best = of.max_by_key(|(_, spread)| spread.values);
        best.map(|(at, spread)| Spread {
            part: (side.columns.len() > 1).then_some(at),
            ..spread
        })
    };
    Ok(sides.iter().map(spread).collect())
}

impl Said {
    fn spread(&self, rows: u64) -> Spread {
        let there = rows as f64 * (1.0 - self.nulls).max(0.0);
        let values = match self.distinct {
            part if part < 0.0 => -part * rows as f64,
            count => count,
        };
        let common = self.common.iter();
        let heavy = common.map(|(value, part)| (vec![value.clone()], (part * rows as f64).round() as u64));
        Spread::new(there.round() as u64, Some(values.round() as u64), heavy)
    }
}

async fn said_by(context: &Context, table: &str, columns: &[&str]) -> Result<Vec<(String, Said)>, StoreError> {
    let Some(sql) = context.dialect.spreads(table, columns) else {
        return Ok(Vec::new());
    };
    let parsed = |row: &ResultRow| -> Result<(String, Said), StoreError> {
        let list = |at: usize| get::<Option<String>>(row, at).map(Option::unwrap_or_default);
        let values: Vec<Option<String>> = serde_json::from_str(&list(3)?).unwrap_or_default();
        let parts: Vec<f64> = serde_json::from_str(&list(4)?).unwrap_or_default();
        let common = values.into_iter().zip(parts);
        let said = Said {
            nulls: get(row, 1)?,
            distinct: get(row, 2)?,
            common: common.filter_map(|(value, part)| Some((value?, part))).collect(),
        };
        Ok((get(row, 0)?, said))
    };
    ask(context, sql).await?.iter().map(parsed).collect()
}
