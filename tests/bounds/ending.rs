//! The end of a server: the port stays open for a while, and says that it ends.

use serde_json::json;
use tokio::net::TcpStream;

use super::{MB, address, bystander, query, said, serve, status_of, stocked};
use crate::harness::{Db, Socket, eventually, on_both};

on_both!(a_server_that_ends_tells_who_comes);

async fn status(program: &crate::harness::Program, path: &str) -> (u16, String) {
    let response = program
        .client()
        .get(format!("{}{path}", program.url))
        .send()
        .await
        .expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

async fn a_server_that_ends_tells_who_comes(db: Db) {
    let (_scratch, program) = stocked(db, 8 * MB, &[("HAYLOFT_DRAIN", "6s")]).await;
    let mut socket = Socket::open(&format!("{}/graphql", program.url)).await;
    socket.subscribe("a", "subscription { notes(first: 1) { id } }").await;
    assert_eq!(socket.next().await["type"], "next");
    // An answer under way when the end begins.
    let mut under_way = said(&program, &query(&program, super::ALL)).await;
    assert_eq!(status_of(&mut under_way).await, 200);
    program.signal("TERM").await;
    assert_eq!(socket.close_code().await, 1001);
    for (path, want, part) in [
        ("/readyz", 503, "stopping"),
        ("/graphql?query=%7B__typename%7D", 503, "the server is stopping"),
        ("/healthz", 200, "ok"),
    ] {
        let (got, body) = status(&program, path).await;
        assert_eq!(got, want, "{path} {body}");
        assert!(body.contains(part), "{path} {body}");
    }
    assert_eq!(
        Socket::handshake(&format!("{}/graphql", program.url), &[]).await.err(),
        Some(503)
    );
    let rest = read_answer(&mut under_way).await;
    assert!(rest > 8 * MB, "{rest} bytes of the answer under way");
    let address = address(&program).to_owned();
    assert_eq!(program.terminate().await, Some(0));
    assert!(TcpStream::connect(address).await.is_err(), "somebody still listens");
}

/// Reads until the length that the head names has come, or the end.
async fn read_answer(stream: &mut TcpStream) -> usize {
    use tokio::io::AsyncReadExt;
    let (mut read, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return read,
            Ok(bytes) => read += bytes,
        }
        if read > 8 * MB && buffer.iter().take(64).any(|byte| *byte == b'}') {
            return read;
        }
    }
}

/// Who asks again does not want to wait.
#[tokio::test]
async fn a_second_signal_cuts_the_drain_short() {
    let (_scratch, program) = serve(&[("HAYLOFT_DRAIN", "1h")]).await;
    program.signal("INT").await;
    eventually("it drains", || async {
        (status(&program, "/readyz").await.0 == 503).then_some(())
    })
    .await;
    // The harness waits for minutes, not for an hour.
    assert_eq!(program.terminate().await, Some(0));
}

/// On a loopback address nobody waits for a balancer.
#[tokio::test]
async fn on_a_loopback_address_it_ends_at_once() {
    let (_scratch, program) = serve(&[]).await;
    bystander(&program).await;
    assert_eq!(program.query("{ __typename }").await, json!({ "__typename": "Query" }));
    program.signal("TERM").await;
    let address = address(&program).to_owned();
    eventually("the port is closed", || async {
        TcpStream::connect(&address).await.is_err().then_some(())
    })
    .await;
    // It would have said so before.
    let log = program.log();
    assert!(!log.contains("the port closes in"), "{log}");
    assert_eq!(program.terminate().await, Some(0));
}
