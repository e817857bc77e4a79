//! What a database said when it was opened, in words for a person. Knows codes of both; never a
//! password.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr};

use crate::store::error::{StoreError, failed};

pub(crate) fn unreachable(place: &str) -> StoreError {
    StoreError::Unusable(format!(
        "{place} does not answer; start the server, or correct host and port in --database"
    ))
}

/// What the server or the way to it said, in words and without the password.
pub(crate) fn cannot_connect(place: &str, error: sqlx::Error) -> StoreError {
    let cause = error.as_database_error();
    let code = cause.and_then(|cause| cause.code());
    let plain = cause.is_some_and(|cause| cause.message().contains("no encryption"));
    let text = match (code.as_deref(), &error) {
        (Some("28000"), _) if plain => {
            format!("{place} refuses a connection without TLS; give sslmode=require or verify-full in --database")
        }
        (Some("28P01" | "28000"), _) => {
            format!("{place} refuses this user: the name, the password or the server's pg_hba.conf does not allow it")
        }
        (Some("3D000"), _) => format!("{place} does not exist on this server; create it with `createdb`"),
        (Some("42501"), _) => {
            format!("{place} does not let this user make tables; grant CREATE on the schema and the database")
        }
        (Some("53300"), _) => format!("{place} has no connection left; raise max_connections of the server"),
        (Some("08P01"), _) => format!(
            "{place} is refused by a pooler on the way to it; look into its log, or give the server's own address"
        ),
        (Some("57P03"), _) => format!("{place} is starting or stopping; try again in a moment"),
        (_, error) if is_secrecy(error) => format!(
            "{place}: no secure connection could be made; check sslmode and sslrootcert in --database, and the server's certificate"
        ),
        (_, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => return unreachable(place),
        _ => return failed(error),
    };
    tracing::debug!(%error, "the database cannot be opened");
    StoreError::Unusable(text)
}

/// TLS failed: the driver says so, or rustls in the handshake.
fn is_secrecy(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// What a database said at opening, in words.
pub(crate) fn cannot_open(place: &str, error: sqlx::Error) -> StoreError {
    let code = error
        .as_database_error()
        .and_then(|error| error.code())
        .map(|code| code.into_owned());
    match code.as_deref() {
        // SQLITE_NOTADB, SQLITE_CORRUPT
        Some("26" | "11") => StoreError::Unusable(format!(
            "{place} is not a database, or is damaged; give another --database"
        )),
        // SQLITE_READONLY and SQLITE_CANTOPEN with their extended codes
        Some("8" | "14" | "1032" | "1544" | "270" | "526") => StoreError::Unusable(format!(
            "the database {place} cannot be opened for writing; correct the permissions of it and its folder, or give another --database"
        )),
        _ => cannot_connect(place, error),
    }
}

/// The same of what makes the system tables.
pub(crate) fn cannot_migrate(place: &str, error: DbErr) -> StoreError {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => match Arc::try_unwrap(error) {
            Ok(error) => cannot_open(place, error),
            Err(shared) => StoreError::Database(Box::new(shared)),
        },
        other => StoreError::Database(Box::new(other)),
    }
}
