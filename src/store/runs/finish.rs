//! The ledger: runs keep their lease and end. Knows states and fences; no rows of a definition.
//!
//! How runs begin stands in `claim`, what waits in `slots`.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use chrono::{DateTime, Utc};

use crate::{
    catalog::Missing,
    store::{
        Inner,
        commit::Trace,
        db::{
            failpoint,
            pool::{Line, get},
            retry::in_line,
        },
        error::StoreError,
        figures::statistics,
        load::{
            absent,
            again::{self, Later},
            batch::Work,
            before, deferred, group,
            print::Print,
            rest,
        },
        state::{key_filter::Added, row_set::RowSet},
        system::{change_log, readings},
        types::{AllRefused, EndRule, Finish, Group, GroupOutcome, Hold, LEASE, Run, RunState, RunSummary, Told},
    },
};

use super::{all_refused, aside, claim};

pub(crate) const LEASE_SECONDS: i64 = LEASE.as_secs() as i64;
/// A lease that ends later than one taken now, and by more than this, is of a clock that was set back since.
const CLOCK_SLACK_SECONDS: i64 = 5;
/// Runs of one fetch that the ledger keeps, and those whose refused rows are kept.
const RUNS_KEPT: i64 = 100;
const QUARANTINE_RUNS_KEPT: i64 = 10;
/// Rows that come several times in each run, and are written once for all of them: what is beyond is written each time.
pub(crate) const REPEATING_MAX: usize = 10_000;

/// What a running run has seen; also in the database, from where a resumed run reads it.
#[derive(Default)]
pub struct RunMemory {
    /// Rows of the pages that ended.
    pub seen: RowSet,
    /// Rows of the page under way, from its groups so far.
    pub page_rows: Vec<i64>,
    /// Of those that it wrote or found to be the same.
    pub page_print: Print,
    /// A row of the page was refused by the database.
    pub unfit: bool,
    /// The page's first entry in the quarantine.
    pub page_refused: Option<i64>,
    /// The number of the last part of `hayloft_run_seen`.
    pub part: i64,
    /// What it has added to a table that was empty.
    pub added: Added,
    /// Rows of the page under way, as a set.
    pub page: RowSet,
    /// Rows whose key came several times in the last complete run: they are written when all of this run is there.
    pub repeating: RowSet,
    /// Those that came several times in this one, the first [`REPEATING_MAX`].
    pub copied: Vec<i64>,
    /// What was refused because a value is taken, and is tried again at the end.
    pub later: Later,
    /// Indexes of what the run writes are missing, as far as that is known.
    pub lacks_indexes: bool,
    pub indexes_known: bool,
}

/// Of the runs under way in this process, by number, fence and era.
pub type Memories = HashMap<(i64, i64, u64), Arc<tokio::sync::Mutex<RunMemory>>>;

impl RunMemory {
    /// From now on a row of this page that comes again comes from another one.
    pub fn end_page(&mut self) {
        self.page_print = Print::default();
        for row in std::mem::take(&mut self.page_rows) {
            self.seen.insert(row);
        }
        self.page = RowSet::default();
    }
}

pub(crate) const SUMMARY: &str = "id,\"fetch\",slot,state,started_at,finished_at,pages,bytes,new_rows,changed_rows,same_rows,\
                                  gone_rows,refused_rows,held_rows,error,fence>1,owner,left_out_rows,doubt,notes,repeated_rows";

/// Columns of [`SUMMARY`].
pub(crate) const SUMMARY_COLUMNS: usize = 21;

pub(crate) fn instant(text: &str) -> Result<DateTime<Utc>, StoreError> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed
        .map(|at| at.with_timezone(&Utc))
        .map_err(|error| StoreError::Database(Box::new(error)))
}

fn texts(json: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Database(Box::new(error)))
}

/// A row of [`SUMMARY`].
pub(crate) fn summary(row: &Line) -> Result<RunSummary, StoreError> {
    let count = |at: usize| -> Result<u64, StoreError> { Ok(get::<i64>(row, at)?.unsigned_abs()) };
    let finished: Option<String> = get(row, 5)?;
    let notes: Option<String> = get(row, 19)?;
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

/// A process that opens the database for writing is its only one: whatever was running was interrupted.
pub(crate) async fn interrupt_all(inner: &Inner) -> Result<(), StoreError> {
    let mut work = Work::begin(inner).await?;
    work.run(
        work.params(),
        "UPDATE hayloft_run SET state='interrupted' WHERE state='running'".to_owned(),
    )
    .await?;
    work.commit().await
}

pub(crate) async fn heartbeat(inner: &Inner, run: &Run) -> Result<(), StoreError> {
    let mut work = Work::begin(inner).await?;
    let mut params = work.params();
    params.add(run.id)?;
    params.add(run.fence)?;
    let sql = format!(
        "UPDATE hayloft_run SET heartbeat_at={},lease_until={} WHERE id=$1 AND fence=$2 AND state='running'",
        inner.now(0),
        inner.now(LEASE_SECONDS)
    );
    if work.era != run.era || work.run(params, sql).await? == 0 {
        return Err(StoreError::Fenced);
    }
    work.commit().await
}

/// Refuses the writes of a run that was taken over, has ended, or whose lease is over. The row stays locked until the
/// transaction ends, so that nobody takes the run over in between.
pub(crate) async fn check_fence(work: &mut Work<'_>, run: &Run) -> Result<(), StoreError> {
    // Elsewhere the same numbers may be another run's.
    if work.era != run.era {
        return Err(StoreError::Fenced);
    }
    let mut params = work.params();
    params.add(run.id)?;
    params.add(run.fence)?;
    let (now, lock) = (work.inner.now(0), work.inner.dialect.for_update());
    let sql =
        format!("SELECT id FROM hayloft_run WHERE id=$1 AND fence=$2 AND state='running' AND lease_until>{now}{lock}");
    match work.all(params, sql).await?.is_empty() {
        true => Err(StoreError::Fenced),
        false => Ok(()),
    }
}

/// A condition: the lease of a running run is over.
pub(crate) fn lease_over(inner: &Inner) -> String {
    let (now, latest) = (inner.now(0), inner.now(LEASE_SECONDS + CLOCK_SLACK_SECONDS));
    format!("(lease_until<={now} OR lease_until>{latest})")
}

/// Who has a run in hand. `over` is what [`lease_over`] said of it.
pub(crate) fn hold(inner: &Inner, run: &RunSummary, fence: i64, over: bool) -> Hold {
    match run.state {
        // What this process started and still works at will itself find out that its lease is over.
        RunState::Running if inner.is_running(run.id, fence) => Hold::Held,
        RunState::Running if over || run.owner.as_deref() == Some(&*inner.process) => Hold::Free,
        RunState::Running => Hold::Held,
        RunState::Interrupted if run.finished_at.is_none() => Hold::Free,
        _ => Hold::Ended,
    }
}

/// Ends a run whose last groups are written in the same transaction, so that nobody sees what is new beside what is gone.
pub(crate) async fn complete(
    inner: &Inner,
    run: &Run,
    groups: &[Group],
    rule: EndRule<'_>,
) -> Result<(RunSummary, GroupOutcome), StoreError> {
    if groups.is_empty() {
        let outcome = GroupOutcome::default();
        let summary = in_line!(finish(inner, run, rule, &outcome).await)?;
        return Ok((summary, outcome));
    }
    match in_line!(finish_with(inner, run, groups, rule).await) {
        // One of the groups is what is refused: those before it are stored all the same.
        Err(StoreError::Refused(_)) => {
            let outcome = group::commit_groups(inner, run, groups).await?;
            let summary = in_line!(finish(inner, run, rule, &outcome).await)?;
            Ok((summary, outcome))
        }
        done => done,
    }
}

async fn finish_with(
    inner: &Inner,
    run: &Run,
    groups: &[Group],
    rule: EndRule<'_>,
) -> Result<(RunSummary, GroupOutcome), StoreError> {
    let memory = inner.memory(run)?;
    let mut memory = memory.lock().await;
    // No more rows follow that would be slowed down.
    deferred::before(inner, run, 1, &mut memory).await?;
    let mut work = Work::in_force_load(inner).await?;
    check_fence(&mut work, run).await?;
    group::take_turn(&mut work, run, None).await?;
    let last = group::write_last(&mut work, run, groups, &memory).await?;
    let outcome = last.outcome.clone();
    let ended = before::Ended::of(&memory, Some(last));
    let finish = refused_or(&mut work, run, rule, &outcome, ended.later.is_empty()).await?;
    let again = |all: &AllRefused| rule(&outcome, Some(all));
    let summary = end_with(work, run, (&finish, &again), &ended, memory.lacks_indexes).await?;
    Ok((summary, outcome))
}

/// Ends a run whose groups are all committed.
pub(crate) async fn finish(
    inner: &Inner,
    run: &Run,
    rule: EndRule<'_>,
    outcome: &GroupOutcome,
) -> Result<RunSummary, StoreError> {
    let memory = inner.memory(run)?;
    let memory = memory.lock().await;
    // What writes no row of the definition may also end what an older one began.
    let mut work = match rule(outcome, None) {
        Finish::Complete { .. } => Work::in_force(inner).await?,
        Finish::Failed { .. } | Finish::Interrupted => Work::begin(inner).await?,
    };
    check_fence(&mut work, run).await?;
    let ended = before::Ended::of(&memory, None);
    let finish = refused_or(&mut work, run, rule, outcome, ended.later.is_empty()).await?;
    let again = |all: &AllRefused| rule(outcome, Some(all));
    end_with(work, run, (&finish, &again), &ended, memory.lacks_indexes).await
}

/// How a run ends by its rule. What was refused for a taken value is tried again before anything is said of it.
async fn refused_or(
    work: &mut Work<'_>,
    run: &Run,
    rule: EndRule<'_>,
    outcome: &GroupOutcome,
    all_is_tried: bool,
) -> Result<Finish, StoreError> {
    let all = match all_is_tried {
        true => all_refused::find(work, run).await?,
        false => None,
    };
    Ok(rule(outcome, all.as_ref()))
}

/// The end of a run, in a transaction that has checked its fence; and the end where, after all was tried, nothing came of it.
async fn end_with(
    mut work: Work<'_>,
    run: &Run,
    (finish, again): (&Finish, &(dyn Fn(&AllRefused) -> Finish + Sync)),
    ended: &before::Ended,
    lacks_indexes: bool,
) -> Result<RunSummary, StoreError> {
    let inner = work.inner;
    let mut absent = absent::Absent::default();
    let (state, error) = match finish {
        Finish::Complete {
            missing,
            missing_max,
            told,
        } => {
            group::take_turn(&mut work, run, None).await?;
            let trial = match ended.later.is_empty() {
                true => None,
                false => all_refused::begin(&mut work, run).await?,
            };
            let judged = judge(&mut work, run, ended, (*missing, *missing_max)).await?;
            failpoint::point("finish::absent");
            let all = match trial {
                Some(trial) => trial.end(&mut work, run).await?,
                None => None,
            };
            match all.map(|all| again(&all)) {
                Some(Finish::Failed { error }) => (RunState::Failed, Some(error)),
                _ => {
                    absent = judged;
                    group::forget_unvisited(&mut work, run, told.reread).await?;
                    refilled(&mut work, run).await?;
                    claim::note_repeating(&mut work, run, &ended.copied).await?;
                    (RunState::Complete, None)
                }
            }
        }
        Finish::Failed { error } => (RunState::Failed, Some(error.clone())),
        Finish::Interrupted => (RunState::Interrupted, None),
    };
    if let (Finish::Complete { told, .. }, RunState::Complete) = (finish, state) {
        tell(&mut work, run, told).await?;
    }
    let summary = end(&mut work, run, state, error, &absent).await?;
    if state == RunState::Complete {
        rest::note(&mut work, run, (finish, &summary), ended).await?;
        aside::forget(&mut work, &run.fetch).await?;
    }
    failpoint::point("finish::ended");
    prune(&mut work, &run.fetch).await?;
    let commit = group::finish(work, run, Trace::Ended(run)).await?;
    failpoint::point("finish::after");
    inner.release(run);
    group::announce(inner, commit);
    change_log::prune(inner).await;
    // A shutdown does not wait for what the next start does.
    if !matches!(finish, Finish::Interrupted) {
        deferred::end(inner, run, lacks_indexes).await;
        statistics::renew(inner, run).await;
    }
    Ok(summary)
}

/// Deletes what a complete run did not see. What was refused for a taken value is tried again before, as values move between
/// rows, and afterwards, as rows that go give theirs up.
async fn judge(
    work: &mut Work<'_>,
    run: &Run,
    ended: &before::Ended,
    (missing, missing_max): (Missing, f64),
) -> Result<absent::Absent, StoreError> {
    if ended.rests {
        return Ok(absent::Absent::default());
    }
    if ended.later.is_empty() {
        return absent::absent(work, run, &ended.seen, missing, missing_max).await;
    }
    let mut again = again::Again::new(&ended.later);
    let mut seen = ended.seen.clone();
    again.write(work, run, &mut seen).await?;
    let absent = absent::absent(work, run, &seen, missing, missing_max).await?;
    if absent.gone > 0 {
        again.write(work, run, &mut seen).await?;
    }
    again.tell(work, run).await?;
    Ok(absent)
}

/// Notes what a person should know of a run.
async fn tell(work: &mut Work<'_>, run: &Run, told: &Told) -> Result<(), StoreError> {
    if *told == Told::default() {
        return Ok(());
    }
    let notes = serde_json::to_string(&told.notes).map_err(|error| StoreError::Database(Box::new(error)))?;
    let mut params = work.params();
    params.add(run.id)?;
    params.add(told.doubt.clone())?;
    params.add(notes)?;
    let sql = "UPDATE hayloft_run SET doubt=$2,notes=$3 WHERE id=$1".to_owned();
    work.run(params, sql).await.map(|_| ())
}

/// Writes the end of a run. An interrupted run stays open: only then can it be resumed.
async fn end(
    work: &mut Work<'_>,
    run: &Run,
    state: RunState,
    error: Option<String>,
    absent: &absent::Absent,
) -> Result<RunSummary, StoreError> {
    let mut params = work.params();
    params.add(run.id)?;
    params.add(state.name())?;
    params.add(error)?;
    params.add(absent.gone.cast_signed())?;
    params.add(absent.held.cast_signed())?;
    let now = work.inner.now(0);
    let ended = match state {
        RunState::Interrupted => "NULL",
        _ => now.as_str(),
    };
    let sql = format!(
        "UPDATE hayloft_run SET state=$2,error=$3,gone_rows=$4,held_rows=$5,heartbeat_at={now},finished_at={ended},\
         working=NULL WHERE id=$1 RETURNING {SUMMARY}"
    );
    let rows = work.all(params, sql).await?;
    if state != RunState::Interrupted {
        claim::forget_seen(work, run.id).await?;
    }
    rows.first().map(summary).transpose()?.ok_or(StoreError::Fenced)
}

/// A complete run that began after fields came has brought their values, if it read as the definition in force does.
async fn refilled(work: &mut Work<'_>, run: &Run) -> Result<(), StoreError> {
    if !readings::note_complete(work, &run.fetch).await? {
        return Ok(());
    }
    // An instant in the future is of a clock that ran ahead.
    let latest = work.inner.now(CLOCK_SLACK_SECONDS);
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    let sql = format!(
        "DELETE FROM hayloft_refill WHERE \"fetch\"=$1 \
         AND (at<=(SELECT started_at FROM hayloft_run WHERE id=$2) OR at>{latest})"
    );
    work.run(params, sql).await?;
    Ok(())
}

/// Keeps the ledger and the quarantine within their bounds.
async fn prune(work: &mut Work<'_>, fetch: &str) -> Result<(), StoreError> {
    let ended = "\"fetch\"=$1 AND state NOT IN ('queued','running')";
    // What is refused of an answer about a row stays with that answer.
    let of_runs = "\"fetch\"=$1 AND parent IS NULL";
    for (table, column, kept, condition) in [
        ("hayloft_quarantine", "run", QUARANTINE_RUNS_KEPT, of_runs),
        ("hayloft_run", "id", RUNS_KEPT, ended),
    ] {
        let mut params = work.params();
        params.add(fetch.to_owned())?;
        params.add(kept)?;
        // The newest complete run stays however old it is: it tells when all was last right. So does the newest without a doubt.
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
        work.run(params, sql).await?;
    }
    Ok(())
}

impl Inner {
    fn is_running(&self, run: i64, fence: i64) -> bool {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.contains_key(&(run, fence, self.ground.era()))
    }

    pub(crate) fn remember(&self, run: &Run, memory: RunMemory) {
        let memory = Arc::new(tokio::sync::Mutex::new(memory));
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert((run.id, run.fence, run.era), memory);
    }

    /// The memory of a run that this process started.
    pub(crate) fn memory(&self, run: &Run) -> Result<Arc<tokio::sync::Mutex<RunMemory>>, StoreError> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(&(run.id, run.fence, run.era))
            .cloned()
            .ok_or(StoreError::Fenced)
    }

    /// This process works at the run no more.
    pub(crate) fn release(&self, run: &Run) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.remove(&(run.id, run.fence, run.era));
    }
}
