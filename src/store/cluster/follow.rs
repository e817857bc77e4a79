//! Commits of other processes on the same database, announced as our own are. Knows the change log's head and types; no rows.
//!
//! A notification only says that it is worth looking; the truth is the log. So one that is lost costs a second at most, and
//! a database that has none costs a question per second.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::EntityId,
    change::Commit,
    store::{
        Inner, Store,
        db::pool::{Pool, get},
        error::StoreError,
        in_force,
        load::batch::Work,
    },
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
/// Commits of our own between two looks that are told apart from those of others; see [`CHANGES_MAX`].
const OWN_MAX: usize = 64;

/// How far the change log was heard of, and which part of it is our own.
#[derive(Default)]
pub(crate) struct Heard {
    known: Mutex<Known>,
    /// The database has no notifications.
    mute: AtomicBool,
    /// Another process has told that there is work.
    work: Notify,
}

#[derive(Clone, Default)]
struct Known {
    head: i64,
    /// Numbers of our own commits after `head`: after the first, up to the second.
    own: Vec<(i64, i64)>,
    /// A commit of ours failed: its numbers may be another's by now.
    unsure: bool,
}

/// A commit of our own that is about to happen.
pub(crate) struct Own<'a> {
    heard: &'a Heard,
    span: (i64, i64),
    done: bool,
}

impl Heard {
    /// What another handle of the same process has heard, for one that goes on after it.
    pub fn beside(older: &Heard) -> Heard {
        Heard {
            known: Mutex::new(older.known().clone()),
            mute: AtomicBool::new(older.mute.load(Ordering::Relaxed)),
            work: Notify::new(),
        }
    }

    fn start(&self, head: i64) {
        self.known().head = head;
    }

    /// Notes a commit before it happens, so that no look takes it for another's.
    pub fn expect(&self, after: i64, upto: i64) -> Own<'_> {
        let mut guard = self.known();
        let known = &mut *guard;
        let room = known.own.len() < OWN_MAX;
        match known.own.last_mut() {
            Some(last) if last.1 == after => last.1 = upto,
            _ if room => known.own.push((after, upto)),
            _ => known.unsure = true,
        }
        drop(guard);
        Own {
            heard: self,
            span: (after, upto),
            done: false,
        }
    }

    /// The parts of the log up to `head` that others wrote; `None` when that cannot be told. From now on they are heard of.
    fn others(&self, head: i64) -> Option<Vec<(i64, i64)>> {
        let mut known = self.known();
        let before = std::mem::replace(&mut known.head, head);
        let unsure = std::mem::take(&mut known.unsure) || head < before;
        let own = std::mem::take(&mut known.own);
        // What is not committed yet is left for the next look.
        known.own = own.iter().filter(|span| span.1 > head).copied().collect();
        if unsure {
            return None;
        }
        let mut spans = Vec::new();
        let mut from = before;
        for (after, upto) in own {
            if after > from {
                spans.push((from, after.min(head)));
            }
            from = from.max(upto).min(head);
        }
        spans.push((from, head));
        spans.retain(|(after, upto)| after < upto);
        Some(spans)
    }

    /// The log is another one, or has lost what was heard of.
    fn doubt(&self) {
        let mut known = self.known();
        known.unsure = true;
        known.own.clear();
    }

    fn is_news(&self, head: i64) -> bool {
        let known = self.known();
        known.unsure || known.head != head
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Own<'_> {
    pub fn committed(mut self) {
        self.done = true;
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        if !self.done {
            let mut known = self.heard.known();
            known.unsure = true;
            known.own.retain(|span| span.1 <= self.span.0);
        }
    }
}

/// What is committed from now on by others will be announced.
pub(crate) async fn begin(inner: &Inner) -> Result<(), StoreError> {
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

/// Notes a commit of our own, and lets the other processes know of it if it happens; the last step of its transaction.
pub(crate) async fn tell<'a>(work: &mut Work<'a>, after: i64, head: i64) -> Result<Option<Own<'a>>, StoreError> {
    let inner = work.inner;
    if inner.is_alone() {
        return Ok(None);
    }
    let own = inner.heard.expect(after, head);
    if let (Some(sql), false) = (inner.dialect.announce(), inner.heard.mute.load(Ordering::Relaxed)) {
        let mut params = work.params();
        params.add(head.to_string())?;
        work.run(params, sql.to_owned()).await?;
    }
    Ok(Some(own))
}

/// Lets the other processes know that there is work that they may help with; the last step of its transaction.
pub(crate) async fn tell_of_work(work: &mut Work<'_>) -> Result<(), StoreError> {
    let inner = work.inner;
    if let (Some(sql), false) = (inner.dialect.announce(), inner.heard.mute.load(Ordering::Relaxed)) {
        let mut params = work.params();
        params.add("")?;
        work.run(params, sql.to_owned()).await?;
    }
    Ok(())
}

impl Store {
    /// Waits until another process tells of work that this one may help with; for ever where nobody listens.
    pub async fn work(&self) {
        self.inner.heard.work.notified().await;
    }

    /// Announces what other processes commit, until cancelled. A database that only one process writes to has none.
    pub async fn follow(&self, cancel: &CancellationToken) {
        let Some(Pool::Postgres(pool)) = &self.inner.writer else {
            cancel.cancelled().await;
            return;
        };
        let wake = Notify::new();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = listen(pool, &self.inner, &wake) => {}
            () = look_again(&self.inner, &wake) => {}
        }
    }
}

/// Wakes at each notification; ends only with whoever waits for it.
async fn listen(pool: &PgPool, inner: &Inner, wake: &Notify) {
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

async fn look_again(inner: &Inner, wake: &Notify) {
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
async fn look(inner: &Inner) -> Result<(), StoreError> {
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
async fn touched(inner: &Inner, spans: &[(i64, i64)]) -> Result<BTreeSet<EntityId>, StoreError> {
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
async fn head(inner: &Inner) -> Result<(i64, i64), StoreError> {
    let sql = "SELECT seq,(SELECT id FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1) FROM hayloft_feed_head WHERE one=1";
    let found = inner.own.take().await?.fetch(inner.params().query(sql)).await?;
    found
        .first()
        .map_or(Ok((0, 0)), |line| Ok((get(line, 0)?, get(line, 1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_commits_are_told_apart() {
        let heard = Heard::default();
        heard.start(10);
        heard.expect(12, 15).committed();
        heard.expect(15, 16).committed();
        let next = heard.expect(20, 22);
        assert!(heard.is_news(20));
        assert_eq!(heard.others(20), Some(vec![(10, 12), (16, 20)]));
        next.committed();
        assert_eq!(heard.others(22), Some(vec![]), "our own alone");
        assert!(!heard.is_news(22));
        assert_eq!(heard.others(25), Some(vec![(22, 25)]), "another's alone");
    }

    #[test]
    fn what_is_not_sure_is_everything() {
        let heard = Heard::default();
        heard.start(10);
        drop(heard.expect(10, 12));
        assert!(heard.is_news(10), "a commit that failed may have happened");
        assert_eq!(heard.others(12), None);
        assert_eq!(heard.others(14), Some(vec![(12, 14)]));
        assert_eq!(heard.others(3), None, "a log that goes back is another one");
        for at in 0..=OWN_MAX as i64 {
            heard.expect(10 * at + 3, 10 * at + 4).committed();
        }
        assert_eq!(heard.others(10_000), None, "more than are kept apart");
    }
}
