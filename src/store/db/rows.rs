//! Many rows of parameters as a table inside a statement: what is looked up, inserted or deleted at
//! once. Knows kinds of values; no tables of ours.

use std::borrow::Cow;

use sqlx::Arguments;

use crate::{store::error::StoreError, value::Value};

use super::{
    params::{Kind, Params, unfit},
    postgres::copy::Lines,
};

/// Collects rows, cell by cell, and binds them as the database takes them fastest: for SQLite each
/// cell is a parameter; for PostgreSQL each column is one, an array. [`Dialect::rows`] and
/// [`Dialect::add_rows`] write the text that reads them. Or they are lines of a copy, which are
/// taken piece by piece.
pub(crate) struct Rows<'v> {
    params: Params,
    kinds: Vec<Kind>,
    /// The arrays of PostgreSQL.
    columns: Vec<Column<'v>>,
    /// What it copies, in place of all these.
    lines: Option<Lines>,
    /// The column of the next cell.
    at: usize,
}

/// The cells of one column so far.
enum Column<'v> {
    Int(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Bool(Vec<Option<bool>>),
    Text(Vec<Option<Cow<'v, str>>>),
    Bytes(Vec<Option<&'v [u8]>>),
}

impl<'v> Rows<'v> {
    /// Rows of such columns, about `count` of them, bound after the parameters that are there
    /// already.
    pub(crate) fn new(params: Params, kinds: &[Kind], count: usize) -> Rows<'v> {
        let (params, columns) = match params {
            Params::Sqlite(_) => (params.reserve(count * kinds.len()), Vec::new()),
            Params::Postgres(_) => (params, kinds.iter().map(|kind| Column::new(*kind, count)).collect()),
        };
        Rows {
            params,
            kinds: kinds.to_vec(),
            columns,
            lines: None,
            at: 0,
        }
    }

    /// Rows of such columns that are copied.
    pub(crate) fn copied(params: Params, kinds: &[Kind]) -> Rows<'v> {
        Rows {
            params,
            kinds: kinds.to_vec(),
            columns: Vec::new(),
            lines: Some(Lines::new(kinds.len())),
            at: 0,
        }
    }

    /// The lines so far, where they are enough for a piece.
    pub(crate) fn piece(&mut self) -> Option<Vec<u8>> {
        self.lines.as_mut().filter(|lines| lines.is_piece()).map(Lines::take)
    }

    /// The lines that are left.
    pub(crate) fn last_piece(&mut self) -> Option<Vec<u8>> {
        self.lines.as_mut().map(Lines::take).filter(|piece| !piece.is_empty())
    }

    /// The next cell.
    pub(crate) fn value(&mut self, value: &'v Value) -> Result<(), StoreError> {
        let at = self.next();
        let kind = self.kinds.get(at).copied().unwrap_or(Kind::Text);
        if let Some(lines) = &mut self.lines {
            return lines.value(kind, value).ok_or_else(|| unfit(value, kind));
        }
        match self.columns.get_mut(at) {
            None => self.params.value(value, kind)?,
            Some(column) => column.push(value).ok_or_else(|| unfit(value, kind))?,
        }
        Ok(())
    }

    /// The next cell, a number.
    pub(crate) fn int(&mut self, value: impl Into<Option<i64>>) -> Result<(), StoreError> {
        let (at, value) = (self.next(), value.into());
        match (&mut self.lines, value) {
            (Some(lines), Some(value)) => {
                lines.int(value);
                return Ok(());
            }
            (Some(lines), None) => {
                lines.null();
                return Ok(());
            }
            (None, _) => {}
        }
        match self.columns.get_mut(at) {
            None => self.params.add(value)?,
            Some(Column::Int(cells)) => cells.push(value),
            Some(_) => return Err(unfit(&value.map_or(Value::Null, Value::Int), Kind::Text)),
        }
        Ok(())
    }

    /// The next cell, a text.
    pub(crate) fn text(&mut self, value: impl Into<Option<&'v str>>) -> Result<(), StoreError> {
        let (at, value) = (self.next(), value.into());
        match (&mut self.lines, value) {
            (Some(lines), Some(value)) => {
                lines.text(value);
                return Ok(());
            }
            (Some(lines), None) => {
                lines.null();
                return Ok(());
            }
            (None, _) => {}
        }
        match self.columns.get_mut(at) {
            None => match value {
                Some(value) => self.params.text(value)?,
                None => self.params.value(&Value::Null, Kind::Text)?,
            },
            Some(Column::Text(cells)) => cells.push(value.map(Cow::Borrowed)),
            Some(_) => return Err(unfit(&Value::Null, Kind::Int)),
        }
        Ok(())
    }

    /// The next cell, a text that nobody else keeps.
    pub(crate) fn own_text(&mut self, value: String) -> Result<(), StoreError> {
        let at = self.next();
        if let Some(lines) = &mut self.lines {
            lines.text(&value);
            return Ok(());
        }
        match self.columns.get_mut(at) {
            None => self.params.text(&value)?,
            Some(Column::Text(cells)) => cells.push(Some(Cow::Owned(value))),
            Some(_) => return Err(unfit(&Value::Text(value), Kind::Int)),
        }
        Ok(())
    }

    /// The next cell, bytes. They are not copied anywhere.
    pub(crate) fn bytes(&mut self, value: &'v [u8]) -> Result<(), StoreError> {
        let at = self.next();
        match self.columns.get_mut(at) {
            None if self.lines.is_none() => self.params.add(value.to_vec())?,
            Some(Column::Bytes(cells)) => cells.push(Some(value)),
            _ => return Err(unfit(&Value::Null, Kind::Text)),
        }
        Ok(())
    }

    fn next(&mut self) -> usize {
        let at = self.at;
        self.at = (at + 1) % self.kinds.len().max(1);
        at
    }

    /// The parameters, to which more can be added.
    pub(crate) fn bind(self) -> Result<Params, StoreError> {
        let mut params = self.params;
        if let Params::Postgres(arguments) = &mut params {
            for column in self.columns {
                match column {
                    Column::Int(cells) => arguments.add(cells),
                    Column::Float(cells) => arguments.add(cells),
                    Column::Bool(cells) => arguments.add(cells),
                    Column::Text(cells) => arguments.add(cells),
                    Column::Bytes(cells) => arguments.add(cells),
                }
                .map_err(StoreError::Database)?;
            }
        }
        Ok(params)
    }
}

impl<'v> Column<'v> {
    fn new(kind: Kind, count: usize) -> Column<'v> {
        match kind {
            Kind::Int => Column::Int(Vec::with_capacity(count)),
            Kind::Float => Column::Float(Vec::with_capacity(count)),
            Kind::Bool => Column::Bool(Vec::with_capacity(count)),
            Kind::Decimal | Kind::Text => Column::Text(Vec::with_capacity(count)),
            Kind::Bytes => Column::Bytes(Vec::with_capacity(count)),
        }
    }

    /// `None` for a value of another kind.
    fn push(&mut self, value: &'v Value) -> Option<()> {
        match (self, value) {
            (Column::Int(cells), Value::Int(value)) => cells.push(Some(*value)),
            (Column::Int(cells), Value::Null) => cells.push(None),
            (Column::Float(cells), Value::Float(value)) => cells.push(Some(*value)),
            (Column::Float(cells), Value::Int(value)) => cells.push(Some(*value as f64)),
            (Column::Float(cells), Value::Null) => cells.push(None),
            (Column::Bool(cells), Value::Bool(value)) => cells.push(Some(*value)),
            (Column::Bool(cells), Value::Null) => cells.push(None),
            (Column::Text(cells), Value::Text(value)) => cells.push(Some(Cow::Borrowed(value))),
            (Column::Text(cells), Value::Null) => cells.push(None),
            (Column::Bytes(cells), Value::Null) => cells.push(None),
            _ => return None,
        }
        Some(())
    }
}
