//! One reading connection to a database file and the thread that works with it: both are there when
//! they are first used. Knows rusqlite and pragmas; no tables, and not whose time it is.
//!
//! A look-up takes less time than its way to another thread. sqlx sends each row back on a way of
//! its own, and asks a connection once more when it is given back. Here a statement and all its
//! rows go there and back once. The thread is no runtime's: nobody waits for it when that ends.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use rusqlite::OpenFlags;
pub(crate) use rusqlite::{Connection, Error as Failure};
use sqlx::error::{DatabaseError, ErrorKind};
use tokio::sync::oneshot;

use super::{
    dialect::DECIMAL_COLLATION,
    file::{BUSY, CACHE_KIB, MMAP_BYTES, STATEMENTS, STEPS_PER_LOOK},
    functions::{self, Time},
};

pub(crate) struct FileReader {
    path: PathBuf,
    time: Time,
    /// Where the thread waits for something to do.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
}

/// With the connection, or why there is none.
type Work = Box<dyn FnOnce(Result<&Connection, Failure>) + Send>;

enum Job {
    Work(Work),
    Close(oneshot::Sender<()>),
}

impl FileReader {
    pub(crate) fn new(path: &Path, time: Time) -> FileReader {
        FileReader {
            path: path.to_owned(),
            time,
            jobs: Mutex::default(),
        }
    }

    /// Does work with the connection, behind all that is under way there. Who stops waiting leaves
    /// it there: it ends at its deadline.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, sqlx::Error> {
        let (tell, told) = oneshot::channel();
        self.send(Job::Work(Box::new(move |connection: Result<&Connection, Failure>| {
            // Nobody may listen any more.
            let _ = tell.send(connection.map(work));
        })))?;
        let done = told.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
        done.map_err(|failure| named(&failure))
    }

    /// Waits until nothing is under way.
    pub(crate) async fn idle(&self) {
        if let Err(error) = self.work(|_| ()).await {
            tracing::debug!(%error, "a reader was abandoned and cannot open its file");
        }
    }

    /// Closes the connection when nothing is under way.
    pub(crate) async fn close(&self) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (tell, told) = oneshot::channel();
        if jobs.is_some_and(|jobs| jobs.send(Job::Close(tell)).is_ok()) && told.await.is_err() {
            tracing::debug!("a reader was not closed in order");
        }
    }

    /// Sends it to the thread; to a new one where there is none any more.
    fn send(&self, job: Job) -> Result<(), sqlx::Error> {
        let mut place = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*place {
            Some(jobs) => match jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(job)) => job,
            },
            None => job,
        };
        let (jobs, taken) = mpsc::channel();
        let (path, time) = (self.path.clone(), self.time.clone());
        let builder = thread::Builder::new().name("reader".to_owned());
        builder.spawn(move || serve(&path, &time, &taken))?;
        jobs.send(job).map_err(|_| sqlx::Error::WorkerCrashed)?;
        *place = Some(jobs);
        Ok(())
    }
}

/// Does what comes until nobody can send anything any more.
fn serve(path: &Path, time: &Time, jobs: &mpsc::Receiver<Job>) {
    let mut open = None;
    while let Ok(job) = jobs.recv() {
        match (job, open.take()) {
            (Job::Work(work), Some(connection)) => {
                work(Ok(&connection));
                open = Some(connection);
            }
            (Job::Work(work), None) => match opened(path, time) {
                Ok(connection) => {
                    work(Ok(&connection));
                    open = Some(connection);
                }
                Err(failure) => work(Err(failure)),
            },
            (Job::Close(tell), connection) => {
                drop(connection);
                let _ = tell.send(());
                return;
            }
        }
    }
}

fn opened(path: &Path, time: &Time) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.create_collation(DECIMAL_COLLATION, crate::value::compare_decimal_text)?;
    connection.execute_batch(&format!(
        "PRAGMA query_only=on;PRAGMA temp_store=memory;PRAGMA cache_size={CACHE_KIB};"
    ))?;
    // It answers with what it has set.
    connection.query_row(&format!("PRAGMA mmap_size={MMAP_BYTES}"), [], |_| Ok(()))?;
    functions::install_on(&connection, time)?;
    let time = time.clone();
    connection.progress_handler(STEPS_PER_LOOK, Some(move || time.is_over()))?;
    Ok(connection)
}

/// An error as the other connections would name it.
pub(crate) fn named(error: &Failure) -> sqlx::Error {
    match error.sqlite_error() {
        Some(cause) => sqlx::Error::Database(Box::new(FileError {
            code: cause.extended_code,
            message: match error {
                Failure::SqliteFailure(_, Some(message)) => message.clone(),
                other => other.to_string(),
            },
        })),
        None => sqlx::Error::Decode(error.to_string().into()),
    }
}

/// What SQLite said.
#[derive(Debug, thiserror::Error)]
#[error("(code: {code}) {message}")]
struct FileError {
    code: i32,
    message: String,
}

impl DatabaseError for FileError {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
