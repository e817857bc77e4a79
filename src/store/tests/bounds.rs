//! What nobody may make SQLite do: search on when the time is over, keep a reader for ever, keep a
//! long log.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    query::{Filter, RootValue, TextTest},
    store::db::sqlite::file,
};

use super::{
    reads::{f, leaf, select, value},
    *,
};

/// A store in which a statement may take so long.
async fn within(place: &Place, limit: Duration) -> Store {
    let catalog = Arc::new(Valid::trusted(catalog("one")));
    let layout = Arc::new(Layout::of(&catalog));
    let store = Store::open_within(&place.url, Access::Write, catalog, layout, Some(limit)).await;
    store.expect("a store")
}

async fn answers(store: &Store) {
    for _ in 0..store.readers() {
        let one = statement("SELECT CAST(-1 AS BIGINT),CAST(1 AS TEXT)");
        // So short a limit may be over before anything is read, where the machine has something
        // else to do.
        loop {
            match store.read(&one, &[]).await {
                Err(StoreError::Timeout(_) | StoreError::Waited(_)) => {}
                answer => {
                    answer.expect("an answer");
                    break;
                }
            }
        }
    }
}

/// One row is enough: its text is tried at each of its places.
#[tokio::test]
async fn a_search_ends_with_its_statements_time() {
    let place = Place::new(On::Sqlite);
    let store = within(&place, Duration::from_millis(200)).await;
    let name = "a".repeat(3_000_000);
    harvest(&store, "Item", ITEM, 0, vec![item("i", &name, 1.0, None, &[])]).await;
    let search = |store: &Store, test, operand: &str| {
        let filter = Filter::Text {
            field: f(1),
            test,
            operand: value(operand),
        };
        let select = crate::query::Select {
            filter: Some(filter),
            ..select(ITEM, vec![leaf("id", 0)])
        };
        let root = crate::query::Root {
            key: "items".to_owned(),
            value: RootValue::Many(select),
        };
        store.compile(&Read { roots: vec![root] }).expect("compiles")
    };
    let pattern = format!("%_{}b%", "a".repeat(190));
    for test in [TextTest::Like, TextTest::ILike] {
        let error = store
            .read(&search(&store, test, &pattern), &[])
            .await
            .expect_err("too slow");
        assert!(matches!(error, StoreError::Timeout(_)), "{test:?}: {error:?}");
    }
    assert_eq!(
        store.context.readers.replaced.load(Ordering::Relaxed),
        0,
        "it was heard"
    );
    answers(&store).await;
    store.close().await;
    // The same by instr would take the product of both lengths, as no limit of this test's says.
    let store = within(&place, Duration::from_secs(3_600)).await;
    let part = format!("{}b", "a".repeat(999));
    let answer = store.read(&search(&store, TextTest::Contains, &part), &[]).await;
    assert_eq!(answer.expect("an answer").json, r#"{"items":[]}"#);
}

#[tokio::test]
async fn a_reader_that_hears_nothing_is_replaced() {
    let place = Place::new(On::Sqlite);
    let store = within(&place, Duration::from_millis(50)).await;
    // A single step of SQLite's that takes many times as long as a reader is waited for, also on a
    // quick machine: one that ends meanwhile was heard, and nothing is replaced.
    let deaf = statement(
        "SELECT CAST(-1 AS BIGINT),CAST(instr(a,b) AS TEXT) FROM (SELECT replace(hex(zeroblob(1000000)),'0','a') AS a,\
         replace(hex(zeroblob(500000)),'0','a')||'b' AS b)",
    );
    let error = store.read(&deaf, &[]).await.expect_err("too slow");
    assert!(matches!(error, StoreError::Timeout(_)), "{error:?}");
    let replaced = || store.context.readers.replaced.load(Ordering::Relaxed);
    while replaced() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    answers(&store).await;
    assert_eq!(replaced(), 1);
}

/// Readers that overlap never let the log begin anew by itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short() {
    let place = Place::new(On::Sqlite);
    let store = within(&place, Duration::from_secs(5)).await;
    let DatabaseUrl::Sqlite(file) = &place.url else {
        panic!("a file");
    };
    let log = file::beside(file, "-wal");
    let bytes = || log.metadata().map_or(0, |log| log.len());
    let done = Arc::new(AtomicBool::new(false));
    let slow = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<60000) \
                SELECT CAST(-1 AS BIGINT),CAST((SELECT count(*) FROM n)+(SELECT count(*) FROM item) AS TEXT)";
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    store.read(&statement(slow), &[]).await.expect("an answer");
                }
            })
        })
        .collect();
    let run = start(&store, "Item", ITEM, 0).await;
    let mut longest = 0;
    for group in 0..40 {
        let items = (0..200).map(|at| item(&format!("{group}-{at}"), &"x".repeat(1_000), 1.0, None, &[]));
        store.commit_group(&run, rows(items.collect())).await.expect("a commit");
        longest = longest.max(bytes());
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("it reads");
    }
    assert!(longest > 1 << 20, "{longest} bytes: there was nothing to fold");
    assert!(longest < 3 << 20, "{longest} bytes");
    // When nobody writes it is folded in.
    while bytes() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A reader in its way does not keep the log for ever.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_folded_in_when_its_reader_has_ended() {
    let place = Place::new(On::Sqlite);
    let store = within(&place, Duration::from_secs(5)).await;
    let DatabaseUrl::Sqlite(file) = &place.url else {
        panic!("a file");
    };
    let log = file::beside(file, "-wal");
    let bytes = || log.metadata().map_or(0, |log| log.len());
    let reader = rusqlite::Connection::open(file).expect("a reader");
    reader.execute_batch("BEGIN").expect("it reads");
    let runs = reader.query_row("SELECT count(*) FROM hayloft_run", [], |row| row.get::<_, i64>(0));
    assert_eq!(runs.ok(), Some(0));
    harvest(&store, "Item", ITEM, 0, vec![item("i", "n", 1.0, None, &[])]).await;
    let journal = &store.context.journal;
    // It was tried in vain, and more than once.
    while journal.hindered() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(bytes() > 0);
    drop(reader);
    while bytes() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
