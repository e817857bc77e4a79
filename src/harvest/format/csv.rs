//! CSV and TSV: a row of names, and a row of cells for each record, read piece by piece. Knows
//! tables as texts; what becomes of a record is the sink's affair.
//!
//! A record is an object of texts by the names of the columns. The reader is our own: it has to
//! tell a text that was cut off, a row that is none, and the line of each.

mod head;
mod scan;

use bytes::{Bytes, BytesMut};
use jaq_json::{Map, Val};

use self::scan::{Cell, Dialect, End, Scanned};
use super::{DecodeContext, Decoder, Sink, columns::Columns, rows::of_item};
use crate::{
    catalog::{Advance, Fetch, Table, jq::Filter},
    harvest::{
        error::{PageFault, Stop, file_fault, rows_fault},
        html::begins_html,
        limits::{LINE_MAX, LINES_TRIED},
        refusal::{At, refused_text},
        text::Long,
    },
    value::broken,
};

pub(super) struct Csv {
    /// Of TSV.
    pub tabs: bool,
}

impl Decoder for Csv {
    fn in_pieces_from(&self, _: &Fetch) -> Option<u64> {
        Some(0)
    }

    fn ends_by_itself(&self) -> bool {
        false
    }

    fn read(&self, text: Long<'_>, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
        let fault = |error: std::io::Error| file_fault(context.place, &error);
        let mut pieces = text.pieces().map_err(fault)?;
        let mut reader = Reader::new(context, self.tabs);
        let mut open = Bytes::new();
        while let Some(piece) = pieces.next().map_err(fault)? {
            sink.came(piece.len() as u64);
            open = reader.rows(&joined(open, piece), false, sink)?;
            context.wanted()?;
        }
        reader.rows(&open, true, sink)?;
        Ok(())
    }
}

/// A piece behind what was left of the one before.
fn joined(open: Bytes, piece: Bytes) -> Bytes {
    if open.is_empty() {
        return piece;
    }
    let mut both = BytesMut::with_capacity(open.len() + piece.len());
    both.extend_from_slice(&open);
    both.extend_from_slice(&piece);
    both.freeze()
}

/// A table while it is read.
struct Reader<'c> {
    context: &'c DecodeContext<'c>,
    table: &'c Table,
    /// What makes records of a row; none: it is one.
    each: Option<&'c Filter>,
    tabs: bool,
    dialect: Dialect,
    /// The delimiter is still to be found.
    unknown: bool,
    /// Once what stands above them is read.
    columns: Option<Columns>,
    began: bool,
    units: bool,
    /// Line ends so far.
    lines: u64,
    good: u64,
    bad: u64,
    cells: Vec<Cell>,
    values: Vec<Option<Val>>,
}

impl<'c> Reader<'c> {
    fn new(context: &'c DecodeContext<'c>, tabs: bool) -> Reader<'c> {
        let (table, rows) = (&context.fetch.table, &context.fetch.rows);
        // `.[]` is each row of the table, as `.` is.
        let each = match rows.items().filter(|items| items.keys.is_empty()) {
            Some(items) => items.each.as_ref(),
            None => Some(rows).filter(|rows| !rows.is_identity()),
        };
        let said = table.delimiter.or(tabs.then_some(b'\t'));
        Reader {
            context,
            table,
            each,
            tabs,
            dialect: Dialect {
                delimiter: said.unwrap_or(b','),
                quotes: table.quotes,
            },
            unknown: said.is_none(),
            columns: None,
            began: false,
            units: table.units,
            lines: 0,
            good: 0,
            bad: 0,
            cells: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Reads the whole records of a text, and gives what is left of it; `last`: nothing follows.
    fn rows(&mut self, text: &Bytes, last: bool, sink: &mut dyn Sink) -> Result<Bytes, Stop> {
        let mut at = 0;
        if !self.began {
            if text.len() < head::SAMPLE && !last {
                return Ok(text.clone());
            }
            at = self.begin(text)?;
        }
        while at < text.len() {
            let mut cells = std::mem::take(&mut self.cells);
            let seen = self.dialect.scan(text, at, &mut cells);
            let end = match seen.end {
                End::At(next) => next,
                End::Text { .. } if !last => {
                    self.cells = cells;
                    break;
                }
                End::Text { quoted } => {
                    self.whole(text, at, quoted, &seen)?;
                    text.len()
                }
            };
            self.row(text, (at, end), &seen, &cells, sink)?;
            self.cells = cells;
            self.lines += seen.breaks + 1;
            at = end;
        }
        let left = text.slice(at..);
        match left.len() > LINE_MAX {
            true => Err(self.too_long()),
            false if last => self.end().map(|()| left),
            false => Ok(left),
        }
    }

    /// Looks at what stands above the row of names; where that begins.
    fn begin(&mut self, text: &Bytes) -> Result<usize, Stop> {
        self.began = true;
        let mark = head::mark(text);
        if begins_html(text) {
            let place = self.context.place.to_owned();
            return Err(PageFault::Html { place }.into());
        }
        let (mut at, skipped) = head::skipped(text, mark, self.table.skip);
        self.lines = skipped;
        if self.unknown {
            match head::told(text, at) {
                Some((sign, end)) => {
                    (self.dialect.delimiter, at) = (sign, end);
                    self.lines += 1;
                }
                None => self.dialect.delimiter = head::found(text.get(at..).unwrap_or_default(), self.table.quotes),
            }
        }
        Ok(at)
    }

    /// At the end of a text: whether its last record has come as a whole.
    fn whole(&self, text: &Bytes, at: usize, quoted: bool, seen: &Scanned) -> Result<(), Stop> {
        if text.len() - at > LINE_MAX {
            return Err(self.too_long());
        }
        let ends = text.ends_with(b"\r") || seen.broken.is_some();
        let short = self
            .columns
            .as_ref()
            .is_some_and(|columns| seen.count < columns.names.len());
        let line = self.lines + 1;
        let message = match quoted {
            true => format!("a quotation mark of the record that begins in line {line} is not closed"),
            false if short && !ends => format!("in line {line}, after {} of its cells", seen.count),
            false => return Ok(()),
        };
        let place = self.context.place.to_owned();
        Err(PageFault::CutOffText { place, message }.into())
    }

    fn too_long(&self) -> Stop {
        let message = format!(
            "the record that begins in line {} is longer than {LINE_MAX} bytes; does one of its quotation marks lack another?",
            self.lines + 1
        );
        rows_fault(self.context.place, message).into()
    }

    /// A text without a row of names is no table; a page after others may be empty.
    fn end(&self) -> Result<(), Stop> {
        let single = matches!(self.context.fetch.paging.advance, Advance::Single);
        match self.columns.is_none() && self.table.columns.is_empty() && single {
            true => Err(PageFault::Empty {
                place: self.context.place.to_owned(),
            }
            .into()),
            false => Ok(()),
        }
    }

    /// Where to look when no column is one of those that are looked for.
    fn advice(&self) -> &'static str {
        match (self.table.columns.is_empty(), self.tabs) {
            (false, _) => "name the columns in `table: {columns: …}` as the fields are",
            (true, true) => "is it the right file, and are its cells told apart by tabs?",
            (true, false) => "is it the right file, and the right `table: {delimiter: …}`?",
        }
    }

    /// Takes a row of the table, whatever it is.
    fn row(
        &mut self,
        text: &Bytes,
        (from, to): (usize, usize),
        seen: &Scanned,
        cells: &[Cell],
        sink: &mut dyn Sink,
    ) -> Result<(), Stop> {
        if matches!(text.get(from), Some(b'\n' | b'\r')) {
            return Ok(());
        }
        let raw = text.slice(from..to);
        let covered = self.context.covered(raw.clone());
        if covered != raw {
            // What stands in the place of a credential is a text of another length.
            let mut cells = Vec::new();
            let seen = self.dialect.scan(&covered, 0, &mut cells);
            return self.covered_row(&covered, (0, covered.len()), &seen, &cells, sink);
        }
        self.covered_row(text, (from, to), seen, cells, sink)
    }

    fn covered_row(
        &mut self,
        text: &Bytes,
        (from, to): (usize, usize),
        seen: &Scanned,
        cells: &[Cell],
        sink: &mut dyn Sink,
    ) -> Result<(), Stop> {
        if self.columns.is_none() {
            let place = self.context.place;
            let said = &self.table.columns;
            let names = match said.is_empty() {
                true => head::names(text, cells, place)?,
                false => said.clone(),
            };
            self.columns = Some(Columns::of(&names, sink.names(), place, self.advice())?);
            if said.is_empty() {
                return Ok(());
            }
        }
        if std::mem::take(&mut self.units) {
            return Ok(());
        }
        let Some(columns) = self.columns.take() else {
            return Err(PageFault::Internal.into());
        };
        let given = self.record(&columns, text, (from, to), seen, cells, sink);
        self.columns = Some(columns);
        given
    }

    fn record(
        &mut self,
        columns: &Columns,
        text: &Bytes,
        (from, to): (usize, usize),
        seen: &Scanned,
        cells: &[Cell],
        sink: &mut dyn Sink,
    ) -> Result<(), Stop> {
        let (at, bytes) = (At::Line(self.lines + 1), (to - from) as u64);
        let raw = text.get(from..to).unwrap_or_default();
        let broken = seen.broken.map(str::to_owned);
        if let Some(reason) = broken.or_else(|| columns.misfit(seen.count)) {
            return self.refuse(reason, raw, bytes, at, sink);
        }
        self.good += 1;
        let whole = std::str::from_utf8(raw).is_ok();
        let table = self.table;
        let value = |cell: &Cell| value(table, text, cell, whole, from);
        if let (None, Some(sought)) = (self.each, &columns.sought) {
            let mut values = std::mem::take(&mut self.values);
            values.clear();
            values.extend(sought.iter().map(|column| cells.get((*column)?).map(value)));
            let taken = sink.named(&values, bytes);
            self.values = values;
            if taken? {
                return Ok(());
            }
        }
        let named = columns.names.iter().zip(cells);
        let members = named.filter_map(|(name, cell)| Some((name.clone()?, value(cell))));
        let record = Val::obj(members.collect::<Map>());
        self.context.allow();
        match self.each {
            Some(filter) => of_item(filter, &record, (bytes, at), self.context, sink),
            None => sink.record(&record, bytes, at),
        }
    }

    /// A row that is no record costs no other. A text whose first rows are all such is no table.
    fn refuse(&mut self, reason: String, raw: &[u8], bytes: u64, at: At, sink: &mut dyn Sink) -> Result<(), Stop> {
        self.bad += 1;
        if self.good == 0 && self.bad >= LINES_TRIED {
            let message = format!(
                "{reason}, and so it is with the first {LINES_TRIED} rows; is it a table, and its delimiter known?"
            );
            return Err(rows_fault(&self.context.place_of(at), message).into());
        }
        let text = String::from_utf8_lossy(raw.trim_ascii_end()).into_owned();
        sink.refuse(refused_text(reason, text), bytes, at)
    }
}

/// What a cell of a record says; `whole`: all of the record is UTF-8.
fn value(table: &Table, text: &Bytes, cell: &Cell, whole: bool, from: usize) -> Val {
    let value = cell.text(text);
    if value.is_empty() || table.nulls.iter().any(|null| null.as_bytes() == value) {
        return Val::Null;
    }
    if !whole && let Err(error) = std::str::from_utf8(&value) {
        let at = cell.start - from + error.valid_up_to();
        return broken("a text with bytes that are no UTF-8", at as u64, &value);
    }
    Val::utf8_str(value)
}

#[cfg(test)]
mod tests;
