//! Large pages that were in hand when a process ended.

use super::*;

on_both!(
    a_page_that_ended_a_process_is_left_alone_for_a_while,
    whoever_ends_in_order_or_is_a_person_does_not_wait,
);

fn claim() -> Claim {
    Claim {
        fetch: "Tag".to_owned(),
        entity: TAG,
        resume: Some(1),
        newer_covers: false,
    }
}

async fn claimed(store: &Store) -> Option<Run> {
    store.claim_run(&claim()).await.expect("an answer")
}

/// Seconds until the fetch may begin again, about.
async fn left_alone(store: &Store) -> i64 {
    for seconds in [3_700, 1_900, 130, 70, 10] {
        let until = store.context.now(seconds);
        let earlier = format!("SELECT CAST(count(*) AS BIGINT) FROM hayloft_fetch WHERE aside_until>{until}");
        if number(store, &earlier).await > 0 {
            return seconds;
        }
    }
    0
}

async fn let_time_pass(store: &Store) {
    run(store, "UPDATE hayloft_fetch SET aside_until='2000-01-01T00:00:00.000Z'").await;
}

async fn a_page_that_ended_a_process_is_left_alone_for_a_while(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let mut run = start(store, "Tag", TAG, 0).await;
    for (ended, about) in [(1, 10), (2, 70), (3, 130)] {
        store.working(&run, Some("GET /large")).await.expect("a note");
        // The process is gone without a word.
        store.release_run(&run);
        assert!(claimed(store).await.is_none() && claimed(store).await.is_none());
        let ends = "SELECT ended_processes FROM hayloft_fetch WHERE \"fetch\"='Tag'";
        assert_eq!(number(store, ends).await, ended, "once for each");
        assert!(left_alone(store).await >= about, "{ended}: {}", left_alone(store).await);
        let_time_pass(store).await;
        run = claimed(store).await.expect("it is tried again");
    }
    // It was not that page.
    store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(
        (
            number(store, "SELECT CAST(sum(ended_processes) AS BIGINT) FROM hayloft_fetch").await,
            left_alone(store).await
        ),
        (0, 0)
    );
}

async fn whoever_ends_in_order_or_is_a_person_does_not_wait(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    // A small page is no reason for anything.
    let first = start(store, "Tag", TAG, 0).await;
    store.working(&first, Some("GET /large")).await.expect("a note");
    store.working(&first, None).await.expect("a note");
    store.release_run(&first);
    let second = claimed(store).await.expect("at once");
    store.working(&second, Some("GET /large")).await.expect("a note");
    store.finish_run(&second, Finish::Interrupted).await.expect("an end");
    let third = claimed(store).await.expect("at once");
    store.working(&third, Some("GET /large")).await.expect("a note");
    store.release_run(&third);
    assert!(claimed(store).await.is_none());
    let by_hand = start(store, "Tag", TAG, 9).await;
    store.finish_run(&by_hand, complete(1.0)).await.expect("an end");
    let late = store.working(&by_hand, Some("GET /large")).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
}
