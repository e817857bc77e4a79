//! When a statement has to end. Knows time; no connection.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Says whether anybody waits for the statement under way.
pub(crate) type Heard = Arc<dyn Fn() -> bool + Send + Sync>;

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

/// When the statement under way has to end.
#[derive(Default)]
pub(crate) struct Deadline {
    /// 0: nothing is under way.
    pub at: AtomicU64,
    /// Of those that run one after the other, each ends when nobody waits for it any more.
    heard: Mutex<Option<Heard>>,
}

impl Deadline {
    pub(crate) fn is_over(&self, clock: Clock) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        at != 0 && (clock.micros() >= at || self.heard().as_ref().is_some_and(|heard| !heard()))
    }

    /// Until the reader is given back.
    pub(crate) fn ends_unheard(&self, heard: Heard) {
        *self.heard() = Some(heard);
    }

    /// Nothing is under way.
    pub(crate) fn rest(&self) {
        self.at.store(0, Ordering::Relaxed);
        *self.heard() = None;
    }

    fn heard(&self) -> MutexGuard<'_, Option<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
