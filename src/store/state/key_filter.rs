//! The keys that a run has added to a table that was empty before it: every other key is new, and
//! need not be looked up. Knows hashes of keys; no rows, no SQL.

/// Blocks of a filter, one for each value of 16 bits: four megabytes, enough to tell millions of
/// keys apart. With more keys it only takes more new ones for old ones, which are then looked up.
const BLOCKS: usize = 1 << 16;
/// Bits of a block, chosen by nine bits of a hash: one cache line.
const BLOCK_BITS: u64 = 512;
const BLOCK_WORDS: usize = (BLOCK_BITS / 64) as usize;
/// Bits that a key sets in its block.
const KEY_BITS: usize = 4;

/// A filter of keys, after Bloom: what it does not have was never added. It stands for the whole
/// table as long as the table's next row number is [`Added::next`], for each row takes one and none
/// comes twice.
pub(crate) struct Added {
    blocks: Vec<[u64; BLOCK_WORDS]>,
    next: i64,
}

impl Default for Added {
    /// Of a table that never had a row.
    fn default() -> Added {
        Added {
            blocks: Vec::new(),
            next: 1,
        }
    }
}

impl Added {
    /// The number that the table's next row gets, if nobody else has added one.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// From now on any row may be in the table.
    pub(crate) fn lose_track(&mut self) {
        *self = Added {
            blocks: Vec::new(),
            // No row has it.
            next: 0,
        };
    }

    /// Whether a key with this hash may be in the table.
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        let (at, bits) = places(hash);
        let block = self.blocks.get(at);
        let is_set = |block: &[u64; BLOCK_WORDS]| {
            bits.iter()
                .all(|(word, bit)| block.get(*word).is_some_and(|word| word & bit != 0))
        };
        block.is_some_and(is_set)
    }

    /// Adds the keys of rows that are committed; `next` is the number after theirs.
    pub(crate) fn add(&mut self, hashes: &[u64], next: i64) {
        self.next = next;
        if self.blocks.is_empty() {
            self.blocks = vec![[0; BLOCK_WORDS]; BLOCKS];
        }
        for hash in hashes {
            let (at, bits) = places(*hash);
            let Some(block) = self.blocks.get_mut(at) else { continue };
            for (word, bit) in bits {
                if let Some(word) = block.get_mut(word) {
                    *word |= bit;
                }
            }
        }
    }
}

/// The block of a hash, and the words and bits that it sets there.
fn places(hash: u64) -> (usize, [(usize, u64); KEY_BITS]) {
    let place = |key_bit: usize| {
        let bit = (hash >> (9 * key_bit)) % BLOCK_BITS;
        ((bit / 64) as usize, 1 << (bit % 64))
    };
    ((hash >> 48) as usize, std::array::from_fn(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scattered as hashes are.
    fn hash(number: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&number.to_be_bytes())
    }

    #[test]
    fn what_was_added_is_never_new() {
        let mut added = Added::default();
        assert!(!added.may_have(hash(0)));
        let hashes: Vec<u64> = (0..1_000_000).map(hash).collect();
        added.add(&hashes, 1_000_001);
        assert!(hashes.iter().all(|hash| added.may_have(*hash)));
        let mistaken = (1_000_000..1_100_000)
            .filter(|number| added.may_have(hash(*number)))
            .count();
        assert!(mistaken < 100, "{mistaken} of 100,000 new keys are taken for old ones");
    }
}
