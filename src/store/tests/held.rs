//! Deletions that were too many: what is held, approved and kept.

use super::*;

on_both!(
    approved_rows_go_and_no_others,
    kept_rows_stay_until_they_come_again,
    what_comes_back_is_held_no_more,
);

async fn tags_of(store: &Store, minute: u32, names: &[&str], most: f64) -> RunSummary {
    let run = start(store, "Tag", TAG, minute).await;
    let all = names.iter().map(|name| tag(name)).collect();
    store.commit_group(&run, rows(all)).await.expect("a commit");
    store.finish_run(&run, complete(most)).await.expect("an end")
}

async fn held(store: &Store) -> Vec<u64> {
    let held = store.held_deletions().await.expect("an answer");
    held.iter().map(|held| held.rows).collect()
}

async fn approved_rows_go_and_no_others(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    tags_of(store, 0, &["a", "b", "c", "d", "e", "f"], 0.2).await;
    assert_eq!(
        store.decide_held("Tag", Decision::Approved).await.expect("an answer"),
        0
    );
    let summary = tags_of(store, 1, &["a", "b", "c", "d"], 0.2).await;
    assert_eq!((summary.gone, summary.held), (0, 2));
    assert_eq!(held(store).await, [2]);
    assert_eq!(
        store.decide_held("Tag", Decision::Approved).await.expect("an answer"),
        2
    );
    assert!(held(store).await.is_empty());
    // Now much more is missing than anybody approved: all of it waits again.
    let summary = tags_of(store, 2, &["a"], 0.2).await;
    assert_eq!((summary.gone, summary.held), (0, 5));
    assert_eq!(
        store.decide_held("Tag", Decision::Approved).await.expect("an answer"),
        5
    );
    // What came back stays.
    let summary = tags_of(store, 3, &["a", "c", "x"], 0.2).await;
    assert_eq!((summary.gone, summary.held), (4, 0));
    assert_eq!(tags(store, "").await, ["a", "c", "x"]);
    // An approval is used up.
    let summary = tags_of(store, 4, &["x"], 0.2).await;
    assert_eq!((summary.gone, summary.held), (0, 2));
}

async fn kept_rows_stay_until_they_come_again(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    tags_of(store, 0, &["a", "b", "c", "d", "e", "f"], 0.2).await;
    tags_of(store, 1, &["a", "b", "c", "d"], 0.2).await;
    assert_eq!(store.decide_held("Tag", Decision::Kept).await.expect("an answer"), 2);
    // Quiet as long as nothing else is missing, and others go as they always did.
    let summary = tags_of(store, 2, &["a", "b", "c"], 0.2).await;
    assert_eq!((summary.gone, summary.held), (1, 0));
    assert_eq!(tags(store, "").await, ["a", "b", "c", "e", "f"]);
    // e comes again, and is missing like any other afterwards.
    tags_of(store, 3, &["a", "b", "c", "e"], 0.2).await;
    let summary = tags_of(store, 4, &["a", "b", "c"], 0.2).await;
    assert_eq!((summary.gone, summary.held), (1, 0));
    assert_eq!(tags(store, "").await, ["a", "b", "c", "f"]);
    // More that is missing is held beside what is kept.
    let summary = tags_of(store, 5, &["a"], 0.2).await;
    assert_eq!((summary.gone, summary.held), (0, 2));
    assert_eq!(
        store.decide_held("Tag", Decision::Approved).await.expect("an answer"),
        2
    );
    let summary = tags_of(store, 6, &["a"], 0.2).await;
    assert_eq!((summary.gone, summary.held), (2, 0));
    assert_eq!(tags(store, "").await, ["a", "f"]);
}

async fn what_comes_back_is_held_no_more(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    tags_of(store, 0, &["a", "b", "c"], 0.1).await;
    tags_of(store, 1, &["a"], 0.1).await;
    assert_eq!(held(store).await, [2]);
    tags_of(store, 2, &["a", "b", "c"], 0.1).await;
    assert!(held(store).await.is_empty());
    // A run that sees nothing at all is held, too; 0 deletes nothing unless somebody says so.
    let summary = tags_of(store, 3, &[], 0.0).await;
    assert_eq!((summary.gone, summary.held), (0, 3));
    store.decide_held("Tag", Decision::Approved).await.expect("an answer");
    let summary = tags_of(store, 4, &[], 0.0).await;
    assert_eq!((summary.gone, summary.held), (3, 0));
}
