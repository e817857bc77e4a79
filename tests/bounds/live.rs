//! Live queries that are many, large or given up at once.

use std::fmt::Write as _;

use futures_util::future::join_all;
use serde_json::json;

use super::{ALL, MB, bystander, stocked};
use crate::harness::{Db, Socket, on_both};

on_both!(live_queries_that_are_given_up_leave_the_queue);

/// Live queries that are begun and given up.
const GIVEN_UP: usize = 600;

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

/// Live queries that nobody listens to any more, a few at work and hundreds in the queue. Each would work for seconds, and whoever
/// comes after them would wait for all of them, longer than the test does. No limit of time ends them or who waits: it would end
/// those that were first before it ends him. (What a turn does when who waits for it is dropped has a test in `graphql::turns`.)
async fn live_queries_that_are_given_up_leave_the_queue(db: Db) {
    let settings = [
        (
            "HAYLOFT_LIMITS",
            "request_timeout=3600s,socket_operations=1000,requests=2000",
        ),
        ("HAYLOFT_STATEMENT_TIMEOUT", "3600s"),
    ];
    let (_scratch, program) = stocked(db, 20 * MB, &settings).await;
    let url = format!("{}/graphql", program.url);
    let mut attack = Socket::open(&url).await;
    // It is tried at each place of each text, and fails at its last letter.
    let like = format!("%x{}y%", "_".repeat(150));
    let scan = format!("subscription($n: Int!) {{ notes(first: $n, where: {{text: {{like: \"{like}\"}}}}) {{ id }} }}");
    for id in 0..GIVEN_UP {
        let payload = json!({ "query": scan, "variables": { "n": id + 1 } });
        let message = json!({ "type": "subscribe", "id": id.to_string(), "payload": payload });
        attack.send(message).await;
    }
    // A request is begun after those, and goes before them.
    attack.subscribe("quick", "{ notes(first: 1) { id } }").await;
    let quick = attack.next().await;
    assert_eq!(
        (&quick["type"], &quick["id"]),
        (&json!("next"), &json!("quick")),
        "{quick}"
    );
    for id in 0..GIVEN_UP {
        attack.send(json!({ "type": "complete", "id": id.to_string() })).await;
    }
    let mut other = Socket::open(&url).await;
    other.subscribe("a", "subscription { notes(first: 1) { id } }").await;
    let answer = other.next().await;
    assert!(answer["payload"]["data"]["notes"].is_array(), "{answer}");
    bystander(&program).await;
}
