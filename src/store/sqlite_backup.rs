//! A copy of a database file beside its writer, and a database put back from one. Knows SQLite
//! files and the few system tables that say where a database stands; no table of a definition.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteJournalMode};
use tempfile::{NamedTempFile, TempPath};

use super::{
    db::{
        dialect::Dialect,
        sqlite::{dialect::Sqlite, file, functions},
    },
    error::StoreError,
};

/// Faults of a damaged file that are told; the first ones say enough.
const FAULTS_MAX: usize = 5;

/// A backup that was made.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub bytes: u64,
    pub took: Duration,
    /// Where the change log of the copy stands.
    pub epoch: String,
    pub head: i64,
}

/// A database that was put back.
#[derive(Clone, Debug)]
pub(crate) struct Restored {
    pub bytes: u64,
    pub took: Duration,
    pub epoch: String,
    /// That of the backup: what was read in it after the backup is not to be gone on from.
    pub old_epoch: String,
    /// Where the older database is now, if there was one.
    pub kept: Option<PathBuf>,
}

/// Copies a database as it is at one moment into a new file; who writes to it goes on.
pub(crate) async fn backup(database: &Path, file: &Path) -> Result<Backup, StoreError> {
    let began = Instant::now();
    file::check_path(database, false)?;
    if file.exists() {
        return Err(refused(format!(
            "{} exists already; give a new name, so that no older backup is lost",
            file.display()
        )));
    }
    let part = part_beside(file)?;
    let mut source = connect(database, database, Open::Read).await?;
    let head = look(&mut source, database).await?;
    // One statement is one snapshot, and leaves out what was deleted; `part` is there and empty, as
    // it demands.
    let copied = sqlx::query("VACUUM INTO ?").bind(part.to_string_lossy().into_owned());
    let copied = copied.execute(&mut source).await;
    close(source).await;
    copied.map_err(|error| failed(file, &error))?;
    let mut copy = connect(&part, file, Open::Read).await?;
    let checked = check(&mut copy, file).await;
    let seq = look(&mut copy, file).await;
    close(copy).await;
    checked?;
    let head = Head { seq: seq?.seq, ..head };
    let bytes = settle(&part, file)?;
    part.persist_noclobber(file)
        .map_err(|error| unwritable(file, &error.error))?;
    settle_folder(file)?;
    Ok(Backup {
        bytes,
        took: began.elapsed(),
        epoch: head.epoch,
        head: head.seq,
    })
}

/// Puts a backup in the place of a database, in a new epoch. The older one, if there is one, is
/// kept beside it.
pub(crate) async fn restore(database: &Path, file: &Path, replace: bool) -> Result<Restored, StoreError> {
    let began = Instant::now();
    if !file.is_file() {
        return Err(refused(format!("there is no file {}", file.display())));
    }
    if is_same(database, file) {
        return Err(refused(format!(
            "{} is the database itself; give the backup's file",
            file.display()
        )));
    }
    let existed = database.exists();
    if existed && !replace {
        return Err(refused(format!(
            "the database {} exists; add --replace to put the backup in its place (the older one is kept beside it)",
            database.display()
        )));
    }
    refuse_journal(file)?;
    // Whoever serves the database holds this lock.
    let _lock = file::WriterLock::take(database)?;
    let part = part_beside(database)?;
    // The contents alone: a backup that may not be written has a copy that may.
    let copied = File::open(file).and_then(|mut from| io::copy(&mut from, &mut File::create(&part)?));
    copied.map_err(|error| unwritable(database, &error))?;
    let epochs = renew(&part, file).await?;
    let bytes = settle(&part, database)?;
    let kept = if existed {
        // Whoever could read the older one can read this one.
        let rights = fs::metadata(database).and_then(|known| fs::set_permissions(&part, known.permissions()));
        rights.map_err(|error| unwritable(database, &error))?;
        Some(exchange(database, part).await?)
    } else {
        refuse_journal(database)?;
        part.persist_noclobber(database)
            .map_err(|error| unwritable(database, &error.error))?;
        None
    };
    settle_folder(database)?;
    Ok(Restored {
        bytes,
        took: began.elapsed(),
        epoch: epochs.new,
        old_epoch: epochs.old,
        kept,
    })
}

/// A journal holds commits that are not in its file yet. They would be lost with a file that is
/// copied without it, or written into another one that takes its place.
fn refuse_journal(file: &Path) -> Result<(), StoreError> {
    let journal = file::beside(file, "-wal");
    if fs::metadata(&journal).is_ok_and(|known| known.len() > 0) {
        return Err(refused(format!(
            "a journal lies beside {}; if they belong together, copy both by `hayloft backup`, else move {} away",
            file.display(),
            journal.display()
        )));
    }
    Ok(())
}

struct Epochs {
    old: String,
    new: String,
}

/// Checks a copy of a backup, and makes it the beginning of an epoch of its own: nothing is under
/// way in it.
async fn renew(part: &Path, file: &Path) -> Result<Epochs, StoreError> {
    let mut copy = connect(part, file, Open::Alone).await?;
    let renewed = async {
        check(&mut copy, file).await?;
        let old = look(&mut copy, file).await?.epoch;
        let mut tx = copy.begin().await.map_err(|error| failed(file, &error))?;
        for sql in closing(&Sqlite) {
            // An older backup lacks the newer tables; they are made, empty, when it is opened.
            let table = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sqlite_master WHERE name=?").bind(sql.table);
            let known = table.fetch_one(&mut *tx).await.map_err(|error| failed(file, &error))?;
            if known > 0 {
                let done = sqlx::query(AssertSqlSafe(sql.text)).execute(&mut *tx).await;
                done.map_err(|error| failed(file, &error))?;
            }
        }
        tx.commit().await.map_err(|error| failed(file, &error))?;
        let new = look(&mut copy, file).await?.epoch;
        Ok(Epochs { old, new })
    };
    let renewed = renewed.await;
    close(copy).await;
    renewed
}

struct Closing {
    table: &'static str,
    text: String,
}

/// What ends all that was under way when the backup was made.
fn closing(dialect: &dyn Dialect) -> Vec<Closing> {
    let now = dialect.now(0);
    let of = |table, text: String| Closing { table, text };
    vec![
        of(
            "hayloft_run",
            format!(
                "UPDATE hayloft_run SET state='interrupted',lease_until={now},finished_at=coalesce(finished_at,{now}) \
                 WHERE state IN ('running','queued') OR (state='interrupted' AND finished_at IS NULL)"
            ),
        ),
        of("hayloft_process", "DELETE FROM hayloft_process".to_owned()),
        of(
            "hayloft_fan_out",
            "UPDATE hayloft_fan_out SET owner=NULL,until=NULL WHERE owner IS NOT NULL".to_owned(),
        ),
        of(
            "hayloft_feed_head",
            "UPDATE hayloft_feed_head SET epoch=lower(hex(randomblob(8)))".to_owned(),
        ),
    ]
}

/// Puts the copy in the place of the older database, which is kept under a name that says when. At
/// every moment one of both is there.
async fn exchange(database: &Path, part: TempPath) -> Result<PathBuf, StoreError> {
    // Folds the journal into the file, so that one file is all of it. A damaged one may refuse;
    // then the journals go along.
    if let Ok(mut older) = connect(database, database, Open::Fold).await {
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut older).await;
        if let Err(error) = folded {
            tracing::warn!(%error, "the older database's journal could not be folded in; it is kept beside it");
        }
        close(older).await;
    }
    let stamp = chrono::Utc::now().format("%Y%m%dT%H%M%S%3fZ");
    let kept = file::beside(database, &format!(".before-{stamp}"));
    // A second name for the same file; the first one is then taken over in one step.
    fs::hard_link(database, &kept).map_err(|error| unwritable(&kept, &error))?;
    for suffix in ["-wal", "-shm"] {
        match fs::rename(file::beside(database, suffix), file::beside(&kept, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(database, &error)),
            _ => {}
        }
    }
    let taken = part.persist(database);
    taken.map_err(|error| unwritable(database, &error.error))?;
    Ok(kept)
}

/// Where a database's change log stands.
struct Head {
    epoch: String,
    seq: i64,
}

/// Reads the change log's head, which only a database of ours has.
async fn look(connection: &mut SqliteConnection, file: &Path) -> Result<Head, StoreError> {
    let found = sqlx::query("SELECT epoch,seq FROM hayloft_feed_head WHERE one=1")
        .fetch_optional(connection)
        .await;
    let foreign = || {
        refused(format!(
            "{} is no database that Hayloft made, or holds nothing yet",
            file.display()
        ))
    };
    let row = match found {
        Ok(row) => row.ok_or_else(foreign)?,
        // SQLITE_ERROR: there is no such table. SQLITE_NOTADB: there is no database.
        Err(error) if matches!(code(&error).as_deref(), Some("1" | "26")) => return Err(foreign()),
        Err(error) => return Err(failed(file, &error)),
    };
    let read = |error: sqlx::Error| failed(file, &error);
    Ok(Head {
        epoch: row.try_get(0).map_err(read)?,
        seq: row.try_get(1).map_err(read)?,
    })
}

/// Refuses a damaged file.
async fn check(connection: &mut SqliteConnection, file: &Path) -> Result<(), StoreError> {
    let sql = format!("PRAGMA integrity_check({FAULTS_MAX})");
    let found = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await;
    let found = found.map_err(|error| failed(file, &error))?;
    if found.first().is_some_and(|first| first == "ok") {
        return Ok(());
    }
    tracing::error!(faults = found.join("; "), "the integrity check failed");
    Err(refused(format!(
        "{} is damaged: the integrity check found {} faults or more; the log has them",
        file.display(),
        found.len()
    )))
}

#[derive(Clone, Copy)]
enum Open {
    Read,
    /// The copy of a backup: it has no readers and no second chance, and needs no journal that
    /// would have to go with it.
    Alone,
    /// A database with whatever journal it has.
    Fold,
}

/// A connection with our collation and functions, which indexes and checks need.
///
/// `shown` is the file that errors are about.
async fn connect(database: &Path, shown: &Path, how: Open) -> Result<SqliteConnection, StoreError> {
    let options = file::options(database);
    let options = match how {
        Open::Read => options.read_only(true),
        Open::Alone => options.journal_mode(SqliteJournalMode::Delete),
        Open::Fold => options,
    };
    let connected = options.connect().await;
    let mut connection = connected.map_err(|error| failed(shown, &error))?;
    let mut handle = connection.lock_handle().await.map_err(|error| failed(shown, &error))?;
    functions::install(&mut handle, &functions::Time::endless()).map_err(|error| failed(shown, &error))?;
    drop(handle);
    Ok(connection)
}

async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection did not close cleanly");
    }
}

/// An empty file of an own name in the folder of the one to be: whoever looks there never sees half
/// of it.
fn part_beside(file: &Path) -> Result<TempPath, StoreError> {
    let folder = file::folder_of(file);
    let mut builder = tempfile::Builder::new();
    // As readable as the database itself is made.
    builder
        .prefix(".hayloft-part-")
        .permissions(fs::Permissions::from_mode(file::PRIVATE));
    let made = builder.tempfile_in(folder);
    made.map(NamedTempFile::into_temp_path)
        .map_err(|error| unwritable(file, &error))
}

/// Waits until a file is on the disk; gives its size.
fn settle(part: &Path, file: &Path) -> Result<u64, StoreError> {
    let settled = File::open(part).and_then(|part| {
        part.sync_all()?;
        Ok(part.metadata()?.len())
    });
    settled.map_err(|error| unwritable(file, &error))
}

/// Waits until a name is on the disk.
fn settle_folder(file: &Path) -> Result<(), StoreError> {
    let synced = File::open(file::folder_of(file)).and_then(|folder| folder.sync_all());
    synced.map_err(|error| unwritable(file, &error))
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn code(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error().and_then(|error| error.code());
    code.map(|code| code.into_owned())
}

pub(crate) fn refused(text: String) -> StoreError {
    StoreError::Unusable(text)
}

fn unwritable(file: &Path, error: &io::Error) -> StoreError {
    refused(format!("{} cannot be written: {}", file.display(), error.kind()))
}

/// What the database said about a file, in words.
fn failed(file: &Path, error: &sqlx::Error) -> StoreError {
    tracing::error!(%error, "the database failed");
    let file = file.display();
    refused(match code(error).as_deref() {
        // SQLITE_FULL, SQLITE_NOTADB, SQLITE_CORRUPT
        Some("13") => format!("the disk is full; {file} was not written"),
        Some("26" | "11") => format!("{file} is not a database, or is damaged"),
        _ => format!("{file} cannot be used; the log has the cause"),
    })
}
