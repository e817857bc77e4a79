//! The commits of a crew: answers that arrive close together share a transaction. Knows the
//! ledger's calls and a watcher.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{Answered, Crew};
use crate::{
    harvest::{
        buffer::Reserved,
        limits::{GROUP_BYTES, GROUP_ROWS},
        progress::{Committed, Progress},
    },
    store::{ParentAnswer, ParentOutcome, StoreError, failpoint},
};

/// Answers of one transaction: enough that its fixed cost is little beside theirs, and so few that
/// the last one, which nothing runs beside, is short.
const ANSWERS: usize = 512;
/// How long the first answer of a group waits for others: a commit costs more than most answers,
/// and nobody sees the wait.
const LINGER: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 2_000 });
/// The same for tests of what happens between two commits.
const LINGER_LITTLE: Duration = Duration::from_millis(100);

/// [`LINGER`], unless a test wants many commits.
fn linger() -> Duration {
    match failpoint::is_on("harvest::gather") {
        true => LINGER_LITTLE,
        false => LINGER,
    }
}

impl Crew<'_> {
    /// Commits until there are no more answers.
    pub(super) async fn committing(
        &self,
        mut answers: mpsc::UnboundedReceiver<Answered>,
        planned: Option<u64>,
        progress: &dyn Progress,
    ) -> Result<(), StoreError> {
        let mut done = Committed {
            pages_total: planned,
            ..Committed::default()
        };
        while let Some(first) = answers.recv().await {
            // Its room is given back when it is committed.
            let group = self.gather(first, &mut answers).await;
            let ledger = &self.inner.ledger;
            let outcome = ledger
                .commit_field_answers(self.run, self.id, &self.owner, &group.answers)
                .await?;
            self.committed.notify_one();
            done.outcome.add(&outcome);
            done.outcome.copies += group.answers.iter().map(|answer| answer.copies).sum::<u64>();
            for answer in &group.answers {
                done.pages += 1;
                done.bytes += answer.bytes;
                let (rows, refused) = match &answer.outcome {
                    ParentOutcome::Read { rows, refused, .. } => (rows.len(), refused.len()),
                    ParentOutcome::Failed { refused, .. } => (0, refused.len()),
                    ParentOutcome::Same(_) => (0, 0),
                };
                done.rows += (rows + refused) as u64;
                done.refused += refused as u64;
            }
            progress.committed(&done);
        }
        Ok(())
    }

    /// The first answer and those that follow it, as far as a transaction should hold them.
    async fn gather(&self, first: Answered, answers: &mut mpsc::UnboundedReceiver<Answered>) -> Gathered {
        let over = tokio::time::sleep(linger());
        tokio::pin!(over);
        // For tests of what happens while several answers are in hand.
        let lingers = failpoint::is_on("harvest::linger");
        let mut group = Gathered::default();
        group.add(first);
        while !group.is_full() {
            let next = tokio::select! {
                biased;
                next = answers.recv() => next,
                () = self.ending.notified(), if !lingers => None,
                () = &mut over => None,
            };
            match next {
                Some(answer) => group.add(answer),
                None => break,
            }
        }
        group
    }
}

/// The answers of one transaction.
#[derive(Default)]
struct Gathered {
    answers: Vec<ParentAnswer>,
    reserved: Vec<Reserved>,
    rows: usize,
    bytes: u64,
}

impl Gathered {
    fn add(&mut self, (answer, reserved): Answered) {
        self.rows += rows_of(&answer);
        self.bytes += answer.bytes;
        self.answers.push(answer);
        self.reserved.push(reserved);
    }

    fn is_full(&self) -> bool {
        self.answers.len() >= ANSWERS || self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES
    }
}

/// Each answer is a row of its own beside those that it brings and the links to them.
fn rows_of(answer: &ParentAnswer) -> usize {
    match &answer.outcome {
        ParentOutcome::Read { rows, links, .. } => 1 + rows.len() + links.len(),
        _ => 1,
    }
}
