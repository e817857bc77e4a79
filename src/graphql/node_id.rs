//! What is inside of an id that is a row's own among all rows. Knows types and keys; makes none but
//! to stand for any.

use apollo_compiler::{
    ExecutableDocument, Schema,
    ast::Value as Literal,
    executable::Operation,
    response::{JsonMap, JsonValue},
    schema::ExtendedType,
};
use serde_json::Value as Json;

use super::schema::node::{ID, ROOT};
use crate::{
    catalog::{Catalog, EntityId, Leaf},
    query::{opened, sealed},
    value::{Scalar, Value},
};

/// What an id begins with, before the name of its type. No cursor does.
const BEGIN: char = '@';
pub(super) const DAMAGED: &str = "this is no nodeId, or it was changed or cut off on its way; give it as it stands in the \
field `nodeId` of a row";

/// What is put before the key of a row of this type.
pub(super) fn signature(type_name: &str) -> String {
    format!("{BEGIN}{type_name} ")
}

/// An id's type and key, if it is one.
pub(super) fn parts(id: &str) -> Option<(String, String)> {
    let text = opened(id)?;
    let (name, key) = text.strip_prefix(BEGIN)?.split_once(' ')?;
    Some((name.to_owned(), key.to_owned()))
}

/// An id of some type, without a key: what a plan goes by.
pub(super) fn any_node_id(schema: &Schema) -> Option<String> {
    let mut types = schema.types.iter();
    let (name, _) = types.find(|(_, declared)| match declared {
        ExtendedType::Object(object) => !object.implements_interfaces.is_empty(),
        _ => false,
    })?;
    Some(sealed(&signature(name)))
}

/// The ids of one type.
#[derive(Debug, PartialEq)]
pub(super) struct NodeForm {
    name: String,
    pub scalars: Vec<Scalar>,
}

impl NodeForm {
    pub(super) fn of(catalog: &Catalog, id: EntityId) -> NodeForm {
        let entity = catalog.entity(id);
        let leaves = catalog.leaves_of(id, &entity.key).into_iter();
        let scalars = leaves.map(|leaf| match leaf {
            Leaf::Scalar(scalar) => scalar,
            Leaf::Enum(_) => Scalar::String,
        });
        NodeForm {
            name: entity.name.clone(),
            scalars: scalars.collect(),
        }
    }

    /// The key in an id, or why there is none.
    pub(super) fn read(&self, id: &str) -> Result<Vec<Value>, String> {
        let (name, key) = parts(id).filter(|(name, _)| *name == self.name).ok_or(DAMAGED)?;
        let values: Vec<Json> = serde_json::from_str(&key).map_err(|_| DAMAGED)?;
        let older =
            || format!("the nodeId is of an older definition, in which `{name}` had another key; ask for it again");
        if values.len() != self.scalars.len() {
            return Err(older());
        }
        let values = self.scalars.iter().zip(&values);
        values
            .map(|(scalar, value)| scalar.from_input(value).map_err(|_| older()))
            .collect()
    }
}

/// The types of the ids that an operation asks for at its root, which decide its plan.
pub(super) fn types_of(document: &ExecutableDocument, operation: &Operation, variables: &JsonMap) -> Vec<String> {
    let roots = operation.root_fields(document).filter(|field| field.name == ROOT);
    let ids = roots.filter_map(|field| field.specified_argument_by_name(ID));
    let types = ids.map(|id| {
        let text = match &**id {
            Literal::Variable(name) => variables.get(name.as_str()).and_then(JsonValue::as_str),
            literal => literal.as_str(),
        };
        text.and_then(parts).map(|(name, _)| name).unwrap_or_default()
    });
    types.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing;

    #[test]
    fn only_ids_of_its_type_are_read() {
        let catalog = testing::catalog();
        let entity = |name: &str| catalog.entity_named(name).expect("a type");
        let lines = NodeForm::of(&catalog, entity("QuestItem"));
        let text = |text: &str| Value::Text(text.to_owned());
        let id = |signature: &str, key: &str| sealed(&[signature, key].concat());
        let good = id(&signature("QuestItem"), "[\"q1\",\"i1\"]");
        assert_eq!(lines.read(&good), Ok(vec![text("q1"), text("i1")]));
        let damaged = Err(DAMAGED.to_owned());
        for bad in [
            "",
            "x",
            "QuestItem",
            &good[1..],
            &good[..good.len() - 1],
            &"A".repeat(1_000_000),
        ] {
            assert_eq!(lines.read(bad), damaged, "{bad}");
        }
        // A cursor is none, nor is what was sealed for another type.
        for bad in [
            id("", "[\"q1\",\"i1\"]"),
            id("QuestItem ", "[\"q1\",\"i1\"]"),
            id(&signature("Item"), "[\"q1\",\"i1\"]"),
            id("@QuestItem", "[\"q1\",\"i1\"]"),
            id(&signature("QuestItem"), ""),
            id(&signature("QuestItem"), "{}"),
        ] {
            assert_eq!(lines.read(&bad), damaged, "{bad}");
        }
        for key in ["[]", "[\"q1\"]", "[\"a\",\"b\",\"c\"]", "[null,\"i1\"]", "[[],\"i1\"]"] {
            let error = lines.read(&id(&signature("QuestItem"), key)).expect_err(key);
            assert!(error.contains("of an older definition"), "{error}");
        }
    }
}
