//! Compiled reads on a connection to a file, each there and back once, with its parameters and all
//! its rows. Knows statements of SQLite (through rusqlite); compiles nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, Error, Statement as Prepared, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    store::{
        context::Context,
        db::{
            made::{self, Made},
            params::Cell,
            readers::Taken,
        },
        error::StoreError,
        in_force,
        types::Answer,
    },
    value::{Key, Value},
};

use super::{
    compile, matches, operands, roots,
    statement::{KeyedStatement, RootShape, Statement},
};

/// What comes of one run: the change log's head, and the answer; or why rows that came are none.
pub(super) type Ran = Result<(i64, String), StoreError>;
/// Rows of some keys by their places among them, and the change log's head.
pub(super) type Found = (Vec<(usize, String)>, Option<i64>);

/// Runs a read with these values.
pub(super) async fn read(context: &Context, statement: &Statement, values: &[Value]) -> Result<Answer, StoreError> {
    let cells = operands::cells(&statement.binds, values, context.dialect)?;
    let (sql, roots) = (Arc::clone(&statement.sql), Arc::clone(&statement.roots));
    let reader = context.readers.take().await?;
    let began = Instant::now();
    let ran = asked(context, reader, move |connection, made| {
        one(&mut *connection.prepare_cached(&sql)?, made, &roots, &cells)
    });
    let (head, json) = ran.await??;
    Ok(Answer {
        json: matches::put_aside(json, &statement.shown, values).await?,
        head,
        took: began.elapsed(),
    })
}

/// The rows of these keys by a statement's text for so many; the last one fills what is left.
pub(super) async fn load(
    context: &Context,
    statement: &KeyedStatement,
    sql: Arc<str>,
    values: &[Value],
    (keys, count): (&[Key], usize),
    took: &mut Duration,
) -> Result<Found, StoreError> {
    let mut cells = operands::cells(&statement.binds, values, context.dialect)?;
    let padding = keys.last().into_iter().cycle().take(count - keys.len());
    let parts = keys.iter().chain(padding);
    for (part, kind) in parts.flat_map(|key| key.0.iter().zip(&*statement.kinds)) {
        cells.push(Cell::of(part, *kind)?.into_owned());
    }
    let reader = context.lookups.take().await?;
    let began = Instant::now();
    let found = asked(context, reader, move |connection, _| {
        let mut prepared = connection.prepare_cached(&sql)?;
        bind(&mut prepared, &cells)?;
        let (mut found, mut head) = (Vec::with_capacity(count), None);
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next()? {
            let json = row.get_ref(1)?.as_str()?;
            match usize::try_from(row.get_ref(0)?.as_i64()?) {
                Ok(place) => found.push((place, json.to_owned())),
                Err(_) => head = json.parse().ok(),
            }
        }
        Ok((found, head))
    });
    let found = found.await?;
    *took += began.elapsed();
    Ok(found)
}

/// Asks a reader in the time and the bounds of one statement; what fails is named.
async fn asked<T: Send + 'static>(
    context: &Context,
    mut reader: Taken,
    statement: impl FnOnce(&Connection, &Made) -> Result<T, Error> + Send + 'static,
) -> Result<T, StoreError> {
    // First: where names mean something else by now, the answer would be wrong, and no error.
    in_force::may_read(context)?;
    match reader.ask(statement).await? {
        Ok(done) => Ok(done),
        Err(error) => Err(in_force::cause(context, reader, error).await),
    }
}

/// One run of a prepared statement.
pub(super) fn one(
    prepared: &mut Prepared<'_>,
    made: &Made,
    roots: &[RootShape],
    cells: &[Cell<'_>],
) -> Result<Ran, Error> {
    bind(prepared, cells)?;
    let mut head = 0;
    let mut found: Vec<Option<String>> = vec![None; roots.len()];
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let json = row.get_ref(1)?.as_str()?;
        match usize::try_from(row.get_ref(0)?.as_i64()?) {
            Ok(root) => {
                if let Some(place) = found.get_mut(root) {
                    *place = Some(json.to_owned());
                }
            }
            Err(_) if row.get_ref(0)?.as_i64()? == compile::UNKEPT => return Ok(Err(roots::unkept(json))),
            Err(_) => head = json.parse().unwrap_or_default(),
        }
    }
    let lists = made.lists();
    let texts = found.iter().map(|text| {
        let text = text
            .as_deref()
            .map(|text| made::text_of(text, &lists).ok_or_else(roots::lost));
        text.transpose()
    });
    let texts: Result<Vec<Option<&str>>, StoreError> = texts.collect();
    Ok(texts.map(|texts| (head, roots::assemble(roots, &texts))))
}

fn bind(prepared: &mut Prepared<'_>, cells: &[Cell<'_>]) -> Result<(), Error> {
    // A condition that is known without its row may have left out the last ones.
    let mut numbered = cells.iter().take(prepared.parameter_count()).enumerate();
    numbered.try_for_each(|(at, cell)| prepared.raw_bind_parameter(at + 1, cell))
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Int(value) => ToSqlOutput::from(*value),
            Cell::Float(value) => ToSqlOutput::from(*value),
            Cell::Bool(value) => ToSqlOutput::from(*value),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Null(_) => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}
