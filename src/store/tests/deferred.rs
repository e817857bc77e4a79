//! First loads that leave their indexes for the end, and the statistics that they leave behind.

use std::collections::BTreeSet;

use crate::{
    query::{Compare, Filter, RootValue},
    store::{db::sqlite::file::CACHE_KIB, tx::Transaction},
    value::{Key, Value},
};

use super::{
    changes::{lines, open},
    processes::{next, queue},
    reads::{answer, leaf, select},
    *,
};

on_both!(
    a_first_load_builds_its_indexes_last,
    values_are_unique_from_the_beginning,
    what_needs_no_room_keeps_its_indexes,
    who_reads_has_them_built,
    an_interrupted_load_leaves_them_to_the_next_start,
    a_load_that_is_taken_over_has_them_at_its_end,
    who_waits_to_build_keeps_nobody_from_writing,
    rows_that_cannot_be_written_leave_none_of_their_group,
    statistics_are_made_after_a_load_and_after_a_tenth,
);

/// Every kind of index: of a field, of a link, of links, of a nested type, and those that keep
/// something unique.
const FARM: &str = "type Item @f { id: ID! slug: String @unique price: Int @index tags: [Tag!]! @ref(jq: \".tags[]\") \
                    seller: Npc @ref(jq: \".seller\") parts: [Part!]! @nested(jq: \".parts[]\") }
    type Part { id: ID! item: Item! size: Int @index }
    type Tag @f { id: ID! items: [Item!]! @inverse(field: \"tags\") }
    type Npc @f { id: ID! sells: [Item!]! @inverse(field: \"seller\") }";

const ITEM: EntityId = EntityId(0);
const LATE: [&str; 4] = [
    "item$price$index",
    "item$seller_id$id$index",
    "item_tags$target_id$targets",
    "part$size$index",
];
/// More than what counts as many in tests.
const MANY: i64 = 120;
/// Commits of somebody who writes while others wait.
const COMMITS: i64 = 12;

async fn farm_on(on: On) -> Bench {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, FARM).await.expect("a store");
    Bench { store, place }
}

fn row(at: i64, part: i64) -> Row {
    let id = format!("i{at}");
    let parts = vec![Row::new(
        vec![text(&format!("p{part}")), text(&id), Value::Int(at % 3)],
        vec![],
        vec![],
    )];
    let values = vec![
        text(&id),
        text(&format!("slug {at}")),
        Value::Int(at % 7),
        text(&format!("n{}", at % 5)),
    ];
    Row::new(values, vec![vec![Key::text(format!("t{}", at % 4))]], vec![parts])
}

fn many(from: i64) -> Group {
    rows((from..from + MANY).map(|at| row(at, at)).collect())
}

/// The late ones among the indexes that are there.
async fn late(store: &Store) -> BTreeSet<String> {
    let there = lines(store, store.context.dialect.indexes()).await;
    // On PostgreSQL that of links names their owner, too.
    let named = there.iter().map(|name| name.replace("$owner_id$targets", "$targets"));
    let mut there = BTreeSet::from_iter(named);
    there.retain(|name| LATE.contains(&name.as_str()));
    there
}

async fn commit(store: &Store, run: &Run, group: Group) -> GroupOutcome {
    store.commit_group(run, group).await.expect("a commit")
}

async fn a_first_load_builds_its_indexes_last(on: On) {
    let bench = farm_on(on).await;
    let store = &bench.store;
    assert_eq!(late(store).await.len(), LATE.len(), "all are there before");
    let run = start(store, "Item", ITEM, 0).await;
    commit(store, &run, many(0)).await;
    assert_eq!(late(store).await, BTreeSet::new());
    let waiting = store.waiting_indexes().await.expect("a list");
    assert!(waiting.contains(&"Item.price".to_owned()), "{waiting:?}");
    commit(store, &run, many(MANY)).await;
    assert_eq!(late(store).await, BTreeSet::new());
    store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(late(store).await.len(), LATE.len());
    assert_eq!(store.waiting_indexes().await.expect("a list"), Vec::<String>::new());
    assert_eq!(number(store, "SELECT count(*) FROM part").await, 2 * MANY);
    if on == On::Sqlite {
        // What was sorted lay in files, by a small cache; the connection is as it was.
        let memory = "SELECT c.cache_size || ' ' || t.temp_store FROM pragma_cache_size AS c, pragma_temp_store AS t";
        assert_eq!(lines(store, memory).await, [format!("{CACHE_KIB} 2")]);
    }
}

async fn values_are_unique_from_the_beginning(on: On) {
    let bench = farm_on(on).await;
    let store = &bench.store;
    let run = start(store, "Item", ITEM, 0).await;
    let mut group = many(0);
    // The slug of the first one under another key, in the same group and in a later one.
    let mut twice = row(900, 900);
    twice.values[1] = text("slug 0");
    group.rows.push(twice.clone());
    assert_eq!(commit(store, &run, group).await.new, MANY as u64);
    assert_eq!(late(store).await, BTreeSet::new());
    twice.values[0] = text("i901");
    assert_eq!(commit(store, &run, rows(vec![twice, row(1, 1)])).await.same, 1);
    let summary = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((summary.new, summary.refused), (MANY as u64, 2));
    assert_eq!(number(store, "SELECT count(*) FROM item WHERE slug='slug 0'").await, 1);
}

async fn what_needs_no_room_keeps_its_indexes(on: On) {
    let bench = farm_on(on).await;
    let store = &bench.store;
    // A few rows, which may come slowly; then more into a table that has some.
    let run = start(store, "Item", ITEM, 0).await;
    commit(store, &run, rows((0..9).map(|at| row(at, at)).collect())).await;
    assert_eq!(late(store).await.len(), LATE.len());
    commit(store, &run, many(9)).await;
    assert_eq!(late(store).await.len(), LATE.len());
    store.finish_run(&run, complete(1.0)).await.expect("an end");
    let run = start(store, "Item", ITEM, 1).await;
    commit(store, &run, many(200)).await;
    assert_eq!(late(store).await.len(), LATE.len());
}

async fn who_reads_has_them_built(on: On) {
    let bench = farm_on(on).await;
    let store = &bench.store;
    let run = start(store, "Item", ITEM, 0).await;
    commit(store, &run, many(0)).await;
    // Of another type: nobody waits, and nothing is built.
    let tags = answer(
        store,
        vec![("tags", RootValue::Many(select(EntityId(2), vec![leaf("id", 0)])))],
        &[],
    )
    .await;
    assert_eq!(tags, "{\"tags\":[]}");
    assert_eq!(late(store).await, BTreeSet::new());
    let cheap = crate::query::Select {
        filter: Some(Filter::Compare {
            field: FieldId(2),
            compare: Compare::Eq,
            operand: crate::query::Operand::Value(Value::Int(6)),
        }),
        first: Some(crate::query::Operand::Value(Value::Int(1))),
        ..select(ITEM, vec![leaf("id", 0)])
    };
    let items = answer(store, vec![("items", RootValue::Many(cheap))], &[]).await;
    assert_eq!(items, "{\"items\":[{\"id\":\"i104\"}]}");
    let built = late(store).await;
    assert_eq!(built.len(), 3, "he waited for them: {built:?}");
    assert!(!built.contains("part$size$index"), "nobody asked for it");
    // The load goes on with them.
    commit(store, &run, many(MANY)).await;
    store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(late(store).await.len(), LATE.len());
    assert_eq!(number(store, "SELECT count(*) FROM item WHERE price=6").await, 34);
}

async fn an_interrupted_load_leaves_them_to_the_next_start(on: On) {
    let bench = farm_on(on).await;
    let run = start(&bench.store, "Item", ITEM, 0).await;
    commit(&bench.store, &run, many(0)).await;
    let ended = bench.store.finish_run(&run, Finish::Interrupted).await;
    ended.expect("an end");
    assert_eq!(late(&bench.store).await, BTreeSet::new());
    bench.store.close().await;
    let store = open(&bench.place.url, Access::Write, FARM).await.expect("it opens");
    assert_eq!(store.waiting_indexes().await.expect("a list").len(), LATE.len());
    store.finish_indexes().await.expect("they are built");
    assert_eq!(late(&store).await.len(), LATE.len());
    assert!(!store.context.deferred.has(&[ITEM, EntityId(1)]), "nobody waits");
}

async fn a_load_that_is_taken_over_has_them_at_its_end(on: On) {
    let bench = farm_on(on).await;
    let clock = Clock::default();
    clock
        .0
        .store(slot(10).timestamp_millis(), std::sync::atomic::Ordering::Relaxed);
    let (one, other) = (
        bench.store.as_process("one", &clock),
        bench.store.as_process("other", &clock),
    );
    queue(&one, "Item", &[1], 1).await;
    let claim = next("Item", ITEM, Some(1));
    let run = one.claim_run(&claim).await.expect("answers").expect("a run");
    let checkpoint = Checkpoint {
        next: "2".to_owned(),
        pages: 1,
        rows: MANY as u64,
    };
    let group = Group {
        checkpoint: Some(checkpoint),
        ..many(0)
    };
    commit(&one, &run, group).await;
    assert_eq!(late(&one).await, BTreeSet::new());
    clock.0.fetch_add(60_000, std::sync::atomic::Ordering::Relaxed);
    let taken = other.claim_run(&claim).await.expect("answers").expect("a run");
    assert_eq!(taken.id, run.id);
    commit(&other, &taken, many(MANY)).await;
    other.finish_run(&taken, complete(1.0)).await.expect("an end");
    if on == On::Postgres {
        assert_eq!(late(&other).await.len(), LATE.len());
    }
    // Two processes on one file are none that there can be; there the one knows.
    assert!(matches!(
        one.finish_run(&run, complete(1.0)).await,
        Err(StoreError::Fenced)
    ));
}

/// There are four connections that write. Somebody has the turn to build, with one of them; were
/// three to wait for it in the database, none would be left. SQLite has one, for which all wait
/// anyhow: there it shows only that all come to their end.
async fn who_waits_to_build_keeps_nobody_from_writing(on: On) {
    let types: Vec<String> = (0..4)
        .map(|at| format!("type T{at} @f {{ id: ID! price: Int @index size: Int @index }}"))
        .collect();
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, &types.join("\n"))
        .await
        .expect("a store");
    let some = |from: i64| {
        let row = |at: i64| {
            Row::new(
                vec![text(&at.to_string()), Value::Int(at % 7), Value::Int(at % 3)],
                vec![],
                vec![],
            )
        };
        rows((from..from + MANY).map(row).collect())
    };
    let mut runs = Vec::new();
    for at in 0..4 {
        let run = start(&store, &format!("T{at}"), EntityId(at), 0).await;
        commit(&store, &run, some(0)).await;
        runs.push(run);
    }
    let last = runs.pop().expect("a run");
    // Where the machine has much else to do, they may have waited for a minute and gone on before
    // anybody looks.
    let gone = std::cell::Cell::new(false);
    let ends = async {
        let ended = futures_util::future::join_all(runs.iter().map(|run| store.finish_run(run, complete(1.0))));
        let ended = ended.await;
        gone.set(true);
        ended
    };
    let beside = async {
        // SQLite has one connection that writes, and nobody waits for anything else.
        let turn = match on {
            On::Sqlite => None,
            On::Postgres => {
                let mut tx = Transaction::begin(&store.context).await.expect("a connection");
                let turn = "SELECT one FROM hayloft_layout_lock WHERE one=2 FOR UPDATE";
                tx.all(tx.params(), turn.to_owned()).await.expect("the turn");
                Some(tx)
            }
        };
        let ended = "SELECT count(*) FROM hayloft_run WHERE state='complete'";
        while number(&store, ended).await < 3 {
            tokio::task::yield_now().await;
        }
        // One of them waits for it in the database, and were there others, they would have had time
        // to get there between so many commits.
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock'";
        while on == On::Postgres && !gone.get() && number(&store, waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        let commits = async {
            for nth in 1..=COMMITS {
                commit(&store, &last, some(nth * MANY)).await;
            }
        };
        let written = tokio::time::timeout(Duration::from_secs(120), commits).await;
        assert!(written.is_ok(), "those who wait to build have all connections");
        if on == On::Postgres {
            let waiting = number(&store, waiting).await;
            assert!(gone.get() || waiting == 1, "the others wait in the process: {waiting}");
        }
        drop(turn);
    };
    let (ended, ()) = tokio::join!(ends, beside);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    store.finish_run(&last, complete(1.0)).await.expect("an end");
    assert_eq!(store.waiting_indexes().await.expect("a list"), Vec::<String>::new());
}

/// Copied rows are sent while others are made, of which one may turn out not to fit.
async fn rows_that_cannot_be_written_leave_none_of_their_group(on: On) {
    let bench = farm_on(on).await;
    let store = &bench.store;
    let run = start(store, "Item", ITEM, 0).await;
    let long = |from: i64| {
        let mut group = rows((from..from + 2_000).map(|at| row(at, at)).collect());
        for (at, row) in group.rows.iter_mut().enumerate() {
            row.values[1] = text(&format!("{at}\t\\{}\n", "slug ".repeat(40)));
        }
        group
    };
    let mut wrong = long(0);
    wrong.rows[1_999].values[2] = text("no number");
    let error = store
        .commit_group(&run, wrong)
        .await
        .expect_err("a value of another kind");
    assert!(matches!(error, StoreError::Internal(_)), "{error:?}");
    assert_eq!(number(store, "SELECT count(*) FROM item").await, 0);
    assert_eq!(commit(store, &run, long(0)).await.new, 2_000);
    let kept = "SELECT count(*) FROM item WHERE length(slug)>200 AND slug LIKE '%slug _' AND price IS NOT NULL";
    assert_eq!(number(store, kept).await, 2_000);
    store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(late(store).await.len(), LATE.len());
}

/// The rows that the statistics of a table are of; 0 when there are none.
async fn known(store: &Store, on: On, table: &str) -> i64 {
    let none =
        on == On::Sqlite && number(store, "SELECT count(*) FROM sqlite_master WHERE name='sqlite_stat1'").await == 0;
    match none {
        true => 0,
        false => number(store, &store.context.dialect.known_rows(table)).await.max(0),
    }
}

async fn statistics_are_made_after_a_load_and_after_a_tenth(on: On) {
    let bench = farm_on(on).await;
    let store = &bench.store;
    let one = |from: i64, to: i64| (from..to).map(|at| row(at, at)).collect::<Vec<_>>();
    harvest(store, "Item", ITEM, 0, one(0, 1_000)).await;
    for (table, rows) in [("item", 1_000), ("part", 1_000), ("item_tags", 1_000)] {
        assert_eq!(known(store, on, table).await, rows, "{table}");
    }
    // Values that a planner goes by, too.
    let values = match on {
        On::Sqlite => "SELECT count(*) FROM sqlite_stat1 WHERE idx='item$price$index'",
        On::Postgres => "SELECT count(*) FROM pg_stats WHERE tablename='item' AND attname='price'",
    };
    assert_eq!(number(store, values).await, 1);
    let keep = Finish::Complete {
        missing: Missing::Keep,
        missing_max: 0.0,
        told: Told::default(),
    };
    // Less than a tenth more, and then, together with that, more.
    for (minute, (to, want)) in [(1_060, 1_000), (1_120, 1_120)].into_iter().enumerate() {
        let run = start(store, "Item", ITEM, 1 + minute as u32).await;
        commit(store, &run, rows(one(to - 60, to))).await;
        store.finish_run(&run, keep.clone()).await.expect("an end");
        assert_eq!(known(store, on, "item").await, want, "{to}");
    }
}
