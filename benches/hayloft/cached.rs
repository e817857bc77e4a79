//! Answers asked for again while nothing changes: beside a body that the same server has ready, and by their tags.
//!
//! One client on one connection; what counts is the server's own time on a processor.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use crate::{
    Target, asking, data, figure,
    process::{Server, harvest},
};

const ROWS: usize = 10_000;
const TIMES: usize = 20_000;
/// An answer that is part of its plan: nothing is looked up for it.
const CONSTANT: &str = "{ __schema { types { name fields { name type { name kind } } } } }";

pub fn figures(folder: &Path) {
    for (name, value, unit, target) in measured(folder) {
        figure(name, value, unit, &target);
    }
}

pub fn measured(folder: &Path) -> [(&'static str, f64, &'static str, Target); 2] {
    std::fs::create_dir_all(folder).expect("a folder");
    data::write_rows(folder, ROWS);
    harvest(folder, None, &[], &[]);
    let server = Server::start(folder, None, &[("HAYLOFT_ANSWER_CACHE", "64MB")]);
    let constant = server.length(CONSTANT);
    // As many rows as make a body of this size.
    let row = (server.length(&rows(101)) - server.length(&rows(1))) / 100;
    let query = rows(constant / row);
    let (size, bytes) = (server.length(&query), constant);
    let same = size.abs_diff(bytes) * 20 < bytes;
    assert!(same, "{size} bytes beside {bytes}");
    let ready = per_second(&server, &asking::post(CONSTANT), 200);
    let cached = per_second(&server, &asking::post(&query), 200);
    let counted = format!("{TIMES} requests of {size} bytes");
    println!("({counted}: {cached:.0} a second of its processor from the cache, {ready:.0} of a constant body)");
    let by_key = r#"{ row(id: "r7") { id name } }"#;
    let by_key = per_second(&server, &asking::post(by_key), 200);
    println!("(a row by its key from the cache: {by_key:.0} a second of its processor)");
    drop(server);
    // As where there is one core: with several threads, each request that finds them all at rest wakes two of them.
    let server = Server::start(
        folder,
        None,
        &[("HAYLOFT_ANSWER_CACHE", "64MB"), ("TOKIO_WORKER_THREADS", "1")],
    );
    let path = format!("/graphql?query={}", percent(&query));
    let tag = tag(server.address, &path);
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nif-none-match: {tag}\r\n\r\n");
    let matching = per_second(&server, request.as_bytes(), 304);
    [
        (
            "a cached answer ÷ a constant body, requests per second",
            cached / ready,
            "×",
            Target::AtLeast(0.8),
        ),
        (
            "GET with a matching ETag, on one core",
            matching,
            "/s",
            Target::AtLeast(30_000.0),
        ),
    ]
}

fn rows(first: usize) -> String {
    format!("{{ rows(first: {first}) {{ id name price rarity weight }} }}")
}

/// Requests that one second of the server's processor time answers.
fn per_second(server: &Server, request: &[u8], status: u16) -> f64 {
    asking::repeat(server.address, request, TIMES / 10, status);
    let before = server.cpu_seconds();
    asking::repeat(server.address, request, TIMES, status);
    TIMES as f64 / (server.cpu_seconds() - before)
}

fn percent(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The tag that an answer comes with.
fn tag(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let tag = answer.lines().find_map(|line| line.strip_prefix("etag: "));
    tag.expect("a tag").to_owned()
}
