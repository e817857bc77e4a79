//! What compiled reads answer.

use crate::query::{
    Compare, Direction, Filter, Form, Nulls, Operand, Order, OutputValue, Quantifier, Root, RootValue, Select, TextTest,
};

use super::*;

on_both!(
    nests_in_order,
    orders_and_pages_per_parent,
    filters_are_two_valued,
    one_row_or_null,
    text_is_ordered_by_code_points,
    patterns_of_any_length,
    loads_by_key,
    loads_by_key_bind_other_values,
    statements_time_out,
);

pub(super) fn f(field: u32) -> FieldId {
    FieldId(field)
}

pub(super) fn leaf(key: &str, field: u32) -> Output {
    Output {
        key: key.to_owned(),
        value: OutputValue::Leaf(f(field)),
    }
}

pub(super) fn select(entity: EntityId, output: Vec<Output>) -> Select {
    Select {
        entity,
        filter: None,
        order: vec![],
        first: None,
        offset: None,
        output,
    }
}

pub(super) fn many(key: &str, field: u32, select: Select) -> Output {
    Output {
        key: key.to_owned(),
        value: OutputValue::Many {
            field: f(field),
            select,
        },
    }
}

fn one(key: &str, field: u32, output: Vec<Output>) -> Output {
    Output {
        key: key.to_owned(),
        value: OutputValue::One {
            field: f(field),
            output,
        },
    }
}

pub(super) fn value(text: &str) -> Operand {
    Operand::Value(super::text(text))
}

pub(super) async fn answer(store: &Store, roots: Vec<(&str, RootValue)>, params: &[Value]) -> String {
    let roots = roots
        .into_iter()
        .map(|(key, value)| Root {
            key: key.to_owned(),
            value,
        })
        .collect();
    let statement = store.compile(&Read { roots }).expect("compiles");
    store.read(&statement, params).await.expect("answers").json
}

async fn ids(store: &Store, filter: Filter) -> String {
    let select = Select {
        filter: Some(filter),
        ..select(ITEM, vec![leaf("id", 0)])
    };
    let json = answer(store, vec![("r", RootValue::Many(select))], &[]).await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let list = json["r"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["id"].as_str().expect("an id").to_owned());
    list.collect::<Vec<_>>().join(" ")
}

async fn nests_in_order(on: On) {
    let bench = bench_on(on).await;
    farm(&bench.store).await;
    let quest = one("quest", 0, vec![leaf("title", 1)]);
    let lines = select(QUEST_ITEM, vec![leaf("quantity", 2), quest]);
    let typename = Output {
        key: "__typename".to_owned(),
        value: OutputValue::Text("Item".to_owned()),
    };
    let seller = one("seller", 5, vec![leaf("slug", 1)]);
    let tags = many("tags", 6, select(TAG, vec![leaf("id", 0)]));
    let items = select(
        ITEM,
        vec![
            leaf("id", 0),
            leaf("n", 1),
            leaf("price", 3),
            typename,
            seller,
            tags,
            many("requiredFor", 7, lines),
        ],
    );
    let item_of = one("item", 1, vec![leaf("id", 0)]);
    let quests = select(
        QUEST,
        vec![
            leaf("id", 0),
            many("items", 4, select(QUEST_ITEM, vec![leaf("quantity", 2), item_of])),
        ],
    );
    let json = answer(
        &bench.store,
        vec![
            ("items", RootValue::Many(items)),
            ("j", RootValue::Json("[1]".to_owned())),
            ("quests", RootValue::Many(quests)),
        ],
        &[],
    )
    .await;
    let want = r#"{"items":[{"id":"i1","n":"Sword","price":9.5,"__typename":"Item","seller":{"slug":"ann"},"tags":[{"id":"b"},{"id":"a"}],"requiredFor":[{"quantity":1,"quest":{"title":"First"}},{"quantity":4,"quest":{"title":"Second"}}]},{"id":"i2","n":"Shield","price":3,"__typename":"Item","seller":null,"tags":[],"requiredFor":[{"quantity":2,"quest":{"title":"First"}}]},{"id":"i3","n":"sw%rd_\"x\"","price":7.25,"__typename":"Item","seller":null,"tags":[{"id":"a"}],"requiredFor":[]}],"j":[1],"quests":[{"id":"q1","items":[{"quantity":2,"item":{"id":"i2"}},{"quantity":1,"item":{"id":"i1"}},{"quantity":9,"item":null}]},{"id":"q2","items":[{"quantity":4,"item":{"id":"i1"}}]}]}"#;
    assert_eq!(json, want);
}

async fn orders_and_pages_per_parent(on: On) {
    let bench = bench_on(on).await;
    farm(&bench.store).await;
    let order = |path: &[u32], field: u32, direction, nulls| Order {
        path: path.iter().copied().map(FieldId).collect(),
        field: f(field),
        form: Form::Value,
        direction,
        nulls,
    };
    let by_price = Select {
        order: vec![order(&[], 3, Direction::Descending, Nulls::Last)],
        first: Some(Operand::Param(0)),
        offset: Some(Operand::Value(Value::Int(1))),
        ..select(ITEM, vec![leaf("id", 0)])
    };
    let by_seller = Select {
        order: vec![order(&[5], 1, Direction::Ascending, Nulls::First)],
        ..select(ITEM, vec![leaf("id", 0)])
    };
    let last = Select {
        order: vec![order(&[], 2, Direction::Descending, Nulls::Last)],
        first: Some(Operand::Value(Value::Int(1))),
        ..select(QUEST_ITEM, vec![leaf("n", 2)])
    };
    let quests = select(QUEST, vec![many("top", 4, last)]);
    let json = answer(
        &bench.store,
        vec![
            ("a", RootValue::Many(by_price)),
            ("b", RootValue::Many(by_seller)),
            ("c", RootValue::Many(quests)),
        ],
        &[Value::Int(1)],
    )
    .await;
    assert_eq!(
        json,
        r#"{"a":[{"id":"i3"}],"b":[{"id":"i2"},{"id":"i3"},{"id":"i1"}],"c":[{"top":[{"n":9}]},{"top":[{"n":4}]}]}"#
    );
}

async fn filters_are_two_valued(on: On) {
    let bench = bench_on(on).await;
    farm(&bench.store).await;
    let not = |filter| Filter::Not(Box::new(filter));
    let test = |test, operand: &str| Filter::Text {
        field: f(1),
        test,
        operand: value(operand),
    };
    let home = |filter| Filter::One {
        field: f(5),
        filter: Box::new(filter),
    };
    let tags = |quantifier, id: &str| Filter::Many {
        field: f(6),
        quantifier,
        filter: Box::new(Filter::Compare {
            field: f(0),
            compare: Compare::Eq,
            operand: value(id),
        }),
    };
    let price = |compare| Filter::Compare {
        field: f(3),
        compare,
        operand: Operand::Value(Value::Float(7.25)),
    };
    let image = || Filter::Compare {
        field: f(2),
        compare: Compare::Eq,
        operand: value("x"),
    };
    let cases = [
        (Filter::And(vec![]), "i1 i2 i3"),
        (Filter::Or(vec![]), ""),
        (image(), ""),
        (not(image()), "i1 i2 i3"),
        (price(Compare::Gte), "i1 i3"),
        (not(price(Compare::Gt)), "i2 i3"),
        (
            Filter::In {
                field: f(0),
                operands: vec![value("i3"), value("i1")],
            },
            "i1 i3",
        ),
        (
            Filter::In {
                field: f(0),
                operands: vec![],
            },
            "",
        ),
        (Filter::IsNull { field: f(5) }, "i3"),
        (Filter::IsNull { field: f(7) }, "i3"),
        (test(TextTest::Contains, "w"), "i1 i3"),
        (test(TextTest::Contains, "%"), "i3"),
        (test(TextTest::StartsWith, "S"), "i1 i2"),
        (test(TextTest::StartsWith, ""), "i1 i2 i3"),
        (test(TextTest::EndsWith, "d"), "i1 i2"),
        (test(TextTest::EndsWith, ""), "i1 i2 i3"),
        (test(TextTest::EndsWith, "a much longer text than the value"), ""),
        (test(TextTest::Like, "S_o%"), "i1"),
        (test(TextTest::Like, "s%"), "i3"),
        (test(TextTest::Like, "sw\\%r%"), "i3"),
        (test(TextTest::Like, "*"), ""),
        (test(TextTest::ILike, "s%D"), "i1 i2"),
        // A backslash at the end stands for itself.
        (test(TextTest::Like, "Sword\\"), ""),
        (test(TextTest::ILike, "sword\\"), ""),
        (test(TextTest::ILike, "sword"), "i1"),
        (home(Filter::And(vec![])), "i1"),
        (
            home(Filter::Compare {
                field: f(1),
                compare: Compare::Eq,
                operand: value("bob"),
            }),
            "",
        ),
        (tags(Quantifier::Some, "b"), "i1"),
        (tags(Quantifier::Every, "a"), "i2 i3"),
        (tags(Quantifier::None, "b"), "i2 i3"),
        (
            Filter::Key {
                fields: vec![f(0)],
                operands: vec![value("i2")],
            },
            "i2",
        ),
    ];
    for (filter, want) in cases {
        let shown = format!("{filter:?}");
        assert_eq!(ids(&bench.store, filter).await, want, "{shown}");
    }
}

/// The order of bytes, which is that of code points, whatever the database's own order is.
async fn text_is_ordered_by_code_points(on: On) {
    let bench = bench_on(on).await;
    let names = [
        "a",
        "B",
        "Z",
        "_",
        "é",
        "e\u{301}",
        "z",
        "ß",
        "\u{e000}",
        "\u{1f600}",
        "ｚ",
        "a b",
        "a-b",
        "ab",
        "A",
    ];
    let all = names
        .iter()
        .map(|name| Row::new(vec![text(name), text(name)], vec![], vec![]));
    harvest(&bench.store, "Tag", TAG, 0, all.collect()).await;
    let json = answer(
        &bench.store,
        vec![("r", RootValue::Many(select(TAG, vec![leaf("id", 0)])))],
        &[],
    )
    .await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let rows = json["r"].as_array().expect("rows").iter();
    let got: Vec<&str> = rows.filter_map(|row| row["id"].as_str()).collect();
    let mut want = names.to_vec();
    want.sort_unstable();
    assert_eq!(got, want);
}

async fn one_row_or_null(on: On) {
    let bench = bench_on(on).await;
    farm(&bench.store).await;
    let by = |id: &str| Select {
        filter: Some(Filter::Key {
            fields: vec![f(0)],
            operands: vec![value(id)],
        }),
        ..select(ITEM, vec![leaf("id", 0)])
    };
    let json = answer(
        &bench.store,
        vec![("a", RootValue::One(by("i1"))), ("b", RootValue::One(by("no")))],
        &[],
    )
    .await;
    assert_eq!(json, r#"{"a":{"id":"i1"},"b":null}"#);
}

/// SQLite's own matching takes patterns of 50,000 bytes, and those of `GLOB` are longer than they
/// were written.
async fn patterns_of_any_length(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    // The server goes back for each sign: what it does with long texts is its own, and takes as long
    // as a statement may.
    let many = |count: usize| if on == On::Sqlite { count } else { count / 5 };
    let names = ["ab".repeat(many(40_000)), "*".repeat(many(20_000)), "ab".to_owned()];
    let items = names.iter().enumerate();
    let items = items.map(|(at, name)| item(&format!("i{at}"), name, 1.0, None, &[]));
    harvest(store, "Item", ITEM, 0, items.collect()).await;
    let matching = async |test, pattern: String| {
        let operand = value(&pattern);
        let field = f(1);
        let yes = ids(
            store,
            Filter::Text {
                field,
                test,
                operand: operand.clone(),
            },
        )
        .await;
        let not = Filter::Not(Box::new(Filter::Text { field, test, operand }));
        format!("{yes}|{}", ids(store, not).await)
    };
    for (pattern, want) in [
        ("ab".repeat(many(40_000)), "i0|i1 i2"),
        ("a_".repeat(many(40_000)), "i0|i1 i2"),
        ("ab".repeat(many(40_000) - 1), "|i0 i1 i2"),
        (format!("{}%", "ab".repeat(many(30_000))), "i0|i1 i2"),
        (format!("%{}", "ba".repeat(many(30_000))), "|i0 i1 i2"),
        (format!("%{}", "_".repeat(many(50_000) + 1)), "i0|i1 i2"),
        ("%a".repeat(many(10_000)), "|i0 i1 i2"),
        ("%ab".repeat(many(10_000)), "i0|i1 i2"),
        ("*".repeat(many(20_000)), "i1|i0 i2"),
        ("%".repeat(many(10_000)), "i0 i1 i2|"),
        ("a%".to_owned(), "i0 i2|i1"),
    ] {
        let shown = &pattern[..4.min(pattern.len())];
        assert_eq!(
            matching(TextTest::Like, pattern.clone()).await,
            want,
            "{shown}… of {}",
            pattern.len()
        );
        let upper = pattern.to_uppercase();
        assert_eq!(
            matching(TextTest::ILike, upper).await,
            want,
            "{shown}… of {}",
            pattern.len()
        );
    }
    let upper = "AB".repeat(40_000);
    assert_eq!(matching(TextTest::Like, upper).await, "|i0 i1 i2");
}

async fn loads_by_key(on: On) {
    let bench = bench_on(on).await;
    farm(&bench.store).await;
    let compiled = async |entity, by: &[FieldId], output: &[Output]| {
        let statement = bench.store.compile_keyed(entity, by, output);
        statement.expect("compiles").expect("room for keys")
    };
    let statement = compiled(NPC, &[f(1)], &[leaf("id", 0)]).await;
    let keys = [Key::text("ann"), Key::text("nobody"), Key::text("bob")];
    let found = bench.store.load(&statement, &[], &keys).await.expect("loads").rows;
    assert_eq!(found.len(), 2);
    assert_eq!(found[&keys[2]], r#"{"id":"n2"}"#);
    let statement = compiled(QUEST_ITEM, &[f(0), f(1)], &[leaf("n", 2)]).await;
    let key = [Key(vec![text("q1"), text("i2")])];
    let found = bench.store.load(&statement, &[], &key).await.expect("loads").rows;
    assert_eq!(found[&key[0]], r#"{"n":2}"#);
}

/// Operands of what is selected below a key come with the load, whatever their number; the keys
/// follow them.
async fn loads_by_key_bind_other_values(on: On) {
    let bench = bench_on(on).await;
    farm(&bench.store).await;
    let dear = Select {
        filter: Some(Filter::Compare {
            field: f(2),
            compare: Compare::Gte,
            operand: Operand::Param(1),
        }),
        first: Some(Operand::Param(0)),
        offset: Some(Operand::Value(Value::Int(0))),
        ..select(QUEST_ITEM, vec![leaf("n", 2)])
    };
    let output = [many("lines", 7, dear)];
    let statement = bench.store.compile_keyed(ITEM, &[f(0)], &output);
    let statement = statement.expect("compiles").expect("room for keys");
    let keys = ["i1", "i2", "i9", "i3"].map(Key::text);
    for (first, least, one, two) in [
        (9, 1, "[{\"n\":1},{\"n\":4}]", "[{\"n\":2}]"),
        (1, 2, "[{\"n\":4}]", "[{\"n\":2}]"),
        (0, 0, "[]", "[]"),
    ] {
        let params = [Value::Int(first), Value::Int(least)];
        let found = bench.store.load(&statement, &params, &keys).await.expect("loads").rows;
        assert_eq!(found[&keys[0]], format!("{{\"lines\":{one}}}"), "{params:?}");
        assert_eq!(found[&keys[1]], format!("{{\"lines\":{two}}}"), "{params:?}");
        assert_eq!(found.get(&keys[2]), None);
        assert_eq!(found[&keys[3]], "{\"lines\":[]}");
    }
    let error = bench.store.load(&statement, &[], &keys).await.expect_err("no values");
    assert!(error.to_string().contains("needs parameter"), "{error}");
    // More operands than leave room for the keys of a whole statement.
    let many_ids = Filter::In {
        field: f(0),
        operands: (0..31_000).map(|at| value(&at.to_string())).collect(),
    };
    let crowded = Select {
        filter: Some(many_ids),
        ..select(TAG, vec![leaf("id", 0)])
    };
    let statement = bench.store.compile_keyed(ITEM, &[f(0)], &[many("tags", 6, crowded)]);
    assert!(statement.expect("compiles").is_none());
}

/// A statement over its limit is interrupted, and the reader serves on.
async fn statements_time_out(on: On) {
    let place = Place::new(on);
    let catalog = Arc::new(Valid::trusted(catalog("one")));
    let layout = Arc::new(Layout::of(&catalog));
    let limit = Duration::from_millis(50);
    let store = Store::open_within(&place.url, Access::Write, catalog, layout, Some(limit))
        .await
        .expect("a store");
    let slow = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT CAST(-1 AS BIGINT),CAST(count(*) AS TEXT) FROM n";
    let statement = statement(slow);
    for _ in 0..8 {
        let error = store.read(&statement, &[]).await.expect_err("too slow");
        assert!(matches!(error, StoreError::Timeout(_)), "{error:?}");
    }
    // So short a limit may be over before anything is counted, where the machine has something else
    // to do.
    let counts = loop {
        match store.row_counts().await {
            Err(StoreError::Timeout(_)) => {}
            counts => break counts.expect("counts"),
        }
    };
    assert_eq!(counts.len(), 6);
}
