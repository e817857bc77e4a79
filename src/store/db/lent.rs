//! By what the statements on a lent connection go, one after the other. Knows time and bounds; no
//! connection.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::store::error::StoreError;

use super::{
    deadline::{Clock, Deadline},
    made::{Bounds, Made},
};

/// A deadline that is over at once; 0 would mean that there is none.
pub(super) const LONG_AGO: u64 = 1;

/// By what the statements on a lent connection go.
pub(crate) struct Lent {
    pub(super) clock: Clock,
    pub(super) limit: Duration,
    pub(super) bounds: Bounds,
    pub(super) deadline: Arc<Deadline>,
    pub(super) made: Arc<Made>,
    /// The deadline as it was set here: somebody else sets it only to end the reader's work.
    pub(super) until: u64,
}

impl Lent {
    /// A statement begins, with all the time and the bounds that one may have; not so when the
    /// reader was told to end.
    pub(crate) fn begin(&mut self) -> bool {
        let until = self.clock.after(self.limit);
        let order = Ordering::Relaxed;
        let exchanged = self.deadline.at.compare_exchange(self.until, until, order, order);
        let begins = self.until != LONG_AGO && exchanged.is_ok();
        self.until = until;
        self.made.begin(self.bounds);
        begins
    }

    /// What the statement under way has made.
    pub(crate) fn made(&self) -> &Made {
        &self.made
    }

    /// Why the statement that has just failed was ended, if it was for its time or its bounds.
    pub(crate) fn ended_by(&self) -> Option<StoreError> {
        match self.deadline.is_over(self.clock) {
            true => Some(StoreError::Timeout(self.limit)),
            false => self.made.beyond().map(StoreError::Beyond),
        }
    }
}
