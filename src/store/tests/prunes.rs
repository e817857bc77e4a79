//! What the ledger, the quarantine and the change log keep, and what they let go.

use super::*;

on_both!(
    old_runs_go_and_the_newest_complete_one_stays,
    the_change_log_keeps_its_newest_million,
    the_change_log_is_cut_by_age_and_says_what_it_has,
    a_long_change_log_is_cut_in_steps,
);

async fn count(store: &Store, table: &str) -> i64 {
    number(store, &format!("SELECT count(*) FROM {table}")).await
}

/// A failed run with one refused record.
async fn failed(store: &Store, minute: u32) {
    let run = start(store, "Tag", TAG, minute).await;
    let refused = Refused {
        key: None,
        id: None,
        reason: "no".to_owned(),
        record: "{}".to_owned(),
    };
    let group = Group {
        refused: vec![refused],
        ..Group::default()
    };
    store.commit_group(&run, group).await.expect("a commit");
    let end = Finish::Failed { error: "no".to_owned() };
    store.finish_run(&run, end).await.expect("an end");
}

async fn old_runs_go_and_the_newest_complete_one_stays(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let (_, complete) = harvest(store, "Tag", TAG, 0, vec![tag("a")]).await;
    harvest(store, "Item", ITEM, 0, vec![]).await;
    for minute in 1..=104 {
        failed(store, minute).await;
    }
    let kept = "SELECT count(*) FROM hayloft_run WHERE \"fetch\"='Tag'";
    assert_eq!(number(store, kept).await, 101, "a hundred, and the complete one");
    let newest = "SELECT max(id) FROM hayloft_run WHERE \"fetch\"='Tag' AND state='complete'";
    assert_eq!(number(store, newest).await, complete.id);
    assert_eq!(count(store, "hayloft_quarantine").await, 10, "of the last ten runs");
    assert_eq!(
        number(store, "SELECT count(*) FROM hayloft_run WHERE \"fetch\"='Item'").await,
        1
    );
    assert_eq!(count(store, "hayloft_run_seen").await, 0, "no run is open");
}

async fn the_change_log_keeps_its_newest_million(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    harvest(store, "Tag", TAG, 0, vec![tag("a"), tag("b")]).await;
    harvest(store, "Tag", TAG, 1, vec![tag("a"), tag("b"), tag("c")]).await;
    // As if a million less two changes had followed.
    run(store, "UPDATE hayloft_feed_head SET seq=seq+999998").await;
    harvest(store, "Tag", TAG, 2, vec![tag("a"), tag("b"), tag("c"), tag("d")]).await;
    assert_eq!(count(store, "hayloft_change_log").await, 2);
    assert_eq!(number(store, "SELECT min(seq) FROM hayloft_change_log").await, 3);
}

async fn the_change_log_is_cut_by_age_and_says_what_it_has(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let empty = store.log_head().await.expect("a head");
    assert_eq!((empty.first, empty.head, empty.epoch.len()), (1, 0, 16));
    harvest(store, "Tag", TAG, 0, vec![tag("a"), tag("b")]).await;
    harvest(store, "Tag", TAG, 1, vec![tag("a"), tag("b"), tag("c")]).await;
    // The first two are older than a month.
    let aged = "UPDATE hayloft_change_pack SET at='2020-01-01T00:00:00.000Z' WHERE seq=2";
    run(store, aged).await;
    harvest(store, "Tag", TAG, 2, vec![tag("a"), tag("b"), tag("c"), tag("d")]).await;
    let head = store.log_head().await.expect("a head");
    assert_eq!((head.first, head.head), (3, 4));
    store.keep_changes(Retention {
        changes: 0,
        ..Retention::default()
    });
    harvest(store, "Tag", TAG, 3, vec![tag("a"), tag("b"), tag("c"), tag("d")]).await;
    let head = store.log_head().await.expect("a head");
    assert_eq!((head.first, head.head), (5, 4), "none is kept");
}

async fn a_long_change_log_is_cut_in_steps(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let many: Vec<Row> = (0..25_000).map(|number| tag(&format!("t{number}"))).collect();
    let ids = 25_000;
    store.keep_changes(Retention {
        changes: 1_000,
        ..Retention::default()
    });
    harvest(store, "Tag", TAG, 0, many).await;
    let head = store.log_head().await.expect("a head");
    assert_eq!((head.first, head.head), (ids - 999, ids));
    assert_eq!(count(store, "hayloft_change_log").await, 1_000);
}
