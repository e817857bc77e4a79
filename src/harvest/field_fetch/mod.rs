//! A run of a field fetch: one request per row of the field's type. Knows claims, requests under
//! way and groups of answers; what an answer says is in `answer`, how it is got in `ask`.
//!
//! The same crew works in the process that holds the run and in those that help it: each claims
//! some requests, makes them and commits their answers. A run cut short loses what is under way.

pub(super) mod after;
mod answer;
mod ask;
mod clash;
mod commit;
pub(super) mod help;
pub(super) mod helped;
mod queue;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::{Notify, mpsc},
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    buffer::{Part, Reserved},
    error::PageFault,
    inner::Inner,
    load::Last,
    outcome::Outcome,
    page::Seen,
    progress::Progress,
    secrets::Secrets,
    stage::Read,
};
use crate::{
    catalog::{FetchId, Repeats},
    store::{Left, Parent, ParentAnswer, ParentOutcome, Refused, Run, StoreError},
    value::Key,
};
use ask::Asked;
use clash::Clashes;
use queue::Queue;

/// How often it is looked whether requests that wait, or that others claimed, are free again.
const LOOK: Duration = Duration::from_millis(250);
/// Between renewals of claims: a third of their time.
const KEEP: Duration = Duration::from_secs(10);
/// Failures one after the other that say that the upstream, not a row, is in trouble.
const FAILURES_MAX: u32 = 20;
/// Seconds until a request that failed for a passing reason is made again in the same run; each was
/// tried several times before.
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

/// Makes the requests of one claimed run; it is called by the run, which keeps the lease and ends
/// it.
pub(super) async fn run(
    inner: &Arc<Inner>,
    id: FetchId,
    run: &Run,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Outcome, StoreError> {
    // So that this process does not help its own run, which is among the open ones.
    let _at_work = inner.helped.begin(run.id);
    let planned = inner.ledger.plan_field_requests(run, id).await?;
    tracing::debug!(fetch = run.fetch, planned, "requests are due");
    let crew = Crew::new(inner, id, run);
    Ok(match crew.work(Some(planned), progress, stop).await? {
        Ended::Done => {
            let read = Read {
                seen: crew.seen().await?,
                ..Read::default()
            };
            Outcome::Whole(read, Last::default())
        }
        Ended::Broken(fault) => Outcome::Failed(fault),
        Ended::Stopped => Outcome::Interrupted,
    })
}

/// What the last complete run told of rows that several answers bring.
async fn told_before(inner: &Inner, run: &Run) -> Option<String> {
    let status = inner.ledger.fetch_status().await.unwrap_or_default();
    let last = status.into_iter().find(|status| status.fetch == run.fetch);
    let last = last.and_then(|status| status.last_complete)?;
    last.told.notes.into_iter().find(|note| clash::is_note(note))
}

/// What one process does for one run.
struct Crew<'a> {
    inner: &'a Arc<Inner>,
    id: FetchId,
    run: &'a Run,
    /// The name under which requests are claimed: no other crew has it.
    owner: String,
    /// Room for answers, until they are committed.
    room: Arc<Part>,
    committed: Notify,
    /// The end is near: what is gathered is committed beside the last requests, and not after them.
    ending: Notify,
    secrets: Arc<Secrets>,
    clashes: Mutex<Clashes>,
}

/// An answer on its way to its commit, with the room that it takes.
type Answered = (ParentAnswer, Reserved);
/// A claim under way.
type Claiming<'c> = Option<BoxFuture<'c, Result<Vec<Parent>, StoreError>>>;

impl<'a> Crew<'a> {
    fn new(inner: &'a Arc<Inner>, id: FetchId, run: &'a Run) -> Crew<'a> {
        Crew {
            inner,
            id,
            run,
            // Chosen anew: at its end a crew gives back all that its name has claimed, which must
            // not be another one's.
            owner: format!("{:032x}", rand::random::<u128>()),
            room: inner.buffer.part(),
            committed: Notify::new(),
            ending: Notify::new(),
            secrets: inner.secrets(inner.catalog.fetch(id)),
            clashes: Mutex::default(),
        }
    }

    /// What a person should know of the answers that stand: they may be of other runs and
    /// processes.
    async fn seen(&self) -> Result<Seen, StoreError> {
        let told = self.inner.ledger.answers_told(&self.run.fetch).await?;
        let repeats = self.inner.catalog.fetch(self.id).repeats;
        let copies = copies(told.copies).filter(|_| repeats == Repeats::Last);
        Ok(Seen {
            more: told.doubt.map(|first| more(told.doubts, &first)),
            notes: self.clash().await?.into_iter().chain(copies).collect(),
            ..Seen::default()
        })
    }

    /// Rows that several answers brought. What the last run told holds until all answers were read
    /// anew.
    async fn clash(&self) -> Result<Option<String>, StoreError> {
        let (note, answers) = self.clashes();
        if note.is_some() {
            return Ok(note);
        }
        // Counted in the database: other processes have got answers, too.
        let all = self
            .inner
            .ledger
            .field_request_counts(&self.run.fetch, None)
            .await?
            .done;
        Ok(match answers < all {
            true => told_before(self.inner, self.run).await,
            false => None,
        })
    }

    /// What is to be told of those that this process got, and how many answers it looked at.
    fn clashes(&self) -> (Option<String>, u64) {
        let clashes = self.clashes.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = &self.inner.catalog;
        let rows = catalog.rows_of_own_keys(catalog.fetch(self.id));
        (clashes.note(rows.as_deref()), clashes.answers)
    }

    /// Looks whether the rows of an answer came with another one, too.
    fn compare(&self, parent: &Parent, outcome: &ParentOutcome) {
        let ParentOutcome::Read { rows, .. } = outcome else {
            return;
        };
        let entity = self.inner.catalog.fetch(self.id).entity;
        let asked = Key(parent.key.clone());
        let mut clashes = self.clashes.lock().unwrap_or_else(PoisonError::into_inner);
        clashes.answers += 1;
        for row in rows {
            if let Some(key) = self.inner.shaper.key_of(entity, row) {
                clashes.add(&key, row.hash, (parent.row, &asked));
            }
        }
    }

    async fn work(
        &self,
        planned: Option<u64>,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Ended, StoreError> {
        // Bounded by the room that the answers hold.
        let (sender, receiver) = mpsc::unbounded_channel();
        let both = async { tokio::try_join!(self.asking(sender, stop), self.committing(receiver, planned, progress)) };
        let worked = tokio::select! {
            worked = both => worked.map(|(ended, ())| ended),
            // It never ends by itself, and goes when the work does.
            () = self.keeping() => Ok(Ended::Stopped),
        };
        // What is under way when a crew ends is free for the next one at once, instead of when its
        // time is over.
        if let Err(error) = self
            .inner
            .ledger
            .release_field_requests(&self.run.fetch, &self.owner)
            .await
        {
            tracing::warn!(%error, "claimed requests could not be given back; they are free when their time is over");
        }
        worked
    }

    /// Renews the claims, for as long as there is a crew.
    async fn keeping(&self) {
        loop {
            tokio::time::sleep(KEEP).await;
            if let Err(error) = self
                .inner
                .ledger
                .renew_field_requests(&self.run.fetch, &self.owner)
                .await
            {
                tracing::warn!(%error, "claims could not be renewed; it is tried again");
            }
        }
    }

    /// Claims requests and makes them, until none is left; answers go to the commits.
    async fn asking(
        &self,
        answers: mpsc::UnboundedSender<Answered>,
        stop: &CancellationToken,
    ) -> Result<Ended, StoreError> {
        let mut claiming = None;
        let ended = self.ask_all(&mut claiming, &answers, stop).await;
        // A claim is not left in the middle: what it takes is given back.
        if let Some(claim) = claiming {
            // Its error is that of the run, which has ended for another reason already.
            let _ = claim.await;
        }
        ended
    }

    async fn ask_all<'c>(
        &'c self,
        claiming: &mut Claiming<'c>,
        answers: &mpsc::UnboundedSender<Answered>,
        stop: &CancellationToken,
    ) -> Result<Ended, StoreError> {
        let mut queue = Queue::default();
        let mut tasks: JoinSet<(Asked, Reserved)> = JoinSet::new();
        let mut streak = Streak::default();
        let source = self.inner.catalog.fetch(self.id).source;
        loop {
            // What this process may do changes when others come and go.
            let most = self.inner.places(source);
            self.begin(&mut queue, &mut tasks, most, stop);
            // Beside the requests under way, so that the source need not wait for the database.
            if claiming.is_none() && queue.wants(most) {
                *claiming = Some(self.claim(queue.batch(most)).boxed());
            }
            if tasks.is_empty() && claiming.is_none() {
                self.ending.notify_one();
                // Others can make them; kept, they would hold up the run until this process has
                // places again.
                self.let_go(&mut queue, most).await?;
                if self.inner.ledger.field_requests_left(self.run).await? != Left::Some {
                    return Ok(Ended::Done);
                }
            }
            // With all places in use there is nothing to look for; an answer wakes it.
            let hungry = tasks.len() < most || tasks.is_empty();
            tokio::select! {
                // A stop goes first: where answers are always ready, it would have to be lucky.
                biased;
                () = stop.cancelled() => return Ok(Ended::Stopped),
                claimed = of(claiming) => {
                    *claiming = None;
                    queue.extend(claimed?);
                    if queue.dry {
                        self.ending.notify_one();
                    }
                }
                Some(asked) = tasks.join_next() => {
                    if let Some(ended) = self.answered(asked, answers, &mut streak) {
                        return Ok(ended);
                    }
                }
                () = self.pause(), if hungry => queue.dry = false,
            }
        }
    }

    /// Makes claimed requests, as many at once as this process has places at the source and room
    /// for the answers.
    fn begin(&self, queue: &mut Queue, tasks: &mut JoinSet<(Asked, Reserved)>, most: usize, stop: &CancellationToken) {
        while tasks.len() < most && !queue.parents.is_empty() {
            // Room first, then the request: one that was taken out of the queue and not made would
            // be lost.
            let Some(mut reserved) = self.room.try_reserve() else {
                return;
            };
            let Some(parent) = queue.parents.pop_front() else {
                return;
            };
            let asking = ask::ask(
                Arc::clone(self.inner),
                self.id,
                self.owner.clone(),
                parent,
                stop.clone(),
            );
            tasks.spawn(async move {
                let asked = asking.await;
                reserved.settle(asked.bytes);
                (asked, reserved)
            });
        }
    }

    async fn claim(&self, limit: u32) -> Result<Vec<Parent>, StoreError> {
        let ledger = &self.inner.ledger;
        let mut claimed = ledger
            .claim_field_requests(self.run, self.id, &self.owner, limit)
            .await?;
        // In what is stored credentials are covered; to be known again it has to be as it was.
        self.secrets.recall_all(&mut claimed);
        Ok(claimed)
    }

    /// Gives claimed requests back that this process may not make: it has no part in the source any
    /// more.
    async fn let_go(&self, queue: &mut Queue, most: usize) -> Result<(), StoreError> {
        if most > 0 || queue.parents.is_empty() {
            return Ok(());
        }
        queue.parents.clear();
        self.inner
            .ledger
            .release_field_requests(&self.run.fetch, &self.owner)
            .await
    }

    /// Until something may have changed: an own commit, or just time.
    async fn pause(&self) {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = self.committed.notified() => {}
        }
    }

    /// Hands an answer on; an end when failures follow each other.
    fn answered(
        &self,
        asked: Result<(Asked, Reserved), JoinError>,
        answers: &mpsc::UnboundedSender<Answered>,
        streak: &mut Streak,
    ) -> Option<Ended> {
        let (asked, reserved) = match asked {
            Ok(asked) => asked,
            Err(error) => {
                tracing::error!(%error, "a request broke");
                return Some(Ended::Broken(PageFault::Internal));
            }
        };
        let Asked {
            parent,
            pages,
            bytes,
            left_out,
            copies,
            more,
            refused,
            outcome,
        } = asked;
        let doubt = more.map(|more| self.secrets.mask(&format!("{}: {more}", Key(parent.key.clone()))));
        let fault = outcome.as_ref().err().cloned();
        streak.add(fault.as_ref());
        let outcome = outcome.unwrap_or_else(|fault| failed(&parent, &fault, refused));
        self.compare(&parent, &outcome);
        let mut answer = ParentAnswer {
            parent,
            pages,
            bytes,
            left_out,
            copies,
            doubt,
            outcome,
        };
        // Here, before anybody can store or log it; the comparison above needs it as it came.
        self.secrets.mask_answer(&mut answer);
        // Commits that have ended say themselves why.
        if answers.send((answer, reserved)).is_err() {
            return Some(Ended::Stopped);
        }
        let fault = fault?;
        // Who names a time wants no request before it, and so none of the others.
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
fn failed(parent: &Parent, fault: &PageFault, refused: Vec<Refused>) -> ParentOutcome {
    let key = Key(parent.key.clone());
    let again_in = usize::try_from(parent.tries)
        .ok()
        .and_then(|tries| AGAIN.get(tries))
        .copied();
    ParentOutcome::Failed {
        error: format!("{key}: {fault}"),
        again_in: again_in.filter(|_| fault.passes()),
        refused,
    }
}

/// `3 answers may not be all of it, such as that about 7: …`.
fn more(count: u64, first: &str) -> String {
    let answers = if count == 1 { "answer" } else { "answers" };
    format!("{count} {answers} may not be all of it, such as that about {first}")
}

/// What is said of records whose key had come before in their answer, with other values.
fn copies(count: u64) -> Option<String> {
    let (records, have) = if count == 1 {
        ("record", "has")
    } else {
        ("records", "have")
    };
    (count > 0).then(|| {
        format!(
            "{count} {records} {have} a key that came before in the same answer with other values; the last of each counts \
             (`repeats: LAST`; `MERGE` puts parts of a row together)"
        )
    })
}

/// The claim under way; never, when there is none.
async fn of(claiming: &mut Claiming<'_>) -> Result<Vec<Parent>, StoreError> {
    match claiming {
        Some(claim) => claim.await,
        None => std::future::pending().await,
    }
}
