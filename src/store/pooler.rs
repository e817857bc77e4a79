//! Whether a session is ours alone, or a pooler hands the server's sessions round between transactions. Knows sessions; no
//! tables.
//!
//! Behind a pooler in transaction mode settings are lost, prepared statements are another's, and nothing is heard of
//! notifications. Most of that fails aloud, but not all, so it is refused before anything else is asked.

use std::time::Duration;

use sqlx::{ConnectOptions as _, Executor as _, PgConnection, Row as _, postgres::PgConnectOptions};

use super::{
    connect::{cannot_open, close},
    types::StoreError,
};

/// Tries to see a session change hands: one is enough where the pooler is idle, more are needed where others use it too.
const ROUNDS: usize = 3;
/// How long two sessions may take for it. A pooler that has only one keeps the second waiting.
const WAIT: Duration = Duration::from_secs(10);

/// Refuses a pooler whose clients share sessions. While a second connection is inside a transaction, the first one asks again by which
/// process of the server it is served: where sessions are its own, the same one answers, and never the second one's.
pub async fn refuse_shared(
    place: &str,
    options: &PgConnectOptions,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let asked = tokio::time::timeout(WAIT, is_shared(options, connection)).await;
    let shared = match asked {
        Ok(Ok(shared)) => shared,
        Ok(Err(error)) if is_refusal(&error) => true,
        Ok(Err(error)) => return Err(cannot_open(place, error)),
        Err(_) => {
            return Err(StoreError::Unusable(format!(
                "{place} gives one session and keeps the next one waiting; a pooler between needs room for all: see docs/scale.md"
            )));
        }
    };
    match shared {
        true => Err(StoreError::Unusable(format!(
            "{place} is reached through a pooler that shares sessions between clients (transaction or statement mode), where settings and \
             prepared statements get lost; set pool_mode=session for this database, or give the server's own address"
        ))),
        false => Ok(()),
    }
}

async fn is_shared(options: &PgConnectOptions, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let mut other = options.connect().await?;
    let before = process(connection, "SELECT pg_backend_pid()").await?;
    let mut shared = false;
    for _ in 0..ROUNDS {
        let between = process(&mut other, "BEGIN;SELECT pg_backend_pid()").await?;
        let after = process(connection, "SELECT pg_backend_pid()").await?;
        other.execute("ROLLBACK").await?;
        shared |= before != after || between == before;
    }
    close(other).await;
    Ok(shared)
}

/// The server's process that answers. Asked without a prepared statement, which may be gone already.
async fn process(connection: &mut PgConnection, sql: &'static str) -> Result<i32, sqlx::Error> {
    let row = sqlx::raw_sql(sql).fetch_one(connection).await?;
    row.try_get(0)
}

/// In statement mode a pooler refuses transactions, in words of its own.
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|cause| cause.code());
    code.as_deref() == Some("08P01")
}
