//! What all handles to one database share. Plain data, with the few questions that need no
//! database.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use crate::{
    catalog::{Catalog, FetchId, FieldFetch, Valid},
    change::{Bus, Moment, Told, Versions},
    layout::Layout,
};

use super::{
    db::{
        dialect::Dialect,
        params::Params,
        pool::{Pool, ResultRow},
        readers,
        sqlite::{file, journal},
    },
    error::StoreError,
    identity::guard,
    state::{changed, deferred, heard, in_force, run_memory::Memories, writable},
    types::Retention,
};

#[cfg(test)]
use super::testing;

/// What all handles to one database share.
pub(crate) struct Context {
    pub catalog: Arc<Valid<Catalog>>,
    pub layout: Arc<Layout>,
    pub dialect: &'static dyn Dialect,
    /// The database as errors name it.
    pub place: String,
    /// None for `Access::Read`.
    pub writer: Option<Pool>,
    /// For the answers to operations.
    pub readers: Arc<readers::Readers>,
    /// For loads by key, which are quick and must not wait behind what is slow.
    pub lookups: Arc<readers::Readers>,
    /// For the ledger and the state of health: slow operations must not stop the harvest.
    pub own: Arc<readers::Readers>,
    pub bus: Bus,
    pub guard: Arc<guard::Guard>,
    /// What other processes tell of.
    pub heard: heard::Heard,
    /// How new what is stored is; shared by all definitions of this process.
    pub versions: Arc<Versions>,
    /// What of them was announced on the bus.
    pub told: Mutex<Told>,
    /// One looks at a time; others wait for it.
    pub looking: tokio::sync::Mutex<()>,
    /// Whether the definition is in force.
    pub seen: in_force::Seen,
    /// The types whose indexes are built later.
    pub deferred: deferred::Deferred,
    /// Whether there was room for the last rows that were harvested.
    pub writable: Arc<writable::Writable>,
    /// SQLite's, kept short.
    pub journal: Arc<journal::Journal>,
    /// What was written since statistics were made.
    pub changed: changed::Changed,
    /// The runs that this process has under way, by number and fence.
    pub runs: Memories,
    /// The name of this process in the ledger.
    pub process: Arc<str>,
    pub retention: Mutex<Retention>,
    /// Set: no other process writes to this database.
    pub lock: Option<Arc<file::WriterLock>>,
    #[cfg(test)]
    pub clock: Option<testing::Clock>,
}

impl Context {
    /// Parameters for a statement of this database.
    pub(super) fn params(&self) -> Params {
        self.dialect.params()
    }

    /// The database's clock as SQL, `seconds` from now. Times are compared by the database alone.
    pub(super) fn now(&self, seconds: i64) -> String {
        #[cfg(test)]
        if let Some(clock) = &self.clock {
            return clock.literal(seconds);
        }
        self.dialect.now(seconds)
    }

    /// Whether a lock proves that no other process harvests into this database.
    pub(super) fn is_alone(&self) -> bool {
        self.lock.is_some()
    }

    /// What is known of commits, if that is all there is.
    pub(super) fn moment(&self) -> Option<Moment> {
        self.moment_since(None)
    }

    /// The same for one who has asked at this time, and waited for somebody's look.
    pub(super) fn moment_since(&self, asked: Option<Instant>) -> Option<Moment> {
        let generation = self.guard.generation();
        self.versions.moment_since(self.is_alone(), generation, asked)
    }

    pub(super) fn writer(&self) -> Result<&Pool, StoreError> {
        let writer = self.writer.as_ref();
        writer.ok_or_else(|| StoreError::Refused("the database was opened for reading only".to_owned()))
    }
}

/// The part of a fetch that is about the rows it asks for; only fetches on fields have one.
pub(crate) fn field_fetch(context: &Context, fetch: FetchId) -> Result<&FieldFetch, StoreError> {
    let each = context.catalog.fetch(fetch).field_fetch.as_ref();
    each.ok_or_else(|| StoreError::Internal(format!("{} is no @fetch on a field", context.catalog.fetch_name(fetch))))
}

/// Runs one statement on a reader.
pub(crate) async fn ask(context: &Context, params: Params, sql: String) -> Result<Vec<ResultRow>, StoreError> {
    context.own.take().await?.fetch(params.query(sql)).await
}
