//! Output as JSON text built inside the database. Knows wire forms by the dialect; no filters.

use crate::{
    catalog::{EntityId, FieldId, FieldKind, List, ValueFieldKind, ValueId},
    layout::ROW_COLUMN,
    query::{Output, OutputValue, ValueOutput, ValueOutputValue},
    store::{
        db::{dialect::RowsOf, made::Bounds},
        error::StoreError,
    },
};

use super::{
    compiler::{ColumnAt, Compiler},
    joins::Joins,
    relation::Rows,
};

/// `"key":` as JSON text.
pub(crate) fn member_key(key: &str) -> String {
    format!("{}:", json_text(key))
}

pub(crate) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Texts and expressions of an object, neighbouring texts joined.
pub(crate) struct Pieces {
    parts: Vec<String>,
    text: String,
}

impl Pieces {
    pub(crate) fn new() -> Self {
        Pieces {
            parts: Vec::new(),
            text: "{".to_owned(),
        }
    }

    /// A constant text as the value.
    pub(crate) fn json(&mut self, text: &str) {
        self.text.push_str(&json_text(text));
    }

    pub(crate) fn key(&mut self, key: &str) {
        if !(self.parts.is_empty() && self.text == "{") {
            self.text.push(',');
        }
        self.text.push_str(&member_key(key));
    }

    pub(crate) fn expression(&mut self, compiler: &Compiler<'_>, sql: String) {
        let text = std::mem::take(&mut self.text);
        self.parts.push(compiler.dialect.literal(&text));
        self.parts.push(sql);
    }

    pub(crate) fn finish(mut self, compiler: &Compiler<'_>) -> String {
        self.text.push('}');
        self.parts.push(compiler.dialect.literal(&self.text));
        compiler.dialect.concat(&self.parts)
    }
}

impl Compiler<'_> {
    /// The JSON object of the row under `alias`. The rows that it leads to are joined to it where
    /// that is sooner and `joins` are given, and are looked for one by one otherwise.
    pub(crate) fn object(
        &mut self,
        entity: EntityId,
        alias: &str,
        output: &[Output],
        mut joins: Option<&mut Joins>,
    ) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in output {
            pieces.key(&member.key);
            let sql = match &member.value {
                OutputValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                OutputValue::NodeId(signature) => {
                    let key = self.columns(entity, &self.entity(entity).key, alias);
                    let key = self.list_of(key.iter());
                    self.dialect.cursor(signature, &key)
                }
                OutputValue::Matches(matches) => self.matches(entity, alias, matches)?,
                OutputValue::Leaf(field) => {
                    let column = self.column(entity, *field, alias)?;
                    self.dialect.wire(&column.sql, column.kind, column.nullable)
                }
                OutputValue::Value { field, output } => self.value_column(entity, *field, alias, output)?,
                OutputValue::One { field, output } => {
                    self.one((entity, *field), alias, output, joins.as_deref_mut())?
                }
                OutputValue::Many { field, select } => {
                    let step = self.step(entity, *field, alias)?;
                    let (from, conditions) = step.once.unwrap_or((step.from, step.conditions));
                    let rows = self.rows(select, &step.alias, &from, conditions, step.position, None)?;
                    match self.bounds == Bounds::ENDLESS {
                        true => self.dialect.array("json", &rows),
                        false => self.dialect.rows_array("json", &rows, RowsOf::Row, self.bounds),
                    }
                }
                OutputValue::Connection { field, connection } => {
                    let (owner, field) = (entity, *field);
                    self.connection(connection, Rows::Behind { owner, field, alias })?
                }
            };
            pieces.expression(self, sql);
        }
        Ok(pieces.finish(self))
    }

    /// A JSON list of the values of columns.
    pub(crate) fn list_of<'c>(&self, columns: impl Iterator<Item = &'c ColumnAt>) -> String {
        let mut parts = vec![self.dialect.literal("[")];
        for (at, column) in columns.enumerate() {
            if at > 0 {
                parts.push(self.dialect.literal(","));
            }
            parts.push(self.dialect.wire(&column.sql, column.kind, column.nullable));
        }
        parts.push(self.dialect.literal("]"));
        self.dialect.concat(&parts)
    }

    fn one(
        &mut self,
        (entity, field): (EntityId, FieldId),
        alias: &str,
        output: &[Output],
        joins: Option<&mut Joins>,
    ) -> Result<String, StoreError> {
        let joined = match joins {
            Some(joins) => self
                .joined(joins, entity, field, alias)?
                .map(|(target, there)| (target, there, joins)),
            None => None,
        };
        if let Some((target, there, joins)) = joined {
            let object = self.object(target, &there, output, Some(joins))?;
            let row = self.name(&there, ROW_COLUMN);
            return Ok(format!("CASE WHEN {row} IS NULL THEN 'null' ELSE {object} END"));
        }
        let step = self.step(entity, field, alias)?;
        let mut inside = Joins::default();
        let outputs = self.dialect.joins_rows().then_some(&mut inside);
        let object = self.object(step.entity, &step.alias, output, outputs)?;
        Ok(format!(
            "coalesce((SELECT {object} FROM {}{} WHERE {} LIMIT 1),'null')",
            step.from,
            inside.sql(),
            step.conditions.join(" AND ")
        ))
    }

    /// The object of the row with a number, as a subquery: a join could be led by the other side.
    pub(crate) fn numbered(&mut self, entity: EntityId, output: &[Output], number: &str) -> Result<String, StoreError> {
        let alias = self.alias();
        let mut joins = Joins::default();
        let outputs = self.dialect.joins_rows().then_some(&mut joins);
        let object = self.object(entity, &alias, output, outputs)?;
        Ok(format!(
            "(SELECT {object} FROM {}{} WHERE {}={number})",
            self.table(entity, &alias),
            joins.sql(),
            self.name(&alias, ROW_COLUMN),
        ))
    }

    fn value_column(
        &mut self,
        entity: EntityId,
        field: FieldId,
        alias: &str,
        output: &[ValueOutput],
    ) -> Result<String, StoreError> {
        let column = self.column(entity, field, alias)?;
        match &self.entity(entity).field(field).kind {
            FieldKind::Value { value, list } => self.value(*value, list.as_ref(), &column.sql, output),
            _ => Err(StoreError::Internal(format!(
                "{} is no value object",
                self.entity(entity).field(field).name
            ))),
        }
    }

    /// A value object (or a list of them) selected from JSON text that may be SQL null or JSON
    /// `null`.
    fn value(
        &mut self,
        value: ValueId,
        list: Option<&List>,
        document: &str,
        output: &[ValueOutput],
    ) -> Result<String, StoreError> {
        if list.is_none() {
            let object = self.value_object(value, document, output)?;
            return Ok(format!(
                "CASE WHEN coalesce({document},'null')='null' THEN 'null' ELSE {object} END"
            ));
        }
        let alias = self.alias();
        let element = format!("{alias}.value");
        let object = self.value_object(value, &element, output)?;
        let elements = self.dialect.elements(document, &alias);
        let rows = format!(
            "SELECT CASE WHEN {element} IS NULL THEN 'null' ELSE {object} END AS json FROM {elements} ORDER BY {alias}.key"
        );
        let array = self.dialect.array("json", &rows);
        Ok(format!(
            "CASE WHEN coalesce({document},'null')='null' THEN 'null' ELSE {array} END"
        ))
    }

    fn value_object(&mut self, value: ValueId, document: &str, output: &[ValueOutput]) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in output {
            pieces.key(&member.key);
            let sql = match &member.value {
                ValueOutputValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                ValueOutputValue::Leaf(field) => {
                    format!("coalesce({},'null')", self.value_member(value, *field, document)?)
                }
                ValueOutputValue::Value { field, output } => {
                    let inner = self.value_member(value, *field, document)?;
                    match self
                        .catalog
                        .value(value)
                        .fields
                        .get(field.index())
                        .map(|field| &field.kind)
                    {
                        Some(ValueFieldKind::Value { value, list }) => {
                            self.value(*value, list.as_ref(), &inner, output)?
                        }
                        _ => return Err(StoreError::Internal("a leaf has no members".to_owned())),
                    }
                }
            };
            pieces.expression(self, sql);
        }
        Ok(pieces.finish(self))
    }

    fn value_member(&self, value: ValueId, field: FieldId, document: &str) -> Result<String, StoreError> {
        let kind = self.catalog.value(value);
        let field = kind.fields.get(field.index());
        let field = field.ok_or_else(|| StoreError::Internal(format!("{} has no such field", kind.name)))?;
        Ok(self.dialect.member(document, &field.name))
    }
}
