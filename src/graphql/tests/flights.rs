//! Equal operations under way: who leads them, and what becomes of the others when nobody does.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use serde_json::{Value as Json, json};

use super::{ask, json_of, live::all_turns, request};
use crate::{
    graphql::{
        Client, Limits,
        answers::{Asked, State},
        known::FLIGHTS_MAX,
        testing::{Farm, item},
    },
    store::testing::{On, on_both},
};

on_both!(
    who_is_refused_its_turn_leads_nobody,
    a_lost_leader_has_a_follower,
    who_loses_all_runs_in_its_own_place,
    what_a_commit_falls_into_is_led_anew,
);

const QUERY: &str = "{ items(first: 1) { price } }";

async fn farm(on: On, queue_wait: Duration) -> Farm {
    let limits = Limits {
        answer_cache: 1 << 20,
        queue_wait,
        ..Limits::default()
    };
    let farm = Farm::stocked_on(on, limits).await;
    // Its plan is known, and its estimate; its answer is too old.
    ask(&farm, QUERY, json!({})).await;
    price(&farm, 11.0).await;
    farm
}

/// The figures of the rows are known again afterwards.
async fn price(farm: &Farm, price: f64) {
    farm.load("Item", vec![item("i1", "Axe", Some(price), &["t1"])]).await;
    ask(farm, "{ items(first: 1) { name price } }", json!({})).await;
}

type Asking = Pin<Box<dyn Future<Output = Json> + Send>>;

/// Clients that have asked, and wait. Nobody of them has to look for commits first.
async fn waiting(farm: &Farm, clients: std::ops::Range<u128>) -> Vec<Asking> {
    farm.api.store().look().await.expect("a look");
    let mut all: Vec<Asking> = clients.map(|client| asking(farm, client)).collect();
    for one in &mut all {
        assert!(one.now_or_never().is_none(), "it waits");
    }
    all
}

fn asking(farm: &Farm, client: u128) -> Asking {
    let request = request(QUERY, json!({})).by(Client(client), Default::default());
    let api = farm.api.clone();
    Box::pin(async move { json_of(&api.execute(request).await) })
}

async fn all(waiting: Vec<Asking>) -> Vec<Json> {
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(waiting));
    all.await.expect("in time")
}

fn costs(price: i64) -> Json {
    json!({ "data": { "items": [{ "price": price }] } })
}

const LONG: Duration = Duration::from_secs(60);

async fn who_is_refused_its_turn_leads_nobody(on: On) {
    const WAIT: Duration = Duration::from_secs(4);
    let farm = farm(on, WAIT).await;
    let held = all_turns(&farm).await;
    let mut first = waiting(&farm, 100..101).await;
    // The others come so much later that their time is not over with its own.
    let early = tokio::time::timeout(WAIT / 2, &mut first[0]).await;
    assert!(early.is_err(), "{early:?}");
    let others = waiting(&farm, 101..104).await;
    let before = farm.api.store().statements();
    // Nobody but this one is asked whether its time is over.
    let refused = (&mut first[0]).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "OVERLOADED", "{refused}");
    drop(held);
    for answer in all(others).await {
        assert_eq!(answer, costs(11));
    }
    assert_eq!(farm.api.store().statements() - before, 1);
    assert_eq!(farm.api.0.answers.under_way(), 0);
}

/// What is known to all who ask for it.
async fn asked(farm: &Farm) -> Asked {
    let bound = farm
        .api
        .plan(Arc::new(request(QUERY, json!({}))))
        .await
        .expect("a plan");
    Asked {
        plan: bound.prepared.id,
        params: bound.params,
    }
}

async fn a_lost_leader_has_a_follower(on: On) {
    let farm = farm(on, LONG).await;
    let asked = asked(&farm).await;
    let leader = farm.api.0.answers.join(&asked);
    let running = leader.begin().expect("nobody runs it");
    let others = waiting(&farm, 100..110).await;
    let before = farm.api.store().statements();
    drop(running);
    for answer in all(others).await {
        assert_eq!(answer, costs(11));
    }
    assert_eq!(farm.api.store().statements() - before, 1);
    drop(leader);
    assert_eq!(farm.api.0.answers.under_way(), 0);
}

/// Each runs for itself then, in the place in the line that it has: nobody waits behind places that
/// come to those who wait for another one.
async fn who_loses_all_runs_in_its_own_place(on: On) {
    let farm = farm(on, LONG).await;
    let asked = asked(&farm).await;
    let answers = &farm.api.0.answers;
    let held = all_turns(&farm).await;
    let leader = answers.join(&asked);
    let running = leader.begin().expect("nobody runs it");
    let mut others = waiting(&farm, 100..120).await;
    drop(running);
    for _ in 1..FLIGHTS_MAX {
        let leader = answers.join(&asked);
        let _running = leader.begin().expect("nobody runs it");
        for one in &mut others {
            assert!(one.now_or_never().is_none(), "it waits");
        }
    }
    for one in &mut others {
        assert!(one.now_or_never().is_none(), "it waits for its turn");
    }
    drop(held);
    for answer in all(others).await {
        assert_eq!(answer, costs(11));
    }
    drop(leader);
    assert_eq!(answers.under_way(), 0);
}

async fn what_a_commit_falls_into_is_led_anew(on: On) {
    let farm = farm(on, LONG).await;
    let known = farm.api.store().known().expect("a look");
    let asked = asked(&farm).await;
    let leader = farm.api.0.answers.join(&asked);
    let running = leader.begin().expect("nobody runs it");
    let earlier = waiting(&farm, 100..103).await;
    price(&farm, 12.0).await;
    let later = waiting(&farm, 200..210).await;
    let before = farm.api.store().statements();
    let text = costs(11)["data"].to_string();
    let data = farm.api.0.keeping.keep(text, [Client(1)]).await.expect("room");
    let state = State {
        era: known.era,
        head: known.upto,
    };
    running.land(Some((data, state)));
    for answer in all(earlier).await {
        assert_eq!(answer, costs(11), "it was asked for before the commit");
    }
    assert_eq!(farm.api.store().statements(), before);
    for answer in all(later).await {
        assert_eq!(answer, costs(12));
    }
    assert_eq!(farm.api.store().statements() - before, 1);
    drop(leader);
    assert_eq!(farm.api.0.answers.under_way(), 0);
}
