//! One definition at work: its handle of the store and the harvest under it. Knows how to rest it;
//! not when.

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Failure, Loaded, operate::Operator};
use crate::{harvest::Harvester, store::Store};

/// A definition that is harvested.
pub(super) struct Work {
    pub loaded: Loaded,
    pub store: Store,
    harvester: Harvester,
    running: Running,
}

/// The tasks of a definition at work, and the token that ends them.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// What operators began.
    begun: TaskTracker,
}

impl Work {
    /// Begins to harvest, until `shutdown`. The parts are made by whoever can still turn back; from
    /// here on nothing fails.
    pub(super) fn begin(loaded: Loaded, store: Store, harvester: Harvester, shutdown: &CancellationToken) -> Work {
        Work {
            running: Running::start(&harvester, &store, shutdown),
            loaded,
            store,
            harvester,
        }
    }

    /// This definition, to operators.
    pub(super) fn operator(&self) -> Operator {
        Operator {
            catalog: self.loaded.catalog.clone(),
            store: self.store.clone(),
            harvester: self.harvester.clone(),
            stop: self.running.stop.clone(),
            begun: self.running.begun.clone(),
        }
    }

    /// Waits until the harvest has ended; before a shutdown it ends only when it breaks.
    pub(super) async fn ended(&mut self) -> Result<(), Failure> {
        let ended = (&mut self.running.task).await;
        ended.map_err(|error| {
            tracing::error!(%error, "the harvest's task ended");
            Failure::work("error: the harvest stopped; the log has the cause")
        })
    }

    /// Stops the harvest: runs under way are interrupted after the commit that they are at, and
    /// waited for.
    ///
    /// To be followed by [`Work::resume`] or by the end of this definition's work.
    pub(super) async fn rest(&mut self) {
        self.running.stop.cancel();
        // A harvest that broke is told of in the log, and at rest like any other.
        let _ = self.ended().await;
        self.running.begun.close();
        self.running.begun.wait().await;
    }

    /// Goes on after a rest.
    pub(super) fn resume(&mut self, shutdown: &CancellationToken) {
        self.running = Running::start(&self.harvester, &self.store, shutdown);
    }
}

impl Running {
    fn start(harvester: &Harvester, store: &Store, shutdown: &CancellationToken) -> Running {
        let stop = shutdown.child_token();
        let (harvester, store, token) = (harvester.clone(), store.clone(), stop.clone());
        let task = tokio::spawn(async move {
            tokio::join!(harvester.serve(&token), store.follow(&token), indexes(&store, &token));
        });
        Running {
            stop,
            task,
            begun: TaskTracker::new(),
        }
    }
}

/// Builds what was too large to be built at the start. A build that ends halfway is begun again by
/// the next start.
async fn indexes(store: &Store, stop: &CancellationToken) {
    if let Some(Err(error)) = stop.run_until_cancelled(store.finish_indexes()).await {
        tracing::error!("{error}");
    }
}
