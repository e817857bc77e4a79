//! `hayloft_run`: the ledger's rows, their fences, leases, counts and ends. Knows states; not why a
//! run begins or ends.

pub(crate) mod claim;
pub(crate) mod counts;
pub(crate) mod told;

use chrono::{DateTime, Utc};

use crate::store::{
    context::Context,
    db::{
        failpoint,
        pool::{ResultRow, get},
    },
    error::StoreError,
    state::row_set,
    tx::Transaction,
    types::{Checkpoint, Due, Hold, LEASE, RESUME_MAX, Run, RunState, RunSummary, Told},
};

use super::clock;

pub(crate) async fn added(tx: &mut Transaction<'_>, run: &Run) -> Result<u64, StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    let rows = tx
        .all(params, "SELECT new_rows FROM hayloft_run WHERE id=$1".to_owned())
        .await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(count.unsigned_abs())
}

/// The run of a fetch that began last, as far as taking it over needs it.
pub(crate) struct Newest {
    pub(crate) id: i64,
    pub(crate) slot: DateTime<Utc>,
    pub(crate) hold: Hold,
    pub(crate) fence: i64,
    pub(crate) definition: String,
    /// Young enough to be gone on with.
    pub(crate) fresh: bool,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) part: i64,
    /// The large page that it had in hand.
    pub(crate) working: Option<String>,
}

pub(crate) async fn newest(tx: &mut Transaction<'_>, fetch: &str) -> Result<Option<Newest>, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let oldest = -i64::try_from(RESUME_MAX.as_secs()).unwrap_or(i64::MAX);
    let sql = format!(
        // By turn and not by slot: a run by hand has a later slot than those that wait, and these
        // begin after it. Locked, because what the caller decides must hold until its commit.
        "SELECT {SUMMARY},{},fence,definition,heartbeat_at>={},checkpoint,checkpoint_pages,checkpoint_rows,checkpoint_part,working \
         FROM hayloft_run WHERE \"fetch\"=$1 AND state<>'queued' ORDER BY turn DESC,id DESC LIMIT 1{}",
        lease_over(tx.context),
        tx.context.now(oldest),
        tx.context.dialect.for_update()
    );
    let rows = tx.all(params, sql).await?;
    rows.first().map(|row| read_newest(tx.context, row)).transpose()
}

fn read_newest(context: &Context, row: &ResultRow) -> Result<Newest, StoreError> {
    let run = summary(row)?;
    let (over, fence): (bool, i64) = (get(row, SUMMARY_COLUMNS)?, get(row, SUMMARY_COLUMNS + 1)?);
    let next: Option<String> = get(row, SUMMARY_COLUMNS + 4)?;
    let (pages, rows): (i64, i64) = (get(row, SUMMARY_COLUMNS + 5)?, get(row, SUMMARY_COLUMNS + 6)?);
    Ok(Newest {
        id: run.id,
        slot: run.slot,
        hold: hold(context, &run, fence, over),
        fence,
        definition: get(row, SUMMARY_COLUMNS + 2)?,
        fresh: get(row, SUMMARY_COLUMNS + 3)?,
        checkpoint: next.map(|next| Checkpoint {
            next,
            pages: pages.unsigned_abs(),
            rows: rows.unsigned_abs(),
        }),
        part: get(row, SUMMARY_COLUMNS + 7)?,
        working: get(row, SUMMARY_COLUMNS + 8)?,
    })
}

/// Puts a slot into the ledger; `None` when it is there already.
pub(crate) async fn queue(tx: &mut Transaction<'_>, fetch: &str, due: Due) -> Result<Option<i64>, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(clock::slot_text(due.slot))?;
    params.add(due.reason.name())?;
    params.add(tx.context.catalog.fingerprint.clone())?;
    let now = tx.context.now(0);
    let sql = format!(
        "INSERT INTO hayloft_run(\"fetch\",slot,reason,definition,state,fence,started_at,heartbeat_at,lease_until) \
         VALUES ($1,$2,$3,$4,'queued',0,{now},{now},{now}) ON CONFLICT(\"fetch\",slot) DO NOTHING RETURNING id"
    );
    let rows = tx.all(params, sql).await?;
    failpoint::point("claim::queued");
    rows.first().map(|row| get(row, 0)).transpose()
}

pub(crate) async fn is_waiting(tx: &mut Transaction<'_>, fetch: &str) -> Result<bool, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT id FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' LIMIT 1".to_owned();
    Ok(!tx.all(params, sql).await?.is_empty())
}

/// Takes the oldest waiting slots out again, and those of a clock that ran ahead: they come again
/// when it is time.
pub(crate) async fn leave_out(tx: &mut Transaction<'_>, fetch: &str, keep: usize) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(i64::try_from(keep).unwrap_or(i64::MAX))?;
    let now = tx.context.now(0);
    let sql = format!(
        "DELETE FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' AND (slot>{now} OR id NOT IN \
         (SELECT id FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' AND slot<={now} ORDER BY slot DESC LIMIT $2))"
    );
    tx.run(params, sql).await?;
    Ok(())
}

/// Notes the large page that a run takes in hand, as people see it; none: a small one.
pub(crate) async fn working(context: &Context, run: &Run, place: Option<&str>) -> Result<(), StoreError> {
    let mut tx = Transaction::begin(context).await?;
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(run.fence)?;
    params.add(place.map(str::to_owned))?;
    let sql = "UPDATE hayloft_run SET working=$3 WHERE id=$1 AND fence=$2 AND state='running'".to_owned();
    // Not of a run in other hands: its fetch would be set aside for a page that only we had.
    if tx.generation != run.generation || tx.run(params, sql).await? == 0 {
        return Err(StoreError::Fenced);
    }
    tx.commit().await
}

/// Notes which rows came several times.
pub(crate) async fn note_repeating(tx: &mut Transaction<'_>, run: &Run, copied: &[i64]) -> Result<(), StoreError> {
    if copied.is_empty() {
        return Ok(());
    }
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(row_set::pack(&mut copied.to_vec()))?;
    let sql = "UPDATE hayloft_run SET repeating=$2 WHERE id=$1".to_owned();
    tx.run(params, sql).await.map(|_| ())
}

/// The rows whose key came several times in the last complete run.
pub(crate) async fn repeating(tx: &mut Transaction<'_>, fetch: &str) -> Result<row_set::RowSet, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql =
        "SELECT repeating FROM hayloft_run WHERE \"fetch\"=$1 AND state='complete' ORDER BY turn DESC,id DESC LIMIT 1";
    let rows = tx.all(params, sql.to_owned()).await?;
    let bytes: Option<Vec<u8>> = rows.first().map_or(Ok(None), |row| get(row, 0))?;
    let mut repeating = row_set::RowSet::default();
    for row in bytes.and_then(|bytes| row_set::unpack(&bytes)).unwrap_or_default() {
        repeating.insert(row);
    }
    Ok(repeating)
}

pub(crate) const LEASE_SECONDS: i64 = LEASE.as_secs() as i64;
/// A lease that ends later than one taken now, and by more than this, is of a clock that was set
/// back since.
pub(crate) const CLOCK_SLACK_SECONDS: i64 = 5;
/// Runs of one fetch that the ledger keeps, and those whose refused rows are kept.
const RUNS_KEPT: i64 = 100;
const QUARANTINE_RUNS_KEPT: i64 = 10;

pub(crate) const SUMMARY: &str = "id,\"fetch\",slot,state,started_at,finished_at,pages,bytes,new_rows,changed_rows,same_rows,\
                                  gone_rows,refused_rows,held_rows,error,fence>1,owner,left_out_rows,doubt,notes,repeated_rows";

/// Columns of [`SUMMARY`].
pub(crate) const SUMMARY_COLUMNS: usize = 21;

fn texts(json: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Database(Box::new(error)))
}

/// A row of [`SUMMARY`].
pub(crate) fn summary(row: &ResultRow) -> Result<RunSummary, StoreError> {
    let count = |at: usize| -> Result<u64, StoreError> { Ok(get::<i64>(row, at)?.unsigned_abs()) };
    let finished: Option<String> = get(row, 5)?;
    let notes: Option<String> = get(row, 19)?;
    Ok(RunSummary {
        id: get(row, 0)?,
        fetch: get(row, 1)?,
        slot: clock::instant(&get::<String>(row, 2)?)?,
        state: RunState::from_name(&get::<String>(row, 3)?),
        started_at: clock::instant(&get::<String>(row, 4)?)?,
        finished_at: finished.as_deref().map(clock::instant).transpose()?,
        pages: count(6)?,
        bytes: count(7)?,
        new: count(8)?,
        changed: count(9)?,
        same: count(10)?,
        gone: count(11)?,
        refused: count(12)?,
        held: count(13)?,
        left_out: count(17)?,
        repeated: count(20)?,
        error: get(row, 14)?,
        told: Told {
            doubt: get(row, 18)?,
            notes: notes.as_deref().map(texts).transpose()?.unwrap_or_default(),
            ..Told::default()
        },
        // Each resuming raises the fence, which begins at one.
        resumed: get(row, 15)?,
        owner: get(row, 16)?,
    })
}

/// A process that opens the database for writing is its only one: whatever was running was
/// interrupted.
pub(crate) async fn interrupt_all(context: &Context) -> Result<(), StoreError> {
    let mut tx = Transaction::begin(context).await?;
    tx.run(
        tx.params(),
        "UPDATE hayloft_run SET state='interrupted' WHERE state='running'".to_owned(),
    )
    .await?;
    tx.commit().await
}

pub(crate) async fn heartbeat(context: &Context, run: &Run) -> Result<(), StoreError> {
    let mut tx = Transaction::begin(context).await?;
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(run.fence)?;
    let sql = format!(
        "UPDATE hayloft_run SET heartbeat_at={},lease_until={} WHERE id=$1 AND fence=$2 AND state='running'",
        context.now(0),
        context.now(LEASE_SECONDS)
    );
    // Never renewed for somebody else: the fence is that of this claim, and at another place the
    // same numbers may be another run's.
    if tx.generation != run.generation || tx.run(params, sql).await? == 0 {
        return Err(StoreError::Fenced);
    }
    tx.commit().await
}

/// Refuses the writes of a run that was taken over, has ended, or whose lease is over. The row
/// stays locked until the transaction ends, so that nobody takes the run over in between.
pub(crate) async fn check_fence(tx: &mut Transaction<'_>, run: &Run) -> Result<(), StoreError> {
    // Elsewhere the same numbers may be another run's.
    if tx.generation != run.generation {
        return Err(StoreError::Fenced);
    }
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(run.fence)?;
    let (now, lock) = (tx.context.now(0), tx.context.dialect.for_update());
    let sql =
        // The lease counts, too, though nobody may have taken the run over yet: who could not renew
        // it for so long cannot know.
        format!("SELECT id FROM hayloft_run WHERE id=$1 AND fence=$2 AND state='running' AND lease_until>{now}{lock}");
    match tx.all(params, sql).await?.is_empty() {
        true => Err(StoreError::Fenced),
        false => Ok(()),
    }
}

/// A condition: the lease of a running run is over.
pub(crate) fn lease_over(context: &Context) -> String {
    let (now, latest) = (context.now(0), context.now(LEASE_SECONDS + CLOCK_SLACK_SECONDS));
    // A lease from before the clock was set back would last for as long as it was set back.
    format!("(lease_until<={now} OR lease_until>{latest})")
}

/// Who has a run in hand. `over` is what [`lease_over`] said of it.
pub(crate) fn hold(context: &Context, run: &RunSummary, fence: i64, over: bool) -> Hold {
    match run.state {
        // What this process started and still works at will itself find out that its lease is over.
        RunState::Running if context.runs.has(run.id, fence, context.guard.generation()) => Hold::Leased,
        // Ours by name and not in our memory: of a claim that did not come back to us, so nobody
        // works at it.
        RunState::Running if over || run.owner.as_deref() == Some(&*context.process) => Hold::Free,
        RunState::Running => Hold::Leased,
        // One that was closed has an end, and stays as it is.
        RunState::Interrupted if run.finished_at.is_none() => Hold::Free,
        _ => Hold::Ended,
    }
}

/// Notes what a person should know of a run.
pub(crate) async fn tell(tx: &mut Transaction<'_>, run: &Run, told: &Told) -> Result<(), StoreError> {
    if *told == Told::default() {
        return Ok(());
    }
    let notes = serde_json::to_string(&told.notes).map_err(|error| StoreError::Database(Box::new(error)))?;
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(told.doubt.clone())?;
    params.add(notes)?;
    let sql = "UPDATE hayloft_run SET doubt=$2,notes=$3 WHERE id=$1".to_owned();
    tx.run(params, sql).await.map(|_| ())
}

/// Keeps the ledger and the quarantine within their bounds.
pub(crate) async fn prune(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    let ended = "\"fetch\"=$1 AND state NOT IN ('queued','running')";
    // What is refused of an answer about a row stays with that answer.
    let of_runs = "\"fetch\"=$1 AND parent IS NULL";
    for (table, column, kept, condition) in [
        ("hayloft_quarantine", "run", QUARANTINE_RUNS_KEPT, of_runs),
        ("hayloft_run", "id", RUNS_KEPT, ended),
    ] {
        let mut params = tx.params();
        params.add(fetch.to_owned())?;
        params.add(kept)?;
        // The newest complete run stays however old it is: it tells when all was last right. So
        // does the newest without a doubt.
        let newest = |which: &str| {
            format!(
                "AND {column} NOT IN (SELECT id FROM hayloft_run WHERE \"fetch\"=$1 AND state='complete'{which} \
                 ORDER BY turn DESC,id DESC LIMIT 1)"
            )
        };
        let sql = format!(
            "DELETE FROM {table} WHERE {condition} AND {column} NOT IN \
             (SELECT id FROM hayloft_run WHERE {ended} ORDER BY turn DESC,id DESC LIMIT $2) {} {}",
            newest(""),
            newest(" AND doubt IS NULL")
        );
        tx.run(params, sql).await?;
    }
    Ok(())
}

/// Writes the end of a run. An interrupted run stays open: only then can it be resumed.
pub(crate) async fn end(
    tx: &mut Transaction<'_>,
    run: &Run,
    state: RunState,
    error: Option<String>,
    (gone, held): (u64, u64),
) -> Result<RunSummary, StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(state.name())?;
    params.add(error)?;
    params.add(gone.cast_signed())?;
    params.add(held.cast_signed())?;
    let now = tx.context.now(0);
    let ended = match state {
        RunState::Interrupted => "NULL",
        _ => now.as_str(),
    };
    let sql = format!(
        "UPDATE hayloft_run SET state=$2,error=$3,gone_rows=$4,held_rows=$5,heartbeat_at={now},finished_at={ended},\
         working=NULL WHERE id=$1 RETURNING {SUMMARY}"
    );
    let rows = tx.all(params, sql).await?;
    rows.first().map(summary).transpose()?.ok_or(StoreError::Fenced)
}

/// How many records a run got that were refused, if all were, so that it has brought nothing. An
/// answer about a row that leads to rows without bringing them has brought links.
pub(crate) async fn only_refused(tx: &mut Transaction<'_>, run: &Run) -> Result<Option<u64>, StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    let sql = "SELECT refused_rows FROM hayloft_run AS r WHERE id=$1 AND refused_rows>0 \
               AND new_rows+changed_rows+same_rows=0 AND NOT EXISTS \
               (SELECT 1 FROM hayloft_fan_out AS f WHERE f.\"fetch\"=r.\"fetch\" AND f.run=r.id AND f.state='done' \
               AND (f.leads=1 OR NOT EXISTS \
               (SELECT 1 FROM hayloft_quarantine AS q WHERE q.\"fetch\"=f.\"fetch\" AND q.parent=f.parent)))";
    let rows = tx.all(params, sql.to_owned()).await?;
    let count: Option<i64> = rows.first().map(|row| get(row, 0)).transpose()?;
    Ok(count.map(i64::unsigned_abs))
}
