//! Puts a changed definition to work while everything is served. Knows the order of the steps, and
//! that the older definition goes on when one of them fails.

use std::{sync::OnceLock, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{DefinitionFiles, Failure, Loaded, documents, operate::Operator, watch::Watch, work::Work};
use crate::{
    catalog::Difference,
    config::{Environment, FilterSetting},
    graphql::Current,
};

/// What everybody may know of a refused definition; the log has the rest.
const REFUSED: &str = "a changed definition was refused, the one before it is served; the log says why";
/// The same of one that nothing is wrong with.
const WAITING: &str = "a changed definition waits for the database, the one before it is served";
/// Between tries of a definition that waits: doubled each time, up to the longest. Each try lets
/// the harvest rest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The definition in force, and its successors.
pub(super) struct Keeper {
    pub work: Work,
    /// Where operators find the definition that is at work; nobody while one is exchanged.
    pub desk: watch::Sender<Option<Operator>>,
    pub current: Current,
    pub environment: Environment,
    pub filters: FilterSetting,
    /// None for a definition that is no file.
    pub watch: Option<Watch<DefinitionFiles>>,
}

/// A definition that could not be taken in for a reason that may pass.
struct Waiting {
    files: DefinitionFiles,
    at: Instant,
    pause: Duration,
}

impl Keeper {
    /// Harvests and takes in changes of the definition, one after the other, until `shutdown`.
    pub(super) async fn run(mut self, shutdown: &CancellationToken) -> Result<(), Failure> {
        let mut waiting: Option<Waiting> = None;
        self.desk.send_replace(Some(self.work.operator()));
        loop {
            let changed = tokio::select! {
                ended = self.work.ended() => return ended,
                // What is newer takes the place of what waits.
                changed = next(&mut self.watch) => {
                    waiting = None;
                    changed
                }
                files = due(waiting.as_ref()) => Ok(files),
            };
            let files = changed.as_ref().ok().cloned();
            let began = Instant::now();
            let taken_in = self.take_in(changed, shutdown).await;
            let pause = waiting.take().map(|tried| PAUSE_MAX.min(tried.pause * 2));
            match taken_in {
                Ok(Some(difference)) => {
                    let millis = began.elapsed().as_millis();
                    tracing::info!("the definition changed: {difference}; live in {millis} ms");
                }
                Ok(None) => {
                    self.current.accept();
                    tracing::info!("the definition is again the one that is served");
                }
                Err(failure) => waiting = self.put_off(failure, files, pause),
            }
        }
    }

    /// Tells of a definition that is not taken in; it waits when the reason may pass. `pause` is
    /// that of a further try.
    fn put_off(&self, failure: Failure, files: Option<DefinitionFiles>, pause: Option<Duration>) -> Option<Waiting> {
        let Some(files) = files.filter(|_| failure.passes()) else {
            self.current.refuse(REFUSED);
            tracing::error!(
                "the changed definition is refused, the one before it goes on: {}",
                failure.bare()
            );
            return None;
        };
        match pause {
            None => tracing::warn!(
                "the changed definition waits, the one before it goes on: {}",
                failure.bare()
            ),
            Some(_) => tracing::debug!("the changed definition still waits: {}", failure.bare()),
        }
        self.current.refuse(WAITING);
        let pause = pause.unwrap_or(PAUSE);
        Some(Waiting {
            files,
            at: Instant::now() + pause,
            pause,
        })
    }

    /// Puts a definition in the place of the one in force; `None` when it is the same. An error
    /// leaves all as it was.
    async fn take_in(
        &mut self,
        changed: Result<DefinitionFiles, Failure>,
        shutdown: &CancellationToken,
    ) -> Result<Option<Difference>, Failure> {
        let files = changed?;
        let environment = self.environment.clone();
        let loaded = tokio::task::spawn_blocking(move || {
            let loaded = Loaded::plain(files)?;
            loaded.check(environment)?;
            Ok::<_, Failure>(loaded)
        });
        let loaded = loaded.await.map_err(|error| {
            tracing::error!(%error, "reading the definition broke");
            Failure::work("error: the definition could not be read; the log has the cause")
        })??;
        if loaded.catalog.fingerprint == self.work.loaded.catalog.fingerprint {
            return Ok(None);
        }
        // What can be refused is refused before the harvest is disturbed.
        self.work.store.accepts(&loaded.layout).await?;
        let difference = Difference::between(&self.work.loaded.catalog, &loaded.catalog);
        self.desk.send_replace(None);
        self.work.rest().await;
        let exchanged = self.exchange(loaded, shutdown).await;
        if exchanged.is_err() {
            self.work.resume(shutdown);
        }
        self.desk.send_replace(Some(self.work.operator()));
        exchanged.map(|()| Some(difference))
    }

    /// The exchange itself, while no harvest runs. All that can fail comes before the tables move.
    async fn exchange(&mut self, loaded: Loaded, shutdown: &CancellationToken) -> Result<(), Failure> {
        let store = &self.work.store;
        let store = store.redefined(loaded.catalog.clone(), loaded.layout.clone());
        let api = self.current.newest().redefined(loaded.catalog.clone(), store.clone());
        let api = api.map_err(|error| Failure::work(format!("error: {error}")))?;
        let harvester = loaded.harvester(&store, self.environment.clone(), self.filters)?;
        let exchange = OnceLock::new();
        let committing = || {
            exchange.get_or_init(|| self.current.exchange());
        };
        let moved = shutdown.run_until_cancelled(store.come_into_force(&committing)).await;
        moved.ok_or_else(|| Failure::work("error: the program stops; its next start takes the definition in"))??;
        self.work = Work::begin(loaded, store, harvester, shutdown);
        self.current.replace(api);
        drop(exchange);
        documents::tell_unfit(&self.current);
        Ok(())
    }
}

/// When it is time for another try of a definition that waits; never where none does.
async fn due(waiting: Option<&Waiting>) -> DefinitionFiles {
    match waiting {
        Some(waiting) => {
            tokio::time::sleep_until(waiting.at).await;
            waiting.files.clone()
        }
        None => std::future::pending().await,
    }
}

/// The next change; never one where nothing is watched.
async fn next(watch: &mut Option<Watch<DefinitionFiles>>) -> Result<DefinitionFiles, Failure> {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
