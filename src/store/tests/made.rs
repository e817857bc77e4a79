//! Answers that grow beyond their bounds are stopped while they are made, and the readers serve on.

use crate::query::{Direction, Filter, Form, Nulls, Operand, Order, Output, Root, RootValue, Select};

use super::{
    reads::{leaf, many, select, value},
    *,
};

on_both!(
    lists_that_are_too_long_end_their_statement,
    what_is_within_its_bounds_is_whole,
    many_roots_are_one_answer,
    loads_by_key_end_too,
    lists_of_rows_that_are_cut_off_do_not_count,
    a_batch_of_look_ups_is_many_answers,
);

const ROWS: u64 = 50;
const BYTES: u64 = 20_000;

/// 120 items have the tag `a`, and 40 of them the tag `b`.
async fn bounded(on: On) -> Bench {
    let bench = bench_on(on).await;
    harvest(&bench.store, "Tag", TAG, 0, vec![tag("a"), tag("b")]).await;
    let item = |at: usize| {
        let tags: &[&str] = if at < 40 { &["a", "b"] } else { &["a"] };
        item(&format!("i{at:03}"), &"x".repeat(300), 1.0, None, tags)
    };
    harvest(&bench.store, "Item", ITEM, 0, (0..120).map(item).collect()).await;
    bench.store.bound_answers(Bounds {
        rows: ROWS,
        bytes: BYTES,
    });
    bench
}

fn root(key: &str, value: RootValue) -> Root {
    Root {
        key: key.to_owned(),
        value,
    }
}

fn items(output: Vec<Output>, first: Option<i64>) -> Select {
    Select {
        first: first.map(|first| Operand::Value(Value::Int(first))),
        ..select(ITEM, output)
    }
}

/// A tag with its items.
fn tag_of(id: &str, items: Select) -> RootValue {
    RootValue::One(Select {
        filter: Some(Filter::Key {
            fields: vec![FieldId(0)],
            operands: vec![value(id)],
        }),
        ..select(TAG, vec![many("items", 2, items)])
    })
}

async fn read(store: &Store, roots: Vec<Root>) -> Result<String, StoreError> {
    let statement = store.compile(&Read { roots }).expect("compiles");
    Ok(store.read(&statement, &[]).await?.json)
}

/// Every reader, and whatever was left in the middle.
async fn answers(store: &Store) {
    for _ in 0..=store.readers() {
        let json = read(
            store,
            vec![root("r", RootValue::Many(items(vec![leaf("id", 0)], Some(1))))],
        )
        .await;
        assert_eq!(json.expect("an answer"), r#"{"r":[{"id":"i000"}]}"#);
    }
}

async fn lists_that_are_too_long_end_their_statement(on: On) {
    let bench = bounded(on).await;
    let store = &bench.store;
    let (id, name) = (|| vec![leaf("id", 0)], || vec![leaf("name", 1)]);
    for (what, value) in [
        ("a list", RootValue::Many(items(id(), None))),
        ("the first ones", RootValue::Many(items(id(), Some(51)))),
        ("those of a row", tag_of("a", items(id(), None))),
        ("the first of a row", tag_of("a", items(id(), Some(1_000)))),
    ] {
        match read(store, vec![root("r", value)]).await {
            Err(StoreError::Beyond(Beyond::Rows { found, most })) => assert_eq!((found, most), (51, 50), "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    // Forty names of 300 letters fit, and another forty of them beside do not.
    let both = vec![leaf("name", 1), leaf("again", 1)];
    for (what, value) in [
        ("a list", RootValue::Many(items(both.clone(), Some(40)))),
        ("those of a row", tag_of("b", items(both, None))),
    ] {
        match read(store, vec![root("r", value)]).await {
            Err(StoreError::Beyond(Beyond::Bytes { found, most })) => {
                assert_eq!(most, BYTES, "{what}");
                assert!((BYTES..2 * BYTES).contains(&found), "{what}: {found}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    let fits = read(store, vec![root("r", tag_of("b", items(name(), None)))]).await;
    assert_eq!(fits.expect("an answer").matches("name").count(), 40);
    answers(store).await;
}

async fn what_is_within_its_bounds_is_whole(on: On) {
    let bench = bounded(on).await;
    for first in [0, 1, 49, 50] {
        let value = RootValue::Many(items(vec![leaf("id", 0)], Some(first)));
        let json = read(&bench.store, vec![root("r", value)]).await.expect("an answer");
        assert_eq!(json.matches("\"id\"").count(), first as usize);
    }
    let none = read(&bench.store, vec![root("r", tag_of("b", items(vec![], Some(0))))]).await;
    assert_eq!(none.expect("an answer"), r#"{"r":{"items":[]}}"#);
    let rest = Select {
        offset: Some(Operand::Value(Value::Int(100))),
        ..items(vec![leaf("id", 0)], None)
    };
    let json = read(&bench.store, vec![root("r", RootValue::Many(rest))])
        .await
        .expect("an answer");
    assert_eq!(json.matches("\"id\"").count(), 20);
}

async fn many_roots_are_one_answer(on: On) {
    let bench = bounded(on).await;
    let names = || RootValue::Many(items(vec![leaf("name", 1)], Some(40)));
    let keys = ["a", "b", "c"];
    let roots = keys.iter().map(|key| root(key, names()));
    match read(&bench.store, roots.collect()).await {
        Err(StoreError::Beyond(Beyond::Bytes { found, most })) => {
            assert!(found > most && most == BYTES, "{found}");
        }
        other => panic!("{other:?}"),
    }
    answers(&bench.store).await;
}

async fn loads_by_key_end_too(on: On) {
    let bench = bounded(on).await;
    let output = [many("items", 2, items(vec![leaf("id", 0)], None))];
    let statement = bench.store.compile_keyed(TAG, &[FieldId(0)], &output);
    let statement = statement.expect("compiles").expect("room for keys");
    let load = async |key: &str| bench.store.load(&statement, &[], &[Key::text(key)]).await;
    let error = load("a").await.expect_err("too long");
    assert!(matches!(error, StoreError::Beyond(Beyond::Rows { .. })), "{error:?}");
    let found = load("b").await.expect("an answer");
    assert_eq!(found.rows[&Key::text("b")].matches("\"id\"").count(), 40);
}

/// The tag `a` has too many items, and is not in the answer.
async fn lists_of_rows_that_are_cut_off_do_not_count(on: On) {
    let bench = bounded(on).await;
    let by_name = |direction| Order {
        path: vec![],
        field: FieldId(1),
        form: Form::Value,
        direction,
        nulls: Nulls::Last,
    };
    for (direction, offset) in [(Direction::Descending, 0), (Direction::Ascending, 1)] {
        let last = Select {
            order: vec![by_name(direction)],
            first: Some(Operand::Value(Value::Int(1))),
            offset: Some(Operand::Value(Value::Int(offset))),
            ..select(TAG, vec![many("items", 2, items(vec![leaf("id", 0)], None))])
        };
        let json = read(&bench.store, vec![root("r", RootValue::Many(last))]).await;
        assert_eq!(json.expect("an answer").matches("\"id\"").count(), 40);
    }
}

/// Each of them is small.
async fn a_batch_of_look_ups_is_many_answers(on: On) {
    let bench = bounded(on).await;
    let statement = bench.store.compile_keyed(ITEM, &[FieldId(0)], &[leaf("name", 1)]);
    let statement = statement.expect("compiles").expect("room for keys");
    let keys: Vec<Key> = (0..120).map(|at| Key::text(format!("i{at:03}"))).collect();
    let found = bench.store.load(&statement, &[], &keys).await.expect("answers");
    assert_eq!(found.rows.len(), 120);
}
