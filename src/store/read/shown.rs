//! What becomes of the texts that a statement gives for its rows, in which something is searched
//! for. Plain data.

use crate::{query::Matches, value::Language};

/// All that is wanted, by the numbers that the statement has for it.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub wanted: Vec<Wanted>,
    /// Bytes that the answer may have.
    pub most: u64,
}

/// What is wanted of the texts of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub matches: Matches,
    /// The fields whose texts these are, in their order.
    pub fields: Vec<(String, Option<Language>)>,
}
