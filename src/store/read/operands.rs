//! The operands of a compiled read as parameters of its statement. Knows their forms; no SQL.

use crate::{
    query::Operand,
    store::{
        db::{
            dialect::Dialect,
            params::{Kind, Params},
        },
        error::StoreError,
    },
    value::{Scalar, Value},
};

use super::statement::{Bind, BindForm};

/// The operands of a compiled read, with the request's parameters put in.
pub fn operands(binds: &[Bind], params: &[Value], dialect: &dyn Dialect) -> Result<Params, StoreError> {
    let mut out = dialect.params().reserve(binds.len());
    for bind in binds {
        let value = match &bind.operand {
            Operand::Value(value) => value,
            Operand::Param(number) => params.get(*number).ok_or_else(|| {
                StoreError::Refused(format!("the statement needs parameter {number}, which was not given"))
            })?,
        };
        match (bind.form, value) {
            (BindForm::Column(kind), value) => out.value(value, Kind::of(kind))?,
            (BindForm::Count, value) => out.value(value, Kind::Int)?,
            (BindForm::Test(test), Value::Text(text)) => out.text(&dialect.pattern(test, text))?,
            (BindForm::Test(_) | BindForm::Whole, value) => out.value(value, Kind::Text)?,
            (BindForm::Wire(scalar), value) => wire(&mut out, scalar, value)?,
        }
    }
    Ok(out)
}

/// A value as the elements of a list column are seen: by SQLite as values, Booleans as 0 and 1; by PostgreSQL as text.
fn wire(out: &mut Params, scalar: Scalar, value: &Value) -> Result<(), StoreError> {
    let is_text = matches!(out, Params::Postgres(_));
    match (scalar, value) {
        // As it was written into the list.
        (Scalar::Float, Value::Int(value)) => wire(out, scalar, &Value::Float(*value as f64)),
        (_, Value::Float(value)) if !is_text => out.add(*value),
        (_, Value::Float(_)) => out.add(scalar.to_wire_text(value)),
        _ => match scalar.to_wire(value) {
            serde_json::Value::Null => out.add(None::<String>),
            serde_json::Value::String(text) => out.add(text),
            serde_json::Value::Bool(value) if !is_text => out.add(i64::from(value)),
            serde_json::Value::Number(number) if !is_text => out.add(number.as_i64()),
            other => out.add(other.to_string()),
        },
    }
}
