//! What rows are for one parent: numbers that are added. Knows no rows.

use crate::{
    store::error::StoreError,
    value::{Total, Value},
};

/// What some rows are for their parent.
#[derive(Clone, Default)]
pub(super) struct Tally {
    /// How many of them there are.
    pub rows: i64,
    /// For each rollup how many of them count, where that is not all.
    pub counts: Vec<i64>,
    /// For each rollup what they add up to, where it is kept by adding; none of no value.
    pub sums: Vec<Option<Total>>,
    /// For each rollup least or greatest values of theirs, the one that is it among them.
    pub extremes: Vec<Vec<Value>>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.rows += other.rows;
        self.sums.resize(self.sums.len().max(other.sums.len()), None);
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            if let Some(more) = more {
                sum.get_or_insert_default().merge(&more);
            }
        }
    }
}

/// Of a sum that is none.
pub(super) fn no_number() -> StoreError {
    StoreError::Internal("a sum is no number".to_owned())
}
