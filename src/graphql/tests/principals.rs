//! Two who ask the same at the same time: what is kept or shared for one is never the other's.

use std::sync::{Arc, atomic::Ordering};

use futures_util::{
    FutureExt, StreamExt,
    future::{join, join_all},
    stream::BoxStream,
};
use serde_json::{Value as Json, json};

use super::{ask, live::all_turns, next, request};
use crate::graphql::{
    ApiRequest, ApiResponse, Client, Limits, Principal,
    prepare::{Bound, Way},
    testing::Farm,
};

/// The same request from the same place, by one of two.
fn by(number: u128, query: &str, variables: Json) -> ApiRequest {
    request(query, variables).by(Client::default(), Principal::numbered(number))
}

async fn bound(farm: &Farm, number: u128, query: &str) -> Bound {
    let request = by(number, query, Json::Null);
    farm.api.bind(request.into()).await.expect("a plan")
}

#[tokio::test]
async fn plans_are_each_principals_own() {
    let farm = Farm::stocked(Limits::default()).await;
    // Those that hold their answer, load by key, and are a statement.
    for query in [
        "{ __schema { types { name } } }",
        "{ item(id: \"i1\") { name } }",
        "{ items { id } }",
    ] {
        let [one, other, again] = [
            bound(&farm, 1, query).await,
            bound(&farm, 2, query).await,
            bound(&farm, 1, query).await,
        ];
        assert!(!Arc::ptr_eq(&one.prepared, &other.prepared), "{query}");
        assert!(Arc::ptr_eq(&one.prepared, &again.prepared), "{query}");
    }
}

#[tokio::test]
async fn loads_do_not_join_those_of_another_principal() {
    let farm = Farm::stocked(Limits::default()).await;
    let mut loads = Vec::new();
    // The first one of each goes alone; those that come while it runs go together.
    for (number, key) in [(1, "i1"), (1, "i1"), (2, "i1"), (2, "i1"), (1, "i2"), (2, "i2")] {
        let bound = bound(&farm, number, &format!("{{ item(id: \"{key}\") {{ name }} }}")).await;
        let Way::Keyed(roots) = &bound.prepared.way else {
            panic!("no load by key");
        };
        loads.push(roots.wanted(bound.prepared.id.principal, &bound.params));
    }
    let rows = &farm.api.0.rows;
    let found = loads
        .into_iter()
        .map(|(load, keys)| rows.load(load, keys.into_iter().flatten()));
    let found = join_all(found).await.into_iter().map(|found| found.expect("rows"));
    let found: Vec<_> = found.collect();
    assert!(Arc::ptr_eq(&found[1], &found[4]), "one batch");
    assert!(Arc::ptr_eq(&found[3], &found[5]), "one batch");
    assert!(!Arc::ptr_eq(&found[1], &found[3]), "a batch of its own");
    let rows: Vec<usize> = found.iter().map(|found| found.rows.len()).collect();
    assert_eq!(rows, [1, 2, 1, 2, 2, 2]);
}

#[tokio::test]
async fn live_queries_are_heard_by_their_principal_alone() {
    let farm = Farm::stocked(Limits::default()).await;
    let live = &farm.api.0.live;
    let mut open = Vec::new();
    for (number, groups) in [(1, 1), (1, 1), (2, 2), (0, 3)] {
        let request = by(number, "subscription { items { id } }", json!({}));
        let mut answers = farm.current().answers(request);
        next(&mut answers).await;
        assert_eq!(live.open_groups(), groups, "{number}");
        open.push(answers);
    }
}

#[tokio::test]
async fn turns_are_shared_with_the_same_principal_alone() {
    const EACH: usize = 5;
    let farm = Farm::stocked(Limits::default()).await;
    let together = &farm.api.0.together;
    let by_price = "subscription($least: Float) { items(where: {price: {gte: $least}}) { id } }";
    // So that their plans are known, and how long they take.
    for number in [1, 2] {
        let request = by(number, by_price, json!({ "least": 100 }));
        next(&mut farm.current().answers(request)).await;
    }
    let mut held = all_turns(&farm).await;
    let mut open: Vec<BoxStream<'static, ApiResponse>> = Vec::new();
    for at in 0..EACH {
        for number in [1, 2] {
            let request = by(number, by_price, json!({ "least": at }));
            let mut answers = farm.current().answers(request);
            assert!(answers.next().now_or_never().is_none());
            open.push(answers);
        }
    }
    while together.waiting() < 2 * EACH {
        for answers in &mut open {
            assert!(answers.next().now_or_never().is_none());
        }
        tokio::task::yield_now().await;
    }
    // One turn, which comes to each of the two once.
    held.pop();
    for (at, answer) in join_all(open.iter_mut().map(next)).await.into_iter().enumerate() {
        let query = by_price.replace("subscription", "query");
        assert_eq!(answer, ask(&farm, &query, json!({ "least": at / 2 })).await, "{at}");
    }
    assert_eq!(together.shared.load(Ordering::Relaxed), 2);
    assert_eq!(together.waiting(), 0);
}

/// The answers are the same as long as there are no rights, and each is its own.
#[tokio::test]
async fn requests_at_the_same_time_are_answered() {
    let farm = Farm::stocked(Limits::default()).await;
    let ask = |number| {
        farm.api
            .execute(by(number, "{ item(id: \"i1\") { name } }", Json::Null))
    };
    let (one, other) = join(ask(1), ask(2)).await;
    assert_eq!(one.body(), other.body());
}
