//! `hayloft_change_pack` and `hayloft_feed_head`: what transactions changed, in order; its head,
//! and what it lets go. Knows no rows.

use std::{collections::BTreeMap, sync::PoisonError};

use crate::{
    catalog::EntityId,
    store::{
        bulk,
        context::Context,
        db::{
            failpoint,
            params::{Kind, Params},
            pool::get,
        },
        error::StoreError,
        tx::Transaction,
        types::{LogHead, Run},
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    New,
    Changed,
    Gone,
}

impl Op {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Op::New => "new",
            Op::Changed => "changed",
            Op::Gone => "gone",
        }
    }
}

/// Changes of one kind, by group, type and kind.
pub(crate) type Change = (u32, EntityId, Op);

/// The changes of a transaction: the keys of rows as JSON, in the order in which they will be
/// numbered.
pub(crate) type Changes = BTreeMap<Change, Vec<String>>;

/// The columns of the log. The changes of one kind to one type stand together: a row each would be
/// a quarter of what a load costs.
const COLUMNS: [&str; 7] = ["seq", "first_seq", "type", "op", "row_keys", "run", "at"];
const KINDS: [Kind; 7] = [
    Kind::Int,
    Kind::Int,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Int,
    Kind::Text,
];
/// Changes of one pack: some ten kilobytes, so that a reader who wants one of them does not read
/// much more.
const PACK: usize = 1_000;

/// The numbers that entries got: after the first, up to the second.
pub(crate) struct Logged {
    pub after: i64,
    pub head: i64,
}

/// Writes the changes noted so far; `None` when there are none. Who writes then waits for this
/// transaction to end.
pub(crate) async fn append(
    tx: &mut Transaction<'_>,
    run: &Run,
    changes: Changes,
) -> Result<Option<Logged>, StoreError> {
    let count: usize = changes.values().map(Vec::len).sum();
    if count == 0 {
        return Ok(None);
    }
    let mut params = tx.params();
    params.add(count as i64)?;
    let now = tx.context.now(0);
    let sql = format!("UPDATE hayloft_feed_head SET seq=seq+$1 WHERE one=1 RETURNING seq,{now}");
    let rows = tx.all(params, sql).await?;
    let (head, at) = match rows.first() {
        Some(row) => (get(row, 0)?, get::<String>(row, 1)?),
        None => {
            return Err(StoreError::Internal(
                "the change log has no head; open the database anew".to_owned(),
            ));
        }
    };
    failpoint::point("commit::head");
    let logged = Logged {
        after: head - count as i64,
        head,
    };
    let mut packs: Vec<Pack> = Vec::new();
    let mut seq = logged.after;
    for ((_, entity, op), keys) in changes {
        for keys in keys.chunks(PACK) {
            packs.push(Pack {
                first: seq + 1,
                last: seq + keys.len() as i64,
                of: &tx.context.catalog.entity(entity).name,
                op,
                keys: format!("[{}]", keys.join(",")),
            });
            seq += keys.len() as i64;
        }
    }
    insert(tx, run, &at, &packs).await?;
    Ok(Some(logged))
}

/// Changes whose numbers follow each other.
struct Pack<'a> {
    first: i64,
    last: i64,
    of: &'a str,
    op: Op,
    keys: String,
}

async fn insert(tx: &mut Transaction<'_>, run: &Run, at: &str, packs: &[Pack<'_>]) -> Result<(), StoreError> {
    let table = ("hayloft_change_pack", &COLUMNS[..], &KINDS[..]);
    bulk::add(tx, table, packs.len(), |place, rows| {
        let Some(pack) = packs.get(place) else { return Ok(()) };
        rows.int(pack.last)?;
        rows.int(pack.first)?;
        rows.text(pack.of)?;
        rows.text(pack.op.name())?;
        rows.text(pack.keys.as_str())?;
        rows.int(run.id)?;
        rows.text(at)
    })
    .await
}

/// Changes that one transaction takes out: some milliseconds, so that no commit waits long for it.
const STEP: i64 = 10_000;
/// Steps after one run. More is left to the next one: a run brings far less than this.
const STEPS_MAX: usize = 500;

/// Seconds in a hundred years: databases count back so far, and nobody keeps changes longer.
const AGE_MAX: i64 = 100 * 365 * 86_400;

/// The epoch of the log, and the first and the last change that are kept.
pub(crate) async fn head(context: &Context) -> Result<LogHead, StoreError> {
    let sql = "SELECT epoch,seq,(SELECT min(first_seq) FROM hayloft_change_pack) FROM hayloft_feed_head WHERE one=1";
    let found = context.own.take().await?.fetch(context.params().query(sql)).await?;
    let Some(row) = found.first() else {
        return Err(StoreError::Internal("the database has no change log yet".to_owned()));
    };
    let (head, first): (i64, Option<i64>) = (get(row, 1)?, get(row, 2)?);
    Ok(LogHead {
        epoch: get(row, 0)?,
        first: first.unwrap_or(head + 1),
        head,
    })
}

/// Takes out what is older, or more, than is kept. A failure is told in the log and costs nothing:
/// the next run goes on.
pub(crate) async fn prune(context: &Context) {
    for _ in 0..STEPS_MAX {
        match step(context).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "the change log could not be cut to its bound; it is tried after the next run");
                return;
            }
        }
    }
}

/// One step from the old end; whether there may be another.
async fn step(context: &Context) -> Result<bool, StoreError> {
    let keep = *context.retention.lock().unwrap_or_else(PoisonError::into_inner);
    let head = head(context).await?;
    let most = i64::try_from(keep.changes).unwrap_or(i64::MAX);
    let end = head.first.saturating_add(STEP).min(head.head + 1);
    // The first of these that stays, a whole pack of changes. Times may go back where a clock did:
    // only what lies before it may go, so that what is kept has no gaps.
    let mut params = context.params();
    params.add(head.first)?;
    params.add(end)?;
    params.add(head.head.saturating_sub(most))?;
    let oldest = context.now(-i64::try_from(keep.age.as_secs()).unwrap_or(AGE_MAX).min(AGE_MAX));
    let sql = format!(
        "SELECT min(first_seq) FROM hayloft_change_pack WHERE seq>=$1 AND seq<$2 AND first_seq>$3 AND at>={oldest}"
    );
    let stays: Option<i64> = one(context, params, sql).await?;
    let until = stays.unwrap_or(end);
    if until <= head.first {
        return Ok(false);
    }
    let mut tx = Transaction::begin(context).await?;
    let mut params = tx.params();
    params.add(until)?;
    let sql = "DELETE FROM hayloft_change_pack WHERE seq<$1".to_owned();
    tx.run(params, sql).await?;
    tx.commit().await?;
    Ok(stays.is_none() && until <= head.head)
}

async fn one(context: &Context, params: Params, sql: String) -> Result<Option<i64>, StoreError> {
    let found = context.own.take().await?.fetch(params.query(sql)).await?;
    found.first().map_or(Ok(None), |row| get(row, 0))
}

/// The table of the head, for reads that give its number with their rows.
pub(crate) const HEAD: &str = "hayloft_feed_head";

/// Makes the head of a new database.
pub(crate) async fn begin(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let epoch = tx.context.dialect.epoch();
    let sql = format!("INSERT INTO hayloft_feed_head(one,epoch,seq) VALUES (1,{epoch},0) ON CONFLICT DO NOTHING");
    tx.run(tx.params(), sql).await.map(|_| ())
}

/// Begins a new epoch: who followed the changes has to read everything again.
pub(crate) async fn new_epoch(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let epoch = tx.context.dialect.epoch();
    let sql = format!("UPDATE hayloft_feed_head SET epoch={epoch} WHERE one=1");
    tx.run(tx.params(), sql).await.map(|_| ())
}

/// The question that tells where a database stands: some expressions, the head, whether it only
/// follows another server, and the newest layout.
pub(crate) fn question(expressions: &str) -> String {
    format!(
        "SELECT {expressions},epoch,seq,pg_is_in_recovery(),\
         coalesce((SELECT id||' '||definition FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1),'') \
         FROM hayloft_feed_head WHERE one=1"
    )
}
