//! Clients that go away: their statements end, and the readers serve on.

use std::time::Duration;

use crate::store::tx;

use super::*;

on_both!(
    an_abandoned_statement_is_interrupted,
    slow_answers_do_not_hold_up_the_ledger,
);

/// A statement that never ends by itself.
const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT CAST(-1 AS BIGINT),CAST(count(*) AS TEXT) FROM n";

async fn an_abandoned_statement_is_interrupted(on: On) {
    let bench = bench_on(on).await;
    let endless = statement(ENDLESS);
    // More than there are readers, each given up long before its deadline.
    for _ in 0..16 {
        let abandoned = tokio::time::timeout(Duration::from_millis(20), bench.store.read(&endless, &[])).await;
        assert!(abandoned.is_err(), "it was under way");
    }
    let quick = statement("SELECT CAST(-1 AS BIGINT),'7'");
    for _ in 0..16 {
        assert_eq!(bench.store.read(&quick, &[]).await.expect("an answer").head, 7);
    }
}

async fn slow_answers_do_not_hold_up_the_ledger(on: On) {
    let bench = bench_on(on).await;
    let endless = statement(ENDLESS);
    let slow: Vec<_> = (0..32)
        .map(|_| {
            let (store, endless) = (bench.store.clone(), endless.clone());
            tokio::spawn(async move { store.read(&endless, &[]).await })
        })
        .collect();
    assert_eq!(bench.store.row_counts().await.expect("counts").len(), 6);
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Rows that were being sent when nobody waited for them any more are not stored, and leave no
/// answer behind for others.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_load_leaves_a_clean_connection() {
    let bench = bench_on(On::Postgres).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    let mut holder = tx::Transaction::begin(&store.context).await.expect("a transaction");
    let taken = "INSERT INTO tag(_row,id,name,_hash) VALUES (9,'a','a',0)".to_owned();
    holder.run(holder.params(), taken).await.expect("a row");
    let abandoned = tokio::spawn({
        let (store, run) = (store.clone(), run.clone());
        async move { store.commit_group(&run, rows(vec![tag("a")])).await }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock' AND query LIKE 'INSERT INTO \"tag\"%'";
    while number(store, waits).await == 0 {
        tokio::task::yield_now().await;
    }
    abandoned.abort();
    assert!(abandoned.await.is_err_and(|error| error.is_cancelled()));
    drop(holder);
    for _ in 0..8 {
        // All connections of the pool at once.
        let answers = (0..4_i64).map(async |n| number(store, &format!("SELECT {n}::bigint FROM pg_sleep(0.01)")).await);
        assert_eq!(futures_util::future::join_all(answers).await, [0, 1, 2, 3]);
    }
    let done = store
        .commit_group(&run, rows(vec![tag("a"), tag("b")]))
        .await
        .expect("a commit");
    assert_eq!((done.new, done.same), (2, 0));
}
