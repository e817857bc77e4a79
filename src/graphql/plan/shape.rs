//! The part of the variables that decides a plan, and the types of the rows that ids name. Knows
//! variable types; knows no filter.

use apollo_compiler::{
    ExecutableDocument, Schema,
    ast::Type,
    executable::Operation,
    response::{JsonMap, JsonValue},
    schema::ExtendedType,
};

use crate::graphql::{
    fingerprint::fingerprint,
    node_id::types_of,
    schema::{json::PATH, times::TIME_ZONE},
};

/// A hash of everything in the variables but the values of their scalars, and of the types that
/// ids name, be they literals; `exact` takes those in
/// too, for operations with introspection, whose answers are part of the plan.
pub(in crate::graphql) fn shape(
    schema: &Schema,
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &JsonMap,
    exact: bool,
) -> u128 {
    let mut shape = Shape {
        schema,
        exact,
        bytes: Vec::new(),
    };
    for definition in &operation.variables {
        shape.text("$", definition.name.as_str());
        match variables.get(definition.name.as_str()) {
            Some(value) => shape.value(&definition.ty, value),
            None => shape.mark("absent"),
        }
    }
    for name in types_of(document, operation, variables) {
        shape.text("node", &name);
    }
    fingerprint(&shape.bytes)
}

/// Scalars whose values are a part of the plan.
const EXACT: [&str; 3] = ["Boolean", TIME_ZONE, PATH];

struct Shape<'a> {
    schema: &'a Schema,
    exact: bool,
    bytes: Vec<u8>,
}

impl Shape<'_> {
    fn mark(&mut self, mark: &str) {
        self.bytes.extend_from_slice(mark.as_bytes());
        self.bytes.push(0);
    }

    /// Length first, so that no text can imitate another's end.
    fn text(&mut self, mark: &str, text: &str) {
        self.mark(mark);
        self.bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn value(&mut self, ty: &Type, value: &JsonValue) {
        match value {
            JsonValue::Null => self.mark("null"),
            JsonValue::Array(items) if ty.is_list() => {
                self.text("list", &items.len().to_string());
                items.iter().for_each(|item| self.value(ty.item_type(), item));
            }
            value => self.named(ty, value),
        }
    }

    fn named(&mut self, ty: &Type, value: &JsonValue) {
        let name = ty.inner_named_type();
        match (self.schema.types.get(name), value) {
            (Some(ExtendedType::InputObject(input)), JsonValue::Object(members)) => {
                self.text("object", &members.len().to_string());
                for (member, value) in members {
                    self.text("member", member.as_str());
                    match input.fields.get(member.as_str()) {
                        Some(field) => self.value(&field.ty, value),
                        None => self.mark("unknown"),
                    }
                }
            }
            (Some(ExtendedType::Scalar(_)), _) if !self.exact && !EXACT.contains(&name.as_str()) => self.mark("scalar"),
            (_, value) => self.text("exact", &value.to_string()),
        }
    }
}
