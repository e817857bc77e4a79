//! Rows that are read: which, in which order, what is selected of them. Knows neither GraphQL nor
//! SQL.

use super::{
    aggregate::Aggregate,
    filter::{Filter, Operand},
    matches::Matches,
    member::Member,
};
use crate::{
    catalog::{EntityId, FieldId},
    value::JsonPath,
};

/// Rows of one entity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub entity: EntityId,
    pub filter: Option<Filter>,
    /// The key of the entity is always added as the last, ascending. Without any order, rows that
    /// are searched come by their rank, else links and nested rows by their position.
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
    /// The row's own id among all rows: this signature and its key, sealed.
    NodeId(String),
    /// A leaf or list of leaves, in wire form.
    Leaf(FieldId),
    /// A value object (or list) with a selection of its fields.
    Value { field: FieldId, output: Vec<ValueOutput> },
    /// The row behind a reference or a to-one inverse, or null.
    One { field: FieldId, output: Vec<Output> },
    /// The rows behind links, nested rows or an inverse.
    Many { field: FieldId, select: Select },
    /// The same in pages.
    Connection { field: FieldId, connection: Connection },
    /// Where in the row something of a search stands.
    Matches(Matches),
}

impl OutputValue {
    /// The field that it is of, where it is one of the type.
    pub(crate) fn field(&self) -> Option<FieldId> {
        match self {
            OutputValue::Text(_) | OutputValue::NodeId(_) | OutputValue::Matches(_) => None,
            OutputValue::Leaf(field)
            | OutputValue::Value { field, .. }
            | OutputValue::One { field, .. }
            | OutputValue::Many { field, .. }
            | OutputValue::Connection { field, .. } => Some(*field),
        }
    }
}

/// Rows in pages, in either direction, and what is said of all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Connection {
    /// The rows and their order. `first` is the size of a page, whichever end it is cut from;
    /// `offset` and `output` are empty, because what is wanted of a row stands below.
    pub select: Select,
    /// The page is the last rows, and not the first ones.
    pub backwards: bool,
    /// Only rows behind this place of the order, and before that one.
    pub after: Option<Place>,
    pub before: Option<Place>,
    /// What tells the cursors of this connection and order from others.
    pub signature: String,
    pub output: Vec<Member<ConnectionValue>>,
}

/// A place in an order: an operand, which may be null, for each column of the order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place(pub Vec<Operand>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConnectionValue {
    /// A constant text: `__typename`.
    Text(String),
    /// The rows of the page, each with its cursor.
    Edges(Vec<Member<EdgeValue>>),
    /// The rows of the page.
    Nodes(Vec<Output>),
    PageInfo(Vec<Member<PageInfoValue>>),
    /// How many rows meet the filter, on whatever page they are.
    TotalCount,
    /// What is computed of all these.
    Aggregate(Aggregate),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EdgeValue {
    Text(String),
    Cursor,
    Node(Vec<Output>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PageInfoValue {
    Text(String),
    HasNextPage,
    HasPreviousPage,
    StartCursor,
    EndCursor,
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
    pub form: Form,
    pub direction: Direction,
    pub nulls: Nulls,
}

/// As what the value of a field is ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    #[default]
    Value,
    /// A text without the case of its letters.
    WithoutCase,
    /// What stands at a place in a JSON value.
    Json(JsonPath),
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

impl Order {
    /// The field of the rows themselves whose value, as it is, they are ordered by: what an index
    /// of that field may have.
    pub(crate) fn own(&self) -> Option<FieldId> {
        (self.path.is_empty() && self.form == Form::Value).then_some(self.field)
    }
}

impl Select {
    /// The search by whose rank the rows are ordered: where no other order is asked for.
    pub(crate) fn ranked_by(&self) -> Option<&Operand> {
        let filter = self.filter.as_ref().filter(|_| self.order.is_empty());
        filter.and_then(Filter::searched)
    }
}

impl Connection {
    /// What is wanted of each row of the page, wherever in it that stands.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Vec<Output>> {
        self.output.iter().flat_map(|member| {
            let (nodes, edges) = match &member.value {
                ConnectionValue::Nodes(outputs) => (Some(outputs), None),
                ConnectionValue::Edges(edges) => (None, Some(edges)),
                ConnectionValue::Text(_)
                | ConnectionValue::PageInfo(_)
                | ConnectionValue::TotalCount
                | ConnectionValue::Aggregate(_) => (None, None),
            };
            let of_edges = edges.into_iter().flatten().filter_map(|edge| match &edge.value {
                EdgeValue::Node(outputs) => Some(outputs),
                EdgeValue::Text(_) | EdgeValue::Cursor => None,
            });
            nodes.into_iter().chain(of_edges)
        })
    }

    /// The fields of which something is computed, each under the key of what.
    pub(crate) fn aggregated(&self) -> impl Iterator<Item = (&str, FieldId)> {
        let aggregates = self.output.iter().filter_map(|member| match &member.value {
            ConnectionValue::Aggregate(aggregate) => Some(aggregate),
            _ => None,
        });
        aggregates.flat_map(Aggregate::fields)
    }

    /// Whether rows of the page are in the answer.
    pub(crate) fn gives_rows(&self) -> bool {
        let are_rows = |value: &ConnectionValue| matches!(value, ConnectionValue::Nodes(_) | ConnectionValue::Edges(_));
        self.output.iter().any(|member| are_rows(&member.value))
    }

    /// Whether a cursor of a row is.
    pub(crate) fn has_cursors(&self) -> bool {
        self.output.iter().any(|member| match &member.value {
            ConnectionValue::Edges(edges) => edges.iter().any(|edge| edge.value == EdgeValue::Cursor),
            ConnectionValue::PageInfo(members) => {
                let ends = [PageInfoValue::StartCursor, PageInfoValue::EndCursor];
                members.iter().any(|member| ends.contains(&member.value))
            }
            ConnectionValue::Text(_)
            | ConnectionValue::Nodes(_)
            | ConnectionValue::TotalCount
            | ConnectionValue::Aggregate(_) => false,
        })
    }

    /// Whether something is asked of all rows and not only of those of the page.
    pub(crate) fn counts_all(&self) -> bool {
        let is_of_all =
            |value: &ConnectionValue| matches!(value, ConnectionValue::TotalCount | ConnectionValue::Aggregate(_));
        self.output.iter().any(|member| is_of_all(&member.value))
    }
}
