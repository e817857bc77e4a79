//! The only place that speaks SQL: layout, reads, loads, the ledger. Knows nothing of HTTP, jq or GraphQL.

mod answer;
mod applied;
mod bind;
mod dialect;
mod functions;
mod ledger;
mod load;
mod open;
mod read;
mod reader;
mod sqlite;
mod status;
mod tables;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod types;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use migration::{Migrator, MigratorTrait};
use sea_orm::DatabaseConnection;

use crate::{
    catalog::{Catalog, EntityId, FieldId, Valid},
    change::Bus,
    config::DatabaseUrl,
    layout::Layout,
    query::{Output, Read},
    value::{Key, Value},
};

use bind::Params;
use ledger::RunMemory;
use sqlite::Sqlite;

pub use types::*;

/// How long one read may take when nothing else is said.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers for operations at least, also on a machine of one core: a slow query must not hold up the fast ones.
const READERS_MIN: usize = 4;
/// Loads by key take microseconds; two connections saturate any machine that we know.
const LOOKUP_READERS: usize = 2;
/// The ledger asks little.
const OWN_READERS: usize = 1;

/// What all handles to one database share.
struct Inner {
    catalog: Arc<Valid<Catalog>>,
    layout: Arc<Layout>,
    dialect: Sqlite,
    /// None for `Access::Read`.
    writer: Option<DatabaseConnection>,
    /// For the answers to operations.
    readers: Arc<reader::Readers>,
    /// For loads by key, which are quick and must not wait behind what is slow.
    lookups: Arc<reader::Readers>,
    /// For the ledger and the state of health: slow operations must not stop the harvest.
    own: Arc<reader::Readers>,
    bus: Bus,
    /// The runs that this process has under way.
    runs: Mutex<HashMap<i64, Arc<tokio::sync::Mutex<RunMemory>>>>,
    _lock: Option<open::WriterLock>,
}

impl Inner {
    fn writer(&self) -> Result<&sqlx::SqlitePool, StoreError> {
        let writer = self.writer.as_ref().map(open::pool);
        writer.ok_or_else(|| StoreError::Refused("the database was opened for reading only".to_owned()))
    }
}

/// What the database said, for the log; the public text is the variant's own.
fn failed(error: sqlx::Error) -> StoreError {
    tracing::error!(%error, "the database failed");
    StoreError::Database(Box::new(error))
}

/// A handle to one database; cloning gives another handle to the same pools.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens the database, takes the writer's lock (`Access::Write`), migrates the system tables and applies the layout.
    ///
    /// `Access::Read` opens an existing database beside a running writer and changes nothing.
    pub async fn open(
        url: &DatabaseUrl,
        access: Access,
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
    ) -> Result<Store, StoreError> {
        let DatabaseUrl::Sqlite(path) = url;
        Self::open_sqlite(path, access, catalog, layout, STATEMENT_TIMEOUT).await
    }

    async fn open_sqlite(
        path: &Path,
        access: Access,
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
        timeout: Duration,
    ) -> Result<Store, StoreError> {
        let write = access == Access::Write;
        open::check_path(path, write)?;
        let lock = if write {
            Some(open::WriterLock::take(path)?)
        } else {
            None
        };
        let writer = if write { Some(open::writer(path).await?) } else { None };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let readers = |count| Arc::new(reader::Readers::new(path, timeout, count));
        let inner = Inner {
            catalog,
            layout,
            dialect: Sqlite,
            writer,
            readers: readers(cores.max(READERS_MIN)),
            lookups: readers(LOOKUP_READERS),
            own: readers(OWN_READERS),
            bus: Bus::default(),
            runs: Mutex::default(),
            _lock: lock,
        };
        if let Some(writer) = &inner.writer {
            applied::refuse_foreign(&inner, path).await?;
            Migrator::up(writer, None)
                .await
                .map_err(|error| StoreError::Database(Box::new(error)))?;
            applied::apply(&inner).await?;
            ledger::interrupt_all(&inner).await?;
        } else {
            applied::check(&inner, path).await?;
        }
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Announces every commit that changed rows.
    pub fn bus(&self) -> &Bus {
        &self.inner.bus
    }

    /// Compiles a read to one statement. Pure; fails only beyond a database's own limits.
    pub fn compile(&self, read: &Read) -> Result<Statement, StoreError> {
        read::compile(&self.inner.catalog, &self.inner.layout, &self.inner.dialect, read)
    }

    /// Runs a compiled read: one statement, one snapshot. `params` are the operands `Operand::Param(n)`.
    pub async fn read(&self, statement: &Statement, params: &[Value]) -> Result<Answer, StoreError> {
        answer::read(&self.inner, statement, params).await
    }

    /// Compiles a load of rows by key: `by` are the key (or one unique field) of the entity.
    pub fn compile_keyed(
        &self,
        entity: EntityId,
        by: &[FieldId],
        output: &[Output],
    ) -> Result<KeyedStatement, StoreError> {
        read::compile_keyed(
            &self.inner.catalog,
            &self.inner.layout,
            &self.inner.dialect,
            entity,
            by,
            output,
        )
    }

    /// Loads many rows by key in one statement: each found key with the JSON object of its row.
    pub async fn load(&self, statement: &KeyedStatement, keys: &[Key]) -> Result<HashMap<Key, String>, StoreError> {
        answer::load(&self.inner, statement, keys).await
    }

    /// The database's own plan for a statement.
    pub async fn explain(&self, statement: &Statement, params: &[Value]) -> Result<Explanation, StoreError> {
        answer::explain(&self.inner, statement, params).await
    }

    /// Records the start of a run in slot `slot`, or `None` when that slot was already taken.
    ///
    /// An interrupted run of the same fetch whose last heartbeat is at most [`RESUME_MAX`] old is taken over instead:
    /// `Run::checkpoint` is then set. An older one is closed as interrupted.
    pub async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError> {
        ledger::start(&self.inner, start).await
    }

    /// Keeps the lease of a run; an error of kind `Fenced` means that another process has taken it over.
    pub async fn heartbeat(&self, run: &Run) -> Result<(), StoreError> {
        ledger::heartbeat(&self.inner, run).await
    }

    /// One transaction: rows that differ, keys seen, change log, quarantine, request state, counters, checkpoint.
    pub async fn commit_group(&self, run: &Run, group: Group) -> Result<GroupOutcome, StoreError> {
        load::commit_group(&self.inner, run, group).await
    }

    /// Ends a run. `Finish::Complete` first deletes what was not seen, as far as the fetch's `missing` and `missing_max` allow.
    pub async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
        ledger::finish(&self.inner, run, finish).await
    }

    /// What is remembered of an earlier answer to the same request under the same definition.
    pub async fn request_state(&self, fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError> {
        status::request_state(&self.inner, fetch, request).await
    }

    /// The newest run of each fetch, and the newest complete one: what `status` and the scheduler read.
    pub async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError> {
        status::fetch_status(&self.inner).await
    }

    /// Rows per entity.
    pub async fn row_counts(&self) -> Result<Vec<(EntityId, u64)>, StoreError> {
        status::row_counts(&self.inner).await
    }

    /// The newest refused rows of a fetch.
    pub async fn quarantine(&self, fetch: &str, limit: u32) -> Result<Vec<Refused>, StoreError> {
        status::quarantine(&self.inner, fetch, limit).await
    }

    /// The database's own clock.
    pub async fn now(&self) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
        status::now(&self.inner).await
    }

    /// Checkpoints and closes; commits under way are finished first.
    pub async fn close(self) {
        let inner = &self.inner;
        tokio::join!(inner.readers.close(), inner.lookups.close(), inner.own.close());
        if let Ok(writer) = self.inner.writer() {
            // A commit under way holds the only connection, so this waits for it.
            if let Err(error) = Params::default()
                .query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(writer)
                .await
            {
                tracing::warn!(%error, "the write-ahead log could not be folded in; the next start does it");
            }
            writer.close().await;
        }
    }
}
