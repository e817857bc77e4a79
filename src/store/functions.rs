//! SQL functions of our own on the readers' connections: wire forms that SQL alone writes slowly or not exactly, and tests of texts
//! that end with their statement's time. Knows SQLite's function interface (through rusqlite); no tables.

use std::sync::Arc;

use rusqlite::{
    Connection, Error, ToSql,
    functions::{Context, FunctionFlags},
    types::{ToSqlOutput, ValueRef},
};
use sqlx::sqlite::LockedSqliteHandle;

use super::{
    like::Pattern,
    reader::{Clock, Deadline},
};
use crate::value::{duration_text, float_text};

/// `hayloft_float(x)`: a double as JSON, as PostgreSQL prints it; `null` for SQL null.
///
/// SQLite's own printing keeps 15 digits, or 17 that are not always the nearest ones.
pub const FLOAT: &str = "hayloft_float";

/// `hayloft_time(x)`: a stored DateTime or Time as JSON, without the zeros that end its fraction; `null` for SQL null.
pub const TIME: &str = "hayloft_time";

/// `hayloft_duration(x)`: a stored Duration as JSON; `null` for SQL null.
pub const DURATION: &str = "hayloft_duration";

/// `hayloft_contains(part,text)`: whether the part stands in the text. SQLite's `instr` takes the product of their lengths.
pub const CONTAINS: &str = "hayloft_contains";

/// `hayloft_like(pattern,text)`: `LIKE` that knows case.
pub const LIKE: &str = "hayloft_like";

/// `hayloft_ilike(pattern,text)`: the same without regard to the case of ASCII letters.
pub const ILIKE: &str = "hayloft_ilike";

/// When the statement has to end for which texts are looked at. SQLite itself asks for that between some thousand steps, and a row's
/// whole text is one of them.
#[derive(Clone)]
pub struct Time {
    pub clock: Clock,
    pub deadline: Arc<Deadline>,
}

impl Time {
    /// For who waits as long as it takes.
    pub fn endless() -> Time {
        Time {
            clock: Clock::begin(),
            deadline: Arc::default(),
        }
    }

    fn is_over(&self) -> bool {
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

/// Registers the functions on a connection; they live as long as it does.
pub fn install(handle: &mut LockedSqliteHandle<'_>, time: &Time) -> Result<(), sqlx::Error> {
    // SAFETY: the handle is open and locked for as long as this borrow of it lives, and a `Connection` made from a handle
    // does not close it when dropped. Both crates link the same SQLite, or the types would differ.
    #[allow(
        unsafe_code,
        reason = "sqlx has no interface for functions; rusqlite's is safe but for taking the handle"
    )]
    let connection = unsafe { Connection::from_handle(handle.as_raw_handle().as_ptr()) };
    let registered = connection.and_then(|connection| {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
        connection.create_scalar_function(FLOAT, 1, flags, float)?;
        connection.create_scalar_function(TIME, 1, flags, clock_time)?;
        connection.create_scalar_function(DURATION, 1, flags, duration)?;
        let own = time.clone();
        connection.create_scalar_function(CONTAINS, 2, flags, move |context| contains(context, &own))?;
        let own = time.clone();
        connection.create_scalar_function(LIKE, 2, flags, move |context| like(context, false, &own))?;
        let own = time.clone();
        connection.create_scalar_function(ILIKE, 2, flags, move |context| like(context, true, &own))
    });
    registered.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
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
