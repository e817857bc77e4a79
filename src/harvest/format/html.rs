//! Web pages: the elements that a CSS selector finds, or the rows of a table. Knows pages as
//! browsers read them; what becomes of a record is the sink's affair.

mod depth;
mod grid;
mod words;

use bytes::Bytes;
use jaq_json::{Map, Val};
use scraper::{ElementRef, Html as Document, Selector};

use self::words::text_of;
use super::{
    DecodeContext, Decoder, Sink,
    columns::{COLUMNS_MAX, Columns},
};
use crate::{
    catalog::{Advance, CssField, Fetch},
    harvest::{
        error::{PageFault, Stop, rows_fault},
        refusal::{At, refused_text},
        text::Long,
        turn::Turn,
    },
};

/// Bytes of a web page: what it is read to takes many times as much.
const HTML_MAX: usize = if cfg!(test) { 256 << 10 } else { 8 << 20 };

/// Where to look when no column is one of those that are looked for.
const ADVICE: &str = "is it the right table, and are the names in its first row (`table: {skip: …}`)?";

pub(super) struct Html {
    pub tables: bool,
}

impl Decoder for Html {
    fn in_pieces_from(&self, _: &Fetch) -> Option<u64> {
        None
    }

    /// Browsers close what is open.
    fn ends_by_itself(&self) -> bool {
        false
    }

    fn read(&self, text: Long<'_>, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
        let Long::Memory(bytes) = text else {
            return Err(PageFault::Internal.into());
        };
        let place = context.place;
        if bytes.len() > HTML_MAX {
            let message = format!("a web page of more than {HTML_MAX} bytes, which is more than is read as one");
            return Err(rows_fault(place, message).into());
        }
        if bytes.trim_ascii().is_empty() {
            let place = place.to_owned();
            return Err(PageFault::Empty { place }.into());
        }
        if depth::is_beyond(bytes) {
            let message = format!(
                "a web page whose elements lie more than {} deep in each other, which takes too long to read",
                depth::DEPTH_MAX
            );
            return Err(rows_fault(place, message).into());
        }
        sink.came(bytes.len() as u64);
        // Only one of the large ones is in memory at once.
        let _turn = Turn::of(bytes.len() * 8, || context.cancel.is_cancelled()).ok_or(Stop::Gone)?;
        let document = Document::parse_document(&String::from_utf8_lossy(bytes));
        let css = context.fetch.css.as_ref().ok_or(PageFault::Internal)?;
        let fields = css.fields.iter().map(Taken::new).collect::<Option<_>>();
        let reader = Reader {
            context,
            rows: selector(&css.rows).ok_or(PageFault::Internal)?,
            fields: fields.ok_or(PageFault::Internal)?,
        };
        match self.tables {
            true => reader.table(&document, bytes.len(), sink),
            false => reader.elements(&document, bytes.len(), sink),
        }
    }
}

/// The catalog has read it before.
fn selector(css: &str) -> Option<Selector> {
    Selector::parse(css).ok()
}

/// What is taken of a record by CSS.
struct Taken<'c> {
    field: &'c CssField,
    key: Val,
    selector: Selector,
}

impl<'c> Taken<'c> {
    fn new(field: &'c CssField) -> Option<Taken<'c>> {
        Some(Taken {
            field,
            key: text(&field.key),
            selector: selector(&field.css)?,
        })
    }

    fn of(&self, element: ElementRef<'_>) -> Val {
        let value = |found: ElementRef<'_>| match &self.field.attr {
            Some(attr) => found.attr(attr).map_or(Val::Null, text),
            None => some_text(&text_of(found)),
        };
        let mut found = element.select(&self.selector);
        match self.field.many {
            true => Val::Arr(found.map(value).collect::<Vec<_>>().into()),
            false => found.next().map_or(Val::Null, value),
        }
    }
}

/// A page while its records are taken.
struct Reader<'c> {
    context: &'c DecodeContext<'c>,
    rows: Selector,
    fields: Vec<Taken<'c>>,
}

impl Reader<'_> {
    /// Each element that is found is a record: its attributes, its text, and what is taken by CSS.
    fn elements(&self, document: &Document, bytes: usize, sink: &mut dyn Sink) -> Result<(), Stop> {
        let count = document.select(&self.rows).count();
        self.there_is(count, "element")?;
        for (number, element) in (1..).zip(document.select(&self.rows)) {
            let mut members = Map::default();
            for (name, value) in element.value().attrs() {
                members.insert(text(&format!("@{name}")), text(value));
            }
            members.insert(text("#text"), some_text(&text_of(element)));
            self.give(element, members, number, (bytes / count) as u64, sink)?;
        }
        Ok(())
    }

    /// The rows of the one table that is found, by the names of its columns.
    fn table(&self, document: &Document, bytes: usize, sink: &mut dyn Sink) -> Result<(), Stop> {
        let place = self.context.place;
        let tables: Vec<ElementRef<'_>> = document.select(&self.rows).collect();
        let table = match tables[..] {
            [] => return self.there_is(0, "table"),
            [table] => table,
            _ => {
                let message = format!(
                    "`rows` finds {} tables; say which one is meant, such as `table#prices` or `h2 + table`",
                    tables.len()
                );
                return Err(rows_fault(place, message).into());
            }
        };
        let said = &self.context.fetch.table;
        let rows = grid::rows(table, COLUMNS_MAX);
        let mut rows = rows.into_iter().skip(said.skip as usize).peekable();
        let names = match said.columns.is_empty() {
            false => said.columns.clone(),
            true => {
                let mut names = Vec::new();
                // The first row has the names in any case.
                while let Some(row) = rows.next_if(|row| row.names || names.is_empty()) {
                    join(&mut names, row.cells);
                    if !row.names {
                        break;
                    }
                }
                names
            }
        };
        let sought = sink.names().filter(|_| self.fields.is_empty());
        let columns = Columns::of(&names, sought, place, ADVICE)?;
        // A row of names among the others says nothing.
        let mut rows: Vec<grid::Row<'_>> = rows.filter(|row| !row.names).collect();
        if said.units && !rows.is_empty() {
            rows.remove(0);
        }
        let share = bytes / rows.len().max(1);
        for (number, row) in (1..).zip(rows) {
            if let Some(reason) = columns.misfit(row.cells.len()) {
                let refused = refused_text(reason, row.element.html());
                sink.refuse(refused, share as u64, At::Record(number))?;
                continue;
            }
            let cells = columns.names.iter().zip(&row.cells);
            let members = cells.filter_map(|(name, cell)| Some((name.clone()?, self.cell(cell))));
            self.give(row.element, members.collect(), number, share as u64, sink)?;
        }
        Ok(())
    }

    fn cell(&self, cell: &str) -> Val {
        match self.context.fetch.table.nulls.iter().any(|null| null == cell) {
            true => Val::Null,
            false => some_text(cell),
        }
    }

    fn give(
        &self,
        element: ElementRef<'_>,
        mut members: Map,
        number: u64,
        bytes: u64,
        sink: &mut dyn Sink,
    ) -> Result<(), Stop> {
        for taken in &self.fields {
            members.insert(taken.key.clone(), taken.of(element));
        }
        self.context.wanted()?;
        self.context.allow();
        sink.record(&Val::obj(members), bytes, At::Record(number))
    }

    /// A page on which nothing is found is another page than was meant; behind others, it may be
    /// the end.
    fn there_is(&self, count: usize, what: &str) -> Result<(), Stop> {
        if count > 0 || !matches!(self.context.fetch.paging.advance, Advance::Single) {
            return Ok(());
        }
        let css = self.context.fetch.css.as_ref().map_or("", |css| &css.rows);
        let message =
            format!("the page has no {what} `{css}`; it may be a login or an error page, or look otherwise now");
        Err(rows_fault(self.context.place, message).into())
    }
}

/// Puts the names of a further row below those above, each name once.
fn join(names: &mut Vec<String>, cells: Vec<String>) {
    if names.is_empty() {
        *names = cells;
        return;
    }
    for (name, cell) in names.iter_mut().zip(cells) {
        if !cell.is_empty() && *name != cell {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(&cell);
        }
    }
}

fn some_text(words: &str) -> Val {
    match words.is_empty() {
        true => Val::Null,
        false => text(words),
    }
}

fn text(text: &str) -> Val {
    Val::utf8_str(Bytes::copy_from_slice(text.as_bytes()))
}
