//! Pages while rows come and go, and what is refused of them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::ask;
use crate::{
    graphql::{
        Limits,
        testing::{Farm, item},
    },
    value::Row,
};

/// Items by their keys, each with a price or none.
type Stock = BTreeMap<String, Option<f64>>;

fn rows(stock: &Stock) -> Vec<Row> {
    let row = |(id, price): (&String, &Option<f64>)| item(id, "x", *price, &[]);
    stock.iter().map(row).collect()
}

/// Between two pages rows come before and behind the cursor, the row that it names goes, and so do
/// others. Those that stay are met once, in both directions, by values and by nulls.
#[tokio::test]
async fn rows_that_stay_are_met_once() {
    for order in [
        "",
        "{price: ASC}",
        "{price: DESC}",
        "{price: ASC_NULLS_FIRST}",
        "{price: DESC_NULLS_FIRST}",
    ] {
        for (count, start, end) in [("first", "after", "endCursor"), ("last", "before", "startCursor")] {
            let farm = Farm::empty(Limits::default()).await;
            let price = |at: usize| (!at.is_multiple_of(3)).then_some((at / 4) as f64);
            let mut stock: Stock = (0..40).map(|at| (format!("i{at:02}"), price(at))).collect();
            let mut staying: Vec<String> = stock.keys().cloned().collect();
            let (mut met, mut cursor): (Vec<String>, Json) = (Vec::new(), Json::Null);
            for round in 0.. {
                farm.replace("Item", rows(&stock)).await;
                let query = format!(
                    "query($c: String) {{ itemsConnection({count}: 4, orderBy: [{order}], {start}: $c) \
                     {{ nodes {{ id }} pageInfo {{ {end} }} }} }}"
                );
                let page = ask(&farm, &query, json!({ "c": cursor })).await;
                let page = &page["data"]["itemsConnection"];
                let ids = page["nodes"].as_array().expect("rows").iter();
                let ids: Vec<String> = ids.map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
                if ids.is_empty() {
                    break;
                }
                cursor = page["pageInfo"][end].clone();
                let last = if count == "first" { ids.last() } else { ids.first() };
                // The row at the cursor goes, and one that is still to come; others come
                // everywhere.
                let later = staying
                    .iter()
                    .find(|id| !met.contains(id) && !ids.contains(id))
                    .cloned();
                for gone in last.cloned().into_iter().chain(later.filter(|_| round % 2 == 0)) {
                    stock.remove(&gone);
                    staying.retain(|id| *id != gone);
                }
                if round < 8 {
                    stock.insert(format!("i{round:02}x"), price(round * 5 + 1));
                    stock.insert(format!("i{:02}y", 39 - round), None);
                }
                met.extend(ids);
            }
            for id in &staying {
                let times = met.iter().filter(|found| *found == id).count();
                assert_eq!(times, 1, "{count} by [{order}]: {id} in {met:?}");
            }
        }
    }
}

#[tokio::test]
async fn pages_by_the_letter() {
    let farm = Farm::stocked(Limits::default()).await;
    let cases = [
        // Of both ends nothing is cut.
        (
            "{ itemsConnection { nodes { id } pageInfo { hasNextPage hasPreviousPage } } }",
            json!({ "nodes": [{ "id": "i1" }, { "id": "i2" }, { "id": "i3" }], "pageInfo": { "hasNextPage": false, "hasPreviousPage": false } }),
        ),
        (
            "{ itemsConnection(first: 0) { edges { cursor } pageInfo { hasNextPage startCursor endCursor } totalCount } }",
            json!({ "edges": [], "pageInfo": { "hasNextPage": true, "startCursor": null, "endCursor": null }, "totalCount": 3 }),
        ),
        (
            "{ itemsConnection(last: 2, first: null) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } }",
            json!({ "nodes": [{ "id": "i2" }, { "id": "i3" }], "pageInfo": { "hasNextPage": false, "hasPreviousPage": true } }),
        ),
        (
            "{ itemsConnection(where: {name: {eq: \"Bow\"}}, last: 5) { __typename t: totalCount nodes { tagsConnection(first: 1) { totalCount nodes { name } edges { __typename node { id } } } } } }",
            json!({ "__typename": "ItemConnection", "t": 1, "nodes": [
                { "tagsConnection": { "totalCount": 1, "nodes": [{ "name": "old" }], "edges": [{ "__typename": "TagEdge", "node": { "id": "t2" } }] } } ] }),
        ),
    ];
    for (query, want) in cases {
        let answer = ask(&farm, query, json!({})).await;
        assert_eq!(answer["data"]["itemsConnection"], want, "{query}\n{answer}");
    }
    // A row between two cursors.
    let query = "query($a: String, $b: String, $n: Int) { itemsConnection(after: $a, before: $b, first: $n) \
                 { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } } }";
    let all = ask(&farm, query, json!({})).await;
    let cursor = |at: usize| all["data"]["itemsConnection"]["edges"][at]["cursor"].clone();
    for (variables, want) in [
        (json!({ "a": cursor(0), "b": cursor(2) }), (vec!["i2"], true, true)),
        (
            json!({ "a": cursor(0), "b": cursor(2), "n": 1 }),
            (vec!["i2"], false, true),
        ),
        (json!({ "a": cursor(2), "b": cursor(0) }), (vec![], true, true)),
        (json!({ "b": cursor(1) }), (vec!["i1"], true, false)),
        (json!({ "a": cursor(2) }), (vec![], false, true)),
    ] {
        let answer = ask(&farm, query, variables.clone()).await;
        let page = &answer["data"]["itemsConnection"];
        let ids: Vec<&str> = page["edges"]
            .as_array()
            .expect("edges")
            .iter()
            .filter_map(|edge| edge["node"]["id"].as_str())
            .collect();
        let info = &page["pageInfo"];
        let found = (
            ids,
            info["hasNextPage"] == json!(true),
            info["hasPreviousPage"] == json!(true),
        );
        assert_eq!(found, want, "{variables}");
    }
    let refused = [
        (
            "{ itemsConnection(first: 1, last: 1) { totalCount } }",
            "itemsConnection.last: a page is cut from one end; give `first` or `last`, not both",
        ),
        (
            "{ itemsConnection(last: -1) { totalCount } }",
            "itemsConnection.last: -1 is negative; give 0 or more",
        ),
        (
            "{ items { tagsConnection(after: \"x\") { totalCount } } }",
            "items.tagsConnection.after: this is no cursor, or it was changed or cut off on its way; give it as it stands in `startCursor`, `endCursor` or the `cursor` of an edge",
        ),
    ];
    for (query, want) in refused {
        let answer = ask(&farm, query, json!({})).await;
        assert_eq!(answer["errors"][0]["message"], want, "{query}");
    }
}
