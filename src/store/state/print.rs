//! Prints of rows: what an answer wrote, in one number. Knows hashes; no rows.

use xxhash_rust::xxh3::Xxh3;

/// The lower half of a hash.
pub(crate) const LOW: u64 = 0xffff_ffff;

/// The hashes of some rows, summed up, in whichever order. That is enough to tell rows apart: a
/// hash is of a whole row with its key, links and children, so no row can have the hash of another
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Print {
    pub(crate) rows: u64,
    pub(crate) low: u64,
    pub(crate) high: u64,
}

impl Print {
    /// Adds a row that is stored with this hash.
    pub(crate) fn add(&mut self, hash: i64) {
        let hash = hash.cast_unsigned();
        self.plus(Print {
            rows: 1,
            low: hash & LOW,
            high: hash >> 32,
        });
    }

    /// Adds the rows of another one.
    pub(crate) fn plus(&mut self, other: Print) {
        self.rows = self.rows.wrapping_add(other.rows);
        self.low = self.low.wrapping_add(other.low);
        self.high = self.high.wrapping_add(other.high);
    }

    /// Takes away the rows of another one.
    pub(crate) fn minus(&mut self, other: Print) {
        self.rows = self.rows.wrapping_sub(other.rows);
        self.low = self.low.wrapping_sub(other.low);
        self.high = self.high.wrapping_sub(other.high);
    }

    /// As it is kept in the database.
    pub(crate) fn folded(self) -> i64 {
        let mut hash = Xxh3::new();
        for part in [self.rows, self.low, self.high] {
            hash.update(&part.to_le_bytes());
        }
        hash.digest().cast_signed()
    }
}

/// Rows as neighbours that follow each other: the first and the last of each span. They are sorted,
/// and none comes twice.
pub(crate) fn spans(rows: &[i64]) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for row in rows {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *row => *last = *row,
            _ => spans.push((*row, *row)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_span() {
        assert_eq!(spans(&[]), []);
        assert_eq!(spans(&[1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
    }

    #[test]
    fn a_print_tells_rows_apart_and_not_their_order() {
        let of = |hashes: &[i64]| {
            let mut print = Print::default();
            hashes.iter().for_each(|hash| print.add(*hash));
            print.folded()
        };
        assert_eq!(of(&[1, -2, i64::MIN]), of(&[i64::MIN, 1, -2]));
        for other in [&[1, -2][..], &[1, -2, i64::MIN, 0], &[1, -2, i64::MAX], &[1, -2, 0]] {
            assert_ne!(of(&[1, -2, i64::MIN]), of(other));
        }
    }

    #[test]
    fn rows_may_be_taken_away_again() {
        let of = |hashes: &[i64]| {
            let mut print = Print::default();
            hashes.iter().for_each(|hash| print.add(*hash));
            print
        };
        let (mut before, mut after) = (of(&[1, -2]), of(&[]));
        before.minus(of(&[-2]));
        assert_eq!(before, of(&[1]));
        // A part of a sum may be less than nothing.
        after.minus(of(&[-2]));
        after.plus(of(&[-2, 7]));
        assert_eq!(after, of(&[7]));
    }
}
