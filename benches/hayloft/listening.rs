//! Sockets that listen to live queries, all on one thread, and when their messages came. Knows frames and as much of
//! graphql-transport-ws as a listener needs; no query.

use std::{
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::LocalSet,
};

use crate::asking::{connect, runtime};

/// Sockets that are opened at a time.
const OPENED_AT_ONCE: usize = 64;
/// Bytes that are read at a time.
const READ: usize = 16 * 1024;
const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 10;

/// All listeners; they end with the process.
pub struct Listeners {
    /// When each answer came, in milliseconds since 1970.
    answers: Arc<Mutex<Vec<f64>>>,
    /// Sockets that have ended, which none should.
    ended: Arc<AtomicUsize>,
}

impl Listeners {
    /// Opens a socket for each of these operations, given as the payloads of `subscribe`.
    pub fn open(server: SocketAddr, operations: Vec<Value>) -> Listeners {
        let (answers, ended) = (Arc::default(), Arc::default());
        let listeners = Listeners {
            answers: Arc::clone(&answers),
            ended: Arc::clone(&ended),
        };
        std::thread::spawn(move || {
            let local = LocalSet::new();
            let opening = Rc::new(Semaphore::new(OPENED_AT_ONCE));
            for operation in operations {
                let (answers, ended, opening) = (Arc::clone(&answers), Arc::clone(&ended), opening.clone());
                local.spawn_local(async move {
                    listen(server, &operation, &opening, &answers).await;
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
            runtime().block_on(local);
        });
        listeners
    }

    /// How many answers have come since the last ones were taken.
    pub fn count(&self) -> usize {
        assert_eq!(self.ended.load(Ordering::Relaxed), 0, "a socket was closed");
        lock(&self.answers).len()
    }

    /// When they came.
    pub fn take(&self) -> Vec<f64> {
        std::mem::take(&mut *lock(&self.answers))
    }
}

async fn listen(server: SocketAddr, operation: &Value, opening: &Semaphore, answers: &Mutex<Vec<f64>>) {
    let permit = opening.acquire().await.expect("it is never closed");
    let mut stream = connect(server, Ipv4Addr::LOCALHOST).await.expect("a connection");
    let head = "GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let mut pending = after_head(&mut stream).await;
    let init = frame(TEXT, json!({ "type": "connection_init" }).to_string().as_bytes());
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": operation }).to_string();
    let messages = [init, frame(TEXT, subscribe.as_bytes())].concat();
    stream.write_all(&messages).await.expect("it is sent");
    let mut permit = Some(permit);
    loop {
        while let Some((opcode, message, len)) = first_frame(&pending) {
            match opcode {
                TEXT if message.starts_with(br#"{"type":"next""#) => {
                    lock(answers).push(now());
                    permit.take();
                }
                TEXT if !message.starts_with(br#"{"type":"connection_ack""#) => {
                    panic!("{}", String::from_utf8_lossy(message))
                }
                PING => stream.write_all(&frame(PONG, b"")).await.expect("it is sent"),
                _ => {}
            }
            pending.drain(..len);
        }
        if pending.is_empty() {
            // Ten thousand listeners rest, and hold nothing meanwhile.
            pending = Vec::new();
            stream.readable().await.expect("an open socket");
            pending.reserve(READ);
        }
        match stream.read_buf(&mut pending).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Reads the answer to the handshake; gives what came after it.
async fn after_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    loop {
        let read = stream.read_buf(&mut answer).await.expect("an answer");
        assert!(read > 0, "a socket was refused: {}", String::from_utf8_lossy(&answer));
        if let Some(at) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            assert!(
                answer.starts_with(b"HTTP/1.1 101"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
            return answer.split_off(at + 4);
        }
    }
}

/// A frame as clients send it, masked with nothing.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(len).expect("a short message").to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The first frame as a server sends it, and its whole length; none while it is not whole.
fn first_frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (opcode, short) = (bytes.first()? & 0x0f, usize::from(*bytes.get(1)?));
    let (at, len) = match short {
        0..126 => (2, short),
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        _ => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
    };
    Some((opcode, bytes.get(at..at + len)?, at + len))
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
