//! The scheduler: looks at the ledger, queues the slots that it lacks, and starts what waits. Knows
//! timers and the runs under way here; when something is due stands in `slots`.
//!
//! The truth is the ledger: a slot that has a run is never run again, whoever ticks how often. A
//! timer's tick is only a hint to look.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{
    sync::Notify,
    task::{self, JoinError, JoinSet},
    time::Instant,
};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use super::{
    error::HarvestError,
    field_fetch::after::fed_at,
    groups,
    inner::Inner,
    limits::{RECONCILE, RECONCILE_MIN, RETRY_BASE, RUNS_MAX},
    progress::RunReport,
    report::log_end,
    run, slots,
};
use crate::{
    catalog::{Chore, Schedule},
    store::{FetchStatus, Plan, RunState, StoreError},
};

/// Runs what is due until cancelled.
pub(super) async fn serve(inner: &Arc<Inner>, cancel: &CancellationToken) {
    let notify = Arc::new(Notify::new());
    let hints = match hints(inner, &notify).await {
        Ok(hints) => Some(hints),
        Err(error) => {
            tracing::warn!(%error, "the timers cannot be started; the ledger is looked at every {RECONCILE:?} all the same");
            None
        }
    };
    reconcile(inner, &notify, cancel).await;
    if let Some(mut hints) = hints
        && let Err(error) = hints.shutdown().await
    {
        tracing::debug!(%error, "the timers did not stop cleanly");
    }
}

/// Timers that wake the reconciler when a slot begins.
async fn hints(inner: &Arc<Inner>, notify: &Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for chore in inner.catalog.chores() {
        let notify = Arc::clone(notify);
        let wake = move |_, _| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            notify.notify_one();
            Box::pin(std::future::ready(()))
        };
        match inner.catalog.schedule_of(chore) {
            // The timers count whole seconds; the reconciler is exact.
            Some(Schedule::Every(every)) => {
                let every = (*every).max(Duration::from_secs(1));
                scheduler.add(Job::new_repeated_async(every, wake)?).await?;
            }
            // The timers' expressions begin with the seconds.
            Some(Schedule::Cron(cron)) => {
                scheduler.add(Job::new_async(format!("0 {cron}"), wake)?).await?;
            }
            None => continue,
        };
    }
    scheduler.start().await?;
    Ok(scheduler)
}

/// The loop: look at the ledger, start what is due, wait for a hint, the next slot or the end of a
/// run.
pub(super) async fn reconcile(inner: &Arc<Inner>, notify: &Notify, cancel: &CancellationToken) {
    let mut runs = Runs::default();
    while !cancel.is_cancelled() {
        let wait = match look(inner, &mut runs, cancel).await {
            Ok(wait) => wait,
            // The store has said so once; it may find room again.
            Err(HarvestError::Store(StoreError::Replaced)) => RECONCILE,
            Err(error) => {
                tracing::error!(%error, "the ledger cannot be read; it is tried again");
                RECONCILE
            }
        };
        let hint = async {
            notify.notified().await;
            // Hints come in bursts; one look answers all of them.
            tokio::time::sleep(RECONCILE_MIN).await;
        };
        tokio::select! {
            () = cancel.cancelled() => break,
            () = hint => {}
            () = tokio::time::sleep(wait.clamp(RECONCILE_MIN, RECONCILE)) => {}
            Some(ended) = runs.tasks.join_next_with_id() => runs.ended(ended),
        }
    }
    // The runs saw the same token; each ends after the commit under way.
    while let Some(ended) = runs.tasks.join_next_with_id().await {
        runs.ended(ended);
    }
}

/// The runs under way in this process: none overlaps one of the same fetch, or of the same groups.
#[derive(Default)]
struct Runs {
    /// Each tells whether its run is in the ledger.
    tasks: JoinSet<bool>,
    /// What each task is at work on.
    busy: HashMap<task::Id, Chore>,
    /// Those whose last start left no run in the ledger: asking again at once would ask for ever.
    resting: HashMap<Chore, Instant>,
}

impl Runs {
    fn start(&mut self, inner: &Arc<Inner>, chore: Chore, cancel: &CancellationToken) {
        let (inner, cancel) = (Arc::clone(inner), cancel.clone());
        let task = self.tasks.spawn(async move {
            let name = inner.name(chore);
            let ran = run::next(&inner, chore, &cancel).await;
            match &ran {
                Ok(Some(report)) => log_end(report, wait_after(&inner, chore, report).await),
                Ok(None) => tracing::debug!(fetch = name, "another process was first"),
                Err(HarvestError::Store(StoreError::Fenced)) => {
                    tracing::warn!(
                        fetch = name,
                        "a run was taken over by another process, or the database has moved; it goes on from what is stored"
                    );
                }
                Err(HarvestError::Store(StoreError::Replaced)) => {
                    tracing::debug!(fetch = name, "a run is left to who has the newer definition");
                }
                Err(error) => tracing::error!(fetch = name, %error, "a run could not be recorded"),
            }
            matches!(ran, Ok(Some(_)))
        });
        self.busy.insert(task.id(), chore);
    }

    fn ended(&mut self, ended: Result<(task::Id, bool), JoinError>) {
        let (task, recorded) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a run broke, and its end could not be recorded");
                (error.id(), false)
            }
        };
        if let Some(chore) = self.busy.remove(&task).filter(|_| !recorded) {
            self.resting.insert(chore, Instant::now() + RETRY_BASE);
        }
    }

    fn is_busy(&self, chore: Chore) -> bool {
        self.busy.values().any(|busy| *busy == chore)
    }

    fn rests(&mut self, chore: Chore) -> bool {
        let rests = self.resting.get(&chore).is_some_and(|until| *until > Instant::now());
        if !rests {
            self.resting.remove(&chore);
        }
        rests
    }
}

/// How long a failed run waits for its next try, as far as the ledger tells; `None` for runs that
/// did not fail.
async fn wait_after(inner: &Arc<Inner>, chore: Chore, report: &RunReport) -> Option<Duration> {
    if report.summary.state != RunState::Failed {
        return None;
    }
    let ledger = &inner.ledger;
    let (status, now) = (ledger.fetch_status().await.ok()?, ledger.now().await.ok()?);
    let known = status.iter().find(|status| status.fetch == report.summary.fetch);
    Some(slots::until_next(inner.catalog.schedule_of(chore), known?, now))
}

/// Queues what is due, starts what waits and may run here, and tells how long until something may
/// be due.
async fn look(inner: &Arc<Inner>, runs: &mut Runs, cancel: &CancellationToken) -> Result<Duration, HarvestError> {
    let now = inner.ledger.now().await?;
    let status = inner.ledger.fetch_status().await?;
    let status: HashMap<&str, &FetchStatus> = status.iter().map(|status| (status.fetch.as_str(), status)).collect();
    let mut wait = RECONCILE;
    for chore in inner.catalog.chores() {
        let name = inner.name(chore);
        let mut known = status.get(name.as_str()).copied().cloned().unwrap_or_default();
        if let Some(rule) = lacking(inner, chore, &known, &status, now) {
            // Decided again in the fetch's turn: another process may have come first.
            known = inner.ledger.plan_slots(&name, &*rule).await?;
        }
        let may_call = match chore {
            Chore::Fetch(id) => inner.may_call(inner.catalog.fetch(id).source),
            Chore::Groups(_) => true,
        };
        if runs.is_busy(chore) || runs.rests(chore) || !may_call {
            continue;
        }
        match slots::is_ready(&known, now) {
            // The rest comes when one of these has ended.
            true if runs.busy.len() >= RUNS_MAX => wait = RECONCILE,
            true => runs.start(inner, chore, cancel),
            false => wait = wait.min(slots::until_next(inner.catalog.schedule_of(chore), &known, now)),
        }
    }
    Ok(wait)
}

/// By which rule a slot is lacking.
type Rule<'r> = Box<dyn Fn(&FetchStatus, DateTime<Utc>) -> Plan + Send + Sync + 'r>;

/// The rule that says what the ledger lacks, if it lacks anything.
fn lacking<'r>(
    inner: &'r Inner,
    chore: Chore,
    known: &FetchStatus,
    status: &HashMap<&str, &FetchStatus>,
    now: DateTime<Utc>,
) -> Option<Rule<'r>> {
    let catalog = &inner.catalog;
    let of = |name: &str| status.get(name).copied();
    match chore {
        Chore::Fetch(id) => {
            let fetch = catalog.fetch(id);
            let fed = fetch.field_fetch.as_ref().and_then(|each| fed_at(catalog, each, of));
            let lacks = slots::lacks(fetch, known, fed, now);
            lacks.then(|| -> Rule<'r> { Box::new(move |known, now| slots::plan_after(fetch, known, fed, now)) })
        }
        Chore::Groups(id) => {
            let every = catalog.schedule_of(chore)?;
            let loaded = groups::loaded(catalog, id, of);
            let lacks = groups::lacks(every, known, loaded, now);
            lacks.then(|| -> Rule<'r> { Box::new(move |known, now| groups::plan(every, known, loaded, now)) })
        }
    }
}
