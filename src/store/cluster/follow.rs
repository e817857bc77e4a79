//! Commits of other processes on the same database, announced as our own are. Knows when to look;
//! no rows.
//!
//! A notification only says that it is worth looking; the truth is the log. So one that is lost
//! costs half a second at most, and a database that has none costs two questions a second.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::{sync::Notify, time::sleep};

use crate::store::{context::Context, error::StoreError};

use super::look::look;

/// Where commits are told of; the payload is the change log's head.
pub(crate) const CHANNEL: &str = "hayloft_commit";
/// How often the log's head is looked at without a notification.
const POLL: Duration = Duration::from_millis(500);
/// Pauses between tries to listen: doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What is committed from now on by others will be announced.
pub(crate) async fn begin(context: &Context) -> Result<(), StoreError> {
    let Ok(writer) = context.writer() else { return Ok(()) };
    if context.is_alone() {
        return Ok(());
    }
    look(context).await?;
    if let Some(sql) = context.dialect.announce() {
        // Databases that speak PostgreSQL's language do not all have this word; it must not fail
        // their commits.
        let mut params = context.params();
        params.add("")?;
        if let Err(error) = writer.execute(params.query(sql)).await {
            tracing::info!(%error, "the database has no notifications; commits of other processes are looked for every {POLL:?}");
            context.heard.mute.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Wakes at each notification; ends only with whoever waits for it.
pub(crate) async fn listen(pool: &PgPool, context: &Context, wake: &Notify) {
    let guard = Arc::clone(&context.guard);
    // A connection of its own: one of the writers' would be missing there. Like theirs it is asked
    // where it leads, which is often the first that a process without work hears of a promotion.
    let options = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .after_connect(move |connection, _| {
            let guard = Arc::clone(&guard);
            Box::pin(async move { guard.admit(connection).await.map(|_| ()) })
        });
    let own = options.connect_lazy_with((*pool.connect_options()).clone());
    let mut pause = PAUSE;
    loop {
        let heard = async {
            let mut listener = PgListener::connect_with(&own).await?;
            listener.listen(CHANNEL).await?;
            pause = PAUSE;
            loop {
                // None: the connection was cut, and is made again; so is everything that was told
                // meanwhile.
                let told = listener.try_recv().await?;
                match told.is_some_and(|told| told.payload().is_empty()) {
                    true => context.heard.work.notify_waiters(),
                    false => wake.notify_one(),
                }
            }
        };
        let ended: Result<(), sqlx::Error> = heard.await;
        if let Err(error) = ended {
            tracing::debug!(%error, "commits of other processes are not told of; they are looked for every {POLL:?}");
        }
        sleep(pause).await;
        pause = PAUSE_MAX.min(pause * 2);
    }
}

pub(crate) async fn look_again(context: &Context, wake: &Notify) {
    let mut generations = context.guard.generations();
    loop {
        tokio::select! {
            () = wake.notified() => {}
            () = sleep(POLL) => {}
            Ok(()) = generations.changed() => {}
        }
        if let Err(error) = look(context).await {
            tracing::debug!(%error, "the change log's head cannot be read; it is tried again");
        }
    }
}
