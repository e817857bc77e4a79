//! What an operator asks for: harvest now, approve or keep held rows, read again what was refused.
//! Knows the harvester and what the store remembers of a person's decisions; knows neither terminal
//! nor socket.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Failure, queue::Queue};
use crate::{
    catalog::{Catalog, Chore, Valid},
    harvest::{Committed, HarvestError, Harvester, Progress, RunReport},
    store::{Decision, Reason, RunState, Store},
};

/// Something to be done, by whichever process has the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Order {
    /// Harvest a type or field now; without a name, everything with a `@fetch`.
    Harvest(Option<String>),
    /// The rows whose deletion is held may go.
    Approve(String),
    /// They stay.
    Reject(String),
    /// Read again, in full, what had refused records; without a name, of all fetches.
    Replay(Option<String>),
}

/// What happens meanwhile, in the order in which it does.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Event {
    /// A run of this fetch begins.
    Begins(String),
    /// The run of this fetch has come so far. Some of these may be left out when nobody reads them
    /// in time.
    Committed(String, Committed),
    /// Said of the run of this fetch.
    Message(String, String),
    /// It ended.
    Ran(Box<RunReport>),
    /// Somebody else has this fetch in hand, as the sentence says.
    Busy(String, String),
    Told(String),
}

/// A definition at work, to operators: everything that an [`Order`] needs.
#[derive(Clone)]
pub(crate) struct Operator {
    pub catalog: Arc<Valid<Catalog>>,
    pub store: Store,
    pub harvester: Harvester,
    /// Ends what operators began, before the definition is exchanged.
    pub stop: CancellationToken,
    /// Whoever exchanges it waits for these.
    pub begun: TaskTracker,
}

/// Passes on how far a run has come. A watcher who does not keep up misses some of it, and never
/// the end.
struct Passing {
    fetch: String,
    events: mpsc::Sender<Event>,
}

impl Progress for Passing {
    fn committed(&self, done: &Committed) {
        let _ = self.events.try_send(Event::Committed(self.fetch.clone(), done.clone()));
    }

    fn message(&self, text: &str) {
        let _ = self
            .events
            .try_send(Event::Message(self.fetch.clone(), text.to_owned()));
    }
}

/// A run of a fetch, or why there is none.
type Ran = (Chore, Result<RunReport, HarvestError>);

impl Operator {
    /// Does it, and tells meanwhile. `stop` ends it as a shutdown would: after the commit under
    /// way.
    pub(crate) async fn perform(
        &self,
        order: &Order,
        events: &mpsc::Sender<Event>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        self.begun.track_future(self.work(order, events, stop)).await
    }

    async fn work(&self, order: &Order, events: &mpsc::Sender<Event>, stop: &CancellationToken) -> Result<(), Failure> {
        match order {
            Order::Harvest(name) => {
                let fetches = self.fetches(name.as_deref())?;
                self.harvest(&fetches, events, stop).await
            }
            Order::Approve(name) => {
                let fetch = self.decide(name, Decision::Approved, events).await?;
                self.harvest(&[fetch], events, stop).await
            }
            Order::Reject(name) => self.decide(name, Decision::Kept, events).await.map(|_| ()),
            Order::Replay(name) => {
                let fetches = self.with_refused(name.as_deref()).await?;
                if fetches.is_empty() {
                    tell(events, Event::Told("no record is refused".to_owned())).await;
                }
                self.harvest(&fetches, events, stop).await
            }
        }
    }

    /// The fetches, or groups, that a name means; all of them without one, in the order of the
    /// queue.
    fn fetches(&self, name: Option<&str>) -> Result<Vec<Chore>, Failure> {
        let catalog = &self.catalog;
        let Some(name) = name else {
            return Ok(Queue::in_order(catalog));
        };
        Ok(vec![named(catalog, name)?])
    }

    async fn decide(&self, name: &str, decision: Decision, events: &mpsc::Sender<Event>) -> Result<Chore, Failure> {
        let fetch = self.fetches(Some(name))?.first().copied();
        let fetch = fetch.ok_or_else(|| Failure::setup("error: the definition has no @fetch"))?;
        let rows = self.store.decide_held(name, decision).await?;
        if rows == 0 {
            return Err(Failure::work(format!(
                "error: no deletion is held for {name}; `hayloft status` shows those that are"
            )));
        }
        let noun = if rows == 1 { "row" } else { "rows" };
        let told = match decision {
            Decision::Approved => {
                format!(
                    "{name}: {rows} held {noun} may go; it is harvested again, and those that are still missing are deleted"
                )
            }
            _ => format!("{name}: {rows} held {noun} stay, although the upstream lacks them, until it has them again"),
        };
        tell(events, Event::Told(told)).await;
        Ok(fetch)
    }

    /// The fetches that have refused records; what had them will be read again in full.
    async fn with_refused(&self, name: Option<&str>) -> Result<Vec<Chore>, Failure> {
        let mut found = Vec::new();
        for chore in self.fetches(name)? {
            if let Chore::Fetch(fetch) = chore
                && self.store.forget_refused(fetch).await? > 0
            {
                found.push(chore);
            }
        }
        Ok(found)
    }

    /// Several runs at once, each as soon as those that it follows have ended.
    async fn harvest(
        &self,
        fetches: &[Chore],
        events: &mpsc::Sender<Event>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let ends = self.stop.child_token();
        let stopped = async {
            stop.cancelled().await;
            ends.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = self.run_each(fetches, events, &ends) => done,
            () = stopped => Ok(()),
        }
    }

    async fn run_each(
        &self,
        fetches: &[Chore],
        events: &mpsc::Sender<Event>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut queue = Queue::new(&self.catalog, fetches, self.store.writers());
        let mut runs = JoinSet::new();
        let (mut unfinished, mut failed) = (0, None);
        loop {
            while !stop.is_cancelled()
                && let Some(fetch) = queue.begin()
            {
                tell(events, Event::Begins(self.catalog.chore_name(fetch))).await;
                runs.spawn(self.clone().run_one(fetch, events.clone(), stop.clone()));
            }
            let Some(ended) = runs.join_next().await else { break };
            let (fetch, result) = match ended {
                Ok(ran) => ran,
                // Those beside it end in order: dropped, they would be nobody's until their leases
                // are over.
                Err(error) => {
                    tracing::error!(%error, "a run by hand broke");
                    stop.cancel();
                    failed.get_or_insert_with(|| "a run broke; the log has the cause".to_owned());
                    continue;
                }
            };
            queue.end(fetch);
            match result {
                Ok(report) => {
                    unfinished += u64::from(report.summary.state != RunState::Complete);
                    tell(events, Event::Ran(Box::new(report))).await;
                }
                // A serving process has that one in hand; the others are still asked for.
                Err(error @ HarvestError::Busy(_)) => {
                    unfinished += 1;
                    tell(events, Event::Busy(self.catalog.chore_name(fetch), error.to_string())).await;
                }
                // It concerns all: no other is begun, and those under way end as at a shutdown.
                Err(error) => {
                    stop.cancel();
                    failed.get_or_insert_with(|| error.to_string());
                }
            }
        }
        match (failed, unfinished) {
            (Some(error), _) => Err(Failure::work(format!("error: {error}"))),
            (None, 0) => Ok(()),
            (None, 1) => Err(Failure::work(
                "1 fetch did not finish; rows that were not seen stay as they were",
            )),
            (None, left) => Err(Failure::work(format!(
                "{left} fetches did not finish; rows that were not seen stay as they were"
            ))),
        }
    }

    async fn run_one(self, fetch: Chore, events: mpsc::Sender<Event>, stop: CancellationToken) -> Ran {
        let progress = Passing {
            fetch: self.catalog.chore_name(fetch),
            events,
        };
        let result = self.harvester.run(fetch, Reason::Hand, &progress, &stop).await;
        (fetch, result)
    }
}

/// Whoever asked may have gone; what was begun is then ended by their token.
async fn tell(events: &mpsc::Sender<Event>, event: Event) {
    let _ = events.send(event).await;
}

/// The fetch that a name means.
pub(crate) fn named(catalog: &Catalog, name: &str) -> Result<Chore, Failure> {
    if let Some(chore) = catalog.chores().find(|chore| catalog.chore_name(*chore) == name) {
        return Ok(chore);
    }
    if catalog.entity_named(name).is_some() {
        return Err(Failure::setup(format!(
            "error: {name} has no @fetch of its own: its rows come with those of another type"
        )));
    }
    let names: Vec<String> = catalog.chores().map(|chore| catalog.chore_name(chore)).collect();
    Err(Failure::setup(format!(
        "error: the definition has no type {name}; it has {}",
        names.join(", ")
    )))
}
