//! Searching in SQLite: by a table of FTS5, and by a function of ours. Knows their words; not which
//! rows there are.
//!
//! FTS5 takes nothing apart but at blanks, and knows no case (`store::ddl::search`).

use crate::{
    query::{Search, SearchTerm},
    store::db::search::Searches,
    value::Languages,
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

    fn wanted(&self, search: &Search, languages: Languages) -> String {
        let wanted: Vec<String> = search.wanted().map(|one| term(one, languages)).collect();
        let unwanted: Vec<String> = search.unwanted().map(|one| term(one, languages)).collect();
        let wanted = wanted.join(" AND ");
        match unwanted.is_empty() {
            true => wanted,
            false => format!("({wanted}) NOT ({})", unwanted.join(" OR ")),
        }
    }
}

/// A string of FTS5 is a phrase of the words in it.
fn term(term: &SearchTerm, languages: Languages) -> String {
    let forms = term.forms(languages);
    if forms.len() > 1 {
        let forms: Vec<String> = forms.iter().map(|form| Fts5.word(form)).collect();
        return format!("({})", forms.join(" OR "));
    }
    let words = Fts5.word(&term.words.join(" "));
    format!("{words}{}", if term.begins { " *" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Language;

    fn wanted(search: &str) -> String {
        Fts5.wanted(&Search::parse(search).expect("a search"), Languages::default())
    }

    #[test]
    fn any_form_will_do() {
        let languages = [Language::English].into_iter().collect();
        let search = Search::parse("runs \"old runs\" ru* -swords").expect("a search");
        let found = Fts5.wanted(&search, languages).replace(Language::English.sign(), "en:");
        assert_eq!(
            found,
            "((\"runs\" OR \"en:run\") AND \"old runs\" AND \"ru\" *) NOT ((\"swords\" OR \"en:sword\"))"
        );
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
