//! Groups that are computed now and then: when they are due, and a run that computes them. Knows
//! schedules and what the ledger says; the work itself is the store's.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{inner::Inner, lease::Lease, slots};
use crate::{
    catalog::{Catalog, EntityId, Schedule},
    store::{Claim, Due, FetchStatus, Hold, Plan, Reason, Run, RunState, RunSummary, StoreError, Told},
};

/// How far the rows are that groups are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    /// Nothing harvests them, so that nothing is awaited.
    Never,
    /// No harvest of them was complete yet.
    NotYet,
    /// One was; the newest one ended then.
    At(DateTime<Utc>),
}

/// How far the rows are, by what the ledger says of the fetches that bring them.
pub(super) fn loaded<'s>(
    catalog: &Catalog,
    groups: EntityId,
    status: impl Fn(&str) -> Option<&'s FetchStatus>,
) -> Loaded {
    let fetches = catalog.fetched_by(groups);
    let ends = fetches.iter().filter_map(|id| {
        let complete = status(&catalog.fetch_name(*id))?.last_complete.as_ref()?;
        complete.finished_at
    });
    match (ends.max(), fetches.is_empty()) {
        (Some(at), _) => Loaded::At(at),
        (None, true) => Loaded::Never,
        (None, false) => Loaded::NotYet,
    }
}

/// The slots that the ledger lacks. One computation stands for all slots before it.
pub(super) fn plan(schedule: &Schedule, status: &FetchStatus, loaded: Loaded, now: DateTime<Utc>) -> Plan {
    Plan {
        add: due(schedule, status, loaded, now).into_iter().collect(),
        keep: 1,
        looked: false,
    }
}

/// Whether the ledger lacks anything.
pub(super) fn lacks(schedule: &Schedule, status: &FetchStatus, loaded: Loaded, now: DateTime<Utc>) -> bool {
    let plan = plan(schedule, status, loaded, now);
    !plan.add.is_empty() || status.queued.len() > plan.keep
}

fn due(schedule: &Schedule, status: &FetchStatus, loaded: Loaded, now: DateTime<Utc>) -> Option<Due> {
    let slot = schedule.current(now)?;
    let at_once = |reason| Some(Due { slot: now, reason });
    let is_new = status.newest_slot.is_none_or(|newest| slot > newest);
    match &status.last {
        _ if status.hold == Hold::Leased => None,
        _ if is_new => Some(Due {
            slot,
            reason: if status.last.is_none() {
                Reason::Start
            } else {
                Reason::Schedule
            },
        }),
        _ if !status.queued.is_empty() || status.hold != Hold::Ended => None,
        None => at_once(Reason::Start),
        Some(last) => match last.state {
            // Computed before there was a whole to compute of.
            RunState::Complete if last.told.doubt.is_some() => match loaded {
                Loaded::At(at) if at > last.started_at => at_once(Reason::Start),
                _ => None,
            },
            RunState::Complete => None,
            RunState::Failed if now >= slots::retry_at(last, status.failures, now) => at_once(Reason::Retry),
            RunState::Failed => None,
            // Closed without a successor.
            RunState::Queued | RunState::Running | RunState::Interrupted => at_once(Reason::Start),
        },
    }
}

/// How the next run is asked for.
pub(super) fn claim(groups: EntityId, name: String) -> Claim {
    Claim {
        fetch: name,
        entity: groups,
        resume: None,
        newer_covers: true,
    }
}

/// Computes the groups, and ends the run.
pub(super) async fn compute(
    inner: &Arc<Inner>,
    groups: EntityId,
    run: &Run,
    lease: &Lease<'_>,
) -> Result<RunSummary, StoreError> {
    let status = inner.ledger.fetch_status().await?;
    let known = |name: &str| status.iter().find(|status| status.fetch == name);
    let told = Told {
        doubt: (loaded(&inner.catalog, groups, known) == Loaded::NotYet).then(|| doubt(&inner.catalog, groups)),
        ..Told::default()
    };
    lease.sure().await?;
    // No sign of life meanwhile: the transaction holds the run itself until it has ended it.
    inner.ledger.compute_groups(run, &told).await
}

fn doubt(catalog: &Catalog, groups: EntityId) -> String {
    let of = catalog
        .entity(groups)
        .groups
        .as_ref()
        .map_or(groups, |groups| groups.of);
    let of = &catalog.entity(of).name;
    format!("no harvest of {of} was complete yet; it is computed again when one is")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-21T{text}Z").parse().expect("an instant")
    }

    /// A run that began at its slot and ended so a second later.
    fn status(slot: &str, state: RunState, doubt: bool) -> FetchStatus {
        let slot = at(slot);
        let last = RunSummary {
            id: 1,
            fetch: "Total".to_owned(),
            slot,
            state,
            started_at: slot,
            finished_at: Some(slot + TimeDelta::seconds(1)),
            pages: 0,
            bytes: 0,
            new: 0,
            changed: 0,
            same: 0,
            gone: 0,
            refused: 0,
            repeated: 0,
            held: 0,
            left_out: 0,
            error: None,
            told: Told {
                doubt: doubt.then(|| "so".to_owned()),
                ..Told::default()
            },
            resumed: false,
            owner: None,
        };
        FetchStatus {
            failures: u32::from(state == RunState::Failed),
            last: Some(last),
            newest_slot: Some(slot),
            ..FetchStatus::default()
        }
    }

    #[test]
    fn what_is_due() {
        let hourly = Schedule::Every(Duration::from_secs(3_600));
        let told = |status: &FetchStatus, loaded, now: &str| {
            let due = due(&hourly, status, loaded, at(now));
            due.map(|due| (due.slot.format("%T").to_string(), due.reason))
        };
        let due = |slot: &str, reason| Some((slot.to_owned(), reason));
        let none = FetchStatus::default();
        // At the start, in the slot that all processes see, and only once.
        assert_eq!(told(&none, Loaded::NotYet, "10:20:00"), due("10:00:00", Reason::Start));
        let waiting = FetchStatus {
            queued: vec![Due {
                slot: at("10:00:00"),
                reason: Reason::Start,
            }],
            newest_slot: Some(at("10:00:00")),
            ..FetchStatus::default()
        };
        assert_eq!(told(&waiting, Loaded::NotYet, "10:20:00"), None);
        let done = status("10:00:00", RunState::Complete, false);
        assert_eq!(told(&done, Loaded::At(at("10:30:00")), "10:59:59"), None);
        // Of all slots that passed, the newest.
        assert_eq!(
            told(&done, Loaded::At(at("10:30:00")), "13:00:01"),
            due("13:00:00", Reason::Schedule)
        );
        // What was computed before there was a whole is computed again when there is one.
        let doubtful = status("10:00:00", RunState::Complete, true);
        assert_eq!(told(&doubtful, Loaded::NotYet, "10:20:00"), None);
        assert_eq!(
            told(&doubtful, Loaded::At(at("10:19:59")), "10:20:00"),
            due("10:20:00", Reason::Start)
        );
        let failed = status("10:00:00", RunState::Failed, false);
        assert_eq!(told(&failed, Loaded::Never, "10:00:01"), None);
        assert_eq!(told(&failed, Loaded::Never, "10:30:00"), due("10:30:00", Reason::Retry));
        let held = FetchStatus {
            hold: Hold::Leased,
            ..status("10:00:00", RunState::Running, false)
        };
        assert_eq!(told(&held, Loaded::Never, "12:00:00"), None);
    }
}
