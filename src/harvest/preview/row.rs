//! A row as it would be stored, in the names of the definition. Knows catalog and layout; reads no
//! record.

use serde_json::{Map, Value as Json};

use crate::{
    catalog::{Catalog, EntityId, FieldId, FieldKind},
    layout::{Column, ColumnKind, EntityTables, Layout},
    value::{Key, Row, Scalar, Value},
};

/// A row without what no record brings. What the record does not say at all is left out, where
/// others bring the row, too.
pub(super) fn json(catalog: &Catalog, layout: &Layout, id: EntityId, row: &Row) -> Json {
    let (entity, tables) = (catalog.entity(id), layout.entity(id));
    let owner = entity.owner.map(|owner| owner.parent);
    let mut shown = Map::new();
    for field in entity.field_ids().filter(|field| Some(*field) != owner) {
        let declared = entity.field(field);
        if declared.is_recorded()
            && let Some(value) = of_field(catalog, layout, tables, (field, &declared.kind), row)
        {
            shown.insert(declared.name.clone(), value);
        }
    }
    Json::Object(shown)
}

fn of_field(
    catalog: &Catalog,
    layout: &Layout,
    tables: &EntityTables,
    (field, kind): (FieldId, &FieldKind),
    row: &Row,
) -> Option<Json> {
    let absent = row.part.as_ref().map(|part| &part.absent);
    let columns = tables.columns_of(field);
    match kind {
        FieldKind::Inverse { .. } | FieldKind::Closure { .. } => None,
        FieldKind::Leaf { .. } | FieldKind::Value { .. } | FieldKind::Reference { .. } => {
            if absent.is_some_and(|absent| columns.iter().any(|column| absent.values.contains(column))) {
                return None;
            }
            let parts = columns.iter().map(|at| {
                let column = tables.table.columns.get(*at);
                let value = row.values.get(*at).unwrap_or(&Value::Null);
                column.map_or(Json::Null, |column| of_value(column, value))
            });
            Some(one_or_all(parts.collect()))
        }
        FieldKind::Links { .. } => {
            let at = tables.joins.iter().position(|join| join.field == field)?;
            if absent.is_some_and(|absent| absent.links.contains(&at)) {
                return None;
            }
            let targets = &tables.joins.get(at)?.targets;
            let links = row.links.get(at)?.iter().map(|Key(key)| {
                let parts = targets.iter().zip(key).map(|(column, value)| of_value(column, value));
                one_or_all(parts.collect())
            });
            Some(Json::Array(links.collect()))
        }
        FieldKind::Nested { child } => {
            let at = tables.nested.iter().position(|nested| nested.field == field)?;
            if absent.is_some_and(|absent| absent.children.contains(&at)) {
                return None;
            }
            let rows = row.children.get(at)?.iter();
            Some(Json::Array(
                rows.map(|row| json(catalog, layout, *child, row)).collect(),
            ))
        }
    }
}

/// The parts of a key: one is itself.
fn one_or_all(mut parts: Vec<Json>) -> Json {
    match parts.len() {
        1 => parts.remove(0),
        _ => Json::Array(parts),
    }
}

fn of_value(column: &Column, value: &Value) -> Json {
    scalar_of(column).to_wire(value)
}

/// As what the values of a column are held.
pub(super) fn scalar_of(column: &Column) -> Scalar {
    match column.kind {
        ColumnKind::Scalar(scalar) => scalar,
        ColumnKind::Enum => Scalar::String,
        ColumnKind::Document => Scalar::Json,
    }
}
