//! SQLite's write-ahead log: how long it may grow, and when it is made short again. Knows its size
//! and when nobody writes; no rows.
//!
//! A commit folds the log into the file by itself, but the log begins anew only when no reader
//! needs an older part of it. While readers overlap one is always there, and the log grows. Folding
//! it in whole lets them end: whoever reads after that needs the file alone. Meanwhile nobody
//! writes, for as long as the longest read takes.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, SqlitePool};

use crate::store::db::{pool::Pool, readers::Source};

use super::file::{BUSY, beside};

/// Bytes beyond which the log is folded in before the next transaction: twice what it has when
/// nobody reads.
const BYTES_MAX: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };
/// After so much time without a write it is folded in, and takes no room; a reader in its way is
/// looked for again as often.
const REST: Duration = Duration::from_secs(2);
/// Between two looks at whether a reader is in the way.
const GLANCE: Duration = Duration::from_millis(10);
/// Where a reader is allowed to take longer than others, as for a backup, nobody is to wait for it
/// again and again.
const PAUSE: Duration = Duration::from_secs(60);

/// The log of one database; none of PostgreSQL's.
pub(crate) struct Journal {
    file: Option<PathBuf>,
    /// Transactions so far.
    writes: AtomicU64,
    /// A task waits for a rest.
    attended: AtomicBool,
    /// When it could not be made short.
    kept: Mutex<Option<Instant>>,
    /// How often in a row a reader was in the way while nobody wrote.
    hindered: AtomicU64,
}

impl Journal {
    pub(crate) fn of(source: &Source) -> Arc<Journal> {
        Arc::new(Journal {
            file: match source {
                Source::Sqlite(path) => Some(beside(path, "-wal")),
                Source::Postgres(..) => None,
            },
            writes: AtomicU64::default(),
            attended: AtomicBool::default(),
            kept: Mutex::default(),
            hindered: AtomicU64::default(),
        })
    }

    /// Its length in bytes; 0 when there is none.
    fn bytes(&self) -> u64 {
        let file = self.file.as_ref().and_then(|file| file.metadata().ok());
        file.map_or(0, |file| file.len())
    }

    /// Folds it in and makes it short, unless a reader takes too long.
    async fn fold(&self, writer: &Pool) {
        let Pool::Sqlite(pool) = writer else { return };
        if let Err(error) = fold_in_turn(pool).await {
            tracing::debug!(%error, "the write-ahead log was not folded in");
        }
        let kept = (self.bytes() > 0).then(Instant::now);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// The same while nobody writes. It waits for no reader, as whoever writes next would wait with
    /// it: those who come when all is in the file need the log no more, so that the others end
    /// sooner or later. True when there is nothing left to do.
    async fn fold_at_rest(&self, writer: &Pool) -> bool {
        let Pool::Sqlite(pool) = writer else { return true };
        match fold_at_once(pool).await {
            Ok(()) => {}
            Err(sqlx::Error::PoolClosed) => return true,
            Err(error) => tracing::debug!(%error, "the write-ahead log was not folded in"),
        }
        let folded = self.bytes() == 0;
        match folded {
            true => self.hindered.store(0, Ordering::Release),
            // It is said once.
            false if self.hindered.fetch_add(1, Ordering::AcqRel) == 0 => {
                tracing::debug!("a reader needs the write-ahead log; it is folded in when that one has ended");
            }
            false => {}
        }
        folded
    }

    /// How often in a row it was not folded in at rest.
    #[cfg(test)]
    pub(crate) fn hindered(&self) -> u64 {
        self.hindered.load(Ordering::Acquire)
    }

    fn may_fold(&self) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.is_none_or(|kept| kept.elapsed() > PAUSE)
    }
}

/// Before a transaction: keeps the log within its bounds.
pub(crate) async fn before_write(journal: &Arc<Journal>, writer: &Pool) {
    if journal.file.is_none() {
        return;
    }
    if journal.bytes() > BYTES_MAX && journal.may_fold() {
        journal.fold(writer).await;
    }
    journal.writes.fetch_add(1, Ordering::AcqRel);
    if !journal.attended.swap(true, Ordering::AcqRel) {
        tokio::spawn(attend(Arc::clone(journal), writer.clone()));
    }
}

/// Folds all of the log into the file, and then makes it short, which waits for those who began to
/// read before that.
///
/// SQLite itself waits for the readers of one mark after the other, and new ones may take a mark
/// on, so that it can wait in vain. Looked at again and again there is a moment without one: from
/// then on who reads needs the file alone.
async fn fold_in_turn(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    // Held, so that nobody writes meanwhile.
    let mut writer = pool.acquire().await?;
    let began = Instant::now();
    while began.elapsed() < BUSY {
        let passive = sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)");
        let (_, frames, folded): (i64, i64, i64) = passive.fetch_one(&mut *writer).await?;
        if frames == folded {
            break;
        }
        tokio::time::sleep(GLANCE).await;
    }
    let shorten = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *writer);
    shorten.await.map(|_| ())
}

/// Folds the log in as far as that goes without waiting for anybody.
async fn fold_at_once(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut writer = pool.acquire().await?;
    let patience = format!("PRAGMA busy_timeout={}", BUSY.as_millis());
    let mut done = Ok(());
    for sql in ["PRAGMA busy_timeout=0", "PRAGMA wal_checkpoint(TRUNCATE)", &patience] {
        let ran = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *writer).await;
        done = done.and(ran.map(|_| ()));
    }
    done
}

/// Waits until nobody writes for a while, and folds the log in.
async fn attend(journal: Arc<Journal>, writer: Pool) {
    let mut before = 0;
    loop {
        let writes = journal.writes.load(Ordering::Acquire);
        if writes == before && journal.fold_at_rest(&writer).await {
            journal.attended.store(false, Ordering::Release);
            // Somebody may have begun to write meanwhile, who took this task for awake.
            let more = journal.writes.load(Ordering::Acquire) != before;
            if !more || journal.attended.swap(true, Ordering::AcqRel) {
                return;
            }
        }
        before = writes;
        tokio::time::sleep(REST).await;
    }
}
