//! Searches as clients ask for them: lists, pages, groups and live queries, what is refused, and by
//! what an answer that is kept goes. What is found is tested in the store.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{ask, next, request};
use crate::{
    graphql::{
        Answered, Limits,
        testing::{Farm, item},
    },
    store::testing::{On, on_both},
};

on_both!(
    lists_pages_and_groups,
    what_is_wrong_is_named,
    an_answer_goes_by_its_texts
);

async fn farm(on: On) -> Farm {
    let limits = Limits {
        answer_cache: 1 << 20,
        ..Limits::default()
    };
    let farm = Farm::stocked_on(on, limits).await;
    let items = vec![
        item("s1", "Iron sword", Some(1.0), &["t1"]),
        item("s2", "Old iron, iron rust, iron", Some(2.0), &["t1"]),
        item("s3", "An iron and an old sword, and a shield", Some(3.0), &["t2"]),
        item("s4", "Shield", Some(4.0), &["t2"]),
    ];
    farm.load("Item", items).await;
    farm
}

fn ids(list: &Json) -> Vec<&str> {
    let rows = list.as_array().expect("a list").iter();
    rows.map(|row| row["id"].as_str().expect("an id")).collect()
}

async fn lists_pages_and_groups(on: On) {
    let farm = farm(on).await;
    let query = "query ($s: String) { items(search: $s) { id } }";
    for (search, want) in [
        (json!("IRON"), vec!["s2", "s1", "s3"]),
        (json!("sword iron"), vec!["s1", "s3"]),
        (json!("\"iron sword\""), vec!["s1"]),
        (json!("sh* -sword"), vec!["s4"]),
        (json!("nothing"), vec![]),
        (Json::Null, vec!["i1", "i2", "i3", "s1", "s2", "s3", "s4"]),
    ] {
        let answer = ask(&farm, query, json!({ "s": search })).await;
        assert_eq!(ids(&answer["data"]["items"]), want, "{search}: {answer}");
    }
    let answer = ask(
        &farm,
        "{ items(search: \"iron\", where: {price: {gt: 1}}, orderBy: [{price: DESC}], first: 1) { id }
           tags { items(search: \"iron\") { id } itemsConnection(search: \"iron\") { totalCount } }
           itemsGrouped(by: [{price: VALUE}], search: \"sword\") { keys { price } count } }",
        json!({}),
    )
    .await;
    let data = &answer["data"];
    assert_eq!(ids(&data["items"]), ["s3"], "{answer}");
    assert_eq!(ids(&data["tags"][0]["items"]), ["s2", "s1"], "{answer}");
    assert_eq!(data["tags"][1]["itemsConnection"]["totalCount"], 1, "{answer}");
    assert_eq!(data["itemsGrouped"].as_array().map(Vec::len), Some(2), "{answer}");
    for (cut, place) in [("first", "after"), ("last", "before")] {
        let mut cursor = Json::Null;
        let mut walked: Vec<String> = Vec::new();
        while walked.len() < 4 {
            let query = format!(
                "query ($c: String) {{ itemsConnection(search: \"iron\", {cut}: 1, {place}: $c) {{ totalCount edges {{ cursor node {{ id }} }} }} }}"
            );
            let answer = ask(&farm, &query, json!({ "c": cursor })).await;
            let page = &answer["data"]["itemsConnection"];
            assert_eq!(page["totalCount"], 3, "{answer}");
            let Some(edge) = page["edges"].get(0) else { break };
            walked.push(edge["node"]["id"].to_string());
            cursor = edge["cursor"].clone();
        }
        if cut == "last" {
            walked.reverse();
        }
        assert_eq!(walked, ["\"s2\"", "\"s1\"", "\"s3\""]);
    }
    let live = request(
        "subscription { items(search: \"axe\", first: 3) { id name } }",
        json!({}),
    );
    let mut answers = farm.current().answers(live);
    assert_eq!(ids(&next(&mut answers).await["data"]["items"]), ["i1"]);
    farm.load("Item", vec![item("s5", "Axe, an axe of iron", None, &[])])
        .await;
    assert_eq!(ids(&next(&mut answers).await["data"]["items"]), ["s5", "i1"]);
}

async fn what_is_wrong_is_named(on: On) {
    let farm = farm(on).await;
    for (query, variables, want) in [
        (
            "{ items(search: \"iron \\\"old\") { id } }",
            json!({}),
            "items.search: the quotation mark at letter 6 is not closed",
        ),
        (
            "query ($s: String) { items(search: $s) { id } }",
            json!({ "s": "-iron" }),
            "items.search ($s): only what must not be there",
        ),
        (
            "{ tags { itemsConnection(search: \"*\") { totalCount } } }",
            json!({}),
            "the `*` at letter 1",
        ),
        ("{ npcs(search: \"x\") { id } }", json!({}), "`search`"),
    ] {
        let answer = ask(&farm, query, variables).await;
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(want), "{want} is not in {answer}");
    }
}

async fn an_answer_goes_by_its_texts(on: On) {
    let farm = farm(on).await;
    let query = "{ items(search: \"iron\", orderBy: [{id: ASC}]) { id } }";
    let tag = async |has: &[_]| match farm.api.answer(Arc::new(request(query, json!({}))), has).await {
        Answered::New(_, tag) => (true, tag.expect("a tag")),
        Answered::Same(tag) => (false, tag),
    };
    let (_, first) = tag(&[]).await;
    // Another price, which nobody searched for.
    farm.load("Item", vec![item("s1", "Iron sword", Some(7.0), &["t1"])])
        .await;
    let (is_new, same) = tag(&[first]).await;
    assert!(!is_new, "a price is no text");
    farm.load("Item", vec![item("s1", "Copper sword", Some(7.0), &["t1"])])
        .await;
    let (is_new, _) = tag(&[same]).await;
    assert!(is_new, "a name is one");
}
