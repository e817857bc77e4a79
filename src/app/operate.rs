//! What an operator asks for: harvest now, approve or keep held rows, read again what was rejected. Knows the harvester and what
//! the store remembers of a person's decisions; knows neither terminal nor socket.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Failure;
use crate::{
    catalog::{Catalog, FetchId, Valid},
    harvest::{Committed, HarvestError, Harvester, Progress, RunReport},
    store::{Decision, Reason, RunState, Store},
};

/// Something to be done, by whichever process has the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// Harvest a type or field now; without a name, everything with a `@fetch`.
    Harvest(Option<String>),
    /// The rows whose deletion is held may go.
    Approve(String),
    /// They stay.
    Reject(String),
    /// Read again, in full, what had rejected records; without a name, of all fetches.
    Replay(Option<String>),
}

/// What happens meanwhile, in the order in which it does.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// A run of this fetch begins.
    Begins(String),
    /// It has come so far. Some of these may be left out when nobody reads them in time.
    Committed(Committed),
    Message(String),
    /// It ended.
    Ran(Box<RunReport>),
    /// Somebody else has this fetch in hand, as this sentence says.
    Busy(String),
    Told(String),
}

/// A definition at work, to operators: everything that an [`Order`] needs.
#[derive(Clone)]
pub struct Operator {
    pub catalog: Arc<Valid<Catalog>>,
    pub store: Store,
    pub harvester: Harvester,
    /// Ends what operators began, before the definition is exchanged.
    pub stop: CancellationToken,
    /// Whoever exchanges it waits for these.
    pub begun: TaskTracker,
}

/// Passes on how far a run has come. A watcher who does not keep up misses some of it, and never the end.
struct Passing<'e>(&'e mpsc::Sender<Event>);

impl Progress for Passing<'_> {
    fn committed(&self, done: &Committed) {
        let _ = self.0.try_send(Event::Committed(done.clone()));
    }

    fn message(&self, text: &str) {
        let _ = self.0.try_send(Event::Message(text.to_owned()));
    }
}

impl Operator {
    /// Does it, and tells meanwhile. `stop` ends it as a shutdown would: after the commit under way.
    pub async fn perform(
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
                let fetches = self.with_rejected(name.as_deref()).await?;
                if fetches.is_empty() {
                    tell(events, Event::Told("no record is rejected".to_owned())).await;
                }
                self.harvest(&fetches, events, stop).await
            }
        }
    }

    /// The fetches that a name means; all of them without one, those of fields after those that fill the rows they ask about.
    fn fetches(&self, name: Option<&str>) -> Result<Vec<FetchId>, Failure> {
        let catalog = &self.catalog;
        let Some(name) = name else {
            return Ok(in_order(catalog));
        };
        if let Some(fetch) = catalog.fetch_ids().find(|id| catalog.fetch_name(*id) == name) {
            return Ok(vec![fetch]);
        }
        if catalog.entity_named(name).is_some() {
            return Err(Failure::setup(format!(
                "error: {name} has no @fetch of its own: its rows come with those of another type"
            )));
        }
        let names: Vec<String> = catalog.fetch_ids().map(|id| catalog.fetch_name(id)).collect();
        Err(Failure::setup(format!(
            "error: the definition has no type {name}; it has {}",
            names.join(", ")
        )))
    }

    async fn decide(&self, name: &str, decision: Decision, events: &mpsc::Sender<Event>) -> Result<FetchId, Failure> {
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

    /// The fetches that have rejected records; what had them will be read again in full.
    async fn with_rejected(&self, name: Option<&str>) -> Result<Vec<FetchId>, Failure> {
        let mut found = Vec::new();
        for fetch in self.fetches(name)? {
            if self.store.forget_rejected(fetch).await? > 0 {
                found.push(fetch);
            }
        }
        Ok(found)
    }

    /// One run after the other.
    async fn harvest(
        &self,
        fetches: &[FetchId],
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
        fetches: &[FetchId],
        events: &mpsc::Sender<Event>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut left = 0;
        for fetch in fetches {
            if stop.is_cancelled() {
                break;
            }
            tell(events, Event::Begins(self.catalog.fetch_name(*fetch))).await;
            let report = self.harvester.run(*fetch, Reason::Hand, &Passing(events), stop).await;
            match report {
                Ok(report) => {
                    left += u64::from(report.summary.state != RunState::Complete);
                    tell(events, Event::Ran(Box::new(report))).await;
                }
                // A serving process has that one in hand; the others are still asked for.
                Err(error @ HarvestError::Busy(_)) => {
                    left += 1;
                    tell(events, Event::Busy(error.to_string())).await;
                }
                Err(error) => return Err(Failure::work(format!("error: {error}"))),
            }
        }
        match left {
            0 => Ok(()),
            1 => Err(Failure::work(
                "1 fetch did not finish; rows that were not seen stay as they were",
            )),
            left => Err(Failure::work(format!(
                "{left} fetches did not finish; rows that were not seen stay as they were"
            ))),
        }
    }
}

/// Whoever asked may have gone; what was begun is then ended by their token.
async fn tell(events: &mpsc::Sender<Event>, event: Event) {
    let _ = events.send(event).await;
}

/// All fetches; those of fields after those that fill the rows they ask about.
fn in_order(catalog: &Catalog) -> Vec<FetchId> {
    let mut left: Vec<FetchId> = catalog.fetch_ids().collect();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let after = |id: &FetchId| catalog.fetch(*id).each.iter().flat_map(|each| &each.after);
        let ready = left
            .iter()
            .position(|id| after(id).all(|other| other == id || !left.contains(other)));
        // Fetches on a schedule may follow each other: any of them can begin.
        ordered.push(left.remove(ready.unwrap_or(0)));
    }
    ordered
}
