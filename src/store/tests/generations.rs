//! What is remembered of a database that turned out to be another one: nothing, also where its
//! numbers come again.

use super::*;

/// In the new history another process may hold a run of the same number and fence.
#[tokio::test]
async fn a_run_of_an_older_era_writes_nothing_though_the_ledger_has_its_number() {
    let bench = bench_on(On::Postgres).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    store.commit_group(&run, rows(vec![tag("a")])).await.expect("a commit");
    bench.place.sql("UPDATE hayloft_feed_head SET epoch='another'");
    let stale = store.commit_group(&run, rows(vec![tag("b")])).await;
    assert!(matches!(stale, Err(StoreError::Fenced)), "{stale:?}");
    assert!(matches!(store.heartbeat(&run).await, Err(StoreError::Fenced)));
    let stale = store.finish_run(&run, complete(1.0)).await;
    assert!(matches!(stale, Err(StoreError::Fenced)), "{stale:?}");
    assert_eq!(tags(store, "").await, ["a"]);
    // It is this process's own, and nobody works at it.
    let again = start(store, "Tag", TAG, 1).await;
    assert_eq!((again.generation, run.generation), (1, 0));
    store
        .commit_group(&again, rows(vec![tag("b")]))
        .await
        .expect("a commit");
}

#[tokio::test]
async fn a_log_that_goes_back_begins_an_epoch_and_interrupts_the_runs() {
    let bench = bench_on(On::Postgres).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    let two = rows(vec![tag("a"), tag("b")]);
    store.commit_group(&run, two).await.expect("a commit");
    let before = store.log_head().await.expect("a head");
    // What a server knows that has lost the last change.
    bench.place.sql(
        "UPDATE hayloft_change_pack SET seq=1,row_keys='[[\"a\"]]'; DELETE FROM tag WHERE id='b'; UPDATE hayloft_feed_head SET seq=1",
    );
    let stale = store.commit_group(&run, rows(vec![tag("c")])).await;
    assert!(matches!(stale, Err(StoreError::Fenced)), "{stale:?}");
    let after = store.log_head().await.expect("a head");
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.head, 1, "nothing is written yet");
    let open = "SELECT count(*) FROM hayloft_run WHERE state='interrupted' AND finished_at IS NULL";
    assert_eq!(number(store, open).await, 1);
}
