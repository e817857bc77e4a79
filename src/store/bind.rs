//! Values as parameters of a statement, and statements ready to run. Knows sqlx; no tables.

use std::sync::Arc;

use sqlx::{Arguments, AssertSqlSafe, Sqlite, query::Query, sqlite::SqliteArguments};

use super::{
    dialect::Dialect,
    failed,
    types::{Bind, BindForm, StoreError},
};
use crate::{query::Operand, value::Value};

/// The parameters of one statement, in the order of their numbers.
#[derive(Default)]
pub struct Params(SqliteArguments);

impl Params {
    pub fn with_capacity(count: usize) -> Params {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(count, 0);
        Params(arguments)
    }

    pub fn add<'q, T: sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite> + 'q>(
        &mut self,
        value: T,
    ) -> Result<(), StoreError> {
        self.0.add(value).map_err(StoreError::Database)
    }

    pub fn value(&mut self, value: &Value) -> Result<(), StoreError> {
        match value {
            Value::Null => self.add(None::<i64>),
            Value::Bool(value) => self.add(i64::from(*value)),
            Value::Int(value) => self.add(*value),
            Value::Float(value) => self.add(*value),
            // One allocation; a `String` would be two, as sqlx puts it behind an `Arc`.
            Value::Text(value) => self.add(Arc::<str>::from(value.as_str())),
        }
    }

    /// The operands of a compiled read, with the request's parameters put in.
    pub fn operands(binds: &[Bind], params: &[Value], dialect: &dyn Dialect) -> Result<Params, StoreError> {
        let mut out = Params::with_capacity(binds.len());
        for bind in binds {
            let value = match &bind.operand {
                Operand::Value(value) => value,
                Operand::Param(number) => params.get(*number).ok_or_else(|| {
                    StoreError::Refused(format!("the statement needs parameter {number}, which was not given"))
                })?,
            };
            match (bind.form, value) {
                (BindForm::Pattern, Value::Text(text)) => out.add(dialect.pattern(text))?,
                (BindForm::Wire(scalar), value) => out.wire(scalar.to_wire(value))?,
                (_, value) => out.value(value)?,
            }
        }
        Ok(out)
    }

    /// A value as the elements of a list column are seen: Booleans as 0 and 1.
    fn wire(&mut self, json: serde_json::Value) -> Result<(), StoreError> {
        match json {
            serde_json::Value::Null => self.add(None::<i64>),
            serde_json::Value::Bool(value) => self.add(i64::from(value)),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(int) => self.add(int),
                None => self.add(number.as_f64()),
            },
            serde_json::Value::String(text) => self.add(text),
            other => self.add(other.to_string()),
        }
    }

    /// A statement of our own text with these parameters.
    pub fn query(self, sql: impl Into<Arc<str>>) -> Query<'static, Sqlite, SqliteArguments> {
        // The text comes from the catalog and our own literals; values are only ever bound.
        sqlx::query_with(AssertSqlSafe(sql.into()), self.0)
    }
}

/// Reads a column of a row.
pub fn get<'r, T>(row: &'r sqlx::sqlite::SqliteRow, at: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    sqlx::Row::try_get(row, at).map_err(failed)
}
