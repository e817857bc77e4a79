//! What a read is guessed to cost, in the making and as it is judged, and what each step of a
//! machine takes. Knows numbers; no read.

use std::time::Duration;

/// Nanoseconds of a machine of no great speed: to look at a row, to sort it, to step to a row of
/// another type, to make one of the answer, to read a byte of a text that is searched, and to put
/// one into the answer.
pub(super) const LOOK: f64 = 300.0;
pub(super) const SORT: f64 = 700.0;
pub(super) const STEP: f64 = 1_500.0;
pub(super) const MAKE: f64 = 2_000.0;
pub(super) const READ_BYTE: f64 = 1.0;
pub(super) const WRITE_BYTE: f64 = 2.0;
/// Bytes of a text that count as a row that is looked at.
pub(super) const TEXT_OF_ROW: f64 = 1_000.0;

/// What a read is guessed to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::graphql) struct Cost {
    /// Rows in all lists of the answer.
    pub rows: u64,
    /// Bytes of the answer, of lists whose filters are known to leave so many rows.
    pub bytes: u64,
    /// Rows of other types that filters and orders step to, for each row they are asked of; and
    /// rows whose texts are searched without an index, those of long texts several times.
    pub filter_rows: u64,
    /// How long all of it may take.
    pub time: Duration,
    /// Letters of the longest text that `contains`, `startsWith` or `endsWith` looks for.
    pub text_letters: usize,
    /// The same of a pattern.
    pub pattern_letters: usize,
}

/// The same in the making.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    pub rows: f64,
    pub bytes: f64,
    pub filter_rows: f64,
    pub nanos: f64,
}

impl Guess {
    /// The same so many times.
    pub(super) fn times(self, times: f64) -> Guess {
        Guess {
            rows: self.rows * times,
            bytes: self.bytes * times,
            filter_rows: self.filter_rows * times,
            nanos: self.nanos * times,
        }
    }

    pub(super) fn plus(self, other: Guess) -> Guess {
        Guess {
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
            filter_rows: self.filter_rows + other.filter_rows,
            nanos: self.nanos + other.nanos,
        }
    }
}

/// Steps to rows of other types.
pub(super) fn steps_of(count: f64) -> Guess {
    Guess {
        filter_rows: count,
        nanos: count * STEP,
        ..Guess::default()
    }
}
