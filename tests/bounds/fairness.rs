//! One client with very much work, and another with a little.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use super::{MB, address, bystander, query, rest_of, said, socket_on, status_of, stocked, text_frame};
use crate::harness::{Db, PATIENCE, Program, on_both};

on_both!(a_client_with_much_to_do_slows_itself);

/// Work without an index and without a result.
const SCAN: &str = "{ notes(where: {text: {contains: \"nowhere\"}}) { id } }";

/// A connection from another address of this machine.
pub async fn from(program: &Program, client: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(format!("{client}:0").parse().expect("an address"))
        .expect("an address of this machine");
    socket
        .connect(address(program).parse().expect("an address"))
        .await
        .expect("a connection")
}

/// Hundreds of scans of one client, on requests and on one socket; another client's small ones go between them.
async fn a_client_with_much_to_do_slows_itself(db: Db) {
    let limits = [("HAYLOFT_LIMITS", "queue_wait=5s,socket_operations=300,requests=1000")];
    let (_scratch, program) = stocked(db, 40 * MB, &limits).await;
    let mut stream = socket_on(&program, from(&program, "127.0.0.2").await).await;
    for id in 0..300 {
        let message = json!({ "type": "subscribe", "id": id.to_string(), "payload": { "query": SCAN } });
        stream.write_all(&text_frame(&message)).await.expect("bytes are sent");
    }
    let mut attacks = JoinSet::new();
    let scan = query(&program, SCAN);
    for _ in 0..300 {
        let mut stream = from(&program, "127.0.0.2").await;
        stream.write_all(&scan).await.expect("bytes are sent");
        attacks.spawn(async move { status_of(&mut stream).await });
    }
    for _ in 0..20 {
        bystander(&program).await;
    }
    // Another one's scan waits for a turn, and not behind all of those.
    let mut other = said(&program, &scan).await;
    assert_eq!(status_of(&mut other).await, 200, "a scan of another client");
    let statuses = attacks.join_all().await;
    // Those that waited too long were told to come back.
    assert!(
        statuses.iter().all(|status| [200, 503].contains(status)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&503), "none was shed");
    // So were those on the socket, a moment later.
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("OVERLOADED") {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut told)).await;
        let read = read.expect("an answer in time").expect("an answer");
        assert!(read > 0, "{}", String::from_utf8_lossy(&told));
    }
    stream.shutdown().await.expect("an end");
    told.extend(rest_of(&mut stream).await);
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("queue_wait"), "{told}");
    bystander(&program).await;
}
