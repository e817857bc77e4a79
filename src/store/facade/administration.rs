//! What a person asks of the store: held deletions, refused records, indexes, backups.

use std::{path::Path, sync::atomic::Ordering, time::Duration};

use crate::{
    catalog::{EntityId, FetchId},
    config::DatabaseUrl,
    store::{
        Store,
        db::retry::retry,
        error::StoreError,
        figures::statistics,
        migrate::{
            build::{self, Turn},
            index, indexes,
        },
        read::{
            counts,
            cut::{self, Cut},
            dangling::{self, Dangling},
        },
        runs::replay,
        sqlite_backup::{self, Backup, Restored},
        system::{held, quarantine},
        types::{Decision, HeldDeletion, QuarantineFilter, Quarantined, Refused},
    },
};

impl Store {
    /// Builds the indexes that were too large to be built at opening, beside whoever reads and
    /// writes. What fails is tried again at the next start.
    pub(crate) async fn finish_indexes(&self) -> Result<(), StoreError> {
        let waiting = self.context.deferred.waiting();
        let missing = index::unbuilt(&self.context).await?;
        if build::build(&self.context, &missing, Turn::IfFree).await?.is_none() {
            tracing::info!("somebody else builds the indexes");
            return Ok(());
        }
        self.context.deferred.end(&waiting);
        index::drop_shorter(&self.context).await?;
        statistics::complete(&self.context).await;
        Ok(())
    }

    /// What waits for its index to be built, as in `Item.price`. Answers are right without it, and
    /// slower.
    pub(crate) async fn waiting_indexes(&self) -> Result<Vec<String>, StoreError> {
        let there = index::found(&indexes::there(&self.context).await?)?;
        Ok(index::waiting(self.context.dialect, &self.context.layout, &there))
    }

    /// Counts the links of each field that lead nowhere; fields without any are left out. What is
    /// not counted within the time is said to be unknown.
    pub(crate) async fn dangling_links(&self, time: Duration) -> Result<Vec<Dangling>, StoreError> {
        dangling::all(&self.context, time).await
    }

    /// Counts the texts that are longer than what is searched of them, in the same way.
    pub(crate) async fn cut_texts(&self, time: Duration) -> Result<Vec<Cut>, StoreError> {
        cut::all(&self.context, time).await
    }

    /// Makes the next run read again, in full, what had refused records; gives how many of these
    /// there are.
    pub(crate) async fn forget_refused(&self, fetch: FetchId) -> Result<u64, StoreError> {
        let catalog = &self.context.catalog;
        let (name, on_field) = (catalog.fetch_name(fetch), catalog.fetch(fetch).field_fetch.is_some());
        retry!(replay::forget(&self.context, &name, on_field).await)
    }

    /// Rows per entity.
    pub(crate) async fn row_counts(&self) -> Result<Vec<(EntityId, u64)>, StoreError> {
        counts::row_counts(&self.context).await
    }

    /// The newest refused rows of a fetch.
    pub(crate) async fn quarantine(&self, fetch: &str, limit: u32) -> Result<Vec<Refused>, StoreError> {
        quarantine::newest(&self.context, fetch, limit).await
    }

    /// Copies a database as it is at one moment into a new file; who writes to it goes on. Needs no
    /// definition.
    pub(crate) async fn backup(url: &DatabaseUrl, file: &Path) -> Result<Backup, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => sqlite_backup::backup(path, file).await,
            DatabaseUrl::Postgres(url) => Err(sqlite_backup::refused(format!(
                "{url} is kept by its server, whose own tool makes the backup: pg_dump --format=custom --file={} '{url}' \
                 (with the user and password of --database; see docs/backup.md)",
                file.display()
            ))),
        }
    }

    /// Puts a backup in the place of a database that nobody serves, in a new epoch of the change
    /// log.
    pub(crate) async fn restore(url: &DatabaseUrl, file: &Path, replace: bool) -> Result<Restored, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => sqlite_backup::restore(path, file, replace).await,
            DatabaseUrl::Postgres(url) => Err(sqlite_backup::refused(format!(
                "{url} is kept by its server, whose own tool restores it: stop all `hayloft serve` of it, make an empty \
                 database, run pg_restore --no-owner --dbname='{url}' {}, and start `hayloft serve` again, which begins a new \
                 epoch by itself; see docs/backup.md",
                file.display()
            ))),
        }
    }

    /// Why harvests cannot write, in words for everybody; none as long as they can.
    pub(crate) fn cannot_write(&self) -> Option<String> {
        let is_full = self.context.writable.is_full.load(Ordering::Relaxed);
        is_full.then(|| StoreError::Full.to_string())
    }

    /// Deletions that were too many and wait for a decision.
    pub(crate) async fn held_deletions(&self) -> Result<Vec<HeldDeletion>, StoreError> {
        held::open(&self.context).await
    }

    /// Decides about the rows that are held of a fetch, and gives how many they are: 0 when none
    /// is. Approved rows go with the next complete run that misses them, too; kept ones stay until
    /// the upstream has them again.
    pub(crate) async fn decide_held(&self, fetch: &str, decision: Decision) -> Result<u64, StoreError> {
        retry!(held::decide(&self.context, fetch, decision).await)
    }

    /// The refused records of a filter in their order, at most `limit` of those after the number
    /// `after`.
    pub(crate) async fn refused_records(
        &self,
        filter: &QuarantineFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Quarantined>, StoreError> {
        quarantine::list(&self.context, filter, after, limit).await
    }
}
