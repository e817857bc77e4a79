//! The bytes of answers that are under way or wait to be read, over all runs of a process. Knows
//! counts; no pages, no sources.
//!
//! What a run may have in hand is bounded by bytes, not by a count: `concurrency` is the
//! definition's to choose. Who holds nothing may always begin, so that a full buffer slows
//! everybody down and stops nobody.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Notify, futures::Notified};

use super::limits::{WAITING_FIRST, WAITING_LEAST};

/// The room that all runs of a process share.
#[derive(Debug)]
pub(super) struct Buffer {
    size: u64,
    used: AtomicU64,
    freed: Notify,
}

/// The part of the buffer that one run holds.
#[derive(Debug)]
pub(super) struct Part {
    buffer: Arc<Buffer>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Answers in hand.
    count: u64,
    /// What the next answer is expected to take: as much as the largest of late.
    expected: u64,
}

/// An answer's room, until it is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    part: Arc<Part>,
    bytes: u64,
}

impl Buffer {
    pub(super) fn new(size: u64) -> Arc<Buffer> {
        Arc::new(Buffer {
            size,
            used: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    /// The part of one run, which holds nothing yet.
    pub(super) fn part(self: &Arc<Self>) -> Arc<Part> {
        Arc::new(Part {
            buffer: Arc::clone(self),
            state: Mutex::new(State {
                count: 0,
                expected: WAITING_FIRST,
            }),
        })
    }
}

impl Part {
    /// Room for a further answer; `None` when the buffer is full and this run holds some of it.
    pub(super) fn try_reserve(self: &Arc<Self>) -> Option<Reserved> {
        let mut state = self.state();
        let bytes = state.expected;
        let used = self.buffer.used.load(Ordering::Acquire);
        if state.count > 0 && used.saturating_add(bytes) > self.buffer.size {
            return None;
        }
        self.buffer.used.fetch_add(bytes, Ordering::AcqRel);
        state.count += 1;
        Some(Reserved {
            part: Arc::clone(self),
            bytes,
        })
    }

    /// Waits until somebody gave room back.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.buffer.freed.notified()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reserved {
    /// What the answer really takes.
    pub(super) fn settle(&mut self, bytes: u64) {
        let bytes = bytes.saturating_add(WAITING_LEAST);
        let used = &self.part.buffer.used;
        used.fetch_add(bytes, Ordering::AcqRel);
        used.fetch_sub(self.bytes, Ordering::AcqRel);
        self.bytes = bytes;
        let mut state = self.part.state();
        // One large answer is no reason to be slow for ever.
        state.expected = bytes.max(state.expected - state.expected / 8);
        drop(state);
        self.part.buffer.freed.notify_waiters();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.part.state().count -= 1;
        self.part.buffer.used.fetch_sub(self.bytes, Ordering::AcqRel);
        self.part.buffer.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_answers_are_bounded_by_no_count() {
        let part = Buffer::new(64 * WAITING_FIRST).part();
        part.try_reserve().expect("room").settle(100);
        let mut expected = WAITING_FIRST;
        while expected > WAITING_LEAST + 100 {
            part.try_reserve().expect("room").settle(100);
            expected -= expected / 8;
        }
        let reserved: Vec<Reserved> = (0..1_000).map_while(|_| part.try_reserve()).collect();
        assert_eq!(reserved.len(), 1_000);
    }

    #[test]
    fn large_answers_wait_and_nobody_starves() {
        let buffer = Buffer::new(10 * WAITING_FIRST);
        let (one, other) = (buffer.part(), buffer.part());
        one.try_reserve().expect("room").settle(4 * WAITING_FIRST);
        let mut reserved: Vec<Reserved> = Vec::new();
        reserved.extend(std::iter::from_fn(|| one.try_reserve()));
        assert_eq!(reserved.len(), 2, "what one took is expected of the next");
        reserved
            .iter_mut()
            .for_each(|reserved| reserved.settle(5 * WAITING_FIRST));
        assert!(one.try_reserve().is_none());
        let first = other.try_reserve().expect("who holds nothing may begin");
        assert!(other.try_reserve().is_none());
        drop(reserved);
        assert!(one.try_reserve().is_some() && other.try_reserve().is_some());
        drop(first);
        assert_eq!(buffer.used.load(Ordering::Acquire), 0);
    }
}
