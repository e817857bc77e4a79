//! What a field that is computed of other rows says (`@rollup`). Plain data, and which values of
//! those rows it goes by.

use super::{
    condition::Condition,
    function::Function,
    ids::{EntityId, FieldId},
};

/// A field whose value is computed of the rows behind a to-many field of the same type.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    /// The to-many field.
    pub of: FieldId,
    /// The type that it leads to.
    pub target: EntityId,
    pub what: Rolled,
    /// Which of the rows count, by their own fields.
    pub filter: Option<Condition>,
    /// As a person reads it: `SUM(lines.amount) where {kind: {eq: "A"}}`.
    pub text: String,
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rolled {
    /// How many rows there are.
    Count,
    /// Whether there is one.
    Exists,
    /// A function of one of their fields.
    Of(Function, FieldId),
}

impl Rollup {
    /// The fields of the rows behind that it goes by, but for those by which they are found.
    pub fn fields(&self) -> Vec<FieldId> {
        let field = match self.what {
            Rolled::Of(_, field) => Some(field),
            Rolled::Count | Rolled::Exists => None,
        };
        let filter = self.filter.iter().flat_map(Condition::fields);
        field.into_iter().chain(filter).collect()
    }
}
