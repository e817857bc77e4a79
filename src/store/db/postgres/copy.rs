//! Rows as the text that PostgreSQL's COPY reads: a line each, cells apart by tabs. Knows that
//! format; no tables, no connections.
//!
//! The format: <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format".

use std::fmt::Write as _;

use crate::{store::db::params::Kind, value::Value};

/// Bytes of a piece: less than a socket takes at once, so that the server reads one while the next
/// one is made.
const PIECE_BYTES: usize = 64 << 10;
/// Room for the row that ends a piece.
const ROW_BYTES: usize = 1 << 10;

/// Lines as they grow, cell by cell.
pub(crate) struct Lines {
    text: String,
    /// Cells of one line, and of those the one that comes next.
    width: usize,
    at: usize,
}

impl Lines {
    /// Lines of so many cells.
    pub(crate) fn new(width: usize) -> Lines {
        Lines {
            text: String::with_capacity(PIECE_BYTES + ROW_BYTES),
            width: width.max(1),
            at: 0,
        }
    }

    /// The next cell; `None` for a value of another kind.
    pub(crate) fn value(&mut self, kind: Kind, value: &Value) -> Option<()> {
        match (kind, value) {
            (_, Value::Null) => self.null(),
            (Kind::Int, Value::Int(value)) => self.int(*value),
            (Kind::Float, Value::Float(value)) => self.float(*value),
            (Kind::Float, Value::Int(value)) => self.float(*value as f64),
            (Kind::Bool, Value::Bool(value)) => self.bool(*value),
            (Kind::Decimal | Kind::Text, Value::Text(value)) => self.text(value),
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn int(&mut self, value: i64) {
        // A `String` takes all that is written to it.
        let _ = write!(self.text, "{value}");
        self.end();
    }

    pub(crate) fn text(&mut self, value: &str) {
        let mut rest = value;
        while let Some(at) = rest.find(['\\', '\t', '\n', '\r']) {
            let (plain, special) = rest.split_at(at);
            self.text.push_str(plain);
            let mut chars = special.chars();
            self.text.push_str(match chars.next() {
                Some('\t') => "\\t",
                Some('\n') => "\\n",
                Some('\r') => "\\r",
                _ => "\\\\",
            });
            rest = chars.as_str();
        }
        self.text.push_str(rest);
        self.end();
    }

    pub(crate) fn null(&mut self) {
        self.text.push_str("\\N");
        self.end();
    }

    /// The shortest digits that mean this number and no other, which the server reads exactly.
    fn float(&mut self, value: f64) {
        let _ = write!(self.text, "{value:e}");
        self.end();
    }

    fn bool(&mut self, value: bool) {
        self.text.push(if value { 't' } else { 'f' });
        self.end();
    }

    fn end(&mut self) {
        self.at = (self.at + 1) % self.width;
        self.text.push(if self.at == 0 { '\n' } else { '\t' });
    }

    /// Whether a piece is whole.
    pub(crate) fn is_piece(&self) -> bool {
        self.at == 0 && self.text.len() >= PIECE_BYTES
    }

    /// The lines since the last piece.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let room = String::with_capacity(PIECE_BYTES + ROW_BYTES);
        std::mem::replace(&mut self.text, room).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mut lines: Lines) -> String {
        String::from_utf8(lines.take()).expect("text")
    }

    #[test]
    fn cells_are_told_apart() {
        let mut lines = Lines::new(3);
        lines.int(-7);
        lines.text("a\tb\\N\r\n");
        lines.null();
        lines.float(1e300);
        lines.bool(true);
        lines.text("");
        assert_eq!(text(lines), "-7\ta\\tb\\\\N\\r\\n\t\\N\n1e300\tt\t\n");
    }

    #[test]
    fn floats_keep_their_value() {
        for value in [0.1, -0.0, f64::MIN_POSITIVE, f64::MAX, 5e-324, 123_456_789.125] {
            let mut lines = Lines::new(1);
            lines.float(value);
            let text = text(lines);
            let read: f64 = text.trim().parse().expect("a number");
            assert_eq!(read.to_bits(), value.to_bits(), "{text}");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_no_cell() {
        assert!(Lines::new(1).value(Kind::Int, &Value::Text("1".to_owned())).is_none());
    }
}
