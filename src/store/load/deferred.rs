//! Indexes that a first load leaves for its end: dropped while its table is empty, built when the
//! run ends, when somebody reads, or at the next start. Knows which types wait for theirs, and who
//! builds; no rows.
//!
//! Only what makes answers quicker is left: keys and unique values have their indexes at all times,
//! and nothing that a load asks for goes by another one: nested rows and links are found by keys
//! that begin with their owner's. Which are missing says the database's own list of them, so that a
//! process may end anywhere.

use std::{sync::Arc, time::Instant};

use crate::{
    catalog::EntityId,
    store::{
        context::Context,
        db::{failpoint, retry::retry},
        ddl::tables::IndexPlan,
        error::{self, StoreError, failed},
        in_force,
        migrate::{
            build::{self, Turn},
            index,
        },
        state::run_memory::RunMemory,
        system::runs,
        tx::Transaction,
        types::Run,
    },
};

use super::turns::take_turn;

/// Rows of a first group from which on indexes are left for the end: fewer are no load that they
/// would slow down.
const MANY_ROWS: usize = if cfg!(test) { 100 } else { 1_000 };

/// Before the first rows of a run: a table that they fill from nothing, and quickly, gets its
/// indexes at the end.
pub(crate) async fn before(
    context: &Context,
    run: &Run,
    rows: usize,
    memory: &mut RunMemory,
) -> Result<(), StoreError> {
    if memory.indexes_known || rows == 0 {
        return Ok(());
    }
    if memory.part == 0 && rows >= MANY_ROWS {
        memory.lacks_indexes = retry!(leave(context, run).await)?;
    }
    // Another process may have left them, and may be gone.
    if !memory.lacks_indexes && !context.dialect.exclusive() {
        memory.lacks_indexes = lacks(context, run.entity).await?;
    }
    memory.indexes_known = true;
    Ok(())
}

/// After a commit: a load that turns out to be slow needs its indexes more than room for more rows.
pub(crate) async fn after(context: &Context, run: &Run, rows: usize) {
    if context.deferred.is_slow(run.entity, rows as u64) {
        build(context, &context.layout.family(run.entity), Turn::IfFree).await;
    }
}

/// Before rollups are computed anew of rows of these types: without the index of the link each of
/// them would go through the whole table.
pub(crate) async fn before_rollups(tx: &mut Transaction<'_>, of: &[EntityId]) -> Result<(), StoreError> {
    // Where others write too, these indexes are never left.
    if !tx.context.dialect.exclusive() {
        return Ok(());
    }
    for entity in of.iter().filter(|entity| tx.context.deferred.has(&[**entity])) {
        index::create_counted(tx, *entity).await?;
    }
    Ok(())
}

/// Drops the indexes of an empty table, and of what goes with it. Gives whether it did.
async fn leave(context: &Context, run: &Run) -> Result<bool, StoreError> {
    let mut tx = in_force::begin(context).await?;
    runs::check_fence(&mut tx, run).await?;
    take_turn(&mut tx, run, None).await?;
    let table = tx.quote(&tx.tables(run.entity).table.name);
    let some = tx.all(tx.params(), format!("SELECT 1 FROM {table} LIMIT 1")).await?;
    if !some.is_empty() {
        return Ok(false);
    }
    let of = context.layout.family(run.entity);
    let indexes = index::secondary(context.dialect, &context.layout, &of);
    if indexes.is_empty() {
        return Ok(false);
    }
    for statement in context.dialect.before_drop() {
        tx.run(tx.params(), (*statement).to_owned()).await?;
    }
    for name in indexes.iter().flat_map(IndexPlan::names) {
        let drop = format!("DROP INDEX IF EXISTS {}", tx.quote(name));
        match tx.driver.execute(tx.params().query(drop)).await {
            Ok(_) => {}
            // Somebody reads: he is not kept waiting for this, nor the load.
            Err(error) if error::is_locked(&error) => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
    }
    failpoint::point("indexes::dropped");
    // Before the commit, so that whoever reads after it finds it.
    context.deferred.leave(&of);
    let done = tx.commit().await;
    if done.is_err() {
        context.deferred.end(&of);
    }
    done.map(|()| true)
}

/// Whether the database lacks indexes of what a run of this type writes.
async fn lacks(context: &Context, entity: EntityId) -> Result<bool, StoreError> {
    let of = context.layout.family(entity);
    Ok(!index::postponed(context, Some(&of)).await?.is_empty())
}

/// At the end of a run: builds what it, or one before it, left. The run is over, whatever comes of
/// this.
pub(crate) async fn end(context: &Context, run: &Run, lacks: bool) {
    let of = context.layout.family(run.entity);
    match (context.deferred.has(&of), lacks) {
        (true, _) => build(context, &of, Turn::Waited).await,
        // Others may be at it.
        (false, true) => build(context, &of, Turn::IfFree).await,
        (false, false) => {}
    }
}

/// Builds the missing indexes of these types. What fails is tried again at the next start, and
/// keeps nobody waiting until then.
async fn build(context: &Context, of: &[EntityId], turn: Turn) {
    let began = Instant::now();
    match build_all(context, of, turn).await {
        Ok(0) => {}
        Ok(built) => tracing::info!(built, elapsed = ?began.elapsed(), "indexes were built after a load"),
        Err(error) => tracing::error!("indexes are missing until the next start: {error}"),
    }
    context.deferred.end(of);
}

async fn build_all(context: &Context, of: &[EntityId], turn: Turn) -> Result<usize, StoreError> {
    let missing = index::postponed(context, Some(of)).await?;
    let built = build::build(context, &missing, turn).await?;
    if built.is_none() {
        tracing::info!("somebody else builds the indexes");
    }
    Ok(built.unwrap_or(0))
}

/// When a database is opened that nobody else writes: what a process left that was ended.
pub(crate) async fn find(context: &Context) -> Result<(), StoreError> {
    let missing = index::postponed(context, None).await?;
    let lacks = |entity: &EntityId| {
        let own = index::secondary(context.dialect, &context.layout, &[*entity]);
        own.iter().any(|index| missing.contains(index))
    };
    let of: Vec<EntityId> = context.catalog.entity_ids().filter(lacks).collect();
    context.deferred.leave(&of);
    Ok(())
}

async fn build_for_reader(context: Arc<Context>, of: Arc<[EntityId]>) {
    build(&context, &of, Turn::Waited).await;
    context.deferred.end_building();
}

/// Has the indexes of these types built if a load has left them for its end, and waits for them: as
/// long as a statement may take. Without them an answer is right, and slow.
pub(crate) async fn ready(context: &Arc<Context>, of: &Arc<[EntityId]>) {
    if !context.deferred.has(of) {
        return;
    }
    let build = || {
        tokio::spawn(build_for_reader(Arc::clone(context), Arc::clone(of)));
    };
    let built = context.deferred.until_built(of, build);
    // After that it is answered without them.
    let _ = tokio::time::timeout(context.readers.limit() / 2, built).await;
}
