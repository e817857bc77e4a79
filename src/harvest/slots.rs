//! When a fetch is due: its slots, what is caught up, retries and their back-off. Knows schedules
//! and what the ledger says of a fetch; takes data and gives data.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;

use super::limits::{LOOK_GAP, RECONCILE, RESUME_PAGES, RETRY_BASE, RETRY_CAP};
use crate::{
    catalog::{CatchUp, Fetch, Missing, Schedule},
    store::{Claim, Due, FetchStatus, Hold, Plan, Reason, Refill, RunState, RunSummary, SignatureState},
};

/// A clock may be set back by so little and still mean what it said.
const CLOCK_SLACK: TimeDelta = TimeDelta::seconds(5);

/// Whether the ledger lacks anything, so that [`plan`] is worth the turn of the fetch.
pub(super) fn lacks(fetch: &Fetch, status: &FetchStatus, fed: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let plan = plan_after(fetch, status, fed, now);
    plan.looked || !plan.add.is_empty() || status.queued.len() > plan.keep
}

/// The slots that the ledger lacks, and how many may wait at once.
#[cfg(test)]
pub(super) fn plan(fetch: &Fetch, status: &FetchStatus, now: DateTime<Utc>) -> Plan {
    plan_after(fetch, status, None, now)
}

/// The same for a fetch that may follow others: `fed` is when one of these last brought all it had.
pub(super) fn plan_after(fetch: &Fetch, status: &FetchStatus, fed: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Plan {
    Plan {
        add: match (&fetch.field_fetch, fed) {
            // Who reads as the definition in force does decides.
            _ if status.signature == SignatureState::Others => Vec::new(),
            // Nothing has brought rows to ask about yet.
            (Some(_), None) => Vec::new(),
            _ => due(fetch, status, fed, now),
        },
        keep: most_waiting(fetch),
        looked: fetch.catch_up == CatchUp::None
            && fetch.schedule.is_some()
            && status.signature != SignatureState::Others,
    }
}

/// Slots that may wait at once. What a run brings is what is there when it runs: a newer slot
/// stands for the older ones, unless each is asked for.
fn most_waiting(fetch: &Fetch) -> usize {
    match fetch.catch_up {
        CatchUp::All { max } => max.max(1) as usize,
        CatchUp::Latest | CatchUp::None => 1,
    }
}

/// How the next run of a fetch is asked for.
pub(super) fn claim(fetch: &Fetch, name: String) -> Claim {
    Claim {
        fetch: name,
        entity: fetch.entity,
        resume: resumes(fetch),
        newer_covers: most_waiting(fetch) == 1,
    }
}

fn due(fetch: &Fetch, status: &FetchStatus, fed: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<Due> {
    let one = |slot, reason| vec![Due { slot, reason }];
    let Some(last) = &status.last else {
        let slot = fetch.schedule.as_ref().map_or(fed, |schedule| schedule.current(now));
        return match status.queued.is_empty() {
            true => one(slot.unwrap_or(now), Reason::Start),
            false => missed(fetch, status, fed, now),
        };
    };
    // Judged when that run has ended; who wants each slot, or only those that somebody saw pass,
    // must note them as they pass.
    if status.hold == Hold::Leased && fetch.catch_up == CatchUp::Latest {
        return Vec::new();
    }
    let missed = missed(fetch, status, fed, now);
    // Any of these runs does what is asked for below. A run that was left behind is gone on with,
    // or closed and made due again, by whoever claims the fetch next.
    if !missed.is_empty() || !status.queued.is_empty() || status.hold != Hold::Ended {
        return missed;
    }
    let unfilled = |refill: &Refill| last.started_at < refill.since;
    let owes = status.signature == SignatureState::Changed || status.refill.as_ref().is_some_and(unfilled);
    match last.state {
        // A resumed run deletes nothing: what it read first may have changed since. A whole one
        // follows at once.
        RunState::Complete if last.resumed && fetch.missing == Missing::Delete => one(now, Reason::Start),
        RunState::Complete if owes => one(now, Reason::Refill),
        RunState::Complete => Vec::new(),
        // Closed without a successor.
        RunState::Queued | RunState::Running | RunState::Interrupted => one(now, Reason::Start),
        RunState::Failed if now >= retry_at(last, status.failures, now) => one(now, Reason::Retry),
        RunState::Failed => Vec::new(),
    }
}

/// Whether a run may be claimed: one waits, or one was left behind.
pub(super) fn is_ready(status: &FetchStatus, now: DateTime<Utc>) -> bool {
    match status.hold {
        // What waits is of a definition that this process does not have.
        _ if status.signature == SignatureState::Others => false,
        Hold::Leased => false,
        Hold::Free => true,
        Hold::Ended => !status.queued.is_empty() && !status.last.as_ref().is_some_and(|last| presses(last, now)),
    }
}

/// A short interval is no reason to press an upstream that is down.
fn presses(last: &RunSummary, now: DateTime<Utc>) -> bool {
    last.state == RunState::Failed && now < failed_at(last, now) + delta(RETRY_BASE)
}

/// The slots that passed since the newest one in the ledger, as far as they are caught up; oldest
/// first.
///
/// A run by hand counts for the slots before it: what they would have brought is there.
fn missed(fetch: &Fetch, status: &FetchStatus, fed: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<Due> {
    let newest = status.newest_slot.unwrap_or(DateTime::<Utc>::MIN_UTC);
    let due = |slot| Due {
        slot,
        reason: Reason::Schedule,
    };
    let Some(schedule) = &fetch.schedule else {
        // The same slot in every process: the end of the run that this one follows.
        return fed.filter(|fed| *fed > newest).map(due).into_iter().collect();
    };
    let (most, after) = match fetch.catch_up {
        CatchUp::Latest => (1, newest),
        CatchUp::All { max } => (max.max(1) as usize, newest),
        CatchUp::None => (1, newest.max(status.looked_at.unwrap_or(newest))),
    };
    let mut slots = Vec::new();
    let mut slot = schedule.current(now);
    while let Some(at) = slot.filter(|at| *at > after && slots.len() < most) {
        slots.push(at);
        slot = slot_before(schedule, at);
    }
    if fetch.catch_up == CatchUp::None {
        let looked = |at: &DateTime<Utc>| status.looked_at.is_some_and(|looked| *at - looked <= delta(LOOK_GAP));
        slots.retain(looked);
    }
    slots.into_iter().rev().map(due).collect()
}

/// How many pages an interrupted run must have read for this one to go on with it; `None`: it
/// starts at the first page.
///
/// Starting again is cheap (an unchanged page costs one request and no write) and sees one state of
/// the upstream, so that absence can be judged. Long runs go on all the same: interrupted again and
/// again, they would never end.
pub(super) fn resumes(fetch: &Fetch) -> Option<u64> {
    match fetch.missing {
        Missing::Keep => Some(1),
        Missing::Delete => Some(RESUME_PAGES),
    }
}

fn slot_before(schedule: &Schedule, slot: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match schedule {
        Schedule::Every(every) => slot.checked_sub_signed(TimeDelta::from_std(*every).ok()?),
        Schedule::Cron(cron) => {
            let cron: Cron = cron.parse().ok()?;
            cron.find_previous_occurrence(&slot, false).ok()
        }
    }
}

/// When a run failed; long ago if that is in the future, which a clock that was set back says of
/// it.
fn failed_at(last: &RunSummary, now: DateTime<Utc>) -> DateTime<Utc> {
    let at = last.finished_at.unwrap_or(last.started_at);
    match at > now + CLOCK_SLACK {
        true => DateTime::UNIX_EPOCH,
        false => at,
    }
}

pub(super) fn retry_at(last: &RunSummary, failures: u32, now: DateTime<Utc>) -> DateTime<Utc> {
    let wait = RETRY_BASE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)));
    failed_at(last, now) + delta(wait.min(RETRY_CAP))
}

fn delta(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

/// How long until the next slot or retry.
pub(super) fn until_next(schedule: Option<&Schedule>, status: &FetchStatus, now: DateTime<Utc>) -> Duration {
    let slot = schedule.and_then(|schedule| schedule.following(now));
    let failed = status.last.as_ref().filter(|last| last.state == RunState::Failed);
    let pressed = failed
        .filter(|last| presses(last, now))
        .map(|last| failed_at(last, now) + delta(RETRY_BASE));
    let failed = failed.map(|last| retry_at(last, status.failures, now));
    let next = slot.into_iter().chain(failed).chain(pressed).min();
    next.and_then(|next| (next - now).to_std().ok()).unwrap_or(RECONCILE)
}
