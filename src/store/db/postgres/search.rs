//! Searching in PostgreSQL: by an index of the words of each row, and in the words themselves for
//! what stands one after the other. Knows its functions; not which rows there are.
//!
//! A `tsvector` with positions would find phrases by itself, but it forgets the positions behind
//! 16,383 and all but 256 of a word. No configuration and no parser of the server has a part in it.

use crate::{
    query::{Search, SearchTerm},
    store::db::search::{COUNTED, LENGTH, Searches, WHOLE, WORTH},
    value::Languages,
};

pub(crate) struct Words;

/// Lines behind the first one of what is searched for: a phrase that must stand in the words, or
/// must not.
const THERE: char = '+';
const NOT_THERE: char = '-';

impl Searches for Words {
    /// Without the list of what is to be put into it, through which each search would go.
    fn index(&self, index: &str, table: &str, words: &str) -> Option<String> {
        Some(format!(
            "CREATE INDEX {index} ON {table} USING gin (({})) WITH (fastupdate=off)",
            vector(words)
        ))
    }

    fn found(&self, words: &str, _row: &str, _table: &str, param: &str) -> String {
        format!(
            "({} @@ CAST(split_part({param},E'\\n',1) AS tsquery) AND NOT EXISTS (SELECT 1 FROM unnest(string_to_array({param},E'\\n')) \
             WITH ORDINALITY AS line(l,n) WHERE n>1 AND (position(substr(l,2) IN ' '||{words}||' ')>0)<>(left(l,1)='{THERE}')))",
            vector(words)
        )
    }

    /// Counted in the text as a whole: taking it apart would make a value of each of its words.
    /// With two blanks between words no two of them share one.
    fn rank(&self, words: &str, param: &str) -> String {
        format!(
            "(SELECT CAST(coalesce(sum({WORTH}*c.n/(c.n+1+c.length)),0) AS BIGINT) FROM \
             (SELECT (octet_length(a.wide)-octet_length(replace(a.wide,s.sought,'')))/octet_length(s.sought) AS n,a.length FROM \
             (SELECT CASE left(l,1) WHEN '{WHOLE}' THEN ' '||substr(l,2)||' ' ELSE ' '||substr(l,2) END AS sought \
             FROM unnest(string_to_array({param},E'\\n')) AS line(l)) AS s,\
             (SELECT ' '||replace(substr({words},1,{COUNTED}),' ','  ')||' ' AS wide,octet_length({words})/{LENGTH} AS length OFFSET 0) \
             AS a) AS c)"
        )
    }

    fn word(&self, word: &str) -> String {
        format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
    }

    fn wanted(&self, search: &Search, languages: Languages) -> String {
        let wanted = search.wanted().flat_map(|term| lexemes(term, "", languages));
        // Words of a phrase may be there, if they stand elsewhere.
        let words = search.unwanted().filter(|term| term.words.len() == 1);
        let unwanted = words.flat_map(|term| lexemes(term, "!", languages));
        let query = wanted.chain(unwanted).collect::<Vec<_>>().join(" & ");
        let phrases = search.terms.iter().filter(|term| term.words.len() > 1);
        let lines = phrases.map(|term| {
            let sign = if term.negated { NOT_THERE } else { THERE };
            format!("{sign} {} ", term.words.join(" "))
        });
        std::iter::once(query).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

/// The words of a row as what the server indexes.
fn vector(words: &str) -> String {
    format!("array_to_tsvector(string_to_array({words},' '))")
}

/// The words of a term as lexemes of a query; of forms of a word any will do.
fn lexemes(term: &SearchTerm, sign: &str, languages: Languages) -> Vec<String> {
    let end = if term.begins { ":*" } else { "" };
    let forms = term.forms(languages);
    if forms.len() > 1 {
        let forms: Vec<String> = forms.iter().map(|form| Words.word(form)).collect();
        return vec![format!("{sign}({})", forms.join(" | "))];
    }
    let words = term.words.iter();
    words.map(|word| format!("{sign}{}{end}", Words.word(word))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Language;

    #[test]
    fn any_form_will_do() {
        let languages = [Language::English].into_iter().collect();
        let search = Search::parse("runs \"old runs\" ru* -swords").expect("a search");
        let found = Words
            .wanted(&search, languages)
            .replace(Language::English.sign(), "en:");
        assert_eq!(
            found.replace('\n', "/"),
            "('runs' | 'en:run') & 'old' & 'runs' & 'ru':* & !('swords' | 'en:sword')/+ old runs "
        );
    }

    #[test]
    fn all_words_are_quoted() {
        let wanted = |search: &str| Words.wanted(&Search::parse(search).expect("a search"), Languages::default());
        assert_eq!(wanted("b"), "'b'");
        assert_eq!(
            wanted("A x:y -co* -\"d e\" !(f").replace('\n', "/").as_str(),
            "'a' & 'x' & 'y' & 'f' & !'co':*/+ x y /- d e "
        );
    }
}
