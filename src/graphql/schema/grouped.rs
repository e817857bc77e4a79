//! Rows in groups: the fields that give them, and their types. Knows their SDL and their names.

use std::collections::BTreeSet;

use super::{
    aggregates::{self, Given},
    keys::{KeyKind, is_grouped, keys, own_keys},
    led,
    text::Sdl,
    times::{self, Times},
};
use crate::{
    catalog::{Catalog, EntityId},
    graphql::{holder::Holder, names},
    query::Function,
    value::Scalar,
};

/// The inputs with the one value that a key is given as.
const BY_VALUE: &str = "ByValue";
const BY_ROW: &str = "ByRow";

/// The root field of a type.
pub(super) fn write_root(sdl: &mut Sdl, catalog: &Catalog, id: EntityId, past: &str) {
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
        "by: [{by}!]!, where: {filter}, {search}having: {having}, orderBy: [{order}!], first: Int, offset: Int{past}"
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
            write_group(sdl, catalog, id);
        }
        write_keys(sdl, catalog, holder);
    }
    times::write(sdl, &times_of(catalog));
}

/// The times that rows are grouped by.
fn times_of(catalog: &Catalog) -> Vec<Times> {
    let all = holders(catalog).into_iter().flat_map(|holder| keys(catalog, holder));
    let times = all.filter_map(|(_, _, kind)| match kind {
        KeyKind::Times(times) => Some(times),
        KeyKind::Value(_) | KeyKind::Row(_) | KeyKind::Within(_) | KeyKind::Behind(_) => None,
    });
    times.collect::<BTreeSet<_>>().into_iter().collect()
}

fn write_group(sdl: &mut Sdl, catalog: &Catalog, id: EntityId) {
    let entity = catalog.entity(id);
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
        led::write_members(sdl, catalog, id);
    });
}

fn write_keys(sdl: &mut Sdl, catalog: &Catalog, holder: Holder) {
    let about = "What the rows of a group have in common; each member must be asked for in `by`.";
    let keys_type = names::group_keys_type(holder.name(catalog));
    sdl.block(Some(about), &format!("type {keys_type}"), |sdl| {
        for (name, field, kind) in keys(catalog, holder) {
            let type_name = match kind {
                KeyKind::Value(leaf) => names::leaf_type(catalog, leaf).to_owned(),
                KeyKind::Row(target) => catalog.entity(target).name.clone(),
                KeyKind::Times(times) => times.keys_type(),
                KeyKind::Within(value) => format!("{}!", names::group_keys_type(&catalog.value(value).name)),
                KeyKind::Behind(target) => {
                    let member = format!("{name}: {}!", names::group_keys_type(&catalog.entity(target).name));
                    let about = format!("Keys that are values of the row that `{}` leads to.", field.name);
                    sdl.member(Some(&about), &member, field.deprecated.as_deref());
                    continue;
                }
            };
            let member = format!("{name}: {type_name}");
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
    led::write_inputs(sdl, catalog);
    times::write_inputs(sdl, &times_of(catalog));
    let about = "A key that is the value of a field.";
    sdl.block(Some(about), &format!("enum {BY_VALUE}"), |sdl| sdl.line("VALUE"));
    let about = "A key that is the row behind a field.";
    sdl.block(Some(about), &format!("enum {BY_ROW}"), |sdl| sdl.line("ROW"));
}

fn write_by(sdl: &mut Sdl, catalog: &Catalog, holder: Holder) {
    let head = format!("input {} @oneOf", names::group_by_input(holder.name(catalog)));
    sdl.block(Some("Exactly one member: what is the same in a group."), &head, |sdl| {
        for (name, _, kind) in keys(catalog, holder) {
            let by = match kind {
                KeyKind::Value(_) => BY_VALUE.to_owned(),
                KeyKind::Row(_) => BY_ROW.to_owned(),
                KeyKind::Times(times) => times.by_input(),
                KeyKind::Within(value) => names::group_by_input(&catalog.value(value).name),
                KeyKind::Behind(target) => names::group_by_input(&catalog.entity(target).name),
            };
            sdl.line(&format!("{name}: {by}"));
        }
    });
}

/// The keys that have an order, and what they are ordered by: a row may have nothing of the kind.
fn ordered_keys(catalog: &Catalog, holder: Holder) -> Vec<(String, String)> {
    let ordered = keys(catalog, holder).into_iter().filter_map(|(name, _, kind)| {
        let within = |holder: Holder| {
            let is_ordered = own_keys(catalog, holder)
                .into_iter()
                .any(|(_, _, kind)| order_of(catalog, kind).is_some());
            is_ordered.then(|| names::group_keys_order_input(holder.name(catalog)))
        };
        let order = match kind {
            KeyKind::Behind(target) => within(Holder::Rows(target)),
            kind => order_of(catalog, kind),
        };
        Some((name, order?))
    });
    ordered.collect()
}

/// What groups are ordered by that have a key of their own rows.
fn order_of(catalog: &Catalog, kind: KeyKind) -> Option<String> {
    match kind {
        KeyKind::Value(_) => Some("Sort".to_owned()),
        KeyKind::Row(target) => names::order_input(catalog, Holder::Rows(target)),
        KeyKind::Times(times) => Some(times.keys_order_input()),
        KeyKind::Within(value) => {
            let is_ordered = !ordered_keys(catalog, Holder::Value(value)).is_empty();
            is_ordered.then(|| names::group_keys_order_input(&catalog.value(value).name))
        }
        KeyKind::Behind(_) => None,
    }
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
        led::write_lines(sdl, catalog, id, names::aggregate_order_input);
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
        led::write_lines(sdl, catalog, id, names::aggregate_having_input);
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
