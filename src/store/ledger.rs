//! The ledger: runs begin, keep their lease and end. Knows states and fences; no rows of a definition.

use std::sync::{Arc, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::sqlite::SqliteRow;

use super::{
    Inner,
    bind::{Params, get},
    dialect::Dialect,
    load::{self, Writing, seen::RowSet},
    types::{Checkpoint, Finish, RESUME_MAX, Run, RunState, RunSummary, StartRun, StoreError},
};

/// How long a run belongs to its process without a sign of life.
pub(super) const LEASE_SECONDS: i64 = 30;
/// Runs of one fetch that the ledger keeps, and those whose refused rows are kept.
const RUNS_KEPT: i64 = 100;
const QUARANTINE_RUNS_KEPT: i64 = 10;

/// What a running run has seen; also in the database, from where a resumed run reads it.
#[derive(Default)]
pub struct RunMemory {
    /// Rows of the pages that ended.
    pub seen: RowSet,
    /// Rows of the page under way, from its groups so far.
    pub page_rows: Vec<i64>,
    /// A row of the page was refused by the database.
    pub unfit: bool,
    /// The page's first entry in the quarantine.
    pub page_refused: Option<i64>,
    /// The number of the last part of `hayloft_run_seen`.
    pub part: i64,
}

impl RunMemory {
    /// From now on a row of this page that comes again comes from another one.
    pub fn end_page(&mut self) {
        for row in std::mem::take(&mut self.page_rows) {
            self.seen.insert(row);
        }
    }
}

pub(super) const SUMMARY: &str = "id,fetch,slot,state,started_at,finished_at,pages,bytes,new_rows,changed_rows,same_rows,\
                                  gone_rows,refused_rows,held_rows,error,fence>1";

pub(super) fn instant(text: &str) -> Result<DateTime<Utc>, StoreError> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed
        .map(|at| at.with_timezone(&Utc))
        .map_err(|error| StoreError::Database(Box::new(error)))
}

/// A row of [`SUMMARY`].
pub(super) fn summary(row: &SqliteRow) -> Result<RunSummary, StoreError> {
    let count = |at: usize| -> Result<u64, StoreError> { Ok(get::<i64>(row, at)?.unsigned_abs()) };
    let finished: Option<String> = get(row, 5)?;
    Ok(RunSummary {
        id: get(row, 0)?,
        fetch: get(row, 1)?,
        slot: instant(&get::<String>(row, 2)?)?,
        state: RunState::from_name(&get::<String>(row, 3)?),
        started_at: instant(&get::<String>(row, 4)?)?,
        finished_at: finished.as_deref().map(instant).transpose()?,
        pages: count(6)?,
        bytes: count(7)?,
        new: count(8)?,
        changed: count(9)?,
        same: count(10)?,
        gone: count(11)?,
        refused: count(12)?,
        held: count(13)?,
        error: get(row, 14)?,
        // Each resuming raises the fence, which begins at one.
        resumed: get(row, 15)?,
    })
}

/// A process that opens the database for writing is its only one: whatever was running was interrupted.
pub(super) async fn interrupt_all(inner: &Inner) -> Result<(), StoreError> {
    let mut work = Writing::begin(inner).await?;
    work.run(
        Params::default(),
        "UPDATE hayloft_run SET state='interrupted' WHERE state='running'".to_owned(),
    )
    .await?;
    work.tx.commit().await.map_err(super::failed)
}

/// The newest run of a fetch, as far as resuming needs it.
struct Newest {
    id: i64,
    state: RunState,
    fence: i64,
    definition: String,
    fresh: bool,
    checkpoint: Option<Checkpoint>,
    part: i64,
}

pub(super) async fn start(inner: &Inner, start: &StartRun) -> Result<Option<Run>, StoreError> {
    let mut work = Writing::begin(inner).await?;
    let newest = newest(&mut work, &start.fetch).await?;
    if let Some(newest) = &newest {
        if newest.state == RunState::Running && inner.is_running(newest.id) {
            return Ok(None);
        }
        if matches!(newest.state, RunState::Running | RunState::Interrupted) {
            let checkpoint = newest.checkpoint.clone();
            let worth = |done: &Checkpoint| start.resume.is_some_and(|least| done.pages >= least);
            let same = newest.definition == inner.catalog.fingerprint;
            if let (true, true, Some(checkpoint)) = (same, newest.fresh, checkpoint.filter(worth)) {
                return resume(inner, work, start, newest, checkpoint).await.map(Some);
            }
            close_interrupted(&mut work, newest.id).await?;
        }
    }
    let run = insert(&mut work, start).await?;
    work.tx.commit().await.map_err(super::failed)?;
    if let Some(run) = &run {
        inner.remember(run.id, RunMemory::default());
    }
    Ok(run)
}

async fn newest(work: &mut Writing<'_>, fetch: &str) -> Result<Option<Newest>, StoreError> {
    let mut params = Params::default();
    params.add(fetch.to_owned())?;
    let oldest = -i64::try_from(RESUME_MAX.as_secs()).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT id,state,fence,definition,heartbeat_at>={},checkpoint,checkpoint_pages,checkpoint_rows,checkpoint_part,\
         finished_at IS NULL FROM hayloft_run WHERE fetch=? ORDER BY id DESC LIMIT 1",
        work.inner.dialect.now(oldest)
    );
    let rows = work.all(params, sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let next: Option<String> = get(row, 5)?;
    let (pages, rows): (i64, i64) = (get(row, 6)?, get(row, 7)?);
    let open: bool = get(row, 9)?;
    Ok(Some(Newest {
        id: get(row, 0)?,
        state: RunState::from_name(&get::<String>(row, 1)?),
        fence: get(row, 2)?,
        definition: get(row, 3)?,
        fresh: get::<bool>(row, 4)? && open,
        checkpoint: next.map(|next| Checkpoint {
            next,
            pages: pages.unsigned_abs(),
            rows: rows.unsigned_abs(),
        }),
        part: get(row, 8)?,
    }))
}

async fn insert(work: &mut Writing<'_>, start: &StartRun) -> Result<Option<Run>, StoreError> {
    let mut params = Params::default();
    params.add(start.fetch.clone())?;
    params.add(start.slot.to_rfc3339_opts(SecondsFormat::Micros, true))?;
    params.add(start.reason.name())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let (now, lease) = (work.inner.dialect.now(0), work.inner.dialect.now(LEASE_SECONDS));
    let sql = format!(
        "INSERT INTO hayloft_run(fetch,slot,reason,definition,state,fence,started_at,heartbeat_at,lease_until) \
         VALUES (?1,?2,?3,?4,'running',1,{now},{now},{lease}) ON CONFLICT(fetch,slot) DO NOTHING RETURNING id"
    );
    let rows = work.all(params, sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Run {
        id: get(row, 0)?,
        fetch: start.fetch.clone(),
        entity: start.entity,
        fence: 1,
        checkpoint: None,
    }))
}

async fn resume(
    inner: &Inner,
    mut work: Writing<'_>,
    start: &StartRun,
    newest: &Newest,
    checkpoint: Checkpoint,
) -> Result<Run, StoreError> {
    let mut params = Params::default();
    params.add(newest.id)?;
    let sql = format!(
        "UPDATE hayloft_run SET state='running',fence=fence+1,error=NULL,finished_at=NULL,heartbeat_at={},lease_until={} WHERE id=?",
        work.inner.dialect.now(0),
        work.inner.dialect.now(LEASE_SECONDS)
    );
    work.run(params, sql).await?;
    // What was seen of the page after the checkpoint will be read again.
    let mut params = Params::default();
    params.add(newest.id)?;
    params.add(newest.part)?;
    work.run(params, "DELETE FROM hayloft_run_seen WHERE run=? AND part>?".to_owned())
        .await?;
    let mut params = Params::default();
    params.add(newest.id)?;
    let parts = work
        .all(params, "SELECT rows FROM hayloft_run_seen WHERE run=?".to_owned())
        .await?;
    let mut memory = RunMemory {
        part: newest.part,
        ..RunMemory::default()
    };
    for part in &parts {
        let rows = load::seen::unpack(&get::<Vec<u8>>(part, 0)?);
        let rows = rows.ok_or_else(|| StoreError::Refused("the stored rows of a run are damaged".to_owned()))?;
        rows.into_iter().for_each(|row| {
            memory.seen.insert(row);
        });
    }
    work.tx.commit().await.map_err(super::failed)?;
    inner.remember(newest.id, memory);
    Ok(Run {
        id: newest.id,
        fetch: start.fetch.clone(),
        entity: start.entity,
        fence: newest.fence + 1,
        checkpoint: Some(checkpoint),
    })
}

async fn close_interrupted(work: &mut Writing<'_>, id: i64) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(id)?;
    let sql = format!(
        "UPDATE hayloft_run SET state='interrupted',finished_at=coalesce(finished_at,{}) WHERE id=?",
        work.inner.dialect.now(0)
    );
    work.run(params, sql).await?;
    forget_seen(work, id).await
}

async fn forget_seen(work: &mut Writing<'_>, run: i64) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(run)?;
    work.run(params, "DELETE FROM hayloft_run_seen WHERE run=?".to_owned())
        .await?;
    Ok(())
}

pub(super) async fn heartbeat(inner: &Inner, run: &Run) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(run.id)?;
    params.add(run.fence)?;
    let sql = format!(
        "UPDATE hayloft_run SET heartbeat_at={},lease_until={} WHERE id=? AND fence=? AND state='running'",
        inner.dialect.now(0),
        inner.dialect.now(LEASE_SECONDS)
    );
    let done = params
        .query(sql)
        .execute(inner.writer()?)
        .await
        .map_err(super::failed)?;
    if done.rows_affected() == 0 {
        Err(StoreError::Fenced)
    } else {
        Ok(())
    }
}

pub(super) async fn finish(inner: &Inner, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
    let memory = inner.memory(run)?;
    let mut memory = memory.lock().await;
    memory.end_page();
    let mut work = Writing::begin(inner).await?;
    load::check_fence(&mut work, run).await?;
    let mut absent = load::Absent::default();
    let (state, error) = match &finish {
        Finish::Complete { missing, missing_max } => {
            absent = load::absent(&mut work, run, &memory, *missing, *missing_max).await?;
            load::forget_unvisited(&mut work, run).await?;
            (RunState::Complete, None)
        }
        Finish::Failed { error } => (RunState::Failed, Some(error.clone())),
        Finish::Interrupted => (RunState::Interrupted, None),
    };
    let mut params = Params::default();
    params.add(run.id)?;
    params.add(state.name())?;
    params.add(error)?;
    params.add(absent.gone.cast_signed())?;
    params.add(absent.held.cast_signed())?;
    // An interrupted run stays open: only then can it be resumed.
    let now = work.inner.dialect.now(0);
    let ended = if state == RunState::Interrupted {
        "NULL".to_owned()
    } else {
        now.clone()
    };
    let sql = format!(
        "UPDATE hayloft_run SET state=?2,error=?3,gone_rows=?4,held_rows=?5,heartbeat_at={now},finished_at={ended} \
         WHERE id=?1 RETURNING {SUMMARY}"
    );
    let rows = work.all(params, sql).await?;
    let summary = rows.first().map(summary).transpose()?.ok_or(StoreError::Fenced)?;
    if state != RunState::Interrupted {
        forget_seen(&mut work, run.id).await?;
    }
    prune(&mut work, &run.fetch).await?;
    let commit = load::finish(work, run).await?;
    inner
        .runs
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&run.id);
    load::announce(inner, commit);
    Ok(summary)
}

/// Keeps the ledger, the quarantine and the log within their bounds.
async fn prune(work: &mut Writing<'_>, fetch: &str) -> Result<(), StoreError> {
    for (table, column, kept) in [
        ("hayloft_quarantine", "run", QUARANTINE_RUNS_KEPT),
        ("hayloft_run", "id", RUNS_KEPT),
    ] {
        let mut params = Params::default();
        params.add(fetch.to_owned())?;
        params.add(kept)?;
        // The newest complete run stays however old it is: the next slot is counted from it.
        let complete = "SELECT max(id) FROM hayloft_run WHERE fetch=?1 AND state='complete'";
        let sql = format!(
            "DELETE FROM {table} WHERE fetch=?1 AND {column}<=\
             (SELECT id FROM hayloft_run WHERE fetch=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2) \
             AND {column} IS NOT ({complete})"
        );
        work.run(params, sql).await?;
    }
    load::prune_log(work).await
}

impl Inner {
    fn is_running(&self, run: i64) -> bool {
        self.runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&run)
    }

    fn remember(&self, run: i64, memory: RunMemory) {
        let memory = Arc::new(tokio::sync::Mutex::new(memory));
        self.runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(run, memory);
    }

    /// The memory of a run that this process started.
    pub(super) fn memory(&self, run: &Run) -> Result<Arc<tokio::sync::Mutex<RunMemory>>, StoreError> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(&run.id).cloned().ok_or(StoreError::Fenced)
    }
}
