//! What can be said of a document before anybody asks for it: whether it fits the schema and the
//! limits, and whether an operation in it can ever be planned. Knows no values of variables.

use apollo_compiler::{
    Node, Schema,
    ast::Type,
    executable::Operation,
    response::{JsonMap, JsonValue},
    schema::{ExtendedType, InputObjectType},
};

use super::{
    ApiError, Limits, Served, digits,
    gate::{self, Admitted},
    node_id::any_node_id,
    plan,
};
use crate::catalog::{Catalog, Valid};

/// Inputs within inputs of a value that stands for any.
const DEPTH_MAX: usize = 8;

/// Whether a document fits, or what is wrong with it.
pub(crate) fn admits(
    catalog: &Valid<Catalog>,
    served: &Served,
    limits: &Limits,
    text: &str,
) -> Result<(), Vec<ApiError>> {
    let admitted = gate::admit(served, limits, text)?;
    let admission = Admission {
        catalog,
        served,
        limits,
        admitted: &admitted,
    };
    let operations = admitted.document.operations.iter();
    let errors: Vec<ApiError> = operations
        .filter_map(|operation| admission.never_planned(operation))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

struct Admission<'a> {
    catalog: &'a Valid<Catalog>,
    served: &'a Served,
    limits: &'a Limits,
    admitted: &'a Admitted,
}

impl Admission<'_> {
    /// Why an operation cannot be planned, whatever its variables are: what is wrong both with a
    /// value in each of them and with as few as there may be.
    fn never_planned(&self, operation: &Node<Operation>) -> Option<ApiError> {
        let with_few = self.planned(operation, false)?;
        let with_all = self.planned(operation, true)?;
        let is_sure = with_few.message == with_all.message;
        is_sure.then(|| with_few.at(operation.location(), &self.admitted.document.sources))
    }

    fn planned(&self, operation: &Node<Operation>, all: bool) -> Option<ApiError> {
        let schema = &self.served.schema;
        let wanted = operation
            .variables
            .iter()
            .filter(|variable| all || (variable.ty.is_non_null() && variable.default_value.is_none()));
        let given: JsonMap = wanted
            .map(|variable| (variable.name.as_str().into(), any_value(schema, &variable.ty, 0)))
            .collect();
        let given = digits::settled(schema, operation, &given);
        let document = &self.admitted.document;
        plan::plan(
            self.catalog,
            self.served,
            self.limits,
            document,
            operation,
            &given,
            None,
        )
        .err()
    }
}

/// A value of a type. A plan goes by what a value is made of; which scalar stands in it does not
/// matter.
fn any_value(schema: &Schema, ty: &Type, depth: usize) -> JsonValue {
    if ty.is_list() {
        return JsonValue::Array(vec![any_value(schema, ty.item_type(), depth)]);
    }
    match schema.types.get(ty.inner_named_type()) {
        Some(ExtendedType::InputObject(input)) => JsonValue::Object(any_members(schema, input, depth)),
        Some(ExtendedType::Enum(values)) => {
            let first = values.values.keys().next();
            first.map_or(JsonValue::Null, |name| name.as_str().into())
        }
        _ if ty.inner_named_type() == "Boolean" => true.into(),
        // It may be that of a row, which is known to be of some type.
        _ if ty.inner_named_type() == "ID" => any_node_id(schema).map_or("1".into(), JsonValue::from),
        _ => "1".into(),
    }
}

/// None where none is wanted; of an input that takes exactly one, a plain one if there is.
fn any_members(schema: &Schema, input: &InputObjectType, depth: usize) -> JsonMap {
    if input.directives.get("oneOf").is_none() || depth >= DEPTH_MAX {
        return JsonMap::new();
    }
    let is_input = |ty: &Type| {
        matches!(
            schema.types.get(ty.inner_named_type()),
            Some(ExtendedType::InputObject(_))
        )
    };
    let plain = input.fields.values().find(|field| !is_input(&field.ty));
    let one = plain.or_else(|| input.fields.values().next()).into_iter();
    one.map(|field| (field.name.as_str().into(), any_value(schema, &field.ty, depth + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing;

    #[test]
    fn what_can_never_be_planned_is_told_at_once() {
        let catalog = testing::catalog();
        let served = Served::of(&catalog).expect("a schema");
        let admits = |text: &str| admits(&catalog, &served, &Limits::default(), text);
        for (text, part) in [
            (
                "query M { itemsConnection(first: 1, last: 2) { totalCount } }",
                "give `first` or `last`, not both",
            ),
            (
                "{ itemsConnection(after: \"xx\") { totalCount } }",
                "itemsConnection.after: ",
            ),
            ("{ items(first: -1) { id } }", "items.first: -1 is negative"),
            ("{ node(nodeId: \"i1\") { nodeId } }", "node.nodeId: this is no nodeId"),
            (
                "query A { tags { id } } query B($n: Int!, $o: Int) { tags(first: $n, offset: $o) { items(first: -1) { id } } }",
                "tags.items.first: -1 is negative",
            ),
        ] {
            let errors = admits(text).expect_err(text);
            assert!(errors[0].message.contains(part), "{text}: {errors:?}");
            assert!(!errors[0].locations.is_empty(), "{text}");
        }
        for text in [
            "query($a: Int, $b: Int) { itemsConnection(first: $a, last: $b) { totalCount } }",
            // Nothing is right for both of them at once, and yet something is for all.
            "query($a: Int, $b: Int, $ids: [ID!]) {
               itemsConnection(first: $a, last: $b) { totalCount } items(where: {id: {in: $ids}}) { id }
             }",
            "query($n: Int!, $r: Rarity!, $w: ItemWhere!, $o: [ItemOrder!]!, $b: Boolean!, $c: String!) {
               itemsConnection(first: $n, where: {and: [$w, {rarity: {eq: $r}}]}, orderBy: $o, after: $c) {
                 totalCount nodes { id name @include(if: $b) }
               }
             }",
            "query($n: Int = -1) { items(first: $n) { id } }",
            "subscription { items { id } }",
            "query($id: ID!) { node(nodeId: $id) { nodeId ... on Item { name } } }",
        ] {
            assert!(admits(text).is_ok(), "{text}: {:?}", admits(text));
        }
    }
}
