//! How values come out of the database: the wire forms of scalars, value objects and floats.

use crate::{
    query::{
        Compare, Direction, Filter, Form, Nulls, Operand, Order, OutputValue, RootValue, Select, ValueOutput,
        ValueOutputValue,
    },
    value::Scalar,
};

use super::{
    reads::{answer, f, leaf, select, value},
    *,
};

on_both!(wire_forms, value_objects, floats_are_exact, decimals_are_exact,);

/// Every scalar comes out of the database as `Scalar::to_wire` says, floats to the last bit.
async fn wire_forms(on: On) {
    let bench = bench_on(on).await;
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
            Scalar::Json => texts("{\"b\":[1,2.50],\"a\":null}", "\"a\""),
            Scalar::Uuid => texts(
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                "00000000-0000-0000-0000-000000000000",
            ),
            _ => texts("a\"b\\c\n\t\\N\r\u{1f600}é\u{1}", ""),
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
    let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
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
        form: Form::Value,
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

async fn value_objects(on: On) {
    let bench = bench_on(on).await;
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

/// Floats come back to the last bit, whatever they are.
async fn floats_are_exact(on: On) {
    let bench = bench_on(on).await;
    let mut floats = vec![
        0.1,
        1e300,
        f64::MAX,
        5e-324,
        1.0 / 3.0,
        0.30000000000000004,
        -0.7,
        1e15,
        9e23,
        1e-5,
        0.0001,
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
        // And any number at all, by its bits.
        floats.extend(Some(f64::from_bits(bits)).filter(|float| float.is_finite()));
        // Whole numbers, some of which lie halfway between two doubles when they are written short.
        let power = n % 70;
        floats.push(((bits >> (n % 52)) as f64) * 2f64.powi(power));
        floats.push(f64::from(n % 1_000) * 10f64.powi(15 + power / 4));
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
        assert_eq!(crate::value::float_text(*float).as_deref(), Some(text));
    }
}

/// Decimals come back as they came, wherever their point and their zeros are.
async fn decimals_are_exact(on: On) {
    let bench = bench_on(on).await;
    let mut decimals: Vec<String> = ["0", "1", "-1", "10000", "9999", "1.0001", "100000000.00000001"]
        .map(str::to_owned)
        .to_vec();
    for digits in 1..=200 {
        let (zeros, nines) = ("0".repeat(digits - 1), "9".repeat(digits));
        let mixed: String = (0..digits).map(|at| ['3', '0', '7', '0', '0'][at % 5]).collect();
        decimals.extend([format!("1{zeros}"), format!("-{nines}"), format!("0.{zeros}1")]);
        decimals.extend([format!("-1{zeros}.{zeros}1"), format!("{mixed}.{nines}"), mixed]);
    }
    let at = Scalar::ALL.iter().position(|scalar| *scalar == Scalar::Decimal);
    let at = at.expect("a scalar") + 1;
    // As new rows, and as changed ones: they are written in other ways.
    for (minute, id) in [(0, 0), (1, 1)] {
        let row = |(number, decimal): (i64, &String)| {
            let mut values = vec![Value::Null; 17];
            values[0] = Value::Int(number - id);
            values[at] = text(decimal);
            Row::new(values, vec![], vec![])
        };
        let all: Vec<Row> = (1..).zip(&decimals).map(row).collect();
        harvest(&bench.store, "Thing", THING, minute, all).await;
        let leaves = vec![leaf("d", at as u32)];
        let json = answer(&bench.store, vec![("r", RootValue::Many(select(THING, leaves)))], &[]).await;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let got: Vec<&str> = json["r"]
            .as_array()
            .expect("rows")
            .iter()
            .filter_map(|row| row["d"].as_str())
            .collect();
        assert_eq!(got, decimals);
    }
}
