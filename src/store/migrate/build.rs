//! Builds an index of a table that is in use. Knows how each database does that best; not which indexes are missing.

use crate::store::{
    context::Context,
    db::{failpoint, pool::get},
    ddl::tables::IndexPlan,
    error::{self, StoreError, failed},
    system::layouts,
    tx::Transaction,
};

use super::index::{self, create, there};

/// Bytes of a table up to which its index is built in one transaction, during which nobody writes to it: a second or two. To build
/// it beside writers takes twice as long.
const QUICK_BYTES: i64 = 512 << 20;

/// Seconds that who builds waits for his turn: as long as a server needs to notice that a process has ended, and as long as a build
/// of many takes. A run that ends, and so a shutdown, is not kept for longer.
const FREE_WAIT: u32 = 10;
const TURN_WAIT: u32 = 60;

/// Whose turn it is, and who may be kept waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Only if nobody else builds; whoever writes goes on.
    IfFree,
    /// After whoever builds; who writes to the table waits for it for a moment, as it is the load that it is for.
    Waited,
}

/// Builds one index. Who builds holds a row of the layout's locks, because another process would take an index in the making for
/// one that was cut off; `false`: somebody else builds.
pub(crate) async fn build(context: &Context, index: &IndexPlan, turn: Turn) -> Result<bool, StoreError> {
    let built = build_within(context, index, turn, context.dialect.spill()).await;
    put_back(context).await?;
    match (built, context.dialect.spill()) {
        // Where there is no folder for temporary files, there is the memory.
        (Err(StoreError::Database(_)), Some(_)) => build_within(context, index, turn, None).await,
        (built, _) => built,
    }
}

/// Sorts in memory again what fits there.
async fn put_back(context: &Context) -> Result<(), StoreError> {
    if let Some([_, back]) = context.dialect.spill() {
        let done = context.writer()?.execute(context.params().query(back)).await;
        done.map_err(failed)?;
    }
    Ok(())
}

async fn build_within(
    context: &Context,
    index: &IndexPlan,
    turn: Turn,
    spill: Option<[&'static str; 2]>,
) -> Result<bool, StoreError> {
    if let Some([spill, _]) = spill {
        // Not possible inside a transaction; there is one connection that writes.
        let done = context.writer()?.execute(context.params().query(spill)).await;
        done.map_err(failed)?;
    }
    let mut tx = Transaction::begin(context).await?;
    for statement in context.dialect.before_build() {
        tx.run(tx.params(), (*statement).to_owned()).await?;
    }
    if !take_turn(&mut tx, turn).await? {
        return Ok(false);
    }
    // Somebody else may have built it since it was found missing.
    let there = there(&mut tx).await?;
    if there.iter().any(|found| found.is(context.dialect, index)) {
        tx.commit().await?;
        return Ok(true);
    }
    failpoint::point("indexes::building");
    let beside = context.dialect.build_beside(&tx.quote(&index.name), &index.sql);
    match beside {
        Some(statements) if turn == Turn::IfFree || !is_quick(&mut tx, index).await? => {
            let writer = context.writer()?;
            let statistics = index::statistics(context.dialect, index);
            for statement in statements.into_iter().chain(statistics) {
                let built = writer.execute(context.params().query(statement)).await;
                built.map_err(failed)?;
            }
        }
        _ => create(&mut tx, index).await?,
    }
    failpoint::point("indexes::made");
    // Also where nothing of it is to be kept: the next one's turn is after this.
    tx.commit().await?;
    failpoint::point("indexes::built");
    tracing::info!(table = %index.table, index = %index.name, "an index was built");
    Ok(true)
}

/// Takes the turn of those who build. Who has it may be a session whose process has ended, and which will notice that: so also
/// who would not wait for others waits for a moment.
async fn take_turn(tx: &mut Transaction<'_>, turn: Turn) -> Result<bool, StoreError> {
    let dialect = tx.context.dialect;
    let seconds = match turn {
        Turn::IfFree => FREE_WAIT,
        Turn::Waited => TURN_WAIT,
    };
    if let Some(wait) = dialect.lock_wait(seconds) {
        tx.run(tx.params(), wait).await?;
    }
    let sql = layouts::builders(dialect);
    match tx.driver.fetch_all(tx.params().query(sql)).await {
        Ok(_) => Ok(true),
        Err(error) if error::is_locked(&error) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

async fn is_quick(tx: &mut Transaction<'_>, index: &IndexPlan) -> Result<bool, StoreError> {
    let Some(sql) = tx.context.dialect.table_bytes(&index.table) else {
        return Ok(true);
    };
    let lines = tx.all(tx.params(), sql).await?;
    let bytes: i64 = lines.first().map_or(Ok(0), |line| get(line, 0))?;
    Ok(bytes <= QUICK_BYTES)
}
