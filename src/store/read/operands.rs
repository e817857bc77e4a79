//! The operands of a compiled read as parameters of its statement. Knows their forms; no SQL.

use std::borrow::Cow;

use crate::{
    query::{Operand, Search},
    store::{
        db::{
            dialect::Dialect,
            params::{Cell, Kind, Params, unfit},
            search::ranked,
        },
        error::StoreError,
    },
    value::{Scalar, Value, json_key},
};

use super::statement::{Bind, BindForm};

/// The operands of a compiled read, with the request's parameters put in.
pub(crate) fn operands(binds: &[Bind], params: &[Value], dialect: &dyn Dialect) -> Result<Params, StoreError> {
    let mut out = dialect.params().reserve(binds.len());
    let is_text = matches!(out, Params::Postgres(_));
    for bind in binds {
        out.cell(operand(bind, params, dialect, is_text)?)?;
    }
    Ok(out)
}

/// The same as a file's connection is given them, wherever that is.
pub(crate) fn cells(binds: &[Bind], params: &[Value], dialect: &dyn Dialect) -> Result<Vec<Cell<'static>>, StoreError> {
    let cell = |bind| operand(bind, params, dialect, false).map(Cell::into_owned);
    binds.iter().map(cell).collect()
}

/// One of them. Elements of lists are seen as text by PostgreSQL (`is_text`).
pub(crate) fn operand<'v>(
    bind: &'v Bind,
    params: &'v [Value],
    dialect: &dyn Dialect,
    is_text: bool,
) -> Result<Cell<'v>, StoreError> {
    let value = match &bind.operand {
        Operand::Value(value) => value,
        Operand::Param(number) => params.get(*number).ok_or_else(|| {
            StoreError::Internal(format!("the statement needs parameter {number}, which was not given"))
        })?,
    };
    match (bind.form, value) {
        (BindForm::Column(kind), value) => Cell::of(value, Kind::of(kind)),
        (BindForm::Count, value) => Cell::of(value, Kind::Int),
        (BindForm::Test(test), Value::Text(text)) => Ok(Cell::Text(Cow::Owned(dialect.pattern(test, text)))),
        (BindForm::Whole, Value::Text(text)) => Ok(Cell::Text(dialect.whole_pattern(text))),
        (BindForm::Test(_) | BindForm::Whole, value) => Cell::of(value, Kind::Text),
        (BindForm::Search(_) | BindForm::Rank(_), value) => {
            Ok(Cell::Text(Cow::Owned(search(bind.form, value, dialect)?)))
        }
        (BindForm::JsonKey, Value::Text(json)) => {
            Ok(json_key(json).map_or(Cell::Null(Kind::Text), |key| Cell::Text(Cow::Owned(key))))
        }
        (BindForm::JsonKey, value) => Err(unfit(value, Kind::Text)),
        (BindForm::Wire(scalar), value) => Ok(wire(scalar, value, is_text)),
    }
}

/// A search was checked when it was given: nothing of it stands in a statement as it was written.
fn search(form: BindForm, value: &Value, dialect: &dyn Dialect) -> Result<String, StoreError> {
    let Value::Text(text) = value else {
        return Err(unfit(value, Kind::Text));
    };
    let search =
        Search::parse(text).map_err(|error| StoreError::Internal(format!("a search was not checked: {error}")))?;
    match form {
        BindForm::Rank(languages) => Ok(ranked(&search, languages)),
        BindForm::Search(languages) => Ok(dialect.searches().wanted(&search, languages)),
        _ => Err(StoreError::Internal("an operand that is no search".to_owned())),
    }
}

/// A value as the elements of a list column are seen: by SQLite as values, Booleans as 0 and 1; by
/// PostgreSQL as text.
fn wire(scalar: Scalar, value: &Value, is_text: bool) -> Cell<'static> {
    let text = |text| Cell::Text(Cow::Owned(text));
    match (scalar, value) {
        // As it was written into the list.
        (Scalar::Float, Value::Int(value)) => wire(scalar, &Value::Float(*value as f64), is_text),
        (_, Value::Float(value)) if !is_text => Cell::Float(*value),
        (_, Value::Float(_)) => text(scalar.to_wire_text(value)),
        _ => match scalar.to_wire(value) {
            serde_json::Value::Null => Cell::Null(Kind::Text),
            serde_json::Value::String(value) => text(value),
            serde_json::Value::Bool(value) if !is_text => Cell::Int(i64::from(value)),
            serde_json::Value::Number(number) if !is_text => number.as_i64().map_or(Cell::Null(Kind::Int), Cell::Int),
            other => text(other.to_string()),
        },
    }
}
