//! The load stage: groups are gathered and committed in their order. Knows the ledger's calls and
//! what a watcher is told.

use std::time::Duration;

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    lease::Lease,
    ledger::Ledger,
    limits::{GATHER, GROUP_BYTES, GROUP_REFUSED, GROUP_ROWS, PART_BYTES},
    progress::{Committed, Progress},
    stage::Batch,
};
use crate::store::{Group, Run, StoreError, failpoint};

/// Gathers and commits the groups of one run.
pub(super) struct Load<'r> {
    run: &'r Run,
    ledger: &'r dyn Ledger,
    lease: &'r Lease<'r>,
    progress: &'r dyn Progress,
    gathered: Gathered,
    done: Committed,
}

/// The end of a load: groups that are committed together with the end of their run, and the sums of
/// all.
#[derive(Debug, Default)]
pub(super) struct Last {
    pub groups: Vec<Group>,
    /// Counts these groups; `outcome` is of those before.
    pub done: Committed,
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
            gathered: Gathered::default(),
            done,
        }
    }

    /// Gathers and commits until the worker is done (true) or the run is stopped; a commit under
    /// way is always finished. What was gathered last is left for [`Load::commit`] or
    /// [`Load::last`].
    ///
    /// Dropping the queue then tells the worker that nobody listens. The store itself announces
    /// each commit on its bus.
    pub(super) async fn all(
        &mut self,
        mut batches: mpsc::Receiver<Batch>,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        loop {
            let mut batch = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(false),
                batch = batches.recv() => match batch {
                    Some(batch) => batch,
                    None => return Ok(true),
                },
                () = self.gathered.is_due() => {
                    self.commit().await?;
                    continue;
                }
            };
            self.answer(&mut batch).await?;
            if !self.gathered.has_room(&batch) {
                self.commit().await?;
            }
            self.note(&batch);
            self.gathered.add(batch);
            if self.gathered.is_full() {
                self.commit().await?;
            }
        }
    }

    /// Says of an unchanged page whether it may stand for its rows; one that may not leaves nothing
    /// but the bytes that it took.
    async fn answer(&self, batch: &mut Batch) -> Result<(), StoreError> {
        let (Some(asks), Some(request)) = (batch.vouches.take(), &batch.group.unchanged) else {
            return Ok(());
        };
        let vouches = self.ledger.vouches(self.run, request, &self.gathered.groups).await?;
        if !vouches {
            batch.group = Group {
                bytes: batch.group.bytes,
                ..Group::default()
            };
        }
        // A worker that is gone was stopped.
        let _ = asks.send(vouches);
        Ok(())
    }

    /// Counts a batch for whoever watches.
    fn note(&mut self, batch: &Batch) {
        let group = &batch.group;
        let done = &mut self.done;
        done.pages += group.pages;
        done.bytes += group.bytes;
        done.refused += group.refused.len() as u64;
        done.rows += (group.rows.len() + group.refused.len()) as u64 + group.left_out;
        // At the end of a page the exact count is known; unchanged pages bring no rows with them.
        if let Some(checkpoint) = &group.checkpoint {
            done.rows = checkpoint.rows;
        }
        done.pages_total = batch.pages_total.or(done.pages_total);
        done.rows_total = batch.rows_total.or(done.rows_total);
        done.bytes_total = batch.bytes_total.or(done.bytes_total);
    }

    /// Commits what is gathered.
    pub(super) async fn commit(&mut self) -> Result<(), StoreError> {
        let groups = std::mem::take(&mut self.gathered).groups;
        if groups.is_empty() {
            return Ok(());
        }
        self.lease.sure().await?;
        let outcome = self.ledger.commit_groups(self.run, &groups).await?;
        self.done.outcome.add(&outcome);
        self.progress.committed(&self.done);
        Ok(())
    }

    /// What is gathered, for the end of the run to commit.
    pub(super) fn last(self) -> Last {
        Last {
            groups: self.gathered.groups,
            done: self.done,
        }
    }
}

/// How long groups wait for others; tests of what happens between commits want one for each.
pub(super) fn gather() -> Duration {
    if failpoint::is_on("harvest::gather") {
        Duration::ZERO
    } else {
        GATHER
    }
}

/// Groups that wait for others: one transaction for small pages, so that a small source is seen
/// before its harvest or after it, and a commit is paid for once.
#[derive(Default)]
struct Gathered {
    groups: Vec<Group>,
    rows: usize,
    refused: usize,
    /// Input of the rows.
    bytes: u64,
    /// The last of them is of a page that is larger than a transaction: several in any case, and
    /// nothing is gained by large ones.
    of_many: bool,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Gathered {
    fn add(&mut self, batch: Batch) {
        let group = &batch.group;
        self.rows += group.rows.len();
        self.refused += group.refused.len();
        self.bytes += batch.part;
        self.of_many = batch.page > GROUP_BYTES;
        self.since.get_or_insert_with(Instant::now);
        self.groups.push(batch.group);
    }

    /// Whether a transaction may hold these and one more.
    fn has_room(&self, batch: &Batch) -> bool {
        let group = &batch.group;
        self.rows + group.rows.len() <= GROUP_ROWS
            && self.refused + group.refused.len() <= GROUP_REFUSED
            && self.bytes + batch.part <= GROUP_BYTES
    }

    /// Whether nothing more is waited for. Pages may come so quickly that no moment is left for
    /// [`Gathered::is_due`].
    fn is_full(&self) -> bool {
        let most = if self.of_many { PART_BYTES } else { GROUP_BYTES };
        self.rows >= GROUP_ROWS
            || self.refused >= GROUP_REFUSED
            || self.bytes >= most
            || self.since.is_some_and(|since| since.elapsed() >= gather())
    }

    /// Waits until they have waited long enough; for ever while there are none.
    async fn is_due(&self) {
        match self.since {
            Some(since) => tokio::time::sleep_until(since + gather()).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Row;

    fn part(bytes: u64, page: u64) -> Batch {
        Batch {
            group: Group {
                rows: vec![Row::new(vec![], vec![], vec![])],
                ..Group::default()
            },
            pages_total: None,
            rows_total: None,
            bytes_total: None,
            part: bytes,
            page,
            vouches: None,
        }
    }

    #[test]
    fn parts_are_gathered_where_one_transaction_may_hold_their_page() {
        for (page, gathered) in [(GROUP_BYTES, GROUP_BYTES / PART_BYTES), (GROUP_BYTES + 1, 1)] {
            let mut group = Gathered::default();
            let mut count = 0;
            while !group.is_full() {
                assert!(group.has_room(&part(PART_BYTES, page)));
                group.add(part(PART_BYTES, page));
                count += 1;
            }
            assert_eq!(count, gathered, "{page}");
        }
        let mut group = Gathered::default();
        group.add(part(GROUP_BYTES - 1, 0));
        assert!(!group.has_room(&part(2, 0)));
    }
}
