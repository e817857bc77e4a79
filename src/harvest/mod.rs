//! Harvesting: from sources to the store, once or on a schedule. Knows HTTP, files, jq and time; knows no SQL and no GraphQL.
//!
//! The way of the data: [`schedule`] starts a [`run`]; `fetch` (the only module that calls out) gets a page; `work` parses,
//! selects and shapes it on a thread of its own; `load` commits it; the store's bus announces it.

mod ahead;
mod buffer;
mod charset;
mod document;
mod ending;
mod error;
mod extent;
mod fan_out;
mod fetch;
mod json;
mod keys;
mod leaf;
mod lease;
mod ledger;
mod limits;
mod lines;
mod load;
mod mend;
mod ndjson;
mod pace;
mod packed;
mod page;
mod past;
mod progress;
mod records;
mod refusal;
mod report;
mod request;
mod room;
mod run;
mod schedule;
mod secrets;
mod select;
mod shape;
mod share;
mod signs;
mod slots;
mod spool;
mod stage;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod turn;
mod work;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    catalog::{Catalog, Fetch, FetchId, SourceId, Valid, jq::FILTER_MEMORY},
    config::Environment,
    layout::Layout,
    store::{Reason, StartRun, Store, StoreError},
};

pub(crate) use error::{HarvestError, PageFault};
pub(crate) use progress::{Committed, Progress, RunReport, Silent};
pub(crate) use report::did;

use buffer::Buffer;
use fetch::{Clients, HeaderMap, Upstream};
use ledger::Ledger;
use limits::{FILTER_TIME, JOIN_SILENT, SPOOLS_MAX, WAITING_MAX};
use request::Base;
use secrets::Secrets;
use shape::Shaper;
use share::Shares;
use spool::Spools;

/// What a harvest is told from outside the definition.
#[derive(Clone, Debug)]
pub(crate) struct HarvestSettings {
    /// Where `$env` comes from.
    pub environment: Environment,
    /// The folder of the definition: relative `file:` sources start there.
    pub definition_dir: PathBuf,
    /// The longest that the definition's filters may take for one record.
    pub filter_time: Duration,
    /// The most memory that one of them may take at once.
    pub filter_memory: usize,
}

impl Default for HarvestSettings {
    fn default() -> HarvestSettings {
        HarvestSettings {
            environment: Environment::default(),
            definition_dir: PathBuf::new(),
            filter_time: FILTER_TIME,
            filter_memory: FILTER_MEMORY,
        }
    }
}

/// Harvests a catalog's fetches into a store; cloning gives another handle to the same one.
#[derive(Clone)]
pub(crate) struct Harvester {
    inner: Arc<Inner>,
}

struct Inner {
    catalog: Arc<Valid<Catalog>>,
    shaper: Arc<Shaper>,
    ledger: Arc<dyn Ledger>,
    environment: Environment,
    filter_time: Duration,
    filter_memory: usize,
    /// By `SourceId`.
    sources: Vec<SourceHandle>,
    /// The runs with a request per row at which this process is at work.
    helped: fan_out::help::Helped,
    shares: Arc<Shares>,
    /// Room for answers that wait to be read.
    buffer: Arc<Buffer>,
    /// Disk space for those that are too large for it.
    spools: Arc<Spools>,
    /// Gives signs of life from the first run on.
    attending: OnceLock<AbortOnDropHandle<()>>,
}

/// One source, ready to be asked.
struct SourceHandle {
    base: Base,
    /// The base as people see it.
    shown: String,
    headers: HeaderMap,
    secrets: Arc<Secrets>,
    /// None for folders.
    upstream: Option<Upstream>,
}

impl Harvester {
    /// Checks everything that can be checked before the first request: `$env` names, sources' addresses and headers.
    pub(crate) fn new(
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
        let shares = Arc::new(Shares::new());
        let sources = sources(&catalog, &settings, &shares)?;
        let inner = Inner {
            shaper: Arc::new(Shaper::new(&catalog, layout)),
            catalog,
            ledger,
            environment: settings.environment,
            filter_time: settings.filter_time,
            filter_memory: settings.filter_memory,
            sources,
            helped: fan_out::help::Helped::default(),
            shares,
            buffer: Buffer::new(WAITING_MAX),
            spools: Spools::new(SPOOLS_MAX),
            attending: OnceLock::new(),
        };
        Ok(Harvester { inner: Arc::new(inner) })
    }

    /// Checks a definition's addresses without a store, for `check`: the same errors as [`Harvester::new`].
    pub(crate) fn check(catalog: &Valid<Catalog>, settings: &HarvestSettings) -> Result<(), HarvestError> {
        sources(catalog, settings, &Arc::new(Shares::new())).map(|_| ())
    }

    /// Harvests one fetch now and waits for its end. A page that fails ends the run as failed, in the report.
    ///
    /// Cancelling ends the run as interrupted after the commit under way. A run by hand is always a whole one: it never
    /// goes on where an interrupted one stopped.
    pub(crate) async fn run(
        &self,
        fetch: FetchId,
        reason: Reason,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<RunReport, HarvestError> {
        let inner = &self.inner;
        tokio::select! {
            () = self.join(reason == Reason::Hand, progress) => {}
            // Then there is never a place to be had.
            () = inner.ledger.replaced() => return Err(StoreError::Replaced.into()),
        }
        let start = StartRun {
            fetch: inner.name(fetch),
            entity: inner.catalog.fetch(fetch).entity,
            slot: inner.ledger.now().await?,
            reason,
            resume: (reason != Reason::Hand)
                .then(|| slots::resumes(inner.catalog.fetch(fetch)))
                .flatten(),
        };
        let Some(run) = inner.ledger.start_run(&start).await? else {
            return Err(HarvestError::Busy(start.fetch));
        };
        let report = run::execute(inner, fetch, run, progress, cancel).await?;
        report::log_end(&report, None);
        Ok(report)
    }

    /// Harvests what is due, again and again, until cancelled; then the runs under way are interrupted and waited for.
    pub(crate) async fn serve(&self, cancel: &CancellationToken) {
        // Beside other processes, nothing is asked for before they have made room.
        tokio::select! {
            () = self.join(false, &Silent) => {}
            () = cancel.cancelled() => return,
        }
        tokio::join!(schedule::serve(self, cancel), fan_out::help::serve(&self.inner, cancel));
    }

    /// Runs what waits or was left behind of a fetch; `None` when another process has it.
    async fn run_next(&self, fetch: FetchId, cancel: &CancellationToken) -> Result<Option<RunReport>, HarvestError> {
        let inner = &self.inner;
        let claim = slots::claim(inner.catalog.fetch(fetch), inner.name(fetch));
        let Some(run) = inner.ledger.claim_run(&claim).await? else {
            return Ok(None);
        };
        tracing::debug!(fetch = run.fetch, run = run.id, fence = run.fence, "a run starts");
        run::execute(inner, fetch, run, &Silent, cancel).await.map(Some)
    }

    /// Takes a share in the sources, and waits until the other processes have made room.
    async fn join(&self, by_hand: bool, progress: &dyn Progress) {
        let inner = &self.inner;
        inner.attending.get_or_init(|| {
            let attend = share::attend(Arc::clone(&inner.ledger), Arc::clone(&inner.shares), by_hand);
            AbortOnDropHandle::new(tokio::spawn(attend))
        });
        if tokio::time::timeout(JOIN_SILENT, inner.shares.ready()).await.is_err() {
            progress.message("waits until the other processes have made room at the sources");
            inner.shares.ready().await;
        }
    }
}

impl Inner {
    fn name(&self, fetch: FetchId) -> String {
        self.catalog.fetch_name(fetch)
    }

    /// What the source of a fetch is told that nobody else may see.
    fn secrets(&self, fetch: &Fetch) -> Arc<Secrets> {
        let source = self.sources.get(fetch.source.index());
        source.map_or_else(Arc::default, |source| Arc::clone(&source.secrets))
    }

    /// A fault as it may be kept and shown.
    fn masked(&self, fetch: &Fetch, fault: &PageFault) -> String {
        self.secrets(fetch).mask(&fault.to_string())
    }

    /// Whether this process has a share in a source now.
    fn may_call(&self, source: SourceId) -> bool {
        self.places(source) > 0
    }

    /// Requests that this process may have under way at a source now.
    fn places(&self, source: SourceId) -> usize {
        let concurrency = self.catalog.source(source).concurrency;
        self.shares.current().map_or(0, |share| share.places(concurrency))
    }

    fn fetches(&self) -> impl Iterator<Item = FetchId> + use<> {
        (0..self.catalog.fetches.len() as u32).map(FetchId)
    }
}

fn sources(
    catalog: &Catalog,
    settings: &HarvestSettings,
    shares: &Arc<Shares>,
) -> Result<Vec<SourceHandle>, HarvestError> {
    let missing = request::missing_environment(catalog, &settings.environment);
    if !missing.is_empty() {
        return Err(HarvestError::Environment(missing.join(", ")));
    }
    let clients = Clients::new()?;
    let handle = |id: SourceId| {
        let source = catalog.source(id);
        let secrets = Arc::new(Secrets::of(catalog, id, &settings.environment));
        let base = request::base(source, &settings.environment, &settings.definition_dir)?;
        let headers = request::headers(source, &settings.environment)?;
        let upstream = match base {
            Base::Http(_) => Some(Upstream::new(
                clients.clone(),
                source,
                headers.clone(),
                Arc::clone(&secrets),
                Arc::clone(shares),
            )),
            Base::Folder(_) => None,
        };
        Ok(SourceHandle {
            shown: request::shown_base(source, &base, &settings.environment),
            base,
            headers,
            secrets,
            upstream,
        })
    };
    (0..catalog.sources.len() as u32).map(SourceId).map(handle).collect()
}
