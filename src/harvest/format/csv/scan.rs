//! Where the cells of one record of CSV begin and end. Knows delimiters, quotation marks and line
//! ends; knows no names and no values.

use bytes::Bytes;
use memchr::{memchr, memchr_iter, memchr2, memchr3};

use crate::harvest::format::columns::COLUMNS_MAX;

/// How cells are told apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub quotes: bool,
}

/// One cell: its bytes, without quotation marks around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub start: usize,
    pub end: usize,
    /// Quotation marks in it are doubled.
    pub doubled: bool,
}

impl Cell {
    /// What it says.
    pub(super) fn text(&self, text: &Bytes) -> Bytes {
        let bytes = text.slice(self.start..self.end);
        if !self.doubled {
            return bytes;
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut second = false;
        for byte in bytes {
            second = byte == b'"' && !second;
            // Of two marks the second one stays.
            if !second {
                out.push(byte);
            }
        }
        out.into()
    }
}

/// How a record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next one begins there.
    At(usize),
    /// With the text; `quoted`: in the middle of a cell whose quotation mark is open.
    Text { quoted: bool },
}

/// What was seen of a record beside its cells.
#[derive(Debug)]
pub(super) struct Scanned {
    pub end: End,
    /// All cells, also those beyond [`COLUMNS_MAX`].
    pub count: usize,
    /// Line ends within its cells.
    pub breaks: u64,
    /// Why it is no record.
    pub broken: Option<&'static str>,
}

impl Dialect {
    /// Reads the record that begins at a place of a text.
    pub(super) fn scan(self, text: &[u8], from: usize, cells: &mut Vec<Cell>) -> Scanned {
        cells.clear();
        let mut seen = Scanned {
            end: End::Text { quoted: false },
            count: 0,
            breaks: 0,
            broken: None,
        };
        let mut at = from;
        loop {
            let cell = match text.get(at) {
                Some(b'"') if self.quotes => match quoted(text, at + 1) {
                    Some(cell) => cell,
                    None => {
                        seen.end = End::Text { quoted: true };
                        return seen;
                    }
                },
                _ => self.plain(text, at),
            };
            let inner = text.get(cell.start..cell.end).unwrap_or_default();
            let mut after = cell.end;
            if cell.start > at {
                seen.breaks += memchr_iter(b'\n', inner).count() as u64;
                after += 1;
            }
            seen.count += 1;
            if cells.len() <= COLUMNS_MAX {
                cells.push(cell);
            }
            match self.follows(text, after) {
                Follows::Cell => at = after + 1,
                Follows::End(end) => {
                    seen.end = end;
                    return seen;
                }
                Follows::Text => {
                    seen.broken = Some("something follows the closing quotation mark of a cell");
                    seen.end = line_end(text, after);
                    return seen;
                }
            }
        }
    }

    /// A cell without quotation marks.
    fn plain(self, text: &[u8], start: usize) -> Cell {
        let rest = text.get(start..).unwrap_or_default();
        let length = memchr3(self.delimiter, b'\n', b'\r', rest).unwrap_or(rest.len());
        Cell {
            start,
            end: start + length,
            doubled: false,
        }
    }

    fn follows(self, text: &[u8], at: usize) -> Follows {
        match text.get(at) {
            None => Follows::End(End::Text { quoted: false }),
            Some(byte) if *byte == self.delimiter => Follows::Cell,
            Some(b'\n' | b'\r') => Follows::End(line_end(text, at)),
            Some(_) => Follows::Text,
        }
    }
}

/// What follows a cell.
enum Follows {
    Cell,
    End(End),
    Text,
}

/// A cell in quotation marks, of which none closes it: `None`.
fn quoted(text: &[u8], start: usize) -> Option<Cell> {
    let (mut from, mut doubled) = (start, false);
    loop {
        let end = from + memchr(b'"', text.get(from..)?)?;
        if text.get(end + 1) != Some(&b'"') {
            return Some(Cell { start, end, doubled });
        }
        doubled = true;
        from = end + 2;
    }
}

/// Where the line ends that a place is in. A line ends with LF, CR and LF, or CR.
fn line_end(text: &[u8], at: usize) -> End {
    let rest = text.get(at..).unwrap_or_default();
    match memchr2(b'\n', b'\r', rest) {
        None => End::Text { quoted: false },
        Some(found) => match (rest.get(found), rest.get(found + 1)) {
            (Some(b'\r'), Some(b'\n')) => End::At(at + found + 2),
            // What follows decides, and is not there yet.
            (Some(b'\r'), None) => End::Text { quoted: false },
            _ => End::At(at + found + 1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> (Vec<String>, Scanned) {
        let dialect = Dialect {
            delimiter: b',',
            quotes: true,
        };
        let mut cells = Vec::new();
        let seen = dialect.scan(text.as_bytes(), 0, &mut cells);
        let texts = cells.iter().map(|cell| text[cell.start..cell.end].to_owned());
        (texts.collect(), seen)
    }

    #[test]
    fn cells_and_ends() {
        let end = End::Text { quoted: false };
        for (text, want, ends) in [
            ("a,b\nc", &["a", "b"][..], End::At(4)),
            ("a,b\r\nc", &["a", "b"], End::At(5)),
            ("a,b\rc", &["a", "b"], End::At(4)),
            ("a,b\r", &["a", "b"], end),
            ("a,", &["a", ""], end),
            (",\n", &["", ""], End::At(2)),
            ("\"a,\nb\",c\n", &["a,\nb", "c"], End::At(9)),
            ("\"a\"\"b\"\n", &["a\"\"b"], End::At(7)),
            ("a\"b,c\n", &["a\"b", "c"], End::At(6)),
            ("\"\",\"\"", &["", ""], end),
        ] {
            let (cells, seen) = cells(text);
            assert_eq!(
                (&cells[..], seen.end),
                (
                    &want.iter().map(|want| (*want).to_owned()).collect::<Vec<_>>()[..],
                    ends
                ),
                "{text:?}"
            );
            assert_eq!(seen.broken, None, "{text:?}");
        }
        assert_eq!(cells("a,\"b").1.end, End::Text { quoted: true });
        let (_, seen) = cells("\"a\"b,c\nd");
        assert!(seen.broken.is_some() && seen.end == End::At(7), "{seen:?}");
    }
}
