//! What of an HTTP/2 connection has come half: a frame whose rest is to come, a head whose last
//! frame is. Knows the heads of frames (RFC 9113); nothing within them.
//!
//! The library keeps all of it in memory, and nobody is asked before it is whole.

/// What a client says first, and by what the protocol is known.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head.
const HEAD: usize = 9;
/// Kinds of frames that a request's head comes in, and the flag of its last one.
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Follows the frames of a connection.
#[derive(Debug, Default)]
pub(super) struct Halves {
    at: At,
    /// Bytes of what is half.
    bytes: usize,
    /// They are of a request's head.
    is_head: bool,
    /// Which goes on in the next frame.
    goes_on: bool,
}

#[derive(Debug)]
enum At {
    /// So many bytes of the preface have come.
    Preface(usize),
    /// It is another protocol.
    Elsewhere,
    /// In the head of a frame.
    Head([u8; HEAD], usize),
    /// So much is to come of a frame.
    Payload(usize),
}

impl Default for At {
    fn default() -> At {
        At::Preface(0)
    }
}

/// What a look at more bytes has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Half {
    /// Bytes of what is half now, and whether they are of a request's head.
    pub bytes: usize,
    pub is_head: bool,
    /// Something was whole meanwhile.
    pub was_whole: bool,
}

impl Halves {
    /// Follows what comes.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> Half {
        let mut was_whole = false;
        while !bytes.is_empty() {
            let taken = self.take(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
            self.bytes += taken;
            if self.is_whole() {
                (self.bytes, self.is_head, was_whole) = (0, false, true);
            }
        }
        Half {
            bytes: self.bytes,
            is_head: self.is_head,
            was_whole,
        }
    }

    /// Bytes of what is half.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_whole(&self) -> bool {
        match self.at {
            At::Elsewhere => true,
            At::Head(_, 0) => !self.goes_on,
            _ => false,
        }
    }

    /// Takes the next part of some bytes; how many they were.
    fn take(&mut self, bytes: &[u8]) -> usize {
        match &mut self.at {
            At::Elsewhere => bytes.len(),
            At::Preface(come) => {
                let rest = PREFACE.get(*come..).unwrap_or_default();
                let count = rest.len().min(bytes.len());
                *come += count;
                if !bytes.starts_with(&rest[..count]) {
                    self.at = At::Elsewhere;
                } else if *come == PREFACE.len() {
                    self.at = At::Head([0; HEAD], 0);
                }
                count
            }
            At::Head(head, come) => {
                let count = (HEAD - *come).min(bytes.len());
                head[*come..*come + count].copy_from_slice(&bytes[..count]);
                *come += count;
                if *come == HEAD {
                    let head = *head;
                    self.begin(head);
                }
                count
            }
            At::Payload(left) => {
                let count = bytes.len().min(*left);
                *left -= count;
                if *left == 0 {
                    self.at = At::Head([0; HEAD], 0);
                }
                count
            }
        }
    }

    /// The head of a frame is whole.
    fn begin(&mut self, [high, middle, low, kind, flags, ..]: [u8; HEAD]) {
        if kind == HEADERS || kind == CONTINUATION {
            self.is_head = true;
            self.goes_on = flags & END_HEADERS == 0;
        }
        self.at = match u32::from_be_bytes([0, high, middle, low]) {
            0 => At::Head([0; HEAD], 0),
            length => At::Payload(length as usize),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u8 = 0;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let head = [0, 0, length, kind, flags, 0, 0, 0, 1];
        [&head[..], &vec![7; length.into()]].concat()
    }

    /// What is half after some bytes, in whatever pieces they come.
    fn half(bytes: &[u8]) -> usize {
        let found = [1, 5, usize::MAX].map(|piece| {
            let mut halves = Halves::default();
            let seen = bytes
                .chunks(piece.min(bytes.len().max(1)))
                .map(|piece| halves.see(piece));
            seen.last().map_or(0, |half| half.bytes)
        });
        assert!(found.iter().all(|bytes| *bytes == found[0]), "{found:?}");
        found[0]
    }

    #[test]
    fn halves_are_followed() {
        let all = |frames: &[Vec<u8>]| [PREFACE, &frames.concat()].concat();
        let (open, end) = (frame(HEADERS, 1, 50), frame(CONTINUATION, END_HEADERS, 30));
        let more = frame(CONTINUATION, 0, 0);
        for (name, bytes, want) in [
            ("nothing", Vec::new(), 0),
            ("half a preface", PREFACE[..20].to_vec(), 20),
            ("another protocol", b"PRIVATE / HTTP/1.1".to_vec(), 0),
            ("a preface", all(&[]), 0),
            (
                "whole frames",
                all(&[frame(HEADERS, END_HEADERS, 50), frame(DATA, 0, 9)]),
                0,
            ),
            ("half a frame", all(&[frame(DATA, 1, 90)[..60].to_vec()]), 60),
            ("half a head of one", all(&[frame(DATA, 1, 90)[..4].to_vec()]), 4),
            ("a head to go on", all(std::slice::from_ref(&open)), 59),
            (
                "that goes on",
                all(&[open.clone(), more.clone(), end[..20].to_vec()]),
                59 + 9 + 20,
            ),
            ("that has ended", all(&[open, more, end]), 0),
        ] {
            assert_eq!(half(&bytes), want, "{name}");
        }
    }

    #[test]
    fn what_was_whole_meanwhile_is_told() {
        let mut halves = Halves::default();
        halves.see(PREFACE);
        let told = |bytes, is_head, was_whole| Half {
            bytes,
            is_head,
            was_whole,
        };
        for (kind, is_head) in [(DATA, false), (HEADERS, true), (DATA, false)] {
            let whole = frame(kind, END_HEADERS, 9);
            assert_eq!(
                halves.see(&[&whole[..], &whole[..10]].concat()),
                told(10, is_head, true)
            );
            assert_eq!(halves.see(&[7; 7]), told(17, is_head, false));
            assert_eq!(halves.see(&[7; 1]), told(0, false, true));
        }
    }
}
