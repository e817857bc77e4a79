//! What compiled reads answer.

use super::*;
use crate::{
    query::{
        Compare, Direction, Filter, Nulls, Operand, Order, OutputValue, Quantifier, Root, RootValue, Select, TextTest,
        ValueOutput, ValueOutputValue,
    },
    value::Scalar,
};

fn f(field: u32) -> FieldId {
    FieldId(field)
}

fn leaf(key: &str, field: u32) -> Output {
    Output {
        key: key.to_owned(),
        value: OutputValue::Leaf(f(field)),
    }
}

fn select(entity: EntityId, output: Vec<Output>) -> Select {
    Select {
        entity,
        filter: None,
        order: vec![],
        first: None,
        offset: None,
        output,
    }
}

fn many(key: &str, field: u32, select: Select) -> Output {
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

fn value(text: &str) -> Operand {
    Operand::Value(super::text(text))
}

async fn answer(store: &Store, roots: Vec<(&str, RootValue)>, params: &[Value]) -> String {
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

#[tokio::test]
async fn nests_in_order() {
    let bench = bench().await;
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
    let want = r#"{"items":[{"id":"i1","n":"Sword","price":9.5,"__typename":"Item","seller":{"slug":"ann"},"tags":[{"id":"b"},{"id":"a"}],"requiredFor":[{"quantity":1,"quest":{"title":"First"}},{"quantity":4,"quest":{"title":"Second"}}]},{"id":"i2","n":"Shield","price":3.0,"__typename":"Item","seller":null,"tags":[],"requiredFor":[{"quantity":2,"quest":{"title":"First"}}]},{"id":"i3","n":"sw%rd_\"x\"","price":7.25,"__typename":"Item","seller":null,"tags":[{"id":"a"}],"requiredFor":[]}],"j":[1],"quests":[{"id":"q1","items":[{"quantity":2,"item":{"id":"i2"}},{"quantity":1,"item":{"id":"i1"}},{"quantity":9,"item":null}]},{"id":"q2","items":[{"quantity":4,"item":{"id":"i1"}}]}]}"#;
    assert_eq!(json, want);
}

#[tokio::test]
async fn orders_and_pages_per_parent() {
    let bench = bench().await;
    farm(&bench.store).await;
    let order = |path: &[u32], field: u32, direction, nulls| Order {
        path: path.iter().copied().map(FieldId).collect(),
        field: f(field),
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

#[tokio::test]
async fn filters_are_two_valued() {
    let bench = bench().await;
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

#[tokio::test]
async fn one_row_or_null() {
    let bench = bench().await;
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

/// Every scalar comes out of the database as `Scalar::to_wire` says, floats to the last bit.
#[tokio::test]
async fn wire_forms() {
    let bench = bench().await;
    let floats = [
        0.1,
        1e300,
        1.0 / 3.0,
        5e-324,
        0.0,
        -1.5,
        1e21,
        123456789012345680.0,
        f64::MAX,
        2.2250738585072014e-308,
    ];
    let sample = |scalar: Scalar, n: usize| -> Value {
        let texts = |a: &str, b: &str| text(if n.is_multiple_of(2) { a } else { b });
        match scalar {
            Scalar::Int => Value::Int(n as i64 - 5),
            Scalar::BigInt => Value::Int(if n.is_multiple_of(2) { i64::MIN } else { i64::MAX }),
            Scalar::Duration => [i64::MIN, i64::MAX, -500_000, 90_000_000, 0]
                .get(n)
                .copied()
                .map_or(Value::Null, Value::Int),
            Scalar::Float => Value::Float(floats[n]),
            Scalar::Boolean => Value::Bool(n.is_multiple_of(2)),
            Scalar::Decimal => texts("-12.5", "100"),
            Scalar::DateTime => texts("2026-11-21T03:20:00.000000Z", "2026-11-21T03:20:10.120000Z"),
            Scalar::Date => texts("2026-11-21", "1999-01-01"),
            Scalar::Time => texts("10:00:00.000000", "10:20:00.500000"),
            Scalar::Json => texts("{\"b\":[1,2.50],\"a\":null}", "NaN"),
            _ => texts("a\"b\\c\n\u{1f600}é\u{1}", ""),
        }
    };
    let mut all = Vec::new();
    for n in 0..floats.len() {
        let mut values = vec![Value::Int(n as i64)];
        values.extend(Scalar::ALL.iter().map(|scalar| sample(*scalar, n)));
        values.extend([text("[\"7\",\"8\"]"), Value::Null]);
        all.push(Row::new(values, vec![], vec![]));
    }
    all.push(Row::new(
        [vec![Value::Int(99)], vec![Value::Null; 16]].concat(),
        vec![],
        vec![],
    ));
    harvest(&bench.store, "Thing", THING, 0, all.clone()).await;
    let mut output = vec![leaf("id", 0)];
    output.extend((0..Scalar::ALL.len() as u32).map(|at| leaf(Scalar::ALL[at as usize].name(), at + 1)));
    let json = answer(&bench.store, vec![("r", RootValue::Many(select(THING, output)))], &[]).await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for (row, got) in all.iter().zip(json["r"].as_array().expect("rows")) {
        for (scalar, value) in Scalar::ALL.iter().zip(&row.values[1..]) {
            if *scalar != Scalar::Float {
                assert_eq!(got[scalar.name()], scalar.to_wire(value), "{scalar} {value:?}");
            }
        }
    }
    let has = |all, operands: &[i64]| Filter::Has {
        field: f(15),
        all,
        operands: operands.iter().map(|n| Operand::Value(Value::Int(*n))).collect(),
    };
    for (filter, want) in [
        (has(true, &[7, 8]), 10),
        (has(true, &[7, 9]), 0),
        (has(false, &[7, 9]), 10),
        (has(false, &[]), 0),
    ] {
        let select = Select {
            filter: Some(filter),
            ..select(THING, vec![leaf("id", 0)])
        };
        let json = answer(&bench.store, vec![("r", RootValue::Many(select))], &[]).await;
        assert_eq!(json.matches("id").count(), want);
    }
    let decimal = Order {
        path: vec![],
        field: f(7),
        direction: Direction::Ascending,
        nulls: Nulls::First,
    };
    let greater = Filter::Compare {
        field: f(7),
        compare: Compare::Gt,
        operand: value("9"),
    };
    let select = Select {
        filter: Some(greater),
        order: vec![decimal],
        first: Some(Operand::Value(Value::Int(1))),
        ..select(THING, vec![leaf("d", 7)])
    };
    assert_eq!(
        answer(&bench.store, vec![("r", RootValue::Many(select))], &[]).await,
        r#"{"r":[{"d":"100"}]}"#
    );
}

#[tokio::test]
async fn value_objects() {
    let bench = bench().await;
    farm(&bench.store).await;
    let members = || {
        let member = |key: &str, value| ValueOutput {
            key: key.to_owned(),
            value,
        };
        vec![
            member("g", ValueOutputValue::Leaf(f(0))),
            member("__typename", ValueOutputValue::Text("Reward".to_owned())),
            member("t", ValueOutputValue::Leaf(f(1))),
        ]
    };
    let reward = Output {
        key: "reward".to_owned(),
        value: OutputValue::Value {
            field: f(2),
            output: members(),
        },
    };
    let quests = Select {
        first: Some(Operand::Value(Value::Int(1))),
        ..select(QUEST, vec![reward])
    };
    let json = answer(&bench.store, vec![("r", RootValue::Many(quests))], &[]).await;
    assert_eq!(json, r#"{"r":[{"reward":{"g":5,"__typename":"Reward","t":null}}]}"#);
    let thing = |id: i64, rewards: Value| {
        Row::new(
            [vec![Value::Int(id)], vec![Value::Null; 15], vec![rewards]].concat(),
            vec![],
            vec![],
        )
    };
    let list = text(r#"[{"gold":1,"title":"a\"b"},{"gold":2,"title":null}]"#);
    harvest(
        &bench.store,
        "Thing",
        THING,
        0,
        vec![thing(1, list), thing(2, Value::Null), thing(3, text("[]"))],
    )
    .await;
    let rewards = Output {
        key: "v".to_owned(),
        value: OutputValue::Value {
            field: f(16),
            output: members(),
        },
    };
    let json = answer(
        &bench.store,
        vec![("r", RootValue::Many(select(THING, vec![rewards])))],
        &[],
    )
    .await;
    assert_eq!(
        json,
        r#"{"r":[{"v":[{"g":1,"__typename":"Reward","t":"a\"b"},{"g":2,"__typename":"Reward","t":null}]},{"v":null},{"v":[]}]}"#
    );
}

#[tokio::test]
async fn loads_by_key() {
    let bench = bench().await;
    farm(&bench.store).await;
    let statement = bench
        .store
        .compile_keyed(NPC, &[f(1)], &[leaf("id", 0)])
        .expect("compiles");
    let keys = [Key::text("ann"), Key::text("nobody"), Key::text("bob")];
    let found = bench.store.load(&statement, &keys).await.expect("loads");
    assert_eq!(found.len(), 2);
    assert_eq!(found[&keys[2]], r#"{"id":"n2"}"#);
    let statement = bench
        .store
        .compile_keyed(QUEST_ITEM, &[f(0), f(1)], &[leaf("n", 2)])
        .expect("compiles");
    let key = Key(vec![text("q1"), text("i2")]);
    let found = bench
        .store
        .load(&statement, std::slice::from_ref(&key))
        .await
        .expect("loads");
    assert_eq!(found[&key], r#"{"n":2}"#);
}

/// A statement over its limit is interrupted, and the reader serves on.
#[tokio::test]
async fn statements_time_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let catalog = Arc::new(Valid::trusted(catalog("one")));
    let layout = Arc::new(Layout::of(&catalog));
    let limit = Duration::from_millis(50);
    let store = Store::open_sqlite(&folder.path().join("farm.db"), Access::Write, catalog, layout, limit)
        .await
        .expect("a store");
    let slow = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT -1,CAST(count(*) AS TEXT) FROM n";
    let statement = Statement {
        sql: slow.into(),
        binds: Arc::new([]),
        roots: Arc::new([]),
    };
    for _ in 0..8 {
        let error = store.read(&statement, &[]).await.expect_err("too slow");
        assert!(matches!(error, StoreError::Timeout(_)), "{error:?}");
    }
    assert_eq!(store.row_counts().await.expect("counts").len(), 6);
}

/// Floats come back to the last bit, in the range that upstreams' numbers have and at the ends of the scale.
#[tokio::test]
async fn floats_are_exact() {
    let bench = bench().await;
    let mut floats = vec![
        0.1,
        1e300,
        f64::MAX,
        5e-324,
        1.0 / 3.0,
        0.30000000000000004,
        -0.7,
        1e21,
        123456789012345680.0,
    ];
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for n in 0..20_000 {
        // A fixed sequence of scattered numbers (xorshift).
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let part = (bits >> 11) as f64 / (1u64 << 53) as f64;
        floats.push(part * 10f64.powi(n % 24 - 8));
    }
    let row = |(id, float): (i64, &f64)| {
        let mut values = vec![Value::Null; 17];
        values[0] = Value::Int(id);
        values[4] = Value::Float(*float);
        Row::new(values, vec![], vec![])
    };
    harvest(&bench.store, "Thing", THING, 0, (0..).zip(&floats).map(row).collect()).await;
    let json = answer(
        &bench.store,
        vec![("r", RootValue::Many(select(THING, vec![leaf("f", 4)])))],
        &[],
    )
    .await;
    let texts = json
        .split("\"f\":")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap_or_default());
    for (float, text) in floats.iter().zip(texts) {
        assert_eq!(text.parse::<f64>().ok(), Some(*float), "{text}");
    }
}
