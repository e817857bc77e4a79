//! How runs end: what they did not see is judged, what was refused is tried again, and all is
//! committed at once. Knows the order of that; no rows of a definition.

use crate::{
    catalog::Missing,
    store::{
        commit::{self, Evidence},
        context::Context,
        db::{failpoint, retry::retry},
        error::StoreError,
        figures::statistics,
        in_force,
        load::{absent, again, batch::Batch, before, deferred, group, rest, turns},
        system::{change_log, fetches, refills, requests, run_seen, runs},
        tx::Transaction,
        types::{AllRefused, EndRule, Finish, Group, GroupOutcome, Run, RunState, RunSummary},
    },
};

use super::all_refused;

/// Ends a run whose last groups are written in the same transaction, so that nobody sees what is
/// new beside what is gone.
pub(crate) async fn complete(
    context: &Context,
    run: &Run,
    groups: &[Group],
    rule: EndRule<'_>,
) -> Result<(RunSummary, GroupOutcome), StoreError> {
    if groups.is_empty() {
        let outcome = GroupOutcome::default();
        let summary = retry!(finish(context, run, rule, &outcome).await)?;
        return Ok((summary, outcome));
    }
    match retry!(finish_with(context, run, groups, rule).await) {
        // One of the groups is what is refused: those before it are stored all the same.
        Err(StoreError::Refused(_) | StoreError::Internal(_)) => {
            let outcome = group::commit_groups(context, run, groups).await?;
            let summary = retry!(finish(context, run, rule, &outcome).await)?;
            Ok((summary, outcome))
        }
        done => done,
    }
}

async fn finish_with(
    context: &Context,
    run: &Run,
    groups: &[Group],
    rule: EndRule<'_>,
) -> Result<(RunSummary, GroupOutcome), StoreError> {
    let memory = context.runs.of(run)?;
    let mut memory = memory.lock().await;
    // No more rows follow that would be slowed down.
    deferred::before(context, run, 1, &mut memory).await?;
    let mut batch = Batch::begin(context).await?;
    runs::check_fence(&mut batch, run).await?;
    // After the fence, as everybody who writes for a run takes them: the other way round two could
    // wait for each other.
    turns::take_turn(&mut batch, run, None).await?;
    let last = group::write_last(&mut batch, run, groups, &memory).await?;
    let outcome = last.outcome.clone();
    let ended = before::Ended::of(&memory, Some(last));
    let finish = refused_or(&mut batch, run, rule, &outcome, ended.later.is_empty()).await?;
    let again = |all: &AllRefused| rule(&outcome, Some(all));
    let summary = end_with(batch, run, (&finish, &again), &ended, memory.lacks_indexes).await?;
    Ok((summary, outcome))
}

/// Ends a run whose groups are all committed.
pub(crate) async fn finish(
    context: &Context,
    run: &Run,
    rule: EndRule<'_>,
    outcome: &GroupOutcome,
) -> Result<RunSummary, StoreError> {
    let memory = context.runs.of(run)?;
    let memory = memory.lock().await;
    // What writes no row of the definition may also end what an older one began.
    let mut tx = match rule(outcome, None) {
        Finish::Complete { .. } => Batch::from(in_force::begin(context).await?),
        Finish::Failed { .. } | Finish::Interrupted => Batch::from(Transaction::begin(context).await?),
    };
    runs::check_fence(&mut tx, run).await?;
    let ended = before::Ended::of(&memory, None);
    let finish = refused_or(&mut tx, run, rule, outcome, ended.later.is_empty()).await?;
    let again = |all: &AllRefused| rule(outcome, Some(all));
    end_with(tx, run, (&finish, &again), &ended, memory.lacks_indexes).await
}

/// How a run ends by its rule. What was refused for a taken value is tried again before anything is
/// said of it.
async fn refused_or(
    batch: &mut Batch<'_>,
    run: &Run,
    rule: EndRule<'_>,
    outcome: &GroupOutcome,
    all_is_tried: bool,
) -> Result<Finish, StoreError> {
    let all = match all_is_tried {
        true => all_refused::find(batch, run).await?,
        false => None,
    };
    Ok(rule(outcome, all.as_ref()))
}

/// The end of a run, in a transaction that has checked its fence; and the end where, after all was
/// tried, nothing came of it.
async fn end_with(
    mut batch: Batch<'_>,
    run: &Run,
    (finish, again): (&Finish, &(dyn Fn(&AllRefused) -> Finish + Sync)),
    ended: &before::Ended,
    lacks_indexes: bool,
) -> Result<RunSummary, StoreError> {
    let context = batch.context;
    let mut absent = absent::Absent::default();
    let (state, error) = match finish {
        Finish::Complete {
            missing,
            missing_max,
            told,
        } => {
            turns::take_turn(&mut batch, run, None).await?;
            let trial = match ended.later.is_empty() {
                true => None,
                false => all_refused::begin(&mut batch, run).await?,
            };
            let judged = judge(&mut batch, run, ended, (*missing, *missing_max)).await?;
            failpoint::point("finish::absent");
            let all = match trial {
                Some(trial) => trial.end(&mut batch, run).await?,
                None => None,
            };
            match all.map(|all| again(&all)) {
                Some(Finish::Failed { error }) => (RunState::Failed, Some(error)),
                _ => {
                    absent = judged;
                    requests::forget_unvisited(&mut batch, run, told.reread).await?;
                    refills::paid(&mut batch, run).await?;
                    runs::note_repeating(&mut batch, run, &ended.copied).await?;
                    (RunState::Complete, None)
                }
            }
        }
        Finish::Failed { error } => (RunState::Failed, Some(error.clone())),
        Finish::Interrupted => (RunState::Interrupted, None),
    };
    if let (Finish::Complete { told, .. }, RunState::Complete) = (finish, state) {
        runs::tell(&mut batch, run, told).await?;
    }
    let summary = end(&mut batch, run, state, error, &absent).await?;
    if state == RunState::Complete {
        rest::note(&mut batch, run, (finish, &summary), ended).await?;
        fetches::forget_aside(&mut batch, &run.fetch).await?;
    }
    failpoint::point("finish::ended");
    runs::prune(&mut batch, &run.fetch).await?;
    let commit = batch.finish(run, Evidence::Ended(run)).await?;
    failpoint::point("finish::after");
    context.runs.release(run);
    commit::announce(context, commit);
    change_log::prune(context).await;
    // A shutdown does not wait for what the next start does.
    if !matches!(finish, Finish::Interrupted) {
        deferred::end(context, run, lacks_indexes).await;
        statistics::renew(context, run).await;
    }
    Ok(summary)
}

/// Deletes what a complete run did not see. What was refused for a taken value is tried again
/// before, as values move between rows, and afterwards, as rows that go give theirs up.
async fn judge(
    batch: &mut Batch<'_>,
    run: &Run,
    ended: &before::Ended,
    (missing, missing_max): (Missing, f64),
) -> Result<absent::Absent, StoreError> {
    // It has looked at no row, so all of them would count as missing.
    if ended.rests {
        return Ok(absent::Absent::default());
    }
    if ended.later.is_empty() {
        return absent::absent(batch, run, &ended.seen, missing, missing_max).await;
    }
    let mut again = again::Again::new(&ended.later);
    let mut seen = ended.seen.clone();
    again.write(batch, run, &mut seen).await?;
    let absent = absent::absent(batch, run, &seen, missing, missing_max).await?;
    if absent.gone > 0 {
        again.write(batch, run, &mut seen).await?;
    }
    again.tell(batch, run).await?;
    Ok(absent)
}

/// Writes the end of a run. An interrupted run stays open: only then can it be resumed.
async fn end(
    tx: &mut Transaction<'_>,
    run: &Run,
    state: RunState,
    error: Option<String>,
    absent: &absent::Absent,
) -> Result<RunSummary, StoreError> {
    let summary = runs::end(tx, run, state, error, (absent.gone, absent.held)).await?;
    // Whoever goes on with an interrupted run has to know what it has seen.
    if state != RunState::Interrupted {
        run_seen::forget(tx, run.id).await?;
    }
    Ok(summary)
}
