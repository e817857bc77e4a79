//! Documents that clients left here, the longest unused of which go first. Knows hashes, texts and
//! a bound of bytes.

use lru::LruCache;

use super::Sha256;

/// What a document takes beside its text.
const EACH: usize = 150;

/// Texts by their hashes, within some bytes.
pub(super) struct Persisted {
    texts: LruCache<Sha256, Box<str>>,
    bytes: usize,
    bytes_max: usize,
}

impl Persisted {
    pub(super) fn new(bytes_max: usize) -> Persisted {
        Persisted {
            texts: LruCache::unbounded(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Whether anything is kept at all.
    pub(super) fn keeps(&self) -> bool {
        self.bytes_max > 0
    }

    pub(super) fn get(&mut self, hash: Sha256) -> Option<String> {
        self.texts.get(&hash).map(|text| text.to_string())
    }

    pub(super) fn put(&mut self, hash: Sha256, text: &str) {
        if !self.texts.contains(&hash) {
            self.bytes += size(text);
            self.texts.put(hash, text.into());
        }
        while self.bytes > self.bytes_max {
            let Some((_, gone)) = self.texts.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(size(&gone));
        }
    }
}

fn size(text: &str) -> usize {
    text.len() + EACH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_go_first() {
        let mut persisted = Persisted::new(3 * (EACH + 1));
        let hash = |text: &str| Sha256::of(text.as_bytes());
        for text in ["a", "b", "c"] {
            persisted.put(hash(text), text);
        }
        assert_eq!(persisted.get(hash("a")).as_deref(), Some("a"));
        persisted.put(hash("d"), "d");
        let left = ["a", "b", "c", "d"].map(|text| persisted.get(hash(text)).is_some());
        assert_eq!(left, [true, false, true, true]);
        persisted.put(hash("d"), "d");
        assert_eq!(persisted.bytes, 3 * (EACH + 1), "the same again takes nothing");
        let long = "x".repeat(4 * EACH);
        persisted.put(hash(&long), &long);
        assert_eq!(
            (persisted.texts.len(), persisted.bytes),
            (0, 0),
            "more than all the room"
        );
    }
}
