//! Loads by key beside each other, and those that are none for the queue to make way for.

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{join, join_all, join3},
};
use serde_json::{Value as Json, json};

use super::request;
use crate::{
    graphql::{
        Client, Code, Kind, Limits,
        keyed::Load,
        prepare::Way,
        testing::{Farm, item},
        turns::Work,
    },
    value::Key,
};

/// The load that answers a query, and its first key.
async fn load_of(farm: &Farm, query: &str) -> (Load, Key) {
    let bound = farm.api.bind(request(query, Json::Null).into()).await.expect("a plan");
    let Way::Keyed(roots) = &bound.prepared.way else {
        panic!("no load by key: {query}");
    };
    let (load, keys) = roots.wanted(bound.prepared.id.principal, &bound.params);
    (load, keys.into_iter().flatten().next().expect("a key"))
}

#[tokio::test]
async fn a_load_that_fails_is_no_other_ones_failure() {
    let farm = Farm::stocked(Limits::default()).await;
    let (items, one) = load_of(&farm, "{ item(id: \"i1\") { name } }").await;
    let (tags, tag) = load_of(&farm, "{ tag(id: \"t1\") { name } }").await;
    let no_key = Key([one.0.clone(), one.0.clone()].concat());
    let rows = &farm.api.0.rows;
    let good = rows.load(items.clone(), [one].into_iter());
    let bad = rows.load(tags.clone(), [no_key, tag.clone()].into_iter());
    let (good, bad) = join(good, bad).await;
    let found = good.map(|found| found.rows.len()).expect("the item");
    assert_eq!((found, bad.is_err()), (1, true));
    let again = rows.load(tags, [tag].into_iter()).await.expect("the tag");
    assert_eq!(again.rows.len(), 1);
}

/// The first one waits for nobody. Those that come meanwhile go together when it has ended, or was
/// given up, and nothing is left of any.
#[tokio::test]
async fn what_comes_while_a_look_up_runs_goes_together() {
    let farm = Farm::stocked(Limits::default()).await;
    let (items, one) = load_of(&farm, "{ item(id: \"i1\") { name } }").await;
    let (_, two) = load_of(&farm, "{ item(id: \"i2\") { name } }").await;
    let rows = &farm.api.0.rows;
    let load = |key: &Key| Box::pin(rows.load(items.clone(), [key.clone()].into_iter()));
    let before = farm.api.store().lookups();
    // Not one that runs: it may have ended before the next one is asked for.
    let first = rows.held(&items);
    let mut leaves = load(&one);
    assert!((&mut leaves).now_or_never().is_none(), "it joins those that wait");
    let ended = async { drop((first, leaves)) };
    let (second, third, ()) = join3(load(&two), load(&one), ended).await;
    let [second, third] = [second, third].map(|found| found.expect("found"));
    assert_eq!(second.rows.len(), 2);
    assert!(Arc::ptr_eq(&second, &third));
    assert_eq!(farm.api.store().lookups() - before, 1);
    assert!(rows.is_idle());
    assert_eq!(load(&two).await.expect("found").rows.len(), 1);
    assert!(rows.is_idle());
}

/// However many come while one runs, they are one statement. Several roots of one operation are
/// one.
#[tokio::test]
async fn a_thousand_look_ups_beside_one_are_one_statement() {
    let farm = Farm::stocked(Limits::default()).await;
    let query = |at: usize| format!("{{ item(id: \"i{}\") {{ name }} }}", at % 3);
    // The plans are made first, so that nothing else is waited for.
    let (mut loads, mut wanted) = (Vec::new(), Vec::new());
    for at in 0..1_000 {
        let (load, key) = load_of(&farm, &query(at)).await;
        loads.push(load);
        wanted.push(key);
    }
    let rows = &farm.api.0.rows;
    let before = farm.api.store().lookups();
    let first = rows.held(&loads[0]);
    let all = loads.into_iter().zip(&wanted);
    let all = join_all(all.map(|(load, key)| rows.load(load, [key.clone()].into_iter())));
    let (all, ()) = join(all, async { drop(first) }).await;
    assert_eq!(farm.api.store().lookups() - before, 1);
    for (found, key) in all.into_iter().zip(&wanted) {
        let is_there = key.0 != [crate::value::Value::Text("i0".to_owned())];
        assert_eq!(found.expect("found").rows.contains_key(key), is_there, "{key:?}");
    }
    let before = farm.api.store().lookups();
    let several = "{ a: item(id: \"i1\") { name } b: item(id: \"i2\") { name } c: item(id: \"i1\") { name } }";
    assert_eq!(farm.api.execute(request(several, json!({}))).await.kind(), Kind::Ok);
    assert_eq!(farm.api.store().lookups() - before, 1);
    assert!(rows.is_idle());
}

/// Small look-ups pass by the queue; those with much behind them, or with a search below, wait in
/// it.
#[tokio::test]
async fn look_ups_with_much_behind_them_wait_for_their_turn() {
    let limits = Limits {
        queue_wait: Duration::from_millis(20),
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    // What is estimated is what is there: forty items have one tag.
    let more = |at: usize| item(&format!("more{at}"), "x", None, &["t1"]);
    farm.load("Item", (0..40).map(more).collect()).await;
    let many = (0..2).fold("id".to_owned(), |inner, _| format!("tags {{ items {{ {inner} }} }}"));
    let queries = [
        ("{ item(id: \"i1\") { name tags { name } } }".to_owned(), true),
        (
            "{ item(id: \"i1\") { tags(first: 2) { items { id } } } }".to_owned(),
            true,
        ),
        (
            "{ item(id: \"i1\") { tags(where: {name: {eq: \"old\"}}) { id } } }".to_owned(),
            false,
        ),
        (
            "{ item(id: \"i1\") { seller { sells(orderBy: {price: DESC}, first: 1) { id } } } }".to_owned(),
            false,
        ),
        (format!("{{ item(id: \"i1\") {{ {many} }} }}"), false),
    ];
    let ask = |query: &String| farm.api.execute(request(query, json!({})));
    for (query, _) in &queries {
        assert_eq!(ask(query).await.kind(), Kind::Ok, "{query}");
    }
    let mut held = Vec::new();
    for client in 0..farm.api.store().readers() {
        let work = Work::Request(Client(1 + client as u128));
        held.push(farm.api.0.turns.take(work, Duration::MAX).await.expect("a turn"));
    }
    for (query, passes) in &queries {
        let answer = ask(query).await;
        match passes {
            true => assert_eq!(answer.kind(), Kind::Ok, "{query}"),
            false => assert_eq!(answer.errors()[0].code, Code::Overloaded, "{query}"),
        }
    }
    drop(held);
    for (query, _) in &queries {
        assert_eq!(ask(query).await.kind(), Kind::Ok, "{query}");
    }
}
