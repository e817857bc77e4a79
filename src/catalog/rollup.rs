//! What a field that is computed of other rows says (`@rollup`). Plain data, and which values of
//! those rows it goes by.

use super::{
    condition::Condition,
    fetch::Schedule,
    function::Function,
    ids::{EntityId, FieldId},
};

/// A field whose value is computed of the rows behind a to-many field of the same type, or of those
/// of the group that its row stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    /// The to-many field; none where the type is of groups.
    pub of: Option<FieldId>,
    /// The type of those rows.
    pub target: EntityId,
    pub what: Rolled,
    /// Which of the rows count, by their own fields.
    pub filter: Option<Condition>,
    /// As a person reads it: `SUM(lines.amount) where {kind: {eq: "A"}}`.
    pub text: String,
}

/// The rows of a type that has one for each group of another type's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// The type whose rows are grouped.
    pub of: EntityId,
    /// What tells the groups apart; of nothing, all rows are one group.
    pub by: Vec<GroupBy>,
    /// A hidden field that counts the rows of the group.
    pub count: FieldId,
    /// Sums and means that a commit goes on from, and what is kept beside them for that.
    pub totals: Vec<Kept>,
    /// When they are computed, where that is not in each commit.
    pub every: Option<Schedule>,
}

/// What is kept of a group beside a sum or a mean, which alone does not tell what one more row
/// makes of it. All but the first are hidden fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The sum or mean.
    pub field: FieldId,
    /// How many values it is of.
    pub values: FieldId,
    /// Their exact sum.
    pub sum: FieldId,
    /// How many of them have more places behind the point than a mean has at least, so that it
    /// has as many: of `Decimal` alone.
    pub fine: Option<FieldId>,
}

/// A value that tells groups apart.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupBy {
    /// The field that keeps it.
    pub own: FieldId,
    /// The way to it in the rows: `basin`, `address.city`.
    pub of: String,
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
    /// How many of them have a value in a field. No definition asks for this, nor for the next
    /// ones.
    Values(FieldId),
    /// The sum of a field with all its digits, whatever its type.
    Exact(FieldId),
    /// How many of their values have more places behind the point than a mean has at least.
    Fine(FieldId),
}

impl Rollup {
    /// The fields of the rows behind that it goes by, but for those by which they are found.
    pub fn fields(&self) -> Vec<FieldId> {
        let field = match self.what {
            Rolled::Of(_, field) | Rolled::Values(field) | Rolled::Exact(field) | Rolled::Fine(field) => Some(field),
            Rolled::Count | Rolled::Exists => None,
        };
        let filter = self.filter.iter().flat_map(Condition::fields);
        field.into_iter().chain(filter).collect()
    }
}
