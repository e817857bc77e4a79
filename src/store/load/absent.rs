//! What a complete run did not see: how many rows that are, whether so many may go, and their
//! deletion. Knows no pages.

use crate::{
    catalog::{EntityId, Missing},
    layout::ROW_COLUMN,
    store::{
        db::pool::get,
        error::StoreError,
        state::row_set::RowSet,
        system::{
            held::{self, HeldRows},
            runs,
        },
        types::Run,
    },
};

use super::{batch::Batch, delete};

/// Rows deleted by one round of statements.
const DELETE_CHUNK: usize = 5_000;

/// What a complete run deleted, or holds back.
#[derive(Default)]
pub(crate) struct Absent {
    pub gone: u64,
    pub held: u64,
}

/// Deletes the rows that a complete run did not see, unless they are too many.
pub(crate) async fn absent(
    batch: &mut Batch<'_>,
    run: &Run,
    seen: &RowSet,
    missing: Missing,
    missing_max: f64,
) -> Result<Absent, StoreError> {
    if missing == Missing::Keep {
        return Ok(Absent::default());
    }
    let stored = count(batch, run.entity).await?;
    // What was seen is stored, so the rest is what was not seen.
    let unseen = stored.saturating_sub(seen.len());
    let decided = held::of(batch, &run.fetch).await?;
    if unseen == 0 {
        if !decided.is_empty() {
            held::put(batch, &run.fetch, run.id, HeldRows::default()).await?;
        }
        return Ok(Absent::default());
    }
    // Rows that this run added are no part of what was stored before it.
    let before = stored.saturating_sub(runs::added(batch, run).await?);
    let allowed = match seen.len() {
        _ if missing_max <= 0.0 => 0,
        // An upstream that answers with nothing at all is more likely broken than empty.
        0 if missing_max < 1.0 => 0,
        _ => ((before as f64 * missing_max).floor() as u64).max(1),
    };
    let kept = match unseen > allowed || !decided.is_empty() {
        true => match judge(batch, run, seen, allowed, decided).await? {
            Judged::Delete { kept } => kept,
            Judged::Hold(held) => return Ok(Absent { gone: 0, held }),
        },
        false => RowSet::default(),
    };
    let mut gone = 0;
    let mut after = i64::MIN;
    loop {
        let (mut rows, last) = unseen_after(batch, run.entity, seen, after).await?;
        rows.retain(|(row, _)| !kept.contains(*row));
        gone += rows.len() as u64;
        delete::delete(batch, run.entity, rows).await?;
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    Ok(Absent { gone, held: 0 })
}

/// What is to be done with rows that are missing.
enum Judged {
    /// They go, but for these.
    Delete { kept: RowSet },
    /// So many wait for a decision, and none goes.
    Hold(u64),
}

/// Compares what is missing with what a person has decided, and remembers what is open now.
async fn judge(
    batch: &mut Batch<'_>,
    run: &Run,
    seen: &RowSet,
    allowed: u64,
    decided: HeldRows,
) -> Result<Judged, StoreError> {
    let mut missing = Vec::new();
    let mut after = i64::MIN;
    loop {
        let (rows, last) = unseen_after(batch, run.entity, seen, after).await?;
        missing.extend(rows.iter().map(|(row, _)| *row));
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    let (kept, approved) = (held::set(&decided.kept), held::set(&decided.approved));
    let (stay, open): (Vec<i64>, Vec<i64>) = missing.into_iter().partition(|row| kept.contains(*row));
    // What nobody has seen yet is judged like in any run.
    let undecided = open.iter().filter(|row| !approved.contains(**row)).count() as u64;
    let hold = undecided > allowed;
    let held = open.len() as u64;
    let kept = held::set(&stay);
    let now = HeldRows {
        open: if hold { open } else { Vec::new() },
        approved: Vec::new(),
        kept: stay,
    };
    held::put(batch, &run.fetch, run.id, now).await?;
    Ok(if hold {
        Judged::Hold(held)
    } else {
        Judged::Delete { kept }
    })
}

async fn count(batch: &mut Batch<'_>, entity: EntityId) -> Result<u64, StoreError> {
    let sql = format!(
        "SELECT CAST(count(*) AS BIGINT) FROM {}",
        batch.quote(&batch.tables(entity).table.name)
    );
    let params = batch.params();
    let rows = batch.all(params, sql).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(count.unsigned_abs())
}

type Keyed = Vec<(i64, Vec<crate::value::Value>)>;

/// The unseen among the next rows of the table, and the last row looked at.
async fn unseen_after(
    batch: &mut Batch<'_>,
    entity: EntityId,
    seen: &RowSet,
    after: i64,
) -> Result<(Keyed, Option<i64>), StoreError> {
    let row = batch.quote(ROW_COLUMN);
    let key = batch.key_columns(entity);
    let table = batch.quote(&batch.tables(entity).table.name);
    let mut params = batch.params();
    params.add(after)?;
    let sql = format!("SELECT {row},{key} FROM {table} WHERE {row}>$1 ORDER BY {row} LIMIT {DELETE_CHUNK}");
    let mut unseen = Vec::new();
    let mut last = None;
    for stored in batch.all(params, sql).await? {
        let row: i64 = get(&stored, 0)?;
        last = Some(row);
        if !seen.contains(row) {
            unseen.push((row, batch.read_key(entity, &stored, 1)?));
        }
    }
    Ok((unseen, last))
}
