//! What can go wrong with a database, and what a database's own error is of that. Knows codes of
//! both; no statements.

use std::time::Duration;

/// Why a statement was stopped: what it had made by then, and what it might have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Beyond {
    #[error("a list of the answer has {found} rows or more, {most} are allowed")]
    Rows { found: u64, most: u64 },
    #[error("the answer has {found} bytes or more, {most} are allowed")]
    Bytes { found: u64, most: u64 },
    #[error("the closure {closure} leads further than {most} steps, its maxDepth")]
    Steps { closure: String, most: u64 },
}

/// The connection is gone, or never was: another one may succeed.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Configuration(_) => is_crowded(error),
        sqlx::Error::Database(cause) => {
            matches!(
                cause.code().as_deref(),
                // Shut down, crashed, starting; the connection's own failures.
                // Idle for too long, by limits of the server or of what stands before it.
                Some(
                    "57P01"
                        | "57P02"
                        | "57P03"
                        | "57P05"
                        | "25P03"
                        | "25P04"
                        | "08000"
                        | "08001"
                        | "08003"
                        | "08004"
                        | "08006"
                        | "08P01"
                )
            ) || is_crowded(error)
        }
        _ => false,
    }
}

/// What is said without a try, because another session has just met it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the server was just found to take no more connections")]
struct Crowded;

pub(super) fn crowded() -> sqlx::Error {
    sqlx::Error::Configuration(Crowded.into())
}

/// PostgreSQL's too_many_connections; one of them ends some time.
pub(super) fn is_crowded(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Configuration(cause) = error {
        return cause.is::<Crowded>();
    }
    let code = error.as_database_error().and_then(|cause| cause.code());
    code.as_deref() == Some("53300")
}

/// PostgreSQL's serialization_failure and deadlock_detected: who begins again finds what the others
/// wrote.
pub(super) fn gives_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|cause| cause.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// PostgreSQL's lock_not_available: somebody else has what was asked for, for longer than was to be
/// waited.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|cause| cause.code());
    code.as_deref() == Some("55P03")
}

/// Another session has made what this one makes: PostgreSQL's duplicate_table, or unique_violation
/// where both did at once.
pub(crate) fn is_made_twice(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|cause| cause.code());
    matches!(code.as_deref(), Some("42P07" | "23505"))
}

/// A prepared statement whose tables changed since: it is prepared anew on another connection.
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|cause| cause.code());
    code.as_deref() == Some("0A000")
}

/// A failure of the store. The text is public; the cause is for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// Another process holds the writer's lock.
    #[error("{0}")]
    Locked(String),
    /// The path cannot be opened or written, or the URL is of another database.
    #[error("{0}")]
    Unusable(String),
    /// The stored tables belong to another definition.
    #[error("{0}")]
    LayoutDiffers(String),
    /// This run was taken over by another process, or is of a place where the database is no more;
    /// its writes are refused.
    #[error("this run was taken over by another process, or the database was promoted or restored since it began")]
    Fenced,
    /// Another process applied a layout that this handle's definition is not compatible with.
    #[error(
        "another process has put a newer definition in force, which the one of this process is not compatible with: give it the \
         newer one, which `serve` takes in when its files change, or start it again with that"
    )]
    Replaced,
    /// No connection became free in time; nothing was asked.
    #[error(
        "the query waited {0:.1?} for one of the database's readers, which are all busy with other queries; try again, or ask for less \
         at a time"
    )]
    Waited(Duration),
    /// The statement ran longer than its limit.
    #[error(
        "the query took longer than {0:?}; ask for fewer rows, take fewer steps in where and orderBy, or filter by key; \
         --statement-timeout sets the limit"
    )]
    Timeout(Duration),
    /// The query is beyond what the database can take in one statement.
    #[error("the query is too large for the database: {0}; ask for less at once")]
    TooLarge(String),
    /// An answer grew beyond its bounds while it was made.
    #[error("{0}")]
    Beyond(#[from] Beyond),
    /// A moment from before the past of a type was kept.
    #[error("the past of {of} is kept since {began}; ask for that moment or a later one")]
    BeforeHistory { of: String, began: String },
    /// Something that the caller may not ask for, or that the state of the database does not allow.
    #[error("{0}")]
    Refused(String),
    /// A fault of this program, or of what it stored: parts that do not fit each other.
    #[error("{0}; this is a fault of Hayloft's own: please report it")]
    Internal(String),
    /// The connection was cut, or none can be made; what was not committed is not stored.
    #[error("the database cannot be reached; it is tried again")]
    Unreachable,
    /// The server has as many connections as it takes.
    #[error(
        "the database takes no more connections: raise max_connections of the server, or end some; it is tried again"
    )]
    Crowded,
    /// The database could not put a transaction in line with others, however often it was tried;
    /// nothing of it is stored.
    #[error("the database is busy with other changes of the same rows; it is tried again")]
    Conflict,
    /// There is no room for what was to be written.
    #[error("the database's disk is full; free some space there, and it goes on by itself")]
    Full,
    /// Anything else the database said.
    #[error("the database failed; the log has the cause")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Whether a transaction was ended because it stood in the way of another one: it may begin
    /// again.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, StoreError::Conflict)
    }

    /// Whether the database said so itself: then what was asked did not happen, and never will.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            StoreError::Conflict | StoreError::Full => true,
            StoreError::Database(cause) => {
                let error = cause.downcast_ref::<sqlx::Error>();
                error.is_some_and(|error| error.as_database_error().is_some())
            }
            _ => false,
        }
    }
}

/// What the database said, for the log; the public text is the variant's own.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    if is_lost(&error) {
        tracing::warn!(%error, "the database cannot be reached");
        return match is_crowded(&error) {
            true => StoreError::Crowded,
            false => StoreError::Unreachable,
        };
    }
    if let Some(lost) = Lost::of(&error) {
        return StoreError::LayoutDiffers(lost.to_string());
    }
    if gives_way(&error) {
        tracing::debug!(%error, "a transaction gives way to others");
        return StoreError::Conflict;
    }
    tracing::error!(%error, "the database failed");
    let code = error.as_database_error().and_then(|error| error.code());
    // PostgreSQL's insufficient_privilege.
    if code.as_deref() == Some("42501") {
        return StoreError::Unusable(
            "the database's user may not do this; grant it USAGE on the schema, and what it needs on Hayloft's tables: SELECT to \
             read, ownership to harvest"
                .to_owned(),
        );
    }
    // SQLITE_FULL, and PostgreSQL's disk_full.
    match code.as_deref() {
        Some("13" | "53100") => StoreError::Full,
        _ => StoreError::Database(Box::new(error)),
    }
}

/// The database went back to a time before the definition was applied.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the database was restored or promoted to a moment before this definition's tables were made; start this process again, and it makes them"
)]
pub(crate) struct Lost;

impl Lost {
    pub(super) fn of(error: &sqlx::Error) -> Option<&Lost> {
        match error {
            sqlx::Error::Configuration(cause) => cause.downcast_ref(),
            _ => None,
        }
    }
}
