//! Clients that go away: their statements end, and the readers serve on.

use std::time::Duration;

use super::*;

on_both!(
    an_abandoned_statement_is_interrupted,
    slow_answers_do_not_hold_up_the_ledger,
);

/// A statement that never ends by itself.
const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT CAST(-1 AS BIGINT),CAST(count(*) AS TEXT) FROM n";

fn statement(sql: &str) -> Statement {
    Statement {
        sql: sql.into(),
        binds: Arc::new([]),
        roots: Arc::new([]),
    }
}

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
