//! Deletions that were too many: what is held, approved and kept.

use crate::store::{
    commit::Evidence,
    load::{batch::Batch, turns},
    system::held,
};

use super::{changes::lines, *};

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

async fn open(store: &Store) -> Vec<u64> {
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
    assert_eq!(open(store).await, [2]);
    assert_eq!(
        store.decide_held("Tag", Decision::Approved).await.expect("an answer"),
        2
    );
    assert!(open(store).await.is_empty());
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
    assert_eq!(open(store).await, [2]);
    tags_of(store, 2, &["a", "b", "c"], 0.1).await;
    assert!(open(store).await.is_empty());
    // A run that sees nothing at all is held, too; 0 deletes nothing unless somebody says so.
    let summary = tags_of(store, 3, &[], 0.0).await;
    assert_eq!((summary.gone, summary.held), (0, 3));
    store.decide_held("Tag", Decision::Approved).await.expect("an answer");
    let summary = tags_of(store, 4, &[], 0.0).await;
    assert_eq!((summary.gone, summary.held), (3, 0));
}

/// Waits until somebody waits for a lock, or a task has ended.
async fn until_waiting<T>(store: &Store, task: &tokio::task::JoinHandle<T>) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock'";
    while number(store, waits).await == 0 && !task.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What is stored: each decision and about how many rows it is.
async fn decided(store: &Store) -> Vec<String> {
    lines(store, "SELECT decision||' '||rows FROM hayloft_held ORDER BY decision").await
}

/// A store in which three tags wait for a decision.
async fn with_held(on: On) -> Bench {
    let bench = bench_on(on).await;
    tags_of(&bench.store, 0, &["a", "b", "c", "d"], 0.1).await;
    tags_of(&bench.store, 1, &["a"], 0.1).await;
    assert_eq!(open(&bench.store).await, [3]);
    bench
}

/// A run looks at what was decided before it, and writes what is open after it: a decision comes
/// before both, or after them.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_waits_for_the_end_of_a_run() {
    let bench = with_held(On::Postgres).await;
    let store = &bench.store;
    let ending = start(store, "Tag", TAG, 2).await;
    let mut batch = Batch::begin(&store.context).await.expect("a transaction");
    turns::take_turn(&mut batch, &ending, None).await.expect("its turn");
    let found = held::of(&mut batch, "Tag").await.expect("what is held");
    assert_eq!((found.open.len(), found.approved.len()), (3, 0));
    let other = store.clone();
    let deciding = tokio::spawn(async move { other.decide_held("Tag", Decision::Approved).await });
    until_waiting(store, &deciding).await;
    held::put(&mut batch, "Tag", ending.id, found)
        .await
        .expect("it is stored");
    batch.finish(&ending, Evidence::None).await.expect("a commit");
    assert_eq!(deciding.await.expect("no panic").expect("an answer"), 3);
    assert_eq!(decided(store).await, ["approved 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_a_decision() {
    let bench = with_held(On::Postgres).await;
    let store = &bench.store;
    let mut deciding = Batch::begin(&store.context).await.expect("a transaction");
    let mut found = held::of(&mut deciding, "Tag").await.expect("what is held");
    found.approved = std::mem::take(&mut found.open);
    held::put(&mut deciding, "Tag", 1, found).await.expect("it is stored");
    let other = store.clone();
    let ending = tokio::spawn(async move { tags_of(&other, 2, &["a"], 0.1).await });
    until_waiting(store, &ending).await;
    deciding.tx.commit().await.expect("a commit");
    let summary = ending.await.expect("no panic");
    assert_eq!((summary.gone, summary.held), (3, 0));
    assert_eq!(decided(store).await, [""; 0]);
}
