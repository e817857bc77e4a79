//! Frames of a WebSocket (RFC 6455): what comes is put together to messages, what goes is cut into
//! frames. Knows bytes; knows no protocol above.
//!
//! The library's own reader takes room for a whole message when its first bytes come, and keeps it
//! as long as the socket lives. Here room grows with what has come, and goes with the message.

use std::io::{self, Cursor, ErrorKind};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Bytes that are read at once, and room for them that is kept. 128 KiB would cost ten thousand
/// sockets 1.3 GB.
const BUFFER: usize = 4 * 1024;
/// Bytes of a control frame's payload; of any head.
const CONTROL_MAX: usize = 125;
const HEAD_MAX: usize = 14;

/// Bytes that are heard out after the last word: a few messages that were on their way.
const UNHEARD_MAX: usize = 4 << 20;

/// What the other side says.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Text(String),
    Ping(Vec<u8>),
    /// So many bytes.
    Pong(usize),
    /// The end of the socket, and its code.
    Close(Option<u16>),
}

/// Why nothing more is heard.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// The connection has ended.
    Gone,
    /// What came is not taken, for the reason of a close code.
    Refused(u16, &'static str),
}

const NO_FRAME: Fault = Fault::Refused(1002, "These are no frames of RFC 6455");
const NO_TEXT: Fault = Fault::Refused(1003, "Messages are text");
const NO_UTF8: Fault = Fault::Refused(1007, "Text is UTF-8");
const LATE: Fault = Fault::Refused(1008, "The rest of a message did not come in time");
const TOO_LARGE: Fault = Fault::Refused(1009, "The message is too large");
const NO_ROOM: Fault = Fault::Refused(1013, "Too many half messages are held; try again later");

/// A connection that speaks in frames.
pub(super) struct Frames<S> {
    stream: S,
    /// Bytes of a message.
    most: usize,
    /// What came and was not looked at.
    read: BytesMut,
    /// The message under way.
    message: Option<Vec<u8>>,
    /// Bytes of it that are UTF-8.
    letters: usize,
    /// The frame of it under way.
    part: Option<Part>,
    /// What is to be sent.
    unsent: BytesMut,
}

/// What is to come of a frame.
#[derive(Clone, Copy)]
struct Part {
    left: usize,
    /// Begins with its next byte.
    mask: [u8; 4],
    is_last: bool,
}

/// The head of a frame.
struct Head {
    opcode: OpCode,
    part: Part,
    size: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Takes messages of so many bytes.
    pub(super) fn new(stream: S, most: usize) -> Frames<S> {
        Frames {
            stream,
            most,
            read: BytesMut::with_capacity(BUFFER),
            message: None,
            letters: 0,
            part: None,
            unsent: BytesMut::new(),
        }
    }

    /// What comes next. It may be given up and asked for again: what came stays.
    pub(super) async fn next(&mut self) -> Result<Heard, Fault> {
        loop {
            if let Some(heard) = self.heard()? {
                return Ok(heard);
            }
            match self.read_on().await {
                Ok(0) => return Err(Fault::Gone),
                Ok(_) => {}
                Err(error) => return Err(fault_of(&error)),
            }
        }
    }

    async fn read_on(&mut self) -> io::Result<usize> {
        // Less than that is ever left unlooked at, so what is there is moved to the front, and its
        // room stays as it is.
        self.read.reserve(HEAD_MAX + CONTROL_MAX);
        self.stream.read_buf(&mut self.read).await
    }

    /// Adds a frame to what is to be sent, and sends it. What did not leave when that is given up
    /// leaves with the next.
    pub(super) async fn send(&mut self, opcode: OpCode, is_last: bool, payload: &[u8]) -> io::Result<()> {
        let head = FrameHeader {
            is_final: is_last,
            opcode,
            ..FrameHeader::default()
        };
        self.unsent.reserve(HEAD_MAX + payload.len());
        head.format(payload.len() as u64, &mut (&mut self.unsent).writer())
            .map_err(io::Error::other)?;
        self.unsent.put_slice(payload);
        while self.unsent.has_remaining() {
            if self.stream.write_buf(&mut self.unsent).await? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        // Its room goes with it: most sockets say something now and then.
        self.unsent = BytesMut::new();
        self.stream.flush().await
    }

    pub(super) async fn send_text(&mut self, text: &str) -> io::Result<()> {
        self.send(OpCode::Data(Data::Text), true, text.as_bytes()).await
    }

    /// Says the last word, and hears the other side out: a connection that ends with bytes unread
    /// is reset, which may take the last word away.
    pub(super) async fn close(&mut self, code: Option<u16>, reason: &str) -> io::Result<()> {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            let room = CONTROL_MAX - payload.len();
            payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(room)]);
        }
        self.send(OpCode::Control(Control::Close), true, &payload).await?;
        self.stream.shutdown().await?;
        let mut unheard = UNHEARD_MAX;
        while unheard > 0 {
            self.read.clear();
            match self.read_on().await? {
                0 => break,
                bytes => unheard = unheard.saturating_sub(bytes),
            }
        }
        Ok(())
    }
}

impl<S> Frames<S> {
    /// What is whole of what came.
    fn heard(&mut self) -> Result<Option<Heard>, Fault> {
        loop {
            if self.part.is_none() {
                let Some(head) = self.head()? else { return Ok(None) };
                match head.opcode {
                    OpCode::Control(kind) => return self.control(kind, &head),
                    OpCode::Data(kind) => self.begin(kind, &head)?,
                }
            }
            let is_last = self.take();
            if is_last == Some(true) {
                let message = self.message.take().unwrap_or_default();
                let text = String::from_utf8(message).map_err(|_| NO_UTF8)?;
                return Ok(Some(Heard::Text(text)));
            }
            self.look()?;
            if is_last.is_none() {
                return Ok(None);
            }
        }
    }

    /// Whether what came of a text may become UTF-8: else nobody waits for its end.
    fn look(&mut self) -> Result<(), Fault> {
        let message = self.message.as_deref().unwrap_or_default();
        let new = message.get(self.letters..).unwrap_or_default();
        match std::str::from_utf8(new) {
            Ok(_) => self.letters += new.len(),
            // The rest of a letter may come.
            Err(error) if error.error_len().is_none() => self.letters += error.valid_up_to(),
            Err(_) => return Err(NO_UTF8),
        }
        Ok(())
    }

    /// The head of the next frame, if it is whole.
    fn head(&self) -> Result<Option<Head>, Fault> {
        let mut bytes = Cursor::new(&self.read[..]);
        let Some((head, length)) = FrameHeader::parse(&mut bytes).map_err(|_| NO_FRAME)? else {
            return Ok(None);
        };
        let size = usize::try_from(bytes.position()).unwrap_or(usize::MAX);
        // Nothing was agreed on that the reserved bits could mean, and clients mask what they send.
        // A length is as short as it may be, and never negative.
        let is_reserved = head.rsv1 || head.rsv2 || head.rsv3;
        let is_length = size == head.len(length) && i64::try_from(length).is_ok();
        let Some(mask) = head.mask.filter(|_| !is_reserved && is_length) else {
            return Err(NO_FRAME);
        };
        let part = Part {
            left: usize::try_from(length).unwrap_or(usize::MAX),
            mask,
            is_last: head.is_final,
        };
        Ok(Some(Head {
            opcode: head.opcode,
            part,
            size,
        }))
    }

    /// A control frame, if it is whole. It may stand between the frames of a message.
    fn control(&mut self, kind: Control, head: &Head) -> Result<Option<Heard>, Fault> {
        if !head.part.is_last || head.part.left > CONTROL_MAX {
            return Err(NO_FRAME);
        }
        if self.read.len() < head.size + head.part.left {
            return Ok(None);
        }
        self.read.advance(head.size);
        let mut payload = Vec::with_capacity(head.part.left);
        self.unmask(head.part, &mut payload);
        match kind {
            Control::Ping => Ok(Some(Heard::Ping(payload))),
            Control::Pong => Ok(Some(Heard::Pong(payload.len()))),
            Control::Close => close_code(&payload).map(|code| Some(Heard::Close(code))),
            Control::Reserved(_) => Err(NO_FRAME),
        }
    }

    /// Begins a frame of a message.
    fn begin(&mut self, kind: Data, head: &Head) -> Result<(), Fault> {
        match (kind, &self.message) {
            (Data::Text, None) => {
                self.message = Some(Vec::new());
                self.letters = 0;
            }
            (Data::Continue, Some(_)) => {}
            (Data::Binary, None) => return Err(NO_TEXT),
            _ => return Err(NO_FRAME),
        }
        let length = self.message.as_ref().map_or(0, Vec::len);
        if length.saturating_add(head.part.left) > self.most {
            return Err(TOO_LARGE);
        }
        self.read.advance(head.size);
        self.part = Some(head.part);
        Ok(())
    }

    /// Adds what came of the frame under way to its message. When it is whole: whether it was the
    /// message's last one.
    fn take(&mut self) -> Option<bool> {
        let part = self.part.take()?;
        let mut message = self.message.take().unwrap_or_default();
        self.make_room(&mut message, part);
        let rest = self.unmask(part, &mut message);
        self.message = Some(message);
        if rest.left > 0 {
            self.part = Some(rest);
            return None;
        }
        Some(rest.is_last)
    }

    /// At least double, as a list grows, and never beyond the largest message.
    fn make_room(&self, message: &mut Vec<u8>, part: Part) {
        let wanted = message.len() + part.left.min(self.read.len());
        if wanted > message.capacity() {
            let room = wanted.max((2 * message.capacity()).min(self.most));
            message.reserve_exact(room - message.len());
        }
    }

    /// Moves what came of a frame; what is still to come of it.
    fn unmask(&mut self, part: Part, into: &mut Vec<u8>) -> Part {
        let count = part.left.min(self.read.len());
        let masked = self.read[..count].iter().zip(part.mask.iter().cycle());
        into.extend(masked.map(|(byte, mask)| byte ^ mask));
        self.read.advance(count);
        let mut mask = part.mask;
        mask.rotate_left(count % part.mask.len());
        Part {
            left: part.left - count,
            mask,
            ..part
        }
    }
}

/// The code of a close frame; none where it has none.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(NO_FRAME) };
    };
    let code = u16::from_be_bytes(*code);
    // Those that are registered and may be sent, and those that are for libraries and programs.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(NO_FRAME);
    }
    std::str::from_utf8(reason).map_err(|_| NO_UTF8)?;
    Ok(Some(code))
}

/// What the connection's own bounds say.
fn fault_of(error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::QuotaExceeded => NO_ROOM,
        ErrorKind::TimedOut => LATE,
        _ => Fault::Gone,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    /// A frame as a client sends it; the first byte has the kind and whether it is the last.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            long => frame.extend([&[0x80 | 126][..], &(long as u16).to_be_bytes()].concat()),
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// All that is heard of some bytes, which come in pieces of this size.
    async fn heard(bytes: &[u8], piece: usize) -> (Vec<Heard>, Fault) {
        let (stream, mut other) = duplex(piece);
        let bytes = bytes.to_vec();
        let saying = tokio::spawn(async move {
            // The other side may have heard enough.
            let _ = other.write_all(&bytes).await;
        });
        let mut frames = Frames::new(stream, 10_000);
        let mut all = Vec::new();
        let fault = loop {
            match frames.next().await {
                Ok(heard) => all.push(heard),
                Err(fault) => break fault,
            }
        };
        drop(frames);
        saying.await.expect("no panic");
        (all, fault)
    }

    fn text(text: &str) -> Heard {
        Heard::Text(text.to_owned())
    }

    #[tokio::test]
    async fn frames_become_messages() {
        let long = "x".repeat(9_000);
        let ping = frame(0x89, b"p");
        let cases = [
            (frame(0x81, b"Hello"), vec![text("Hello")]),
            (frame(0x81, long.as_bytes()), vec![text(&long)]),
            (frame(0x81, b""), vec![text("")]),
            (
                [
                    frame(0x01, &"\u{20ac}".as_bytes()[..1]),
                    ping,
                    frame(0x00, b""),
                    frame(0x80, &"\u{20ac}".as_bytes()[1..]),
                    frame(0x8a, b"pong"),
                    frame(0x81, b"next"),
                ]
                .concat(),
                vec![
                    Heard::Ping(b"p".to_vec()),
                    text("\u{20ac}"),
                    Heard::Pong(4),
                    text("next"),
                ],
            ),
            (frame(0x88, b""), vec![Heard::Close(None)]),
            (frame(0x88, b"\x03\xe8bye"), vec![Heard::Close(Some(1000))]),
        ];
        for (bytes, want) in cases {
            for piece in [1, 7, 4_096, 20_000] {
                let (got, fault) = heard(&bytes, piece).await;
                assert_eq!(got, want, "in pieces of {piece}");
                assert_eq!(fault, Fault::Gone);
            }
        }
    }

    #[tokio::test]
    async fn faults_have_their_codes() {
        let unmasked = vec![0x81, 1, b'x'];
        let cases = [
            (unmasked, 1002),
            (frame(0xc1, b"reserved bit"), 1002),
            (frame(0x83, b"reserved kind"), 1002),
            (frame(0x8b, b"reserved control"), 1002),
            (frame(0x80, b"a rest of nothing"), 1002),
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
            (frame(0x09, b"half a ping"), 1002),
            (frame(0x89, &[b'p'; 126]), 1002),
            (frame(0x88, b"x"), 1002),
            (frame(0x88, b"\x03\xed"), 1002),
            (frame(0x88, b"\x03\xe8\xff"), 1007),
            (frame(0x82, b"binary"), 1003),
            (frame(0x81, b"\xff"), 1007),
            (frame(0x81, &[b'x'; 10_001]), 1009),
            (
                [frame(0x01, &[b'x'; 9_000]), frame(0x00, &[b'x'; 1_001])].concat(),
                1009,
            ),
        ];
        for (bytes, want) in cases {
            for piece in [1, 20_000] {
                let (got, fault) = heard(&bytes, piece).await;
                assert_eq!(got, []);
                assert!(
                    matches!(fault, Fault::Refused(code, _) if code == want),
                    "{fault:?} {bytes:?}"
                );
            }
        }
    }

    /// Announced is not taken, and gone is gone.
    #[tokio::test]
    async fn a_socket_keeps_no_room_of_its_messages() {
        let (stream, mut other): (_, DuplexStream) = duplex(1 << 20);
        let mut frames = Frames::new(stream, 1 << 20);
        let bytes = frame(0x81, &[b'x'; 60_000]);
        other.write_all(&bytes[..20]).await.expect("room");
        let early = tokio::time::timeout(std::time::Duration::ZERO, frames.next()).await;
        assert!(early.is_err());
        assert!(
            frames
                .message
                .as_ref()
                .is_some_and(|message| message.capacity() < 1_000)
        );
        other.write_all(&bytes[20..]).await.expect("room");
        assert_eq!(frames.next().await, Ok(text(&"x".repeat(60_000))));
        frames.send_text(&"y".repeat(60_000)).await.expect("room");
        assert_eq!(frames.message, None);
        assert_eq!((frames.read.capacity() <= BUFFER, frames.unsent.capacity()), (true, 0));
    }

    #[tokio::test]
    async fn what_is_sent_are_frames() {
        let (stream, mut other) = duplex(1 << 20);
        let mut frames = Frames::new(stream, 10);
        frames.send_text("ab").await.expect("room");
        let long = vec![b'x'; 126];
        frames
            .send(OpCode::Data(Data::Continue), false, &long)
            .await
            .expect("room");
        let closing = tokio::spawn(async move { frames.close(Some(1001), &"\u{20ac}".repeat(60)).await });
        let mut sent = Vec::new();
        // Nobody answers, but it is heard out until the other side ends, too.
        other.write_all(&[0; 10_000]).await.expect("it is read");
        other.read_to_end(&mut sent).await.expect("an end");
        drop(other);
        closing.await.expect("no panic").expect("a clean end");
        let reason = "\u{20ac}".repeat(41);
        let want = [
            &b"\x81\x02ab\x00\x7e\x00\x7e"[..],
            &long,
            &[0x88, 125, 0x03, 0xe9],
            reason.as_bytes(),
        ];
        assert_eq!(sent, want.concat());
    }
}
