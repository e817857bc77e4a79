//! Hashes that identify what clients send. Knows bytes only.
//!
//! They are keyed anew in every process: with a public hash a client could make a document that
//! takes another's place in a cache.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::LazyLock,
};

static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

/// 128 bits that nobody outside of this process can foresee.
pub(super) fn fingerprint(bytes: &[u8]) -> u128 {
    KEYS.iter().fold(0, |joined, key| {
        let mut hasher = key.build_hasher();
        hasher.write(bytes);
        joined << 64 | u128::from(hasher.finish())
    })
}
