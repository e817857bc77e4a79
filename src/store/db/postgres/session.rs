//! One reading session with PostgreSQL: connects when it is needed and again when it was cut. Knows
//! connections; no SQL of ours.

use std::time::{Duration, Instant};

use futures_util::{Stream, TryStreamExt as _};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};

use crate::store::{
    db::{
        away::Why,
        guard::Guarded,
        params::{Command, Params, mixed},
        pool::ResultRow,
    },
    error::{self, Beyond},
};

use super::connect::{self, Plans};

/// Beyond the server's own limit: then the server or the way to it hangs, and the connection is
/// given up.
const GRACE: Duration = Duration::from_secs(2);
/// Tries of one statement, each on a new connection.
const TRIES: usize = 3;
/// The pause after a connection that could not be made, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long an abandoned statement may take to hear that nobody waits for it.
const CANCEL_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct Session {
    options: PgConnectOptions,
    guard: Guarded,
    limit: Duration,
    /// How its statements are planned.
    plans: Plans,
    live: Option<Live>,
}

struct Live {
    connection: PgConnection,
    /// How this connection plans them; none while it is told.
    plans: Option<Plans>,
    /// The server's process, by which its statement can be cancelled, and since when that server
    /// runs.
    process: i32,
    server: String,
    /// The generation in which it was let in.
    generation: u64,
}

impl Session {
    /// A session that is not connected yet; its statements may take `limit`.
    pub(crate) fn new(options: PgConnectOptions, guard: Guarded, limit: Duration, plans: Plans) -> Session {
        Session {
            options,
            guard,
            limit,
            plans,
            live: None,
        }
    }

    /// Has it plan its statements so from the next one on.
    pub(crate) fn plan(&mut self, plans: Plans) {
        self.plans = plans;
    }

    /// How it has planned the last one.
    pub(crate) fn plans(&self) -> Plans {
        self.plans
    }

    /// Runs a statement that only reads; so it may be run again when the connection was cut, or it
    /// had to give way. It is left when its texts have more than so many bytes, with [`Beyond`] as
    /// what could not be decoded.
    pub(crate) async fn fetch_all(&mut self, command: Command, most: u64) -> Result<Vec<ResultRow>, sqlx::Error> {
        let Params::Postgres(params) = command.params else {
            return Err(mixed());
        };
        let until = Instant::now() + self.limit + GRACE;
        let (mut tries, plans) = (1, self.plans);
        loop {
            let live = self.connected(until).await?;
            let query = sqlx::query_with(AssertSqlSafe(command.sql.clone()), params.clone());
            let asked = async {
                if live.plans != Some(plans) {
                    // Nobody may wait to the end.
                    live.plans = None;
                    let settings = sqlx::raw_sql(AssertSqlSafe(plans.settings()));
                    live.connection.execute(settings).await?;
                    live.plans = Some(plans);
                }
                collect(query.fetch(&mut live.connection), most).await
            };
            let limit = until.saturating_duration_since(Instant::now());
            let done = tokio::time::timeout(limit, asked).await;
            let error = match done {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            };
            let cut = error::is_lost(&error) || error::is_stale(&error);
            if cut {
                self.live = None;
            }
            // Who moves tables may have locked one while this waited for another: the server ends
            // either of the two.
            let again = cut || error::gives_way(&error);
            if !again || tries >= TRIES || Instant::now() >= until {
                return Err(error);
            }
            tries += 1;
        }
    }

    /// The connection, made when there is none; a server that has just gone is asked again until
    /// then.
    async fn connected(&mut self, until: Instant) -> Result<&mut Live, sqlx::Error> {
        let mut pause = PAUSE;
        // What an older generation asked is another place, should it still answer.
        self.live.take_if(|live| live.generation != self.guard.generation());
        while self.live.is_none() {
            let away = self.guard.away();
            away.may_try().await.map_err(|why| match why {
                Why::Gone => sqlx::Error::Io(std::io::ErrorKind::NotConnected.into()),
                Why::Crowded => error::crowded(),
            })?;
            let limit = until.saturating_duration_since(Instant::now());
            let connected = tokio::time::timeout(limit, self.connect()).await;
            let error = match connected {
                Ok(Ok(live)) => {
                    away.reached();
                    self.live = Some(live);
                    continue;
                }
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            };
            let why = match error::is_crowded(&error) {
                true => Why::Crowded,
                false => Why::Gone,
            };
            if !error::is_lost(&error) || !away.missed(why) || Instant::now() + pause >= until {
                return Err(error);
            }
            tracing::debug!(%error, "a reader cannot connect yet");
            tokio::time::sleep(pause).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
        self.live.as_mut().ok_or_else(mixed)
    }

    async fn connect(&self) -> Result<Live, sqlx::Error> {
        let mut connection = connect::reader(&self.options, self.limit, self.plans).await?;
        let generation = self.guard.admit(&mut connection).await?;
        let names = sqlx::query_as("SELECT pg_backend_pid(),pg_postmaster_start_time()::text");
        let (process, server) = names.fetch_one(&mut connection).await?;
        Ok(Live {
            connection,
            plans: Some(self.plans),
            process,
            server,
            generation,
        })
    }

    /// Ends a statement that nobody waits for any more, so that the connection can serve again; or
    /// gives the connection up.
    pub(crate) async fn idle(&mut self) {
        let Some(live) = &mut self.live else { return };
        let cancelled = tokio::time::timeout(CANCEL_WAIT, cancel(&self.options, live)).await;
        if !matches!(cancelled, Ok(Ok(()))) {
            tracing::debug!("an abandoned statement could not be cancelled");
            self.live = None;
        }
    }

    pub(crate) async fn close(&mut self) {
        if let Some(live) = self.live.take() {
            connect::close(live.connection).await;
        }
    }
}

/// The rows, while those with a text in their second column do not become too many bytes.
async fn collect(
    mut rows: impl Stream<Item = Result<PgRow, sqlx::Error>> + Unpin,
    most: u64,
) -> Result<Vec<ResultRow>, sqlx::Error> {
    let (mut all, mut found) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        let text = row.try_get_raw(1).ok().and_then(|text| text.as_bytes().ok());
        found += text.map_or(0, |text| text.len() as u64);
        if found > most {
            return Err(sqlx::Error::Decode(Box::new(Beyond::Bytes { found, most })));
        }
        all.push(ResultRow::Postgres(row));
    }
    Ok(all)
}

async fn cancel(options: &PgConnectOptions, live: &mut Live) -> Result<(), sqlx::Error> {
    let mut other = options.connect().await?;
    // On another server the number is another's.
    let sql = "SELECT pg_cancel_backend($1) WHERE pg_postmaster_start_time()::text=$2";
    let asked = sqlx::query(sql).bind(live.process).bind(&live.server);
    asked.execute(&mut other).await?;
    connect::close(other).await;
    // The first may still meet the cancellation; the server forgets it with the next command.
    let met = sqlx::query("SELECT 1").execute(&mut live.connection).await;
    if met.is_err() {
        sqlx::query("SELECT 1").execute(&mut live.connection).await?;
    }
    Ok(())
}
