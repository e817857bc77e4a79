//! A run of a `@fetch` on a field: one request per row of the field's type. Knows claims, requests under way and groups of
//! answers; what an answer says is in `answer`, how it is got in `ask`.
//!
//! The same crew works in the process that holds the run and in those that help it: each claims some requests, makes them
//! and commits their answers, until none is left. So a run that is cut short loses nothing but what is under way.

pub(super) mod after;
mod answer;
mod ask;
mod commit;
pub(super) mod help;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Inner, error::PageFault, progress::Progress, run::Outcome, work::Read};
use crate::{
    catalog::FetchId,
    store::{Left, Parent, ParentAnswer, ParentOutcome, Run, StoreError},
};
use ask::Asked;

/// Requests under way at once in one process, whatever the source allows: each may hold a whole answer in memory.
const IN_HAND_MAX: usize = 16;
/// Requests claimed at once, while they are answered so fast that claiming would cost more than asking.
const CLAIM_MAX: usize = 256;
/// A batch that is used up faster than this was too small; one that lasts much longer keeps others from helping at the end.
const CLAIM_TIME: Duration = Duration::from_millis(200);
/// Answers that wait for the commit under way.
const ANSWERS_QUEUE: usize = 16;
/// How often it is looked whether requests that wait, or that others claimed, are free again.
const LOOK: Duration = Duration::from_millis(250);
/// Between renewals of claims: a third of their time.
const KEEP: Duration = Duration::from_secs(10);
/// Failures one after the other that say that the upstream, not a row, is in trouble.
const FAILURES_MAX: u32 = 20;
/// Seconds until a request that failed for a passing reason is made again in the same run; each was tried several times before.
const AGAIN: [i64; 2] = if cfg!(test) { [0, 0] } else { [2, 10] };

/// How a crew came to its end.
#[derive(Debug)]
enum Ended {
    /// No request of the run is left.
    Done,
    /// Too many failed one after the other, or the upstream wants us to stay away.
    Broken(PageFault),
    Stopped,
}

/// Makes the requests of one claimed run; it is called by the run, which keeps the lease and ends it.
pub(super) async fn run(
    inner: &Arc<Inner>,
    id: FetchId,
    run: &Run,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Outcome, StoreError> {
    let _held = inner.helped.hold(run.id);
    let planned = inner.ledger.plan_parents(run, id).await?;
    tracing::debug!(fetch = run.fetch, planned, "requests are due");
    let crew = Crew::new(inner, id, run);
    Ok(match crew.work(Some(planned), progress, stop).await? {
        Ended::Done => Outcome::Whole(Read {
            nameless: 0,
            shifted: false,
        }),
        Ended::Broken(fault) => Outcome::Failed(fault),
        Ended::Stopped => Outcome::Interrupted,
    })
}

/// What one process does for one run.
struct Crew<'a> {
    inner: &'a Arc<Inner>,
    id: FetchId,
    run: &'a Run,
    /// The name under which requests are claimed: no other crew has it.
    owner: String,
    committed: Notify,
}

impl<'a> Crew<'a> {
    fn new(inner: &'a Arc<Inner>, id: FetchId, run: &'a Run) -> Crew<'a> {
        Crew {
            inner,
            id,
            run,
            owner: format!("{:032x}", rand::random::<u128>()),
            committed: Notify::new(),
        }
    }

    async fn work(
        &self,
        planned: Option<u64>,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Ended, StoreError> {
        let (sender, receiver) = mpsc::channel(ANSWERS_QUEUE);
        let both = async { tokio::try_join!(self.asking(sender, stop), self.committing(receiver, planned, progress)) };
        let worked = tokio::select! {
            worked = both => worked.map(|(ended, ())| ended),
            () = self.keeping() => Ok(Ended::Stopped),
        };
        // What is under way when a crew ends is free for the next one at once, instead of when its time is over.
        if let Err(error) = self.inner.ledger.let_go_parents(&self.run.fetch, &self.owner).await {
            tracing::warn!(%error, "claimed requests could not be given back; they are free when their time is over");
        }
        worked
    }

    /// Renews the claims, for as long as there is a crew.
    async fn keeping(&self) {
        loop {
            tokio::time::sleep(KEEP).await;
            if let Err(error) = self.inner.ledger.keep_parents(&self.run.fetch, &self.owner).await {
                tracing::warn!(%error, "claims could not be renewed; it is tried again");
            }
        }
    }

    /// Claims requests and makes them, until none is left; answers go to the commits.
    async fn asking(&self, answers: mpsc::Sender<ParentAnswer>, stop: &CancellationToken) -> Result<Ended, StoreError> {
        let mut queue = Queue::default();
        let mut tasks: JoinSet<Asked> = JoinSet::new();
        let mut streak = Streak::default();
        loop {
            // What this process may do changes when others come and go.
            let source = self.inner.catalog.fetch(self.id).source;
            let most = self.inner.places(source).min(IN_HAND_MAX);
            while tasks.len() < most
                && let Some(parent) = queue.parents.pop_front()
            {
                tasks.spawn(ask::ask(Arc::clone(self.inner), self.id, parent, stop.clone()));
            }
            let hungry = tasks.len() < most;
            if hungry {
                let batch = queue.batch(most);
                if queue.extend(self.claim(batch).await?) {
                    continue;
                }
            }
            if tasks.is_empty() {
                self.let_go(&mut queue).await?;
                if self.inner.ledger.left_parents(self.run).await? != Left::Some {
                    return Ok(Ended::Done);
                }
            }
            let idle = hungry || tasks.is_empty();
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Ended::Stopped),
                Some(asked) = tasks.join_next() => asked,
                () = self.pause(), if idle => continue,
            };
            if let Some(ended) = self.answered(asked, &answers, &mut streak).await {
                return Ok(ended);
            }
        }
    }

    async fn claim(&self, limit: u32) -> Result<Vec<Parent>, StoreError> {
        let ledger = &self.inner.ledger;
        ledger.claim_parents(self.run, self.id, &self.owner, limit).await
    }

    /// Gives claimed requests back that this process may not make: it has no part in the source any more.
    async fn let_go(&self, queue: &mut Queue) -> Result<(), StoreError> {
        if queue.parents.is_empty() {
            return Ok(());
        }
        queue.parents.clear();
        self.inner.ledger.let_go_parents(&self.run.fetch, &self.owner).await
    }

    /// Until something may have changed: an own commit, or just time.
    async fn pause(&self) {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = self.committed.notified() => {}
        }
    }

    /// Hands an answer on; an end when failures follow each other.
    async fn answered(
        &self,
        asked: Result<Asked, JoinError>,
        answers: &mpsc::Sender<ParentAnswer>,
        streak: &mut Streak,
    ) -> Option<Ended> {
        let Asked {
            parent,
            pages,
            bytes,
            outcome,
        } = match asked {
            Ok(asked) => asked,
            Err(error) => {
                tracing::error!(%error, "a request broke");
                return Some(Ended::Broken(PageFault::Internal));
            }
        };
        let fault = outcome.as_ref().err().cloned();
        streak.add(fault.as_ref());
        let outcome = outcome.unwrap_or_else(|fault| failed(&parent, &fault));
        let answer = ParentAnswer {
            parent,
            pages,
            bytes,
            outcome,
        };
        // Commits that have ended say themselves why.
        if answers.send(answer).await.is_err() {
            return Some(Ended::Stopped);
        }
        let fault = fault?;
        let away = matches!(fault, PageFault::RetryAfter { .. });
        (away || streak.is_too_long()).then_some(Ended::Broken(fault))
    }
}

/// Answers since the last good one.
#[derive(Default)]
struct Streak {
    /// Requests that failed for whatever reason.
    failed: u32,
    /// Those among them that say nothing of their row.
    in_trouble: u32,
    /// There was a good answer before.
    answered: bool,
}

impl Streak {
    fn add(&mut self, fault: Option<&PageFault>) {
        match fault {
            None => {
                *self = Streak {
                    answered: true,
                    ..Streak::default()
                }
            }
            Some(fault) => {
                self.failed += 1;
                self.in_trouble += u32::from(fault.passes() || fault.is_refusal());
            }
        }
    }

    /// Rows that the upstream does not know may be many, as long as it knows one.
    fn is_too_long(&self) -> bool {
        self.in_trouble >= FAILURES_MAX || (self.failed >= FAILURES_MAX && !self.answered)
    }
}

/// A request that failed: it is made again when the reason may pass, a few times.
fn failed(parent: &Parent, fault: &PageFault) -> ParentOutcome {
    let key = crate::value::Key(parent.key.clone());
    let again_in = usize::try_from(parent.tries)
        .ok()
        .and_then(|tries| AGAIN.get(tries))
        .copied();
    ParentOutcome::Failed {
        error: format!("{key}: {fault}"),
        again_in: again_in.filter(|_| fault.passes()),
    }
}

/// Claimed requests that nobody makes yet, and how many to claim next.
#[derive(Default)]
struct Queue {
    parents: VecDeque<Parent>,
    batch: usize,
    claimed: Option<Instant>,
}

impl Queue {
    /// Fast answers are claimed by the hundred, slow ones by the handful, so that others find some too.
    fn batch(&mut self, least: usize) -> u32 {
        self.batch = match self.claimed.map(|at| at.elapsed() < CLAIM_TIME) {
            Some(true) => (self.batch * 2).min(CLAIM_MAX),
            Some(false) => self.batch / 2,
            None => self.batch,
        }
        .max(least);
        u32::try_from(self.batch).unwrap_or(u32::MAX)
    }

    /// False when nothing was claimed.
    fn extend(&mut self, parents: Vec<Parent>) -> bool {
        if parents.is_empty() {
            return false;
        }
        self.claimed = Some(Instant::now());
        self.parents.extend(parents);
        true
    }
}
