//! Transactions that the database gives up for the sake of others: each is run again until it fits.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Barrier;

use crate::store::{db::retry::retry, tx::Transaction};

use super::*;

/// Changes one row, waits until the other has changed its first one too, and then wants that one.
async fn cross(store: &Store, rows: [&str; 2], met: &Barrier, tries: &AtomicU32) -> Result<(), StoreError> {
    let [first, second] = rows;
    let change = |id: &str| format!("UPDATE tag SET name=concat(name,'+') WHERE id='{id}'");
    let mut tx = Transaction::begin(&store.context).await?;
    tx.run(tx.params(), change(first)).await?;
    // The second time the other has gone on: nobody waits for it.
    if tries.fetch_add(1, Ordering::Relaxed) < 2 {
        met.wait().await;
    }
    tx.run(tx.params(), change(second)).await?;
    tx.commit().await
}

/// The server ends such a knot by giving one of the two up. The isolation of the database is one
/// that ours must not depend on.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_given_up_for_another_tries_again() {
    let bench = bench_on(On::Postgres).await;
    let store = &bench.store;
    harvest(store, "Tag", TAG, 0, vec![tag("a"), tag("b")]).await;
    let (met, tries) = (Barrier::new(2), AtomicU32::new(0));
    let (one, other) = tokio::join!(async { retry!(cross(store, ["a", "b"], &met, &tries).await) }, async {
        retry!(cross(store, ["b", "a"], &met, &tries).await)
    },);
    one.expect("one gets through");
    other.expect("so does the other");
    // It may come to the same row first once more, and to the same knot.
    let tries = tries.load(Ordering::Relaxed);
    assert!(tries >= 3, "one of them was run again: {tries}");
    let twice = number(
        store,
        "SELECT count(*) FROM tag WHERE name LIKE '%++' AND name NOT LIKE '%+++'",
    )
    .await;
    assert_eq!(twice, 2, "each change is made once");
}

/// Whoever waited for a lock must see what the other wrote: a server may be set up to show an older
/// state.
#[tokio::test(flavor = "multi_thread")]
async fn the_isolation_is_the_one_that_our_locks_are_made_for() {
    let bench = bench_on(On::Postgres).await;
    let other = "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation=serializable',\
                 current_database()); END$$";
    run(&bench.store, other).await;
    let store = open_at(&bench.place.url, "one", Access::Write)
        .await
        .expect("the same database");
    let is_ours = "SELECT count(*) FROM pg_settings WHERE name='transaction_isolation' AND setting='read committed'";
    assert_eq!(number(&store, is_ours).await, 1);
}
