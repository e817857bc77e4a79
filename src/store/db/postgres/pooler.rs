//! Whether a session is ours alone, or a pooler hands the server's sessions round between
//! transactions. Knows sessions; no tables.
//!
//! Behind a pooler in transaction mode settings are lost, prepared statements are another's, and
//! nothing is heard of notifications. Most of that fails aloud, but not all, so it is refused
//! before anything else is asked.

use std::time::Duration;

use sqlx::{ConnectOptions as _, Executor as _, PgConnection, Row as _, postgres::PgConnectOptions};

use crate::store::{
    db::open_error,
    error::{self, StoreError},
};

use super::connect;

/// Tries to see a session change hands: one is enough where the pooler is idle, more are needed
/// where others use it too.
const ROUNDS: usize = 2;
/// How long two sessions may take for it. A pooler that has only one keeps the second waiting.
const WAIT: Duration = Duration::from_secs(10);

/// Refuses a pooler whose clients share sessions. While one other connection, and then two, are
/// inside a transaction, the first one asks again by which process of the server it is served:
/// where sessions are its own, it is always the same, and nobody else's. A pooler that hands out
/// the session used last gives it to the other; one that goes round gives the first another, or
/// with two others meets it.
pub(crate) async fn refuse_shared(
    place: &str,
    options: &PgConnectOptions,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let asked = tokio::time::timeout(WAIT, is_shared(options, connection)).await;
    let shared = match asked {
        Ok(Ok(shared)) => shared,
        Ok(Err(error)) => return Err(open_error::cannot_connect(place, error)),
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
    let mut others = [options.connect().await?, options.connect().await?];
    let own = process(connection).await?;
    let mut shared = false;
    for _ in 0..ROUNDS {
        for other in &mut others {
            if let Err(error) = say(other, "BEGIN").await {
                // In statement mode a pooler refuses transactions, in words of its own.
                return if error::is_lost(&error) { Ok(true) } else { Err(error) };
            }
            shared |= process(other).await? == own;
            shared |= process(connection).await? != own;
        }
        for other in &mut others {
            say(other, "ROLLBACK").await?;
        }
    }
    for other in others {
        connect::close(other).await;
    }
    Ok(shared)
}

async fn say(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    connection.execute(sql).await.map(|_| ())
}

/// The server's process that answers.
async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    // Without a prepared statement, which may be gone already.
    let row = connection.fetch_one("SELECT pg_backend_pid()").await?;
    row.try_get(0)
}
