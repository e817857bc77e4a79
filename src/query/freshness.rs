//! What can be asked about how fresh the rows of each type are. Knows the members; knows neither
//! GraphQL nor SQL.

use super::filter::Operand;

/// A member of what is said of a type, under its response key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FreshnessOutput {
    pub key: String,
    pub value: FreshnessValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FreshnessValue {
    /// A constant text: `__typename`.
    Text(String),
    /// The type's name.
    Name,
    /// How many rows are stored.
    Rows,
    /// When the last complete harvest ended.
    CompleteAt,
    /// When the last harvest began, and how it stands.
    TriedAt,
    Outcome,
    /// When it is harvested next, one operand for each type in their order: the database does not
    /// know schedules.
    NextAt(Vec<Operand>),
    /// Where the change log stands.
    Cursor,
}
