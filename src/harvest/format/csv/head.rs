//! What stands above the records of a table: the mark of the text, how its cells are told apart,
//! and the names in a row. Knows no records.

use bytes::Bytes;
use memchr::memchr;

use super::scan::{Cell, Dialect, End};
use crate::harvest::error::{PageFault, rows_fault};

/// As much of a text tells how its cells are told apart.
pub(super) const SAMPLE: usize = 64 << 10;
/// Records of it that are looked at.
const SAMPLE_RECORDS: usize = 20;
/// What people put between cells, the most usual first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Bytes before the first line: the mark of UTF-8.
pub(super) fn mark(text: &[u8]) -> usize {
    if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

/// Leaves out so many lines, whatever is in them; with how many there were.
pub(super) fn skipped(text: &[u8], mut at: usize, lines: u64) -> (usize, u64) {
    for line in 0..lines {
        match memchr(b'\n', text.get(at..).unwrap_or_default()) {
            Some(end) => at += end + 1,
            None => return (text.len(), line),
        }
    }
    (at, lines)
}

/// `sep=;` in the first line, as spreadsheets write it: the delimiter, and where the line ends.
pub(super) fn told(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = text.get(at..)?;
    let sign = *rest.strip_prefix(b"sep=")?.first()?;
    match rest.get(5..)? {
        [b'\r', b'\n', ..] => Some((sign, at + 7)),
        [b'\n', ..] => Some((sign, at + 6)),
        _ => None,
    }
}

/// The delimiter by which the first records have equally many cells, and the most of them; else the
/// one that makes most cells of the first record.
pub(super) fn found(text: &[u8], quotes: bool) -> u8 {
    let text = text.get(..SAMPLE).unwrap_or(text);
    let mut best = (false, 1, b',');
    for delimiter in DELIMITERS {
        let counts = counts(text, Dialect { delimiter, quotes });
        let Some(first) = counts.first().copied() else { continue };
        let equal = counts.iter().all(|count| *count == first);
        if first > 1 && (equal, first) > (best.0, best.1) {
            best = (equal, first, delimiter);
        }
    }
    best.2
}

/// Cells of the first records; the last one of a text may be cut off.
fn counts(text: &[u8], dialect: Dialect) -> Vec<usize> {
    let (mut counts, mut cells, mut at) = (Vec::new(), Vec::new(), 0);
    while at < text.len() && counts.len() < SAMPLE_RECORDS {
        let seen = dialect.scan(text, at, &mut cells);
        let empty = matches!(text.get(at), Some(b'\n' | b'\r'));
        match seen.end {
            End::At(next) => at = next,
            End::Text { .. } if !counts.is_empty() => break,
            End::Text { .. } => at = text.len(),
        }
        if !empty {
            counts.push(seen.count);
        }
    }
    counts
}

/// The names in a row.
pub(super) fn names(text: &Bytes, cells: &[Cell], place: &str) -> Result<Vec<String>, PageFault> {
    let name = |cell: &Cell| match std::str::from_utf8(&cell.text(text)) {
        Ok(name) => Ok(name.trim().to_owned()),
        Err(_) => {
            let message = "the names of the columns have bytes that are no UTF-8; say its `charset`";
            Err(rows_fault(place, message.to_owned()))
        }
    };
    cells.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters() {
        for (text, want) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2\n", b';'),
            ("a;b,c\n1;2,5\n3;4\n", b';'),
            ("a\tb\tc\n1\t2\t3,4\n", b'\t'),
            ("a|b\n\"x|y\"|2\n", b'|'),
            ("alone\n1\n", b','),
            ("", b','),
            ("a;b;c", b';'),
        ] {
            assert_eq!(char::from(found(text.as_bytes(), true)), char::from(want), "{text:?}");
        }
    }

    #[test]
    fn what_stands_above() {
        assert_eq!(told(b"sep=;\r\na;b", 0), Some((b';', 7)));
        assert_eq!(told(b"sep=;a\n", 0), None);
        assert_eq!(skipped(b"x\ny\na,b\n", 0, 2), (4, 2));
        assert_eq!(skipped(b"x\ny", 0, 2), (3, 1));
    }
}
