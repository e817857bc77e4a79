//! Puts a changed definition to work while everything is served. Knows the order of the steps, and that the older
//! definition goes on when one of them fails.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{DefinitionFiles, Failure, Loaded, watch::Watch, work::Work};
use crate::{catalog::Difference, config::Environment, graphql::Current};

/// What everybody may know of a refused definition; the log has the rest.
const REFUSED: &str = "a changed definition was refused, the one before it is served; the log says why";

/// The definition in force, and its successors.
pub struct Keeper {
    pub work: Work,
    pub current: Current,
    pub environment: Environment,
    /// None for a definition that is no file.
    pub watch: Option<Watch>,
}

impl Keeper {
    /// Harvests and takes in changes of the definition, one after the other, until `shutdown`.
    pub async fn run(mut self, shutdown: &CancellationToken) -> Result<(), Failure> {
        loop {
            let changed = tokio::select! {
                ended = self.work.ended() => return ended,
                changed = next(&mut self.watch) => changed,
            };
            let began = Instant::now();
            match self.take_in(changed, shutdown).await {
                Ok(Some(difference)) => {
                    let millis = began.elapsed().as_millis();
                    tracing::info!("the definition changed: {difference}; live in {millis} ms");
                }
                Ok(None) => {
                    self.current.accept();
                    tracing::info!("the definition is again the one that is served");
                }
                Err(failure) => {
                    self.current.refuse(REFUSED);
                    tracing::error!(
                        "the changed definition is refused, the one before it goes on: {}",
                        failure.bare()
                    );
                }
            }
        }
    }

    /// Puts a definition in the place of the one in force; `None` when it is the same. An error leaves all as it was.
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
        self.work.rest().await;
        match self.exchange(loaded, shutdown).await {
            Ok(()) => Ok(Some(difference)),
            Err(failure) => {
                self.work.resume(shutdown);
                Err(failure)
            }
        }
    }

    /// The exchange itself, while no harvest runs.
    async fn exchange(&mut self, loaded: Loaded, shutdown: &CancellationToken) -> Result<(), Failure> {
        let store = &self.work.store;
        let store = store.redefine(loaded.catalog.clone(), loaded.layout.clone()).await?;
        let api = self.current.newest().redefined(loaded.catalog.clone(), store.clone());
        let api = api.map_err(|error| Failure::work(format!("error: {error}")))?;
        self.work = Work::begin(loaded, store, self.environment.clone(), shutdown)?;
        self.current.replace(api);
        Ok(())
    }
}

/// The next change; never one where nothing is watched.
async fn next(watch: &mut Option<Watch>) -> Result<DefinitionFiles, Failure> {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
