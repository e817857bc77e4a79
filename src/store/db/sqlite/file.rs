//! Opening a database file: the writer's lock, pragmas, pools. Knows SQLite files; no tables.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::store::{
    db::{failpoint, open_error, pool::Pool},
    error::StoreError,
};

use super::{dialect::DECIMAL_COLLATION, functions};

/// How long a statement waits for another connection's lock: only a checkpoint or a reader beside
/// us can hold one.
pub(crate) const BUSY: Duration = Duration::from_secs(10);
/// How long a commit waits for the one writer connection; groups are short, so this is reached only
/// when the disk hangs.
const WRITER_WAIT: Duration = Duration::from_secs(120);
/// Prepared statements kept per connection: plans in use beside the statements of loads.
pub(crate) const STATEMENTS: usize = 512;
/// Rows handed over from the database's thread before it waits.
const ROW_BUFFER: usize = 1_024;
/// Virtual machine steps between two looks at a statement's deadline: some tens of microseconds.
pub(crate) const STEPS_PER_LOOK: i32 = 10_000;
/// Bytes of the file that readers map into memory instead of copying pages; a limit of address
/// space, not of memory. The writer maps nothing: a load visits the whole file once, and all of it
/// would count as the memory of this process.
pub(crate) const MMAP_BYTES: u64 = 1 << 30;
/// Kibibytes of pages that each connection keeps; negative is SQLite's way of saying kibibytes.
/// [`Dialect::spill`] returns to it.
pub(crate) const CACHE_KIB: i64 = -16_384;

/// Pages of the write-ahead log from which on a commit folds it into the file: 32 MB, so that a
/// page which many groups of a load write to goes there once. With every fourth megabyte, as SQLite
/// does it by itself, the disk is waited for three times as often.
const LOG_PAGES: u32 = 8_192;
/// Entries of an index that are looked at for its statistics: some milliseconds, whatever its size.
const ANALYSIS_ROWS: u32 = 1_000;

/// Rights of the files that are made here: their user's alone. SQLite gives its journals those of
/// the database.
pub(crate) const PRIVATE: u32 = 0o600;

/// How often and how long apart the writer's lock is asked for: who had it may be about to end, as
/// at a restart.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// Takes the writer's lock, and waits a second for one who is about to let it go.
pub(crate) async fn lock(database: &Path) -> Result<WriterLock, StoreError> {
    for _ in 1..LOCK_TRIES {
        match WriterLock::take(database) {
            Err(StoreError::Locked(_)) => tokio::time::sleep(LOCK_WAIT).await,
            taken => return taken,
        }
    }
    WriterLock::take(database)
}

/// The writer's lock: held until dropped, and released by the kernel however the process ends.
pub(crate) struct WriterLock {
    /// The lock's file, and the database itself where it was there already: whoever deletes the
    /// first still meets the second.
    _files: [Option<File>; 2],
}

impl WriterLock {
    /// Takes the lock beside the database file, or says who has it.
    pub(crate) fn take(database: &Path) -> Result<WriterLock, StoreError> {
        // One file may have many paths, by links; its lock has one. A database that is not there
        // yet has its folder's.
        let path = match database.canonicalize() {
            Ok(real) => beside(&real, "-lock"),
            Err(_) => beside(database, "-lock"),
        };
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE)
            .open(&path);
        let mut file = opened.map_err(|error| unwritable(database, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(database, &mut file)),
            Err(TryLockError::Error(error)) => return Err(unwritable(database, &error)),
        }
        // SQLite's own locks are of another kind, and do not meet this one.
        let itself = File::open(database).ok();
        match itself.as_ref().map(File::try_lock) {
            None | Some(Ok(())) => {}
            Some(Err(TryLockError::WouldBlock)) => return Err(locked(database, &mut file)),
            Some(Err(TryLockError::Error(error))) => return Err(unwritable(database, &error)),
        }
        let pid = std::process::id().to_string();
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(pid.as_bytes()));
        written.map_err(|error| unwritable(database, &error))?;
        Ok(WriterLock {
            _files: [Some(file), itself],
        })
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

pub(crate) fn shown(database: &Path) -> String {
    database.display().to_string()
}

fn locked(database: &Path, file: &mut File) -> StoreError {
    let mut pid = String::new();
    let read = file.take(20).read_to_string(&mut pid);
    let who = match read {
        Ok(_) if !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()) => format!(" (pid {pid})"),
        _ => String::new(),
    };
    StoreError::Locked(format!(
        "another hayloft process{who} is using {}; stop it, or give another --database",
        shown(database)
    ))
}

fn unwritable(database: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unusable(format!(
        "the database {} cannot be written: {}; give another --database, or correct the permissions",
        shown(database),
        error.kind()
    ))
}

/// Checks the path before SQLite does, whose message is the same for every cause.
pub(crate) fn check_path(database: &Path, write: bool) -> Result<(), StoreError> {
    let folder = folder_of(database);
    if !folder.is_dir() {
        let text = format!(
            "the folder of the database {} does not exist; create it, or give another --database",
            shown(database)
        );
        return Err(StoreError::Unusable(text));
    }
    if database.is_dir() {
        let text = format!("the database {} is a folder; give the path of a file", shown(database));
        return Err(StoreError::Unusable(text));
    }
    if !database.exists() && !write {
        let text = format!(
            "the database {} does not exist yet; `hayloft serve` or `hayloft harvest` creates it",
            shown(database)
        );
        return Err(StoreError::Unusable(text));
    }
    if write {
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(PRIVATE)
            .open(database);
        opened.map_err(|error| unwritable(database, &error))?;
    }
    Ok(())
}

/// Whether there is no database yet where one could be.
pub(crate) fn is_new(database: &Path) -> bool {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    !database.exists() && folder.is_none_or(Path::is_dir)
}

pub(crate) fn options(database: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(BUSY)
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(ROW_BUFFER)
        .collation(DECIMAL_COLLATION, crate::value::compare_decimal_text)
        .pragma("cache_size", CACHE_KIB.to_string())
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

/// The one connection that writes.
pub(crate) async fn writer(database: &Path) -> Result<Pool, StoreError> {
    let options = options(database)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", LOG_PAGES.to_string())
        .pragma("analysis_limit", ANALYSIS_ROWS.to_string())
        .foreign_keys(false);
    let pool = pool_options()
        .acquire_timeout(WRITER_WAIT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // Rollups are computed by what computes answers.
                functions::install(&mut connection.lock_handle().await?, &functions::Time::endless())?;
                point_at_commits(connection).await
            })
        })
        .connect_with(options)
        .await;
    pool.map(Pool::Sqlite)
        .map_err(|error| open_error::cannot_open(&shown(database), error))
}

/// Lets tests end the process before any commit: what is kept then is what a crash would leave.
async fn point_at_commits(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    if failpoint::is_armed() {
        let mut handle = connection.lock_handle().await?;
        handle.set_commit_hook(|| {
            failpoint::point("disk::commit");
            true
        });
    }
    Ok(())
}

/// A connection that only reads and gives up at its deadline; opened when it is first used.
pub(crate) fn reader(database: &Path, time: functions::Time) -> Pool {
    let options = options(database)
        .read_only(true)
        .pragma("query_only", "on")
        .pragma("mmap_size", MMAP_BYTES.to_string());
    let pool = pool_options()
        .after_connect(move |connection, _| {
            let time = time.clone();
            Box::pin(async move {
                let mut handle = connection.lock_handle().await?;
                functions::install(&mut handle, &time)?;
                handle.set_progress_handler(STEPS_PER_LOOK, move || !time.is_over());
                Ok(())
            })
        })
        .connect_lazy_with(options);
    Pool::Sqlite(pool)
}

fn pool_options() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(0)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Folds SQLite's write-ahead log into the file. A commit under way holds the only connection, so
/// this waits for it.
pub(crate) async fn fold(writer: &Pool) {
    if let Pool::Sqlite(pool) = writer {
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await;
        if let Err(error) = folded {
            tracing::warn!(%error, "the write-ahead log could not be folded in; the next start does it");
        }
    }
}
