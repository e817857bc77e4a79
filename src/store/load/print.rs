//! Prints of rows: what an answer wrote, in one number, so that it vouches later only for rows that still are so. Knows row
//! numbers, hashes and the SQL that sums them up; no pages, no runs.

use xxhash_rust::xxh3::Xxh3;

use crate::{
    catalog::EntityId,
    layout::{HASH_COLUMN, ROW_COLUMN},
    store::{
        db::{
            params::Kind,
            pool::{Line, get},
            rows::Rows,
        },
        error::StoreError,
    },
};

use super::batch::Work;

/// The lower half of a hash.
const LOW: u64 = 0xffff_ffff;
const KINDS: [Kind; 2] = [Kind::Int, Kind::Int];

/// The hashes of some rows, summed up, in whichever order. That is enough to tell rows apart: a hash is of a whole row with its
/// key, links and children, so no row can have the hash of another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    rows: u64,
    low: u64,
    high: u64,
}

impl Print {
    /// Adds a row that is stored with this hash.
    pub fn add(&mut self, hash: i64) {
        let hash = hash.cast_unsigned();
        self.plus(Print {
            rows: 1,
            low: hash & LOW,
            high: hash >> 32,
        });
    }

    /// Adds the rows of another one.
    pub fn plus(&mut self, other: Print) {
        self.rows += other.rows;
        self.low = self.low.wrapping_add(other.low);
        self.high = self.high.wrapping_add(other.high);
    }

    /// Whether it is of so many rows.
    pub fn is_of(&self, rows: usize) -> bool {
        self.rows == rows as u64
    }

    /// As it is kept in the database.
    pub fn folded(self) -> i64 {
        let mut hash = Xxh3::new();
        for part in [self.rows, self.low, self.high] {
            hash.update(&part.to_le_bytes());
        }
        hash.digest().cast_signed()
    }
}

/// Rows as neighbours that follow each other: the first and the last of each span. They are sorted, and none comes twice.
pub fn spans(rows: &[i64]) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for row in rows {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *row => *last = *row,
            _ => spans.push((*row, *row)),
        }
    }
    spans
}

impl Work<'_> {
    /// The print of the rows in these spans as they are stored now; those that are gone count for nothing.
    pub async fn print(&mut self, entity: EntityId, spans: &[(i64, i64)]) -> Result<Print, StoreError> {
        let mut print = Print::default();
        let mut from = 0;
        for size in self.inner.dialect.row_sizes(spans.len(), KINDS.len()) {
            let mut wanted = Rows::new(self.params(), &KINDS, size);
            for (first, last) in spans.iter().skip(from).take(size) {
                wanted.int(*first)?;
                wanted.int(*last)?;
            }
            from += size;
            let sql = self.print_sql(entity, size);
            for line in self.all(wanted.bind()?, sql).await? {
                print.plus(read(&line)?);
            }
        }
        Ok(print)
    }

    /// The prints of several lists of spans.
    pub async fn prints(&mut self, entity: EntityId, lists: &[Vec<(i64, i64)>]) -> Result<Vec<Print>, StoreError> {
        const KINDS: [Kind; 3] = [Kind::Int, Kind::Int, Kind::Int];
        let mut prints = vec![Print::default(); lists.len()];
        let numbered = (0i64..).zip(lists);
        let all: Vec<(i64, &(i64, i64))> = numbered
            .flat_map(|(n, list)| list.iter().map(move |span| (n, span)))
            .collect();
        let mut from = 0;
        for size in self.inner.dialect.row_sizes(all.len(), KINDS.len()) {
            let mut wanted = Rows::new(self.params(), &KINDS, size);
            for (list, (first, last)) in all.iter().skip(from).take(size) {
                wanted.int(*list)?;
                wanted.int(*first)?;
                wanted.int(*last)?;
            }
            from += size;
            let sql = format!(
                "WITH span(n,a,z) AS ({}) SELECT {},span.n {} GROUP BY span.n",
                self.rows(&KINDS, size),
                self.sums(),
                self.in_spans(entity)
            );
            for line in self.all(wanted.bind()?, sql).await? {
                let list = usize::try_from(get::<i64>(&line, 3)?).ok();
                if let Some(print) = list.and_then(|list| prints.get_mut(list)) {
                    print.plus(read(&line)?);
                }
            }
        }
        Ok(prints)
    }

    fn print_sql(&self, entity: EntityId, size: usize) -> String {
        let rows = self.rows(&KINDS, size);
        format!(
            "WITH span(a,z) AS ({rows}) SELECT {} {}",
            self.sums(),
            self.in_spans(entity)
        )
    }

    /// What [`read`] reads.
    fn sums(&self) -> String {
        let hash = self.quote(HASH_COLUMN);
        format!(
            "CAST(count(*) AS BIGINT),CAST(coalesce(sum(t.{hash}&{LOW}),0) AS BIGINT),\
             CAST(coalesce(sum((t.{hash}>>32)&{LOW}),0) AS BIGINT)"
        )
    }

    fn in_spans(&self, entity: EntityId) -> String {
        let row = self.quote(ROW_COLUMN);
        format!(
            "FROM span {} {} AS t ON t.{row}>=span.a AND t.{row}<=span.z",
            self.inner.dialect.chain(),
            self.quote(&self.tables(entity).table.name)
        )
    }
}

fn read(line: &Line) -> Result<Print, StoreError> {
    let number = |at| get::<i64>(line, at).map(i64::cast_unsigned);
    Ok(Print {
        rows: number(0)?,
        low: number(1)?,
        high: number(2)?,
    })
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
}
