//! Who hears a live query that shows a rollup: of a row that it counts, and of nothing else.

use futures_util::{FutureExt, StreamExt};
use serde_json::json;

use super::{next, request};
use crate::graphql::{
    Limits,
    testing::{Farm, row},
};

const TEXT: &str = r#"
type Shop @f {
  id: ID! sales: [Sale!]! @inverse(field: "shop")
  saleCount: Int! @rollup(of: "sales", fn: COUNT)
  noted: Int! @rollup(of: "sales", fn: COUNT, where: {note: {eq: "new"}})
}
type Sale @f { id: ID! shop: Shop note: String kind: String }
"#;

async fn shops(limits: Limits) -> Farm {
    let farm = Farm::of(TEXT, limits).await;
    farm.load("Shop", vec![row(&["a", "", ""]), row(&["b", "", ""])]).await;
    farm.load("Sale", vec![row(&["1", "a", "old", "x"])]).await;
    farm
}

#[tokio::test]
async fn a_row_that_comes_or_goes_is_heard_in_what_counts_it() {
    let farm = shops(Limits::default()).await;
    let query = "subscription { shops { saleCount } }";
    let mut answers = farm.current().answers(request(query, json!({})));
    let counts = |a, b| json!({ "data": { "shops": [{ "saleCount": a }, { "saleCount": b }] } });
    assert_eq!(next(&mut answers).await, counts(1, 0));
    farm.load("Sale", vec![row(&["2", "b", "old", "x"])]).await;
    assert_eq!(next(&mut answers).await, counts(1, 1));
    farm.load("Sale", vec![row(&["1", "b", "old", "x"])]).await;
    assert_eq!(next(&mut answers).await, counts(0, 2));
    farm.replace("Sale", vec![row(&["1", "b", "old", "x"])]).await;
    assert_eq!(next(&mut answers).await, counts(0, 1));
}

#[tokio::test]
async fn who_shows_a_rollup_sleeps_while_nothing_that_it_goes_by_changes() {
    const QUERIES: [&str; 3] = ["{ shops { saleCount } }", "{ shops { noted } }", "{ shops { id } }"];
    // Who is woken, by their places.
    for (sale, woken) in [
        (["1", "a", "old", "y"], &[][..]),
        (["1", "a", "older", "x"], &[]),
        (["1", "a", "new", "x"], &[1]),
        (["2", "a", "old", "x"], &[0]),
        (["2", "b", "new", "x"], &[0, 1]),
        (["1", "b", "old", "x"], &[0]),
    ] {
        // Who is woken rests for long, and has no answer for who comes meanwhile.
        let limits = Limits {
            live_pause: std::time::Duration::from_secs(3_600),
            ..Limits::default()
        };
        let farm = shops(limits).await;
        let ask = |query: &str| {
            let query = format!("subscription {query}");
            farm.current().answers(request(&query, json!({})))
        };
        let mut open = Vec::new();
        for query in QUERIES {
            let mut answers = ask(query);
            next(&mut answers).await;
            open.push(answers);
        }
        farm.begin("Sale", vec![row(&sale)]).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let sleeps = |query: &str| ask(query).next().now_or_never().is_some();
        let awake: Vec<usize> = (0..QUERIES.len()).filter(|at| !sleeps(QUERIES[*at])).collect();
        assert_eq!(awake, woken, "{sale:?}");
    }
}

#[tokio::test]
async fn a_group_is_served_as_long_as_it_has_rows() {
    const GROUPS: &str = r#"
type Sale @f { id: ID! note: String }
type ByNote @rollup(of: "Sale", by: ["note"]) { id: ID! note: String sales: Int! @rollup(fn: COUNT) }
"#;
    let farm = Farm::of(GROUPS, Limits::default()).await;
    farm.load("Sale", vec![row(&["1", "a"])]).await;
    let query = "subscription { byNotes(where: {sales: {gt: 0}}) { id sales } }";
    let mut answers = farm.current().answers(request(query, json!({})));
    let group = |note: &str, sales: u32| json!({ "id": format!("[\"{note}\"]"), "sales": sales });
    let a = json!({ "data": { "byNotes": [group("a", 1)] } });
    assert_eq!(next(&mut answers).await, a);
    farm.load("Sale", vec![row(&["2", "b"]), row(&["3", "b"])]).await;
    let both = json!({ "data": { "byNotes": [group("a", 1), group("b", 2)] } });
    assert_eq!(next(&mut answers).await, both);
    farm.replace("Sale", vec![row(&["2", "b"])]).await;
    let b = json!({ "data": { "byNotes": [group("b", 1)] } });
    assert_eq!(next(&mut answers).await, b);
}
