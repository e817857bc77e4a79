//! What is computed of many rows as a whole: of those of a connection, or of a group. Knows the
//! functions and what they give; knows neither GraphQL nor SQL.

use super::member::Member;
use crate::catalog::{FieldId, Function};

/// An object of what is computed of the same rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate(pub Vec<Member<AggregateValue>>);

impl Aggregate {
    /// Whether any row is looked at: not where only the names of types are asked for.
    pub(crate) fn looks_at_rows(&self) -> bool {
        !self.measures().is_empty()
    }

    /// The fields that it takes the values of, each under its key.
    pub(crate) fn fields(&self) -> Vec<(&str, FieldId)> {
        let mut fields = Vec::new();
        for member in &self.0 {
            if let AggregateValue::Of(_, members) = &member.value {
                each_field(members, &mut |key, field| fields.push((key, field)));
            }
        }
        fields
    }

    /// What it computes.
    pub(crate) fn measures(&self) -> Vec<Measure> {
        let mut measures = Vec::new();
        for member in &self.0 {
            match &member.value {
                AggregateValue::Text(_) => {}
                AggregateValue::Count => measures.push(Measure::Count),
                AggregateValue::Of(function, members) => {
                    each_field(members, &mut |_, field| measures.push(Measure::Of(*function, field)));
                }
            }
        }
        measures
    }
}

/// The fields among members, and among those of values, each with its key.
fn each_field<'m>(members: &'m [Member<Aggregated>], found: &mut dyn FnMut(&'m str, FieldId)) {
    for member in members {
        match &member.value {
            Aggregated::Text(_) => {}
            Aggregated::Field(field) => found(&member.key, *field),
            Aggregated::Within(members) => each_field(members, found),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AggregateValue {
    /// A constant text: `__typename`.
    Text(String),
    /// How many rows there are.
    Count,
    /// A function, of one field or several, each under its key.
    Of(Function, Vec<Member<Aggregated>>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Aggregated {
    Text(String),
    /// The function of the values of this leaf; nulls do not count.
    Field(FieldId),
    /// The same of members of a value.
    Within(Vec<Member<Aggregated>>),
}

/// A number or another value that is computed of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Count,
    Of(Function, FieldId),
}

impl Measure {
    pub(crate) fn field(self) -> Option<FieldId> {
        match self {
            Measure::Count => None,
            Measure::Of(_, field) => Some(field),
        }
    }
}
