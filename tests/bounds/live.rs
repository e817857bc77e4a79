//! Live queries that are many, large or given up at once.

use std::fmt::Write as _;

use futures_util::future::join_all;
use serde_json::json;

use super::{ALL, MB, bystander, stocked};
use crate::harness::{Db, Socket};

/// Answers that were sent hold nothing: forty live queries of 160 kB each, where there is room for some of them on their way.
#[tokio::test]
async fn live_queries_hold_no_room_that_answers_need() {
    let limits = "unsent_bytes=1000000,spool_bytes=3000000";
    let (scratch, program) = stocked(Db::Sqlite, MB, &[("HAYLOFT_LIMITS", limits)]).await;
    let mut sockets = Vec::new();
    for first in 0..40 {
        let mut socket = Socket::open(&format!("{}/graphql", program.url)).await;
        let query = format!("subscription {{ notes(first: {}) {{ id text }} }}", 40 + first);
        socket.subscribe("a", &query).await;
        let answer = socket.next().await;
        assert_eq!(answer["type"], "next", "{first}: {}", answer["payload"]);
        sockets.push(socket);
    }
    // There is room for a large answer on the disk as ever.
    assert_eq!(program.query(ALL).await["notes"].as_array().map(Vec::len), Some(250));
    let mut lines = String::new();
    for id in 0..250 {
        let note = json!({ "id": id.to_string(), "text": "y".repeat(4_000) });
        writeln!(lines, "{note}").expect("a line");
    }
    scratch.write("notes.ndjson", &lines);
    scratch.must(&["harvest"], &[]).await;
    for answer in join_all(sockets.iter_mut().map(Socket::next)).await {
        let text = answer["payload"]["data"]["notes"][0]["text"].as_str();
        assert!(text.is_some_and(|text| text.starts_with('y')), "{}", answer["payload"]);
    }
}

/// Live queries that are begun and given up at once: what nobody waits for takes no turn from others.
#[tokio::test]
async fn live_queries_that_are_given_up_leave_the_queue() {
    let limits = [("HAYLOFT_LIMITS", "request_timeout=10s")];
    let (_scratch, program) = stocked(Db::Sqlite, 40 * MB, &limits).await;
    let mut attack = Socket::open(&format!("{}/graphql", program.url)).await;
    let scan = "subscription($n: Int!) { notes(first: $n, where: {text: {contains: \"nowhere\"}}) { id } }";
    for round in 0..50 {
        for id in 0..40 {
            let payload = json!({ "query": scan, "variables": { "n": round * 40 + id } });
            let message = json!({ "type": "subscribe", "id": id.to_string(), "payload": payload });
            attack.send(message).await;
        }
        attack.send(json!({ "type": "ping" })).await;
        while attack.next().await["type"] != "pong" {}
        for id in 0..40 {
            attack.send(json!({ "type": "complete", "id": id.to_string() })).await;
        }
    }
    let mut other = Socket::open(&format!("{}/graphql", program.url)).await;
    other.subscribe("a", "subscription { notes(first: 1) { id } }").await;
    let answer = other.next().await;
    assert!(answer["payload"]["data"]["notes"].is_array(), "{answer}");
    bystander(&program).await;
}
