//! Harvesting: from sources to the store, once or on a schedule. Knows HTTP, files, jq and time; knows no SQL and no GraphQL.
//!
//! The way of the data: [`schedule`] starts a [`run`]; `fetch` (the only module that calls out) gets a page; `work` parses,
//! selects and shapes it on a thread of its own; `load` commits it; the store's bus announces it.

mod document;
mod error;
mod fetch;
mod json;
mod leaf;
mod ledger;
mod limits;
mod load;
mod pace;
mod page;
mod progress;
mod report;
mod request;
mod run;
mod schedule;
mod select;
mod shape;
#[cfg(test)]
mod tests;
mod work;

use std::{path::PathBuf, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{Catalog, FetchId, Valid},
    config::Environment,
    layout::Layout,
    store::{Reason, StartRun, Store},
};

pub use error::{HarvestError, PageFault};
pub use progress::{Committed, Progress, RunReport, Silent};

use fetch::{HeaderMap, Upstream};
use ledger::Ledger;
use request::Base;
use shape::Shaper;

/// What a harvest is told from outside the definition.
#[derive(Clone, Debug, Default)]
pub struct HarvestSettings {
    /// Where `$env` comes from.
    pub environment: Environment,
    /// The folder of the definition: relative `file:` sources start there.
    pub definition_dir: PathBuf,
}

/// Harvests a catalog's fetches into a store; cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Harvester {
    inner: Arc<Inner>,
}

struct Inner {
    catalog: Arc<Valid<Catalog>>,
    shaper: Arc<Shaper>,
    ledger: Arc<dyn Ledger>,
    environment: Environment,
    /// By `SourceId`.
    sources: Vec<SourceHandle>,
}

/// One source, ready to be asked.
struct SourceHandle {
    base: Base,
    headers: HeaderMap,
    /// None for folders.
    upstream: Option<Upstream>,
}

impl Harvester {
    /// Checks everything that can be checked before the first request: `$env` names, sources' addresses and headers.
    pub fn new(
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
        store: Store,
        settings: HarvestSettings,
    ) -> Result<Harvester, HarvestError> {
        Harvester::with_ledger(catalog, &layout, Arc::new(store), settings)
    }

    fn with_ledger(
        catalog: Arc<Valid<Catalog>>,
        layout: &Layout,
        ledger: Arc<dyn Ledger>,
        settings: HarvestSettings,
    ) -> Result<Harvester, HarvestError> {
        let sources = sources(&catalog, &settings)?;
        let inner = Inner {
            shaper: Arc::new(Shaper::new(&catalog, layout)),
            catalog,
            ledger,
            environment: settings.environment,
            sources,
        };
        Ok(Harvester { inner: Arc::new(inner) })
    }

    /// Checks a definition's addresses without a store, for `check`: the same errors as [`Harvester::new`].
    pub fn check(catalog: &Valid<Catalog>, settings: &HarvestSettings) -> Result<(), HarvestError> {
        sources(catalog, settings).map(|_| ())
    }

    /// Harvests one fetch now and waits for its end. A page that fails ends the run as failed, in the report.
    ///
    /// Cancelling ends the run as interrupted after the commit under way. A run by hand is always a whole one: it never
    /// goes on where an interrupted one stopped.
    pub async fn run(
        &self,
        fetch: FetchId,
        reason: Reason,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<RunReport, HarvestError> {
        let slot = self.inner.ledger.now().await?;
        let name = self.inner.name(fetch);
        match self.run_in(fetch, slot, reason, progress, cancel).await? {
            Some(report) => {
                report::log_end(&report, None);
                Ok(report)
            }
            None => Err(HarvestError::Busy(name)),
        }
    }

    /// Harvests what is due, again and again, until cancelled; then the runs under way are interrupted and waited for.
    pub async fn serve(&self, cancel: &CancellationToken) {
        schedule::serve(self, cancel).await;
    }

    /// Runs in a slot; `None` when the slot is taken.
    async fn run_in(
        &self,
        fetch: FetchId,
        slot: chrono::DateTime<chrono::Utc>,
        reason: Reason,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Option<RunReport>, HarvestError> {
        let start = StartRun {
            fetch: self.inner.name(fetch),
            entity: self.inner.catalog.fetch(fetch).entity,
            slot,
            reason,
            resume: schedule::resumes(self.inner.catalog.fetch(fetch), reason),
        };
        let Some(run) = self.inner.ledger.start_run(&start).await? else {
            return Ok(None);
        };
        let report = run::execute(&self.inner, fetch, run, progress, cancel).await?;
        Ok(Some(report))
    }
}

impl Inner {
    /// A fetch is named as its type is.
    fn name(&self, fetch: FetchId) -> String {
        self.catalog.entity(self.catalog.fetch(fetch).entity).name.clone()
    }

    fn fetches(&self) -> impl Iterator<Item = FetchId> + use<> {
        (0..self.catalog.fetches.len() as u32).map(FetchId)
    }
}

fn sources(catalog: &Catalog, settings: &HarvestSettings) -> Result<Vec<SourceHandle>, HarvestError> {
    let missing = request::missing_environment(catalog, &settings.environment);
    if !missing.is_empty() {
        return Err(HarvestError::Environment(missing.join(", ")));
    }
    let client = fetch::client()?;
    let handle = |source: &crate::catalog::Source| {
        let base = request::base(source, &settings.environment, &settings.definition_dir)?;
        let headers = request::headers(source, &settings.environment)?;
        let upstream = match base {
            Base::Http(_) => Some(Upstream::new(client.clone(), source, headers.clone())),
            Base::Folder(_) => None,
        };
        Ok(SourceHandle {
            base,
            headers,
            upstream,
        })
    };
    catalog.sources.iter().map(handle).collect()
}
