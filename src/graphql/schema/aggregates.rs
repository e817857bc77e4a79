//! The types of `aggregate`. Knows their SDL; what the functions give is the query's.

use super::text::Sdl;
use crate::{
    catalog::{Catalog, EntityId, Field, FieldKind, ValueId},
    graphql::{holder::Holder, names},
    query::Function,
    value::Scalar,
};

/// The object of what can be computed of rows of a type.
pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog, id: EntityId) {
    let entity = catalog.entity(id);
    let about = format!(
        "What is computed of rows of `{}`, each null where no row has a value.",
        entity.name
    );
    let head = format!("type {}", names::aggregate_type(entity));
    sdl.block(Some(&about), &head, |sdl| {
        sdl.member(Some("How many rows there are."), "count: Int!", None);
        for function in functions(catalog, Holder::Rows(id)) {
            let type_name = names::function_type(&entity.name, function);
            let member = format!("{}: {type_name}!", names::function_field(function));
            sdl.member(Some(description(function)), &member, None);
        }
    });
    write_functions(sdl, catalog, Holder::Rows(id));
}

/// The objects of what functions give of the fields of rows or values.
pub(super) fn write_functions(sdl: &mut Sdl, catalog: &Catalog, holder: Holder) {
    // Of the least and the greatest value the same can be said.
    let functions = functions(catalog, holder).filter(|function| *function != Function::Max);
    for function in functions.collect::<Vec<_>>() {
        let head = format!("type {}", names::function_type(holder.name(catalog), function));
        sdl.block(None, &head, |sdl| {
            for field in holder.fields(catalog) {
                let Some(result) = result(catalog, function, &field) else {
                    continue;
                };
                if matches!(field.kind, FieldKind::Leaf { .. }) {
                    // A sum is wider than what it is made of: no field may have its type.
                    sdl.leaf_types.insert(result.trim_end_matches('!').to_owned());
                }
                let member = format!("{}: {result}", field.name);
                sdl.member(None, &member, field.deprecated.as_deref());
            }
        });
    }
}

/// What a function says something of.
pub(super) enum Given {
    /// What it gives.
    Scalar(Scalar),
    /// Members of a value.
    Within(ValueId),
}

/// The functions that say something of a field of a type, or of a member of a value.
pub(super) fn functions(catalog: &Catalog, holder: Holder) -> impl Iterator<Item = Function> {
    let all = Function::ALL.into_iter();
    all.filter(move |function| says_something(catalog, *function, holder))
}

fn says_something(catalog: &Catalog, function: Function, holder: Holder) -> bool {
    let fields = holder.fields(catalog);
    fields.iter().any(|field| given(catalog, function, field).is_some())
}

/// What a function says of a field; none where there is nothing.
pub(super) fn given(catalog: &Catalog, function: Function, field: &Field) -> Option<Given> {
    match &field.kind {
        FieldKind::Leaf { leaf, list: None } => function.of(*leaf).map(Given::Scalar),
        FieldKind::Value { value, list: None } => {
            // Of this function alone: to ask for all of them at each depth is exponential.
            let is_said = says_something(catalog, function, Holder::Value(*value));
            is_said.then_some(Given::Within(*value))
        }
        _ => None,
    }
}

/// The type of a function of a field; none where there is none.
fn result(catalog: &Catalog, function: Function, field: &Field) -> Option<String> {
    let scalar = match given(catalog, function, field)? {
        Given::Scalar(scalar) => scalar,
        Given::Within(value) => {
            let name = names::function_type(&catalog.value(value).name, function);
            return Some(format!("{name}!"));
        }
    };
    let FieldKind::Leaf { leaf, .. } = &field.kind else {
        return None;
    };
    Some(match function {
        Function::CountDistinct => format!("{}!", scalar.name()),
        Function::Min | Function::Max => names::leaf_type(catalog, *leaf).to_owned(),
        Function::Sum | Function::Avg => scalar.name().to_owned(),
    })
}

fn description(function: Function) -> &'static str {
    match function {
        Function::CountDistinct => "How many different values there are; null is none.",
        Function::Sum => "The sum of all values.",
        Function::Avg => "The mean of all values.",
        Function::Min => "The least value.",
        Function::Max => "The greatest value.",
    }
}
