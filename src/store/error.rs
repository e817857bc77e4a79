//! What can go wrong with a database, and what a database's own error is of that. Knows codes of both; no statements.

use std::time::Duration;

use super::{
    db::{made::Beyond, postgres::connect},
    identity::guard,
};

/// A failure of the store. The text is public; the cause is for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process holds the writer's lock.
    #[error("{0}")]
    Locked(String),
    /// The path cannot be opened or written, or the URL is of another database.
    #[error("{0}")]
    Unusable(String),
    /// The stored tables belong to another definition.
    #[error("{0}")]
    LayoutDiffers(String),
    /// This run was taken over by another process, or is of a place where the database is no more; its writes are refused.
    #[error("this run was taken over by another process, or the database was promoted or restored since it began")]
    Fenced,
    /// Another process applied a layout that leaves no room for this handle's definition.
    #[error(
        "another process has put a newer definition in force, which leaves no room for the one of this process: give it the \
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
    /// Something that the caller may not ask for.
    #[error("{0}")]
    Refused(String),
    /// The connection was cut, or none can be made; what was not committed is not stored.
    #[error("the database cannot be reached; it is tried again")]
    Unreachable,
    /// The server has as many connections as it takes.
    #[error(
        "the database takes no more connections: raise max_connections of the server, or end some; it is tried again"
    )]
    Crowded,
    /// The database could not put a transaction in line with others, however often it was tried; nothing of it is stored.
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
    /// Whether a transaction was ended because it stood in the way of another one: it may begin again.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, StoreError::Conflict)
    }
}

/// What the database said, for the log; the public text is the variant's own.
pub fn failed(error: sqlx::Error) -> StoreError {
    if connect::is_lost(&error) {
        tracing::warn!(%error, "the database cannot be reached");
        return match connect::is_crowded(&error) {
            true => StoreError::Crowded,
            false => StoreError::Unreachable,
        };
    }
    if let Some(lost) = guard::Lost::of(&error) {
        return StoreError::LayoutDiffers(lost.to_string());
    }
    if connect::gives_way(&error) {
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
