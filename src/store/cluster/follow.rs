//! Commits of other processes on the same database, announced as our own are. Knows the change log's head and types; no rows.
//!
//! A notification only says that it is worth looking; the truth is the log. So one that is lost costs a second at most, and
//! a database that has none costs a question per second.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::{sync::Notify, time::sleep};

use crate::{
    catalog::EntityId,
    change::Commit,
    store::{context::Context, db::pool::get, error::StoreError, in_force},
};

/// Where commits are told of; the payload is the change log's head.
pub(crate) const CHANNEL: &str = "hayloft_commit";
/// How often the log's head is looked at without a notification.
const POLL: Duration = Duration::from_secs(1);
/// Pauses between tries to listen: doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Changes whose types are looked up; after more of them, all types count as touched, which costs live queries one run.
const CHANGES_MAX: i64 = 10_000;

/// What is committed from now on by others will be announced.
pub(crate) async fn begin(inner: &Context) -> Result<(), StoreError> {
    let Ok(writer) = inner.writer() else { return Ok(()) };
    if inner.is_alone() {
        return Ok(());
    }
    inner.heard.start(head(inner).await?.0);
    if let Some(sql) = inner.dialect.announce() {
        // Databases that speak PostgreSQL's language do not all have this word; it must not fail their commits.
        let mut params = inner.params();
        params.add("")?;
        if let Err(error) = writer.execute(params.query(sql)).await {
            tracing::info!(%error, "the database has no notifications; commits of other processes are looked for every {POLL:?}");
            inner.heard.mute.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Wakes at each notification; ends only with whoever waits for it.
pub(crate) async fn listen(pool: &PgPool, inner: &Context, wake: &Notify) {
    let ground = Arc::clone(&inner.ground);
    // A connection of its own: one of the writers' would be missing there. Like theirs it is asked where it leads, which is
    // often the first that a process without work hears of a promotion.
    let options = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .after_connect(move |connection, _| {
            let ground = Arc::clone(&ground);
            Box::pin(async move { ground.admit(connection).await.map(|_| ()) })
        });
    let own = options.connect_lazy_with((*pool.connect_options()).clone());
    let mut pause = PAUSE;
    loop {
        let heard = async {
            let mut listener = PgListener::connect_with(&own).await?;
            listener.listen(CHANNEL).await?;
            pause = PAUSE;
            loop {
                // None: the connection was cut, and is made again; so is everything that was told meanwhile.
                let told = listener.try_recv().await?;
                match told.is_some_and(|told| told.payload().is_empty()) {
                    true => inner.heard.work.notify_waiters(),
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

pub(crate) async fn look_again(inner: &Context, wake: &Notify) {
    let mut eras = inner.ground.eras();
    loop {
        tokio::select! {
            () = wake.notified() => {}
            () = sleep(POLL) => {}
            Ok(()) = eras.changed() => inner.heard.doubt(),
        }
        if let Err(error) = look(inner).await {
            tracing::debug!(%error, "the change log's head cannot be read; it is tried again");
        }
    }
}

/// Announces what others have committed since the last look; hears of a newer definition, too.
async fn look(inner: &Context) -> Result<(), StoreError> {
    let era = inner.ground.era();
    let (head, layout) = head(inner).await?;
    inner.ground.saw(era, head);
    in_force::by_number(inner, layout).await?;
    if !inner.heard.is_news(head) {
        return Ok(());
    }
    let entities = match inner.heard.others(head) {
        Some(spans) => touched(inner, &spans).await,
        None => Ok(inner.catalog.entity_ids().collect()),
    };
    // What cannot be looked up any more may be anything.
    let entities = entities.unwrap_or_else(|_| inner.catalog.entity_ids().collect::<BTreeSet<_>>());
    if !entities.is_empty() {
        inner.bus.announce(Commit {
            head,
            entities: Arc::new(entities),
        });
    }
    Ok(())
}

/// The types that these parts of the log are about.
async fn touched(inner: &Context, spans: &[(i64, i64)]) -> Result<BTreeSet<EntityId>, StoreError> {
    let all = || inner.catalog.entity_ids().collect();
    let changes: i64 = spans.iter().map(|(after, upto)| upto - after).sum();
    if changes > CHANGES_MAX {
        return Ok(all());
    }
    let mut found = BTreeSet::new();
    let mut seen = 0;
    for (after, upto) in spans {
        let mut params = inner.params();
        params.add(*after)?;
        params.add(*upto)?;
        let sql = "SELECT type,CAST(sum(seq-first_seq+1) AS BIGINT) FROM hayloft_change_pack WHERE seq>$1 AND seq<=$2 GROUP BY type";
        for line in inner.own.take().await?.fetch(params.query(sql)).await? {
            seen += get::<i64>(&line, 1)?;
            found.extend(inner.catalog.entity_named(&get::<String>(&line, 0)?));
        }
    }
    // Some are gone from the log already.
    Ok(if seen == changes { found } else { all() })
}

/// The change log's newest number, and that of the newest layout.
async fn head(inner: &Context) -> Result<(i64, i64), StoreError> {
    let sql = "SELECT seq,(SELECT id FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1) FROM hayloft_feed_head WHERE one=1";
    let found = inner.own.take().await?.fetch(inner.params().query(sql)).await?;
    found
        .first()
        .map_or(Ok((0, 0)), |line| Ok((get(line, 0)?, get(line, 1)?)))
}
