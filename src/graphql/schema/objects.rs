//! Root, object and enum types of the served schema. Knows the catalog; inputs are beside it.

use crate::{
    catalog::{
        Catalog, EntityId, EnumType, Field, FieldKind, Leaf, List, ValueField, ValueFieldKind, ValueId, ValueType,
    },
    graphql::names,
};

use super::{connections, grouped, matches, node, text::Sdl};

/// A root type: the fields of all types, and what else there is.
pub(super) fn write_root(sdl: &mut Sdl, catalog: &Catalog, name: &str, description: &str, more: impl FnOnce(&mut Sdl)) {
    sdl.block(Some(description), &format!("type {name}"), |sdl| {
        // What has passed is no live answer.
        let past = |id| match name == "Query" {
            true => names::past_arguments(catalog.entity(id)),
            false => "",
        };
        for id in catalog.entity_ids() {
            if !past(id).is_empty() {
                sdl.leaf_types.insert("DateTime".to_owned());
            }
            write_root_fields(sdl, catalog, id, past(id));
        }
        if node::is_there(catalog) {
            node::write_root(sdl);
        }
        more(sdl);
    });
}

fn write_root_fields(sdl: &mut Sdl, catalog: &Catalog, id: EntityId, past: &str) {
    let entity = catalog.entity(id);
    let arguments: Vec<String> = names::key_arguments(catalog, id)
        .iter()
        .map(|argument| format!("{}: {}!", argument.name, names::leaf_type(catalog, argument.leaf)))
        .collect();
    if !arguments.is_empty() {
        let arguments = arguments.join(", ");
        let field = format!("{}({arguments}{past}): {}", entity.names.single, entity.name);
        sdl.member(Some("One row by its key, or null."), &field, None);
    }
    if !names::unique_keys(catalog, id).is_empty() {
        let field = format!(
            "{}(key: {}!{past}): {}",
            entity.names.by,
            names::key_input(entity),
            entity.name
        );
        sdl.member(Some("One row by any of its unique fields, or null."), &field, None);
    }
    let field = format!(
        "{}{}: [{}!]!",
        entity.names.many,
        list_arguments(catalog, id, past),
        entity.name
    );
    sdl.member(entity.description.as_deref(), &field, None);
    grouped::write_root(sdl, catalog, id, past);
}

/// The arguments that every list of rows has.
fn list_arguments(catalog: &Catalog, id: EntityId, past: &str) -> String {
    let entity = catalog.entity(id);
    let (filter, order) = (names::filter_input(&entity.name), names::order_argument(catalog, id));
    let search = names::search_argument(entity);
    format!("(where: {filter}, {order}{search}first: Int, offset: Int{past})")
}

pub(super) fn write_entity(sdl: &mut Sdl, catalog: &Catalog, id: EntityId) {
    let entity = catalog.entity(id);
    let is_node = names::is_node(entity);
    let implements = if is_node {
        format!(" implements {}", node::TYPE)
    } else {
        String::new()
    };
    let head = format!("type {}{implements}", entity.name);
    sdl.block(entity.description.as_deref(), &head, |sdl| {
        if is_node {
            node::write_id(sdl);
        }
        for (_, field) in entity.shown() {
            write_field(sdl, catalog, field);
            connections::write_companion(sdl, catalog, field);
        }
        if matches::has(entity) {
            matches::write_field(sdl);
        }
    });
}

fn write_field(sdl: &mut Sdl, catalog: &Catalog, field: &Field) {
    let name = &field.name;
    let rows = |target: EntityId| {
        let arguments = list_arguments(catalog, target, "");
        format!("{name}{arguments}: [{}!]!", catalog.entity(target).name)
    };
    let row = |target: EntityId| format!("{name}: {}{}", catalog.entity(target).name, bang(field.required));
    let member = match &field.kind {
        FieldKind::Leaf { leaf, list } => leaf_member(sdl, catalog, name, *leaf, *list, field.required),
        FieldKind::Value { value, list } => value_member(catalog, name, *value, *list, field.required),
        FieldKind::Reference { target, .. } => row(*target),
        FieldKind::Links { target, .. } => rows(*target),
        FieldKind::Nested { child } => rows(*child),
        FieldKind::Closure { entity, .. } => rows(*entity),
        FieldKind::Inverse { source, many: true, .. } => rows(*source),
        FieldKind::Inverse {
            source, many: false, ..
        } => row(*source),
    };
    sdl.member(field.description.as_deref(), &member, field.deprecated.as_deref());
}

pub(super) fn write_value(sdl: &mut Sdl, catalog: &Catalog, value: &ValueType) {
    let head = format!("type {}", value.name);
    sdl.block(value.description.as_deref(), &head, |sdl| {
        for field in &value.fields {
            let member = value_field_member(sdl, catalog, field);
            sdl.member(field.description.as_deref(), &member, field.deprecated.as_deref());
        }
    });
}

fn value_field_member(sdl: &mut Sdl, catalog: &Catalog, field: &ValueField) -> String {
    match &field.kind {
        ValueFieldKind::Leaf { leaf, list } => leaf_member(sdl, catalog, &field.name, *leaf, *list, field.required),
        ValueFieldKind::Value { value, list } => value_member(catalog, &field.name, *value, *list, field.required),
    }
}

fn leaf_member(sdl: &mut Sdl, catalog: &Catalog, name: &str, leaf: Leaf, list: Option<List>, required: bool) -> String {
    let type_name = names::leaf_type(catalog, leaf);
    sdl.leaf_types.insert(type_name.to_owned());
    format!("{name}: {}", wrapped(type_name, list, required))
}

fn value_member(catalog: &Catalog, name: &str, value: ValueId, list: Option<List>, required: bool) -> String {
    format!("{name}: {}", wrapped(&catalog.value(value).name, list, required))
}

fn wrapped(type_name: &str, list: Option<List>, required: bool) -> String {
    match list {
        Some(list) => format!("[{type_name}{}]{}", bang(list.item_required), bang(required)),
        None => format!("{type_name}{}", bang(required)),
    }
}

fn bang(required: bool) -> &'static str {
    if required { "!" } else { "" }
}

pub(super) fn write_enum(sdl: &mut Sdl, enumeration: &EnumType) {
    let head = format!("enum {}", enumeration.name);
    sdl.block(enumeration.description.as_deref(), &head, |sdl| {
        for value in &enumeration.values {
            sdl.member(value.description.as_deref(), &value.name, value.deprecated.as_deref());
        }
    });
}
