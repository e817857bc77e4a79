//! Runs compiled reads, on the connections of either database. Compiles nothing.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    store::{
        context::Context,
        db::{made, pool::get, rows::Rows},
        error::StoreError,
        in_force,
        types::{Answer, Explanation, Loaded},
    },
    value::{Key, Value},
};

use super::{
    compile, matches,
    on_file::{self, Found},
    operands,
    roots::{assemble, lost, unkept},
    statement::{KeyedStatement, Statement},
};

pub(crate) async fn read(context: &Context, statement: &Statement, values: &[Value]) -> Result<Answer, StoreError> {
    if context.readers.lends() {
        return on_file::read(context, statement, values).await;
    }
    let params = operands::operands(&statement.binds, values, context.dialect)?;
    let reader = context.readers.take_for(statement.plans(values)).await?;
    let began = Instant::now();
    let (rows, lists) = in_force::read_all(context, reader, params.query(Arc::clone(&statement.sql))).await?;
    let mut head = 0;
    let mut found: Vec<Option<&str>> = vec![None; statement.roots.len()];
    for row in &rows {
        let json: &str = get(row, 1)?;
        match usize::try_from(get::<i64>(row, 0)?) {
            Ok(root) => {
                if let Some(place) = found.get_mut(root) {
                    *place = Some(made::text_of(json, &lists).ok_or_else(lost)?);
                }
            }
            Err(_) if get::<i64>(row, 0)? == compile::UNKEPT => return Err(unkept(json)),
            Err(_) => head = json.parse().unwrap_or_default(),
        }
    }
    let json = assemble(&statement.roots, &found);
    Ok(Answer {
        json: matches::put_aside(json, &statement.shown, values).await?,
        head,
        took: began.elapsed(),
    })
}

pub(crate) async fn load(
    context: &Context,
    statement: &KeyedStatement,
    values: &[Value],
    keys: &[Key],
) -> Result<Loaded, StoreError> {
    if keys.iter().any(|key| key.0.len() != statement.kinds.len()) {
        return Err(StoreError::Internal(format!(
            "a key here has {} parts",
            statement.kinds.len()
        )));
    }
    let mut rows = HashMap::with_capacity(keys.len());
    let mut heads = Vec::new();
    let mut took = Duration::ZERO;
    for chunk in keys.chunks(compile::KEYS_MAX) {
        let count = chunk.len().next_power_of_two();
        let sql = match count {
            1 => Arc::clone(&statement.sql),
            _ => compile::keyed_sql(
                context.dialect,
                &statement.tail,
                statement.binds.len(),
                &statement.kinds,
                count,
            )
            .into(),
        };
        // Padding repeats the last key; its row is found twice and kept once.
        let chunk = (chunk, count);
        let (found, head) = match context.lookups.lends() {
            true => on_file::load(context, statement, sql, values, chunk, &mut took).await?,
            false => loaded(context, statement, sql, values, chunk, &mut took).await?,
        };
        heads.extend(head);
        let of_key = |(place, row): (usize, String)| Some((chunk.0.get(place)?.clone(), row));
        rows.extend(found.into_iter().filter_map(of_key));
    }
    let head = heads.first().copied();
    let head = head.filter(|first| heads.iter().all(|head| head == first));
    Ok(Loaded { rows, head, took })
}

/// What a server gives for some keys, with as many more as fill them up.
async fn loaded(
    context: &Context,
    statement: &KeyedStatement,
    sql: Arc<str>,
    values: &[Value],
    (keys, count): (&[Key], usize),
    took: &mut Duration,
) -> Result<Found, StoreError> {
    let params = operands::operands(&statement.binds, values, context.dialect)?;
    let mut wanted = Rows::new(params, &statement.kinds, count);
    let padding = keys.last().into_iter().cycle().take(count - keys.len());
    for part in keys.iter().chain(padding).flat_map(|key| &key.0) {
        wanted.value(part)?;
    }
    let params = wanted.bind()?;
    let reader = context.lookups.take().await?;
    let began = Instant::now();
    let (mut found, mut head) = (Vec::with_capacity(count), None);
    for row in in_force::read(context, reader, params.query(sql)).await? {
        match usize::try_from(get::<i64>(&row, 0)?) {
            Ok(place) => found.push((place, get(&row, 1)?)),
            Err(_) => head = get::<&str>(&row, 1)?.parse().ok(),
        }
    }
    *took += began.elapsed();
    Ok((found, head))
}

pub(crate) async fn explain(
    context: &Context,
    statement: &Statement,
    values: &[Value],
) -> Result<Explanation, StoreError> {
    let params = operands::operands(&statement.binds, values, context.dialect)?;
    // It takes no time, and the readers of a file answer nothing but reads.
    let readers = match context.readers.lends() {
        true => &context.own,
        false => &context.readers,
    };
    let reader = readers.take_for(statement.plans(values)).await?;
    let asked = params.query(context.dialect.explain(&statement.sql));
    let rows = in_force::read(context, reader, asked).await?;
    Ok(Explanation {
        sql: statement.sql.to_string(),
        plan: context.dialect.plan(&rows)?,
    })
}
