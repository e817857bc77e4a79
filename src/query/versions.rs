//! The versions of one row, as they were kept. Knows neither GraphQL nor SQL.

use super::{
    member::Member,
    read::{Output, Select},
};

/// The versions of a row, the newest one first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Versions {
    /// The row by its key, and which of its versions; what is wanted of each stands below.
    pub select: Select,
    pub output: Vec<Member<VersionValue>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum VersionValue {
    /// A constant text: `__typename`.
    Text(String),
    /// The moment of the commit that made it.
    From,
    /// The moment of the one that ended it; null of the present one.
    Until,
    /// How it began.
    Begin,
    /// Whether it ended because the row was deleted.
    Deleted,
    /// The names of the fields that differ from the version before.
    Changed,
    /// The row as it was: its own values, and no other rows.
    Row(Vec<Output>),
}

impl Versions {
    /// What is wanted of the row, wherever that stands.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Vec<Output>> {
        self.output.iter().filter_map(|member| match &member.value {
            VersionValue::Row(outputs) => Some(outputs),
            _ => None,
        })
    }
}
