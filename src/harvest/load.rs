//! The load stage: one transaction per group, in order. Knows the ledger's calls and what a watcher is told.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    lease::Lease,
    ledger::Ledger,
    progress::{Committed, Progress},
    stage::Batch,
};
use crate::store::{Run, StoreError};

/// Commits the groups of one run.
pub(super) struct Load<'r> {
    run: &'r Run,
    ledger: &'r dyn Ledger,
    lease: &'r Lease<'r>,
    progress: &'r dyn Progress,
    done: Committed,
}

/// How the load of a run ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded {
    /// All groups are committed, not only those before a stop.
    pub drained: bool,
    /// Rows that came again on a later page.
    pub repeated: u64,
    /// Records whose key came before, on whatever page.
    pub copies: u64,
}

impl<'r> Load<'r> {
    pub(super) fn new(
        run: &'r Run,
        ledger: &'r dyn Ledger,
        lease: &'r Lease<'r>,
        progress: &'r dyn Progress,
        pages: u64,
        rows: u64,
    ) -> Load<'r> {
        let done = Committed {
            pages,
            rows,
            ..Committed::default()
        };
        Load {
            run,
            ledger,
            lease,
            progress,
            done,
        }
    }

    /// Commits until the worker is done or the run is stopped; a commit under way is always finished.
    ///
    /// Dropping the queue then tells the worker that nobody listens. The store itself announces each commit on its bus.
    pub(super) async fn all(
        mut self,
        mut groups: mpsc::Receiver<Batch>,
        stop: &CancellationToken,
    ) -> Result<Loaded, StoreError> {
        let drained = loop {
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => break false,
                batch = groups.recv() => batch,
            };
            match batch {
                Some(batch) => self.commit(batch).await?,
                None => break true,
            }
        };
        Ok(Loaded {
            drained,
            repeated: self.done.outcome.repeated,
            copies: self.done.outcome.copies,
        })
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let Batch {
            group,
            pages_total,
            rows_total,
            bytes_total,
            stale,
        } = batch;
        let done = &mut self.done;
        let pages = group.pages;
        done.bytes += group.bytes;
        done.refused += group.refused.len() as u64;
        done.rows += (group.rows.len() + group.refused.len()) as u64 + group.left_out;
        // At the end of a page the exact count is known; unchanged pages bring no rows with them.
        if let Some(checkpoint) = &group.checkpoint {
            done.rows = checkpoint.rows;
        }
        done.pages_total = pages_total.or(done.pages_total);
        done.rows_total = rows_total.or(done.rows_total);
        done.bytes_total = bytes_total.or(done.bytes_total);
        self.lease.sure().await?;
        let outcome = self.ledger.commit_group(self.run, group).await?;
        // A page that has to be read again has not ended.
        if outcome.stale.is_empty() {
            done.pages += pages;
        }
        done.outcome.new += outcome.new;
        done.outcome.changed += outcome.changed;
        done.outcome.same += outcome.same;
        done.outcome.repeated += outcome.repeated;
        done.outcome.copies += outcome.copies;
        self.progress.committed(done);
        if let Some(asks) = stale {
            // A worker that is gone was stopped.
            let _ = asks.send(outcome.stale);
        }
        Ok(())
    }
}
