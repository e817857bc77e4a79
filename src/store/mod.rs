//! The only place that speaks SQL: layout, reads, loads, the ledger. Knows nothing of HTTP, jq or
//! GraphQL.

mod bulk;
mod cluster;
mod commit;
mod context;
mod db;
mod ddl;
mod error;
mod facade;
mod field_fetch;
mod figures;
mod history;
mod identity;
mod in_force;
mod load;
mod migrate;
mod open;
mod read;
mod rollups;
mod runs;
mod sqlite_backup;
mod state;
mod system;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tx;
mod types;
mod words;

pub(crate) use db::{deadline::Heard, failpoint, made::Bounds};
pub(crate) use error::{Beyond, StoreError};
pub(crate) use read::{
    cut::Cut,
    dangling::Dangling,
    each::Runs,
    statement::{KeyedStatement, Statement},
};
pub(crate) use types::*;

#[cfg(any(test, fuzzing))]
pub(crate) use read::compiled;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    catalog::{Catalog, Valid},
    change::Bus,
    config::DatabaseUrl,
    layout::Layout,
};

use context::Context;
use db::{
    postgres::connect,
    readers::{self, Purpose},
    sqlite::{file, journal},
};
use migrate::apply;
use open::Door;
use state::{changed, deferred, heard, in_force::Seen, run_memory::Memories};
use system::processes;

/// How long one read may take when nothing else is said.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers for operations at least, also on a machine of one core: a slow query must not hold up
/// the fast ones.
const READERS_MIN: usize = 4;
/// Readers beyond the processors: some operations leave so many to others, and no processor should
/// rest for that.
const READERS_MORE: usize = 2;
/// Loads by key take microseconds; two connections saturate any machine that we know.
const LOOKUP_READERS: usize = 2;
/// The ledger asks little.
const OWN_READERS: usize = 1;

/// A handle to one database; cloning gives another handle to the same pools.
#[derive(Clone)]
pub(crate) struct Store {
    context: Arc<Context>,
}

impl Store {
    /// Opens the database, takes the writer's lock (`Access::Write`), migrates the system tables
    /// and applies the layout.
    ///
    /// `Access::Read` opens an existing database beside a running writer and changes nothing.
    #[cfg(test)]
    pub(crate) async fn open(
        url: &DatabaseUrl,
        access: Access,
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
    ) -> Result<Store, StoreError> {
        Self::open_within(url, access, catalog, layout, None).await
    }

    /// The same with a limit for each read, unless the address has one.
    pub(crate) async fn open_within(
        url: &DatabaseUrl,
        access: Access,
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
        timeout: Option<Duration>,
    ) -> Result<Store, StoreError> {
        let door = Door::open(url, access.writes()).await?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (pool, own_timeout) = match url {
            DatabaseUrl::Postgres(url) => (url.pool, url.statement_timeout),
            DatabaseUrl::Sqlite(_) => (None, None),
        };
        let timeout = own_timeout.or(timeout).unwrap_or(STATEMENT_TIMEOUT);
        let readers = |count, purpose| Arc::new(readers::Readers::new(&door.source, purpose, timeout, count));
        let context = Context {
            catalog,
            layout,
            dialect: door.dialect,
            place: door.place,
            readers: readers(
                pool.unwrap_or((cores + READERS_MORE).max(READERS_MIN)),
                Purpose::Answers,
            ),
            lookups: readers(LOOKUP_READERS, Purpose::Keys),
            own: readers(OWN_READERS, Purpose::Own),
            writer: door.writer,
            bus: Bus::default(),
            guard: door.guard,
            heard: heard::Heard::default(),
            versions: Arc::default(),
            told: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            seen: Seen::default(),
            deferred: deferred::Deferred::default(),
            writable: Arc::default(),
            journal: journal::Journal::of(&door.source),
            changed: changed::Changed::default(),
            runs: Memories::default(),
            process: processes::name(),
            retention: Mutex::default(),
            lock: door.lock.map(Arc::new),
            #[cfg(test)]
            clock: None,
        };
        let ready = open::prepare(&context, access).await;
        if let Some(setup) = door.setup {
            connect::close(setup).await;
        }
        ready?;
        Ok(Store {
            context: Arc::new(context),
        })
    }

    /// What opening for writing would change, and what that costs; nothing is written. A database
    /// that is not there yet is none to be opened: everything is new then.
    pub(crate) async fn plan(
        url: &DatabaseUrl,
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
        timeout: Option<Duration>,
    ) -> Result<LayoutPlan, StoreError> {
        if let DatabaseUrl::Sqlite(path) = url
            && file::is_new(path)
        {
            return Ok(apply::plan_of_new(&layout));
        }
        let store = Self::open_within(url, Access::Compare, catalog, layout, timeout).await?;
        let plan = apply::plan_own(&store.context).await;
        store.close().await;
        plan
    }

    /// Announces every commit that changed rows.
    pub(crate) fn bus(&self) -> &Bus {
        &self.context.bus
    }

    /// Checkpoints and closes; commits under way are finished first.
    pub(crate) async fn close(self) {
        let context = &self.context;
        if context.writer.is_some()
            && let Err(error) = processes::leave(context).await
        {
            tracing::debug!(%error, "the others will notice by themselves that this process has ended");
        }
        tokio::join!(context.readers.close(), context.lookups.close(), context.own.close());
        if let Ok(writer) = self.context.writer() {
            file::fold(writer).await;
            writer.close().await;
        }
    }
}
