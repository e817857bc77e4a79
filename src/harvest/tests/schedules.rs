//! When a run is due, and the loop that starts it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        ledger::Ledger as _,
        slots::{is_ready, lacks, plan, plan_after},
    },
    catalogs::{self, paging, scheduled, things},
    harvester,
    memory::{Memory, summary},
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{Advance, CatchUp, EntityId, Fetch, FieldFetch, FieldId, Missing, Schedule, When},
    store::{Due, FetchStatus, Hold, Reason, Refill, RunState, SignatureState, StartRun},
};

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-21T{text}Z").parse().expect("instant")
}

/// A fetch whose last run had this slot and this end, a second later.
fn status(slot: &str, state: RunState, failures: u32) -> FetchStatus {
    let slot = at(slot);
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
        failures,
        newest_slot: Some(slot),
        ..FetchStatus::default()
    }
}

fn fetch(schedule: Option<Schedule>, catch_up: CatchUp, missing: Missing) -> Fetch {
    Fetch {
        schedule,
        catch_up,
        missing,
        ..catalogs::fetch("/t", ".[]", paging(Advance::Single))
    }
}

fn minutely(catch_up: CatchUp) -> Fetch {
    fetch(
        Some(Schedule::Every(Duration::from_secs(60))),
        catch_up,
        Missing::Delete,
    )
}

/// What is queued: each slot with its reason.
fn added(fetch: &Fetch, status: &FetchStatus, now: DateTime<Utc>) -> Vec<(DateTime<Utc>, Reason)> {
    let plan = plan(fetch, status, now);
    plan.add.iter().map(|due| (due.slot, due.reason)).collect()
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
        assert_eq!(schedule.current(at(now)), Some(at(want)), "{schedule:?}");
    }
    assert_eq!(Schedule::Every(Duration::ZERO).current(at("10:00:00")), None);
}

#[test]
fn what_is_due() {
    let minute = minutely(CatchUp::Latest);
    let by_hand = fetch(None, CatchUp::Latest, Missing::Delete);
    let now = at("10:00:30");
    let never = FetchStatus::default();
    let cases = [
        (&minute, never.clone(), Some((at("10:00:00"), Reason::Start))),
        (&by_hand, never, Some((now, Reason::Start))),
        (
            &minute,
            status("09:59:30", RunState::Complete, 0),
            Some((at("10:00:00"), Reason::Schedule)),
        ),
        (&minute, status("10:00:00", RunState::Complete, 0), None),
        (&minute, status("10:00:10", RunState::Complete, 0), None),
        (&by_hand, status("09:00:00", RunState::Complete, 0), None),
        (
            &minute,
            status("10:00:00", RunState::Interrupted, 0),
            Some((now, Reason::Start)),
        ),
        (&minute, status("10:00:28", RunState::Failed, 1), None),
        (
            &minute,
            status("10:00:20", RunState::Failed, 1),
            Some((now, Reason::Retry)),
        ),
        (&minute, status("10:00:20", RunState::Failed, 2), None),
        (&by_hand, status("09:57:00", RunState::Failed, 30), None),
        (
            &by_hand,
            status("09:55:00", RunState::Failed, 30),
            Some((now, Reason::Retry)),
        ),
        (
            &minute,
            status("09:59:30", RunState::Failed, 30),
            Some((at("10:00:00"), Reason::Schedule)),
        ),
    ];
    for (at, (fetch, status, want)) in cases.into_iter().enumerate() {
        assert_eq!(added(fetch, &status, now), Vec::from_iter(want), "case {at}");
        let lacks_it = lacks(fetch, &status, None, now);
        assert_eq!(lacks_it, want.is_some(), "case {at}");
    }
}

#[test]
fn a_whole_run_follows_a_resumed_one_that_may_delete() {
    let now = at("10:00:30");
    let mut resumed = status("10:00:00", RunState::Complete, 0);
    resumed.last.as_mut().expect("a run").resumed = true;
    let every = Schedule::Every(Duration::from_secs(60));
    for (missing, want) in [
        (Missing::Delete, vec![(now, Reason::Start)]),
        (Missing::Keep, Vec::new()),
    ] {
        let fetch = fetch(Some(every.clone()), CatchUp::Latest, missing);
        assert_eq!(added(&fetch, &resumed, now), want, "{missing:?}");
    }
}

#[test]
fn fields_that_came_are_filled_at_once() {
    let (hand, now) = (fetch(None, CatchUp::Latest, Missing::Delete), at("10:00:30"));
    let mut owes = status("10:00:00", RunState::Complete, 0);
    let refill = |since| Refill {
        fields: vec!["price".to_owned()],
        since: at(since),
    };
    owes.refill = Some(refill("10:00:20"));
    assert_eq!(added(&hand, &owes, now), [(now, Reason::Refill)]);
    // The run that brings them is under way, or has failed and is tried again.
    owes.hold = Hold::Leased;
    assert_eq!(added(&hand, &owes, now), []);
    let mut failed = status("10:00:00", RunState::Failed, 1);
    failed.refill = Some(refill("09:59:00"));
    assert_eq!(added(&hand, &failed, now), [(now, Reason::Retry)]);
}

/// What was read in another way is read anew at once; what others have to read is left to them,
/// however much waits.
#[test]
fn what_is_read_in_another_way() {
    let (minute, now) = (minutely(CatchUp::Latest), at("10:00:30"));
    let mut known = status("10:00:00", RunState::Complete, 0);
    known.signature = SignatureState::Changed;
    assert_eq!(added(&minute, &known, now), [(now, Reason::Refill)]);
    let mut others = status("09:00:00", RunState::Complete, 0);
    others.signature = SignatureState::Others;
    others.refill = Some(Refill {
        fields: vec!["price".to_owned()],
        since: now,
    });
    assert_eq!(added(&minute, &others, now), []);
    others.queued.push(Due {
        slot: now,
        reason: Reason::Refill,
    });
    assert!(!is_ready(&others, now));
    others.signature = SignatureState::Same;
    assert!(is_ready(&others, now));
}

/// A clock ran ahead, and a run failed in what is now the future: nobody waits for that.
#[test]
fn a_failure_in_the_future_is_tried_again_now() {
    let now = at("10:00:30");
    let by_hand = fetch(None, CatchUp::Latest, Missing::Delete);
    let mut failed = status("10:00:00", RunState::Failed, 3);
    failed.last.as_mut().expect("a run").finished_at = Some(now + TimeDelta::days(9));
    assert_eq!(added(&by_hand, &failed, now), [(now, Reason::Retry)]);
    failed.queued.push(Due {
        slot: now,
        reason: Reason::Retry,
    });
    assert!(is_ready(&failed, now));
}

#[test]
fn what_is_caught_up() {
    let now = at("10:05:30");
    let slots = |texts: &[&str]| -> Vec<_> { texts.iter().map(|text| (at(text), Reason::Schedule)).collect() };
    let cases = [
        (CatchUp::Latest, None, slots(&["10:05:00"])),
        (
            CatchUp::All { max: 24 },
            None,
            slots(&["10:03:00", "10:04:00", "10:05:00"]),
        ),
        (CatchUp::All { max: 2 }, None, slots(&["10:04:00", "10:05:00"])),
        (CatchUp::None, None, slots(&[])),
        // Nobody looked for long before the slot; somebody did; it was judged at the last look.
        (CatchUp::None, Some("10:02:30"), slots(&[])),
        (CatchUp::None, Some("10:04:58"), slots(&["10:05:00"])),
        (CatchUp::None, Some("10:05:01"), slots(&[])),
    ];
    for (catch_up, looked, want) in cases {
        let mut known = status("10:02:00", RunState::Complete, 0);
        known.looked_at = looked.map(at);
        assert_eq!(added(&minutely(catch_up), &known, now), want, "{catch_up:?} {looked:?}");
        // While a run goes on, the latest one is not known yet.
        known.hold = Hold::Leased;
        let want = match catch_up {
            CatchUp::Latest => Vec::new(),
            _ => want,
        };
        assert_eq!(
            added(&minutely(catch_up), &known, now),
            want,
            "held: {catch_up:?} {looked:?}"
        );
    }
    let hourly = fetch(
        Some(Schedule::Cron("0 * * * *".to_owned())),
        CatchUp::All { max: 3 },
        Missing::Keep,
    );
    let known = status("06:00:00", RunState::Complete, 0);
    assert_eq!(
        added(&hourly, &known, now),
        slots(&["08:00:00", "09:00:00", "10:00:00"])
    );
}

#[test]
fn what_may_be_claimed() {
    let now = at("10:00:30");
    let waiting = |mut status: FetchStatus| {
        status.queued.push(Due {
            slot: at("10:00:00"),
            reason: Reason::Schedule,
        });
        status
    };
    let held = |hold, status| FetchStatus { hold, ..status };
    let complete = || status("09:59:00", RunState::Complete, 0);
    for (status, want) in [
        (complete(), false),
        (waiting(complete()), true),
        (waiting(FetchStatus::default()), true),
        (waiting(held(Hold::Leased, complete())), false),
        (held(Hold::Free, complete()), true),
        // An upstream that just failed is left alone for a moment.
        (waiting(status("10:00:27", RunState::Failed, 1)), false),
        (waiting(status("10:00:20", RunState::Failed, 1)), true),
    ] {
        assert_eq!(is_ready(&status, now), want, "{status:?}");
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
    let slot = yearly.current(Utc::now());
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
    let fetch = fetch(Some(yearly), CatchUp::Latest, Missing::Delete);
    let known = ledger.fetch_status().await.expect("a status");
    assert!(!lacks(&fetch, &known[0], None, Utc::now()), "the slot is taken");
}

/// A field's fetch without a schedule follows those that fill the rows it asks about, in the slot
/// of their end.
#[test]
fn what_follows_another() {
    let follows = Fetch {
        field_fetch: Some(FieldFetch {
            parent: EntityId(0),
            field: FieldId(0),
            one: false,
            when: When::Changed,
            this: Vec::new(),
            after: Vec::new(),
        }),
        ..fetch(None, CatchUp::Latest, Missing::Keep)
    };
    let now = at("10:00:30");
    let (early, late) = (at("09:00:00"), at("10:00:10"));
    for (status, fed, want) in [
        (FetchStatus::default(), None, None),
        (FetchStatus::default(), Some(late), Some((late, Reason::Start))),
        (status("10:00:00", RunState::Complete, 0), Some(early), None),
        (
            status("10:00:00", RunState::Complete, 0),
            Some(late),
            Some((late, Reason::Schedule)),
        ),
        (status("10:00:10", RunState::Complete, 0), Some(late), None),
        (
            status("10:00:00", RunState::Interrupted, 0),
            Some(early),
            Some((now, Reason::Start)),
        ),
    ] {
        let plan = plan_after(&follows, &status, fed, now);
        let added: Vec<_> = plan.add.iter().map(|due| (due.slot, due.reason)).collect();
        assert_eq!(added, Vec::from_iter(want), "{:?} {fed:?}", status.newest_slot);
    }
}
