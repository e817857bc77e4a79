//! Documents that differ in their literals alone: they share a plan, and are answered as if each
//! had one of its own.

use serde_json::json;

use super::{json_of, request};
use crate::{
    graphql::{DataApi, Limits, testing::Farm},
    store::testing::{On, on_both},
};

on_both!(literals_do_not_defeat_the_plans,);

/// Documents of one kind each, the first of which is right; and whether their plans are one.
const KINDS: [(&[&str], bool); 9] = [
    (
        &[
            "{ item(id: \"i1\") { id name } }",
            "{ item(id: \"i2\") { id name } }",
            "{ item(id: \"none\") { id name } }",
        ],
        true,
    ),
    (
        &[
            "{ a: item(id: \"i1\") { tags { id } } b: item(id: \"i2\") { tags { id } } }",
            "{ a: item(id: \"i2\") { tags { id } } b: item(id: \"i2\") { tags { id } } }",
        ],
        true,
    ),
    (
        &[
            "{ items(where: {price: {gt: 1.5}, name: {in: [\"Axe\", \"Bow\"]}}) { ...I } } fragment I on Item { tags(where: {id: {ne: \"t1\"}}) { id } }",
            "{ items(where: {price: {gt: 15.0}, name: {in: [\"Bow\", \"\"]}}) { ...I } } fragment I on Item { tags(where: {id: {ne: \"t2\"}}) { id } }",
        ],
        true,
    ),
    (
        &[
            "{ items(where: {worth: {gte: 12}, soldAt: {gt: \"2026-01-01T00:00:00Z\"}}) { id } }",
            "{ items(where: {worth: {gte: 13}, soldAt: {gt: \"2026-01-01T00:00:00Z\"}}) { id } }",
            // What does not fit is told as if nobody had asked before.
            "{ items(where: {worth: {gte: 12}, soldAt: {gt: \"yesterday\"}}) { id } }",
            "{ items(where: {worth: {gte: 99999999999999999999999999999999999999999999999999999}, soldAt: {gt: \"yesterday\"}}) { id } }",
        ],
        true,
    ),
    (
        &[
            "{ items(where: {name: {like: \"A%\"}, rarity: {eq: RARE}}) { id } }",
            "{ items(where: {name: {like: \"%o%\"}, rarity: {eq: RARE}}) { id } }",
        ],
        true,
    ),
    // A size is part of a plan, and so are zones and cursors.
    (
        &[
            "{ items(first: 1) { id } }",
            "{ items(first: 2) { id } }",
            "{ items(first: -1) { id } }",
        ],
        false,
    ),
    (
        &[
            "{ itemsGrouped(by: [{soldAt: {bucket: DAY, tz: \"UTC\"}}]) { count } }",
            "{ itemsGrouped(by: [{soldAt: {bucket: DAY, tz: \"Asia/Tokyo\"}}]) { count } }",
            "{ itemsGrouped(by: [{soldAt: {bucket: DAY, tz: \"Nowhere\"}}]) { count } }",
        ],
        false,
    ),
    (
        &[
            "{ __type(name: \"Item\") { name } }",
            "{ __type(name: \"Tag\") { name } }",
        ],
        false,
    ),
    (
        &[
            "query($n: Float = 1.5) { items(where: {price: {gt: $n}, id: {ne: \"i1\"}}) { id } }",
            "query($n: Float = 15.5) { items(where: {price: {gt: $n}, id: {ne: \"i1\"}}) { id } }",
        ],
        false,
    ),
];

async fn literals_do_not_defeat_the_plans(on: On) {
    let farm = Farm::stocked_on(on, Limits::default()).await;
    for (documents, is_one) in KINDS {
        let planner = &farm.api.0.planner;
        let mut before = planner.plans();
        for (at, document) in documents.iter().enumerate() {
            let alone = DataApi::new(farm.api.0.catalog.clone(), farm.api.store().clone(), Limits::default());
            let want = json_of(&alone.expect("a schema").execute(request(document, json!({}))).await);
            let got = json_of(&farm.api.execute(request(document, json!({}))).await);
            assert_eq!(got, want, "{document}");
            assert!(at > 0 || want.get("errors").is_none(), "{want}");
            let (new, is_right) = (planner.plans() - before, want.get("errors").is_none());
            assert_eq!(new, usize::from(at == 0 || is_right && !is_one), "{document}");
            before = planner.plans();
        }
    }
}

/// As many plans are kept as the limit says: those that were asked for last.
#[tokio::test]
async fn plans_that_nobody_asks_for_go_first() {
    let limits = Limits {
        plans: 2,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let ask = async |query: &str| {
        let before = farm.api.plan_figures();
        let answer = json_of(&farm.api.execute(request(query, json!({}))).await);
        assert!(answer.get("errors").is_none(), "{answer}");
        let now = farm.api.plan_figures();
        assert_eq!(now.hits + now.misses, before.hits + before.misses + 1);
        (now.hits > before.hits, now.entries)
    };
    let [first, second, third] = ["{ items { id } }", "{ tags { id } }", "{ npcs { id } }"];
    for (query, want) in [
        (first, (false, 1)),
        (second, (false, 2)),
        (first, (true, 2)),
        (third, (false, 2)),
        (first, (true, 2)),
        (second, (false, 2)),
        (third, (false, 2)),
    ] {
        assert_eq!(ask(query).await, want, "{query}");
    }
}
