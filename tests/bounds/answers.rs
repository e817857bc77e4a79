//! Answers that are not read, or hardly, and answers that are too large.

use serde_json::json;
use tokio::{io::AsyncReadExt, task::JoinSet};

use super::{ALL, MB, Peak, bystander, query, rest_of, said, status_of, stocked};
use crate::harness::{Db, on_both};

on_both!(
    unread_answers_hold_no_memory,
    a_place_is_kept_until_the_answer_is_sent,
    an_answer_that_is_too_large_is_refused_with_its_number,
    a_large_answer_is_whole,
);

/// Bytes that are read of an answer so that it gets on: more than has to be read within ten seconds.
const STEP: usize = 128 * 1024;

/// Sixty answers of eight megabytes that nobody reads lie on the disk, for ten seconds.
async fn unread_answers_hold_no_memory(db: Db) {
    let (_scratch, program) = stocked(db, 8 * MB, &[]).await;
    program.query(ALL).await;
    let peak = Peak::begin(&program);
    let mut streams = Vec::new();
    for _ in 0..60 {
        let mut stream = said(&program, &query(&program, ALL)).await;
        assert_eq!(status_of(&mut stream).await, 200);
        streams.push(stream);
    }
    bystander(&program).await;
    peak.stays_within(&program, 160 * MB);
    // Nobody who reads a byte now and then passes for a reader.
    let mut readers = JoinSet::new();
    for mut stream in streams {
        readers.spawn(async move {
            let mut byte = [0; 1];
            for _ in 0..60 {
                match stream.read(&mut byte).await {
                    Ok(0) | Err(_) => return true,
                    Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(500)).await,
                }
            }
            // What lies in the system's buffers can be read on; the rest has gone.
            rest_of(&mut stream).await.len() < 8 * MB
        });
    }
    assert!(
        readers.join_all().await.into_iter().all(|ended| ended),
        "an answer was held for thirty seconds"
    );
    bystander(&program).await;
}

/// A request has its place until its answer has been sent.
async fn a_place_is_kept_until_the_answer_is_sent(db: Db) {
    let (_scratch, program) = stocked(db, 8 * MB, &[("HAYLOFT_LIMITS", "requests=10")]).await;
    let mut streams = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    let refused = loop {
        let mut stream = said(&program, &query(&program, ALL)).await;
        match status_of(&mut stream).await {
            200 => streams.push((stream, 0)),
            status => break (status, stream),
        }
        assert!(streams.len() < 10, "one client has all places");
        // Who reads a little is not given up, however long the others take.
        for (stream, read) in &mut streams {
            *read += stream.read(&mut buffer[..STEP]).await.expect("an answer");
        }
    };
    let (status, mut stream) = refused;
    assert_eq!((status, streams.len()), (503, 8));
    let told = String::from_utf8(rest_of_answer(&mut stream).await).expect("text");
    assert!(
        told.contains("retry-after: 1") && told.contains("--limit requests"),
        "{told}"
    );
    // Who reads his answers has places again.
    for (mut stream, mut read) in streams {
        while read < 8 * MB {
            read += stream.read(&mut buffer).await.expect("an answer");
        }
    }
    bystander(&program).await;
}

/// What comes of an answer at once.
async fn rest_of_answer(stream: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut buffer = [0; 4_096];
    while !rest.ends_with(b"}") {
        let read = stream.read(&mut buffer).await.expect("an answer");
        assert!(read > 0, "{}", String::from_utf8_lossy(&rest));
        rest.extend_from_slice(&buffer[..read]);
    }
    rest
}

/// It is stopped while it is made, or at the latest before it is kept: one of the two is enough here, so only without both of them
/// is this red. Each has unit tests (`store::tests::made`, `graphql::kept`).
async fn an_answer_that_is_too_large_is_refused_with_its_number(db: Db) {
    let (_scratch, program) = stocked(db, 3 * MB, &[("HAYLOFT_LIMITS", "answer_bytes=2000000")]).await;
    let answer = program.post(ALL, json!({})).await;
    let message = answer["errors"][0]["message"].as_str().expect("a message");
    assert!(
        message.contains("at most 2000000") && message.contains("--limit answer_bytes"),
        "{message}"
    );
    assert_eq!(answer["errors"][0]["extensions"]["code"], "TOO_COMPLEX");
    bystander(&program).await;
}

/// Large answers are the same as ever, packed and plain, with their length.
async fn a_large_answer_is_whole(db: Db) {
    let (_scratch, program) = stocked(db, 3 * MB, &[]).await;
    let part = program.query("{ notes(first: 200) { id text } }").await;
    let whole = program.query(ALL).await;
    assert_eq!(whole["notes"].as_array().map(Vec::len), Some(750));
    assert_eq!(
        whole["notes"].as_array().map(|all| &all[..200]),
        part["notes"].as_array().map(Vec::as_slice)
    );
    let body = json!({ "query": ALL }).to_string();
    let request = program.client().post(format!("{}/graphql", program.url));
    let response = request
        .header("content-type", "application/json")
        .header("accept-encoding", "identity")
        .body(body)
        .send()
        .await
        .expect("an answer");
    let length: usize = response.headers()["content-length"]
        .to_str()
        .expect("text")
        .parse()
        .expect("a number");
    assert_eq!(response.bytes().await.expect("a body").len(), length);
}
