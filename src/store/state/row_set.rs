//! Sets of row numbers: in memory while a run goes on, as compact bytes in the database. Knows
//! numbers only.

use std::collections::BTreeMap;

/// Row numbers per block; a block is 8 KiB of bits.
const BLOCK_BITS: u64 = 1 << 16;
const BLOCK_WORDS: usize = (BLOCK_BITS / 64) as usize;

/// A set of row numbers; neighbouring numbers cost a bit each.
#[derive(Clone, Default)]
pub(crate) struct RowSet {
    blocks: BTreeMap<u64, Box<[u64]>>,
    count: u64,
}

impl RowSet {
    /// Adds a number; false when it was there already.
    pub(crate) fn insert(&mut self, row: i64) -> bool {
        let (block, word, bit) = place(row);
        let block = self.blocks.entry(block).or_insert_with(|| vec![0; BLOCK_WORDS].into());
        let Some(word) = block.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(new);
        new
    }

    pub(crate) fn contains(&self, row: i64) -> bool {
        let (block, word, bit) = place(row);
        self.blocks
            .get(&block)
            .and_then(|block| block.get(word))
            .is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }
}

fn place(row: i64) -> (u64, usize, u64) {
    let row = row.cast_unsigned();
    let within = row % BLOCK_BITS;
    (row / BLOCK_BITS, (within / 64) as usize, 1 << (within % 64))
}

/// Row numbers as the differences of the sorted, in seven bits a byte, low bits first.
pub(crate) fn pack(rows: &mut Vec<i64>) -> Vec<u8> {
    rows.sort_unstable();
    rows.dedup();
    let mut bytes = Vec::with_capacity(rows.len() + 8);
    let mut last = 0i64;
    for row in rows.iter() {
        let mut step = row.wrapping_sub(last).cast_unsigned();
        last = *row;
        while step >= 0x80 {
            bytes.push((step & 0x7f) as u8 | 0x80);
            step >>= 7;
        }
        bytes.push(step as u8);
    }
    bytes
}

/// The numbers of [`pack`]; `None` for bytes that are none.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Vec<i64>> {
    let mut rows = Vec::with_capacity(bytes.len());
    let (mut last, mut step, mut shift) = (0i64, 0u64, 0u32);
    for byte in bytes {
        step |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 != 0 {
            shift += 7;
            continue;
        }
        last = last.wrapping_add(step.cast_signed());
        rows.push(last);
        (step, shift) = (0, 0);
    }
    (shift == 0).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        for rows in [vec![], vec![1], vec![1, 2, 3], vec![70_000, 5, 5, i64::MAX, 1 << 40]] {
            let mut sorted = rows.clone();
            let bytes = pack(&mut sorted);
            assert_eq!(unpack(&bytes), Some(sorted));
        }
        assert_eq!(unpack(&[0x80]), None);
    }

    #[test]
    fn remembers() {
        let mut set = RowSet::default();
        assert!(set.insert(1) && set.insert(200_000) && !set.insert(1));
        assert!(set.contains(200_000) && !set.contains(2));
        assert_eq!(set.len(), 2);
    }
}
