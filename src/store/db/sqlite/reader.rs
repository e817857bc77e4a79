//! One reading connection to a database file: opened when it is first used, and worked with on
//! whatever thread may block. Knows rusqlite and pragmas; no tables, and not whose time it is.
//!
//! A look-up takes less time than its way to another thread. sqlx gives each connection a thread of
//! its own and each row a way back, and asks it once more when it is given back. Here a statement
//! and all its rows go there and back once.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::OpenFlags;
pub(crate) use rusqlite::{Connection, Error as Failure};
use sqlx::error::{DatabaseError, ErrorKind};
use tokio::sync::Mutex;

use super::{
    dialect::DECIMAL_COLLATION,
    file::{BUSY, CACHE_KIB, MMAP_BYTES, STATEMENTS, STEPS_PER_LOOK},
    functions::{self, Time},
};

pub(crate) struct FileReader {
    path: PathBuf,
    time: Time,
    /// None until it is used. Whatever is under way has it, and has it to its end.
    connection: Arc<Mutex<Option<Connection>>>,
}

impl FileReader {
    pub(crate) fn new(path: &Path, time: Time) -> FileReader {
        FileReader {
            path: path.to_owned(),
            time,
            connection: Arc::default(),
        }
    }

    /// Does work with the connection, on a thread that may block. Who stops waiting leaves it there:
    /// it ends at its deadline.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, sqlx::Error> {
        let mut place = Arc::clone(&self.connection).lock_owned().await;
        let new = place.is_none().then(|| (self.path.clone(), self.time.clone()));
        let done = tokio::task::spawn_blocking(move || {
            if let Some((path, time)) = new {
                *place = Some(opened(&path, &time).map_err(|error| named(&error))?);
            }
            let connection = place.as_ref().ok_or(sqlx::Error::PoolClosed)?;
            Ok(work(connection))
        });
        let done = done.await;
        done.unwrap_or_else(|error| Err(sqlx::Error::Configuration(Box::new(error))))
    }

    /// Waits until nothing is under way.
    pub(crate) async fn idle(&self) {
        drop(self.connection.lock().await);
    }

    /// Closes it when nothing is under way.
    pub(crate) async fn close(&self) {
        let connection = self.connection.lock().await.take();
        // The last one to a file may have to wait for the disk.
        let closed = tokio::task::spawn_blocking(move || drop(connection)).await;
        if let Err(error) = closed {
            tracing::debug!(%error, "a reader was not closed in order");
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
