//! The lease of a run as far as this process may believe in it. Knows heartbeats and time; no
//! pages, no rows.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::{
    ledger::Ledger,
    limits::{HEARTBEAT, LEASE_TRUST},
};
use crate::store::{Run, StoreError};

/// A claimed run in the hands of this process, until dropped.
pub(super) struct Lease<'r> {
    ledger: &'r dyn Ledger,
    run: &'r Run,
    /// When the last sign of life that arrived was sent.
    good: Mutex<Instant>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Otherwise this process would believe for ever that it works at the run, and never resume
        // it.
        self.ledger.release_run(self.run);
    }
}

impl<'r> Lease<'r> {
    pub(super) fn new(ledger: &'r dyn Ledger, run: &'r Run) -> Lease<'r> {
        Lease {
            ledger,
            run,
            // The claim has just set the lease.
            good: Mutex::new(Instant::now()),
        }
    }

    /// Before each commit: a process that was stopped for long asks whether the run is still its
    /// own.
    ///
    /// The commit itself checks that, too; this saves the run of a process that nobody has missed
    /// yet.
    pub(super) async fn sure(&self) -> Result<(), StoreError> {
        let good = *self.good.lock().unwrap_or_else(PoisonError::into_inner);
        match good.elapsed() < LEASE_TRUST {
            true => Ok(()),
            false => self.beat().await,
        }
    }

    async fn beat(&self) -> Result<(), StoreError> {
        // Of before it was sent: the database counts from when it arrived, which is later, so this
        // process stops believing first.
        let sent = Instant::now();
        self.ledger.heartbeat(self.run).await?;
        *self.good.lock().unwrap_or_else(PoisonError::into_inner) = sent;
        Ok(())
    }

    /// Beats until the run is found to be in other hands.
    pub(super) async fn keep(&self) -> StoreError {
        let mut ticks = tokio::time::interval(HEARTBEAT);
        // After a pause of the whole machine one beat is enough, instead of all that were missed.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.beat().await {
                Err(StoreError::Fenced) => return StoreError::Fenced,
                // A missed beat is no lost run: the next may succeed, and every commit checks the
                // fence.
                Err(error) => tracing::warn!(%error, "a heartbeat failed"),
                Ok(()) => {}
            }
        }
    }
}
