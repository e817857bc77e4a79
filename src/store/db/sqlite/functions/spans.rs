//! Spans of time as SQL functions. Knows SQLite's function interface (through rusqlite); no
//! calendar.

use std::sync::Arc;

use rusqlite::{
    Connection, Error,
    functions::{Context, FunctionFlags},
    types::Value,
};

use crate::{
    store::db::made::{Bounds, Made},
    value::{Spans, Unit, Zone},
};

/// `hayloft_span(instant,unit,zone,shift)`: where the span begins that an instant falls into, or
/// its number.
pub(crate) const SPAN: &str = "hayloft_span";

/// `hayloft_spans(first,last,unit,zone,shift)`: a JSON array of all spans from one to another one.
pub(crate) const SPANS: &str = "hayloft_spans";

/// `hayloft_within(count)`: 1, or the end of the statement where that is more rows than an answer
/// may have.
pub(crate) const WITHIN: &str = "hayloft_within";

/// `hayloft_steps(steps,most)`: 1, or the end of the statement where a closure has more steps.
pub(crate) const STEPS: &str = "hayloft_steps";

pub(super) fn install(connection: &Connection, flags: FunctionFlags, made: &Arc<Made>) -> Result<(), Error> {
    connection.create_scalar_function(SPAN, 4, flags, span)?;
    let once = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let own = Arc::clone(made);
    connection.create_scalar_function(SPANS, 5, once, move |context| spans(context, own.bounds()))?;
    let own = Arc::clone(made);
    connection.create_scalar_function(WITHIN, 1, once, move |context| within(context, &own))?;
    let own = Arc::clone(made);
    connection.create_scalar_function(STEPS, 3, once, move |context| steps(context, &own))
}

/// A unit and a zone, read once for all rows of a statement.
struct Of {
    unit: Unit,
    zone: Option<Arc<Zone>>,
}

fn unit(name: &str) -> Result<Unit, Error> {
    let unit = Unit::ALL.into_iter().find(|unit| unit.name() == name);
    unit.ok_or_else(|| Error::UserFunctionError("no unit".into()))
}

fn zone(name: &str) -> Result<Option<Arc<Zone>>, Error> {
    match name {
        "" => Ok(None),
        name => Zone::named(name)
            .map(Some)
            .ok_or_else(|| Error::UserFunctionError("no zone".into())),
    }
}

fn none() -> Error {
    Error::UserFunctionError("no instant".into())
}

fn span(context: &Context<'_>) -> Result<Value, Error> {
    let Some(stored) = context.get_raw(0).as_str_or_null()? else {
        return Ok(Value::Null);
    };
    let name = context.get_raw(1).as_str()?;
    let of = context.get_or_create_aux(2, |zone_name| -> Result<Of, Error> {
        Ok(Of {
            unit: unit(name)?,
            zone: zone(zone_name.as_str()?)?,
        })
    })?;
    let spans = Spans {
        unit: of.unit,
        zone: of.zone.as_deref(),
        shift: context.get(3)?,
    };
    let found = spans.of(stored).ok_or_else(none)?;
    match of.unit.is_number() {
        true => found.parse().map(Value::Integer).map_err(|_| none()),
        false => Ok(Value::Text(found)),
    }
}

fn spans(context: &Context<'_>, bounds: Bounds) -> Result<String, Error> {
    let unit = unit(context.get_raw(2).as_str()?)?;
    if unit.is_number() {
        let (first, last): (Option<i64>, Option<i64>) = (context.get(0)?, context.get(1)?);
        let all: Vec<String> = first
            .zip(last)
            .into_iter()
            .flat_map(|(first, last)| first..=last)
            .map(|n| n.to_string())
            .collect();
        return Ok(format!("[{}]", all.join(",")));
    }
    let (first, last) = (
        context.get_raw(0).as_str_or_null()?,
        context.get_raw(1).as_str_or_null()?,
    );
    let Some((first, last)) = first.zip(last) else {
        return Ok("[]".to_owned());
    };
    let zone = zone(context.get_raw(3).as_str()?)?;
    let spans = Spans {
        unit,
        zone: zone.as_deref(),
        shift: context.get(4)?,
    };
    let most = usize::try_from(bounds.rows).unwrap_or(usize::MAX);
    let all = spans.between(first, last, most).ok_or_else(none)?;
    match all.is_empty() {
        true => Ok("[]".to_owned()),
        false => Ok(format!("[\"{}\"]", all.join("\",\""))),
    }
}

fn within(context: &Context<'_>, made: &Made) -> Result<bool, Error> {
    let count: i64 = context.get(0)?;
    let bounds = made.bounds();
    match made.row(bounds, count.unsigned_abs(), 0) {
        true => Ok(true),
        // What was too much is noted elsewhere.
        false => Err(Error::UserFunctionError("the answer is too large".into())),
    }
}

fn steps(context: &Context<'_>, made: &Made) -> Result<bool, Error> {
    let (found, most): (i64, i64) = (context.get(0)?, context.get(1)?);
    let closure = context.get_raw(2).as_str()?;
    match made.steps((found.unsigned_abs(), most.unsigned_abs()), closure) {
        true => Ok(true),
        false => Err(Error::UserFunctionError("a closure leads too far".into())),
    }
}
