//! Values that are unique, and rows that cannot be stored for a while: what becomes free is taken without anybody's help, and what
//! is refused keeps its last good version.

use serde_json::{Value, json};

use crate::harness::{Db, Program, Reply, Scratch, Upstream, on_both};

on_both!(
    a_nested_row_comes_back_when_its_value_is_free,
    values_that_change_pages_are_exchanged,
    a_row_that_changes_its_key_keeps_its_slug,
    a_refused_nested_row_keeps_its_last_good_version
);

const ORDERS: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Order @fetch(source: \"up\", every: \"1s\", GET: \"/orders?page={$page}\", rows: \".rows[]\", pages: {last: \".last\"},\
      missing: DELETE, maxMissing: 0.9) { id: ID! slug: String @unique lines: [Line!]! @nested(jq: \".lines[]?\") }\n\
    type Line { order: Order! n: ID! @id serial: String @unique price: Int }\n";
const ALL: &str = "{ orders(orderBy: {id: ASC}) { id slug lines { n serial price } } }";

struct Shop {
    upstream: Upstream,
    program: Program,
    _scratch: Scratch,
}

impl Shop {
    /// Serves orders of several pages.
    async fn open(db: Db, pages: &[Value]) -> Shop {
        let upstream = Upstream::start().await;
        for (number, rows) in (1..).zip(pages) {
            set(&upstream, number, pages.len(), rows);
        }
        let scratch = Scratch::on(db, ORDERS);
        let program = scratch.serve(&[("UP", &upstream.url())]).await;
        Shop {
            upstream,
            program,
            _scratch: scratch,
        }
    }

    async fn becomes(&self, what: &str, orders: Value) {
        self.program
            .eventually(what, ALL, |data| data["orders"] == orders)
            .await;
    }
}

fn set(upstream: &Upstream, number: usize, last: usize, rows: &Value) {
    let page = json!({ "rows": rows, "last": last });
    upstream.set(&format!("/orders?page={number}"), Reply::json(&page));
}

fn order(id: &str, slug: Option<&str>, lines: &[(&str, &str)]) -> Value {
    let line = |(n, serial): &(&str, &str)| json!({ "n": n, "serial": serial, "price": null });
    json!({ "id": id, "slug": slug, "lines": lines.iter().map(line).collect::<Value>() })
}

async fn a_nested_row_comes_back_when_its_value_is_free(db: Db) {
    let (first, second) = (
        order("a", None, &[("1", "s1")]),
        order("b", None, &[("1", "s1"), ("2", "s2")]),
    );
    let shop = Shop::open(db, &[json!([first]), json!([second])]).await;
    shop.becomes("one is refused", json!([first, order("b", None, &[("2", "s2")])]))
        .await;
    // The page of the second never changes.
    let freed = order("a", None, &[("9", "s9")]);
    set(&shop.upstream, 1, 2, &json!([freed]));
    shop.becomes("it came back", json!([freed, second])).await;
}

async fn values_that_change_pages_are_exchanged(db: Db) {
    let pages = |one: &str, two: &str| {
        [
            order("a", Some(one), &[("1", one)]),
            order("b", Some(two), &[("1", two)]),
        ]
    };
    let before = pages("x", "y");
    let shop = Shop::open(db, &before.each_ref().map(|row| json!([row]))).await;
    shop.becomes("harvested", json!(before)).await;
    let after = pages("y", "x");
    for (number, row) in (1..).zip(&after) {
        set(&shop.upstream, number, 2, &json!([row]));
    }
    shop.becomes("exchanged", json!(after)).await;
}

async fn a_row_that_changes_its_key_keeps_its_slug(db: Db) {
    let other = order("other", Some("o"), &[]);
    let shop = Shop::open(db, &[json!([order("1", Some("x"), &[]), other])]).await;
    shop.becomes("harvested", json!([order("1", Some("x"), &[]), other]))
        .await;
    set(&shop.upstream, 1, 1, &json!([order("9", Some("x"), &[]), other]));
    shop.becomes("under its new key", json!([order("9", Some("x"), &[]), other]))
        .await;
}

async fn a_refused_nested_row_keeps_its_last_good_version(db: Db) {
    let priced = |one: Value, two: Value| {
        let lines = json!([{ "n": "1", "serial": null, "price": one }, { "n": "2", "serial": null, "price": two }]);
        json!({ "id": "a", "slug": null, "lines": lines })
    };
    let shop = Shop::open(db, &[json!([priced(json!(5), json!(7))])]).await;
    shop.becomes("harvested", json!([priced(json!(5), json!(7))])).await;
    set(&shop.upstream, 1, 1, &json!([priced(json!("cheap"), json!(8))]));
    shop.becomes("the other one changes", json!([priced(json!(5), json!(8))]))
        .await;
    set(&shop.upstream, 1, 1, &json!([priced(json!(6), json!(8))]));
    shop.becomes("and then it", json!([priced(json!(6), json!(8))])).await;
}
