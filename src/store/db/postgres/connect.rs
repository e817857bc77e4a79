//! Opening a PostgreSQL database: addresses, sessions, pools, what is checked first. Knows
//! settings; no tables.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    config::PostgresUrl,
    store::{
        db::{guard::Guarded, open_error, pool::Pool},
        error::{StoreError, failed},
    },
};

/// The oldest version that has all we use, as the server counts.
const VERSION_MIN: i32 = 12;
/// Prepared statements kept per connection: plans in use beside the statements of loads.
const STATEMENTS: usize = 512;
/// How long a first connection may take, a server that is still starting included.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long a commit waits for a connection that writes, or for the server to come back.
const WRITER_WAIT: Duration = Duration::from_secs(30);
/// Connections that write: several runs commit at once, and the ledger beside them.
const WRITERS: u32 = 4;
/// How long a transaction of ours may lie idle before the server ends it. A process that was
/// stopped in the middle of one must not keep its locks for longer than its lease, or nobody could
/// take its run over in time; none of ours waits for anything but the database.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(15);
/// Who makes tables takes this lock of the database first, so that processes that start together do
/// so one by one.
const SETUP_LOCK: i64 = 0x6861_796c_6f66_7400;

/// The files that the address names can be read; the driver only says that something was not found.
fn check_files(url: &PostgresUrl) -> Result<(), StoreError> {
    for (option, path) in url.secret().query_pairs() {
        let is_file = matches!(&*option, "sslrootcert" | "sslcert" | "sslkey");
        if !is_file || path.starts_with("-----BEGIN") {
            continue;
        }
        if let Err(error) = std::fs::File::open(&*path) {
            return Err(StoreError::Unusable(format!(
                "{url}: {path} cannot be read: {}; correct {option} in --database",
                error.kind()
            )));
        }
    }
    Ok(())
}

/// Reads the address as the driver does.
pub(crate) fn options(url: &PostgresUrl) -> Result<PgConnectOptions, StoreError> {
    check_files(url)?;
    let options = PgConnectOptions::from_str(url.secret().as_str()).map_err(|error| match error {
        sqlx::Error::Configuration(_) => StoreError::Unusable(format!(
            "the address of {url} has an option that cannot be read; see the documentation for sslmode, sslrootcert and others"
        )),
        other => StoreError::Database(Box::new(other)),
    })?;
    Ok(options
        .application_name("hayloft")
        // Each session sets it itself; in the first message of a connection some poolers refuse it.
        .extra_float_digits(None)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging())
}

/// Whether the server is reached by a socket of this machine. As the driver does, a host that
/// begins like a path is one.
pub(crate) fn is_socket(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

/// What each session of ours says first. Limits that the server sets for everybody are for people
/// who forget a session: they would end connections at rest, and steps that take long on large
/// tables.
const SESSION: &str = "SET standard_conforming_strings=on;SET timezone='UTC';SET datestyle='ISO';SET extra_float_digits=1;\
                       SET default_transaction_isolation='read committed';SET bytea_output='hex';SET client_min_messages=warning;SET jit=off;\
                       SELECT set_config(name,'0',false) FROM pg_catalog.pg_settings \
                       WHERE name IN ('statement_timeout','lock_timeout','idle_session_timeout','transaction_timeout');";

/// How a session plans its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plans {
    /// For the values at hand: a plan that was made for all values is bad for some, and one that
    /// was made while a table was small is bad for ever after.
    Custom,
    /// Once: loads by key take less time than a plan does. They go by indexes, however small a
    /// table was at first.
    Generic,
    /// Once, too, and by indexes that have the rows in order: whatever the values are, only the
    /// first rows are looked at.
    Led,
}

impl Plans {
    /// What a session says to plan so from then on, however it did before.
    pub(super) fn settings(self) -> &'static str {
        match self {
            Plans::Custom => {
                "SET plan_cache_mode=force_custom_plan;RESET enable_seqscan;RESET enable_hashjoin;RESET enable_mergejoin;\
                 RESET enable_bitmapscan;RESET enable_sort;"
            }
            Plans::Generic => {
                "SET plan_cache_mode=force_generic_plan;SET enable_seqscan=off;SET enable_hashjoin=off;SET enable_mergejoin=off;"
            }
            Plans::Led => {
                "SET plan_cache_mode=force_generic_plan;SET enable_seqscan=off;SET enable_hashjoin=off;SET enable_mergejoin=off;\
                 SET enable_bitmapscan=off;SET enable_sort=off;"
            }
        }
    }
}

/// A connection that only reads, with the server's own limit for its statements.
///
/// Nothing runs in parallel: that would not keep the order of what is put together, and answers are
/// small.
pub(crate) async fn reader(
    options: &PgConnectOptions,
    limit: Duration,
    plans: Plans,
) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    let session = format!(
        "{SESSION}SET default_transaction_read_only=on;SET statement_timeout={};SET max_parallel_workers_per_gather=0;{}",
        limit.as_millis(),
        plans.settings()
    );
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(session))).await?;
    Ok(connection)
}

/// The connections that write.
pub(crate) async fn writer(place: &str, options: &PgConnectOptions, guard: &Guarded) -> Result<Pool, StoreError> {
    let session = format!(
        "{SESSION}SET idle_in_transaction_session_timeout={};SET synchronous_commit=on;{}",
        IDLE_IN_TRANSACTION.as_millis(),
        Plans::Custom.settings()
    );
    let (guard, held) = (Arc::clone(guard), Arc::clone(guard));
    let pool = PgPoolOptions::new()
        .max_connections(WRITERS)
        .min_connections(0)
        .acquire_timeout(WRITER_WAIT)
        // The server may have gone and come back since, or another one in its place: asking for
        // that tells both.
        .test_before_acquire(false)
        .before_acquire(move |connection, _| {
            let guard = Arc::clone(&held);
            Box::pin(async move { guard.holds(connection).await })
        })
        .after_connect(move |connection, _| {
            let (session, guard) = (session.clone(), Arc::clone(&guard));
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(session))).await?;
                guard.admit(connection).await.map(|_| ())
            })
        })
        .connect_lazy_with(options.clone());
    let connected = pool
        .acquire()
        .await
        .map_err(|error| open_error::cannot_connect(place, error))?;
    drop(connected);
    Ok(Pool::Postgres(pool))
}

/// Looks at a server before anything is done with it; keeps the lock of those who make tables as
/// long as it lives.
pub(crate) async fn check(place: &str, options: &PgConnectOptions, write: bool) -> Result<PgConnection, StoreError> {
    let connected = tokio::time::timeout(CONNECT_WAIT, options.connect()).await;
    let connected = connected.map_err(|_| open_error::unreachable(place))?;
    let mut connection = connected.map_err(|error| open_error::cannot_connect(place, error))?;
    let facts = "SELECT current_setting('server_version_num')::int4/10000,current_setting('server_version'),\
                 current_setting('server_encoding'),current_schema()::text,pg_is_in_recovery()";
    let facts = connection.fetch_one(facts).await;
    let facts = facts.map_err(|error| open_error::cannot_connect(place, error))?;
    let read = |error| open_error::cannot_connect(place, error);
    let version: i32 = facts.try_get(0).map_err(read)?;
    let said: String = facts.try_get(1).map_err(read)?;
    let encoding: String = facts.try_get(2).map_err(read)?;
    let schema: Option<String> = facts.try_get(3).map_err(read)?;
    let standby: bool = facts.try_get(4).map_err(read)?;
    let fault = if version < VERSION_MIN {
        format!("{place} is PostgreSQL {said}; version {VERSION_MIN} or newer is needed")
    } else if encoding != "UTF8" {
        format!("{place} keeps text as {encoding}; make a database with ENCODING 'UTF8' and give that")
    } else if schema.is_none() {
        format!("{place} has no schema to make tables in; create one that is on the role's search_path")
    } else if standby && write {
        format!("{place} is a standby, which cannot be written; give the address of its primary")
    } else {
        return Ok(connection);
    };
    close(connection).await;
    Err(StoreError::Unusable(fault))
}

/// Waits until no other process makes tables; the lock goes with the connection.
pub(crate) async fn lock_setup(connection: &mut PgConnection) -> Result<(), StoreError> {
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(SETUP_LOCK);
    lock.execute(connection).await.map_err(failed)?;
    Ok(())
}

/// Ends a connection in order; a server that is gone needs no goodbye.
pub(crate) async fn close(connection: PgConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection was already closed");
    }
}
