//! What one client can take from the others: attacks, small and bounded, on the real program, whose memory is measured and beside
//! which a bystander asks. Knows processes from outside; the bounds themselves are in docs/serving.md.

mod answers;
mod bodies;
mod ending;
mod exposure;
mod fairness;
mod files;
mod harvest;
mod http2;
mod live;
mod skew;
mod sockets;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Db, PATIENCE, Program, Scratch};

/// A definition that needs no upstream.
pub const EMPTY: &str = "type Note { id: ID! }\n";

/// One whose rows are in a file beside it, each with a text of some size.
const NOTES: &str = "extend schema @source(name: \"here\", url: \"file:.\")\n\
    type Note @fetch(source: \"here\", FILE: \"notes.ndjson\", format: NDJSON) { id: ID! text: String! }\n";

pub const MB: usize = 1_000_000;
/// The bytes of a note's text.
const TEXT: usize = 4_000;
/// Megabytes that each program here may have: some times what a small one takes, and a part of what each attack took. Who
/// asks for more ends, and nobody is answered any more.
pub const MEMORY: usize = 700;
/// An answer that comes sooner was not waited for.
const SOON: Duration = Duration::from_secs(1);
/// Times that a bystander asks until one is soon: a busy machine is slow now and then, a starved client always.
const TRIES: usize = 20;

/// Serves it with settings, given as variables.
pub async fn serve(settings: &[(&str, &str)]) -> (Scratch, Program) {
    let scratch = Scratch::new(EMPTY);
    let program = scratch.serve_within(MEMORY, settings).await;
    (scratch, program)
}

/// A program whose answer to [`ALL`] has about so many bytes.
pub async fn stocked(db: Db, bytes: usize, settings: &[(&str, &str)]) -> (Scratch, Program) {
    let scratch = Scratch::on(db, NOTES);
    let line = |id: usize| json!({ "id": id.to_string(), "text": "x".repeat(TEXT) }).to_string() + "\n";
    let count = bytes / TEXT;
    scratch.write("notes.ndjson", &(0..count).map(line).collect::<String>());
    scratch.must(&["harvest"], &[]).await;
    let program = scratch.serve_within(MEMORY, settings).await;
    (scratch, program)
}

/// Asks for all there is.
pub const ALL: &str = "{ notes { id text } }";

/// Somebody else is answered, rightly and soon.
pub async fn bystander(program: &Program) {
    let mut waits = Vec::new();
    while waits.len() < TRIES {
        let began = Instant::now();
        let answered = asks(program).await;
        let took = began.elapsed();
        if answered && took < SOON {
            return;
        }
        waits.push((answered, took));
    }
    panic!("a bystander waits: {waits:?}");
}

/// Whether he is answered, and not told to come back. He comes anew each time: a connection that rested may be closed just when
/// it is used again.
async fn asks(program: &Program) -> bool {
    let body = json!({ "query": "{ notes(first: 1) { id } }" }).to_string();
    let host = address(program);
    let length = body.len();
    let head = "POST /graphql HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json";
    let request = format!("{head}\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut stream = said(program, request.as_bytes()).await;
    let answer = String::from_utf8(rest_of(&mut stream).await).expect("text");
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer}"));
    if head.starts_with("HTTP/1.1 503") {
        assert!(head.contains("retry-after: "), "{answer}");
        return false;
    }
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"));
    let notes = answer["data"]["notes"].as_array().expect("a list");
    assert!(notes.iter().all(|note| note["id"].is_string()), "{answer}");
    true
}

/// A line of `/proc/PID/status` in bytes, such as `VmHWM`.
fn memory(program: &Program, line: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).expect("its status");
    let found = status.lines().find_map(|all| all.strip_prefix(line)?.strip_prefix(':'));
    let kilobytes = found.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    kilobytes.expect("a number") * 1_024
}

/// Measures how far a process grows from now on.
pub struct Peak(usize);

impl Peak {
    pub fn begin(program: &Program) -> Peak {
        // Forgets the peak of the start.
        std::fs::write(format!("/proc/{}/clear_refs", program.id()), "5").expect("its peak is reset");
        Peak(memory(program, "VmRSS"))
    }

    /// Fails when it has grown by more.
    pub fn stays_within(&self, program: &Program, bytes: usize) {
        let grown = memory(program, "VmHWM").saturating_sub(self.0);
        println!("grown by {} MB, of {} MB", grown / MB, bytes / MB);
        assert!(grown <= bytes, "it grew by {grown} bytes, {bytes} are allowed");
    }
}

/// Where the program listens, without the scheme.
pub fn address(program: &Program) -> &str {
    program.url.trim_start_matches("http://")
}

/// A connection on which something was said.
pub async fn said(program: &Program, text: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address(program)).await.expect("a connection");
    stream.write_all(text).await.expect("bytes are sent");
    stream
}

/// A POST request whole, or as much of its body as there is.
pub fn post(program: &Program, length: usize, body: &str) -> Vec<u8> {
    let host = address(program);
    format!("POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A whole request for a query.
pub fn query(program: &Program, query: &str) -> Vec<u8> {
    let body = json!({ "query": query }).to_string();
    post(program, body.len(), &body)
}

/// Waits for the first bytes of an answer and reads no more; its status.
pub async fn status_of(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 12];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await;
    read.expect("an answer in time").expect("an answer");
    let head = String::from_utf8_lossy(&head);
    head.rsplit(' ')
        .next()
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status: {head}"))
}

/// Everything until the other side ends the connection.
pub async fn rest_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end, too.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    let _ = read.expect("an end in time");
    rest
}

/// Sends a piece again and again until so many bytes have gone; how many went before the other side ended it.
pub async fn flood(stream: &mut (impl AsyncWriteExt + Unpin), piece: &[u8], most: usize) -> usize {
    let mut sent = 0;
    while sent < most {
        let written = tokio::time::timeout(PATIENCE, stream.write_all(piece)).await;
        match written.expect("it takes them, or ends") {
            Ok(()) => sent += piece.len(),
            Err(_) => break,
        }
    }
    sent
}

/// A socket's handshake and `connection_init`, done by hand.
pub async fn socket(program: &Program) -> TcpStream {
    socket_on(program, said(program, b"").await).await
}

/// The same on a connection.
pub async fn socket_on(program: &Program, mut stream: TcpStream) -> TcpStream {
    let host = address(program);
    let head = format!(
        "GET /graphql HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("bytes are sent");
    assert_eq!(status_of(&mut stream).await, 101);
    stream
        .write_all(&text_frame(&json!({ "type": "connection_init" })))
        .await
        .expect("bytes are sent");
    stream
}

/// A frame as clients send it, masked with nothing; `length` may promise more than there is.
pub fn frame(opcode: u8, length: usize, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match length {
        0..126 => frame.push(0x80 | length as u8),
        126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

pub fn text_frame(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    frame(1, text.len(), text.as_bytes())
}
