//! Values as parameters of a statement, and statements ready to run. Knows sqlx's arguments; no tables.

use std::sync::Arc;

use sqlx::{Arguments, Encode, Postgres, Sqlite, Type, postgres::PgArguments, sqlite::SqliteArguments};

use crate::{
    layout::ColumnKind,
    query::Operand,
    store::{
        error::StoreError,
        types::{Bind, BindForm},
    },
    value::{Scalar, Value},
};

use super::{
    dialect::Dialect,
    pool::{Command, mixed},
};

/// The parameters of one statement, in the order of their numbers. Made by [`super::Inner::params`] for its database.
pub enum Params {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
    /// The lines of a copy into a table of PostgreSQL, in place of parameters.
    Copied(Vec<u8>),
}

/// A value that either database takes as a parameter.
pub trait Parameter<'q>: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> + 'q {}

impl<'q, T> Parameter<'q> for T where T: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> + 'q {}

/// The type in which a value is bound. PostgreSQL keeps prepared statements by their text, types included: so the type
/// follows from the column, never from the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Float,
    Bool,
    /// Text that the statement makes a number of.
    Decimal,
    Text,
}

impl Kind {
    pub fn of(column: ColumnKind) -> Kind {
        match column {
            ColumnKind::Scalar(Scalar::Int | Scalar::BigInt | Scalar::Duration) => Kind::Int,
            ColumnKind::Scalar(Scalar::Float) => Kind::Float,
            ColumnKind::Scalar(Scalar::Boolean) => Kind::Bool,
            ColumnKind::Scalar(Scalar::Decimal) => Kind::Decimal,
            ColumnKind::Scalar(_) | ColumnKind::Enum | ColumnKind::Document => Kind::Text,
        }
    }
}

/// A value taken for a column of another kind: a fault of this program that must not become another value.
pub fn unfit(value: &Value, kind: Kind) -> StoreError {
    StoreError::Refused(format!("the value {value} does not fit its column ({kind:?})"))
}

impl Params {
    /// Room for `count` parameters.
    pub fn reserve(mut self, count: usize) -> Params {
        match &mut self {
            Params::Sqlite(arguments) => arguments.reserve(count, 0),
            Params::Postgres(arguments) => arguments.reserve(count, 0),
            Params::Copied(_) => {}
        }
        self
    }

    pub fn add<'q, T: Parameter<'q>>(&mut self, value: T) -> Result<(), StoreError> {
        match self {
            Params::Sqlite(arguments) => arguments.add(value),
            Params::Postgres(arguments) => arguments.add(value),
            Params::Copied(_) => Err(mixed().into()),
        }
        .map_err(StoreError::Database)
    }

    /// A value for a column of this kind.
    pub fn value(&mut self, value: &Value, kind: Kind) -> Result<(), StoreError> {
        match (kind, value) {
            (Kind::Int, Value::Int(value)) => self.add(*value),
            (Kind::Int, Value::Null) => self.add(None::<i64>),
            (Kind::Float, Value::Float(value)) => self.add(*value),
            (Kind::Float, Value::Int(value)) => self.add(*value as f64),
            (Kind::Float, Value::Null) => self.add(None::<f64>),
            (Kind::Bool, Value::Bool(value)) => self.add(*value),
            (Kind::Bool, Value::Null) => self.add(None::<bool>),
            (Kind::Decimal | Kind::Text, Value::Text(value)) => self.text(value),
            (Kind::Decimal | Kind::Text, Value::Null) => self.add(None::<String>),
            (kind, value) => Err(unfit(value, kind)),
        }
    }

    /// A text, copied once: a `String` would be copied twice on its way to SQLite, as sqlx puts it behind an `Arc`.
    pub fn text(&mut self, text: &str) -> Result<(), StoreError> {
        match self {
            Params::Sqlite(arguments) => arguments.add(Arc::<str>::from(text)),
            Params::Postgres(arguments) => arguments.add(text),
            Params::Copied(_) => Err(mixed().into()),
        }
        .map_err(StoreError::Database)
    }

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
                (BindForm::Wire(scalar), value) => out.wire(scalar, value)?,
            }
        }
        Ok(out)
    }

    /// A value as the elements of a list column are seen: by SQLite as values, Booleans as 0 and 1; by PostgreSQL as text.
    fn wire(&mut self, scalar: Scalar, value: &Value) -> Result<(), StoreError> {
        let is_text = matches!(self, Params::Postgres(_));
        match (scalar, value) {
            // As it was written into the list.
            (Scalar::Float, Value::Int(value)) => self.wire(scalar, &Value::Float(*value as f64)),
            (_, Value::Float(value)) if !is_text => self.add(*value),
            (_, Value::Float(_)) => self.add(scalar.to_wire_text(value)),
            _ => match scalar.to_wire(value) {
                serde_json::Value::Null => self.add(None::<String>),
                serde_json::Value::String(text) => self.add(text),
                serde_json::Value::Bool(value) if !is_text => self.add(i64::from(value)),
                serde_json::Value::Number(number) if !is_text => self.add(number.as_i64()),
                other => self.add(other.to_string()),
            },
        }
    }

    /// A statement of our own text with these parameters.
    pub fn query(self, sql: impl Into<Arc<str>>) -> Command {
        Command {
            sql: sql.into(),
            params: self,
        }
    }
}
