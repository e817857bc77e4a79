//! A read: its roots, what is selected of them, in which order. Knows neither GraphQL nor SQL.

use super::{
    filter::{Filter, Operand},
    freshness::FreshnessOutput,
};
use crate::catalog::{EntityId, FieldId};

/// One operation: all its root fields, answered by one statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    pub roots: Vec<Root>,
}

/// A root field of the answer, under its response key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Root {
    pub key: String,
    pub value: RootValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RootValue {
    /// The only row that the filter finds, or null.
    One(Select),
    /// A list of rows.
    Many(Select),
    /// How fresh the rows of each type are, one object for each.
    Freshness(Vec<FreshnessOutput>),
    /// JSON that needs no row: `__typename`, introspection.
    Json(String),
}

/// Rows of one entity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub entity: EntityId,
    pub filter: Option<Filter>,
    /// The key of the entity is always added as the last, ascending; of links and nested rows
    /// without any order, their position.
    pub order: Vec<Order>,
    pub first: Option<Operand>,
    pub offset: Option<Operand>,
    pub output: Vec<Output>,
}

/// A member of the answer's object, under its response key. Keys are unique within an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    pub key: String,
    pub value: OutputValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OutputValue {
    /// A constant text: `__typename`.
    Text(String),
    /// A leaf or list of leaves, in wire form.
    Leaf(FieldId),
    /// A value object (or list) with a selection of its fields.
    Value { field: FieldId, output: Vec<ValueOutput> },
    /// The row behind a reference or a to-one inverse, or null.
    One { field: FieldId, output: Vec<Output> },
    /// The rows behind links, nested rows or an inverse.
    Many { field: FieldId, select: Select },
}

/// A member of a value object; `field` is a position in its `ValueType`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueOutput {
    pub key: String,
    pub value: ValueOutputValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ValueOutputValue {
    Text(String),
    Leaf(FieldId),
    Value { field: FieldId, output: Vec<ValueOutput> },
}

/// An order by a leaf of the entity or of a row behind a chain of to-one fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    /// To-one fields to follow, from the entity outwards; often empty.
    pub path: Vec<FieldId>,
    pub field: FieldId,
    pub direction: Direction,
    pub nulls: Nulls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// Where nulls go. The default of an API order is last in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    First,
    Last,
}
