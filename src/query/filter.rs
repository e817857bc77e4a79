//! Conditions on rows, and the operands that they compare with. Knows neither GraphQL nor SQL.

use crate::{
    catalog::{Compare, FieldId, TextTest},
    value::{JsonPath, Value},
};

/// A condition on a row. Two-valued: a comparison with a null column is false, and `Not` is the
/// exact complement.
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
    /// What stands at a place in a JSON value.
    Json {
        field: FieldId,
        path: JsonPath,
        test: JsonTest,
    },
    /// The words of these fields together are what is searched for; the fields are all of the
    /// entity that are searched. It stands among the conditions that must all hold, never below
    /// another one.
    Search {
        fields: Vec<FieldId>,
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
    /// The items of a list of values; the fields in the filter are parts of an item of it.
    Items {
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

impl Filter {
    /// The one field that it is about: not those of a key or of a search, which are several.
    pub(crate) fn field(&self) -> Option<FieldId> {
        match self {
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) | Filter::Key { .. } | Filter::Search { .. } => None,
            Filter::Compare { field, .. }
            | Filter::In { field, .. }
            | Filter::IsNull { field }
            | Filter::Text { field, .. }
            | Filter::Json { field, .. }
            | Filter::Has { field, .. }
            | Filter::Items { field, .. }
            | Filter::One { field, .. }
            | Filter::Many { field, .. } => Some(*field),
        }
    }

    /// What is searched for, if that is a condition.
    pub(crate) fn searched(&self) -> Option<&Operand> {
        match self {
            Filter::Search { operand, .. } => Some(operand),
            Filter::And(filters) => filters.iter().find_map(Filter::searched),
            _ => None,
        }
    }
}

/// A condition on what stands at a place in a JSON value. Operands are JSON: a text, a number or a
/// truth value. What is of another kind is neither equal nor before or behind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JsonTest {
    /// Anything stands there, null included.
    Exists,
    /// Nothing does, or null.
    IsNull,
    Compare {
        compare: Compare,
        operand: Operand,
    },
    In {
        operands: Vec<Operand>,
    },
    /// A text; the operand is one, and no JSON.
    Text {
        test: TextTest,
        operand: Operand,
    },
    /// A list with this item.
    Has {
        operand: Operand,
    },
    /// An object with a member of this name, a text.
    HasKey {
        operand: Operand,
    },
}

impl JsonTest {
    pub(crate) fn operands_mut(&mut self) -> &mut [Operand] {
        match self {
            JsonTest::Exists | JsonTest::IsNull => &mut [],
            JsonTest::Compare { operand, .. }
            | JsonTest::Text { operand, .. }
            | JsonTest::Has { operand }
            | JsonTest::HasKey { operand } => std::slice::from_mut(operand),
            JsonTest::In { operands } => operands,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Some,
    Every,
    None,
}

/// A value known at planning, or the number of a parameter given at execution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Value(Value),
    Param(usize),
}
