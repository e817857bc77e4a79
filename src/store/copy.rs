//! Rows as PostgreSQL's `COPY … (FORMAT binary)` takes them. Knows the bytes of values; no statements, no tables.

use crate::value::Value;

use super::bind::Kind;

/// What a stream begins with: the signature, no flags, nothing more to say.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What stands at its end, where another row would have the number of its cells.
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// The length of a null.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// Room for a common cell, so that few rows make the stream move.
const CELL_BYTES: usize = 16;
/// Decimal digits in one of `NUMERIC`'s own.
const NUMERIC_DIGITS: usize = 4;
const NUMERIC_NEGATIVE: u16 = 0x4000;

/// A stream of rows, cell by cell.
pub struct Stream(Vec<u8>);

impl Default for Stream {
    fn default() -> Stream {
        Stream(HEAD.to_vec())
    }
}

impl Stream {
    /// Room for so many cells.
    pub fn reserve(&mut self, cells: usize) {
        self.0.reserve(cells * CELL_BYTES);
    }

    /// Begins a row of so many cells.
    pub fn row(&mut self, width: usize) {
        // A table has no more than 1,600 columns.
        self.0.extend_from_slice(&(width as u16).to_be_bytes());
    }

    /// The next cell; `None` for a value of another kind.
    pub fn value(&mut self, value: &Value, kind: Kind) -> Option<()> {
        match (kind, value) {
            (_, Value::Null) => self.null(),
            (Kind::Int, Value::Int(value)) => self.int(Some(*value)),
            (Kind::Float, Value::Float(value)) => self.cell(&value.to_bits().to_be_bytes()),
            (Kind::Float, Value::Int(value)) => self.cell(&(*value as f64).to_bits().to_be_bytes()),
            (Kind::Bool, Value::Bool(value)) => self.cell(&[u8::from(*value)]),
            (Kind::Text, Value::Text(value)) => self.text(value),
            (Kind::Decimal, Value::Text(value)) => self.cell(&numeric(value)?),
            _ => return None,
        }
        Some(())
    }

    pub fn null(&mut self) {
        self.0.extend_from_slice(&NULL);
    }

    pub fn int(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.cell(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    pub fn text(&mut self, text: &str) {
        self.cell(text.as_bytes());
    }

    /// Cells that are the same in each row, made once.
    pub fn cells(&mut self, cells: &Stream) {
        self.0.extend_from_slice(cells.0.get(HEAD.len()..).unwrap_or_default());
    }

    fn cell(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// The whole stream.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&END);
        self.0
    }
}

/// A canonical decimal as `NUMERIC`: the number of its digits to the base 10,000, the place of the first one, sign, decimal
/// digits after the point, the digits. `None` for another text.
fn numeric(text: &str) -> Option<Vec<u8>> {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => (NUMERIC_NEGATIVE, magnitude),
        None => (0, text),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    // Zeros fill the first and the last digit up: the point stands between two of them.
    let before = (NUMERIC_DIGITS - whole.len() % NUMERIC_DIGITS) % NUMERIC_DIGITS;
    let after = (NUMERIC_DIGITS - fraction.len() % NUMERIC_DIGITS) % NUMERIC_DIGITS;
    let padded = ["0".repeat(before).as_str(), whole, fraction, "0".repeat(after).as_str()].concat();
    let digits: Option<Vec<u16>> = padded.as_bytes().chunks(NUMERIC_DIGITS).map(digit).collect();
    let digits = digits?;
    let first = (whole.len() + before) / NUMERIC_DIGITS;
    let parts = [
        u16::try_from(digits.len()).ok()?,
        u16::try_from(first).ok()?.wrapping_sub(1),
        sign,
        u16::try_from(fraction.len()).ok()?,
    ];
    Some(parts.into_iter().chain(digits).flat_map(u16::to_be_bytes).collect())
}

fn digit(decimals: &[u8]) -> Option<u16> {
    decimals.iter().try_fold(0, |digit, decimal| {
        let value = decimal.is_ascii_digit().then(|| u16::from(decimal - b'0'))?;
        Some(digit * 10 + value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_digits_to_the_base_ten_thousand() {
        let bytes = |parts: &[u16]| parts.iter().flat_map(|part| part.to_be_bytes()).collect::<Vec<u8>>();
        for (text, want) in [
            ("0", bytes(&[1, 0, 0, 0, 0])),
            ("-1.5", bytes(&[2, 0, 0x4000, 1, 1, 5_000])),
            ("0.00001", bytes(&[3, 0, 0, 5, 0, 0, 1_000])),
            ("1234567.8", bytes(&[3, 1, 0, 1, 123, 4_567, 8_000])),
        ] {
            assert_eq!(numeric(text), Some(want), "{text}");
        }
        assert_eq!(numeric("1e5"), None);
        assert_eq!(numeric("NaN"), None);
    }

    #[test]
    fn values_of_another_kind_are_no_cells() {
        let mut stream = Stream::default();
        assert_eq!(stream.value(&Value::Text("1".to_owned()), Kind::Int), None);
        assert_eq!(stream.value(&Value::Int(1), Kind::Text), None);
        assert_eq!(stream.value(&Value::Null, Kind::Bool), Some(()));
    }
}
