//! When a run is due, and the loop that starts it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::{
    super::schedule::{Due, current_slot, due},
    catalogs::{paging, scheduled, things},
    harvester,
    memory::{Memory, summary},
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{Advance, EntityId, Missing, Schedule},
    store::{FetchStatus, Reason, RunState, StartRun},
};

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-21T{text}Z").parse().expect("instant")
}

fn status(slot: DateTime<Utc>, state: RunState, failures: u32) -> FetchStatus {
    let start = StartRun {
        fetch: "Thing".to_owned(),
        entity: EntityId(0),
        slot,
        reason: Reason::Schedule,
        resume: None,
    };
    let mut last = summary(1, &start);
    last.state = state;
    last.finished_at = Some(slot + TimeDelta::seconds(1));
    FetchStatus {
        fetch: "Thing".to_owned(),
        last: Some(last),
        last_complete: None,
        failures,
    }
}

#[test]
fn slots() {
    let every = |seconds| Schedule::Every(Duration::from_secs(seconds));
    let cron = |text: &str| Schedule::Cron(text.to_owned());
    for (schedule, now, want) in [
        (every(5), "10:00:07", "10:00:05"),
        (every(3_600), "10:59:59.999", "10:00:00"),
        (cron("*/15 * * * *"), "10:44:59", "10:30:00"),
        (cron("0 6 * * *"), "06:00:00", "06:00:00"),
    ] {
        assert_eq!(current_slot(&schedule, at(now)), Some(at(want)), "{schedule:?}");
    }
    assert_eq!(current_slot(&Schedule::Every(Duration::ZERO), at("10:00:00")), None);
}

#[test]
fn what_is_due() {
    let minute = Schedule::Every(Duration::from_secs(60));
    let now = at("10:00:30");
    let is = |slot, reason| Some(Due { slot, reason });
    let cases = [
        (Some(&minute), None, is(at("10:00:00"), Reason::Start)),
        (None, None, is(now, Reason::Start)),
        (
            Some(&minute),
            Some(status(at("09:59:30"), RunState::Complete, 0)),
            is(at("10:00:00"), Reason::Schedule),
        ),
        (Some(&minute), Some(status(at("10:00:00"), RunState::Complete, 0)), None),
        (Some(&minute), Some(status(at("10:00:10"), RunState::Complete, 0)), None),
        (None, Some(status(at("09:00:00"), RunState::Complete, 0)), None),
        (
            Some(&minute),
            Some(status(at("10:00:00"), RunState::Interrupted, 0)),
            is(now, Reason::Start),
        ),
        (
            Some(&minute),
            Some(status(at("10:00:00"), RunState::Running, 0)),
            is(now, Reason::Start),
        ),
        (Some(&minute), Some(status(at("10:00:28"), RunState::Failed, 1)), None),
        (
            Some(&minute),
            Some(status(at("10:00:20"), RunState::Failed, 1)),
            is(now, Reason::Retry),
        ),
        (Some(&minute), Some(status(at("10:00:20"), RunState::Failed, 2)), None),
        (None, Some(status(at("09:57:00"), RunState::Failed, 30)), None),
        (
            None,
            Some(status(at("09:55:00"), RunState::Failed, 30)),
            is(now, Reason::Retry),
        ),
        (
            Some(&minute),
            Some(status(at("09:59:30"), RunState::Failed, 30)),
            is(at("10:00:00"), Reason::Schedule),
        ),
    ];
    for (at, (schedule, status, want)) in cases.into_iter().enumerate() {
        assert_eq!(due(schedule, Missing::Delete, status.as_ref(), now), want, "case {at}");
    }
    let resumed = |slot| {
        let mut status = status(slot, RunState::Complete, 0);
        status.last.as_mut().expect("a run").resumed = true;
        Some(status)
    };
    for (missing, want) in [(Missing::Delete, is(now, Reason::Start)), (Missing::Keep, None)] {
        let status = resumed(at("10:00:00"));
        assert_eq!(due(Some(&minute), missing, status.as_ref(), now), want, "{missing:?}");
    }
}

#[tokio::test]
async fn starts_at_once_and_ends_when_cancelled() {
    let upstream = Upstream::start(|_, count| match count {
        0 => Answer::json("[{\"id\":1}]"),
        _ => Answer::silent(),
    })
    .await;
    let catalog = things(&upstream.url, "/t", ".[]", paging(Advance::Single));
    let every = Schedule::Every(Duration::from_millis(300));
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(scheduled(catalog, Some(every)), &ledger, "".into());
    let cancel = CancellationToken::new();
    let stop = async {
        ledger.committed.notified().await;
        while upstream.paths().len() < 2 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    tokio::join!(harvester.serve(&cancel), stop);
    let states: Vec<RunState> = ledger.state().runs.iter().map(|run| run.state).collect();
    assert_eq!(
        states,
        [RunState::Complete, RunState::Interrupted],
        "a fetch never overlaps itself"
    );
}

#[tokio::test]
async fn a_cron_schedule_runs_once_in_its_slot() {
    let upstream = Upstream::start(|_, _| Answer::json("[{\"id\":1}]")).await;
    let catalog = things(&upstream.url, "/t", ".[]", paging(Advance::Single));
    // Of a year, so that no second slot begins while this test runs.
    let yearly = Schedule::Cron("0 0 1 1 *".to_owned());
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(scheduled(catalog, Some(yearly.clone())), &ledger, "".into());
    let slot = current_slot(&yearly, Utc::now());
    let cancel = CancellationToken::new();
    let stop = async {
        ledger.committed.notified().await;
        while ledger.state().runs[0].state == RunState::Running {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    tokio::join!(harvester.serve(&cancel), stop);
    let runs: Vec<_> = ledger.state().runs.iter().map(|run| (run.slot, run.state)).collect();
    assert_eq!(runs, [(slot.expect("a slot"), RunState::Complete)]);
    let known = status(runs[0].0, RunState::Complete, 0);
    assert_eq!(
        due(Some(&yearly), Missing::Delete, Some(&known), Utc::now()),
        None,
        "the slot is taken"
    );
}
