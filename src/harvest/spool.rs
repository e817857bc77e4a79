//! Bodies that are too large for the memory, on disk until they are read. Knows files without a
//! name, which are gone when nobody has them open, however the process ends.

use std::{
    fs::File,
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

/// The disk space that all spools of a process share.
#[derive(Debug)]
pub(super) struct Spools {
    most: u64,
    used: AtomicU64,
}

/// One body; its space is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Spool {
    spools: Arc<Spools>,
    file: File,
    bytes: u64,
}

/// Why a body could not be put on disk.
#[derive(Debug)]
pub(super) enum SpoolError {
    /// All that spools may take is taken.
    Full,
    Io(io::Error),
}

impl From<io::Error> for SpoolError {
    fn from(error: io::Error) -> SpoolError {
        SpoolError::Io(error)
    }
}

impl Spools {
    pub(super) fn new(most: u64) -> Arc<Spools> {
        Arc::new(Spools {
            most,
            used: AtomicU64::new(0),
        })
    }

    /// An empty spool, in the system's folder for temporary files.
    pub(super) fn begin(self: &Arc<Self>) -> Result<Spool, SpoolError> {
        Ok(Spool {
            spools: Arc::clone(self),
            file: tempfile::tempfile()?,
            bytes: 0,
        })
    }

    fn take(&self, bytes: u64) -> Result<(), SpoolError> {
        let room = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.most);
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, room);
        taken.map(|_| ()).map_err(|_| SpoolError::Full)
    }
}

impl Spool {
    /// Appends a piece. Blocks for as long as the disk does.
    pub(super) fn write(&mut self, piece: &Bytes) -> Result<(), SpoolError> {
        let bytes = piece.len() as u64;
        self.spools.take(bytes)?;
        self.bytes += bytes;
        Ok(self.file.write_all(piece)?)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was written, to be read from its beginning.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.spools.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    #[test]
    fn the_space_is_bounded_and_given_back() {
        let spools = Spools::new(10);
        let piece = Bytes::from_static(b"123456");
        let mut one = spools.begin().expect("a spool");
        one.write(&piece).expect("room");
        let mut text = String::new();
        one.file().rewind().expect("its beginning");
        one.file().read_to_string(&mut text).expect("its text");
        assert_eq!((text.as_str(), one.bytes()), ("123456", 6));
        let mut other = spools.begin().expect("a spool");
        assert!(matches!(other.write(&piece), Err(SpoolError::Full)));
        drop(one);
        other.write(&piece).expect("room again");
        drop(other);
        assert_eq!(spools.used.load(Ordering::Acquire), 0);
    }
}
