//! The readers: a bounded set of read-only connections, each with a deadline. Knows time and
//! connections; no SQL.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::store::error::{Beyond, StoreError, failed};

use super::{
    deadline::{Clock, Deadline, Heard},
    dialect::Dialect,
    guard::Guarded,
    lent::{LONG_AGO, Lent},
    made::{self, Bounds, Made},
    params::Command,
    pool::{Pool, ResultRow},
    postgres::{connect::Plans, session::Session},
    sqlite::{
        dialect::Sqlite,
        file,
        functions::Time,
        reader::{Connection, Failure, FileReader, named},
    },
};

#[cfg(test)]
use std::sync::atomic::AtomicU64;

/// How long closing waits for statements that were interrupted.
const CLOSE_WAIT: Duration = Duration::from_millis(300);
/// How long a statement may go on after its deadline, and an abandoned one: then its reader hears
/// nothing, and another takes its place.
const HEARS: Duration = if cfg!(test) {
    Duration::from_secs(2)
} else {
    Duration::from_secs(4)
};

struct Reader {
    link: Link,
    deadline: Arc<Deadline>,
    made: Arc<Made>,
}

/// A reader's one connection.
enum Link {
    Sqlite(Pool),
    /// Of a file, for statements that go there and back once.
    File(FileReader),
    Postgres(Box<Session>),
}

impl Link {
    fn plan(&mut self, plans: Plans) {
        if let Link::Postgres(session) = self {
            session.plan(plans);
        }
    }

    /// Whether it has planned its last statement so. SQLite knows one way.
    fn plans(&self, plans: Plans) -> bool {
        match self {
            Link::Sqlite(_) | Link::File(_) => true,
            Link::Postgres(session) => session.plans() == plans,
        }
    }
}

/// Where readers connect to.
#[derive(Clone)]
pub(crate) enum Source {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>, Guarded),
}

impl Source {
    fn link(&self, time: Time, limit: Duration, purpose: Purpose) -> Link {
        match self {
            Source::Sqlite(path) => match purpose {
                Purpose::Answers | Purpose::Keys => Link::File(FileReader::new(path, time)),
                Purpose::Own => Link::Sqlite(file::reader(path, time)),
            },
            Source::Postgres(options, guard) => {
                let session = Session::new((**options).clone(), Arc::clone(guard), limit, purpose.plans());
                Link::Postgres(Box::new(session))
            }
        }
    }
}

/// What readers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Answers to operations.
    Answers,
    /// Rows by their keys, those of many answers in one statement.
    Keys,
    /// The store's own questions.
    Own,
}

impl Purpose {
    fn plans(self) -> Plans {
        match self {
            Purpose::Answers | Purpose::Own => Plans::Custom,
            Purpose::Keys => Plans::Generic,
        }
    }
}

/// All readers of a store.
pub(crate) struct Readers {
    source: Source,
    clock: Clock,
    limit: Duration,
    free: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
    purpose: Purpose,
    count: usize,
    /// What one statement may make.
    bounds: Mutex<Bounds>,
    /// Of all readers, those that are taken included.
    deadlines: Mutex<Vec<Arc<Deadline>>>,
    /// Statements so far.
    #[cfg(test)]
    pub statements: AtomicU64,
    /// Readers that were given up so far.
    #[cfg(test)]
    pub replaced: AtomicU64,
}

/// A reader taken for one statement. Given back when dropped; if its statement was abandoned (a
/// client that went away), only once that has ended.
pub(crate) struct Taken {
    readers: Arc<Readers>,
    reader: Option<Reader>,
    permit: Option<OwnedSemaphorePermit>,
    /// No statement of ours is under way.
    idle: bool,
}

impl Readers {
    pub(crate) fn new(source: &Source, purpose: Purpose, limit: Duration, count: usize) -> Readers {
        let clock = Clock::begin();
        let free: Vec<Reader> = (0..count).map(|_| Reader::new(source, clock, limit, purpose)).collect();
        let deadlines = free.iter().map(|reader| Arc::clone(&reader.deadline));
        Readers {
            source: source.clone(),
            clock,
            limit,
            purpose,
            count,
            bounds: Mutex::new(Bounds::ENDLESS),
            deadlines: Mutex::new(deadlines.collect()),
            free: Mutex::new(free),
            permits: Arc::new(Semaphore::new(count)),
            #[cfg(test)]
            statements: AtomicU64::default(),
            #[cfg(test)]
            replaced: AtomicU64::default(),
        }
    }

    /// How many statements run at once.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How long one statement may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Bytes of all texts of a statement: look-ups by key are many answers in one.
    fn whole(&self) -> u64 {
        match self.purpose {
            Purpose::Answers | Purpose::Own => self.bounds().bytes,
            Purpose::Keys => u64::MAX,
        }
    }

    /// Whether a reader's connection is lent ([`Taken::ask`], [`Taken::lend`]), and asked in no
    /// other way: those to a file that answers come from.
    pub(crate) fn lends(&self) -> bool {
        matches!(self.source, Source::Sqlite(_)) && self.purpose != Purpose::Own
    }

    /// What one statement may make from now on.
    pub(crate) fn bound(&self, bounds: Bounds) {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner) = bounds;
    }

    pub(crate) fn bounds(&self) -> Bounds {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader apart from these, for what may take longer; to be closed by whoever asked for it.
    pub(crate) fn apart(&self, limit: Duration) -> Arc<Readers> {
        Arc::new(Readers::new(&self.source, Purpose::Own, limit, 1))
    }

    /// Waits for a free reader and sets its deadline; the wait counts.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Taken, StoreError> {
        self.take_for(self.purpose.plans()).await
    }

    /// The same for a statement that a server is to plan so.
    pub(crate) async fn take_for(self: &Arc<Self>, plans: Plans) -> Result<Taken, StoreError> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let wait = tokio::time::timeout(self.limit, Arc::clone(&self.permits).acquire_owned());
                let permit = wait.await.map_err(|_| StoreError::Waited(self.limit))?;
                permit.map_err(|error| StoreError::Database(Box::new(error)))?
            }
        };
        let mut reader = self.free(plans);
        if let Some(reader) = &mut reader {
            reader.link.plan(plans);
            reader
                .deadline
                .at
                .store(self.clock.after(self.limit), Ordering::Relaxed);
            reader.made.begin(self.bounds());
        }
        Ok(Taken {
            readers: Arc::clone(self),
            reader,
            permit: Some(permit),
            idle: true,
        })
    }

    /// The reader used last is used next, as its pages and statements are warm; of those that have
    /// planned like this, as another one would have to be told.
    fn free(&self, plans: Plans) -> Option<Reader> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        match free.iter().rposition(|reader| reader.link.plans(plans)) {
            Some(at) => Some(free.remove(at)),
            None => free.pop(),
        }
    }

    fn give_back(&self, reader: Reader) {
        reader.deadline.rest();
        drop(reader.made.lists());
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
    }

    /// Puts a new reader in the place of one that hears nothing; its statement ends some time, and
    /// its connection with it.
    fn replace(&self, lost: &Reader) {
        tracing::warn!("a statement does not end though its time is over; its connection is given up");
        let fresh = Reader::new(&self.source, self.clock, self.limit, self.purpose);
        let mut deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        deadlines.retain(|deadline| !Arc::ptr_eq(deadline, &lost.deadline));
        deadlines.push(Arc::clone(&fresh.deadline));
        self.give_back(fresh);
        #[cfg(test)]
        self.replaced.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes the readers, those under way as soon as their statement is interrupted.
    pub(crate) async fn close(&self) {
        // Nobody waits for these answers any more; a statement under way ends within some thousand
        // steps.
        for deadline in &*self.deadlines.lock().unwrap_or_else(PoisonError::into_inner) {
            deadline.at.store(LONG_AGO, Ordering::Relaxed);
        }
        let all = self.permits.acquire_many(self.count as u32);
        if tokio::time::timeout(CLOSE_WAIT, all).await.is_err() {
            tracing::debug!("a statement under way was left behind");
        }
        self.permits.close();
        let readers = std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner));
        for mut reader in readers {
            match &mut reader.link {
                Link::Sqlite(pool) => pool.close().await,
                Link::File(reader) => reader.close().await,
                Link::Postgres(session) => session.close().await,
            }
        }
    }
}

impl Taken {
    /// Runs the statement and gives all its rows.
    pub(crate) async fn fetch(mut self, command: Command) -> Result<Vec<ResultRow>, StoreError> {
        let rows = self.run(command).await?;
        rows.map_err(|error| self.error(error))
    }

    /// The same with the database's own error, for who can say more about it.
    pub(crate) async fn run(&mut self, command: Command) -> Result<Result<Vec<ResultRow>, sqlx::Error>, StoreError> {
        let Some(reader) = &mut self.reader else {
            return Err(StoreError::Refused("the store is closed".to_owned()));
        };
        self.idle = false;
        #[cfg(test)]
        self.readers.statements.fetch_add(1, Ordering::Relaxed);
        let rows = match &mut reader.link {
            Link::File(_) => return Err(StoreError::Internal("a lent connection was asked".to_owned())),
            // It ends by itself at its deadline, if it hears of it.
            Link::Sqlite(pool) => {
                let ends = tokio::time::timeout(self.readers.limit + HEARS, pool.fetch_all(command));
                ends.await.map_err(|_| StoreError::Timeout(self.readers.limit))?
            }
            Link::Postgres(session) => session.fetch_all(command, self.readers.whole()).await,
        };
        // What was left in the middle goes on until it is told to end.
        self.idle = !matches!(&rows, Err(sqlx::Error::Decode(cause)) if cause.is::<Beyond>());
        Ok(rows)
    }

    /// Lends a file's connection to one statement, on a thread that may block; with the database's
    /// own error.
    pub(crate) async fn ask<T: Send + 'static>(
        &mut self,
        statement: impl FnOnce(&Connection, &Made) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Result<T, sqlx::Error>, StoreError> {
        let (connection, _, made) = lent(&self.reader)?;
        self.idle = false;
        #[cfg(test)]
        self.readers.statements.fetch_add(1, Ordering::Relaxed);
        let made = Arc::clone(made);
        let asked = connection.work(move |connection| statement(connection, &made));
        // It ends by itself at its deadline, if it hears of it.
        let ended = tokio::time::timeout(self.readers.limit + HEARS, asked).await;
        let ended = ended.map_err(|_| StoreError::Timeout(self.readers.limit))?;
        self.idle = true;
        Ok(ended.and_then(|done| done.map_err(|failure| named(&failure))))
    }

    /// Lends a file's connection to work that runs statements there one after the other, on a
    /// thread that may block. It has to begin each by [`Lent::begin`], and none after the time of
    /// one statement. A statement for which nobody waits any more is ended.
    pub(crate) async fn lend<T: Send + 'static>(
        mut self,
        heard: Heard,
        work: impl FnOnce(&Connection, Lent) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (connection, deadline, made) = lent(&self.reader)?;
        let lent = Lent {
            clock: self.readers.clock,
            limit: self.readers.limit,
            bounds: self.readers.bounds(),
            until: deadline.at.load(Ordering::Relaxed),
            deadline: Arc::clone(deadline),
            made: Arc::clone(made),
        };
        deadline.ends_unheard(heard);
        self.idle = false;
        let done = connection.work(move |connection| work(connection, lent));
        let done = tokio::time::timeout(self.readers.limit + HEARS, done).await;
        let done = done.map_err(|_| StoreError::Timeout(self.readers.limit))?;
        self.idle = true;
        done.map_err(failed)
    }

    /// The lists that the last statement laid beside its rows.
    pub(crate) fn lists(&self) -> Vec<String> {
        self.reader.as_ref().map_or_else(Vec::new, |reader| reader.made.lists())
    }

    fn is_over(&self) -> bool {
        let reader = self.reader.as_ref();
        reader.is_some_and(|reader| reader.deadline.is_over(self.readers.clock))
    }

    /// Names an error: what the deadline interrupted is a timeout.
    pub(crate) fn error(&self, error: sqlx::Error) -> StoreError {
        // A list that a statement ends with when its time is over is not whole either.
        let reader = self.reader.as_ref().filter(|_| !self.is_over());
        let beyond = reader.and_then(|reader| reader.made.beyond());
        if let Some(beyond) = beyond.or_else(|| made::beyond_of(&error, self.readers.bounds())) {
            return StoreError::Beyond(beyond);
        }
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .map(|code| code.into_owned());
        match code.as_deref() {
            // SQLITE_INTERRUPT, and PostgreSQL's statement_timeout.
            Some("9" | "57014") => StoreError::Timeout(self.readers.limit),
            // A function of ours was asked to go on after that.
            Some("1") if self.is_over() => StoreError::Timeout(self.readers.limit),
            _ => failed(error),
        }
    }
}

/// What of a reader is lent.
fn lent(reader: &Option<Reader>) -> Result<(&FileReader, &Arc<Deadline>, &Arc<Made>), StoreError> {
    match reader {
        Some(Reader {
            link: Link::File(connection),
            deadline,
            made,
        }) => Ok((connection, deadline, made)),
        _ => Err(StoreError::Refused("the store is closed, or not a file".to_owned())),
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(mut reader) = self.reader.take() else { return };
        if self.idle {
            self.readers.give_back(reader);
            return;
        }
        reader.deadline.at.store(LONG_AGO, Ordering::Relaxed);
        let (readers, permit) = (Arc::clone(&self.readers), self.permit.take());
        // Without a runtime the program is ending, and the reader with it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                match tokio::time::timeout(HEARS, reader.idle()).await {
                    Ok(()) => readers.give_back(reader),
                    Err(_) => readers.replace(&reader),
                }
                drop(permit);
            });
        }
    }
}

impl Reader {
    fn new(source: &Source, clock: Clock, limit: Duration, purpose: Purpose) -> Reader {
        let (deadline, made) = (Arc::new(Deadline::default()), Arc::new(Made::default()));
        let time = Time {
            clock,
            deadline: Arc::clone(&deadline),
            made: Arc::clone(&made),
        };
        Reader {
            link: source.link(time, limit, purpose),
            deadline,
            made,
        }
    }

    /// Waits until the statement under way has ended: a connection does one thing after the other.
    async fn idle(&mut self) {
        match &mut self.link {
            Link::Sqlite(pool) => {
                if let Err(error) = pool.execute(Sqlite.params().query("SELECT 1")).await {
                    tracing::debug!(%error, "a reader was abandoned and does not answer");
                }
            }
            Link::File(reader) => reader.idle().await,
            Link::Postgres(session) => session.idle().await,
        }
    }
}
