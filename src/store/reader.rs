//! The readers: a bounded set of read-only connections, each with a deadline. Knows time and connections; no SQL.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::DatabaseConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{open, types::StoreError};

/// Readers at least, also on a machine of one core: a slow query must not hold up the fast ones.
const READERS_MIN: usize = 4;

/// Where deadlines are counted from.
#[derive(Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    fn micros(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// When the statement under way has to end; 0: nothing is under way.
#[derive(Default)]
pub struct Deadline(AtomicU64);

impl Deadline {
    pub fn is_over(&self, clock: Clock) -> bool {
        let at = self.0.load(Ordering::Relaxed);
        at != 0 && clock.micros() >= at
    }
}

struct Reader {
    connection: DatabaseConnection,
    deadline: Arc<Deadline>,
}

/// All readers of a store.
pub struct Readers {
    clock: Clock,
    limit: Duration,
    free: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
    count: usize,
}

/// A reader taken for one statement; given back when dropped.
pub struct Taken {
    readers: Arc<Readers>,
    reader: Option<Reader>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub fn new(database: &Path, limit: Duration) -> Readers {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = cores.max(READERS_MIN);
        let clock = Clock(Instant::now());
        let free = (0..count)
            .map(|_| {
                let deadline = Arc::new(Deadline::default());
                Reader {
                    connection: open::reader(database, clock, Arc::clone(&deadline)),
                    deadline,
                }
            })
            .collect();
        Readers {
            clock,
            limit,
            free: Mutex::new(free),
            permits: Arc::new(Semaphore::new(count)),
            count,
        }
    }

    /// Waits for a free reader and sets its deadline; the wait counts.
    pub async fn take(self: &Arc<Self>) -> Result<Taken, StoreError> {
        let wait = tokio::time::timeout(self.limit, Arc::clone(&self.permits).acquire_owned());
        let permit = wait.await.map_err(|_| StoreError::Timeout(self.limit))?;
        let permit = permit.map_err(|error| StoreError::Database(Box::new(error)))?;
        // The reader used last is used next: its pages and statements are warm.
        let reader = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(reader) = &reader {
            let at = self.clock.micros() + u64::try_from(self.limit.as_micros()).unwrap_or(u64::MAX / 2);
            reader.deadline.0.store(at, Ordering::Relaxed);
        }
        Ok(Taken {
            readers: Arc::clone(self),
            reader,
            _permit: permit,
        })
    }

    /// Closes the readers that are free.
    pub async fn close(&self) {
        let wait = tokio::time::timeout(Duration::from_millis(500), self.permits.acquire_many(self.count as u32));
        let _all = wait.await;
        self.permits.close();
        let readers = std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner));
        for reader in readers {
            open::pool(&reader.connection).close().await;
        }
    }
}

impl Taken {
    pub fn pool(&self) -> Result<&sqlx::SqlitePool, StoreError> {
        let reader = self.reader.as_ref();
        reader
            .map(|reader| open::pool(&reader.connection))
            .ok_or_else(|| StoreError::Refused("the store is closed".to_owned()))
    }

    /// Names an error: what the deadline interrupted is a timeout.
    pub fn error(&self, error: sqlx::Error) -> StoreError {
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .map(|code| code.into_owned());
        // SQLITE_INTERRUPT
        if code.as_deref() == Some("9") {
            return StoreError::Timeout(self.readers.limit);
        }
        super::failed(error)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.deadline.0.store(0, Ordering::Relaxed);
            self.readers
                .free
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(reader);
        }
    }
}
