//! Whose turn it is to have a large page in memory as a whole: one of a process at a time, whatever
//! runs and answers there are. Knows sizes; no pages.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::limits::WHOLE_FROM;

/// Between two looks whether the turn is still wanted.
const LOOK: Duration = Duration::from_millis(100);

static TAKEN: Mutex<bool> = Mutex::new(false);
static FREED: Condvar = Condvar::new();

/// A turn, until it is dropped.
#[must_use]
pub(super) struct Turn {
    taken: bool,
}

impl Turn {
    /// Waits for the turn of a page of so many bytes; `None` when it is not wanted any more. Small
    /// ones need none. Blocks.
    pub(super) fn of(bytes: usize, stopped: impl Fn() -> bool) -> Option<Turn> {
        if bytes < WHOLE_FROM {
            return Some(Turn { taken: false });
        }
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            if stopped() {
                return None;
            }
            let waited = FREED.wait_timeout(taken, LOOK);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        Some(Turn { taken: true })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.taken {
            *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
            FREED.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_large_page_at_a_time() {
        let (here, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let turn = Turn::of(WHOLE_FROM, || false);
                        most.fetch_max(here.fetch_add(1, Ordering::AcqRel) + 1, Ordering::AcqRel);
                        std::thread::yield_now();
                        here.fetch_sub(1, Ordering::AcqRel);
                        drop(turn);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::Acquire), 1);
        let _turn = Turn::of(WHOLE_FROM, || false);
        assert!(Turn::of(WHOLE_FROM, || true).is_none(), "a stop ends the waiting");
        assert!(
            Turn::of(WHOLE_FROM - 1, || false).is_some(),
            "small ones wait for nobody"
        );
    }
}
