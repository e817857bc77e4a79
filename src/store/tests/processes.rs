//! Several processes on one database, at the time of a clock that the tests set: leases, takeovers,
//! waiting slots, places.

use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use super::*;

on_both!(
    waiting_slots_are_claimed_once_and_in_order,
    a_lease_is_respected_until_it_is_over,
    a_run_that_nobody_missed_goes_on,
    a_clock_set_back_keeps_no_dead_process_alive,
    a_closed_run_is_made_due_again_unless_a_newer_slot_stands_for_it,
    places_are_given_by_age_and_a_person_goes_first,
    owed_values_are_paid_by_a_complete_run_that_began_later,
);

/// A bench whose database two processes use.
struct Two {
    bench: Bench,
    clock: Clock,
    one: Store,
    other: Store,
}

async fn two(on: On) -> Two {
    let bench = bench_on(on).await;
    let clock = Clock::default();
    clock.0.store(slot(10).timestamp_millis(), Ordering::Relaxed);
    Two {
        one: bench.store.as_process("one", &clock),
        other: bench.store.as_process("other", &clock),
        bench,
        clock,
    }
}

impl Two {
    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }
}

pub(super) fn next(fetch: &str, entity: EntityId, resume: Option<u64>) -> Claim {
    Claim {
        fetch: fetch.to_owned(),
        entity,
        resume,
        newer_covers: true,
    }
}

pub(super) async fn queue(store: &Store, fetch: &str, minutes: &[u32], keep: usize) -> FetchStatus {
    let add = minutes.iter().map(|minute| Due {
        slot: slot(*minute),
        reason: Reason::Schedule,
    });
    let plan = Plan {
        add: add.collect(),
        keep,
        looked: true,
    };
    store.plan_slots(fetch, &|_, _| plan.clone()).await.expect("a plan")
}

fn page(number: u64, name: &str) -> Group {
    Group {
        checkpoint: Some(Checkpoint {
            next: number.to_string(),
            pages: number,
            rows: number,
        }),
        ..rows(vec![tag(name)])
    }
}

async fn waiting_slots_are_claimed_once_and_in_order(on: On) {
    let two = two(on).await;
    let known = queue(&two.one, "Tag", &[1, 2, 3], 2).await;
    let waiting: Vec<_> = known.queued.iter().map(|due| due.slot).collect();
    assert_eq!(waiting, [slot(2), slot(3)], "the oldest is left out");
    assert_eq!((known.newest_slot, known.looked_at), (Some(slot(3)), Some(slot(10))));
    let run = two
        .one
        .claim_run(&next("Tag", TAG, None))
        .await
        .expect("answers")
        .expect("a run");
    assert!(
        two.other
            .claim_run(&next("Tag", TAG, None))
            .await
            .expect("answers")
            .is_none(),
        "no overlap"
    );
    let summary = two.one.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((summary.slot, summary.owner.as_deref()), (slot(2), Some("one")));
    let run = two
        .other
        .claim_run(&next("Tag", TAG, None))
        .await
        .expect("answers")
        .expect("a run");
    let summary = two.other.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((summary.slot, summary.owner.as_deref()), (slot(3), Some("other")));
    // A slot that is known is not queued again.
    assert_eq!(queue(&two.one, "Tag", &[2, 3], 2).await.queued, []);
}

async fn a_lease_is_respected_until_it_is_over(on: On) {
    let two = two(on).await;
    queue(&two.one, "Tag", &[1], 1).await;
    let run = two
        .one
        .claim_run(&next("Tag", TAG, Some(1)))
        .await
        .expect("answers")
        .expect("a run");
    two.one.commit_group(&run, page(1, "a")).await.expect("a commit");
    two.pass(23);
    assert!(
        two.other
            .claim_run(&next("Tag", TAG, Some(1)))
            .await
            .expect("answers")
            .is_none(),
        "it is alive"
    );
    two.one.heartbeat(&run).await.expect("alive");
    two.pass(23);
    two.one
        .commit_group(&run, page(2, "b"))
        .await
        .expect("a commit is a sign of life");
    two.pass(24);
    let late = two.one.commit_group(&run, page(3, "c")).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "its lease is over");
    let taken = two
        .other
        .claim_run(&next("Tag", TAG, Some(1)))
        .await
        .expect("answers")
        .expect("a run");
    assert_eq!((taken.id, taken.fence), (run.id, run.fence + 1));
    assert_eq!(taken.checkpoint.expect("a checkpoint").pages, 2);
    assert!(matches!(two.one.heartbeat(&run).await, Err(StoreError::Fenced)));
    let stale = two.one.finish_run(&run, complete(1.0)).await;
    assert!(matches!(stale, Err(StoreError::Fenced)));
}

async fn a_run_that_nobody_missed_goes_on(on: On) {
    let two = two(on).await;
    queue(&two.one, "Tag", &[1], 1).await;
    let run = two
        .one
        .claim_run(&next("Tag", TAG, None))
        .await
        .expect("answers")
        .expect("a run");
    two.pass(100);
    two.one.heartbeat(&run).await.expect("still its own");
    two.one.commit_group(&run, page(1, "a")).await.expect("a commit");
}

async fn a_clock_set_back_keeps_no_dead_process_alive(on: On) {
    let two = two(on).await;
    queue(&two.one, "Tag", &[1], 1).await;
    let run = two
        .one
        .claim_run(&next("Tag", TAG, None))
        .await
        .expect("answers")
        .expect("a run");
    two.pass(-3_600);
    let taken = two
        .other
        .claim_run(&next("Tag", TAG, None))
        .await
        .expect("answers")
        .expect("a run");
    assert_ne!(taken.id, run.id, "closed, and made due again");
    let known = two
        .other
        .plan_slots("Tag", &|_, _| Plan::default())
        .await
        .expect("a plan");
    assert_eq!(
        known.last.expect("a run").slot,
        slot(1) + chrono::TimeDelta::microseconds(1)
    );
}

async fn a_closed_run_is_made_due_again_unless_a_newer_slot_stands_for_it(on: On) {
    for (newer_covers, want) in [(true, 0), (false, 1)] {
        let two = two(on).await;
        let claim = Claim {
            newer_covers,
            ..next("Tag", TAG, None)
        };
        queue(&two.one, "Tag", &[1], 2).await;
        two.one.claim_run(&claim).await.expect("answers").expect("a run");
        two.pass(60);
        queue(&two.other, "Tag", &[2], 2).await;
        let taken = two.other.claim_run(&claim).await.expect("answers").expect("a run");
        let again = slot(1) + chrono::TimeDelta::microseconds(1);
        let taken = two.other.finish_run(&taken, complete(1.0)).await.expect("an end");
        assert_eq!(taken.slot, if newer_covers { slot(2) } else { again });
        assert_eq!(queue(&two.other, "Tag", &[], 2).await.queued.len(), want);
    }
}

/// A process that joins calls the others, who would speak much later by themselves.
#[tokio::test]
async fn a_sign_of_life_may_ask_for_others() {
    let two = two(On::Postgres).await;
    let cancel = CancellationToken::new();
    let following = tokio::spawn({
        let (store, cancel) = (two.one.clone(), cancel.clone());
        async move { store.follow(&cancel).await }
    });
    // It may not listen yet: who calls goes on calling here.
    let heard = two.one.work();
    tokio::pin!(heard);
    for (call, times) in [(false, 20), (true, 5_000)] {
        let calling = async {
            for _ in 0..times {
                two.other.attend(false, call).await.expect("a place");
            }
        };
        tokio::select! {
            () = &mut heard => assert!(call, "nobody has called"),
            () = calling => assert!(!call, "the call is not heard"),
        }
    }
    cancel.cancel();
    following.await.expect("its end");
}

async fn places_are_given_by_age_and_a_person_goes_first(on: On) {
    let two = two(on).await;
    let first = two.one.attend(false, false).await.expect("a place");
    assert_eq!(
        (first.rank, first.count, first.joined, first.others_seen),
        (0, 1, true, None)
    );
    two.pass(1);
    let second = two.other.attend(true, false).await.expect("a place");
    assert_eq!((second.rank, second.count, second.joined), (0, 2, true), "by hand");
    assert_eq!(second.others_seen, Some(slot(10)));
    let first = two.one.attend(false, false).await.expect("a place");
    assert_eq!((first.rank, first.count, first.joined), (1, 2, false));
    let names: Vec<_> = two
        .bench
        .store
        .as_process("three", &two.clock)
        .processes()
        .await
        .expect("a list");
    assert_eq!(
        names.iter().map(|seen| seen.id.as_str()).collect::<Vec<_>>(),
        ["one", "other"]
    );
    // One falls silent; when it speaks again, the others must count it anew.
    two.pass(14);
    two.one.attend(false, false).await.expect("a place");
    two.pass(1);
    assert_eq!(two.one.attend(false, false).await.expect("a place").count, 1);
    assert!(two.other.attend(true, false).await.expect("a place").joined);
    // A writer that holds the file's lock is alone, and leaves no trace.
    let own = two.bench.store.attend(false, false).await.expect("a place");
    assert_eq!(own.alone, on == On::Sqlite);
}

async fn owed_values_are_paid_by_a_complete_run_that_began_later(on: On) {
    let two = two(on).await;
    let owe = "INSERT INTO hayloft_refill(\"fetch\",fields,at) VALUES ('Tag','[\"name\"]','2023-11-14T22:30:00.000Z')";
    assert!(slot(10) < instant("2023-11-14T22:30:00.000Z"));
    let run = two.one.start_run(&by_hand(1)).await.expect("answers").expect("a run");
    let writer = two.bench.store.context.writer().expect("a writer");
    writer
        .execute(two.bench.store.context.params().query(owe))
        .await
        .expect("owed");
    two.pass(1_200);
    two.one.heartbeat(&run).await.expect("alive");
    two.one.finish_run(&run, complete(1.0)).await.expect("an end");
    let known = queue(&two.one, "Tag", &[], 1).await;
    let owed = known.refill.expect("it began before the fields came");
    assert_eq!(owed.fields, ["name"]);
    let run = two.one.start_run(&by_hand(2)).await.expect("answers").expect("a run");
    two.one
        .finish_run(&run, Finish::Failed { error: "no".to_owned() })
        .await
        .expect("an end");
    assert!(
        queue(&two.one, "Tag", &[], 1).await.refill.is_some(),
        "a failed run pays nothing"
    );
    let run = two.one.start_run(&by_hand(3)).await.expect("answers").expect("a run");
    two.one.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(queue(&two.one, "Tag", &[], 1).await.refill, None);
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn by_hand(minute: u32) -> StartRun {
    StartRun {
        fetch: "Tag".to_owned(),
        entity: TAG,
        slot: slot(minute),
        reason: Reason::Hand,
        resume: None,
    }
}
