//! What callers ask about the processes of one database: signs of life, commits of others, the
//! change log, the clock.

use std::sync::PoisonError;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store::{
    Store,
    cluster::{attendance, follow},
    db::{pool::Pool, retry::retry},
    error::StoreError,
    system::{change_log, clock, processes},
    types::{Attendance, LogHead, ProcessSeen, Retention},
};

impl Store {
    /// Waits until another process tells of work that this one may help with, or waits for a sign
    /// of life; for ever where nobody listens.
    pub(crate) async fn work(&self) {
        self.context.heard.work.notified().await;
    }

    /// Announces what other processes commit, until cancelled. A database that only one process
    /// writes to has none.
    pub(crate) async fn follow(&self, cancel: &CancellationToken) {
        let Some(Pool::Postgres(pool)) = &self.context.writer else {
            cancel.cancelled().await;
            return;
        };
        let wake = Notify::new();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = follow::listen(pool, &self.context, &wake) => {}
            () = follow::look_again(&self.context, &wake) => {}
        }
    }

    /// The name of this process in the ledger.
    #[cfg(test)]
    pub(crate) fn name(&self) -> &str {
        &self.context.process
    }

    /// A sign of life of this process; tells its place among those that harvest from this database.
    /// `call` asks the others for one of theirs, see [`Store::work`].
    pub(crate) async fn attend(&self, by_hand: bool, call: bool) -> Result<Attendance, StoreError> {
        retry!(attendance::attend(&self.context, by_hand, call).await)
    }

    /// The live processes that harvest, and the name of this one among them. Empty where only one
    /// can.
    pub(crate) async fn processes(&self) -> Result<Vec<ProcessSeen>, StoreError> {
        processes::all(&self.context).await
    }

    /// The change log's epoch, its first change that is kept, and its newest.
    pub(crate) async fn log_head(&self) -> Result<LogHead, StoreError> {
        change_log::head(&self.context).await
    }

    /// How much of the change log is kept from now on.
    pub(crate) fn keep_changes(&self, retention: Retention) {
        *self.context.retention.lock().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// The database's own clock.
    pub(crate) async fn now(&self) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
        clock::now(&self.context).await
    }
}
