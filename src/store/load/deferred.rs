//! Indexes that a first load leaves for its end: dropped while its table is empty, built when the run ends, when somebody reads, or
//! at the next start. Knows which types wait for theirs, and who builds; no rows.
//!
//! Only what makes answers quicker is left: keys and unique values have their indexes at all times, and nothing that a load asks for
//! goes by another one: nested rows and links are found by keys that begin with their owner's. Which are missing says the database's
//! own list of them, so that a process may end anywhere.

use std::{sync::Arc, time::Instant};

use crate::{
    catalog::EntityId,
    store::{
        context::Context,
        db::{failpoint, retry::in_line},
        error::{self, StoreError, failed},
        in_force,
        migrate::{
            build::{self, Turn},
            index,
        },
        state::run_memory::RunMemory,
        system::runs,
        types::Run,
    },
};

use super::turns::take_turn;

/// Rows of a first group from which on indexes are left for the end: fewer are no load that they would slow down.
const MANY_ROWS: usize = if cfg!(test) { 100 } else { 1_000 };

/// Before the first rows of a run: a table that they fill from nothing, and quickly, gets its indexes at the end.
pub(crate) async fn before(inner: &Context, run: &Run, rows: usize, memory: &mut RunMemory) -> Result<(), StoreError> {
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
pub(crate) async fn after(inner: &Context, run: &Run, rows: usize) {
    if inner.deferred.is_slow(run.entity, rows as u64) {
        build(inner, &inner.layout.family(run.entity), Turn::IfFree).await;
    }
}

/// Drops the indexes of an empty table, and of what goes with it. Gives whether it did.
async fn leave(inner: &Context, run: &Run) -> Result<bool, StoreError> {
    let mut work = in_force::begin(inner).await?;
    runs::check_fence(&mut work, run).await?;
    take_turn(&mut work, run, None).await?;
    let table = work.quote(&work.tables(run.entity).table.name);
    let some = work
        .all(work.params(), format!("SELECT 1 FROM {table} LIMIT 1"))
        .await?;
    if !some.is_empty() {
        return Ok(false);
    }
    let of = inner.layout.family(run.entity);
    let indexes = index::secondary(inner.dialect, &inner.layout, &of);
    if indexes.is_empty() {
        return Ok(false);
    }
    for statement in inner.dialect.before_drop() {
        work.run(work.params(), (*statement).to_owned()).await?;
    }
    for index in &indexes {
        let drop = format!("DROP INDEX IF EXISTS {}", work.quote(&index.name));
        match work.driver.execute(work.params().query(drop)).await {
            Ok(_) => {}
            // Somebody reads: he is not kept waiting for this, nor the load.
            Err(error) if error::is_locked(&error) => return Ok(false),
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
async fn lacks(inner: &Context, entity: EntityId) -> Result<bool, StoreError> {
    let of = inner.layout.family(entity);
    Ok(!index::postponed(inner, Some(&of)).await?.is_empty())
}

/// At the end of a run: builds what it, or one before it, left. The run is over, whatever comes of this.
pub(crate) async fn end(inner: &Context, run: &Run, lacks: bool) {
    let of = inner.layout.family(run.entity);
    match (inner.deferred.has(&of), lacks) {
        (true, _) => build(inner, &of, Turn::Waited).await,
        // Others may be at it.
        (false, true) => build(inner, &of, Turn::IfFree).await,
        (false, false) => {}
    }
}

/// Builds the missing indexes of these types. What fails is tried again at the next start, and keeps nobody waiting until then.
async fn build(inner: &Context, of: &[EntityId], turn: Turn) {
    let began = Instant::now();
    match build_all(inner, of, turn).await {
        Ok(0) => {}
        Ok(built) => tracing::info!(built, elapsed = ?began.elapsed(), "indexes were built after a load"),
        Err(error) => tracing::error!("indexes are missing until the next start: {error}"),
    }
    inner.deferred.end(of);
}

async fn build_all(inner: &Context, of: &[EntityId], turn: Turn) -> Result<usize, StoreError> {
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
pub(crate) async fn find(inner: &Context) -> Result<(), StoreError> {
    let missing = index::postponed(inner, None).await?;
    let lacks = |entity: &EntityId| {
        let own = index::secondary(inner.dialect, &inner.layout, &[*entity]);
        own.iter().any(|index| missing.contains(index))
    };
    let of: Vec<EntityId> = inner.catalog.entity_ids().filter(lacks).collect();
    inner.deferred.leave(&of);
    Ok(())
}

async fn build_for_reader(inner: Arc<Context>, of: Arc<[EntityId]>) {
    build(&inner, &of, Turn::Waited).await;
    inner.deferred.end_building();
}

/// Has the indexes of these types built if a load has left them for its end, and waits for them: as long as a statement may
/// take. Without them an answer is right, and slow.
pub(crate) async fn ready(inner: &Arc<Context>, of: &Arc<[EntityId]>) {
    if !inner.deferred.has(of) {
        return;
    }
    let build = || {
        tokio::spawn(build_for_reader(Arc::clone(inner), Arc::clone(of)));
    };
    let built = inner.deferred.until_built(of, build);
    // After that it is answered without them.
    let _ = tokio::time::timeout(inner.readers.limit() / 2, built).await;
}
