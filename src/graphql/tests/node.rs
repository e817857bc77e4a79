//! Rows by their own ids, whatever type they are of.

use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::{ask, json_of, next, request};
use crate::{
    graphql::{
        Limits,
        testing::{Farm, item},
    },
    query::sealed,
    store::testing::{On, on_both},
};

on_both!(
    ids_find_their_rows,
    concurrent_nodes_of_a_type_are_one_statement,
    a_live_node_follows_its_row,
);

const NODE: &str =
    "query($id: ID!) { node(nodeId: $id) { __typename nodeId ... on Item { name } ... on Tag { name } } }";

fn id(of: &str, key: &[&str]) -> String {
    sealed(&format!("@{of} {}", json!(key)))
}

/// The ids that the API gives are those by which it finds the rows, of types in turn by one
/// document, as a variable and as a literal.
async fn ids_find_their_rows(on: On) {
    let farm = Farm::stocked_on(on, Limits::default()).await;
    let all = "{ items { nodeId } quests { nodeId } questItems { nodeId } npcs { nodeId } tags { nodeId } }";
    let all = ask(&farm, all, Json::Null).await;
    let lists = all["data"].as_object().expect("lists").values();
    let ids: Vec<&str> = lists
        .flat_map(|rows| rows.as_array().expect("rows"))
        .map(|row| row["nodeId"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids.len(), 10, "{all}");
    let plans = || farm.api.0.planner.plans();
    let before = plans();
    for at in (0..ids.len()).chain(0..ids.len()).map(|at| at * 7 % ids.len()) {
        let found = ask(&farm, NODE, json!({ "id": ids[at] })).await;
        assert_eq!(found["data"]["node"]["nodeId"], ids[at], "{found}");
        let literal = format!("{{ node(nodeId: \"{}\") {{ nodeId }} }}", ids[at]);
        let found = ask(&farm, &literal, Json::Null).await;
        assert_eq!(found, json!({ "data": { "node": { "nodeId": ids[at] } } }));
    }
    assert_eq!(plans() - before, 10, "one for each type and document");
}

async fn concurrent_nodes_of_a_type_are_one_statement(on: On) {
    let farm = Farm::stocked_on(on, Limits::default()).await;
    // A slow machine may spread them over several waits of the loader, but not every time.
    let mut fewest = u64::MAX;
    for _ in 0..1_000 {
        let before = farm.api.store().lookups();
        let asked = (0..40).map(|at: usize| {
            let (of, key) = [("Item", "i1"), ("Tag", "t1"), ("Item", "i2"), ("Item", "none")][at % 4];
            ask(&farm, NODE, json!({ "id": id(of, &[key]) }))
        });
        for (at, answer) in join_all(asked).await.into_iter().enumerate() {
            let want = [json!("Axe"), json!("sharp"), json!("Bow"), Json::Null][at % 4].clone();
            assert_eq!(answer["data"]["node"]["name"], want, "{answer}");
        }
        fewest = fewest.min(farm.api.store().lookups() - before);
        if fewest == 4 {
            break;
        }
    }
    assert_eq!(
        fewest, 4,
        "statements for two types, of each the first look-up's and one of all others"
    );
}

async fn a_live_node_follows_its_row(on: On) {
    let farm = Farm::stocked_on(on, Limits::default()).await;
    let live = NODE.replacen("query", "subscription", 1);
    let mut answers = farm
        .current()
        .answers(request(&live, json!({ "id": id("Item", &["i1"]) })));
    assert_eq!(next(&mut answers).await["data"]["node"]["name"], "Axe");
    farm.load("Item", vec![item("i1", "Hammer", None, &[])]).await;
    assert_eq!(next(&mut answers).await["data"]["node"]["name"], "Hammer");
    farm.replace("Item", vec![item("i2", "Bow", None, &[])]).await;
    assert_eq!(next(&mut answers).await, json!({ "data": { "node": null } }));
    let refused = farm
        .api
        .execute(request(NODE, json!({ "id": id("Npc", &["n1", "n2"]) })))
        .await;
    let refused = json_of(&refused);
    assert!(
        refused["errors"][0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("`Npc` had another key")),
        "{refused}"
    );
}
