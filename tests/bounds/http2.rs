//! HTTP/2 by hand: floods of small frames, streams that are not read, streams that are taken back.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{MB, Peak, address, bystander, flood, post, rest_of, said, stocked};
use crate::harness::{Db, Program, eventually, on_both};

on_both!(rapid_resets_end_the_connection);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
/// Of `HEADERS`: the request has no body, and this is its whole head.
const END: u8 = 0x5;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A request for all there is, without Huffman and without a table.
fn request(program: &Program, stream: u32) -> Vec<u8> {
    let path = "/graphql?query=%7Bnotes%7Bid+text%7D%7D";
    let host = address(program);
    let mut head = vec![0x82, 0x86, 0x04, path.len() as u8];
    head.extend_from_slice(path.as_bytes());
    head.extend_from_slice(&[0x01, host.len() as u8]);
    head.extend_from_slice(host.as_bytes());
    frame(HEADERS, END, stream, &head)
}

/// A connection whose client wants no byte of any answer.
async fn connect(program: &Program) -> TcpStream {
    let no_window = [0, 4, 0, 0, 0, 0];
    said(program, &[PREFACE, &frame(SETTINGS, 0, 0, &no_window)].concat()).await
}

#[tokio::test]
async fn floods_of_frames_that_call_for_answers_do_not_pile_up() {
    let (_scratch, program) = stocked(Db::Sqlite, MB, &[]).await;
    for (name, flooded) in [
        ("pings", frame(PING, 0, 0, &[7; 8]).repeat(1_000)),
        ("settings", frame(SETTINGS, 0, 0, &[]).repeat(1_000)),
    ] {
        let peak = Peak::begin(&program);
        let mut stream = connect(&program).await;
        // Who has asked for nothing is ended for that.
        stream.write_all(&request(&program, 1)).await.expect("bytes are sent");
        let sent = flood(&mut stream, &flooded, 200 * MB).await;
        assert!(sent < 200 * MB, "all {name} were taken");
        bystander(&program).await;
        peak.stays_within(&program, 24 * MB);
    }
}

/// A request's head that never ends, after one that did.
fn endless(program: &Program) -> Vec<u8> {
    // A header whose value is to have 60,000 bytes: 127 and 59,873 more.
    let begin = [0x00, 0x01, b'x', 0x7f, 0xe1, 0xd3, 0x03];
    let parts = [1, 9, 9].map(|kind| {
        let mut payload = if kind == HEADERS { begin.to_vec() } else { Vec::new() };
        payload.resize(15_000, b'x');
        // Without the flag of the last one.
        frame(kind, END & !0x4, 3, &payload)
    });
    [request(program, 1), parts.concat()].concat()
}

/// They count to what is being received, and others are told so; and they have to get on.
///
/// That they come to an end is held twice: the deadline of half a message ends them after ten seconds (`server::pace` has its test),
/// and where it did not, a ping that nobody can answer in the middle of a head would.
#[tokio::test]
async fn heads_that_never_end_have_a_budget_and_an_end() {
    let (_scratch, program) = stocked(Db::Sqlite, MB, &[("HAYLOFT_LIMITS", "received_bytes=400000")]).await;
    let body = " ".repeat(200_000);
    let large = String::from_utf8(post(&program, body.len(), &body)).expect("text");
    let large = large.replacen("\r\n", "\r\nConnection: close\r\n", 1).into_bytes();
    // Where there is no room for its head either, the connection just ends.
    let has_room = async || {
        rest_of(&mut said(&program, &large).await)
            .await
            .starts_with(b"HTTP/1.1 400")
    };
    assert!(has_room().await);
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&program).await;
        stream.write_all(&endless(&program)).await.expect("bytes are sent");
        streams.push(stream);
    }
    eventually("there is no room for a body", || async {
        (!has_room().await).then_some(())
    })
    .await;
    bystander(&program).await;
    for stream in &mut streams {
        rest_of(stream).await;
    }
    assert!(has_room().await, "there is room again");
}

/// Requests that are taken back at once end the connection.
async fn rapid_resets_end_the_connection(db: Db) {
    let (_scratch, program) = stocked(db, MB, &[]).await;
    let peak = Peak::begin(&program);
    let mut stream = connect(&program).await;
    let mut id = 1;
    let mut taken = 0;
    for _ in 0..2_000 {
        let mut piece = Vec::new();
        for _ in 0..100 {
            piece.extend(request(&program, id));
            piece.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
            id += 2;
        }
        if stream.write_all(&piece).await.is_err() {
            break;
        }
        taken += 100;
    }
    // Far more than lie on their way.
    assert!(taken < 200_000, "all of them were taken");
    bystander(&program).await;
    peak.stays_within(&program, 60 * MB);
}

/// Reads on and answers pings, so that the connection lasts; how it ended.
async fn stay(mut stream: TcpStream) -> std::io::Error {
    loop {
        let answered = async {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            stream.read_exact(&mut payload).await?;
            if head[3] == PING && head[4] == 0 {
                stream.write_all(&frame(PING, 1, 0, &payload)).await?;
            }
            Ok(())
        };
        if let Err(error) = answered.await {
            return error;
        }
    }
}

/// Answers of streams that nobody reads hold nothing that others need, and that not for long.
#[tokio::test]
async fn unread_streams_lose_their_answers() {
    let (_scratch, program) = stocked(Db::Sqlite, 4 * MB, &[("HAYLOFT_LIMITS", "requests=60")]).await;
    program.query(super::ALL).await;
    let peak = Peak::begin(&program);
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&program).await;
        for at in 0..32 {
            stream
                .write_all(&request(&program, 2 * at + 1))
                .await
                .expect("bytes are sent");
        }
        streams.push(tokio::spawn(stay(stream)));
    }
    // As many as one client may have, of all.
    let opened = || async {
        let again = program
            .client()
            .get(format!("{}/graphql?query=%7B__typename%7D", program.url));
        again.send().await.expect("an answer").status()
    };
    eventually("this client has no place left", || async {
        (opened().await == 503).then_some(())
    })
    .await;
    eventually("it has places again", || async {
        (opened().await == 200).then_some(())
    })
    .await;
    bystander(&program).await;
    peak.stays_within(&program, 150 * MB);
    for stream in streams {
        assert!(!stream.is_finished(), "the connections are as they were");
        stream.abort();
    }
}
