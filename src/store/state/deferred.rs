//! The types whose indexes are left for the end of a load, as far as this process knows. Builds
//! none.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, MutexGuard, watch};

use crate::catalog::EntityId;

/// A load has indexes made after this time, when it brings fewer than [`RATE_MIN`] rows a second:
/// it waits for its upstream, and who reads meanwhile is not to wait for it.
const PATIENCE: Duration = Duration::from_secs(5);
const RATE_MIN: f64 = 2_000.0;

/// The types of this process whose indexes are left for later.
#[derive(Default)]
pub(crate) struct Deferred {
    waiting: watch::Sender<BTreeMap<EntityId, Left>>,
    /// They are being built for a reader.
    building: AtomicBool,
    /// Who builds.
    builder: Mutex<()>,
}

/// Since when the indexes of a type are left, and the rows that have come.
#[derive(Clone, Copy)]
struct Left {
    since: Instant,
    rows: u64,
}

impl Deferred {
    pub(crate) fn leave(&self, of: &[EntityId]) {
        let left = Left {
            since: Instant::now(),
            rows: 0,
        };
        self.waiting
            .send_modify(|waiting| waiting.extend(of.iter().map(|entity| (*entity, left))));
    }

    /// All of them.
    pub(crate) fn waiting(&self) -> Vec<EntityId> {
        self.waiting.borrow().keys().copied().collect()
    }

    /// Nobody need wait for those of these types any more.
    pub(crate) fn end(&self, of: &[EntityId]) {
        self.waiting
            .send_modify(|waiting| waiting.retain(|entity, _| !of.contains(entity)));
    }

    /// Waits until none of these types waits for its indexes. `build` begins to build them, where
    /// nobody does so yet.
    pub(crate) async fn until_built(&self, of: &[EntityId], build: impl Fn()) {
        let mut waiting = self.waiting.subscribe();
        while self.has(of) {
            if !self.building.swap(true, Ordering::AcqRel) {
                build();
            }
            if waiting.changed().await.is_err() {
                break;
            }
        }
    }

    /// Who built for a reader is done. Another reader may wait for other types: he looks again.
    pub(crate) fn end_building(&self) {
        self.building.store(false, Ordering::Release);
        self.waiting.send_modify(|_| {});
    }

    /// Waits until nobody of this process builds any more, for so long at most. Here and not in the
    /// database, where who waits has one of the few connections that write.
    pub(crate) async fn alone(&self, wait: Duration) -> Option<MutexGuard<'_, ()>> {
        tokio::time::timeout(wait, self.builder.lock()).await.ok()
    }

    /// Whether indexes of one of these types are left for later.
    pub(crate) fn has(&self, of: &[EntityId]) -> bool {
        let waiting = self.waiting.borrow();
        !waiting.is_empty() && of.iter().any(|entity| waiting.contains_key(entity))
    }

    /// Notes rows of a type; whether so few come that they need not be made room for.
    pub(crate) fn is_slow(&self, of: EntityId, rows: u64) -> bool {
        let mut slow = false;
        self.waiting.send_if_modified(|waiting| {
            if let Some(left) = waiting.get_mut(&of) {
                left.rows += rows;
                let elapsed = left.since.elapsed();
                slow = elapsed > PATIENCE && (left.rows as f64) < RATE_MIN * elapsed.as_secs_f64();
            }
            false
        });
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_waits_for_its_upstream_makes_no_room() {
        let of = EntityId(0);
        let deferred = Deferred::default();
        deferred.leave(&[of]);
        let begun = |seconds| {
            let since = Instant::now()
                .checked_sub(Duration::from_secs(seconds))
                .expect("an instant");
            deferred
                .waiting
                .send_modify(|waiting| waiting.values_mut().for_each(|left| left.since = since));
        };
        assert!(!deferred.is_slow(of, 1), "it has only begun");
        begun(10);
        assert!(!deferred.is_slow(of, 30_000), "3,000 rows a second");
        begun(20);
        assert!(deferred.is_slow(of, 0), "1,500 rows a second");
        assert!(!deferred.is_slow(EntityId(1), 0), "nothing is left of another type");
    }
}
