//! What a column's values mean beside their kind: an enum's values, the members of a document, the
//! target of a link. Knows the catalog; decides nothing.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Field, FieldKind, Leaf, List, ValueFieldKind, ValueId};

/// Two columns of the same kind may still not hold each other's values.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Meaning {
    /// Nothing beside the kind; also that of layouts that were stored before meanings were kept.
    #[default]
    Plain,
    /// An enum's values.
    Choice(BTreeSet<String>),
    /// Of a list or value: the type, and each member as `Reward.gold: Int!`.
    Document { of: String, members: BTreeSet<String> },
    /// A part of the key of a row of this type.
    Link(String),
}

impl Meaning {
    /// What a field's columns mean.
    pub fn of(catalog: &Catalog, field: &Field) -> Meaning {
        match &field.kind {
            FieldKind::Leaf {
                leaf: Leaf::Enum(id),
                list: None,
            } => {
                let values = &catalog.enumeration(*id).values;
                Meaning::Choice(values.iter().map(|value| value.name.clone()).collect())
            }
            FieldKind::Leaf { leaf, list: Some(list) } => Meaning::Document {
                of: listed(&leaf_name(catalog, *leaf), Some(*list)),
                members: choices(catalog, *leaf).collect(),
            },
            FieldKind::Value { value, list } => Meaning::Document {
                of: listed(&catalog.value(*value).name, *list),
                members: members(catalog, *value),
            },
            FieldKind::Reference { target, .. } => Meaning::Link(catalog.entity(*target).name.clone()),
            _ => Meaning::Plain,
        }
    }
}

/// The members of a value and of the values inside it, each type once however often it is used.
fn members(catalog: &Catalog, id: ValueId) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![id];
    let mut seen = vec![id];
    while let Some(next) = open.pop() {
        let value = catalog.value(next);
        for field in &value.fields {
            let of = match &field.kind {
                ValueFieldKind::Leaf { leaf, list } => {
                    found.extend(choices(catalog, *leaf));
                    listed(&leaf_name(catalog, *leaf), *list)
                }
                ValueFieldKind::Value { value, list } => {
                    if !seen.contains(value) {
                        seen.push(*value);
                        open.push(*value);
                    }
                    listed(&catalog.value(*value).name, *list)
                }
            };
            let mark = if field.required { "!" } else { "" };
            found.insert(format!("{}.{}: {of}{mark}", value.name, field.name));
        }
    }
    found
}

/// An enum inside a document: each value counts as a member that is always there.
fn choices(catalog: &Catalog, leaf: Leaf) -> impl Iterator<Item = String> {
    let values = match leaf {
        Leaf::Enum(id) => catalog.enumeration(id).values.as_slice(),
        Leaf::Scalar(_) => &[],
    };
    let name = leaf_name(catalog, leaf);
    values.iter().map(move |value| format!("{name} {}", value.name))
}

fn leaf_name(catalog: &Catalog, leaf: Leaf) -> String {
    match leaf {
        Leaf::Scalar(scalar) => scalar.name().to_owned(),
        Leaf::Enum(id) => catalog.enumeration(id).name.clone(),
    }
}

fn listed(name: &str, list: Option<List>) -> String {
    match list {
        Some(list) if list.item_required => format!("[{name}!]"),
        Some(_) => format!("[{name}]"),
        None => name.to_owned(),
    }
}
