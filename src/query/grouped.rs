//! Rows in groups: by what they are grouped, what is said of each group, and which groups are
//! wanted. Knows neither GraphQL nor SQL.

use std::sync::Arc;

use super::{
    aggregate::{Aggregate, Measure},
    filter::{Filter, Operand},
    member::Member,
    read::{Direction, Nulls, Order, Output, OutputValue, Select},
};
use crate::{
    catalog::{Compare, FieldId, TextTest},
    value::{Unit, Zone},
};

/// Groups of rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grouped {
    /// The rows. `first` and `offset` are of groups; `order` and `output` are empty.
    pub select: Select,
    /// At least one, and none twice.
    pub keys: Vec<GroupKey>,
    pub having: Option<Having>,
    /// The keys are always added as the last, ascending.
    pub order: Vec<GroupOrder>,
    pub output: Vec<Member<GroupValue>>,
}

/// What all rows of a group have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupKey {
    pub field: FieldId,
    pub by: GroupedBy,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupedBy {
    /// The value of a leaf; all nulls are one group.
    Value,
    /// The row behind a to-one field; all that lead to none are one group.
    Row,
    /// The span of time that a value falls into.
    Span(Span),
}

/// Spans of time, as [`crate::value::Spans`] has them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub unit: Unit,
    /// None for UTC.
    pub zone: Option<Arc<Zone>>,
    /// Microseconds by which they begin later.
    pub shift: Option<Operand>,
    /// Those between the first one and the last one are groups, too, without any row.
    pub fill: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupValue {
    /// A constant text: `__typename`.
    Text(String),
    Keys(Vec<Member<KeyValue>>),
    /// How many rows the group has.
    Count,
    Aggregate(Aggregate),
}

/// A key of the group, by its place among [`Grouped::keys`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyValue {
    Text(String),
    Leaf(usize),
    /// The row that is the key, or null.
    Row(usize, Vec<Output>),
    /// What a time is grouped by.
    Times(Vec<Member<TimeKey>>),
    /// Keys that are members of a value.
    Within(Vec<Member<KeyValue>>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TimeKey {
    Text(String),
    Leaf(usize),
}

/// A condition on a group, two-valued like [`Filter`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Having {
    /// True when empty.
    And(Vec<Having>),
    /// False when empty.
    Or(Vec<Having>),
    Not(Box<Having>),
    Compare {
        measure: Measure,
        compare: Compare,
        operand: Operand,
    },
    In {
        measure: Measure,
        operands: Vec<Operand>,
    },
    IsNull {
        measure: Measure,
    },
    Text {
        measure: Measure,
        test: TextTest,
        operand: Operand,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupOrder {
    pub by: GroupTerm,
    pub direction: Direction,
    pub nulls: Nulls,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupTerm {
    /// The key at this place.
    Key(usize),
    /// A leaf of the row that is the key at this place, or of one behind that.
    Behind {
        key: usize,
        path: Vec<FieldId>,
        field: FieldId,
    },
    Measure(Measure),
}

impl Having {
    /// The same condition on a measure as a filter puts on a field; none for one that looks at
    /// other rows.
    pub(crate) fn of(filter: Filter, measure: Measure) -> Option<Having> {
        let all = |filters: Vec<Filter>| {
            let each = filters.into_iter().map(|filter| Having::of(filter, measure));
            each.collect::<Option<Vec<_>>>()
        };
        Some(match filter {
            Filter::And(filters) => Having::And(all(filters)?),
            Filter::Or(filters) => Having::Or(all(filters)?),
            Filter::Not(filter) => Having::Not(Box::new(Having::of(*filter, measure)?)),
            Filter::Compare { compare, operand, .. } => Having::Compare {
                measure,
                compare,
                operand,
            },
            Filter::In { operands, .. } => Having::In { measure, operands },
            Filter::IsNull { .. } => Having::IsNull { measure },
            Filter::Text { test, operand, .. } => Having::Text { measure, test, operand },
            Filter::Search { .. }
            | Filter::Has { .. }
            | Filter::One { .. }
            | Filter::Many { .. }
            | Filter::Key { .. } => return None,
        })
    }

    /// What it asks about, and the tests of texts in it as filters of their fields.
    fn parts(&self, measures: &mut Vec<Measure>, texts: &mut Vec<Filter>) {
        match self {
            Having::And(all) | Having::Or(all) => all.iter().for_each(|having| having.parts(measures, texts)),
            Having::Not(having) => having.parts(measures, texts),
            Having::Compare { measure, .. } | Having::In { measure, .. } | Having::IsNull { measure } => {
                measures.push(*measure);
            }
            Having::Text { measure, test, operand } => {
                measures.push(*measure);
                texts.extend(measure.field().map(|field| Filter::Text {
                    field,
                    test: *test,
                    operand: operand.clone(),
                }));
            }
        }
    }
}

impl Grouped {
    /// What is computed of the rows of each group, each once.
    pub(crate) fn measures(&self) -> Vec<Measure> {
        let mut all = Vec::new();
        if let Some(having) = &self.having {
            having.parts(&mut all, &mut Vec::new());
        }
        all.extend(self.order.iter().filter_map(|order| match &order.by {
            GroupTerm::Measure(measure) => Some(*measure),
            GroupTerm::Key(_) | GroupTerm::Behind { .. } => None,
        }));
        for member in &self.output {
            match &member.value {
                GroupValue::Count => all.push(Measure::Count),
                GroupValue::Aggregate(aggregate) => all.extend(aggregate.measures()),
                GroupValue::Text(_) | GroupValue::Keys(_) => {}
            }
        }
        let mut once = Vec::new();
        for measure in all {
            if !once.contains(&measure) {
                once.push(measure);
            }
        }
        once
    }

    /// The tests of texts that are made of groups, as filters of the fields that they look at.
    pub(crate) fn texts(&self) -> Vec<Filter> {
        let mut texts = Vec::new();
        if let Some(having) = &self.having {
            having.parts(&mut Vec::new(), &mut texts);
        }
        texts
    }

    /// The values and rows that it reads, as if they were given out: keys, and what measures are
    /// made of.
    pub(crate) fn read(&self) -> Vec<Output> {
        let keys = self.keys.iter().enumerate().map(|(at, key)| match &key.by {
            GroupedBy::Value | GroupedBy::Span(_) => OutputValue::Leaf(key.field),
            GroupedBy::Row => OutputValue::One {
                field: key.field,
                output: self.rows_of(at).flatten().cloned().collect(),
            },
        });
        let measured = self
            .measures()
            .into_iter()
            .filter_map(Measure::field)
            .map(OutputValue::Leaf);
        let output = |value| Output {
            key: String::new(),
            value,
        };
        keys.chain(measured).map(output).collect()
    }

    /// What is wanted of the rows that are a key, wherever that stands.
    pub(crate) fn rows_of(&self, key: usize) -> impl Iterator<Item = &Vec<Output>> {
        let keys = self.output.iter().filter_map(|member| match &member.value {
            GroupValue::Keys(keys) => Some(keys),
            _ => None,
        });
        // Values hold no rows.
        keys.flatten().filter_map(move |member| match &member.value {
            KeyValue::Row(at, outputs) if *at == key => Some(outputs),
            _ => None,
        })
    }

    /// The orders that lead through the rows which are keys, as those of the rows that are grouped.
    pub(crate) fn orders(&self) -> Vec<Order> {
        let behind = self.order.iter().filter_map(|order| match &order.by {
            GroupTerm::Behind { key, path, field } => Some(Order {
                path: [self.keys.get(*key)?.field]
                    .into_iter()
                    .chain(path.iter().copied())
                    .collect(),
                field: *field,
                direction: order.direction,
                nulls: order.nulls,
            }),
            GroupTerm::Key(_) | GroupTerm::Measure(_) => None,
        });
        behind.collect()
    }
}
