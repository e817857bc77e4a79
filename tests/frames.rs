//! Frames of WebSockets (RFC 6455): golden cases, each what a client sends and what the real program answers, whole and in pieces of
//! a byte. Knows frames; of what is said in them only that a ping is answered with a pong.
//!
//! The files of `tests/cases/frames` are the categories of the Autobahn test suite. The handshake and `connection_init` are said
//! before each case, and acknowledged. A case has these lines:
//!
//! - `= NAME`: it begins.
//! - `> FIRST PAYLOAD`: a frame that the client sends. `FIRST` is its first byte in hexadecimal: the last one of its message (80),
//!   reserved bits (70), its kind (0 goes on, 1 text, 2 binary, 8 the end, 9 ping, a pong).
//! - `> FIRST medium PAYLOAD`, `long`: the same with its length in 16 or 64 bits; `bare`: without a mask; `of N`: with a length that
//!   is not that of its payload.
//! - `< FIRST PAYLOAD`: the frame that comes next.
//! - `< end CODE`: the last frame that comes, with this code, or with none (`-`). Without such a line the socket has to be alive behind
//!   the last frame: a ping of it is answered, and by nothing else.
//!
//! A payload is `'…'`, with bytes as `\xff`, or `'…' * 5`, which is five times that. `ping 200` is a message of the protocol above with 200 bytes, and
//! `ping 200 from 20 to 100` a part of it.

use std::{collections::BTreeMap, fs, ops::Range, path::Path};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{PATIENCE, Program, Scratch};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Pieces of a case, at most: what is large comes in larger ones.
const PIECES: usize = 2_000;

#[derive(PartialEq)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:02x} {:?}", self.first, String::from_utf8_lossy(&self.payload))
    }
}

impl Frame {
    fn of(first: u8, payload: &[u8]) -> Frame {
        let payload = payload.to_vec();
        Frame { first, payload }
    }
}

#[derive(Default)]
struct Case {
    says: Vec<u8>,
    hears: Vec<Frame>,
    /// The code of its end, if there is one.
    end: Option<Vec<u8>>,
}

/// All cases by their names.
fn cases() -> BTreeMap<String, Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/frames");
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a file");
        let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
        while let Some(name) = lines.next() {
            let name = name.strip_prefix("= ").unwrap_or_else(|| panic!("{file}: {name}"));
            let mut case = Case::default();
            while let Some(line) = lines.next_if(|line| !line.starts_with("= ")) {
                case.add(line).unwrap_or_else(|| panic!("{file}: {line}"));
            }
            let before = cases.insert(format!("{file}: {name}"), case);
            assert!(before.is_none(), "{file}: {name} is there twice");
        }
    }
    cases
}

impl Case {
    fn add(&mut self, line: &str) -> Option<()> {
        assert!(
            self.end.is_none() || line.starts_with("> "),
            "nothing comes behind the end"
        );
        let (side, rest) = line.split_once(' ')?;
        let (first, rest) = rest.split_once(' ')?;
        match (side, first) {
            (">", _) => self.says.extend(said(u8::from_str_radix(first, 16).ok()?, rest)?),
            ("<", "end") if rest == "-" => self.end = Some(Vec::new()),
            ("<", "end") => self.end = Some(rest.parse::<u16>().ok()?.to_be_bytes().to_vec()),
            ("<", _) => self
                .hears
                .push(Frame::of(u8::from_str_radix(first, 16).ok()?, &payload(rest)?)),
            _ => return None,
        }
        Some(())
    }
}

/// A frame as the client sends it.
fn said(first: u8, mut rest: &str) -> Option<Vec<u8>> {
    let mut take = |word: &str| {
        let taken = rest.strip_prefix(word);
        rest = taken.unwrap_or(rest);
        taken.is_some()
    };
    let is_bare = take("bare ");
    let (is_medium, is_long) = (take("medium "), take("long "));
    let announced = match take("of ") {
        true => {
            let (number, payload) = rest.split_once(' ')?;
            rest = payload;
            Some(number.parse::<u64>().ok()?)
        }
        false => None,
    };
    let payload = payload(rest)?;
    let length = announced.unwrap_or(payload.len() as u64);
    let masked = if is_bare { 0 } else { 0x80 };
    let mut frame = vec![first];
    match length {
        0..126 if !is_medium && !is_long => frame.push(masked | length as u8),
        0..65_536 if !is_long => {
            frame.push(masked | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(masked | 127);
            frame.extend(length.to_be_bytes());
        }
    }
    if is_bare {
        frame.extend(payload);
    } else {
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }
    Some(frame)
}

fn payload(text: &str) -> Option<Vec<u8>> {
    if let Some(rest) = text.strip_prefix("ping ") {
        let words: Vec<&str> = rest.split(' ').collect();
        let number = |at: usize| words.get(at)?.parse::<usize>().ok();
        let message = ping(number(0)?);
        let part = match words.len() {
            1 => 0..message.len(),
            5 => number(2)?..number(4)?,
            _ => return None,
        };
        return message.get::<Range<usize>>(part).map(<[u8]>::to_vec);
    }
    let (quoted, times) = match text.rsplit_once("' * ") {
        Some((quoted, times)) => (quoted, times.parse().ok()?),
        None => (text.strip_suffix('\'')?, 1),
    };
    let mut bytes = Vec::new();
    let mut rest = quoted.strip_prefix('\'')?;
    while let Some(letter) = rest.chars().next() {
        let taken = match rest.strip_prefix("\\x") {
            Some(digits) => {
                bytes.push(u8::from_str_radix(digits.get(..2)?, 16).ok()?);
                4
            }
            None => {
                bytes.extend_from_slice(rest.get(..letter.len_utf8())?.as_bytes());
                letter.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    Some(bytes.repeat(times))
}

/// A message of so many bytes.
fn ping(length: usize) -> Vec<u8> {
    let (head, tail) = (r#"{"type":"ping","payload":""#, "\"}");
    let filling = length.checked_sub(head.len() + tail.len()).expect("room");
    format!("{head}{}{tail}", "x".repeat(filling)).into_bytes()
}

/// A socket of which nothing is unread.
async fn socket(program: &Program) -> TcpStream {
    let host = program.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(host).await.expect("a connection");
    stream.set_nodelay(true).expect("it is sent at once");
    let head = format!(
        "GET /graphql HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    let init = said(0x81, "'{\"type\":\"connection_init\"}'").expect("a frame");
    stream.write_all(&init).await.expect("it is sent");
    let ack = heard(&mut stream).await.expect("a frame");
    assert_eq!(ack, Frame::of(0x81, b"{\"type\":\"connection_ack\"}"));
    stream
}

/// The next frame, which has the shortest head that it may have; none at the end.
async fn heard(stream: &mut TcpStream) -> Option<Frame> {
    let first = stream.read_u8().await.ok()?;
    let length = stream.read_u8().await.expect("a whole frame");
    let length = match length {
        126 => {
            let length = stream.read_u16().await.expect("a whole frame");
            assert!(length >= 126);
            usize::from(length)
        }
        127 => {
            let length = stream.read_u64().await.expect("a whole frame");
            assert!(length >= 65_536);
            usize::try_from(length).expect("a length")
        }
        short => {
            assert!(short < 126, "a server masks nothing");
            usize::from(short)
        }
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.expect("a whole frame");
    Some(Frame { first, payload })
}

/// Says a case in pieces of a size; what is wrong with what is heard.
async fn tried(program: &Program, case: &Case, piece: usize) -> Result<(), String> {
    const ALIVE: &[u8] = b"are you alive?";
    let mut stream = socket(program).await;
    for piece in case.says.chunks(piece) {
        // Whoever is refused need not be heard to the end.
        if stream.write_all(piece).await.is_err() {
            break;
        }
    }
    for want in &case.hears {
        let got = heard(&mut stream).await;
        if got.as_ref() != Some(want) {
            return Err(format!("{got:?} instead of {want:?}"));
        }
    }
    if case.end.is_none() {
        let ping = said(0x89, &format!("'{}'", String::from_utf8_lossy(ALIVE))).expect("a frame");
        stream.write_all(&ping).await.map_err(|error| error.to_string())?;
    }
    let got = heard(&mut stream).await;
    let Some(code) = &case.end else {
        let want = Some(Frame::of(0x8a, ALIVE));
        return if got == want {
            Ok(())
        } else {
            Err(format!("{got:?} instead of a pong"))
        };
    };
    // A reason may follow.
    let is_end = |got: &Frame| got.first == 0x88 && got.payload.get(..2).unwrap_or_default() == code;
    if !got.as_ref().is_some_and(is_end) {
        return Err(format!("{got:?} instead of the end with {code:?}"));
    }
    let _ = stream.shutdown().await;
    match heard(&mut stream).await {
        None => Ok(()),
        more => Err(format!("{more:?} behind the end")),
    }
}

#[tokio::test]
async fn golden_cases() {
    let scratch = Scratch::new("type Note { id: ID! }\n");
    let program = scratch.serve(&[]).await;
    let cases = cases();
    assert!(cases.len() >= 190, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (name, case) in &cases {
        for piece in [usize::MAX, (case.says.len() / PIECES).max(1)] {
            let tried = tokio::time::timeout(PATIENCE, tried(&program, case, piece)).await;
            if let Err(what) = tried.unwrap_or_else(|_| Err("nothing comes".to_owned())) {
                wrong.push(format!("{name} (in pieces of {piece}): {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
