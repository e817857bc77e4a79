//! How keys are hashed: quickly, and for sets so that no upstream can choose keys that meet. Knows
//! bytes; no key and no row.

use std::hash::{BuildHasher, Hasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Hashes short keys, a few parts each; several times as quick as the hasher of the standard
/// library.
#[derive(Default)]
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// Ends a text, and tells the kinds of values apart.
    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Begins where nobody knows, so that no upstream can choose keys that meet.
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn random() -> Seed {
        Seed(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seed {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed(self.0)
    }
}
