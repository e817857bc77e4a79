//! A newer definition beside an older one: who is compatible goes on, who is not writes nothing
//! more, and no layout is applied in the middle of a transaction.

use std::time::Duration;

use crate::{
    store::{in_force, tx},
    value::Value,
};

use super::{
    changes::{open, read},
    *,
};

on_both!(
    who_is_compatible_goes_on,
    who_is_not_compatible_writes_nothing,
    what_a_newer_definition_asked_is_not_forgotten,
);

const OLD: &str = "type A @f { id: ID! n: Int x: String }";
const COMPATIBLE: &str = "type A @f { id: ID! n: Int x: String y: Int }";
const NESTED: &str =
    "type A @f { id: ID! n: Int x: String parts: [P!]! @nested(jq: \".p[]\") } type P { a: A! name: String! @id }";
const LESS: &str = "type A @f { id: ID! n: Int }";
const A: EntityId = EntityId(0);

/// The end of all patience.
const PATIENCE: Duration = Duration::from_secs(60);

fn row(id: &str, n: i64) -> Row {
    Row::new(vec![text(id), Value::Int(n), text("x")], vec![], vec![])
}

/// A store with the older definition.
async fn older(on: On) -> Bench {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, OLD).await.expect("a new store");
    Bench { store, place }
}

/// Puts a newer definition in force: from another process, or where none can be, from this one.
async fn newer(bench: &Bench, definition: &str) -> Store {
    if !bench.store.context.dialect.exclusive() {
        let opened = open(&bench.place.url, Access::Destructive, definition).await;
        return opened.expect("a newer store");
    }
    redefine(&bench.store, definition).await
}

/// The same handle's successor, in force.
async fn redefine(older: &Store, definition: &str) -> Store {
    let catalog = read(definition);
    let layout = Arc::new(Layout::of(&catalog));
    let newer = older.redefined(catalog, layout);
    newer.come_into_force(&|| {}).await.expect("a newer store");
    newer
}

fn next() -> Claim {
    Claim {
        fetch: "A".to_owned(),
        entity: A,
        resume: None,
        newer_covers: true,
    }
}

fn is_replaced<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Replaced)), "{result:?}");
}

async fn who_is_compatible_goes_on(on: On) {
    let bench = older(on).await;
    let run = start(&bench.store, "A", A, 1).await;
    let newer = newer(&bench, COMPATIBLE).await;
    let committed = bench.store.commit_group(&run, rows(vec![row("a", 1)])).await;
    assert_eq!(committed.expect("a commit").new, 1);
    bench.store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(
        bench.store.definition_status().await.expect("a status"),
        DefinitionStatus::InForce
    );
    assert_eq!(
        newer.definition_status().await.expect("a status"),
        DefinitionStatus::InForce
    );
    harvest(&bench.store, "A", A, 2, vec![row("a", 2)]).await;
}

async fn who_is_not_compatible_writes_nothing(on: On) {
    let bench = older(on).await;
    let (store, due) = (&bench.store, slot(2));
    let run = start(store, "A", A, 1).await;
    store
        .commit_group(&run, rows(vec![row("a", 1), row("b", 1)]))
        .await
        .expect("a commit");
    let plan = Plan {
        add: vec![Due {
            slot: due,
            reason: Reason::Schedule,
        }],
        keep: 9,
        looked: true,
    };
    store.plan_slots("A", &|_, _| plan.clone()).await.expect("a plan");
    let newer = newer(&bench, NESTED).await;
    is_replaced(store.commit_group(&run, rows(vec![row("a", 2)])).await);
    is_replaced(store.finish_run(&run, complete(1.0)).await);
    is_replaced(store.plan_slots("A", &|_, _| plan.clone()).await);
    is_replaced(store.claim_run(&next()).await);
    is_replaced(
        store
            .start_run(&StartRun {
                fetch: "A".to_owned(),
                entity: A,
                slot: slot(3),
                reason: Reason::Hand,
                resume: None,
            })
            .await,
    );
    store.replaced().await;
    // All that it knows is there and as it was, so it may be read.
    assert_eq!(
        store.definition_status().await.expect("a status"),
        DefinitionStatus::ReadsOnly
    );
    assert_eq!(store.row_counts().await.expect("counts"), [(A, 2)]);
    assert_eq!(number(store, "SELECT CAST(sum(n) AS BIGINT) FROM a").await, 2);
    // What it had under way is free for the one that came.
    let given = store.finish_run(&run, Finish::Interrupted).await.expect("given up");
    assert_eq!(given.state, RunState::Interrupted);
    let run = newer.claim_run(&next()).await.expect("answers").expect("a run");
    let part = Row::new(vec![text("a"), text("p")], vec![], vec![]);
    let whole = Row::new(vec![text("a"), Value::Int(3), text("x")], vec![], vec![vec![part]]);
    let committed = newer.commit_group(&run, rows(vec![whole])).await;
    assert_eq!(committed.expect("a commit").changed, 1);
    let ended = newer.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((ended.slot, ended.gone), (due, 1));
    // Nor is one compatible that starts now.
    let catalog = read(OLD);
    let layout = Arc::new(Layout::of(&catalog));
    let plan = Store::plan(&bench.place.url, catalog, layout, None)
        .await
        .expect("a plan");
    assert!(plan.is_lossy() && !plan.former, "{plan:?}");
}

/// A compatible definition that starts again leaves what it does not know of alone.
async fn what_a_newer_definition_asked_is_not_forgotten(on: On) {
    let bench = older(on).await;
    let newer = newer(&bench, COMPATIBLE).await;
    let asked = "INSERT INTO hayloft_fan_out(\"fetch\",parent,state,run) VALUES ('A.z',1,'done',1)";
    assert_eq!(run(&newer, asked).await, 1);
    newer.close().await;
    let Bench { store, place } = bench;
    store.close().await;
    let again = open(&place.url, Access::Write, OLD).await.expect("it is compatible");
    assert_eq!(number(&again, "SELECT count(*) FROM hayloft_fan_out").await, 1);
}

#[tokio::test]
async fn what_is_gone_is_named_as_replaced() {
    let bench = older(On::Postgres).await;
    let gone = statement("SELECT CAST(0 AS BIGINT),x FROM a");
    let kept = statement("SELECT CAST(0 AS BIGINT),id FROM a");
    bench.store.read(&gone, &[]).await.expect("it is there");
    let wrong = bench.store.read(&statement("SELECT x FROM nowhere"), &[]).await;
    assert!(matches!(wrong, Err(StoreError::Database(_))), "{wrong:?}");
    let newer = newer(&bench, LESS).await;
    let error = bench.store.read(&gone, &[]).await.expect_err("it is gone");
    assert!(error.to_string().contains("newer definition in force"), "{error}");
    assert!(matches!(error, StoreError::Replaced), "{error:?}");
    // Another column may mean something else by now: who has been replaced cannot tell.
    is_replaced(bench.store.read(&kept, &[]).await);
    is_replaced(bench.store.row_counts().await);
    assert_eq!(
        bench.store.definition_status().await.expect("a status"),
        DefinitionStatus::Replaced
    );
    newer.read(&kept, &[]).await.expect("it is there");
    // The older definition once more: it goes on where it stands.
    newer.close().await;
    let back = open(&bench.place.url, Access::Destructive, OLD)
        .await
        .expect("it opens");
    assert_eq!(
        bench.store.definition_status().await.expect("a status"),
        DefinitionStatus::InForce
    );
    bench.store.read(&gone, &[]).await.expect("it is there again");
    drop(back);
}

#[tokio::test]
async fn who_is_replaced_has_no_part_in_the_sources() {
    let bench = older(On::Postgres).await;
    let store = &bench.store;
    assert_eq!(store.attend(false, false).await.expect("a place").count, 1);
    let newer = newer(&bench, NESTED).await;
    is_replaced(store.attend(false, false).await);
    let place = newer.attend(false, false).await.expect("a place");
    assert_eq!((place.rank, place.count, place.others_seen), (0, 1, None));
    let seen = newer.processes().await.expect("a list");
    let aside = |name: &str| {
        seen.iter()
            .find(|process| process.id == name)
            .map(|process| process.replaced)
    };
    assert_eq!((aside(store.name()), aside(newer.name())), (Some(true), Some(false)));
    // With the newer definition it comes back, and the others have to count it again.
    let back = redefine(store, NESTED).await;
    let place = back.attend(false, false).await.expect("a place");
    assert_eq!((place.count, place.joined), (2, true));
}

/// Waits until somebody waits for a table.
async fn waited_for(store: &Store, table: &str) {
    let waiting = format!(
        "SELECT count(*) FROM pg_locks AS l JOIN pg_class AS c ON c.oid=l.relation \
         JOIN pg_database AS d ON d.oid=l.database AND d.datname=current_database() \
         WHERE NOT l.granted AND c.relname='{table}'"
    );
    let look = async {
        while number(store, &waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, look).await;
    found.unwrap_or_else(|_| panic!("nobody waits for {table}"));
}

#[tokio::test]
async fn a_layout_waits_for_what_is_under_way() {
    let bench = older(On::Postgres).await;
    let watcher = open(&bench.place.url, Access::Write, OLD).await.expect("a store");
    let mut under_way = in_force::begin(&bench.store.context).await.expect("in force");
    let url = bench.place.url.clone();
    let opening = tokio::spawn(async move { open(&url, Access::Destructive, LESS).await });
    waited_for(&watcher, "hayloft_row_number").await;
    assert!(!opening.is_finished());
    let read = "SELECT x FROM a".to_owned();
    under_way
        .all(under_way.params(), read)
        .await
        .expect("the column is there");
    under_way.commit().await.expect("a commit");
    opening.await.expect("no panic").expect("it opens");
    is_replaced(in_force::begin(&bench.store.context).await.map(|_| ()));
}

#[tokio::test]
async fn who_comes_while_a_layout_is_applied_waits_and_finds_it() {
    let bench = older(On::Postgres).await;
    let watcher = open(&bench.place.url, Access::Write, OLD).await.expect("a store");
    let run = start(&bench.store, "A", A, 1).await;
    // The layout is applied but for a table that somebody holds.
    let mut holder = tx::Transaction::begin(&watcher.context).await.expect("a transaction");
    let hold = "LOCK TABLE a IN ACCESS SHARE MODE".to_owned();
    holder.run(holder.params(), hold).await.expect("a lock");
    let url = bench.place.url.clone();
    let opening = tokio::spawn(async move { open(&url, Access::Destructive, LESS).await });
    waited_for(&watcher, "a").await;
    let store = bench.store.clone();
    let coming = tokio::spawn(async move { store.commit_group(&run, rows(vec![row("a", 1)])).await });
    waited_for(&watcher, "hayloft_row_number").await;
    holder.commit().await.expect("let go");
    opening.await.expect("no panic").expect("it opens");
    is_replaced(coming.await.expect("no panic"));
    assert_eq!(number(&watcher, "SELECT count(*) FROM a").await, 0);
}
