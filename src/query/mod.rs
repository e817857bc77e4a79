//! A read over the catalog: what to select, filter, order and cut. Knows neither GraphQL nor SQL.
//!
//! `graphql::plan` makes a [`Read`], `store::read` compiles it to one statement. Operands are constants or numbered
//! parameters, so that one compiled statement serves every request that differs only in its scalar variables.

mod freshness;
mod params;

pub(crate) use freshness::{FreshnessOutput, FreshnessValue};
pub(crate) use params::renumber;

use crate::{
    catalog::{EntityId, FieldId},
    value::Value,
};

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
    /// The key of the entity is always added as the last, ascending; of links and nested rows without any order, their position.
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

/// A condition on a row. Two-valued: a comparison with a null column is false, and `Not` is the exact complement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    /// True when empty.
    And(Vec<Filter>),
    /// False when empty.
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare {
        field: FieldId,
        compare: Compare,
        operand: Operand,
    },
    /// True when one of the operands equals; false for none.
    In {
        field: FieldId,
        operands: Vec<Operand>,
    },
    IsNull {
        field: FieldId,
    },
    /// A text predicate; `%`, `_` and `\` are only special to `Like` and `ILike`.
    Text {
        field: FieldId,
        test: TextTest,
        operand: Operand,
    },
    /// A list column that holds all (or any) of the operands.
    Has {
        field: FieldId,
        all: bool,
        operands: Vec<Operand>,
    },
    /// The row behind a reference or to-one inverse exists and satisfies the filter.
    One {
        field: FieldId,
        filter: Box<Filter>,
    },
    /// The rows behind a to-many field.
    Many {
        field: FieldId,
        quantifier: Quantifier,
        filter: Box<Filter>,
    },
    /// The whole key (or unique field) equals: `fields` as in the catalog, one operand per leaf.
    Key {
        fields: Vec<FieldId>,
        operands: Vec<Operand>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Eq,
    Gt,
    Gte,
    Lt,
    Lte,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
    /// SQL `LIKE`, case-sensitive, escape `\`.
    Like,
    /// The same without regard to ASCII case.
    ILike,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Some,
    Every,
    None,
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

/// A value known at planning, or the number of a parameter given at execution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Value(Value),
    Param(usize),
}

impl Read {
    /// Every entity whose rows can change the answer.
    pub(crate) fn entities(&self, catalog: &crate::catalog::Catalog) -> std::collections::BTreeSet<EntityId> {
        let mut found = std::collections::BTreeSet::new();
        for root in &self.roots {
            match &root.value {
                RootValue::One(select) | RootValue::Many(select) => select.collect(catalog, &mut found),
                RootValue::Freshness(_) | RootValue::Json(_) => {}
            }
        }
        found
    }
}

type Found = std::collections::BTreeSet<EntityId>;

impl Select {
    fn collect(&self, catalog: &crate::catalog::Catalog, found: &mut Found) {
        found.insert(self.entity);
        collect_output(&self.output, self.entity, catalog, found);
        if let Some(filter) = &self.filter {
            filter.collect(self.entity, catalog, found);
        }
        for order in &self.order {
            let mut entity = self.entity;
            for field in &order.path {
                if let Some(target) = catalog.entity(entity).field(*field).kind.target() {
                    found.insert(target);
                    entity = target;
                }
            }
        }
    }
}

fn collect_output(output: &[Output], entity: EntityId, catalog: &crate::catalog::Catalog, found: &mut Found) {
    for member in output {
        match &member.value {
            OutputValue::One { field, output } => {
                if let Some(target) = catalog.entity(entity).field(*field).kind.target() {
                    found.insert(target);
                    collect_output(output, target, catalog, found);
                }
            }
            // The owner of the join table changes when its links do.
            OutputValue::Many { select, .. } => select.collect(catalog, found),
            OutputValue::Text(_) | OutputValue::Leaf(_) | OutputValue::Value { .. } => {}
        }
    }
}

impl Filter {
    fn collect(&self, entity: EntityId, catalog: &crate::catalog::Catalog, found: &mut Found) {
        match self {
            Filter::And(filters) | Filter::Or(filters) => {
                filters.iter().for_each(|filter| filter.collect(entity, catalog, found));
            }
            Filter::Not(filter) => filter.collect(entity, catalog, found),
            Filter::One { field, filter } | Filter::Many { field, filter, .. } => {
                if let Some(target) = catalog.entity(entity).field(*field).kind.target() {
                    found.insert(target);
                    filter.collect(target, catalog, found);
                }
            }
            Filter::Compare { .. }
            | Filter::In { .. }
            | Filter::IsNull { .. }
            | Filter::Text { .. }
            | Filter::Has { .. }
            | Filter::Key { .. } => {}
        }
    }
}
