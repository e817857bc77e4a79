//! One run: claim, pages, groups, end. Knows how the stages are joined; each stage knows its own
//! work.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    ahead::Fetching,
    ending::ending,
    error::{HarvestError, PageFault},
    field_fetch, groups,
    inner::Inner,
    lease::Lease,
    limits::{GROUP_QUEUE, PAGE_QUEUE},
    load::{Last, Load},
    outcome::Outcome,
    page::Place,
    progress::{Progress, RunReport, Silent},
    refusal::all_refused,
    secrets::Secrets,
    slots,
    stage::{Read, Worked},
    work::Job,
};
use crate::{
    catalog::{Chore, Fetch, FetchId},
    store::{AllRefused, Claim, Finish, GroupOutcome, Run, RunSummary, StoreError},
};

/// Does what a claimed run is for, and ends the run in the ledger.
pub(super) async fn execute(
    inner: &Arc<Inner>,
    chore: Chore,
    run: Run,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<RunReport, HarvestError> {
    let started = Instant::now();
    let lease = Lease::new(inner.ledger.as_ref(), &run);
    let ended = AssertUnwindSafe(work(inner, chore, &run, &lease, progress, cancel)).catch_unwind();
    // One that broke ends like any that failed: it would be nobody's until its lease is over.
    let ended = ended.await.unwrap_or_else(|_| {
        tracing::error!(fetch = run.fetch, "a run broke");
        Ok(Ended::Not(Finish::Failed {
            error: PageFault::Internal.to_string(),
        }))
    });
    let finish = match ended {
        Ok(Ended::Complete(summary)) => return report(inner, chore, &run, started, *summary).await,
        Ok(Ended::Not(finish)) => finish,
        // Whoever took the run over ends it.
        Err(StoreError::Fenced) => return Err(StoreError::Fenced.into()),
        Err(StoreError::Replaced) => return Err(give_up(inner, &run).await.into()),
        // The store has waited for as long as a lease holds; nothing is wrong with the run, which
        // goes on when the database is back.
        Err(StoreError::Unreachable | StoreError::Crowded) => Finish::Interrupted,
        Err(error) => Finish::Failed {
            error: error.to_string(),
        },
    };
    lease.sure().await?;
    let summary = match inner.ledger.finish_run(&run, finish).await {
        Err(StoreError::Replaced) => return Err(give_up(inner, &run).await.into()),
        ended => ended?,
    };
    report(inner, chore, &run, started, summary).await
}

/// Where a run stands when its work is done.
enum Ended {
    /// It is complete in the ledger, too.
    Complete(Box<RunSummary>),
    /// It is still to be ended so.
    Not(Finish),
}

/// Gets the pages, and ends the run in the ledger if it has seen all of them. Groups are computed
/// at once.
async fn work(
    inner: &Arc<Inner>,
    chore: Chore,
    run: &Run,
    lease: &Lease<'_>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Ended, StoreError> {
    let id = match chore {
        Chore::Fetch(id) => id,
        Chore::Groups(groups) => {
            let summary = groups::compute(inner, groups, run, lease).await?;
            return Ok(Ended::Complete(Box::new(summary)));
        }
    };
    let fetch = inner.catalog.fetch(id);
    Ok(
        match pages_with_heartbeat(inner, id, run, lease, progress, cancel).await? {
            Outcome::Whole(read, last) => {
                let summary = complete(inner, fetch, run, (read, last), lease, progress).await?;
                Ended::Complete(Box::new(summary))
            }
            Outcome::Failed(fault) => Ended::Not(failed(inner, fetch, &fault)),
            Outcome::Interrupted => Ended::Not(Finish::Interrupted),
        },
    )
}

fn failed(inner: &Inner, fetch: &Fetch, fault: &PageFault) -> Finish {
    Finish::Failed {
        error: inner.masked(fetch, fault),
    }
}

async fn report(
    inner: &Inner,
    chore: Chore,
    run: &Run,
    started: Instant,
    summary: RunSummary,
) -> Result<RunReport, HarvestError> {
    let requests = match chore {
        Chore::Fetch(id) if inner.catalog.fetch(id).field_fetch.is_some() => {
            Some(inner.ledger.field_request_counts(&run.fetch, Some(run.id)).await?)
        }
        _ => None,
    };
    let elapsed = started.elapsed();
    Ok(RunReport {
        summary,
        elapsed,
        requests,
    })
}

/// Leaves a run to the processes whose definition is in force, and gives the reason.
async fn give_up(inner: &Inner, run: &Run) -> StoreError {
    match inner.ledger.finish_run(run, Finish::Interrupted).await {
        Ok(_) | Err(StoreError::Fenced) => {}
        Err(error) => tracing::warn!(%error, "a run could not be given up; its lease ends by itself"),
    }
    StoreError::Replaced
}

/// Ends a run that read every page, together with its last groups, and says what a person should
/// know of it.
async fn complete(
    inner: &Inner,
    fetch: &Fetch,
    run: &Run,
    (read, last): (Read, Last),
    lease: &Lease<'_>,
    progress: &dyn Progress,
) -> Result<RunSummary, StoreError> {
    let Last { groups, mut done } = last;
    lease.sure().await?;
    let before = done.outcome.clone();
    let secrets = inner.secrets(fetch);
    let rule = |outcome: &GroupOutcome, refused: Option<&AllRefused>| {
        // A run that got records and could use none of them has failed.
        if let Some(refused) = refused {
            return Finish::Failed {
                error: secrets.mask(&all_refused(refused, &run.fetch).to_string()),
            };
        }
        let mut all = before.clone();
        all.add(outcome);
        // A row that comes again has moved to a later page: others may have moved to earlier ones,
        // past the reader.
        let shifted = read.shifted || all.repeated > 0;
        ending(
            fetch,
            run,
            &secrets,
            Read {
                shifted,
                copies: all.copies,
                ..read.clone()
            },
        )
    };
    let (summary, outcome) = inner.ledger.complete_run(run, &groups, &rule).await?;
    if !groups.is_empty() {
        done.outcome.add(&outcome);
        progress.committed(&done);
    }
    for text in summary.told.doubt.iter().chain(&summary.told.notes) {
        tracing::warn!(fetch = run.fetch, "{}: {text}", run.fetch);
        progress.message(text);
    }
    Ok(summary)
}

/// The pages beside a heartbeat, which ends them when another process has taken the run; a newer
/// definition in force does, too.
async fn pages_with_heartbeat(
    inner: &Arc<Inner>,
    id: FetchId,
    run: &Run,
    lease: &Lease<'_>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Outcome, StoreError> {
    // A child token: the end of this run stops its worker, and no other run.
    let stop = cancel.child_token();
    let _guard = stop.clone().drop_guard();
    tokio::select! {
        outcome = stages(inner, id, run, lease, progress, &stop) => outcome,
        error = lease.keep() => Err(error),
        () = inner.ledger.replaced() => Err(StoreError::Replaced),
    }
}

/// Joins the three stages by bounded queues and waits for all of them.
async fn stages(
    inner: &Arc<Inner>,
    id: FetchId,
    run: &Run,
    lease: &Lease<'_>,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Outcome, StoreError> {
    let fetch = inner.catalog.fetch(id);
    if fetch.field_fetch.is_some() {
        return field_fetch::run(inner, id, run, progress, stop).await;
    }
    let secrets = inner.secrets(fetch);
    let (pages, rows, start) = match start_of(fetch, run, &secrets) {
        Ok(start) => start,
        Err(fault) => return Ok(Outcome::Failed(fault)),
    };
    if pages > 0 {
        progress.message(&format!("goes on after {pages} pages of an interrupted run"));
    }
    let (page_sender, page_receiver) = mpsc::channel(PAGE_QUEUE);
    let (group_sender, group_receiver) = mpsc::channel(GROUP_QUEUE);
    let fetching = Fetching {
        inner: Arc::clone(inner),
        id,
        run: run.clone(),
    };
    let job = Job {
        catalog: Arc::clone(&inner.catalog),
        shaper: Arc::clone(&inner.shaper),
        filter_time: inner.filter_time,
        filter_memory: inner.filter_memory,
        witness: inner.witness.clone(),
        secrets,
        fetch: id.index(),
        start: start.clone(),
        pages,
        rows,
        input: page_receiver,
        output: group_sender,
        again: fetching.clone().again(stop.clone()),
        cancel: stop.clone(),
    };
    let worker = tokio::task::spawn_blocking(move || job.work());
    let fetched = async {
        tokio::select! {
            fetched = fetching.all(start.position, page_sender) => fetched,
            () = stop.cancelled() => Ok(()),
        }
    };
    let mut load = Load::new(run, inner.ledger.as_ref(), lease, progress, pages, rows);
    let (fetched, drained) = tokio::join!(fetched, load.all(group_receiver, stop));
    // A stopped worker is not waited for: a filter may still be at a large page, and nobody takes
    // what it makes of it.
    let worked = tokio::select! {
        biased;
        worked = worker => worked,
        () = stop.cancelled() => Ok(Ok(Worked::Stopped)),
    };
    let worked = worked.unwrap_or_else(|error| {
        tracing::error!(%error, "the worker of a run broke");
        Err(PageFault::Internal)
    });
    // Groups that were left behind by a stop are no part of the run, whatever the worker says of
    // its own end.
    let drained = drained?;
    let outcome = match (fetched, worked) {
        _ if !drained => Outcome::Interrupted,
        (Err(fault), _) | (Ok(()), Err(fault)) => Outcome::Failed(fault),
        (Ok(()), Ok(Worked::Whole(read))) => return Ok(Outcome::Whole(read, load.last())),
        (Ok(()), Ok(Worked::Stopped)) => Outcome::Interrupted,
    };
    load.commit().await?;
    Ok(outcome)
}

/// Where a run begins: at the first page, or where its checkpoint says.
fn start_of(fetch: &Fetch, run: &Run, secrets: &Secrets) -> Result<(u64, u64, Place), PageFault> {
    let Some(checkpoint) = &run.checkpoint else {
        return Ok((0, 0, Place::first(&fetch.paging.advance)));
    };
    let place = serde_json::from_str(&secrets.reveal(&checkpoint.next)).map_err(|error| {
        tracing::error!(%error, "a checkpoint cannot be read");
        PageFault::Internal
    })?;
    Ok((checkpoint.pages, checkpoint.rows, place))
}

/// How the next run is asked for.
pub(super) fn claim(inner: &Inner, chore: Chore) -> Claim {
    let name = inner.name(chore);
    match chore {
        Chore::Fetch(id) => slots::claim(inner.catalog.fetch(id), name),
        Chore::Groups(id) => groups::claim(id, name),
    }
}

/// Runs what waits or was left behind of a fetch, or of groups; `None` when another process has it.
pub(super) async fn next(
    inner: &Arc<Inner>,
    chore: Chore,
    cancel: &CancellationToken,
) -> Result<Option<RunReport>, HarvestError> {
    let Some(run) = inner.ledger.claim_run(&claim(inner, chore)).await? else {
        return Ok(None);
    };
    tracing::debug!(fetch = run.fetch, run = run.id, fence = run.fence, "a run starts");
    execute(inner, chore, run, &Silent, cancel).await.map(Some)
}
