//! What is computed of the rows that a field of grouped rows leads to. Knows the SDL of its members
//! and inputs; what a function gives is the aggregates'.

use std::{borrow::Cow, collections::BTreeSet};

use super::{aggregates, keys::is_grouped, text::Sdl};
use crate::{
    catalog::{Catalog, EntityId, Field},
    graphql::{holder::Holder, names},
    value::Scalar,
};

/// The type of the rows that a field leads to, where something can be computed of them. Not those
/// of a closure: it is walked from one row at a time, and groups read the rows of all at once.
pub(in crate::graphql) fn led_to(catalog: &Catalog, field: &Field) -> Option<EntityId> {
    let target = field
        .kind
        .target()
        .filter(|_| field.served && field.kind.is_to_many() && !field.kind.is_closure())?;
    is_grouped(catalog, Holder::Rows(target)).then_some(target)
}

fn all(catalog: &Catalog, id: EntityId) -> Vec<(Cow<'_, Field>, EntityId)> {
    let fields = Holder::Rows(id).fields(catalog).into_iter();
    fields
        .filter_map(|field| {
            let target = led_to(catalog, &field)?;
            Some((field, target))
        })
        .collect()
}

/// The members of a group.
pub(super) fn write_members(sdl: &mut Sdl, catalog: &Catalog, id: EntityId) {
    for (field, target) in all(catalog, id) {
        let of = catalog.entity(target);
        let (name, filter) = (names::led_member(&field.name), names::filter_input(&of.name));
        let about = format!(
            "What is computed of all rows that `{}` leads to from the rows of the group.",
            field.name
        );
        let member = format!("{name}(where: {filter}): {}!", names::aggregate_type(of));
        sdl.member(Some(&about), &member, field.deprecated.as_deref());
    }
}

/// The members of an input about groups.
pub(super) fn write_lines(sdl: &mut Sdl, catalog: &Catalog, id: EntityId, input: impl Fn(&str) -> String) {
    for (field, target) in all(catalog, id) {
        let member = format!(
            "{}: {}",
            names::led_member(&field.name),
            input(&catalog.entity(target).name)
        );
        sdl.member(None, &member, field.deprecated.as_deref());
    }
}

/// The inputs of orders by what is computed, and of conditions on it.
pub(super) fn write_inputs(sdl: &mut Sdl, catalog: &Catalog) {
    let led = catalog.entity_ids().flat_map(|id| all(catalog, id));
    let targets: BTreeSet<EntityId> = led.map(|(_, target)| target).collect();
    for target in targets {
        let of = &catalog.entity(target).name;
        let functions: Vec<_> = aggregates::functions(catalog, Holder::Rows(target)).collect();
        let about = "Exactly one member.";
        let head = format!("input {} @oneOf", names::aggregate_order_input(of));
        sdl.block(Some(about), &head, |sdl| {
            sdl.line("count: Sort");
            for function in &functions {
                let order = names::function_order(of, *function);
                sdl.line(&format!("{}: {order}", names::function_field(*function)));
            }
        });
        let about = "All given members must hold.";
        let head = format!("input {}", names::aggregate_having_input(of));
        sdl.block(Some(about), &head, |sdl| {
            sdl.line(&format!("count: {}", names::operators_input(Scalar::Int.name())));
            for function in &functions {
                let having = names::function_having(of, *function);
                sdl.line(&format!("{}: {having}", names::function_field(*function)));
            }
        });
    }
}
