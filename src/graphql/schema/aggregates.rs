//! The types of `aggregate`. Knows their SDL; what the functions give is the query's.

use super::text::Sdl;
use crate::{
    catalog::{Catalog, Entity, Field, FieldKind},
    graphql::names,
    query::Function,
    value::Scalar,
};

/// The object of what can be computed of rows of a type, and those below it.
pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog, entity: &Entity) {
    let about = format!(
        "What is computed of rows of `{}`, each null where no row has a value.",
        entity.name
    );
    let head = format!("type {}", names::aggregate_type(entity));
    sdl.block(Some(&about), &head, |sdl| {
        sdl.member(Some("How many rows there are."), "count: Int!", None);
        for function in Function::ALL {
            if entity
                .fields
                .iter()
                .any(|field| result(catalog, function, field).is_some())
            {
                let type_name = names::function_type(entity, function);
                let member = format!("{}: {type_name}!", names::function_field(function));
                sdl.member(Some(description(function)), &member, None);
            }
        }
    });
    // Of the least and the greatest value the same can be said.
    for function in Function::ALL.into_iter().filter(|function| *function != Function::Max) {
        write_function(sdl, catalog, entity, function);
    }
}

fn write_function(sdl: &mut Sdl, catalog: &Catalog, entity: &Entity, function: Function) {
    let fields = entity.fields.iter();
    let members: Vec<_> = fields
        .filter_map(|field| Some((field, result(catalog, function, field)?)))
        .collect();
    if members.is_empty() {
        return;
    }
    let head = format!("type {}", names::function_type(entity, function));
    sdl.block(None, &head, |sdl| {
        for (field, result) in members {
            // A sum is wider than what it is made of: no field may have its type.
            sdl.leaf_types.insert(result.trim_end_matches('!').to_owned());
            let member = format!("{}: {result}", field.name);
            sdl.member(None, &member, field.deprecated.as_deref());
        }
    });
}

/// What a function gives of a field that is served; none where there is nothing.
pub(super) fn given(function: Function, field: &Field) -> Option<Scalar> {
    match &field.kind {
        FieldKind::Leaf { leaf, list: None } => function.of(*leaf).filter(|_| field.served),
        _ => None,
    }
}

/// The type of a function of a field; none where there is none.
fn result(catalog: &Catalog, function: Function, field: &Field) -> Option<String> {
    let scalar = given(function, field)?;
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
