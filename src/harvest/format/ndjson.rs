//! NDJSON: a JSON value on each line, read piece by piece. Knows lines; what becomes of a record is
//! the sink's affair.

use std::io::BufRead as _;

use bytes::{Buf as _, Bytes};

use super::{DecodeContext, Decoder, Sink, lines::Lines, rows::of_item};
use crate::{
    catalog::Fetch,
    harvest::{
        error::{PageFault, Stop, file_fault},
        html::begins_html,
        json,
        refusal::At,
        text::Long,
    },
};

pub(super) struct NdJson;

impl Decoder for NdJson {
    fn in_pieces_from(&self, _: &Fetch) -> Option<u64> {
        Some(0)
    }

    fn ends_by_itself(&self) -> bool {
        false
    }

    fn read(&self, text: Long<'_>, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
        let fault = |error: std::io::Error| file_fault(context.place, &error);
        let mut pieces = text.pieces().map_err(fault)?;
        let mut lines = Lines::default();
        while let Some(piece) = pieces.next().map_err(fault)? {
            sink.came(piece.len() as u64);
            whole_lines(&mut lines, piece, context, sink)?;
            context.wanted()?;
        }
        let last = Bytes::from(std::mem::take(&mut lines.open));
        lines.number += 1;
        line(last, &mut lines, true, context, sink)
    }
}

/// Reads the whole lines of a piece and keeps its rest.
fn whole_lines(
    lines: &mut Lines,
    mut piece: Bytes,
    context: &DecodeContext<'_>,
    sink: &mut dyn Sink,
) -> Result<(), Stop> {
    while let Some(end) = end_of_line(&piece) {
        let mut whole = piece.split_to(end);
        piece.advance(1);
        lines.fits(&whole, context.place)?;
        if !lines.open.is_empty() {
            lines.keep(&whole, context.place)?;
            whole = std::mem::take(&mut lines.open).into();
        }
        lines.number += 1;
        line(whole, lines, false, context, sink)?;
    }
    lines.keep(&piece, context.place)?;
    Ok(())
}

/// Where the next line break is. The standard library's search is many times as quick as a look at
/// each byte.
fn end_of_line(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    let skipped = rest.skip_until(b'\n').unwrap_or(0);
    (text.get(skipped.checked_sub(1)?) == Some(&b'\n')).then_some(skipped - 1)
}

/// Reads a line; `open` if nothing follows it, not even its end.
fn line(
    line: Bytes,
    lines: &mut Lines,
    open: bool,
    context: &DecodeContext<'_>,
    sink: &mut dyn Sink,
) -> Result<(), Stop> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    if lines.number == 1 && begins_html(&line) {
        let place = context.place.to_owned();
        return Err(PageFault::Html { place }.into());
    }
    let (at, bytes) = (At::Line(lines.number), line.len() as u64);
    let line = &context.covered(line);
    let rows = &context.fetch.rows;
    if rows.is_identity() && sink.plain(line, bytes)? {
        lines.good += 1;
        return Ok(());
    }
    context.allow();
    match json::parse(line, 0) {
        Ok(value) => {
            lines.good += 1;
            of_item(rows, &value, (bytes, at), context, sink)
        }
        Err(error) => {
            let refused = lines.bad(line, &error, open, context.place_of(at))?;
            sink.refuse(refused, bytes, at)
        }
    }
}
