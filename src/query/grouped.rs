//! Rows in groups: by what they are grouped, what is said of each group, and which groups are
//! wanted. Knows neither GraphQL nor SQL.

use std::sync::Arc;

use super::{
    aggregate::{Aggregate, Measure},
    filter::{Filter, Operand},
    member::Member,
    read::{Direction, Form, Nulls, Order, Output, OutputValue, Select},
};
use crate::{
    catalog::{Compare, EntityId, FieldId, TextTest},
    value::{Unit, Zone},
};

/// Groups of rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grouped {
    /// The rows. `first` and `offset` are of groups; `order` and `output` are empty.
    pub select: Select,
    /// At least one, and none twice.
    pub keys: Vec<GroupKey>,
    /// Other rows of which something is computed, none twice.
    pub led: Vec<Led>,
    pub having: Option<Having>,
    /// The keys are always added as the last, ascending.
    pub order: Vec<GroupOrder>,
    pub output: Vec<Member<GroupValue>>,
}

/// What all rows of a group have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupKey {
    /// Fields that each lead to one row, from the rows that are grouped on.
    pub path: Vec<FieldId>,
    /// Of the row at the end of the path.
    pub field: FieldId,
    pub by: GroupedBy,
}

/// The rows that a field of the rows of a group leads to, as often as it does: one that two rows
/// lead to is there for each of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Led {
    pub field: FieldId,
    pub entity: EntityId,
    pub filter: Option<Filter>,
}

/// What is computed of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupMeasure {
    /// Of which rows: of the group's own, or of those at this place among [`Grouped::led`].
    pub of: Option<usize>,
    pub measure: Measure,
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
    /// The same of other rows, at this place among [`Grouped::led`].
    Led(usize, Aggregate),
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
    /// Keys that are members of a value, or of a row behind a link.
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
        measure: GroupMeasure,
        compare: Compare,
        operand: Operand,
    },
    In {
        measure: GroupMeasure,
        operands: Vec<Operand>,
    },
    IsNull {
        measure: GroupMeasure,
    },
    Text {
        measure: GroupMeasure,
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
        form: Form,
    },
    Measure(GroupMeasure),
}

impl Having {
    /// The same condition on a measure as a filter puts on a field; none for one that looks at
    /// other rows.
    pub(crate) fn of(filter: Filter, measure: GroupMeasure) -> Option<Having> {
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
            | Filter::Json { .. }
            | Filter::Has { .. }
            | Filter::Items { .. }
            | Filter::One { .. }
            | Filter::Many { .. }
            | Filter::Key { .. } => return None,
        })
    }

    /// What it asks about, and the tests of texts in it as filters of their fields, with the rows
    /// that have those.
    fn parts(&self, measures: &mut Vec<GroupMeasure>, texts: &mut Vec<(Option<usize>, Filter)>) {
        match self {
            Having::And(all) | Having::Or(all) => all.iter().for_each(|having| having.parts(measures, texts)),
            Having::Not(having) => having.parts(measures, texts),
            Having::Compare { measure, .. } | Having::In { measure, .. } | Having::IsNull { measure } => {
                measures.push(*measure);
            }
            Having::Text { measure, test, operand } => {
                measures.push(*measure);
                texts.extend(measure.measure.field().map(|field| {
                    let operand = operand.clone();
                    (
                        measure.of,
                        Filter::Text {
                            field,
                            test: *test,
                            operand,
                        },
                    )
                }));
            }
        }
    }
}

impl Grouped {
    /// What is computed of each group, each once.
    pub(crate) fn measures(&self) -> Vec<GroupMeasure> {
        let mut all = Vec::new();
        if let Some(having) = &self.having {
            having.parts(&mut all, &mut Vec::new());
        }
        all.extend(self.order.iter().filter_map(|order| match &order.by {
            GroupTerm::Measure(measure) => Some(*measure),
            GroupTerm::Key(_) | GroupTerm::Behind { .. } => None,
        }));
        for member in &self.output {
            let (of, measures) = match &member.value {
                GroupValue::Count => (None, vec![Measure::Count]),
                GroupValue::Aggregate(aggregate) => (None, aggregate.measures()),
                GroupValue::Led(at, aggregate) => (Some(*at), aggregate.measures()),
                GroupValue::Text(_) | GroupValue::Keys(_) => continue,
            };
            all.extend(measures.into_iter().map(|measure| GroupMeasure { of, measure }));
        }
        let mut once = Vec::new();
        for measure in all {
            if !once.contains(&measure) {
                once.push(measure);
            }
        }
        once
    }

    /// The tests of texts that are made of groups, as filters of the fields that they look at: of
    /// the rows of the groups, or of others.
    pub(crate) fn texts(&self, of: Option<usize>) -> Vec<Filter> {
        let mut texts = Vec::new();
        if let Some(having) = &self.having {
            having.parts(&mut Vec::new(), &mut texts);
        }
        let texts = texts.into_iter().filter(|(rows, _)| *rows == of);
        texts.map(|(_, filter)| filter).collect()
    }

    /// The values and rows that it reads, as if they were given out: keys, and what measures are
    /// made of.
    pub(crate) fn read(&self) -> Vec<Output> {
        let keys = self.keys.iter().enumerate().map(|(at, key)| {
            let value = match &key.by {
                GroupedBy::Value | GroupedBy::Span(_) => OutputValue::Leaf(key.field),
                GroupedBy::Row => OutputValue::One {
                    field: key.field,
                    output: self.rows_of(at).into_iter().flatten().cloned().collect(),
                },
            };
            let way = key.path.iter().rev();
            way.fold(value, |inner, field| OutputValue::One {
                field: *field,
                output: vec![output(inner)],
            })
        });
        let measured = self.measured(None);
        let led = self.led.iter().enumerate().map(|(at, led)| {
            let mut filters: Vec<Filter> = led.filter.iter().cloned().collect();
            filters.extend(self.texts(Some(at)));
            OutputValue::Many {
                field: led.field,
                select: Select {
                    entity: led.entity,
                    filter: (!filters.is_empty()).then_some(Filter::And(filters)),
                    order: Vec::new(),
                    first: None,
                    offset: None,
                    output: self.measured(Some(at)).map(output).collect(),
                },
            }
        });
        keys.chain(measured).chain(led).map(output).collect()
    }

    /// The fields of which something is computed, of the rows of the groups or of others.
    fn measured(&self, of: Option<usize>) -> impl Iterator<Item = OutputValue> {
        let measures = self.measures().into_iter().filter(move |measure| measure.of == of);
        measures
            .filter_map(|measure| measure.measure.field())
            .map(OutputValue::Leaf)
    }

    /// What is wanted of the rows that are a key, wherever that stands.
    pub(crate) fn rows_of(&self, key: usize) -> Vec<&Vec<Output>> {
        let mut found = Vec::new();
        for member in &self.output {
            if let GroupValue::Keys(keys) = &member.value {
                rows_among(keys, key, &mut found);
            }
        }
        found
    }

    /// The orders that lead through the rows which are keys, as those of the rows that are grouped.
    pub(crate) fn orders(&self) -> Vec<Order> {
        let behind = self.order.iter().filter_map(|order| match &order.by {
            GroupTerm::Behind { key, path, field, form } => {
                let key = self.keys.get(*key)?;
                let way = key.path.iter().chain([&key.field]).chain(path);
                Some(Order {
                    path: way.copied().collect(),
                    field: *field,
                    form: form.clone(),
                    direction: order.direction,
                    nulls: order.nulls,
                })
            }
            GroupTerm::Key(_) | GroupTerm::Measure(_) => None,
        });
        behind.collect()
    }
}

fn output(value: OutputValue) -> Output {
    Output {
        key: String::new(),
        value,
    }
}

fn rows_among<'k>(members: &'k [Member<KeyValue>], key: usize, found: &mut Vec<&'k Vec<Output>>) {
    for member in members {
        match &member.value {
            KeyValue::Row(at, outputs) if *at == key => found.push(outputs),
            KeyValue::Within(members) => rows_among(members, key, found),
            KeyValue::Text(_) | KeyValue::Leaf(_) | KeyValue::Row(..) | KeyValue::Times(_) => {}
        }
    }
}
