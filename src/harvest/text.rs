//! A text that is read in pieces, from memory or disk: unpacked, and in UTF-8. Knows where it lies;
//! knows no JSON and no lines.

use std::{
    fs::File,
    io::{self, Read},
};

use bytes::{Buf as _, Bytes};

use super::{charset::Pieces, limits::CHUNK, packed};

/// A large text, wherever it lies.
#[derive(Clone, Copy)]
pub(super) enum Long<'p> {
    /// It is in UTF-8 already.
    Memory(&'p Bytes),
    /// With its media type, where that tells its charset.
    File(&'p File, Option<&'p str>),
}

impl<'p> Long<'p> {
    /// As it lies there.
    pub(super) fn bytes(self) -> io::Result<u64> {
        Ok(match self {
            Long::Memory(bytes) => bytes.len() as u64,
            Long::File(file, _) => file.metadata()?.len(),
        })
    }

    /// From its beginning. Of one file only the newest reader may be read.
    pub(super) fn reader(self) -> io::Result<Box<dyn Read + 'p>> {
        Ok(match self {
            Long::Memory(bytes) => Box::new(&bytes[..]),
            Long::File(file, media) => Box::new(Utf8::of(file, media)?),
        })
    }

    /// The same piece after piece, none of which is copied.
    pub(super) fn pieces(self) -> io::Result<Parts> {
        Ok(match self {
            Long::Memory(bytes) => Parts::Whole(Some(bytes.clone())),
            Long::File(file, media) => Parts::Read(Utf8::of(file, media)?),
        })
    }
}

/// A text in pieces.
pub(super) enum Parts {
    Whole(Option<Bytes>),
    Read(Utf8),
}

impl Parts {
    /// `None` at its end.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Parts::Whole(whole) => Ok(whole.take()),
            Parts::Read(text) => text.next(),
        }
    }
}

/// Turns what it reads into UTF-8.
pub(super) struct Utf8 {
    reader: Box<dyn Read>,
    pieces: Pieces,
    /// Read, and not taken yet.
    ready: Bytes,
    ended: bool,
}

impl Utf8 {
    fn of(file: &File, media: Option<&str>) -> io::Result<Utf8> {
        Ok(Utf8 {
            reader: packed::reader(file.try_clone()?)?,
            pieces: Pieces::declared(media),
            ready: Bytes::new(),
            ended: false,
        })
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.ended {
            let mut piece = Vec::with_capacity(CHUNK);
            self.ended = (&mut self.reader).take(CHUNK as u64).read_to_end(&mut piece)? == 0;
            let text = self.pieces.utf8(piece.into(), self.ended);
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}

impl Read for Utf8 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            self.ready = self.next()?.unwrap_or_default();
        }
        let count = self.ready.len().min(out.len());
        self.ready.split_to(count).copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}
