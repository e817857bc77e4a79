//! Rows in groups: the fields that give them, and their types. Knows their SDL and their names, and
//! by what rows can be grouped.

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    aggregates::{self, Given},
    text::Sdl,
    times::{self, Times},
};
use crate::{
    catalog::{Catalog, Entity, EntityId, Field, FieldKind, Leaf, ValueId},
    graphql::{holder::Holder, names},
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
    /// Members of the value that it holds.
    Within(ValueId),
}

/// What a field is as a key; none for what has too many values, or none to compare.
pub(in crate::graphql) fn key_kind(catalog: &Catalog, field: &Field) -> Option<KeyKind> {
    match &field.kind {
        _ if !field.served => None,
        FieldKind::Leaf {
            leaf: Leaf::Scalar(Scalar::Json),
            ..
        } => None,
        FieldKind::Leaf { leaf, list: None } => Some(Times::of(*leaf).map_or(KeyKind::Value(*leaf), KeyKind::Times)),
        FieldKind::Value { value, list: None } => {
            is_grouped(catalog, Holder::Value(*value)).then_some(KeyKind::Within(*value))
        }
        FieldKind::Reference { target, .. }
        | FieldKind::Inverse {
            source: target,
            many: false,
            ..
        } => Some(KeyKind::Row(*target)),
        _ => None,
    }
}

/// A field by which there can be groups, and how.
type KeyField<'c> = (Cow<'c, Field>, KeyKind);

/// The fields that rows can be grouped by, or the members of a value.
fn keys(catalog: &Catalog, holder: Holder) -> Vec<KeyField<'_>> {
    let fields = holder.fields(catalog).into_iter();
    fields
        .filter_map(|field| {
            let kind = key_kind(catalog, &field)?;
            Some((field, kind))
        })
        .collect()
}

/// Whether there can be groups by what is in it.
fn is_grouped(catalog: &Catalog, holder: Holder) -> bool {
    !keys(catalog, holder).is_empty()
}

/// The root field of a type.
pub(super) fn write_root(sdl: &mut Sdl, catalog: &Catalog, id: EntityId) {
    if !is_grouped(catalog, Holder::Rows(id)) {
        return;
    }
    let entity = catalog.entity(id);
    let of = &entity.name;
    let description = format!("The rows of `{}` in groups.", entity.names.many);
    let (by, having) = (names::group_by_input(of), names::having_input(of));
    let (filter, order) = (names::filter_input(of), names::group_order_input(entity));
    let search = names::search_argument(entity);
    let arguments = format!(
        "by: [{by}!]!, where: {filter}, {search}having: {having}, orderBy: [{order}!], first: Int, offset: Int"
    );
    let name = &entity.names.grouped;
    let member = format!("{name}({arguments}): [{}!]!", names::group_type(entity));
    sdl.member(Some(&description), &member, None);
}

/// What can be grouped.
fn holders(catalog: &Catalog) -> Vec<Holder> {
    let mut all = Holder::all(catalog);
    all.retain(|holder| is_grouped(catalog, *holder));
    all
}

/// The types of groups.
pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog) {
    for holder in holders(catalog) {
        if let Holder::Rows(id) = holder {
            write_group(sdl, catalog.entity(id));
        }
        write_keys(sdl, catalog, holder);
    }
    times::write(sdl, &times_of(catalog));
}

/// The times that rows are grouped by.
fn times_of(catalog: &Catalog) -> Vec<Times> {
    let all = holders(catalog).into_iter().flat_map(|holder| keys(catalog, holder));
    let times = all.filter_map(|(_, kind)| match kind {
        KeyKind::Times(times) => Some(times),
        KeyKind::Value(_) | KeyKind::Row(_) | KeyKind::Within(_) => None,
    });
    times.collect::<BTreeSet<_>>().into_iter().collect()
}

fn write_group(sdl: &mut Sdl, entity: &Entity) {
    let (name, keys_type) = (&entity.name, names::group_keys_type(&entity.name));
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
}

fn write_keys(sdl: &mut Sdl, catalog: &Catalog, holder: Holder) {
    let about = "What the rows of a group have in common; each member must be asked for in `by`.";
    let keys_type = names::group_keys_type(holder.name(catalog));
    sdl.block(Some(about), &format!("type {keys_type}"), |sdl| {
        for (field, kind) in keys(catalog, holder) {
            let type_name = match kind {
                KeyKind::Value(leaf) => names::leaf_type(catalog, leaf).to_owned(),
                KeyKind::Row(target) => catalog.entity(target).name.clone(),
                KeyKind::Times(times) => times.keys_type(),
                KeyKind::Within(value) => format!("{}!", names::group_keys_type(&catalog.value(value).name)),
            };
            let member = format!("{}: {type_name}", field.name);
            sdl.member(field.description.as_deref(), &member, field.deprecated.as_deref());
        }
    });
}

/// The inputs about groups.
pub(super) fn write_inputs(sdl: &mut Sdl, catalog: &Catalog) {
    for holder in holders(catalog) {
        write_by(sdl, catalog, holder);
        let ordered = ordered_keys(catalog, holder);
        write_keys_order(sdl, holder.name(catalog), &ordered);
        if let Holder::Rows(id) = holder {
            write_order(sdl, catalog, id, !ordered.is_empty());
            write_having(sdl, catalog, id);
        }
        write_functions(sdl, catalog, holder);
    }
    times::write_inputs(sdl, &times_of(catalog));
    let about = "A key that is the value of a field.";
    sdl.block(Some(about), &format!("enum {BY_VALUE}"), |sdl| sdl.line("VALUE"));
    let about = "A key that is the row behind a field.";
    sdl.block(Some(about), &format!("enum {BY_ROW}"), |sdl| sdl.line("ROW"));
}

fn write_by(sdl: &mut Sdl, catalog: &Catalog, holder: Holder) {
    let head = format!("input {} @oneOf", names::group_by_input(holder.name(catalog)));
    sdl.block(Some("Exactly one member: what is the same in a group."), &head, |sdl| {
        for (field, kind) in keys(catalog, holder) {
            let by = match kind {
                KeyKind::Value(_) => BY_VALUE.to_owned(),
                KeyKind::Row(_) => BY_ROW.to_owned(),
                KeyKind::Times(times) => times.by_input(),
                KeyKind::Within(value) => names::group_by_input(&catalog.value(value).name),
            };
            sdl.line(&format!("{}: {by}", field.name));
        }
    });
}

/// The keys that have an order, and what they are ordered by: a row may have nothing of the kind.
fn ordered_keys(catalog: &Catalog, holder: Holder) -> Vec<(String, String)> {
    let ordered = keys(catalog, holder).into_iter().filter_map(|(field, kind)| {
        let order = match kind {
            KeyKind::Value(_) => Some("Sort".to_owned()),
            KeyKind::Row(target) => names::order_input(catalog, Holder::Rows(target)),
            KeyKind::Times(times) => Some(times.keys_order_input()),
            KeyKind::Within(value) => {
                let is_ordered = !ordered_keys(catalog, Holder::Value(value)).is_empty();
                is_ordered.then(|| names::group_keys_order_input(&catalog.value(value).name))
            }
        };
        Some((field.name.clone(), order?))
    });
    ordered.collect()
}

fn write_keys_order(sdl: &mut Sdl, of: &str, ordered: &[(String, String)]) {
    if ordered.is_empty() {
        return;
    }
    let head = format!("input {} @oneOf", names::group_keys_order_input(of));
    sdl.block(Some("Exactly one member, which is a key."), &head, |sdl| {
        for (key, order) in ordered {
            sdl.line(&format!("{key}: {order}"));
        }
    });
}

/// The inputs of orders by functions, and of conditions on them: a member for each field that a
/// function says something of.
fn write_functions(sdl: &mut Sdl, catalog: &Catalog, holder: Holder) {
    let of = holder.name(catalog);
    // Of the least and the greatest value the same can be said.
    let functions = || aggregates::functions(catalog, holder).filter(|function| *function != Function::Max);
    for function in functions() {
        let head = format!("input {} @oneOf", names::function_order(of, function));
        write_function(sdl, catalog, (holder, function), &head, |given| match given {
            Given::Scalar(_) => "Sort".to_owned(),
            Given::Within(value) => names::function_order(&catalog.value(value).name, function),
        });
    }
    for function in functions() {
        let head = format!("input {}", names::function_having(of, function));
        write_function(sdl, catalog, (holder, function), &head, |given| match given {
            Given::Scalar(scalar) => names::operators_input(scalar.name()),
            Given::Within(value) => names::function_having(&catalog.value(value).name, function),
        });
    }
}

fn write_function(
    sdl: &mut Sdl,
    catalog: &Catalog,
    (holder, function): (Holder, Function),
    head: &str,
    of: impl Fn(Given) -> String,
) {
    sdl.block(None, head, |sdl| {
        for field in holder.fields(catalog) {
            if let Some(given) = aggregates::given(catalog, function, &field) {
                sdl.line(&format!("{}: {}", field.name, of(given)));
            }
        }
    });
}

fn write_order(sdl: &mut Sdl, catalog: &Catalog, id: EntityId, by_keys: bool) {
    let entity = catalog.entity(id);
    let head = format!("input {} @oneOf", names::group_order_input(entity));
    let description = "Exactly one member. Nulls come last unless the direction says otherwise; the keys break ties.";
    sdl.block(Some(description), &head, |sdl| {
        if by_keys {
            sdl.line(&format!("keys: {}", names::group_keys_order_input(&entity.name)));
        }
        sdl.line("count: Sort");
        for function in aggregates::functions(catalog, Holder::Rows(id)) {
            let order = names::function_order(&entity.name, function);
            sdl.line(&format!("{}: {order}", names::function_field(function)));
        }
    });
}

fn write_having(sdl: &mut Sdl, catalog: &Catalog, id: EntityId) {
    let of = &catalog.entity(id).name;
    let name = names::having_input(of);
    let description = "All given members must hold; `{}` matches every group.";
    sdl.block(Some(description), &format!("input {name}"), |sdl| {
        sdl.line(&format!("and: [{name}!]"));
        sdl.line(&format!("or: [{name}!]"));
        sdl.line(&format!("not: {name}"));
        sdl.line(&format!("count: {}", names::operators_input(Scalar::Int.name())));
        for function in aggregates::functions(catalog, Holder::Rows(id)) {
            let having = names::function_having(of, function);
            sdl.line(&format!("{}: {having}", names::function_field(function)));
        }
    });
}

/// What conditions on groups compare with.
pub(super) fn compared(catalog: &Catalog) -> Vec<Scalar> {
    let holders = Holder::all(catalog).into_iter();
    let fields = holders.flat_map(|holder| holder.fields(catalog));
    let given = fields.flat_map(|field| {
        let given = |function| match aggregates::given(catalog, function, &field) {
            Some(Given::Scalar(scalar)) => Some(scalar),
            Some(Given::Within(_)) | None => None,
        };
        Function::ALL.map(given)
    });
    given.flatten().chain([Scalar::Int]).collect()
}
