//! What the filters of one page may take for each of its records. Knows time and stops; runs no
//! filter.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::{PageFault, Stop};
use crate::catalog::jq::Budget;

/// The bounds of the filters on this thread, until it is dropped.
pub(super) struct Allowance {
    budget: Budget,
    /// For one record.
    most: Duration,
    cancel: CancellationToken,
}

impl Allowance {
    /// So much time for each record, and so much memory for each filter. A stop ends them all.
    pub(super) fn of_thread(most: Duration, memory: usize, cancel: CancellationToken) -> Allowance {
        let cancelled = cancel.clone();
        Allowance {
            budget: Budget::of_thread(move || cancelled.is_cancelled()).with_memory(memory),
            most,
            cancel,
        }
    }

    /// The next record begins.
    pub(super) fn begin(&self) {
        self.budget.allow(self.most);
    }

    /// What filters said after their time was over, or after a stop, means nothing.
    pub(super) fn in_time(&self, place: &str) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Gone);
        }
        match self.budget.is_spent() {
            true => Err(Stop::Fault(PageFault::SlowFilter {
                place: place.to_owned(),
                most: self.most,
            })),
            false => Ok(()),
        }
    }
}
