//! One client with very much work, and another with a little.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use super::{MB, address, bystander, query, rest_of, socket_on, status_of, stocked, text_frame};
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

/// Scans that one client begins just before another's work, and just after.
const BESIDE: usize = 100;
/// How many of one client's may be answered before that: those that are at work then, and a few beside it. Who has to wait for
/// those that came before him, or for those that came later, waits for more.
const MEANWHILE_MAX: usize = 90;

/// Scans of one client.
#[derive(Default)]
struct Attacks {
    all: JoinSet<u16>,
    /// How many have been answered, and not turned away.
    answered: Arc<AtomicUsize>,
}

impl Attacks {
    async fn add(&mut self, program: &Program, count: usize) {
        let scan = query(program, SCAN);
        for _ in 0..count {
            let mut stream = from(program, "127.0.0.2").await;
            stream.write_all(&scan).await.expect("bytes are sent");
            let answered = Arc::clone(&self.answered);
            self.all.spawn(async move {
                let status = status_of(&mut stream).await;
                answered.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                status
            });
        }
    }
}

/// Hundreds of scans of one client, on requests and on one socket; another client's small ones go between them.
async fn a_client_with_much_to_do_slows_itself(db: Db) {
    let limits = [
        ("HAYLOFT_LIMITS", "queue_wait=5s,socket_operations=300,requests=2000"),
        // An answer that is kept is nobody's work.
        ("HAYLOFT_ANSWER_CACHE", "0"),
    ];
    let (_scratch, program) = stocked(db, 40 * MB, &limits).await;
    let mut stream = socket_on(&program, from(&program, "127.0.0.2").await).await;
    for id in 0..300 {
        let message = json!({ "type": "subscribe", "id": id.to_string(), "payload": { "query": SCAN } });
        stream.write_all(&text_frame(&message)).await.expect("bytes are sent");
    }
    let mut attacks = Attacks::default();
    let scan = query(&program, SCAN);
    attacks.add(&program, 200).await;
    for _ in 0..20 {
        bystander(&program).await;
    }
    // A small one of his own need not wait for his large ones. Another's scan waits for its turn, and neither for those that came
    // before it nor for those that came later.
    let small = query(&program, "{ notes(first: 2) { id } }");
    for (client, asks, whose) in [
        ("127.0.0.2", &small, "a small one of his own"),
        ("127.0.0.1", &scan, "another's scan"),
    ] {
        let mut stream = from(&program, client).await;
        attacks.add(&program, BESIDE).await;
        let (before, answered) = (attacks.answered.load(Ordering::Relaxed), Arc::clone(&attacks.answered));
        stream.write_all(asks).await.expect("bytes are sent");
        let asked = tokio::spawn(async move {
            let status = status_of(&mut stream).await;
            (status, answered.load(Ordering::Relaxed) - before)
        });
        attacks.add(&program, BESIDE).await;
        let (status, meanwhile) = asked.await.expect("an answer");
        assert_eq!(status, 200, "{whose}");
        assert!(meanwhile < MEANWHILE_MAX, "{whose} waited for {meanwhile} others");
    }
    let statuses = attacks.all.join_all().await;
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
