//! By which search the rows of a selection were found. Plain data.

use crate::query::Operand;

/// What the rows at hand are found by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum FoundBy {
    /// Their list has no `search`, or they are behind a link of other rows.
    #[default]
    NoSearch,
    /// `search` is null, which is none.
    Null,
    Search(Operand),
}
