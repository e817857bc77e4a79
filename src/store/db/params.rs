//! Values as parameters of a statement, and statements ready to run. Knows sqlx's arguments; no
//! tables.

use std::{borrow::Cow, sync::Arc};

use sea_orm::sea_query::{self, Values};
use sqlx::{Arguments, Encode, Postgres, Sqlite, Type, postgres::PgArguments, sqlite::SqliteArguments};

use crate::{
    layout::ColumnKind,
    store::error::StoreError,
    value::{Scalar, Value},
};

/// The parameters of one statement, in the order of their numbers. Made by a dialect for its
/// database.
pub(crate) enum Params {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// A value that either database takes as a parameter.
pub(crate) trait Parameter<'q>:
    Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> + 'q
{
}

impl<'q, T> Parameter<'q> for T where T: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> + 'q {}

/// The type in which a value is bound. PostgreSQL keeps prepared statements by their text, types
/// included: so the type follows from the column, never from the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Float,
    Bool,
    /// Text that the statement makes a number of.
    Decimal,
    Text,
    /// Of our own tables.
    Bytes,
}

impl Kind {
    pub(crate) fn of(column: ColumnKind) -> Kind {
        match column {
            ColumnKind::Scalar(Scalar::Int | Scalar::BigInt | Scalar::Duration) => Kind::Int,
            ColumnKind::Scalar(Scalar::Float) => Kind::Float,
            ColumnKind::Scalar(Scalar::Boolean) => Kind::Bool,
            ColumnKind::Scalar(Scalar::Decimal) => Kind::Decimal,
            ColumnKind::Scalar(_) | ColumnKind::Enum | ColumnKind::Document => Kind::Text,
        }
    }
}

/// A value as it is bound.
#[derive(Clone, Debug)]
pub(crate) enum Cell<'v> {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(Cow<'v, str>),
    Null(Kind),
}

/// A value taken for a column of another kind: a fault of this program that must not become another
/// value.
pub(crate) fn unfit(value: &Value, kind: Kind) -> StoreError {
    StoreError::Internal(format!("the value {value} does not fit its column ({kind:?})"))
}

impl Params {
    /// Room for `count` parameters.
    pub(crate) fn reserve(mut self, count: usize) -> Params {
        match &mut self {
            Params::Sqlite(arguments) => arguments.reserve(count, 0),
            Params::Postgres(arguments) => arguments.reserve(count, 0),
        }
        self
    }

    pub(crate) fn add<'q, T: Parameter<'q>>(&mut self, value: T) -> Result<(), StoreError> {
        match self {
            Params::Sqlite(arguments) => arguments.add(value),
            Params::Postgres(arguments) => arguments.add(value),
        }
        .map_err(StoreError::Database)
    }

    /// A value for a column of this kind.
    pub(crate) fn value(&mut self, value: &Value, kind: Kind) -> Result<(), StoreError> {
        self.cell(Cell::of(value, kind)?)
    }

    /// A value as it is bound.
    pub(crate) fn cell(&mut self, cell: Cell<'_>) -> Result<(), StoreError> {
        match cell {
            Cell::Int(value) => self.add(value),
            Cell::Float(value) => self.add(value),
            Cell::Bool(value) => self.add(value),
            Cell::Text(value) => self.text(&value),
            Cell::Null(Kind::Int) => self.add(None::<i64>),
            Cell::Null(Kind::Float) => self.add(None::<f64>),
            Cell::Null(Kind::Bool) => self.add(None::<bool>),
            Cell::Null(Kind::Decimal | Kind::Text) => self.add(None::<String>),
            Cell::Null(Kind::Bytes) => self.add(None::<Vec<u8>>),
        }
    }

    /// A text, copied once: a `String` would be copied twice on its way to SQLite, as sqlx puts it
    /// behind an `Arc`.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), StoreError> {
        match self {
            Params::Sqlite(arguments) => arguments.add(Arc::<str>::from(text)),
            Params::Postgres(arguments) => arguments.add(text),
        }
        .map_err(StoreError::Database)
    }

    /// The values of a statement that SeaORM built: numbers and texts, which is all that system
    /// tables are asked by.
    pub(crate) fn values(&mut self, values: Option<Values>) -> Result<(), StoreError> {
        for value in values.into_iter().flat_map(|values| values.0) {
            match value {
                sea_query::Value::BigInt(number) => self.add(number)?,
                // A limit.
                sea_query::Value::BigUnsigned(number) => self.add(number.map(u64::cast_signed))?,
                sea_query::Value::String(text) => self.add(text)?,
                other => {
                    return Err(StoreError::Internal(format!(
                        "a system table is not asked by {other:?}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// A statement of our own text with these parameters.
    pub(crate) fn query(self, sql: impl Into<Arc<str>>) -> Command {
        Command {
            sql: sql.into(),
            params: self,
        }
    }
}

/// A statement with its parameters, ready to run. Its text comes from the catalog and our own
/// literals, which is why the drivers may trust it; values are only ever bound.
pub(crate) struct Command {
    pub sql: Arc<str>,
    pub params: Params,
}

/// Parameters were made for the other database: a fault of this program, never of a person.
pub(crate) fn mixed() -> sqlx::Error {
    sqlx::Error::Configuration("parameters of another database".into())
}

impl<'v> Cell<'v> {
    /// A value for a column of this kind.
    pub(crate) fn of(value: &'v Value, kind: Kind) -> Result<Cell<'v>, StoreError> {
        match (kind, value) {
            (kind, Value::Null) => Ok(Cell::Null(kind)),
            (Kind::Int, Value::Int(value)) => Ok(Cell::Int(*value)),
            (Kind::Float, Value::Float(value)) => Ok(Cell::Float(*value)),
            (Kind::Float, Value::Int(value)) => Ok(Cell::Float(*value as f64)),
            (Kind::Bool, Value::Bool(value)) => Ok(Cell::Bool(*value)),
            (Kind::Decimal | Kind::Text, Value::Text(value)) => Ok(Cell::Text(Cow::Borrowed(value))),
            (kind, value) => Err(unfit(value, kind)),
        }
    }

    /// The same without what it was made of.
    pub(crate) fn into_owned(self) -> Cell<'static> {
        match self {
            Cell::Int(value) => Cell::Int(value),
            Cell::Float(value) => Cell::Float(value),
            Cell::Bool(value) => Cell::Bool(value),
            Cell::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Cell::Null(kind) => Cell::Null(kind),
        }
    }

    /// The value that is bound.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Cell::Int(value) => Value::Int(value),
            Cell::Float(value) => Value::Float(value),
            Cell::Bool(value) => Value::Bool(value),
            Cell::Text(text) => Value::Text(text.into_owned()),
            Cell::Null(_) => Value::Null,
        }
    }
}
