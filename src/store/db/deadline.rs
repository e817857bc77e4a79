//! When a statement has to end. Knows time; no connection.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Where deadlines are counted from.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn begin() -> Clock {
        Clock(Instant::now())
    }

    /// So long from now.
    pub(crate) fn after(self, limit: Duration) -> u64 {
        self.micros() + u64::try_from(limit.as_micros()).unwrap_or(u64::MAX / 2)
    }

    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// When the statement under way has to end; 0: nothing is under way.
#[derive(Default)]
pub(crate) struct Deadline(pub AtomicU64);

impl Deadline {
    pub(crate) fn is_over(&self, clock: Clock) -> bool {
        let at = self.0.load(Ordering::Relaxed);
        at != 0 && clock.micros() >= at
    }
}
