//! Leaves, lists and value objects: from a record's JSON to stored values and documents. Knows
//! types; knows no tables.

use std::collections::HashMap;

use super::select::{Found, Take};
use crate::{
    catalog::{Catalog, Leaf, List, ValueFieldKind, ValueId},
    value::{Misfit, Scalar, Value, describe, whole_number},
};
use jaq_json::Val;

/// How one leaf is converted.
#[derive(Debug)]
pub(super) enum LeafShape {
    Scalar(Scalar),
    Enum {
        expected: String,
        /// Names and aliases to names.
        names: HashMap<String, String>,
    },
}

impl LeafShape {
    pub(super) fn new(catalog: &Catalog, leaf: Leaf) -> LeafShape {
        let id = match leaf {
            Leaf::Scalar(scalar) => return LeafShape::Scalar(scalar),
            Leaf::Enum(id) => id,
        };
        let enumeration = catalog.enumeration(id);
        let mut names = HashMap::new();
        for value in &enumeration.values {
            for alias in &value.aliases {
                names.entry(alias.clone()).or_insert_with(|| value.name.clone());
            }
        }
        // A value's own name goes before another's alias.
        names.extend(
            enumeration
                .values
                .iter()
                .map(|value| (value.name.clone(), value.name.clone())),
        );
        LeafShape::Enum {
            expected: format!("a value of {} or an alias of one", enumeration.name),
            names,
        }
    }

    /// The stored form of a value; null stays null.
    pub(super) fn convert(&self, value: &Val) -> Result<Value, String> {
        let converted = match self {
            LeafShape::Scalar(scalar) => scalar.from_upstream(value),
            LeafShape::Enum { expected, names } => enum_value(expected, names, value),
        };
        match converted {
            Ok(Value::Text(text)) if text.contains('\0') => {
                Err("the text holds a NUL character, which no database keeps".to_owned())
            }
            Ok(value) => Ok(value),
            Err(misfit) => Err(misfit.to_string()),
        }
    }

    /// The form that a client sees, for documents.
    fn wire(&self, value: &Value) -> String {
        match self {
            LeafShape::Scalar(scalar) => scalar.to_wire_text(value),
            LeafShape::Enum { .. } => Scalar::String.to_wire_text(value),
        }
    }
}

fn enum_value(expected: &str, names: &HashMap<String, String>, value: &Val) -> Result<Value, Misfit> {
    let name = match value {
        Val::Null => return Ok(Value::Null),
        // Upstreams also number their kinds: `@alias(options: ["1"])`.
        Val::TStr(text) => std::str::from_utf8(text).ok().and_then(|text| names.get(text)),
        Val::Num(_) => {
            let whole = || whole_number(value).and_then(|digits| names.get(&digits));
            names.get(&value.to_string()).or_else(whole)
        }
        _ => None,
    };
    match name {
        Some(name) => Ok(Value::Text(name.clone())),
        None => Err(Misfit::new(expected, value)),
    }
}

/// All value types of a catalog, by [`ValueId`].
#[derive(Debug)]
pub(super) struct Values(Vec<ValueShape>);

#[derive(Debug)]
struct ValueShape {
    fields: Vec<ValueFieldShape>,
}

#[derive(Debug)]
struct ValueFieldShape {
    name: String,
    required: bool,
    take: Take,
    document: Document,
}

/// What a document column (or a field inside one) holds.
#[derive(Debug)]
pub(super) struct Document {
    pub item: Item,
    pub list: Option<List>,
}

#[derive(Debug)]
pub(super) enum Item {
    Leaf(LeafShape),
    Value(ValueId),
}

impl Values {
    pub(super) fn new(catalog: &Catalog) -> Values {
        let shape = |field: &crate::catalog::ValueField| ValueFieldShape {
            name: field.name.clone(),
            required: field.required,
            take: match &field.kind {
                ValueFieldKind::Leaf { list: Some(_), .. } | ValueFieldKind::Value { list: Some(_), .. } => {
                    Take::of_items(&field.selection)
                }
                _ => Take::new(&field.selection),
            },
            document: match &field.kind {
                ValueFieldKind::Leaf { leaf, list } => Document {
                    item: Item::Leaf(LeafShape::new(catalog, *leaf)),
                    list: *list,
                },
                ValueFieldKind::Value { value, list } => Document {
                    item: Item::Value(*value),
                    list: *list,
                },
            },
        };
        let values = catalog.values.iter();
        Values(
            values
                .map(|value| ValueShape {
                    fields: value.fields.iter().map(shape).collect(),
                })
                .collect(),
        )
    }

    /// The JSON text of a document, none for null; a reason begins with the path inside the
    /// document.
    pub(super) fn document(&self, document: &Document, found: &Found<'_>) -> Result<Option<String>, String> {
        let mut out = String::new();
        Ok(self.write(document, found, &mut out)?.then_some(out))
    }

    /// Writes a document; whether it is anything but null.
    fn write(&self, document: &Document, found: &Found<'_>, out: &mut String) -> Result<bool, String> {
        let Some(list) = document.list else {
            let one = found.one().map_err(|reason| format!(": {reason}"))?;
            return self.item(&document.item, one, out);
        };
        let Some(items) = found.items() else {
            out.push_str("null");
            return Ok(false);
        };
        out.push('[');
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            let written = self.item(&document.item, item, out);
            if !written.map_err(|reason| format!("[{position}]{reason}"))? && list.item_required {
                return Err(format!("[{position}]: required, found null"));
            }
        }
        out.push(']');
        Ok(true)
    }

    fn item(&self, item: &Item, value: &Val, out: &mut String) -> Result<bool, String> {
        match item {
            Item::Leaf(leaf) => {
                let stored = leaf.convert(value).map_err(|reason| format!(": {reason}"))?;
                out.push_str(&leaf.wire(&stored));
                Ok(!stored.is_null())
            }
            Item::Value(id) => self.object(*id, value, out),
        }
    }

    /// Recursion ends with the record's own depth, which the parser limits.
    fn object(&self, id: ValueId, record: &Val, out: &mut String) -> Result<bool, String> {
        match record {
            Val::Null => {
                out.push_str("null");
                return Ok(false);
            }
            Val::Obj(_) => {}
            other => return Err(format!(": expected an object, found {}", describe(other))),
        }
        let Some(shape) = self.0.get(id.index()) else {
            return Err(": its type is not in the definition".to_owned());
        };
        out.push('{');
        for (position, field) in shape.fields.iter().enumerate() {
            let inside = |reason: String| format!(".{}{reason}", field.name);
            let found = field
                .take
                .find(record)
                .map_err(|reason| inside(format!(": {reason}")))?;
            // Names of GraphQL need no escapes.
            let comma = if position > 0 { "," } else { "" };
            out.extend([comma, "\"", &field.name, "\":"]);
            if !self.write(&field.document, &found, out).map_err(inside)? && field.required {
                return Err(inside(format!(
                    ": required, but missing or null ({})",
                    field.take.sought()
                )));
            }
        }
        out.push('}');
        Ok(true)
    }
}
