//! Indexes that a first load leaves for its end: dropped while its table is empty, built when the run ends, when somebody reads, or
//! at the next start. Knows which types wait for theirs, and who builds; no rows.
//!
//! Only what makes answers quicker is left: keys and unique values have their indexes at all times, and nothing that a load asks for
//! goes by another one: nested rows and links are found by keys that begin with their owner's. Which are missing says the database's
//! own list of them, so that a process may end anywhere.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    catalog::EntityId,
    store::{
        Inner, Store,
        db::{failpoint, postgres::connect, retry::in_line},
        error::{StoreError, failed},
        migrate::{
            build::{self, Turn},
            index,
        },
        runs::finish::{RunMemory, check_fence},
        types::Run,
    },
};

use super::{
    batch::Work,
    group::{family, take_turn},
};

/// Rows of a first group from which on indexes are left for the end: fewer are no load that they would slow down.
const MANY_ROWS: usize = if cfg!(test) { 100 } else { 1_000 };
/// A load has indexes made after this time, when it brings fewer than [`RATE_MIN`] rows a second: it waits for its upstream, and
/// who reads meanwhile is not to wait for it.
const PATIENCE: Duration = Duration::from_secs(5);
const RATE_MIN: f64 = 2_000.0;

/// The types of this process whose indexes are left for later.
#[derive(Default)]
pub(crate) struct Deferred {
    waiting: watch::Sender<BTreeMap<EntityId, Left>>,
    /// They are being built for a reader.
    building: AtomicBool,
}

/// Since when the indexes of a type are left, and the rows that have come.
#[derive(Clone, Copy)]
struct Left {
    since: Instant,
    rows: u64,
}

impl Deferred {
    fn leave(&self, of: &[EntityId]) {
        let left = Left {
            since: Instant::now(),
            rows: 0,
        };
        self.waiting
            .send_modify(|waiting| waiting.extend(of.iter().map(|entity| (*entity, left))));
    }

    /// All of them.
    pub fn waiting(&self) -> Vec<EntityId> {
        self.waiting.borrow().keys().copied().collect()
    }

    /// Nobody need wait for those of these types any more.
    pub fn end(&self, of: &[EntityId]) {
        self.waiting
            .send_modify(|waiting| waiting.retain(|entity, _| !of.contains(entity)));
    }

    /// Whether indexes of one of these types are left for later.
    pub fn has(&self, of: &[EntityId]) -> bool {
        let waiting = self.waiting.borrow();
        !waiting.is_empty() && of.iter().any(|entity| waiting.contains_key(entity))
    }

    /// Notes rows of a type; whether so few come that they need not be made room for.
    fn is_slow(&self, of: EntityId, rows: u64) -> bool {
        let mut slow = false;
        self.waiting.send_if_modified(|waiting| {
            if let Some(left) = waiting.get_mut(&of) {
                left.rows += rows;
                let elapsed = left.since.elapsed();
                slow = elapsed > PATIENCE && (left.rows as f64) < RATE_MIN * elapsed.as_secs_f64();
            }
            false
        });
        slow
    }
}

/// Before the first rows of a run: a table that they fill from nothing, and quickly, gets its indexes at the end.
pub(crate) async fn before(inner: &Inner, run: &Run, rows: usize, memory: &mut RunMemory) -> Result<(), StoreError> {
    if memory.indexes_known || rows == 0 {
        return Ok(());
    }
    if memory.part == 0 && rows >= MANY_ROWS {
        memory.lacks_indexes = in_line!(leave(inner, run).await)?;
    }
    // Another process may have left them, and may be gone.
    if !memory.lacks_indexes && !inner.dialect.exclusive() {
        memory.lacks_indexes = lacks(inner, run.entity).await?;
    }
    memory.indexes_known = true;
    Ok(())
}

/// After a commit: a load that turns out to be slow needs its indexes more than room for more rows.
pub(crate) async fn after(inner: &Inner, run: &Run, rows: usize) {
    if inner.deferred.is_slow(run.entity, rows as u64) {
        build(inner, &family(&inner.layout, run.entity), Turn::IfFree).await;
    }
}

/// Drops the indexes of an empty table, and of what goes with it. Gives whether it did.
async fn leave(inner: &Inner, run: &Run) -> Result<bool, StoreError> {
    let mut work = Work::in_force(inner).await?;
    check_fence(&mut work, run).await?;
    take_turn(&mut work, run, None).await?;
    let table = work.quote(&work.tables(run.entity).table.name);
    let some = work
        .all(work.params(), format!("SELECT 1 FROM {table} LIMIT 1"))
        .await?;
    if !some.is_empty() {
        return Ok(false);
    }
    let of = family(&inner.layout, run.entity);
    let indexes = index::secondary(inner.dialect, &inner.layout, &of);
    if indexes.is_empty() {
        return Ok(false);
    }
    for statement in inner.dialect.before_drop() {
        work.run(work.params(), (*statement).to_owned()).await?;
    }
    for index in &indexes {
        let drop = format!("DROP INDEX IF EXISTS {}", work.quote(&index.name));
        match work.tx.execute(work.params().query(drop)).await {
            Ok(_) => {}
            // Somebody reads: he is not kept waiting for this, nor the load.
            Err(error) if connect::is_locked(&error) => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
    }
    failpoint::point("indexes::dropped");
    // Before the commit, so that whoever reads after it finds it.
    inner.deferred.leave(&of);
    let done = work.commit().await;
    if done.is_err() {
        inner.deferred.end(&of);
    }
    done.map(|()| true)
}

/// Whether the database lacks indexes of what a run of this type writes.
async fn lacks(inner: &Inner, entity: EntityId) -> Result<bool, StoreError> {
    let of = family(&inner.layout, entity);
    Ok(!index::postponed(inner, Some(&of)).await?.is_empty())
}

/// At the end of a run: builds what it, or one before it, left. The run is over, whatever comes of this.
pub(crate) async fn end(inner: &Inner, run: &Run, lacks: bool) {
    let of = family(&inner.layout, run.entity);
    match (inner.deferred.has(&of), lacks) {
        (true, _) => build(inner, &of, Turn::Waited).await,
        // Others may be at it.
        (false, true) => build(inner, &of, Turn::IfFree).await,
        (false, false) => {}
    }
}

/// Builds the missing indexes of these types. What fails is tried again at the next start, and keeps nobody waiting until then.
async fn build(inner: &Inner, of: &[EntityId], turn: Turn) {
    let began = Instant::now();
    match build_all(inner, of, turn).await {
        Ok(0) => {}
        Ok(built) => tracing::info!(built, elapsed = ?began.elapsed(), "indexes were built after a load"),
        Err(error) => tracing::error!("indexes are missing until the next start: {error}"),
    }
    inner.deferred.end(of);
}

async fn build_all(inner: &Inner, of: &[EntityId], turn: Turn) -> Result<usize, StoreError> {
    let mut built = 0;
    for index in index::postponed(inner, Some(of)).await? {
        if !in_line!(build::build(inner, &index, turn).await)? {
            tracing::info!("another process builds the indexes");
            break;
        }
        built += 1;
    }
    Ok(built)
}

/// When a database is opened that nobody else writes: what a process left that was ended.
pub(crate) async fn find(inner: &Inner) -> Result<(), StoreError> {
    let missing = index::postponed(inner, None).await?;
    let lacks = |entity: &EntityId| {
        let own = index::secondary(inner.dialect, &inner.layout, &[*entity]);
        own.iter().any(|index| missing.contains(index))
    };
    let of: Vec<EntityId> = inner.catalog.entity_ids().filter(lacks).collect();
    inner.deferred.leave(&of);
    Ok(())
}

async fn build_for_reader(inner: Arc<Inner>, of: Arc<[EntityId]>) {
    build(&inner, &of, Turn::Waited).await;
    // Another reader may wait for other types: he looks again.
    inner.deferred.building.store(false, Ordering::Release);
    inner.deferred.waiting.send_modify(|_| {});
}

impl Store {
    /// Has the indexes of these types built if a load has left them for its end, and waits for them: as long as a statement may
    /// take. Without them an answer is right, and slow.
    pub(crate) async fn ready(&self, of: &Arc<[EntityId]>) {
        if !self.inner.deferred.has(of) {
            return;
        }
        let mut waiting = self.inner.deferred.waiting.subscribe();
        let built = async {
            while self.inner.deferred.has(of) {
                if !self.inner.deferred.building.swap(true, Ordering::AcqRel) {
                    tokio::spawn(build_for_reader(Arc::clone(&self.inner), Arc::clone(of)));
                }
                if waiting.changed().await.is_err() {
                    break;
                }
            }
        };
        // After that it is answered without them.
        let _ = tokio::time::timeout(self.inner.readers.limit() / 2, built).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_waits_for_its_upstream_makes_no_room() {
        let of = EntityId(0);
        let deferred = Deferred::default();
        deferred.leave(&[of]);
        let begun = |seconds| {
            let since = Instant::now()
                .checked_sub(Duration::from_secs(seconds))
                .expect("an instant");
            deferred
                .waiting
                .send_modify(|waiting| waiting.values_mut().for_each(|left| left.since = since));
        };
        assert!(!deferred.is_slow(of, 1), "it has only begun");
        begun(10);
        assert!(!deferred.is_slow(of, 30_000), "3,000 rows a second");
        begun(20);
        assert!(deferred.is_slow(of, 0), "1,500 rows a second");
        assert!(!deferred.is_slow(EntityId(1), 0), "nothing is left of another type");
    }
}
