//! SQL functions of our own on the readers' connections: wire forms that SQL alone writes slowly or
//! not exactly, and tests of texts that end with their statement's time. Knows SQLite's function
//! interface (through rusqlite); no tables.

pub(crate) mod inside;
pub(crate) mod search;
pub(crate) mod spans;
pub(crate) mod totals;

use std::sync::Arc;

use rusqlite::{
    Connection, Error, ToSql,
    functions::{Aggregate, Context, FunctionFlags},
    types::{ToSqlOutput, ValueRef},
};
use sha2::{Digest, Sha256};
use sqlx::sqlite::LockedSqliteHandle;

use crate::{
    query::sealed,
    store::db::{
        deadline::{Clock, Deadline},
        dialect::SHORT_MAX,
        made::{Bounds, Made},
    },
    value::{duration_micros, duration_text, float_text},
};

use super::like::Pattern;

/// `hayloft_float(x)`: a double as JSON, as PostgreSQL prints it; `null` for SQL null.
///
/// SQLite's own printing keeps 15 digits, or 17 that are not always the nearest ones.
pub(crate) const FLOAT: &str = "hayloft_float";

/// `hayloft_time(x)`: a stored DateTime or Time as JSON, without the zeros that end its fraction;
/// `null` for SQL null.
pub(crate) const TIME: &str = "hayloft_time";

/// `hayloft_duration(x)`: a stored Duration as JSON; `null` for SQL null.
pub(crate) const DURATION: &str = "hayloft_duration";

/// `hayloft_number(json)`: a number of a document as the double that is nearest to it, which
/// SQLite's own reading is not always; null for null.
pub(crate) const NUMBER: &str = "hayloft_number";

/// `hayloft_micros(x)`: a Duration of a document as it is stored in a column.
pub(crate) const MICROS: &str = "hayloft_micros";

/// `hayloft_contains(part,text)`: whether the part stands in the text. SQLite's `instr` takes the
/// product of their lengths.
pub(crate) const CONTAINS: &str = "hayloft_contains";

/// `hayloft_like(pattern,text)`: `LIKE` that knows case.
pub(crate) const LIKE: &str = "hayloft_like";

/// `hayloft_ilike(pattern,text)`: the same without regard to case, as `value::fold` has it.
pub(crate) const ILIKE: &str = "hayloft_ilike";

/// `hayloft_rows(json)`: an aggregate, the JSON array of all its rows; it ends the statement when
/// they are too many.
pub(crate) const ROWS: &str = "hayloft_rows";

/// `hayloft_root_rows(json)`: the same for a list of the answer itself, which is laid beside the
/// rows ([`Made::lay_beside`]).
pub(crate) const ROOT_ROWS: &str = "hayloft_root_rows";

/// `hayloft_beside(json)`: lays a text of the answer beside the rows, as a list of the answer is.
pub(crate) const BESIDE: &str = "hayloft_beside";

/// `hayloft_cursor(signature,values)`: a cursor as JSON.
pub(crate) const CURSOR: &str = "hayloft_cursor";

/// `hayloft_short(text)`: a text that is a key by itself, or the hash of a longer one.
pub(crate) const SHORT: &str = "hayloft_short";

/// When the statement has to end for which texts are looked at. SQLite itself asks for that between
/// some thousand steps, and a row's whole text is one of them.
#[derive(Clone)]
pub(crate) struct Time {
    pub clock: Clock,
    pub deadline: Arc<Deadline>,
    /// What the statement has made of its answer.
    pub made: Arc<Made>,
}

impl Time {
    /// For who waits as long as it takes.
    pub(crate) fn endless() -> Time {
        Time {
            clock: Clock::begin(),
            deadline: Arc::default(),
            made: Arc::default(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_over(self.clock)
    }

    fn check(&self) -> Result<(), Error> {
        match self.is_over() {
            true => Err(over()),
            false => Ok(()),
        }
    }
}

/// The statement's error; who asked knows by the time what it means.
fn over() -> Error {
    Error::UserFunctionError("the time is over".into())
}

/// Works with a locked connection as rusqlite sees it.
pub(crate) fn with_connection<T>(
    handle: &mut LockedSqliteHandle<'_>,
    work: impl FnOnce(&Connection) -> T,
) -> Result<T, Error> {
    // SAFETY: the handle is open and locked for as long as this borrow of it lives, and a
    // `Connection` made from a handle does not close it when dropped, which it is before the borrow
    // ends. Both crates link the same SQLite, or the types would differ.
    #[allow(
        unsafe_code,
        reason = "sqlx has no interface for functions, nor for many runs in one go; rusqlite's is safe but for taking the handle"
    )]
    let connection = unsafe { Connection::from_handle(handle.as_raw_handle().as_ptr()) }?;
    Ok(work(&connection))
}

/// Registers the functions on a connection; they live as long as it does.
pub(crate) fn install(handle: &mut LockedSqliteHandle<'_>, time: &Time) -> Result<(), sqlx::Error> {
    with_connection(handle, |connection| install_on(connection, time))
        .flatten()
        .map_err(|error| sqlx::Error::Configuration(Box::new(error)))
}

/// The same on a connection that is rusqlite's own.
pub(crate) fn install_on(connection: &Connection, time: &Time) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(FLOAT, 1, flags, float)?;
    connection.create_scalar_function(TIME, 1, flags, clock_time)?;
    connection.create_scalar_function(DURATION, 1, flags, duration)?;
    connection.create_scalar_function(NUMBER, 1, flags, number)?;
    connection.create_scalar_function(MICROS, 1, flags, micros)?;
    let own = time.clone();
    connection.create_scalar_function(CONTAINS, 2, flags, move |context| contains(context, &own))?;
    let own = time.clone();
    connection.create_scalar_function(LIKE, 2, flags, move |context| like(context, false, &own))?;
    let own = time.clone();
    connection.create_scalar_function(ILIKE, 2, flags, move |context| like(context, true, &own))?;
    connection.create_scalar_function(CURSOR, 2, flags, cursor)?;
    connection.create_scalar_function(SHORT, 1, flags, short)?;
    let made = Arc::clone(&time.made);
    let once = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(BESIDE, 1, once, move |context| beside(context, &made))?;
    totals::install(connection, flags)?;
    search::install(connection, flags)?;
    let own = time.clone();
    inside::install(connection, flags, move || own.check())?;
    spans::install(connection, flags, &time.made)?;
    for (name, is_root) in [(ROWS, false), (ROOT_ROWS, true)] {
        let made = Arc::clone(&time.made);
        connection.create_aggregate_function(name, 1, flags, Array { made, is_root })?;
    }
    Ok(())
}

/// A text that SQLite copies, or the literal `null`.
enum Json {
    Text(String),
    Null,
}

impl ToSql for Json {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, Error> {
        let text = match self {
            Json::Text(text) => text.as_str(),
            Json::Null => "null",
        };
        Ok(ToSqlOutput::from(text))
    }
}

/// The rows of a list as JSON, while they come.
struct Array {
    made: Arc<Made>,
    is_root: bool,
}

struct Rows {
    json: Vec<u8>,
    count: u64,
    bounds: Bounds,
}

/// Bytes of JSON.
struct Bytes(Vec<u8>);

impl ToSql for Bytes {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, Error> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

impl Aggregate<Rows, Bytes> for Array {
    fn init(&self, _context: &mut Context<'_>) -> Result<Rows, Error> {
        Ok(Rows {
            json: vec![b'['],
            count: 0,
            bounds: self.made.bounds(),
        })
    }

    fn step(&self, context: &mut Context<'_>, rows: &mut Rows) -> Result<(), Error> {
        if rows.count > 0 {
            rows.json.push(b',');
        }
        rows.json.extend_from_slice(context.get_raw(0).as_bytes()?);
        rows.count += 1;
        match self.made.row(rows.bounds, rows.count, rows.json.len() as u64) {
            true => Ok(()),
            false => Err(beyond()),
        }
    }

    fn finalize(&self, _context: &mut Context<'_>, rows: Option<Rows>) -> Result<Bytes, Error> {
        let Some(Rows { mut json, bounds, .. }) = rows else {
            return Ok(Bytes(b"[]".to_vec()));
        };
        json.push(b']');
        if !self.is_root {
            return Ok(Bytes(json));
        }
        let json = String::from_utf8(json).map_err(|error| Error::UserFunctionError(Box::new(error)))?;
        let beside = self.made.lay_beside(bounds, json).ok_or_else(beyond)?;
        Ok(Bytes(beside.into_bytes()))
    }
}

/// The statement's error; what was too much is noted elsewhere.
fn beyond() -> Error {
    Error::UserFunctionError("the answer is too large".into())
}

fn beside(context: &Context<'_>, made: &Made) -> Result<Bytes, Error> {
    let json = context.get_raw(0).as_str()?.to_owned();
    let beside = made.lay_beside(made.bounds(), json).ok_or_else(beyond)?;
    Ok(Bytes(beside.into_bytes()))
}

fn cursor(context: &Context<'_>) -> Result<Option<String>, Error> {
    let signature = context.get_raw(0).as_str()?;
    let Some(values) = context.get_raw(1).as_str_or_null()? else {
        return Ok(None);
    };
    Ok(Some(["\"", &sealed(&[signature, values].concat()), "\""].concat()))
}

fn short(context: &Context<'_>) -> Result<Option<String>, Error> {
    let text = context.get_raw(0).as_str_or_null()?;
    Ok(text.map(|text| match text.chars().nth(SHORT_MAX) {
        None => text.to_owned(),
        Some(_) => {
            let hash = Sha256::digest(text.as_bytes());
            hash.iter().map(|byte| format!("{byte:02x}")).collect()
        }
    }))
}

fn float(context: &Context<'_>) -> Result<Json, Error> {
    let number = match context.get_raw(0) {
        ValueRef::Null => return Ok(Json::Null),
        ValueRef::Integer(int) => int as f64,
        other => other.as_f64()?,
    };
    // JSON has no infinities; none can be stored, and an expression's would be no number of ours.
    Ok(float_text(number).map_or(Json::Null, Json::Text))
}

fn duration(context: &Context<'_>) -> Result<Json, Error> {
    let micros = context.get_raw(0).as_i64_or_null()?;
    Ok(micros.map_or(Json::Null, |micros| {
        Json::Text(["\"", &duration_text(micros), "\""].concat())
    }))
}

fn number(context: &Context<'_>) -> Result<Option<f64>, Error> {
    let json = context.get_raw(0).as_str_or_null()?;
    Ok(json.and_then(|json| json.parse().ok()))
}

fn micros(context: &Context<'_>) -> Result<Option<i64>, Error> {
    let text = context.get_raw(0).as_str_or_null()?;
    Ok(text.and_then(duration_micros))
}

fn clock_time(context: &Context<'_>) -> Result<Json, Error> {
    let Some(text) = context.get_raw(0).as_str_or_null()? else {
        return Ok(Json::Null);
    };
    let (digits, zone) = match text.strip_suffix('Z') {
        Some(digits) => (digits, "Z"),
        None => (text, ""),
    };
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    Ok(Json::Text(["\"", digits, zone, "\""].concat()))
}

fn contains(context: &Context<'_>, time: &Time) -> Result<Option<bool>, Error> {
    time.check()?;
    let (part, text) = (
        context.get_raw(0).as_str_or_null()?,
        context.get_raw(1).as_str_or_null()?,
    );
    // In a time that grows with the lengths, not with their product.
    Ok(part.zip(text).map(|(part, text)| text.contains(part)))
}

/// The pattern is taken apart once for all rows of a statement.
fn like(context: &Context<'_>, ignores_case: bool, time: &Time) -> Result<Option<bool>, Error> {
    time.check()?;
    let Some(text) = context.get_raw(1).as_str_or_null()? else {
        return Ok(None);
    };
    let pattern = context.get_or_create_aux(0, |like| -> Result<Pattern, Error> {
        Ok(Pattern::new(like.as_str()?, ignores_case))
    })?;
    pattern.matches(text, &|| time.is_over()).ok_or_else(over).map(Some)
}
