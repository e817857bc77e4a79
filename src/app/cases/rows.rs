//! The query that gives all stored rows of a type as they are served. Knows the catalog; asks
//! nothing.

use crate::catalog::{Catalog, EntityId, Field, FieldKind, ValueFieldKind, ValueId};

/// How deep rows in rows are asked for; the definition's own nesting is less deep.
const DEPTH: usize = 8;

/// All rows with all that a record, a request or a rollup says; of rows behind links their keys.
pub(super) fn query(catalog: &Catalog, id: EntityId) -> String {
    let many = &catalog.entity(id).names.many;
    format!("{{ {many} {{ {} }} }}", fields(catalog, id, DEPTH))
}

fn fields(catalog: &Catalog, id: EntityId, depth: usize) -> String {
    let entity = catalog.entity(id);
    let owner = entity.owner.map(|owner| owner.parent);
    let shown = entity
        .field_ids()
        .filter(|field| Some(*field) != owner)
        .filter_map(|field| one(catalog, entity.field(field), depth));
    or_name(shown.collect())
}

fn one(catalog: &Catalog, field: &Field, depth: usize) -> Option<String> {
    if !field.served {
        return None;
    }
    let name = &field.name;
    match &field.kind {
        FieldKind::Leaf { .. } => Some(name.clone()),
        FieldKind::Value { value, .. } => Some(format!("{name} {{ {} }}", members(catalog, *value))),
        FieldKind::Reference { target, .. } | FieldKind::Links { target, .. } => {
            Some(format!("{name} {{ {} }}", key(catalog, *target, depth)))
        }
        FieldKind::Nested { child } if depth > 0 => {
            Some(format!("{name} {{ {} }}", fields(catalog, *child, depth - 1)))
        }
        FieldKind::Nested { .. } | FieldKind::Inverse { .. } | FieldKind::Closure { .. } => None,
    }
}

fn key(catalog: &Catalog, id: EntityId, depth: usize) -> String {
    let entity = catalog.entity(id);
    let parts = entity.key.iter().filter_map(|field| {
        let field = entity.field(*field);
        match &field.kind {
            FieldKind::Leaf { .. } if field.served => Some(field.name.clone()),
            FieldKind::Reference { target, .. } if field.served && depth > 0 => {
                Some(format!("{} {{ {} }}", field.name, key(catalog, *target, depth - 1)))
            }
            _ => None,
        }
    });
    or_name(parts.collect())
}

fn members(catalog: &Catalog, id: ValueId) -> String {
    let shown = catalog.value(id).fields.iter().map(|field| match &field.kind {
        ValueFieldKind::Leaf { .. } => field.name.clone(),
        ValueFieldKind::Value { value, .. } => format!("{} {{ {} }}", field.name, members(catalog, *value)),
    });
    or_name(shown.collect())
}

/// A selection is not empty.
fn or_name(shown: Vec<String>) -> String {
    match shown.is_empty() {
        true => "__typename".to_owned(),
        false => shown.join(" "),
    }
}
