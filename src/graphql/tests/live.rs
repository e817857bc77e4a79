//! Live queries that are many, fail, or are given up.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::join_all, stream::BoxStream};
use serde_json::{Value as Json, json};

use super::{ask, next, request};
use crate::{
    graphql::{
        ApiResponse, Client, Limits,
        testing::{Farm, item},
        together::Waited,
        turns::{Turn, Work},
    },
    store::StoreError,
};

/// Rows of a text that is too long for what needs no room.
async fn named(farm: &Farm, letter: &str) {
    let long = letter.repeat(10_000);
    farm.load("Item", vec![item("i1", &long, None, &[])]).await;
}

/// The first letter of the first item's name.
fn letter(answer: &Json) -> Option<char> {
    answer["data"]["items"][0]["name"].as_str()?.chars().next()
}

const NAMES: &str = "subscription { items(first: 1) { name } }";

#[tokio::test]
async fn live_queries_that_nobody_hears_wait_for_no_turn() {
    let limits = Limits {
        request_timeout: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let turns = &farm.api.0.turns;
    let mut held = Vec::new();
    for client in 0..farm.api.store().readers() {
        let work = Work::Request(Client(client as u128));
        held.push(turns.take(work, Duration::MAX).await.expect("a turn"));
    }
    let mut answers = farm
        .current()
        .answers(request("subscription { items { id } }", json!({})));
    while farm.api.0.live.open_groups() == 0 {
        assert!(answers.next().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(answers);
    let ended = async {
        while farm.api.0.live.open_groups() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended)
        .await
        .expect("its end");
    // The same while it rests.
    let query = "subscription { quests { id } }";
    drop(held);
    let mut answers = farm.current().answers(request(query, json!({})));
    next(&mut answers).await;
    drop(answers);
    while farm.api.0.live.open_groups() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn answers_that_all_have_taken_hold_no_room() {
    let limits = Limits {
        unsent_bytes: 30_000,
        spool_bytes: 0,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    named(&farm, "a").await;
    // There is room for two of them at once.
    let mut open = Vec::new();
    for at in 1..=10 {
        let query = NAMES.replace("first: 1", &format!("first: {at}"));
        let mut answers = farm.current().answers(request(&query, json!({})));
        let answer = next(&mut answers).await;
        assert_eq!(letter(&answer), Some('a'), "{at}");
        open.push(answers);
    }
    assert_eq!(farm.api.0.keeping.in_memory(), 0);
    // Who comes later hears the same, from a run of its own.
    let mut late = farm.current().answers(request(NAMES, json!({})));
    assert_eq!(letter(&next(&mut late).await), Some('a'));
    open.push(late);
    named(&farm, "b").await;
    // Those for whom there is no room at once hear it a little later.
    for answer in join_all(open.iter_mut().map(next)).await {
        assert_eq!(letter(&answer), Some('b'));
    }
}

#[tokio::test]
async fn what_a_live_query_could_not_read_is_read_again() {
    let limits = Limits {
        unsent_bytes: 30_000,
        spool_bytes: 0,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    named(&farm, "a").await;
    let mut answers = farm.current().answers(request(NAMES, json!({})));
    assert_eq!(letter(&next(&mut answers).await), Some('a'));
    let keeping = &farm.api.0.keeping;
    let held = [
        keeping.keep("x".repeat(15_000), [Client(1)]).await.expect("room"),
        keeping.keep("x".repeat(12_000), [Client(2)]).await.expect("room"),
    ];
    named(&farm, "b").await;
    // Who begins now is told, and ended.
    let mut refused = farm.current().answers(request(NAMES, json!({})));
    let refused = next(&mut refused).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "OVERLOADED");
    drop(held);
    // Who is there already hears the change, and no word of it.
    assert_eq!(letter(&next(&mut answers).await), Some('b'));
}

#[tokio::test]
async fn nobody_begins_with_an_old_answer() {
    let limits = Limits {
        live_pause: Duration::from_secs(2),
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let query = "subscription { item(id: \"i1\") { price } }";
    let mut first = farm.current().answers(request(query, json!({})));
    next(&mut first).await;
    farm.load("Item", vec![item("i1", "Axe", Some(11.0), &["t1"])]).await;
    // The live query hears of it, and waits for more.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let want = json!({ "data": { "item": { "price": 11 } } });
    let mut late = farm.current().answers(request(query, json!({})));
    assert_eq!(next(&mut late).await, want);
    assert_eq!(next(&mut first).await, want);
}

#[tokio::test]
async fn who_reads_nothing_of_what_changed_sleeps() {
    const QUERIES: [&str; 6] = [
        "{ items { name } }",
        "{ items { price } }",
        "{ items(where: {price: {gt: 15}}) { id } }",
        "{ tags { items { id } } }",
        "{ quests { items { item { name } } } }",
        "{ npcs { name } }",
    ];
    // Who is woken, by their places.
    let axe = |name, price, tags: &[&str]| vec![item("i1", name, Some(price), tags)];
    for (rows, woken) in [
        (axe("Axe", 10.5, &["t1", "t2"]), &[][..]),
        (axe("Axe", 11.0, &["t1", "t2"]), &[1, 2]),
        (axe("Adze", 10.5, &["t1", "t2"]), &[0, 4]),
        (axe("Axe", 10.5, &["t1"]), &[3]),
        (vec![item("i9", "New", None, &[])], &[0, 1, 2, 3, 4]),
    ] {
        // Who is woken rests for long, and has no answer for who comes meanwhile.
        let farm = Farm::stocked(Limits {
            live_pause: Duration::from_secs(3_600),
            ..Limits::default()
        });
        let farm = farm.await;
        let mut open = Vec::new();
        for query in QUERIES {
            let mut answers = farm
                .current()
                .answers(request(&format!("subscription {query}"), json!({})));
            next(&mut answers).await;
            open.push(answers);
        }
        farm.begin("Item", rows.clone()).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let sleeps = |query: &str| {
            let mut late = farm
                .current()
                .answers(request(&format!("subscription {query}"), json!({})));
            late.next().now_or_never().is_some()
        };
        let awake: Vec<usize> = (0..QUERIES.len()).filter(|at| !sleeps(QUERIES[*at])).collect();
        assert_eq!(awake, woken, "{rows:?}");
    }
}

/// Begins to hear a live query; its first answer does not come yet.
fn begun(farm: &Farm, query: &str, variables: Json) -> BoxStream<'static, ApiResponse> {
    let mut answers = farm.current().answers(request(query, variables));
    assert!(answers.next().now_or_never().is_none());
    answers
}

/// Takes every turn, each for another client.
pub(super) async fn all_turns(farm: &Farm) -> Vec<Turn> {
    let mut held = Vec::new();
    for client in 1..=farm.api.store().readers() {
        let work = Work::Request(Client(client as u128));
        let turn = farm.api.0.turns.take(work, Duration::MAX).await;
        held.push(turn.expect("a turn"));
    }
    held
}

#[tokio::test]
async fn live_queries_with_other_values_share_a_turn() {
    const MANY: usize = 20;
    let farm = Farm::stocked(Limits::default()).await;
    let together = &farm.api.0.together;
    let by_price =
        "subscription($least: Float, $first: Int) { items(where: {price: {gte: $least}}, first: $first) { id } }";
    let variables = |at: usize| json!({ "least": at, "first": at % 3 + 1 });
    // So that its plan is known, and how long it takes.
    next(&mut farm.current().answers(request(by_price, variables(100)))).await;
    let mut held = all_turns(&farm).await;
    let mut open = Vec::new();
    for at in 0..MANY {
        open.push(begun(&farm, by_price, variables(at)));
    }
    // One leaves before its turn.
    let left = begun(&farm, by_price, variables(50));
    while together.waiting() < MANY + 1 {
        for answers in &mut open {
            assert!(answers.next().now_or_never().is_none());
        }
        tokio::task::yield_now().await;
    }
    drop(left);
    while together.waiting() > MANY {
        tokio::task::yield_now().await;
    }
    // Nobody but the first one is called.
    held.pop();
    for (at, answer) in join_all(open.iter_mut().map(next)).await.into_iter().enumerate() {
        let alone = ask(&farm, &by_price.replace("subscription", "query"), variables(at)).await;
        assert_eq!(answer, alone, "{at}");
    }
    assert_eq!(together.shared.load(Ordering::Relaxed), 1);
    assert_eq!(together.waiting(), 0);
}

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Two runs of a statement that wait for turns, each a live query's of a client of its own. One
/// turn is free.
async fn two_runs(farm: &Farm, sql: &Arc<str>) -> (Vec<Turn>, [tokio::task::JoinHandle<Option<Waited>>; 2]) {
    let mut held = all_turns(farm).await;
    let asked = request("{ items { id } }", json!({}));
    let bound = farm.api.bind(asked.into()).await.expect("a bound operation");
    let mut statement = farm.api.store().compile(&bound.prepared.plan.read).expect("compiles");
    statement.sql = sql.clone();
    let runs = [101, 102].map(|client| {
        let (api, statement, bound) = (farm.api.clone(), statement.clone(), bound.clone());
        tokio::spawn(async move {
            let inner = &api.0;
            let work = Work::Live(Client(client));
            let waited = inner
                .together
                .wait(&inner.store, &statement, &bound, &inner.turns, work);
            waited.await
        })
    });
    while farm.api.0.together.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    held.pop();
    (held, runs)
}

#[tokio::test]
async fn a_shared_turn_ends_when_a_statement_hears_nothing() {
    let farm = Farm::within(Limits::default(), Some(Duration::from_millis(50))).await;
    // A single step of SQLite's that takes seconds.
    let deaf = "SELECT CAST(-1 AS BIGINT),CAST(instr(a,b) AS TEXT) FROM (SELECT replace(hex(zeroblob(400000)),'0','a') AS a,\
                replace(hex(zeroblob(200000)),'0','a')||'b' AS b)";
    let deaf: Arc<str> = deaf.into();
    let (_held, [first, second]) = two_runs(&farm, &deaf).await;
    let Some(Waited::Ran(ran)) = first.await.expect("no panic") else {
        panic!("it ran alone");
    };
    assert!(matches!(ran.read, Err(StoreError::Timeout(_))));
    drop(ran);
    let alone = second.await.expect("no panic");
    assert!(matches!(alone, Some(Waited::Turn(_))), "the turn is another's now");
    drop(alone);
    // Its thread is at work all the same, and has the statement.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(Arc::strong_count(&deaf) > 1, "the turn lasted as long as the statement");
}

#[tokio::test]
async fn a_run_in_a_shared_turn_ends_when_nobody_hears_it() {
    let farm = Farm::within(Limits::default(), Some(HOUR)).await;
    let endless =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT -1,CAST(count(*) AS TEXT) FROM n";
    let (_held, runs) = two_runs(&farm, &endless.into()).await;
    let together = &farm.api.0.together;
    // One of them is under way: else it would not begin.
    while together.begun.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    for run in runs {
        run.abort();
        assert!(run.await.is_err_and(|error| error.is_cancelled()));
    }
    let free = farm.api.0.turns.take(Work::Request(Client(7)), HOUR);
    tokio::time::timeout(MINUTE, free).await.expect("a turn");
    assert_eq!(together.shared.load(Ordering::Relaxed), 1);
}
