//! The only place that speaks SQL: layout, reads, loads, the ledger. Knows nothing of HTTP, jq or GraphQL.

mod types;

use std::{collections::HashMap, sync::Arc};

use crate::{
    catalog::{Catalog, EntityId, FieldId, Valid},
    change::Bus,
    config::DatabaseUrl,
    layout::Layout,
    query::{Output, Read},
    value::{Key, Value},
};

pub use types::*;

/// A handle to one database; cloning gives another handle to the same pools.
#[derive(Clone)]
pub struct Store {
    // being written
    pub(crate) bus: Bus,
}

impl Store {
    /// Opens the database, takes the writer's lock (`Access::Write`), migrates the system tables and applies the layout.
    ///
    /// `Access::Read` opens an existing database beside a running writer and changes nothing.
    pub async fn open(
        _url: &DatabaseUrl,
        _access: Access,
        _catalog: Arc<Valid<Catalog>>,
        _layout: Arc<Layout>,
    ) -> Result<Store, StoreError> {
        unimplemented!()
    }

    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Compiles a read to one statement. Pure; fails only beyond a database's own limits.
    pub fn compile(&self, _read: &Read) -> Result<Statement, StoreError> {
        unimplemented!()
    }

    /// Runs a compiled read: one statement, one snapshot. `params` are the operands `Operand::Param(n)`.
    pub async fn read(&self, _statement: &Statement, _params: &[Value]) -> Result<Answer, StoreError> {
        unimplemented!()
    }

    /// Compiles a load of rows by key: `by` are the key (or one unique field) of the entity.
    pub fn compile_keyed(
        &self,
        _entity: EntityId,
        _by: &[FieldId],
        _output: &[Output],
    ) -> Result<KeyedStatement, StoreError> {
        unimplemented!()
    }

    /// Loads many rows by key in one statement: each found key with the JSON object of its row.
    pub async fn load(&self, _statement: &KeyedStatement, _keys: &[Key]) -> Result<HashMap<Key, String>, StoreError> {
        unimplemented!()
    }

    /// The database's own plan for a statement.
    pub async fn explain(&self, _statement: &Statement, _params: &[Value]) -> Result<Explanation, StoreError> {
        unimplemented!()
    }

    /// Records the start of a run in slot `slot`, or `None` when that slot was already taken.
    ///
    /// An interrupted run of the same fetch whose last heartbeat is at most [`RESUME_MAX`] old is taken over instead:
    /// `Run::checkpoint` is then set. An older one is closed as interrupted.
    pub async fn start_run(&self, _start: &StartRun) -> Result<Option<Run>, StoreError> {
        unimplemented!()
    }

    /// Keeps the lease of a run; an error of kind `Fenced` means that another process has taken it over.
    pub async fn heartbeat(&self, _run: &Run) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// One transaction: rows that differ, keys seen, change log, quarantine, request state, counters, checkpoint.
    pub async fn commit_group(&self, _run: &Run, _group: Group) -> Result<GroupOutcome, StoreError> {
        unimplemented!()
    }

    /// Ends a run. `Finish::Complete` first deletes what was not seen, as far as the fetch's `missing` and `missing_max` allow.
    pub async fn finish_run(&self, _run: &Run, _finish: Finish) -> Result<RunSummary, StoreError> {
        unimplemented!()
    }

    /// What is remembered of an earlier answer to the same request under the same definition.
    pub async fn request_state(&self, _fetch: &str, _request: &str) -> Result<Option<RequestState>, StoreError> {
        unimplemented!()
    }

    /// The newest run of each fetch, and the newest complete one: what `status` and the scheduler read.
    pub async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError> {
        unimplemented!()
    }

    /// Rows per entity.
    pub async fn row_counts(&self) -> Result<Vec<(EntityId, u64)>, StoreError> {
        unimplemented!()
    }

    /// The newest refused rows of a fetch.
    pub async fn quarantine(&self, _fetch: &str, _limit: u32) -> Result<Vec<Refused>, StoreError> {
        unimplemented!()
    }

    /// The database's own clock.
    pub async fn now(&self) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
        unimplemented!()
    }

    /// Checkpoints and closes; commits under way are finished first.
    pub async fn close(self) {
        unimplemented!()
    }
}
