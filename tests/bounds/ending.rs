//! The end of a server: the port stays open for a while, and says that it ends.

use std::{collections::HashMap, ffi::OsString, time::Duration};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{MB, NOTES, address, bystander, query, said, serve, status_of, stocked};
use crate::harness::{Db, Program, Reply, Scratch, Socket, Upstream, eventually, on_both};

on_both!(
    a_server_that_ends_tells_who_comes,
    a_search_that_takes_long_holds_up_no_end
);

async fn status(program: &Program, path: &str) -> (u16, String) {
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

/// A search of about a minute here, and of ten seconds in a release, which nothing can interrupt: the expression is at
/// thousands of its places for each letter of the text.
const SEARCH: &str = "[match(\\\"[ab]*a[ab]{6000}c\\\"; \\\"g\\\")] | length";
/// A small part of it.
const AT_WORK: Duration = Duration::from_millis(500);
/// More than a process works until its end, and less than a search: however busy the machine is, who waits for the search
/// works for more.
const PROMPT: Duration = Duration::from_secs(6);

/// Ends a process; its code, and the processor time that its threads had from then on.
async fn terminate(program: Program) -> (Option<i32>, Duration) {
    let (process, mut worked) = (program.id(), Duration::ZERO);
    let all = || at_work(process).into_values().sum::<Duration>();
    let before = all();
    let mut ended = std::pin::pin!(program.terminate());
    loop {
        tokio::select! {
            code = &mut ended => return (code, worked),
            () = tokio::time::sleep(LOOK) => worked = worked.max(all().saturating_sub(before)),
        }
    }
}

/// The processor time of each thread of a process; none when it has ended.
fn at_work(process: u32) -> HashMap<OsString, Duration> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return HashMap::new();
    };
    let time = |thread: std::fs::DirEntry| {
        // It may have ended since.
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanoseconds = text.split(' ').next()?.parse().ok()?;
        Some((thread.file_name(), Duration::from_nanos(nanoseconds)))
    };
    threads.flatten().filter_map(time).collect()
}

/// How often a process is looked at until it ends.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until one thread is at something that takes long.
async fn searches(program: &Program) {
    let before = at_work(program.id());
    eventually("a thread is at the search", || async {
        let longest = at_work(program.id()).into_iter().map(|(thread, time)| {
            let before = before.get(&thread).copied().unwrap_or_default();
            time.saturating_sub(before)
        });
        longest.max().filter(|longest| *longest >= AT_WORK)
    })
    .await;
}

/// Pages and lists of rows that end at the search, each as the fields of the definition want it.
const SEARCHING: [(&str, &str); 3] = [
    (
        "rows",
        "type Page @fetch(source: \"shop\", GET: \"/pages\", rows: \".[] | {id, found: (.text | SEARCH)}\") { id: ID! found: Int! }",
    ),
    (
        "a record",
        "type Page @fetch(source: \"shop\", GET: \"/pages\", rows: \".[]\") { id: ID! found: Int! @select(jq: \".text | SEARCH\") }",
    ),
    (
        "the answer about a row",
        "type Page @fetch(source: \"shop\", GET: \"/pages\", rows: \".[]\") { id: ID!\n\
         parts: [Part!]! @fetch(source: \"shop\", GET: \"/pages?of={$this.id}\", rows: \".[] | {id, found: (.text | SEARCH)}\") }\n\
         type Part { id: ID! found: Int! pages: [Page!]! @inverse(field: \"parts\") }",
    ),
];

/// Wherever a filter is at a text. What was committed is there when it goes on, and that ends as promptly.
async fn a_search_that_takes_long_holds_up_no_end(db: Db) {
    let upstream = Upstream::start().await;
    let record = |id: usize| json!({ "id": id, "text": "a".repeat(100_000) });
    let pages = Value::from_iter((0..20).map(record));
    upstream.handle(move |_| Some(Reply::json(&pages)));
    for (name, types) in SEARCHING {
        let types = types.replace("SEARCH", SEARCH);
        let scratch = Scratch::on(
            db,
            &format!(
                "{NOTES}extend schema @source(name: \"shop\", url: \"{}\")\n{types}\n",
                upstream.url()
            ),
        );
        scratch.write("notes.ndjson", "{\"id\":\"1\",\"text\":\"kept\"}\n");
        let starts: &[&str] = if name == "rows" { &["anew", "again"] } else { &["anew"] };
        for start in starts {
            let program = scratch.serve(&[]).await;
            program
                .eventually("the note is stored", "{ notes { id } }", |data| {
                    data["notes"][0]["id"] == "1"
                })
                .await;
            searches(&program).await;
            let (code, worked) = terminate(program).await;
            assert_eq!(code, Some(0), "{name}, {start}");
            assert!(
                worked < PROMPT,
                "{name}, {start}: it worked for {worked:?} until its end"
            );
        }
    }
}
