//! How databases find the rows of a page: by the index of its order, wherever the page stands.

use super::{
    changes::open,
    reads::{answer, f, leaf},
    *,
};
use crate::query::{
    Connection, ConnectionValue, Direction, Filter, Form, Member, Nulls, Operand, Order, Output, OutputValue,
    Place as At, Root, RootValue, Select,
};

on_both!(pages_are_found_by_an_index, duplicates_are_counted_as_the_list_has_them);

const THINGS: &str = "type Thing @f { id: ID! price: Float @index name: String! @index }";

/// How a page of four is found, by these values of a cursor or from the beginning.
async fn way(store: &Store, order: Option<(u32, Direction)>, after: Option<Vec<Value>>, backwards: bool) -> String {
    let order = order.map(|(field, direction)| Order {
        path: vec![],
        field: f(field),
        form: Form::Value,
        direction,
        nulls: Nulls::Last,
    });
    let select = Select {
        entity: EntityId(0),
        filter: None,
        order: order.into_iter().collect(),
        first: Some(Operand::Value(Value::Int(4))),
        offset: None,
        output: vec![],
    };
    let place = after.map(|values| At(values.into_iter().map(Operand::Value).collect()));
    let (after, before) = if backwards { (None, place) } else { (place, None) };
    let connection = Connection {
        select,
        backwards,
        after,
        before,
        signature: "s".to_owned(),
        output: vec![Member {
            key: "nodes".to_owned(),
            value: ConnectionValue::Nodes(vec![leaf("id", 0)]),
        }],
    };
    let root = Root {
        key: "r".to_owned(),
        value: RootValue::Connection(connection),
    };
    let statement = store.compile(&Read { roots: vec![root] }).expect("compiles");
    store.explain(&statement, &[]).await.expect("a plan").plan.join("\n")
}

async fn pages_are_found_by_an_index(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, THINGS).await.expect("a store");
    let price = |at: i64| {
        if at % 50 == 0 {
            Value::Null
        } else {
            Value::Float(at as f64)
        }
    };
    let row = |at: i64| {
        let values = vec![text(&format!("k{at:05}")), price(at), text(&format!("n{at:05}"))];
        Row::new(values, vec![], vec![])
    };
    harvest(&store, "Thing", EntityId(0), 0, (0..6_000).map(row).collect()).await;
    store.finish_indexes().await.expect("they are built");
    let middle = |value: Value| Some(vec![value, text("k03000")]);
    let (key, prices, names) = ("thing$id$key", "thing$price$index", "thing$name$index");
    let cases = [
        (key, None, None, false),
        (key, None, Some(vec![text("k03000")]), false),
        (key, None, Some(vec![text("k03000")]), true),
        (prices, Some((1, Direction::Ascending)), None, false),
        (prices, Some((1, Direction::Descending)), None, false),
        (
            prices,
            Some((1, Direction::Ascending)),
            middle(Value::Float(3_000.0)),
            false,
        ),
        (
            prices,
            Some((1, Direction::Descending)),
            middle(Value::Float(3_000.0)),
            false,
        ),
        (
            prices,
            Some((1, Direction::Descending)),
            middle(Value::Float(3_000.0)),
            true,
        ),
        // Of the nulls either index will do.
        ("thing$", Some((1, Direction::Ascending)), middle(Value::Null), false),
        (names, Some((2, Direction::Ascending)), middle(text("n03000")), false),
        (names, Some((2, Direction::Descending)), middle(text("n03000")), true),
    ];
    for (index, order, after, backwards) in cases {
        let plan = way(&store, order, after.clone(), backwards).await;
        let told = format!("{on:?} {order:?} {after:?} backwards: {backwards}\n{plan}");
        assert!(plan.contains(index), "{told}");
        // A table that is gone through as a whole.
        let whole = plan.lines().any(|line| match on {
            On::Sqlite => line.trim_start().starts_with("SCAN t") && !line.contains("USING"),
            On::Postgres => line.contains("Seq Scan on thing"),
        });
        assert!(!whole, "{told}");
    }
}

/// A row that is linked twice stands twice in the list, and in its pages.
async fn duplicates_are_counted_as_the_list_has_them(on: On) {
    let place = Place::new(on);
    let linked = "type Tag @f { id: ID! items: [Item!]! @inverse(field: \"tags\") } \
                  type Item @f { id: ID! tags: [Tag!]! @ref(jq: \".tags[]\") }";
    let store = open(&place.url, Access::Write, linked).await.expect("a store");
    let tag = |id: &str| Row::new(vec![text(id)], vec![], vec![]);
    harvest(&store, "Tag", EntityId(0), 0, vec![tag("a"), tag("b")]).await;
    let tags = ["a", "b", "a", "a"].map(Key::text).to_vec();
    let item = Row::new(vec![text("i")], vec![tags], vec![]);
    harvest(&store, "Item", EntityId(1), 1, vec![item]).await;
    let page = |entity: u32, field: u32, key: &str, after: Vec<Value>| {
        let select = Select {
            entity: EntityId(1 - entity),
            filter: None,
            order: vec![],
            first: Some(Operand::Value(Value::Int(2))),
            offset: None,
            output: vec![],
        };
        let after = (!after.is_empty()).then(|| At(after.into_iter().map(Operand::Value).collect()));
        let member = |key: &str, value| Member {
            key: key.to_owned(),
            value,
        };
        let connection = Connection {
            select,
            backwards: false,
            after,
            before: None,
            signature: "s".to_owned(),
            output: vec![
                member("nodes", ConnectionValue::Nodes(vec![leaf("id", 0)])),
                member("totalCount", ConnectionValue::TotalCount),
            ],
        };
        let pages = Output {
            key: "pages".to_owned(),
            value: OutputValue::Connection {
                field: f(field),
                connection,
            },
        };
        RootValue::One(Select {
            entity: EntityId(entity),
            filter: Some(Filter::Key {
                fields: vec![f(0)],
                operands: vec![Operand::Value(text(key))],
            }),
            order: vec![],
            first: None,
            offset: None,
            output: vec![pages],
        })
    };
    let cases = [
        (page(1, 1, "i", vec![]), r#"[{"id":"a"},{"id":"b"}],"totalCount":4"#),
        (
            page(1, 1, "i", vec![Value::Int(1), text("b")]),
            r#"[{"id":"a"},{"id":"a"}],"totalCount":4"#,
        ),
        (page(0, 1, "a", vec![]), r#"[{"id":"i"}],"totalCount":1"#),
    ];
    for (root, want) in cases {
        let json = answer(&store, vec![("r", root)], &[]).await;
        assert_eq!(json, format!(r#"{{"r":{{"pages":{{"nodes":{want}}}}}}}"#));
    }
}
