//! The store as a harvest sees it: runs, groups, remembered requests. Knows seven calls; knows no database.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::store::{
    FetchStatus, Finish, Group, GroupOutcome, RequestState, Run, RunSummary, StartRun, Store, StoreError,
};

/// The calls of [`Store`] that a harvest makes; each is that of the same name. Tests put a list in memory in its place.
#[async_trait]
pub(super) trait Ledger: Send + Sync {
    async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError>;
    async fn heartbeat(&self, run: &Run) -> Result<(), StoreError>;
    async fn commit_group(&self, run: &Run, group: Group) -> Result<GroupOutcome, StoreError>;
    async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError>;
    async fn request_state(&self, fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError>;
    async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError>;
    async fn now(&self) -> Result<DateTime<Utc>, StoreError>;
}

#[async_trait]
impl Ledger for Store {
    async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError> {
        Store::start_run(self, start).await
    }

    async fn heartbeat(&self, run: &Run) -> Result<(), StoreError> {
        Store::heartbeat(self, run).await
    }

    async fn commit_group(&self, run: &Run, group: Group) -> Result<GroupOutcome, StoreError> {
        Store::commit_group(self, run, group).await
    }

    async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
        Store::finish_run(self, run, finish).await
    }

    async fn request_state(&self, fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError> {
        Store::request_state(self, fetch, request).await
    }

    async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError> {
        Store::fetch_status(self).await
    }

    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        Store::now(self).await
    }
}
