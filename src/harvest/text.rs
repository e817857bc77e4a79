//! A text that is read in pieces, from memory or disk: unpacked, and in UTF-8. Knows where it lies; knows no JSON and no lines.

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
            Long::File(file, media) => Box::new(Utf8 {
                reader: packed::reader(file.try_clone()?)?,
                pieces: Pieces::declared(media),
                ready: Bytes::new(),
                ended: false,
            }),
        })
    }
}

/// Turns what it reads into UTF-8.
struct Utf8 {
    reader: Box<dyn Read>,
    pieces: Pieces,
    /// Read, and not taken yet.
    ready: Bytes,
    ended: bool,
}

impl Read for Utf8 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() && !self.ended {
            let mut piece = vec![0; CHUNK];
            let read = self.reader.read(&mut piece)?;
            piece.truncate(read);
            self.ended = read == 0;
            self.ready = self.pieces.utf8(piece.into(), self.ended);
        }
        let count = self.ready.len().min(out.len());
        self.ready.split_to(count).copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}
