//! Clients that go away: their statements end, and the readers serve on.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use crate::store::{db::pool::Tx, tx};

use super::*;

on_both!(
    an_abandoned_statement_is_interrupted,
    slow_answers_do_not_hold_up_the_ledger,
    a_transaction_dropped_anywhere_keeps_nothing,
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

/// A begin takes more or fewer of them, as its connection is new or has asked before.
const POLLS: std::ops::RangeInclusive<usize> = 1..=6;

/// Polls a future so often, and drops it: none when it had not ended by then.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|context| {
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Statements without a transaction, on all connections of the pool at once: each is answered by
/// its own answer, and what they wrote is there for everybody at once.
async fn serve_on(store: &Store, on: On, place: &str) {
    let busy = match on {
        On::Sqlite => "",
        On::Postgres => " FROM pg_sleep(0.01)",
    };
    let answers = (0..4_i64).map(async |n| number(store, &format!("SELECT CAST({n} AS BIGINT){busy}")).await);
    assert_eq!(futures_util::future::join_all(answers).await, [0, 1, 2, 3], "{place}");
    let before = probes(store).await;
    let insert = format!("INSERT INTO probe SELECT 1{busy}");
    futures_util::future::join_all((0..4).map(|_| run(store, &insert))).await;
    assert_eq!(probes(store).await, before + 4, "{place}");
}

/// As a reader sees them.
async fn probes(store: &Store) -> i64 {
    let count = statement("SELECT CAST(-1 AS BIGINT),CAST(count(*) AS TEXT) FROM probe");
    store.read(&count, &[]).await.expect("a number").head
}

async fn begun(store: &Store) -> Tx {
    let writer = store.context.writer().expect("a writer");
    let mut tx = writer.begin().await.expect("a transaction");
    let insert = store.context.params().query("INSERT INTO probe VALUES (1)");
    tx.execute(insert).await.expect("a row");
    tx
}

/// The driver of PostgreSQL knows of a transaction only when it was told that it has begun.
async fn a_transaction_dropped_anywhere_keeps_nothing(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let writer = store.context.writer().expect("a writer");
    run(store, "CREATE TABLE probe(n BIGINT)").await;
    for times in POLLS.cycle().take(24) {
        drop(polled(writer.begin(), times).await);
        serve_on(store, on, &format!("begun for {times} polls")).await;
    }
    // Commits that were sent and are not seen: each goes on to its end by itself, and may be seen at
    // any time from then on.
    let mut sent = 0;
    for times in POLLS.cycle().take(24) {
        let before = probes(store).await;
        let committed = polled(begun(store).await.commit(), times).await;
        serve_on(store, on, &format!("committed for {times} polls")).await;
        sent += 1;
        let seen = probes(store).await - before - 4;
        assert!((0..=sent).contains(&seen), "{seen} of {sent}");
        sent -= seen;
        if let Some(committed) = committed {
            committed.expect("a commit");
            assert!(seen > 0, "what was committed is seen");
        }
    }
    assert_eq!(bench.place.warnings(), [""; 0]);
}

/// A copy that is dropped anywhere leaves no half of its talk to the next statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_dropped_anywhere_leaves_a_clean_connection() {
    let bench = bench_on(On::Postgres).await;
    let store = &bench.store;
    run(store, "CREATE TABLE probe(n BIGINT)").await;
    for times in POLLS.cycle().take(24) {
        let mut tx = begun(store).await;
        let mut pieces = vec![b"3\n".to_vec(), b"2\n".to_vec()];
        let copied = polled(tx.copy("COPY probe FROM STDIN", move || Ok(pieces.pop())), times).await;
        drop(tx);
        serve_on(store, On::Postgres, &format!("copied for {times} polls")).await;
        if let Some(copied) = copied {
            assert_eq!(copied.expect("lines").expect("a copy"), 2);
        }
    }
}
