//! Builds indexes of tables that are in use. Knows how each database does that best; not which
//! indexes are missing.

use std::time::Duration;

use crate::store::{
    context::Context,
    db::{failpoint, pool::get, retry::retry},
    ddl::tables::IndexPlan,
    error::{self, StoreError, failed},
    system::layouts,
    tx::Transaction,
};

use super::index::{self, create, there};

/// Bytes of a table up to which its index is built in one transaction, during which nobody writes
/// to it: a second or two. To build it beside writers takes twice as long.
const QUICK_BYTES: i64 = 512 << 20;

/// Seconds that who builds waits for his turn: as long as a server needs to notice that a process
/// has ended, and as long as a build of many takes. A run that ends, and so a shutdown, is not kept
/// for longer.
const FREE_WAIT: u32 = 10;
const TURN_WAIT: u32 = 60;

/// Whose turn it is, and who may be kept waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Only if nobody else builds; whoever writes goes on.
    IfFree,
    /// After whoever builds; who writes to the table waits for it for a moment, as it is the load
    /// that it is for.
    Waited,
}

impl Turn {
    fn seconds(self) -> u32 {
        match self {
            Turn::IfFree => FREE_WAIT,
            Turn::Waited => TURN_WAIT,
        }
    }
}

/// Builds indexes, and gives how many there are now. Who builds holds a row of the layout's locks,
/// because another process would take an index in the making for one that was cut off; `None`:
/// somebody else builds.
pub(crate) async fn build(context: &Context, indexes: &[IndexPlan], turn: Turn) -> Result<Option<usize>, StoreError> {
    let wait = Duration::from_secs(turn.seconds().into());
    let Some(_alone) = context.deferred.alone(wait).await else {
        return Ok(None);
    };
    let mut rest = indexes;
    while !rest.is_empty() {
        match retry!(build_first(context, rest, turn).await)? {
            Some(built) => rest = rest.get(built..).unwrap_or_default(),
            None => return Ok(None),
        }
    }
    Ok(Some(indexes.len()))
}

/// Builds the first one, or the first two; gives how many.
async fn build_first(context: &Context, indexes: &[IndexPlan], turn: Turn) -> Result<Option<usize>, StoreError> {
    let built = build_within(context, indexes, turn, context.dialect.spill()).await;
    put_back(context).await?;
    match (built, context.dialect.spill()) {
        // Where there is no folder for temporary files, there is the memory.
        (Err(StoreError::Database(_)), Some(_)) => build_within(context, indexes, turn, None).await,
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
    indexes: &[IndexPlan],
    turn: Turn,
    spill: Option<[&'static str; 2]>,
) -> Result<Option<usize>, StoreError> {
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
        return Ok(None);
    }
    let count = at_once(&mut tx, indexes, turn).await?;
    // Somebody else may have built them since they were found missing.
    let there = there(&mut tx).await?;
    let missing = |index: &&IndexPlan| !there.iter().any(|found| found.is(context.dialect, index));
    let missing: Vec<&IndexPlan> = indexes.iter().take(count).filter(missing).collect();
    match missing.as_slice() {
        [one, other] => {
            // Both to their ends: none is left in the making when the turn is another's.
            let (one, other) = tokio::join!(apart(context, one), apart(context, other));
            one.and(other)?;
        }
        several => {
            for index in several {
                build_one(&mut tx, index, turn).await?;
            }
        }
    }
    // Also where nothing of it is to be kept: the next one's turn is after this.
    tx.commit().await?;
    for index in missing {
        failpoint::point("indexes::built");
        tracing::info!(table = %index.table, index = %index.name, "an index was built");
    }
    Ok(Some(count))
}

/// How many of the first indexes are built at once, each by a connection of its own: not those that
/// are built beside whoever writes, as the database lets only one of a table be built so, nor those
/// that bring statistics, which need the table for themselves.
async fn at_once(tx: &mut Transaction<'_>, indexes: &[IndexPlan], turn: Turn) -> Result<usize, StoreError> {
    let [one, other, ..] = indexes else { return Ok(1) };
    if tx.context.dialect.exclusive() || turn == Turn::IfFree || one.computed || other.computed {
        return Ok(1);
    }
    Ok(match is_quick(tx, one).await? && is_quick(tx, other).await? {
        true => 2,
        false => 1,
    })
}

/// Builds an index in a transaction of its own, while another one holds the turn.
async fn apart(context: &Context, index: &IndexPlan) -> Result<(), StoreError> {
    failpoint::point("indexes::building");
    let mut tx = Transaction::begin(context).await?;
    if let Some(wait) = context.dialect.lock_wait(TURN_WAIT) {
        tx.run(tx.params(), wait).await?;
    }
    let drop = format!("DROP INDEX IF EXISTS {}", tx.quote(&index.name));
    tx.run(tx.params(), drop).await?;
    match tx.driver.execute(tx.params().query(index.sql.clone())).await {
        Ok(_) => {}
        // By a session of a process that has ended, which noticed that only now.
        Err(error) if error::is_made_twice(&error) => return Err(StoreError::Conflict),
        Err(error) => return Err(failed(error)),
    }
    failpoint::point("indexes::made");
    tx.commit().await
}

/// Builds an index in the transaction that holds the turn, or beside it.
async fn build_one(tx: &mut Transaction<'_>, index: &IndexPlan, turn: Turn) -> Result<(), StoreError> {
    let context = tx.context;
    failpoint::point("indexes::building");
    let beside = context.dialect.build_beside(&tx.quote(&index.name), &index.sql);
    match beside {
        Some(statements) if turn == Turn::IfFree || !is_quick(tx, index).await? => {
            let writer = context.writer()?;
            let statistics = index::statistics(context.dialect, index);
            for statement in statements.into_iter().chain(statistics) {
                let built = writer.execute(context.params().query(statement)).await;
                built.map_err(failed)?;
            }
        }
        _ => create(tx, index).await?,
    }
    failpoint::point("indexes::made");
    Ok(())
}

/// Takes the turn of those who build. Who has it may be a session whose process has ended, and
/// which will notice that: so also who would not wait for others waits for a moment.
async fn take_turn(tx: &mut Transaction<'_>, turn: Turn) -> Result<bool, StoreError> {
    let dialect = tx.context.dialect;
    if let Some(wait) = dialect.lock_wait(turn.seconds()) {
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
    let rows = tx.all(tx.params(), sql).await?;
    let bytes: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(bytes <= QUICK_BYTES)
}
