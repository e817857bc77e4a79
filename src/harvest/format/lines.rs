//! Where a text of lines stands while it arrives in pieces, and what to think of a bad line. Knows
//! lines; knows no rows.

use bytes::Bytes;

use super::document::not_json;
use crate::{
    harvest::{
        error::PageFault,
        json::JsonError,
        limits::{LINE_MAX, LINES_TRIED},
        refusal::refused_text,
    },
    store::Refused,
};

/// Lines so far, and the beginning of the one that is still open.
#[derive(Default)]
pub(super) struct Lines {
    pub number: u64,
    pub open: Vec<u8>,
    /// Lines that were JSON.
    pub good: u64,
    bad: u64,
}

impl Lines {
    /// Whether the open line is not too long with another piece of it.
    pub(super) fn fits(&self, piece: &[u8], place: &str) -> Result<(), PageFault> {
        match self.open.len() + piece.len() > LINE_MAX {
            true => Err(PageFault::LongLine {
                place: place.to_owned(),
                line: self.number + 1,
            }),
            false => Ok(()),
        }
    }

    /// Keeps a piece of the open line.
    pub(super) fn keep(&mut self, piece: &[u8], place: &str) -> Result<(), PageFault> {
        self.fits(piece, place)?;
        self.open.extend_from_slice(piece);
        Ok(())
    }

    /// A line that is no JSON is a refused record: the others are not to blame. A text whose first
    /// lines are all bad is no NDJSON, and one that ends within a line (`open`) was cut off, so
    /// that more may be missing.
    pub(super) fn bad(
        &mut self,
        line: &Bytes,
        error: &JsonError,
        open: bool,
        place: String,
    ) -> Result<Refused, PageFault> {
        self.bad += 1;
        let cut_off = open && error.cut_off;
        if cut_off || (self.good == 0 && self.bad >= LINES_TRIED) {
            return Err(not_json(line, error, place));
        }
        let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        Ok(refused_text(error.reason(), text))
    }
}
