//! Rows that the answers of two rows bring under one key and with different values: the later one
//! overwrites the earlier one, which is seldom meant. Knows hashes and how it is told; keeps no
//! row.

use std::collections::{HashMap, hash_map::Entry};

use xxhash_rust::xxh3::xxh3_64;

use crate::value::Key;

/// Keys that are remembered of one run: a sign of trouble shows early, and memory stays bounded.
const KEYS_MAX: usize = 100_000;

/// What each of its notes says.
const NOTE: &str = "came with several answers and with other values in each";

/// Whether something that was told is a note of this kind.
pub(super) fn is_note(told: &str) -> bool {
    told.contains(NOTE)
}

/// The rows of a run's answers so far.
#[derive(Debug, Default)]
pub(super) struct Clashes {
    /// By the hash of the key: that of the row, and the number and key of the row that was asked
    /// about.
    seen: HashMap<u64, (i64, i64, String)>,
    /// Answers that were looked at.
    pub answers: u64,
    count: u64,
    first: Option<String>,
}

impl Clashes {
    /// A row that the answer about `parent` brought.
    pub(super) fn add(&mut self, key: &Key, hash: i64, parent: (i64, &Key)) {
        let shown = key.to_string();
        let full = self.seen.len() >= KEYS_MAX;
        match self.seen.entry(xxh3_64(shown.as_bytes())) {
            Entry::Occupied(known) => {
                let (before, row, asked) = known.get();
                if *before != hash && *row != parent.0 {
                    self.count += 1;
                    self.first
                        .get_or_insert_with(|| format!("`{shown}`, which came for `{asked}` and for `{}`", parent.1));
                }
            }
            Entry::Vacant(free) if !full => {
                free.insert((hash, parent.0, parent.1.to_string()));
            }
            Entry::Vacant(_) => {}
        }
    }

    /// What a person should know of them; `rows` would tell them apart.
    pub(super) fn note(&self, rows: Option<&str>) -> Option<String> {
        let first = self.first.as_deref()?;
        let told = match self.count {
            1 => format!("1 row {NOTE}"),
            count => format!("{count} rows {NOTE}"),
        };
        let hint = rows.map_or_else(String::new, |rows| {
            format!(". If keys begin anew in each row, give them a part of its key: {rows}")
        });
        Some(format!("{told}, so the later ones count, such as {first}{hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_answers_bring() {
        let (a, b) = (Key::text("a"), Key::text("b"));
        let mut clashes = Clashes::default();
        clashes.add(&Key::text("1"), 10, (1, &a));
        clashes.add(&Key::text("1"), 10, (2, &b));
        clashes.add(&Key::text("2"), 20, (1, &a));
        // One answer may be read twice, and a list may repeat a row.
        clashes.add(&Key::text("2"), 21, (1, &a));
        assert_eq!(clashes.note(None), None);
        clashes.add(&Key::text("2"), 22, (2, &b));
        let note = clashes.note(Some("rows: \".x\"")).expect("a note");
        assert!(is_note(&note), "{note}");
        assert!(
            note.contains("count, such as `2`, which came for `a` and for `b`. If"),
            "{note}"
        );
        assert!(note.ends_with("a part of its key: rows: \".x\""), "{note}");
    }
}
