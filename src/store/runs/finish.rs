//! The ledger: runs keep their lease and end. Knows states and fences; no rows of a definition.
//!
//! How runs begin stands in `claim`, what waits in `slots`.

use crate::{
    catalog::Missing,
    store::{
        commit::{self, Trace},
        context::Context,
        db::{failpoint, retry::in_line},
        error::StoreError,
        figures::statistics,
        in_force,
        load::{absent, again, batch::Batch, before, deferred, group, rest, turns},
        system::{
            change_log, fetches, refills, requests, run_seen,
            runs::{self, SUMMARY},
        },
        tx::Transaction,
        types::{AllRefused, EndRule, Finish, Group, GroupOutcome, Run, RunState, RunSummary},
    },
};

use super::all_refused;

/// Ends a run whose last groups are written in the same transaction, so that nobody sees what is new beside what is gone.
pub(crate) async fn complete(
    inner: &Context,
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
    inner: &Context,
    run: &Run,
    groups: &[Group],
    rule: EndRule<'_>,
) -> Result<(RunSummary, GroupOutcome), StoreError> {
    let memory = inner.runs.of(run)?;
    let mut memory = memory.lock().await;
    // No more rows follow that would be slowed down.
    deferred::before(inner, run, 1, &mut memory).await?;
    let mut work = Batch::begin(inner).await?;
    runs::check_fence(&mut work, run).await?;
    turns::take_turn(&mut work, run, None).await?;
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
    inner: &Context,
    run: &Run,
    rule: EndRule<'_>,
    outcome: &GroupOutcome,
) -> Result<RunSummary, StoreError> {
    let memory = inner.runs.of(run)?;
    let memory = memory.lock().await;
    // What writes no row of the definition may also end what an older one began.
    let mut work = match rule(outcome, None) {
        Finish::Complete { .. } => Batch::from(in_force::begin(inner).await?),
        Finish::Failed { .. } | Finish::Interrupted => Batch::from(Transaction::begin(inner).await?),
    };
    runs::check_fence(&mut work, run).await?;
    let ended = before::Ended::of(&memory, None);
    let finish = refused_or(&mut work, run, rule, outcome, ended.later.is_empty()).await?;
    let again = |all: &AllRefused| rule(outcome, Some(all));
    end_with(work, run, (&finish, &again), &ended, memory.lacks_indexes).await
}

/// How a run ends by its rule. What was refused for a taken value is tried again before anything is said of it.
async fn refused_or(
    work: &mut Batch<'_>,
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
    mut work: Batch<'_>,
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
            turns::take_turn(&mut work, run, None).await?;
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
                    requests::forget_unvisited(&mut work, run, told.reread).await?;
                    refills::paid(&mut work, run).await?;
                    runs::note_repeating(&mut work, run, &ended.copied).await?;
                    (RunState::Complete, None)
                }
            }
        }
        Finish::Failed { error } => (RunState::Failed, Some(error.clone())),
        Finish::Interrupted => (RunState::Interrupted, None),
    };
    if let (Finish::Complete { told, .. }, RunState::Complete) = (finish, state) {
        runs::tell(&mut work, run, told).await?;
    }
    let summary = end(&mut work, run, state, error, &absent).await?;
    if state == RunState::Complete {
        rest::note(&mut work, run, (finish, &summary), ended).await?;
        fetches::forget_aside(&mut work, &run.fetch).await?;
    }
    failpoint::point("finish::ended");
    runs::prune(&mut work, &run.fetch).await?;
    let commit = work.finish(run, Trace::Ended(run)).await?;
    failpoint::point("finish::after");
    inner.runs.release(run);
    commit::announce(inner, commit);
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
    work: &mut Batch<'_>,
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

/// Writes the end of a run. An interrupted run stays open: only then can it be resumed.
async fn end(
    work: &mut Transaction<'_>,
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
        run_seen::forget(work, run.id).await?;
    }
    rows.first().map(runs::summary).transpose()?.ok_or(StoreError::Fenced)
}
