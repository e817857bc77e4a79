//! What all runs of a harvester share. Knows the sources of a catalog and how each is reached;
//! knows no run.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_util::task::AbortOnDropHandle;

use super::{
    access::{Access, access},
    allocation::Allocations,
    buffer::Buffer,
    error::{HarvestError, PageFault},
    fetch::{Clients, HeaderMap, TokenRequest, Upstream, Wire},
    field_fetch::helped::Helped,
    ledger::Ledger,
    limits::{SPOOLS_MAX, WAITING_MAX},
    request::{self, Base},
    secrets::Secrets,
    settings::HarvestSettings,
    shape::Shaper,
    spool::Spools,
    witness::Witness,
};
use crate::{
    catalog::{Catalog, Chore, Fetch, SourceId, Valid},
    config::Environment,
    layout::Layout,
};

/// A catalog and a store, and what is needed to bring one into the other.
pub(super) struct Inner {
    pub catalog: Arc<Valid<Catalog>>,
    pub shaper: Arc<Shaper>,
    pub ledger: Arc<dyn Ledger>,
    pub environment: Environment,
    pub filter_time: Duration,
    pub filter_memory: usize,
    /// By `SourceId`.
    pub sources: Vec<SourceHandle>,
    /// The runs with a request per row at which this process is at work.
    pub helped: Helped,
    pub allocations: Arc<Allocations>,
    /// Room for answers that wait to be read.
    pub buffer: Arc<Buffer>,
    /// Disk space for those that are too large for it.
    pub spools: Arc<Spools>,
    /// Sees what passes.
    pub witness: Option<Arc<Witness>>,
    /// Gives signs of life from the first run on.
    pub attending: OnceLock<AbortOnDropHandle<()>>,
}

/// One source, ready to be asked.
pub(super) struct SourceHandle {
    pub base: Base,
    /// The base as people see it.
    pub shown: String,
    pub headers: HeaderMap,
    /// Who logs in, where headers do not tell.
    pub who: Option<u64>,
    pub secrets: Arc<Secrets>,
    /// None for folders.
    pub upstream: Option<Upstream>,
}

impl Inner {
    pub(super) fn new(
        catalog: Arc<Valid<Catalog>>,
        layout: &Layout,
        ledger: Arc<dyn Ledger>,
        settings: HarvestSettings,
    ) -> Result<Inner, HarvestError> {
        let allocations = Arc::new(Allocations::new());
        let sources = sources(&catalog, &settings, &allocations)?;
        Ok(Inner {
            shaper: Arc::new(Shaper::new(&catalog, layout)),
            catalog,
            ledger,
            environment: settings.environment,
            filter_time: settings.filter_time,
            filter_memory: settings.filter_memory,
            sources,
            helped: Helped::default(),
            allocations,
            buffer: Buffer::new(WAITING_MAX),
            spools: Spools::new(SPOOLS_MAX),
            witness: settings.witness,
            attending: OnceLock::new(),
        })
    }

    pub(super) fn name(&self, chore: impl Into<Chore>) -> String {
        self.catalog.chore_name(chore.into())
    }

    /// What the source of a fetch is told that nobody else may see.
    pub(super) fn secrets(&self, fetch: &Fetch) -> Arc<Secrets> {
        let source = self.sources.get(fetch.source.index());
        source.map_or_else(Arc::default, |source| Arc::clone(&source.secrets))
    }

    /// A fault as it may be kept and shown.
    pub(super) fn masked(&self, fetch: &Fetch, fault: &PageFault) -> String {
        self.secrets(fetch).mask(&fault.to_string())
    }

    /// Whether this process has a part of a source now.
    pub(super) fn may_call(&self, source: SourceId) -> bool {
        self.places(source) > 0
    }

    /// Requests that this process may have under way at a source now.
    pub(super) fn places(&self, source: SourceId) -> usize {
        let concurrency = self.catalog.source(source).concurrency;
        self.allocations
            .current()
            .map_or(0, |allocation| allocation.places(concurrency))
    }
}

pub(super) fn sources(
    catalog: &Catalog,
    settings: &HarvestSettings,
    allocations: &Arc<Allocations>,
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
        let mut headers = request::headers(source, &settings.environment)?;
        let token = match access(source, &base, &headers, &settings.environment)? {
            Some(Access::Known(name, value)) => {
                headers.insert(name, value);
                None
            }
            Some(Access::Token(request)) => Some(*request),
            None => None,
        };
        let who = token.as_ref().map(TokenRequest::print);
        let upstream = match base {
            Base::Http(ref url) => Some(Upstream::new(
                clients.clone(),
                source,
                headers.clone(),
                token,
                Arc::clone(&secrets),
                Arc::clone(allocations),
                Wire::new(&settings.tape, &source.name, url, &secrets),
            )),
            Base::Folder(_) => None,
        };
        Ok(SourceHandle {
            shown: request::shown_base(source, &base, &settings.environment),
            base,
            headers,
            who,
            secrets,
            upstream,
        })
    };
    (0..catalog.sources.len() as u32).map(SourceId).map(handle).collect()
}
