//! The commits of a crew: answers that arrive close together share a transaction. Knows the ledger's calls and a watcher.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Crew;
use crate::{
    harvest::{
        limits::{GROUP_BYTES, GROUP_ROWS},
        progress::{Committed, Progress},
    },
    store::{ParentAnswer, ParentOutcome, StoreError},
};

/// Answers of one transaction.
const GROUP_ANSWERS: usize = 256;
/// How long the first answer of a group waits for others: a commit costs more than most answers, and nobody sees the wait.
const LINGER: Duration = Duration::from_millis(100);

impl Crew<'_> {
    /// Commits until there are no more answers.
    pub(super) async fn committing(
        &self,
        mut answers: mpsc::Receiver<ParentAnswer>,
        planned: Option<u64>,
        progress: &dyn Progress,
    ) -> Result<(), StoreError> {
        let mut done = Committed {
            pages_total: planned,
            ..Committed::default()
        };
        while let Some(first) = answers.recv().await {
            let group = gather(first, &mut answers).await;
            let ledger = &self.inner.ledger;
            let outcome = ledger.commit_parents(self.run, self.id, &self.owner, &group).await?;
            self.committed.notify_one();
            done.outcome.new += outcome.new;
            done.outcome.changed += outcome.changed;
            done.outcome.same += outcome.same;
            for answer in &group {
                done.pages += 1;
                done.bytes += answer.bytes;
                if let ParentOutcome::Read { rows, refused, .. } = &answer.outcome {
                    done.rows += (rows.len() + refused.len()) as u64;
                    done.refused += refused.len() as u64;
                }
            }
            progress.committed(&done);
        }
        Ok(())
    }
}

/// The first answer and those that follow it soon, as far as a transaction should hold them.
async fn gather(first: ParentAnswer, answers: &mut mpsc::Receiver<ParentAnswer>) -> Vec<ParentAnswer> {
    let over = tokio::time::sleep(LINGER);
    tokio::pin!(over);
    let mut group = vec![first];
    while !is_full(&group) {
        let next = tokio::select! {
            next = answers.recv() => next,
            () = &mut over => None,
        };
        match next {
            Some(answer) => group.push(answer),
            None => break,
        }
    }
    group
}

fn is_full(group: &[ParentAnswer]) -> bool {
    let rows: usize = group.iter().map(rows_of).sum();
    let bytes: u64 = group.iter().map(|answer| answer.bytes).sum();
    group.len() >= GROUP_ANSWERS || rows >= GROUP_ROWS || bytes >= GROUP_BYTES
}

fn rows_of(answer: &ParentAnswer) -> usize {
    match &answer.outcome {
        ParentOutcome::Read { rows, links, .. } => rows.len().max(links.len()),
        _ => 0,
    }
}
