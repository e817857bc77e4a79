//! Sockets whose client reads nothing, or sends halves.

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{ALL, MB, Peak, bystander, flood, frame, rest_of, serve, socket, stocked, text_frame};
use crate::harness::{Db, PATIENCE, Socket, on_both};

on_both!(
    answers_that_a_socket_does_not_read_hold_no_memory_and_no_reader,
    a_large_answer_is_whole_on_a_socket,
);

/// Each ping calls for a pong; nobody reads them.
#[tokio::test]
async fn pings_of_a_client_that_reads_nothing_do_not_pile_up() {
    let (_scratch, program) = serve(&[]).await;
    let peak = Peak::begin(&program);
    let mut stream = socket(&program).await;
    let pings = frame(9, 125, &[b'p'; 125]).repeat(500);
    let most = 200 * MB;
    let sent = flood(&mut stream, &pings, most).await;
    assert!(sent < most, "all pings were taken");
    bystander(&program).await;
    peak.stays_within(&program, 24 * MB);
}

/// The same for messages that call for messages.
#[tokio::test]
async fn messages_of_a_client_that_reads_nothing_do_not_pile_up() {
    let (_scratch, program) = serve(&[]).await;
    let subscribe = |id: usize, query: &str| {
        text_frame(&json!({ "type": "subscribe", "id": id.to_string(), "payload": { "query": query } }))
    };
    let ping = text_frame(&json!({ "type": "ping", "payload": { "x": "x".repeat(100) } }));
    // Each with an id of its own: one that is open would end the socket before anything piles up. Answers count to what waits
    // to be sent, in memory and on the disk, so that they alone could not grow beyond that.
    let all = |query| (0..20_000).flat_map(|id| subscribe(id, query)).collect::<Vec<u8>>();
    let faulty = all("{ nope }");
    let large = all("{ __schema { types { name fields { name } } } }");
    for (name, messages) in [("pings", ping.repeat(500)), ("faults", faulty), ("answers", large)] {
        let peak = Peak::begin(&program);
        let mut stream = socket(&program).await;
        let sent = flood(&mut stream, &messages, 100 * MB).await;
        assert!(sent < 100 * MB, "all {name} were taken");
        bystander(&program).await;
        peak.stays_within(&program, 24 * MB);
    }
}

/// Fifty large answers for one socket that reads none of them, while others ask for lists.
async fn answers_that_a_socket_does_not_read_hold_no_memory_and_no_reader(db: Db) {
    let (_scratch, program) = stocked(db, 6 * MB, &[]).await;
    program.query(ALL).await;
    let peak = Peak::begin(&program);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = socket(&program).await;
        for id in 0..50 {
            let message = json!({ "type": "subscribe", "id": id.to_string(), "payload": { "query": ALL } });
            stream.write_all(&text_frame(&message)).await.expect("bytes are sent");
        }
        streams.push(stream);
    }
    for _ in 0..5 {
        bystander(&program).await;
    }
    // Those that were not read are ended.
    let pong = frame(10, 0, &[]);
    join_all(streams.iter_mut().map(|stream| flood(stream, &pong, usize::MAX))).await;
    bystander(&program).await;
    peak.stays_within(&program, 260 * MB);
}

/// A large answer comes in pieces, and is whole.
async fn a_large_answer_is_whole_on_a_socket(db: Db) {
    let (_scratch, program) = stocked(db, 3 * MB, &[]).await;
    let mut socket = Socket::open(&format!("{}/graphql", program.url)).await;
    let want = program.query(ALL).await;
    for id in ["a", "b"] {
        socket.subscribe(id, ALL).await;
        let got = socket.next().await;
        assert!(got["payload"]["data"] == want, "another answer");
        assert_eq!(socket.next().await, json!({ "type": "complete", "id": id }));
    }
}

/// What a large message took is free again after it, however long its socket stays open.
#[tokio::test]
async fn large_messages_leave_nothing_behind() {
    let (_scratch, program) = serve(&[]).await;
    let peak = Peak::begin(&program);
    let ping = text_frame(&json!({ "type": "ping", "payload": "x".repeat(MB) }));
    let mut streams = Vec::new();
    for _ in 0..100 {
        let mut stream = socket(&program).await;
        stream.write_all(&ping).await.expect("bytes are sent");
        heard(&mut stream, r#"{"type":"pong"}"#).await;
        streams.push(stream);
    }
    bystander(&program).await;
    peak.stays_within(&program, 40 * MB);
}

/// Reads until something has come.
async fn heard(stream: &mut TcpStream, what: &str) {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(what) {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut all)).await;
        assert_ne!(read.expect("more in time").expect("more"), 0, "it ended");
    }
}

/// Half a message is held until its other half comes: within a budget, and not for long.
///
/// The end is held twice, as in `http2::heads_that_never_end_have_a_budget_and_an_end`: by the deadline of half a message, and by
/// pings that cannot be answered in the middle of a frame.
#[tokio::test]
async fn half_messages_have_a_budget_and_an_end() {
    let (_scratch, program) = serve(&[]).await;
    let peak = Peak::begin(&program);
    let half = frame(1, 1_000_000, &[b'x'; 990_000]);
    let attacks = (0..400).map(|_| async {
        let mut stream = socket(&program).await;
        // Some are refused at once.
        let _ = stream.write_all(&half).await;
        stream
    });
    let mut streams = join_all(attacks).await;
    bystander(&program).await;
    join_all(streams.iter_mut().map(rest_of)).await;
    peak.stays_within(&program, 180 * MB);
    bystander(&program).await;
    // Whoever comes next has room for a large message.
    let mut next = Socket::open(&format!("{}/graphql", program.url)).await;
    let query = format!("{{ __typename {} }}", " ".repeat(30_000));
    next.subscribe("a", &query).await;
    assert_eq!(next.next().await["type"], "next");
}
