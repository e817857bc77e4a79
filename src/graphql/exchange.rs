//! Whether the definition in force is just being exchanged, and whether it was since. Knows turns
//! and time; knows no API and nothing of what is exchanged.
//!
//! While an exchange commits, nobody can tell which of the two definitions' tables a statement
//! meets. So no answer is taken that an exchange fell into: it is asked for again afterwards. Who
//! asks pays two looks at a number for that.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// How long a request waits for an exchange. One takes as long as a commit, unless the database has
/// just gone away.
const PATIENCE: Duration = Duration::from_secs(10);
/// Runs of one request: each but the last had an exchange fall into it.
const RUNS_MAX: usize = 4;

/// All exchanges of a process; cloning gives another handle to the same. The number is odd while
/// one is under way.
#[derive(Clone, Default)]
pub(super) struct Exchanges(Arc<watch::Sender<u64>>);

/// An exchange under way; it is over when this goes.
pub(crate) struct Exchange(Arc<watch::Sender<u64>>);

impl Exchanges {
    /// Begins one. Only one is under way at a time.
    pub(super) fn begin(&self) -> Exchange {
        self.0.send_modify(|number| *number += 1);
        Exchange(Arc::clone(&self.0))
    }

    /// Waits until none is under way.
    pub(super) async fn over(&self) -> u64 {
        if let Some(number) = self.quiet() {
            return number;
        }
        let mut numbers = self.0.subscribe();
        // The sender is this handle's own, so there is always an answer.
        numbers
            .wait_for(|number| is_quiet(*number))
            .await
            .map_or(0, |number| *number)
    }

    /// The result of a run that no exchange fell into; none when they do not come to an end.
    pub(super) async fn settled<T, R: Future<Output = T>>(&self, run: impl Fn() -> R) -> Option<T> {
        for _ in 0..RUNS_MAX {
            let before = match self.quiet() {
                Some(number) => number,
                None => tokio::time::timeout(PATIENCE, self.over()).await.ok()?,
            };
            let result = run().await;
            if self.quiet() == Some(before) {
                return Some(result);
            }
        }
        None
    }

    /// The number of those that are over; none while one is under way.
    pub(super) fn quiet(&self) -> Option<u64> {
        Some(*self.0.borrow()).filter(|number| is_quiet(*number))
    }
}

fn is_quiet(number: u64) -> bool {
    number.is_multiple_of(2)
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.send_modify(|number| *number += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_an_exchange_falls_into_is_run_again() {
        let exchanges = Exchanges::default();
        let runs = AtomicUsize::new(0);
        let run = |exchanged: usize| {
            let (exchanges, runs) = (&exchanges, &runs);
            move || async move {
                let run = runs.fetch_add(1, Ordering::Relaxed);
                if run < exchanged {
                    drop(exchanges.begin());
                }
                run
            }
        };
        assert_eq!(exchanges.settled(run(0)).await, Some(0), "none");
        runs.store(0, Ordering::Relaxed);
        assert_eq!(
            exchanges.settled(run(2)).await,
            Some(2),
            "the third run was undisturbed"
        );
        runs.store(0, Ordering::Relaxed);
        assert_eq!(exchanges.settled(run(usize::MAX)).await, None);
        assert_eq!(runs.load(Ordering::Relaxed), RUNS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_during_an_exchange_waits_for_its_end() {
        let exchanges = Exchanges::default();
        let exchange = exchanges.begin();
        let asked = AtomicUsize::new(0);
        let ask = || async { asked.fetch_add(1, Ordering::Relaxed) };
        let mut waits = Box::pin(exchanges.settled(ask));
        assert_eq!((&mut waits).now_or_never(), None);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        drop(exchange);
        assert_eq!(waits.await, Some(0));
        // Not for ever.
        let _exchange = exchanges.begin();
        assert_eq!(exchanges.settled(ask).await, None);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
