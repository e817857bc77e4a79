//! When a fetch is due. Knows schedules, back-off and the ledger's newest runs; a timer's tick is only a hint to look.
//!
//! The truth is the ledger: a slot that has a run is never run again, whoever ticks how often.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use super::{
    Harvester,
    error::HarvestError,
    limits::{RECONCILE, RECONCILE_MIN, RESUME_PAGES, RETRY_BASE, RETRY_CAP, RUNS_MAX},
    progress::{RunReport, Silent},
    report::log_end,
};
use crate::{
    catalog::{Fetch, FetchId, Missing, Schedule},
    store::{FetchStatus, Reason, RunState, RunSummary},
};

/// A run that should start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub slot: DateTime<Utc>,
    pub reason: Reason,
}

/// Runs what is due until cancelled.
pub(super) async fn serve(harvester: &Harvester, cancel: &CancellationToken) {
    let notify = Arc::new(Notify::new());
    let hints = match hints(harvester, &notify).await {
        Ok(hints) => Some(hints),
        Err(error) => {
            tracing::warn!(%error, "the timers cannot be started; the ledger is looked at every {RECONCILE:?} all the same");
            None
        }
    };
    reconcile(harvester, &notify, cancel).await;
    if let Some(mut hints) = hints
        && let Err(error) = hints.shutdown().await
    {
        tracing::debug!(%error, "the timers did not stop cleanly");
    }
}

/// Timers that wake the reconciler when a slot begins.
async fn hints(harvester: &Harvester, notify: &Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for fetch in &harvester.inner.catalog.fetches {
        let notify = Arc::clone(notify);
        let wake = move |_, _| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            notify.notify_one();
            Box::pin(std::future::ready(()))
        };
        match &fetch.schedule {
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

/// The loop: look at the ledger, start what is due, wait for a hint, the next slot or the end of a run.
pub(super) async fn reconcile(harvester: &Harvester, notify: &Notify, cancel: &CancellationToken) {
    let mut runs = Runs::default();
    while !cancel.is_cancelled() {
        let wait = match look(harvester, &mut runs, cancel).await {
            Ok(wait) => wait,
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
            Some(ended) = runs.tasks.join_next() => runs.ended(ended),
        }
    }
    // The runs saw the same token; each ends after the commit under way.
    while let Some(ended) = runs.tasks.join_next().await {
        runs.ended(ended);
    }
}

/// The runs under way in this process: a fetch never overlaps itself.
#[derive(Default)]
struct Runs {
    tasks: JoinSet<(FetchId, bool)>,
    busy: HashSet<FetchId>,
    /// Fetches whose last start left no run in the ledger: asking again at once would ask for ever.
    resting: HashMap<FetchId, Instant>,
}

impl Runs {
    fn start(&mut self, harvester: &Harvester, fetch: FetchId, due: Due, cancel: &CancellationToken) {
        self.busy.insert(fetch);
        let (harvester, cancel) = (harvester.clone(), cancel.clone());
        self.tasks.spawn(async move {
            let name = harvester.inner.name(fetch);
            tracing::debug!(fetch = name, reason = ?due.reason, slot = %due.slot, "a run starts");
            let ran = harvester.run_in(fetch, due.slot, due.reason, &Silent, &cancel).await;
            match &ran {
                Ok(Some(report)) => log_end(report, wait_after(&harvester, fetch, report).await),
                Ok(None) => tracing::debug!(fetch = name, "the slot is taken"),
                Err(error) => tracing::error!(fetch = name, %error, "a run could not be recorded"),
            }
            (fetch, matches!(ran, Ok(Some(_))))
        });
    }

    fn ended(&mut self, ended: Result<(FetchId, bool), tokio::task::JoinError>) {
        match ended {
            Ok((fetch, recorded)) => {
                self.busy.remove(&fetch);
                if !recorded {
                    self.resting.insert(fetch, Instant::now() + RETRY_BASE);
                }
            }
            Err(error) => {
                tracing::error!(%error, "a run broke");
                // Which one is unknown: as none overlaps in the ledger, asking again is safe once all have ended.
                if self.tasks.is_empty() {
                    self.busy.clear();
                }
            }
        }
    }
}

impl Runs {
    fn rests(&mut self, fetch: FetchId) -> bool {
        let rests = self.resting.get(&fetch).is_some_and(|until| *until > Instant::now());
        if !rests {
            self.resting.remove(&fetch);
        }
        rests
    }
}

/// How long a failed run waits for its next try, as far as the ledger tells; `None` for runs that did not fail.
async fn wait_after(harvester: &Harvester, fetch: FetchId, report: &RunReport) -> Option<Duration> {
    if report.summary.state != RunState::Failed {
        return None;
    }
    let ledger = &harvester.inner.ledger;
    let (status, now) = (ledger.fetch_status().await.ok()?, ledger.now().await.ok()?);
    let known = status.iter().find(|status| status.fetch == report.summary.fetch);
    let schedule = harvester.inner.catalog.fetch(fetch).schedule.as_ref();
    Some(until_next(schedule, known, now))
}

/// Starts what is due, and tells how long until something may be.
async fn look(harvester: &Harvester, runs: &mut Runs, cancel: &CancellationToken) -> Result<Duration, HarvestError> {
    let inner = &harvester.inner;
    let now = inner.ledger.now().await?;
    let status = inner.ledger.fetch_status().await?;
    let status: HashMap<&str, &FetchStatus> = status.iter().map(|status| (status.fetch.as_str(), status)).collect();
    let mut wait = RECONCILE;
    for id in inner.fetches() {
        if runs.busy.contains(&id) || runs.rests(id) {
            continue;
        }
        let fetch = inner.catalog.fetch(id);
        let schedule = fetch.schedule.as_ref();
        let known = status.get(inner.name(id).as_str()).copied();
        match due(schedule, fetch.missing, known, now) {
            // The rest comes when one of these has ended.
            Some(_) if runs.busy.len() >= RUNS_MAX => return Ok(RECONCILE),
            Some(due) => runs.start(harvester, id, due, cancel),
            None => wait = wait.min(until_next(schedule, known, now)),
        }
    }
    Ok(wait)
}

/// Whether a fetch that is not under way here should start now.
pub(super) fn due(
    schedule: Option<&Schedule>,
    missing: Missing,
    status: Option<&FetchStatus>,
    now: DateTime<Utc>,
) -> Option<Due> {
    let slot = schedule.and_then(|schedule| current_slot(schedule, now));
    let Some((status, last)) = status.and_then(|status| Some((status, status.last.as_ref()?))) else {
        return Some(Due {
            slot: slot.unwrap_or(now),
            reason: Reason::Start,
        });
    };
    let next_slot = slot.filter(|slot| *slot > last.slot).map(|slot| Due {
        slot,
        reason: Reason::Schedule,
    });
    match last.state {
        // A resumed run deletes nothing: what it read first may have changed since. A whole one follows at once.
        RunState::Complete if last.resumed && missing == Missing::Delete => Some(Due {
            slot: now,
            reason: Reason::Start,
        }),
        RunState::Complete => next_slot,
        // It did not end: of this process no run is under way, so whoever ran it has gone.
        RunState::Running | RunState::Interrupted => Some(Due {
            slot: now,
            reason: Reason::Start,
        }),
        RunState::Failed => {
            let retry = (now >= retry_at(last, status.failures)).then_some(Due {
                slot: now,
                reason: Reason::Retry,
            });
            // A short interval is no reason to press an upstream that is down.
            let pressing = now < failed_at(last) + delta(RETRY_BASE);
            next_slot.filter(|_| !pressing).or(retry)
        }
    }
}

/// How many pages an interrupted run must have read for this one to go on with it; `None`: it starts at the first page.
///
/// Starting again is cheap (an unchanged page costs one request and no write) and sees one state of the upstream, so that
/// absence can be judged. Long runs go on all the same: interrupted again and again, they would never end.
pub(super) fn resumes(fetch: &Fetch, reason: Reason) -> Option<u64> {
    match (reason, fetch.missing) {
        (Reason::Hand, _) => None,
        (_, Missing::Keep) => Some(1),
        (_, Missing::Delete) => Some(RESUME_PAGES),
    }
}

/// The instant at which the current interval began; `None` for a cron expression that never matched.
pub(super) fn current_slot(schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match schedule {
        Schedule::Every(every) => {
            let step = i64::try_from(every.as_micros()).ok().filter(|step| *step > 0)?;
            let micros = now.timestamp_micros();
            DateTime::from_timestamp_micros(micros - micros.rem_euclid(step))
        }
        Schedule::Cron(cron) => {
            let cron: Cron = cron.parse().ok()?;
            cron.find_previous_occurrence(&now, true).ok()
        }
    }
}

fn following_slot(schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match schedule {
        Schedule::Every(every) => current_slot(schedule, now)?.checked_add_signed(TimeDelta::from_std(*every).ok()?),
        Schedule::Cron(cron) => {
            let cron: Cron = cron.parse().ok()?;
            cron.find_next_occurrence(&now, false).ok()
        }
    }
}

fn failed_at(last: &RunSummary) -> DateTime<Utc> {
    last.finished_at.unwrap_or(last.started_at)
}

fn retry_at(last: &RunSummary, failures: u32) -> DateTime<Utc> {
    let wait = RETRY_BASE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)));
    failed_at(last) + delta(wait.min(RETRY_CAP))
}

fn delta(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

/// How long until the next slot or retry.
fn until_next(schedule: Option<&Schedule>, status: Option<&FetchStatus>, now: DateTime<Utc>) -> Duration {
    let slot = schedule.and_then(|schedule| following_slot(schedule, now));
    let failed = status.and_then(|status| {
        let last = status.last.as_ref().filter(|last| last.state == RunState::Failed)?;
        Some(retry_at(last, status.failures))
    });
    let next = slot.into_iter().chain(failed).min();
    next.and_then(|next| (next - now).to_std().ok()).unwrap_or(RECONCILE)
}
