//! The guard of connections: knows the place that the database had when it was last looked at. Each
//! connection is asked where it leads before it is used. Knows places and generations; no rows.
//!
//! A server's session ends with the server, so a connection that was let in leads to the same place
//! for as long as it lives. When a new one leads elsewhere (a standby was promoted, a backup
//! restored), commits that this process knows of may be lost. Then a new epoch of the change log
//! and a new generation of this process begin before anything is asked or written there:
//! connections, runs and claims of an older generation are worth nothing, wherever they turn up.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::sync::watch;

use crate::store::{
    db::{away::Away, guard::ConnectionGuard},
    error::{Lost, StoreError},
};

use super::place::{self, Known, Seen};

pub(crate) struct Guard {
    known: Mutex<Option<Known>>,
    /// What each connection is asked.
    question: OnceLock<String>,
    /// Counts the moves that this process has noticed.
    generation: watch::Sender<u64>,
    /// One connection settles a move; the others wait and find it settled.
    turn: tokio::sync::Mutex<()>,
    /// The tables of this definition are not there any more.
    lost: OnceLock<Lost>,
    /// Whether it can be reached at all.
    pub away: Away,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            known: Mutex::default(),
            question: OnceLock::new(),
            generation: watch::Sender::new(0),
            turn: tokio::sync::Mutex::default(),
            lost: OnceLock::new(),
            away: Away::default(),
        }
    }
}

impl Guard {
    /// Everything that is remembered of the database belongs to one generation, and is worth
    /// nothing in the next.
    pub(crate) fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Hears of each new generation.
    pub(crate) fn generations(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// An error when no connection will be let in any more.
    pub(crate) fn usable(&self) -> Result<(), StoreError> {
        match self.lost.get() {
            Some(lost) => Err(StoreError::LayoutDiffers(lost.to_string())),
            None => Ok(()),
        }
    }

    /// The change log has been seen to reach so far.
    pub(crate) fn saw(&self, generation: u64, head: i64) {
        let mut known = self.known();
        if let Some(known) = known.as_mut().filter(|_| self.generation() == generation) {
            known.head = known.head.max(head);
        }
    }

    /// Takes the place as it is, after the definition's tables were made there; from now on every
    /// connection is asked.
    pub(crate) async fn take(&self, connection: &mut PgConnection, question: String) -> Result<(), sqlx::Error> {
        let question = self.question.get_or_init(|| question).clone();
        let _turn = self.turn.lock().await;
        let known = self.known().clone();
        let here = place::settle(connection, &question, known.as_ref()).await?;
        self.stand(here);
        Ok(())
    }

    /// Lets a new connection in; gives the generation that it belongs to. Where it leads elsewhere
    /// than the others did, an epoch begins there first.
    pub(crate) async fn admit(&self, connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
        let generation = self.generation();
        let (Some(question), true) = (self.question.get(), self.known().is_some()) else {
            return Ok(generation);
        };
        let seen = place::look(connection, question).await;
        let seen = seen.map_err(|error| self.explain(error))?;
        if seen.standby {
            return Err(not_yet());
        }
        if self.knows(&seen) && self.generation() == generation {
            return Ok(generation);
        }
        let _turn = self.turn.lock().await;
        let Some(known) = self.known().clone() else {
            return Ok(generation);
        };
        let here = place::settle(connection, question, Some(&known)).await?;
        if known.epoch != here.epoch && !has_layout(connection, &known.layout).await? {
            return Err(self.lose());
        }
        self.stand(Seen {
            layout: known.layout,
            ..here
        });
        Ok(self.generation())
    }

    /// Whether a connection that was let in once still leads to where this process stands.
    pub(crate) async fn holds(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let Some(known) = self.known().clone() else {
            return connection.ping().await.map(|()| true);
        };
        let head = "SELECT epoch,seq FROM hayloft_feed_head WHERE one=1";
        let row = sqlx::query(head).fetch_one(connection).await?;
        let (epoch, head): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(epoch == known.epoch && head >= known.head)
    }

    fn knows(&self, seen: &Seen) -> bool {
        let known = self.known();
        let is_same = |known: &Known| {
            known.epoch == seen.epoch
                && seen.head >= known.head
                && place::differences(&known.place, &seen.place).is_empty()
        };
        known.as_ref().is_some_and(is_same)
    }

    /// Notes where this process stands from now on; a new generation begins where that is
    /// elsewhere.
    fn stand(&self, here: Seen) {
        let mut known = self.known();
        let moved = known.as_ref().is_some_and(|known| known.epoch != here.epoch);
        *known = Some(Known {
            place: here.place,
            epoch: here.epoch,
            head: here.head,
            layout: here.layout,
        });
        if moved {
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// Tables that are gone were there when this process started.
    fn explain(&self, error: sqlx::Error) -> sqlx::Error {
        let code = error.as_database_error().and_then(|cause| cause.code());
        // PostgreSQL's undefined_table and undefined_column; a head without its row.
        match code.as_deref() {
            Some("42P01" | "42703") => self.lose(),
            _ if matches!(error, sqlx::Error::RowNotFound) => self.lose(),
            _ => error,
        }
    }

    fn lose(&self) -> sqlx::Error {
        let lost = *self.lost.get_or_init(|| {
            tracing::error!("{Lost}");
            Lost
        });
        sqlx::Error::Configuration(Box::new(lost))
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionGuard for Guard {
    fn admit<'c>(&'c self, connection: &'c mut PgConnection) -> BoxFuture<'c, Result<u64, sqlx::Error>> {
        Box::pin(Guard::admit(self, connection))
    }

    fn holds<'c>(&'c self, connection: &'c mut PgConnection) -> BoxFuture<'c, Result<bool, sqlx::Error>> {
        Box::pin(Guard::holds(self, connection))
    }

    fn generation(&self) -> u64 {
        self.generation()
    }

    fn away(&self) -> &Away {
        &self.away
    }
}

/// A standby becomes a primary soon, or another server does: as if nobody listened there yet.
fn not_yet() -> sqlx::Error {
    tracing::debug!("the address leads to a standby; it is waited for until it is promoted");
    sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into())
}

async fn has_layout(connection: &mut PgConnection, layout: &str) -> Result<bool, sqlx::Error> {
    let sql = "SELECT count(*) FROM hayloft_applied_layout WHERE id||' '||definition=$1";
    let found: i64 = sqlx::query_scalar(sql).bind(layout).fetch_one(connection).await?;
    Ok(found > 0)
}
