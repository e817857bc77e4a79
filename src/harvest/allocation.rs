//! This process's part of what a source allows all processes of a database together. Knows places
//! among processes; no source.
//!
//! Each process gives signs of life and learns its place. A source's places are dealt out by rank
//! and its rate is divided by the count, so that the limits hold over all of them. Who joins calls
//! the others and waits until each has counted it; who was not heard of for long stops by itself
//! before the others give it up.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    ledger::Ledger,
    limits::{ALLOCATION_TRUST, ATTEND, ATTEND_AGAIN, ATTEND_JOINING},
};
use crate::store::{Attendance, StoreError};

/// A place among the processes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Allocation {
    pub rank: usize,
    pub count: usize,
    /// `None`: as long as the process lives.
    pub until: Option<Instant>,
}

impl Allocation {
    /// Of `concurrency` places: an equal part, the rest to the first ones. It may be none.
    pub(super) fn places(&self, concurrency: usize) -> usize {
        let count = self.count.max(1);
        concurrency / count + usize::from(self.rank < concurrency % count)
    }

    /// Between two requests of this process, when the source allows one in `interval`.
    pub(super) fn interval(&self, interval: Duration) -> Duration {
        interval.saturating_mul(u32::try_from(self.count.max(1)).unwrap_or(u32::MAX))
    }
}

/// The allocation that this process has now, known to all its sources.
#[derive(Debug)]
pub(super) struct Allocations {
    current: watch::Sender<Option<Allocation>>,
}

impl Allocations {
    pub(super) fn new() -> Allocations {
        Allocations {
            current: watch::Sender::new(None),
        }
    }

    /// None before the process has joined, and when it was not heard of for too long.
    pub(super) fn current(&self) -> Option<Allocation> {
        let allocation = *self.current.borrow();
        allocation.filter(|allocation| allocation.until.is_none_or(|until| Instant::now() < until))
    }

    /// Waits until there is one.
    pub(super) async fn ready(&self) -> Allocation {
        let mut changes = self.current.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(allocation) = self.current() {
                return allocation;
            }
            // The sender is ours, so this never fails; were it to, the next look tells the same.
            if changes.changed().await.is_err() {
                tokio::time::sleep(ATTEND).await;
            }
        }
    }

    pub(super) fn set(&self, allocation: Option<Allocation>) {
        self.current.send_replace(allocation);
    }
}

/// Gives signs of life for as long as the process harvests, and keeps its allocation up to date.
pub(super) async fn attend(ledger: Arc<dyn Ledger>, allocations: Arc<Allocations>, by_hand: bool) {
    let mut joining = Joining::default();
    loop {
        let sent = Instant::now();
        let wait = match ledger.attend(by_hand, joining.calls()).await {
            Ok(seen) if seen.alone => {
                allocations.set(Some(allocation(&seen, None)));
                return;
            }
            Ok(seen) => {
                let joined = joining.has_joined(&seen);
                allocations.set(joined.then(|| allocation(&seen, Some(sent + ALLOCATION_TRUST))));
                match joined {
                    true => ATTEND,
                    // The entry can be seen from now on.
                    false if seen.joined => continue,
                    false => ATTEND_JOINING,
                }
            }
            Err(StoreError::Replaced) => {
                allocations.set(None);
                ATTEND
            }
            Err(error) => {
                tracing::warn!(%error, "a sign of life could not be given; no source is asked once the last one is old");
                ATTEND_AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // Another process may wait to be counted.
            () = ledger.work(), if joining.joined => {}
        }
    }
}

fn allocation(seen: &Attendance, until: Option<Instant>) -> Allocation {
    Allocation {
        rank: seen.rank,
        count: seen.count,
        until,
    }
}

/// Whether the others have counted this process.
#[derive(Debug, Default)]
struct Joining {
    /// Since when its entry can be seen by all. None: it was made by the last sign of life, or is
    /// to be made.
    visible: Option<DateTime<Utc>>,
    /// It was made.
    entered: bool,
    joined: bool,
}

impl Joining {
    /// Whether the next sign of life is the first by which the others are sure to see the entry:
    /// they are called then, once.
    fn calls(&self) -> bool {
        self.entered && self.visible.is_none() && !self.joined
    }

    fn has_joined(&mut self, seen: &Attendance) -> bool {
        if seen.joined {
            *self = Joining {
                entered: true,
                ..Joining::default()
            };
        } else if self.visible.is_none() {
            self.visible = Some(seen.now);
        }
        let counted = |visible| seen.others_seen.is_none_or(|others| others > visible);
        self.joined |= seen.count <= 1 || self.visible.is_some_and(counted);
        self.joined
    }
}

/// The requests that may be under way at once at one source: this process's part of them.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    concurrency: usize,
    used: Mutex<usize>,
    freed: Notify,
}

/// A request under way.
pub(super) struct Permit<'p>(&'p ConcurrencyLimit);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}

impl ConcurrencyLimit {
    pub(super) fn new(concurrency: usize) -> ConcurrencyLimit {
        ConcurrencyLimit {
            concurrency: concurrency.max(1),
            used: Mutex::new(0),
            freed: Notify::new(),
        }
    }

    /// Waits for a place, in the order of asking.
    pub(super) async fn take(&self, allocations: &Allocations) -> Permit<'_> {
        let mut changes = allocations.current.subscribe();
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Heard from here on: two places that are freed before anybody waits would be heard of
            // once.
            freed.as_mut().enable();
            changes.mark_unchanged();
            if let Some(permit) = self.try_take(allocations.current()) {
                return permit;
            }
            tokio::select! {
                () = freed => {}
                changed = changes.changed() => if changed.is_err() {
                    tokio::time::sleep(ATTEND).await;
                },
            }
        }
    }

    fn try_take(&self, allocation: Option<Allocation>) -> Option<Permit<'_>> {
        let most = allocation?.places(self.concurrency);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        (*used < most).then(|| {
            *used += 1;
            Permit(self)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rank: usize, count: usize) -> Allocation {
        Allocation {
            rank,
            count,
            until: None,
        }
    }

    #[test]
    fn parts_make_the_whole() {
        for concurrency in 1..10 {
            for count in 1..6 {
                let places: Vec<usize> = (0..count).map(|rank| of(rank, count).places(concurrency)).collect();
                assert_eq!(places.iter().sum::<usize>(), concurrency, "{concurrency} over {count}");
                let (most, least) = (places.iter().max(), places.iter().min());
                assert!(
                    most.zip(least).is_some_and(|(most, least)| most - least <= 1),
                    "{places:?}"
                );
            }
        }
        assert_eq!(of(1, 4).interval(Duration::from_millis(50)), Duration::from_millis(200));
    }

    #[test]
    fn a_joining_process_waits_until_all_others_counted_it() {
        let at = |second: i64| DateTime::from_timestamp(second, 0).expect("an instant");
        let seen = |now, joined, others: Option<i64>| Attendance {
            rank: 0,
            count: 1 + usize::from(others.is_some()),
            alone: false,
            joined,
            now: at(now),
            others_seen: others.map(at),
        };
        let mut joining = Joining::default();
        for (step, calls, want) in [
            // Its entry is made by the first sign of life; what the others wrote at that moment may
            // not have seen it. By the second they can, and are called.
            (seen(10, true, Some(9)), false, false),
            (seen(11, false, Some(10)), true, false),
            (seen(12, false, Some(11)), false, false),
            (seen(13, false, Some(12)), false, true),
            // A later one need not wait for others.
            (seen(16, false, Some(12)), false, true),
            // It was given up, and joins again.
            (seen(40, true, Some(39)), false, false),
            (seen(41, false, Some(39)), true, false),
            (seen(44, false, Some(42)), false, true),
        ] {
            assert_eq!(joining.calls(), calls, "{step:?}");
            assert_eq!(joining.has_joined(&step), want, "{step:?}");
        }
        assert!(
            Joining::default().has_joined(&seen(1, true, None)),
            "the only one begins at once"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn permits_follow_the_allocation() {
        let (allocations, limit) = (Allocations::new(), ConcurrencyLimit::new(3));
        allocations.set(Some(of(1, 2)));
        let first = limit.take(&allocations).await;
        let waits = Duration::from_secs(1);
        assert!(
            tokio::time::timeout(waits, limit.take(&allocations)).await.is_err(),
            "one of three"
        );
        allocations.set(Some(of(0, 1)));
        let more = (limit.take(&allocations).await, limit.take(&allocations).await);
        allocations.set(Some(of(0, 2)));
        drop(first);
        assert!(
            tokio::time::timeout(waits, limit.take(&allocations)).await.is_err(),
            "two of three are used"
        );
        drop(more);
        let _permit = limit.take(&allocations).await;
        allocations.set(Some(of(4, 5)));
        assert!(
            tokio::time::timeout(waits, limit.take(&allocations)).await.is_err(),
            "none of three"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_allocation_is_none() {
        let allocations = Allocations::new();
        let until = Some(Instant::now() + ALLOCATION_TRUST);
        allocations.set(Some(Allocation { until, ..of(0, 1) }));
        assert!(allocations.current().is_some());
        tokio::time::advance(ALLOCATION_TRUST).await;
        assert_eq!(allocations.current(), None);
    }
}
