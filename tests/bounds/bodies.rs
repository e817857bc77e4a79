//! Request bodies that stop half-way, come drop by drop, or hold more values than bytes.

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{MB, Peak, bystander, fairness::from, frame, post, rest_of, said, serve, socket_on, status_of};
use crate::harness::Socket;

/// Connections that each send half a body.
const HALVES: usize = 400;
/// What bodies take together, two pieces of what each connection has read, and what a small program grows by.
const HALVES_MAX: usize = 64 * MB + HALVES * 2 * 64 * 1_024 + 50 * MB;

/// They share a budget; who has no part of it is told so, and those that do not get on are given up.
#[tokio::test]
async fn half_sent_bodies_have_a_budget_and_an_end() {
    let (_scratch, program) = serve(&[]).await;
    let peak = Peak::begin(&program);
    let half = post(&program, 1_000_000, &" ".repeat(990_000));
    let attacks = (0..HALVES).map(|_| async {
        let mut stream = said(&program, b"").await;
        let _ = stream.write_all(&half).await;
        stream
    });
    let mut streams = join_all(attacks).await;
    bystander(&program).await;
    let statuses = join_all(streams.iter_mut().map(|stream| async {
        let rest = rest_of(stream).await;
        String::from_utf8_lossy(rest.get(9..12).unwrap_or_default()).into_owned()
    }));
    let statuses = statuses.await;
    let count = |status: &str| statuses.iter().filter(|found| *found == status).count();
    assert!(count("408") > 0 && count("503") + count("") > 300, "{statuses:?}");
    peak.stays_within(&program, HALVES_MAX);
    bystander(&program).await;
    // Now there is room again.
    let mut whole = said(&program, &post(&program, 900_000, &" ".repeat(900_000))).await;
    assert_eq!(status_of(&mut whole).await, 400);
}

#[tokio::test]
async fn bodies_that_do_not_get_on_are_given_up() {
    let (_scratch, program) = serve(&[]).await;
    let mut stream = said(&program, &post(&program, 100, "{")).await;
    assert_eq!(status_of(&mut stream).await, 408);
    bystander(&program).await;
}

/// A megabyte of empty objects takes some hundred in memory; values count, not bytes.
#[tokio::test]
async fn dense_bodies_count_by_what_they_hold() {
    let (_scratch, program) = serve(&[]).await;
    let peak = Peak::begin(&program);
    let list = format!("[{}0]", "{},".repeat(330_000));
    let body = format!("{{\"query\":\"query($a: Int) {{ __typename }}\",\"variables\":{{\"a\":{list}}}}}");
    let dense = post(&program, body.len(), &body);
    let attacks = (0..16).map(|_| async {
        let mut stream = said(&program, &dense).await;
        status_of(&mut stream).await
    });
    let statuses = join_all(attacks).await;
    assert!(statuses.contains(&503), "{statuses:?}");
    bystander(&program).await;
    peak.stays_within(&program, 130 * MB);
}

/// A live query is kept as long as it lives, and with it what was sent for it: one message does not take what is there for all.
#[tokio::test]
async fn one_message_does_not_take_the_budget_of_all() {
    let (_scratch, program) = serve(&[]).await;
    let url = format!("{}/graphql", program.url);
    // Each takes 320 bytes of 64 MB.
    let heavy = |objects: usize| {
        let list = "{},".repeat(objects);
        format!("{{\"query\":\"subscription {{ notes {{ id }} }}\",\"extensions\":{{\"x\":[{list}0]}}}}")
    };
    let subscribe = |objects: usize| format!("{{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{}}}", heavy(objects));
    let mut greedy = Socket::open(&url).await;
    greedy.send_text(&subscribe(190_000)).await;
    assert_eq!(greedy.close_code().await, 1013);
    let mut content = Socket::open(&url).await;
    content.send_text(&subscribe(150_000)).await;
    assert_eq!(content.next().await["type"], "next");
    // The part that is left is for others.
    let mut more = Socket::open(&url).await;
    more.send_text(&subscribe(30_000)).await;
    assert_eq!(more.close_code().await, 1013);
    let mut other = socket_on(&program, from(&program, "127.0.0.2").await).await;
    let message = subscribe(20_000);
    let message = frame(1, message.len(), message.as_bytes());
    other.write_all(&message).await.expect("bytes are sent");
    let mut told = [0; 4_096];
    let mut heard = 0;
    while !String::from_utf8_lossy(&told[..heard]).contains("next") {
        heard += other.read(&mut told[heard..]).await.expect("an answer");
        assert!(heard < told.len(), "{}", String::from_utf8_lossy(&told));
    }
    bystander(&program).await;
}
