//! A read as a whole: its roots. Knows neither GraphQL nor SQL.

use super::{
    filter::Operand,
    freshness::FreshnessOutput,
    grouped::Grouped,
    read::{Connection, Select},
    versions::Versions,
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
    /// Rows in pages.
    Connection(Connection),
    /// Rows in groups, a list of these.
    Grouped(Grouped),
    /// How fresh the rows of each type are, one object for each.
    Freshness(Vec<FreshnessOutput>),
    /// What one of the others gave at a moment in the past.
    Past(Box<Past>),
    /// The versions of one row, a list of these.
    Versions(Versions),
    /// JSON that needs no row: `__typename`, introspection.
    Json(String),
}

/// What is asked, and of which moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Past {
    pub moment: Operand,
    pub value: RootValue,
}
