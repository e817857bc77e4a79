//! Shapes from a catalog and its layout. Knows both; knows no records.

use jaq_json::Val;

use super::model::{EntityShape, FieldShape, What};
use crate::{
    catalog::{Catalog, EntityId, Field, FieldId, FieldKind, Leaf},
    harvest::{
        index_size::IndexSize,
        leaf::{Document, Item, LeafShape},
        select::Take,
    },
    layout::EntityTables,
};

pub(super) fn entity_shape(catalog: &Catalog, id: EntityId, tables: &EntityTables) -> EntityShape {
    let entity = catalog.entity(id);
    let parent = entity.owner.map(|owner| owner.parent);
    let mut fields: Vec<FieldShape> = entity
        .field_ids()
        .filter(|field| Some(*field) != parent)
        .filter_map(|field| field_shape(catalog, id, field, tables))
        .collect();
    let shared = catalog.is_shared(id);
    let names = names(&mut fields).filter(|_| !shared && parent.is_none());
    EntityShape {
        columns: tables.table.columns.len(),
        joins: tables.joins.len(),
        nested: tables.nested.len(),
        shared,
        names,
        needs_object: fields.iter().any(|field| matches!(field.take, Take::Keys(_))),
        fields,
        key: tables.table.key.clone(),
        key_leaves: leaf_shapes(catalog, catalog.leaves_of(id, &entity.key)),
        parent: parent.map(|field| tables.columns_of(field)).unwrap_or_default(),
        positional: entity.positional,
        index_size: IndexSize::of(entity, tables),
        apart: tables.apart(),
    }
}

/// The names by which the fields are taken, and in each field the places of its own; `None` where
/// one is taken another way.
fn names(fields: &mut [FieldShape]) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for field in fields {
        let own = match &field.take {
            Take::Keys(keys) => keys.iter().map(plain_name).collect::<Option<Vec<String>>>()?,
            // It sees an object of what it reads.
            Take::Jq(filter) if filter.is_path() => filter.keys()?.iter().map(plain_name).collect::<Option<_>>()?,
            Take::Jq(_) => return None,
        };
        if own.is_empty() {
            return None;
        }
        for name in own {
            let known = names.iter().position(|known| *known == name);
            field.places.push(known.unwrap_or(names.len()));
            if known.is_none() {
                names.push(name);
            }
        }
    }
    Some(names)
}

/// A name that stands in JSON as it is.
fn plain_name(key: &Val) -> Option<String> {
    let Val::TStr(name) = key else { return None };
    let name = std::str::from_utf8(name).ok()?;
    let plain = name.chars().all(|sign| sign >= ' ' && !matches!(sign, '"' | '\\'));
    plain.then(|| name.to_owned())
}

fn leaf_shapes(catalog: &Catalog, leaves: Vec<Leaf>) -> Vec<LeafShape> {
    leaves.into_iter().map(|leaf| LeafShape::new(catalog, leaf)).collect()
}

/// `None` for fields that no record fills: inverses, those with requests of their own, rollups.
fn field_shape(catalog: &Catalog, id: EntityId, field_id: FieldId, tables: &EntityTables) -> Option<FieldShape> {
    let entity = catalog.entity(id);
    let field: &Field = entity.field(field_id);
    let columns = tables.columns_of(field_id);
    let leaves = |leaves: Vec<Leaf>| leaf_shapes(catalog, leaves);
    let what = match &field.kind {
        FieldKind::Leaf { leaf, list: None } => What::Leaf {
            column: *columns.first()?,
            leaf: LeafShape::new(catalog, *leaf),
        },
        FieldKind::Leaf { leaf, list } => What::Document {
            column: *columns.first()?,
            document: Document {
                item: Item::Leaf(LeafShape::new(catalog, *leaf)),
                list: *list,
            },
        },
        FieldKind::Value { value, list } => What::Document {
            column: *columns.first()?,
            document: Document {
                item: Item::Value(*value),
                list: *list,
            },
        },
        FieldKind::Reference { target, by } => What::Reference {
            columns,
            leaves: leaves(catalog.leaves_of(*target, by)),
        },
        FieldKind::Links { target, by } => What::Links {
            join: tables.joins.iter().position(|join| join.field == field_id)?,
            leaves: leaves(catalog.leaves_of(*target, by)),
        },
        FieldKind::Nested { child } => What::Nested {
            list: tables.nested.iter().position(|nested| nested.field == field_id)?,
            child: *child,
        },
        FieldKind::Inverse { .. } | FieldKind::Closure { .. } => return None,
    };
    if !field.is_recorded() {
        return None;
    }
    Some(FieldShape {
        name: field.name.clone(),
        required: field.required,
        in_key: entity.key.contains(&field_id),
        places: Vec::new(),
        take: if field.kind.is_list() {
            Take::of_items(&field.selection)
        } else {
            Take::new(&field.selection)
        },
        what,
    })
}
