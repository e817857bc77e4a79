//! What the ledger, the quarantine and the change log keep, and what they let go.

use super::*;

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

#[tokio::test]
async fn old_runs_go_and_the_newest_complete_one_stays() {
    let bench = bench().await;
    let store = &bench.store;
    let (_, complete) = harvest(store, "Tag", TAG, 0, vec![tag("a")]).await;
    harvest(store, "Item", ITEM, 0, vec![]).await;
    for minute in 1..=104 {
        failed(store, minute).await;
    }
    let kept = "SELECT count(*) FROM hayloft_run WHERE fetch='Tag'";
    assert_eq!(number(store, kept).await, 101, "a hundred, and the complete one");
    let newest = "SELECT max(id) FROM hayloft_run WHERE fetch='Tag' AND state='complete'";
    assert_eq!(number(store, newest).await, complete.id);
    assert_eq!(count(store, "hayloft_quarantine").await, 10, "of the last ten runs");
    assert_eq!(
        number(store, "SELECT count(*) FROM hayloft_run WHERE fetch='Item'").await,
        1
    );
    assert_eq!(count(store, "hayloft_run_seen").await, 0, "no run is open");
}

#[tokio::test]
async fn the_change_log_keeps_its_newest_million() {
    let bench = bench().await;
    let store = &bench.store;
    harvest(store, "Tag", TAG, 0, vec![tag("a"), tag("b"), tag("c")]).await;
    // As if a million less two changes had followed.
    let moved = Params::default()
        .query("UPDATE hayloft_feed_head SET seq=seq+999998")
        .execute(store.inner.writer().expect("a writer"))
        .await;
    moved.expect("a moved head");
    harvest(store, "Tag", TAG, 1, vec![tag("a"), tag("b"), tag("c"), tag("d")]).await;
    assert_eq!(count(store, "hayloft_change_log").await, 2);
    assert_eq!(number(store, "SELECT min(seq) FROM hayloft_change_log").await, 3);
}
