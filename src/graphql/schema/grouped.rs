//! Rows in groups: the fields that give them, and their types. Knows their SDL and their names, and
//! by what rows can be grouped.

use std::collections::BTreeSet;

use super::{
    aggregates,
    text::Sdl,
    times::{self, Times},
};
use crate::{
    catalog::{Catalog, Entity, EntityId, Field, FieldKind, Leaf},
    graphql::names,
    query::Function,
    value::Scalar,
};

/// The inputs with the one value that a key is given as.
const BY_VALUE: &str = "ByValue";
const BY_ROW: &str = "ByRow";

/// What rows are grouped by when they are grouped by a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::graphql) enum KeyKind {
    /// Its value.
    Value(Leaf),
    /// The row that it leads to.
    Row(EntityId),
    /// The span of time that its value falls into, or the value.
    Times(Times),
}

/// What a field is as a key; none for what has too many values, or none to compare.
pub(in crate::graphql) fn key_kind(field: &Field) -> Option<KeyKind> {
    match &field.kind {
        _ if !field.served => None,
        FieldKind::Leaf {
            leaf: Leaf::Scalar(Scalar::Json),
            ..
        } => None,
        FieldKind::Leaf { leaf, list: None } => Some(Times::of(*leaf).map_or(KeyKind::Value(*leaf), KeyKind::Times)),
        FieldKind::Reference { target, .. }
        | FieldKind::Inverse {
            source: target,
            many: false,
            ..
        } => Some(KeyKind::Row(*target)),
        _ => None,
    }
}

/// The fields that rows can be grouped by.
fn keys(entity: &Entity) -> impl Iterator<Item = (&Field, KeyKind)> {
    entity.fields.iter().filter_map(|field| Some((field, key_kind(field)?)))
}

/// Whether rows of a type can be grouped.
pub(super) fn is_grouped(entity: &Entity) -> bool {
    keys(entity).next().is_some()
}

/// The root field of a type.
pub(super) fn write_root(sdl: &mut Sdl, entity: &Entity) {
    if !is_grouped(entity) {
        return;
    }
    let description = format!("The rows of `{}` in groups.", entity.names.many);
    let (by, having) = (names::group_by_input(entity), names::having_input(entity));
    let (filter, order) = (names::filter_input(entity), names::group_order_input(entity));
    let search = names::search_argument(entity);
    let arguments = format!(
        "by: [{by}!]!, where: {filter}, {search}having: {having}, orderBy: [{order}!], first: Int, offset: Int"
    );
    let name = &entity.names.grouped;
    let member = format!("{name}({arguments}): [{}!]!", names::group_type(entity));
    sdl.member(Some(&description), &member, None);
}

/// The types of groups.
pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog) {
    for entity in catalog.entities.iter().filter(|entity| is_grouped(entity)) {
        write_group(sdl, catalog, entity);
    }
    times::write(sdl, &times_of(catalog));
}

/// The times that rows are grouped by.
fn times_of(catalog: &Catalog) -> Vec<Times> {
    let all = catalog.entities.iter().flat_map(keys);
    let times = all.filter_map(|(_, kind)| match kind {
        KeyKind::Times(times) => Some(times),
        KeyKind::Value(_) | KeyKind::Row(_) => None,
    });
    times.collect::<BTreeSet<_>>().into_iter().collect()
}

fn write_group(sdl: &mut Sdl, catalog: &Catalog, entity: &Entity) {
    let (name, keys_type) = (&entity.name, names::group_keys_type(entity));
    let about = format!("Rows of `{name}` that have the same keys.");
    sdl.block(Some(&about), &format!("type {}", names::group_type(entity)), |sdl| {
        for (description, member) in [
            ("What they have in common.", format!("keys: {keys_type}!")),
            ("How many rows there are.", "count: Int!".to_owned()),
            (
                "What is computed of the rows of the group.",
                format!("aggregate: {}!", names::aggregate_type(entity)),
            ),
        ] {
            sdl.member(Some(description), &member, None);
        }
    });
    let about = "What the rows of a group have in common; each member must be asked for in `by`.";
    sdl.block(Some(about), &format!("type {keys_type}"), |sdl| {
        for (field, kind) in keys(entity) {
            let type_name = match kind {
                KeyKind::Value(leaf) => names::leaf_type(catalog, leaf).to_owned(),
                KeyKind::Row(target) => catalog.entity(target).name.clone(),
                KeyKind::Times(times) => times.keys_type(),
            };
            let member = format!("{}: {type_name}", field.name);
            sdl.member(field.description.as_deref(), &member, field.deprecated.as_deref());
        }
    });
}

/// The inputs about groups.
pub(super) fn write_inputs(sdl: &mut Sdl, catalog: &Catalog) {
    for entity in catalog.entities.iter().filter(|entity| is_grouped(entity)) {
        write_by(sdl, entity);
        let ordered = ordered_keys(catalog, entity);
        write_keys_order(sdl, entity, &ordered);
        write_order(sdl, entity, !ordered.is_empty());
        write_having(sdl, entity);
    }
    times::write_inputs(sdl, &times_of(catalog));
    let about = "A key that is the value of a field.";
    sdl.block(Some(about), &format!("enum {BY_VALUE}"), |sdl| sdl.line("VALUE"));
    let about = "A key that is the row behind a field.";
    sdl.block(Some(about), &format!("enum {BY_ROW}"), |sdl| sdl.line("ROW"));
}

fn write_by(sdl: &mut Sdl, entity: &Entity) {
    let head = format!("input {} @oneOf", names::group_by_input(entity));
    sdl.block(Some("Exactly one member: what is the same in a group."), &head, |sdl| {
        for (field, kind) in keys(entity) {
            let by = match kind {
                KeyKind::Value(_) => BY_VALUE.to_owned(),
                KeyKind::Row(_) => BY_ROW.to_owned(),
                KeyKind::Times(times) => times.by_input(),
            };
            sdl.line(&format!("{}: {by}", field.name));
        }
    });
}

/// The keys that have an order, and what they are ordered by: a row may have nothing of the kind.
fn ordered_keys<'c>(catalog: &'c Catalog, entity: &'c Entity) -> Vec<(&'c str, String)> {
    let ordered = keys(entity).filter_map(|(field, kind)| {
        let order = match kind {
            KeyKind::Value(_) => Some("Sort".to_owned()),
            KeyKind::Row(target) => names::order_input(catalog, catalog.entity(target)),
            KeyKind::Times(times) => Some(times.keys_order_input()),
        };
        Some((field.name.as_str(), order?))
    });
    ordered.collect()
}

fn write_keys_order(sdl: &mut Sdl, entity: &Entity, ordered: &[(&str, String)]) {
    if ordered.is_empty() {
        return;
    }
    let head = format!("input {} @oneOf", names::group_keys_order_input(entity));
    sdl.block(Some("Exactly one member, which is a key."), &head, |sdl| {
        for (key, order) in ordered {
            sdl.line(&format!("{key}: {order}"));
        }
    });
}

/// The functions that say something of a field of a type.
fn functions(entity: &Entity) -> impl Iterator<Item = Function> {
    let says = move |function: &Function| {
        entity
            .fields
            .iter()
            .any(|field| aggregates::given(*function, field).is_some())
    };
    Function::ALL.into_iter().filter(says)
}

/// An input with a member for each field that a function says something of.
fn write_function(sdl: &mut Sdl, entity: &Entity, function: Function, head: &str, of: impl Fn(Scalar) -> String) {
    // Of the least and the greatest value the same can be said.
    if function == Function::Max {
        return;
    }
    sdl.block(None, head, |sdl| {
        for field in &entity.fields {
            if let Some(scalar) = aggregates::given(function, field) {
                sdl.line(&format!("{}: {}", field.name, of(scalar)));
            }
        }
    });
}

fn write_order(sdl: &mut Sdl, entity: &Entity, by_keys: bool) {
    let head = format!("input {} @oneOf", names::group_order_input(entity));
    let description = "Exactly one member. Nulls come last unless the direction says otherwise; the keys break ties.";
    sdl.block(Some(description), &head, |sdl| {
        if by_keys {
            sdl.line(&format!("keys: {}", names::group_keys_order_input(entity)));
        }
        sdl.line("count: Sort");
        for function in functions(entity) {
            let order = names::function_order(entity, function);
            sdl.line(&format!("{}: {order}", names::function_field(function)));
        }
    });
    for function in functions(entity) {
        let head = format!("input {} @oneOf", names::function_order(entity, function));
        write_function(sdl, entity, function, &head, |_| "Sort".to_owned());
    }
}

fn write_having(sdl: &mut Sdl, entity: &Entity) {
    let name = names::having_input(entity);
    let description = "All given members must hold; `{}` matches every group.";
    sdl.block(Some(description), &format!("input {name}"), |sdl| {
        sdl.line(&format!("and: [{name}!]"));
        sdl.line(&format!("or: [{name}!]"));
        sdl.line(&format!("not: {name}"));
        sdl.line(&format!("count: {}", names::operators_input(Scalar::Int.name())));
        for function in functions(entity) {
            let having = names::function_having(entity, function);
            sdl.line(&format!("{}: {having}", names::function_field(function)));
        }
    });
    for function in functions(entity) {
        let head = format!("input {}", names::function_having(entity, function));
        write_function(sdl, entity, function, &head, |scalar| {
            names::operators_input(scalar.name())
        });
    }
}

/// What conditions on groups compare with.
pub(super) fn compared(catalog: &Catalog) -> Vec<Scalar> {
    let fields = catalog.entities.iter().flat_map(|entity| &entity.fields);
    let given = fields.flat_map(|field| Function::ALL.map(|function| aggregates::given(function, field)));
    given.flatten().chain([Scalar::Int]).collect()
}
