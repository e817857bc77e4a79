//! SQLite's write-ahead log: how long it may grow, and when it is made short again. Knows its size and when nobody writes; no rows.
//!
//! A commit folds the log into the file by itself, but the log begins anew only when no reader needs an older part of it. While
//! readers overlap one is always there, and the log grows. Folding it in whole lets them end: whoever reads after that needs the file
//! alone. Meanwhile nobody writes, for as long as the longest read takes.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Inner, driver::Pool, open::beside, reader::Source};

/// Bytes beyond which the log is folded in before the next transaction: twice what it has when nobody reads.
const BYTES_MAX: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };
/// After so much time without a write it is folded in, and takes no room.
const REST: Duration = Duration::from_secs(2);
/// Where a reader is allowed to take longer than others, as for a backup, nobody is to wait for it again and again.
const PAUSE: Duration = Duration::from_secs(60);

/// The log of one database; none of PostgreSQL's.
pub struct Journal {
    file: Option<PathBuf>,
    /// Transactions so far.
    writes: AtomicU64,
    /// A task waits for a rest.
    attended: AtomicBool,
    /// When it could not be made short.
    kept: Mutex<Option<Instant>>,
}

impl Journal {
    pub fn of(source: &Source) -> Arc<Journal> {
        Arc::new(Journal {
            file: match source {
                Source::Sqlite(path) => Some(beside(path, "-wal")),
                Source::Postgres(..) => None,
            },
            writes: AtomicU64::default(),
            attended: AtomicBool::default(),
            kept: Mutex::default(),
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
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await;
        if let Err(error) = folded {
            tracing::debug!(%error, "the write-ahead log was not folded in");
        }
        let kept = (self.bytes() > 0).then(Instant::now);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    fn may_fold(&self) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.is_none_or(|kept| kept.elapsed() > PAUSE)
    }
}

/// Before a transaction: keeps the log within its bounds.
pub async fn before_write(inner: &Inner, writer: &Pool) {
    let journal = &inner.journal;
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

/// Waits until nobody writes for a while, and folds the log in.
async fn attend(journal: Arc<Journal>, writer: Pool) {
    let mut before = 0;
    loop {
        let writes = journal.writes.load(Ordering::Acquire);
        if writes == before {
            journal.fold(&writer).await;
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
