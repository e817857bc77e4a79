//! How many answers had which status. Knows numbers; no request.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

/// The first status there is, and how many there are.
const FIRST: u16 = 100;
const STATUSES: usize = 500;

/// How many requests were answered with each status.
pub(super) struct Statuses([AtomicU64; STATUSES]);

impl Default for Statuses {
    fn default() -> Statuses {
        Statuses([const { AtomicU64::new(0) }; STATUSES])
    }
}

impl Statuses {
    pub(super) fn count(&self, status: StatusCode) {
        let at = usize::from(status.as_u16().saturating_sub(FIRST));
        if let Some(count) = self.0.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn counted(&self) -> impl Iterator<Item = (u16, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        (FIRST..).zip(counts).filter(|(_, count)| *count > 0)
    }
}
