//! Searching in SQLite: by a table of FTS5, and by a function of ours. Knows their words; not which
//! rows there are.
//!
//! FTS5 takes nothing apart but at blanks, and knows no case (`store::ddl::search`).

use crate::{
    query::{Search, SearchTerm},
    store::db::search::Searches,
};

use super::functions::search::RANK;

pub(crate) struct Fts5;

impl Searches for Fts5 {
    fn index(&self, _index: &str, _table: &str, _words: &str) -> Option<String> {
        None
    }

    fn found(&self, _words: &str, row: &str, table: &str, param: &str) -> String {
        format!("{row} IN (SELECT rowid FROM {table} WHERE {table} MATCH {param})")
    }

    fn rank(&self, words: &str, param: &str) -> String {
        format!("{RANK}({words},{param})")
    }

    fn word(&self, word: &str) -> String {
        format!("\"{}\"", word.replace('"', "\"\""))
    }

    fn wanted(&self, search: &Search) -> String {
        let wanted: Vec<String> = search.wanted().map(term).collect();
        let unwanted: Vec<String> = search.unwanted().map(term).collect();
        let wanted = wanted.join(" AND ");
        match unwanted.is_empty() {
            true => wanted,
            false => format!("({wanted}) NOT ({})", unwanted.join(" OR ")),
        }
    }
}

/// A string of FTS5 is a phrase of the words in it.
fn term(term: &SearchTerm) -> String {
    let words = Fts5.word(&term.words.join(" "));
    format!("{words}{}", if term.begins { " *" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(search: &str) -> String {
        Fts5.wanted(&Search::parse(search).expect("a search"))
    }

    #[test]
    fn all_words_are_quoted() {
        assert_eq!(wanted("b"), "\"b\"");
        assert_eq!(
            wanted("A OR x:y -co* -\"d e\" NEAR(f"),
            "(\"a\" AND \"or\" AND \"x y\" AND \"near f\") NOT (\"co\" * OR \"d e\")"
        );
    }
}
