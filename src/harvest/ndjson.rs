//! Texts of lines on their way through the worker: files in pieces, bodies as a whole. Knows NDJSON; what a record becomes is
//! the worker's.

use std::{fs::File, io::BufRead as _, ops::ControlFlow, path::Path};

use bytes::{Buf as _, Bytes};
use jaq_json::Val;

use super::{
    error::{PageFault, file_fault, rows_fault},
    html::begins_html,
    json,
    lines::Lines,
    refusal::{refused_costly, refused_item},
    select::spoiled,
    text::Long,
    work::{Stop, Worker},
};
use crate::{store::Refused, value::first_broken};

/// Where the next line break is. The standard library's search is many times as quick as a look at each byte.
fn end_of_line(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    let skipped = rest.skip_until(b'\n').unwrap_or(0);
    (text.get(skipped.checked_sub(1)?) == Some(&b'\n')).then_some(skipped - 1)
}

impl Worker<'_> {
    /// Reads a file where it lies; one that changes meanwhile is of no moment.
    pub(super) fn file(
        &mut self,
        path: &Path,
        place: &str,
        read: impl FnOnce(&mut Self, &File) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let fault = |error: std::io::Error| file_fault(place, &error);
        let file = File::open(path).map_err(fault)?;
        let before = file.metadata().map_err(fault)?;
        self.file_bytes = Some(before.len());
        read(self, &file)?;
        let after = std::fs::metadata(path).map_err(fault)?;
        if (before.len(), before.modified().ok()) != (after.len(), after.modified().ok()) {
            return Err(Stop::Fault(PageFault::File {
                place: place.to_owned(),
                message: "it changed while it was read; replace it by renaming, and harvest again".to_owned(),
            }));
        }
        Ok(())
    }

    /// Works off the lines of a long text.
    pub(super) fn lines_of(&mut self, text: Long<'_>, place: &str) -> Result<(), Stop> {
        let fault = |error: std::io::Error| file_fault(place, &error);
        self.size = text.bytes().map_err(fault)?;
        let mut pieces = text.pieces().map_err(fault)?;
        let mut lines = Lines::default();
        while let Some(piece) = pieces.next().map_err(fault)? {
            self.group.bytes += piece.len() as u64;
            self.lines(&mut lines, piece, place)?;
            if self.cancel.is_cancelled() {
                return Err(Stop::Gone);
            }
        }
        self.last_line(lines, place)
    }

    /// Works off the whole lines of a piece and keeps its rest.
    pub(super) fn lines(&mut self, lines: &mut Lines, mut piece: Bytes, place: &str) -> Result<(), Stop> {
        while let Some(end) = end_of_line(&piece) {
            let mut line = piece.split_to(end);
            piece.advance(1);
            if !lines.open.is_empty() {
                lines.keep(&line, place)?;
                line = std::mem::take(&mut lines.open).into();
            }
            lines.number += 1;
            self.line(line, lines, false, place)?;
        }
        lines.keep(&piece, place)?;
        Ok(())
    }

    pub(super) fn last_line(&mut self, mut lines: Lines, place: &str) -> Result<(), Stop> {
        let line = Bytes::from(std::mem::take(&mut lines.open));
        lines.number += 1;
        self.line(line, &mut lines, true, place)
    }

    /// Works a line off; `open` if nothing follows it, not even its end.
    fn line(&mut self, line: Bytes, lines: &mut Lines, open: bool, place: &str) -> Result<(), Stop> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let number = lines.number;
        if number == 1 && begins_html(&line) {
            return Err(Stop::Fault(PageFault::Html {
                place: place.to_owned(),
            }));
        }
        self.at = number;
        let place = || format!("{place}, line {number}");
        let bytes = line.len() as u64;
        let line = &self.covered(line);
        if self.fetch.rows.is_identity()
            && let Some(row) = self.plain(line)
        {
            (lines.good, self.info.rows) = (lines.good + 1, self.info.rows + 1);
            return self.keep(row, bytes);
        }
        self.budget.allow(self.filter_time);
        let parsed = match json::parse(line, 0) {
            Ok(parsed) => parsed,
            Err(error) => {
                let refused = lines.bad(line, &error, open, place())?;
                self.info.rows += 1;
                self.refuse(refused);
                return self.added(bytes);
            }
        };
        lines.good += 1;
        let fetch = self.fetch;
        if let Some(words) = spoiled(&fetch.rows, &parsed) {
            return self.refuse_line(refused_item(words, &parsed), bytes);
        }
        let mut stop = None;
        let each = &mut |record: &Val| {
            self.info.rows += 1;
            match self.record(record, bytes) {
                Ok(()) => ControlFlow::Continue(()),
                Err(gone) => {
                    stop = Some(gone);
                    ControlFlow::Break(())
                }
            }
        };
        let ran = fetch.rows.run_each(&parsed, &[], each);
        if stop.is_none() {
            self.in_time()?;
        }
        if let Some(stop) = stop {
            return Err(stop);
        }
        match (ran, first_broken(&parsed)) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(words)) => self.refuse_line(refused_item(words, &parsed), bytes),
            (Err(error), None) if error.too_much => self.refuse_line(refused_costly(&error, &parsed), bytes),
            (Err(error), None) => Err(rows_fault(&place(), format!("rows: {}", error.message)).into()),
        }
    }

    /// Refuses a line of which the records cannot be had.
    fn refuse_line(&mut self, refused: Refused, bytes: u64) -> Result<(), Stop> {
        self.info.rows += 1;
        self.refuse(refused);
        self.added(bytes)
    }
}
