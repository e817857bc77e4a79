//! Where a text of lines stands while it arrives in pieces. Knows lines; knows no JSON.

use super::{error::PageFault, limits::LINE_MAX};

/// Lines so far, and the beginning of the one that is still open.
#[derive(Default)]
pub(super) struct Lines {
    pub number: u64,
    pub open: Vec<u8>,
}

impl Lines {
    /// Keeps a piece of the open line.
    pub(super) fn keep(&mut self, piece: &[u8], place: &str) -> Result<(), PageFault> {
        if self.open.len() + piece.len() > LINE_MAX {
            return Err(PageFault::LongLine {
                place: place.to_owned(),
                line: self.number + 1,
            });
        }
        self.open.extend_from_slice(piece);
        Ok(())
    }
}
