//! A text as the XML reader takes it: in pieces, valid UTF-8 with a sign where it was not, and
//! never more at once than a record may have. Knows bytes; knows no XML.

use std::io::{self, BufRead, Read};

use bytes::{Buf as _, Bytes};

use crate::harvest::{limits::LINE_MAX, text::Parts};

/// Stands where bytes are no UTF-8. No XML has this character.
pub(super) const SIGN: char = '\u{ffff}';

pub(super) struct Source {
    parts: Parts,
    /// What is there and not read yet, in UTF-8.
    ready: Bytes,
    /// A character that the next piece ends.
    open: Vec<u8>,
    /// What may still be taken for what is in hand.
    room: usize,
}

impl Source {
    pub(super) fn new(parts: Parts) -> Source {
        Source {
            parts,
            ready: Bytes::new(),
            open: Vec::new(),
            room: LINE_MAX,
        }
    }

    /// From here on, as much may be taken as a record may have.
    pub(super) fn allow(&mut self) {
        self.room = LINE_MAX;
    }

    /// Whether it was this that ended the reading.
    pub(super) fn is_exhausted(&self) -> bool {
        self.room == 0
    }

    fn more(&mut self) -> io::Result<()> {
        while self.ready.is_empty() {
            let Some(piece) = self.parts.next()? else {
                if !self.open.is_empty() {
                    self.open.clear();
                    self.ready = Bytes::from(SIGN.to_string());
                }
                return Ok(());
            };
            self.ready = self.valid(piece);
        }
        Ok(())
    }

    /// A piece with what was left of the one before, without the beginning of a character.
    fn valid(&mut self, piece: Bytes) -> Bytes {
        let mut text = match self.open.is_empty() {
            true => piece,
            false => [std::mem::take(&mut self.open), piece.to_vec()].concat().into(),
        };
        let Err(error) = std::str::from_utf8(&text) else {
            return text;
        };
        let whole = error.valid_up_to();
        if error.error_len().is_none() {
            self.open = text.split_off(whole).to_vec();
            return text;
        }
        let mut out = String::with_capacity(text.len());
        let mut chunks = text.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.push_str(chunk.valid());
            let begins = chunks.peek().is_none()
                && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if begins {
                self.open = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                out.push(SIGN);
            }
        }
        out.into()
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.room == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.more()?;
        let mut end = self.ready.len().min(self.room);
        // The reader takes what it is given for UTF-8.
        while end < self.ready.len() && self.ready[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        if end == 0 && !self.ready.is_empty() {
            self.room = 0;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(&self.ready[..end])
    }

    fn consume(&mut self, count: usize) {
        self.ready.advance(count);
        self.room -= count;
    }
}
