//! How a database finds and ranks rows by their words. Knows fragments of text; which words a row
//! has is told by `value::words`, and what is searched for by `query::Search`.
//!
//! A search that comes from outside never becomes a part of a statement: it is taken apart by us,
//! and its words are put together anew, as a parameter in which each of them is quoted.

use crate::{query::Search, value::Languages};

/// Words of a search that a rank counts: each on a line of its own, behind one of these.
pub(crate) const WHOLE: char = '=';
pub(crate) const BEGIN: char = '^';

/// What a word that stands in a text is worth at most, and how many bytes of words (some 64 of
/// them) weigh as much as one more of those that are searched for.
pub(crate) const WORTH: i64 = 1_000;
pub(crate) const LENGTH: i64 = 512;
/// Letters of a row's words in which those that are searched for are counted: a book is not gone
/// through for each search that finds it.
pub(crate) const COUNTED: usize = 4_000;

/// One database's way of searching. A rank is the same number in both: the sum, over the words that
/// are searched for, of `WORTH * n / (n + 1 + length / LENGTH)` in whole numbers, where the word
/// stands `n` times in what is counted of a row whose words have `length` bytes.
pub(crate) trait Searches: Send + Sync {
    /// Creates the index by which rows are found; none where a table is that, as
    /// `store::ddl::search` says.
    fn index(&self, index: &str, table: &str, words: &str) -> Option<String>;
    /// Whether a row has what is searched for: by its words, or by its number in that table.
    fn found(&self, words: &str, row: &str, table: &str, param: &str) -> String;
    /// A whole number, the higher the better.
    fn rank(&self, words: &str, param: &str) -> String;
    /// A word alone, of whatever signs, as [`Searches::found`] takes it.
    fn word(&self, word: &str) -> String;
    /// A search in rows with these languages as [`Searches::found`] takes it.
    fn wanted(&self, search: &Search, languages: Languages) -> String;
}

/// A search in rows with these languages as [`Searches::rank`] takes it. Each form of a word counts
/// by itself: a word that stands there as it was written is worth more than one of the same stem.
pub(crate) fn ranked(search: &Search, languages: Languages) -> String {
    let mut lines = Vec::new();
    for term in search.wanted() {
        let sign = if term.begins { BEGIN } else { WHOLE };
        let words = match term.words.as_slice() {
            [_] => term.forms(languages),
            several => several.to_vec(),
        };
        lines.extend(words.iter().map(|word| format!("{sign}{word}")));
    }
    lines.join("\n")
}
