//! What processes that share a database ask of the store.

use std::sync::PoisonError;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store::{
    Store,
    cluster::{attendance, follow},
    db::{pool::Pool, retry::in_line},
    error::StoreError,
    system::{change_log, clock, processes},
    types::{Attendance, LogHead, ProcessSeen, Retention},
};

impl Store {
    /// Waits until another process tells of work that this one may help with; for ever where nobody listens.
    pub async fn work(&self) {
        self.inner.heard.work.notified().await;
    }

    /// Announces what other processes commit, until cancelled. A database that only one process writes to has none.
    pub async fn follow(&self, cancel: &CancellationToken) {
        let Some(Pool::Postgres(pool)) = &self.inner.writer else {
            cancel.cancelled().await;
            return;
        };
        let wake = Notify::new();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = follow::listen(pool, &self.inner, &wake) => {}
            () = follow::look_again(&self.inner, &wake) => {}
        }
    }

    /// The name of this process in the ledger.
    pub fn name(&self) -> &str {
        &self.inner.process
    }

    /// A sign of life of this process; tells its place among those that harvest from this database.
    pub async fn attend(&self, by_hand: bool) -> Result<Attendance, StoreError> {
        in_line!(attendance::attend(&self.inner, by_hand).await)
    }

    /// The live processes that harvest, and the name of this one among them. Empty where only one can.
    pub async fn processes(&self) -> Result<Vec<ProcessSeen>, StoreError> {
        processes::all(&self.inner).await
    }

    /// The change log's epoch, its first change that is kept, and its newest.
    pub async fn log_head(&self) -> Result<LogHead, StoreError> {
        change_log::head(&self.inner).await
    }

    /// How much of the change log is kept from now on.
    pub fn keep_changes(&self, retention: Retention) {
        *self.inner.retention.lock().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// The database's own clock.
    pub async fn now(&self) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
        clock::now(&self.inner).await
    }
}
