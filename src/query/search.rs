//! What is searched for in texts: words, "phrases", begins* and -what must not be there. Knows the
//! grammar, which is the same for both databases; knows no SQL.

use crate::value::{
    Languages,
    words::{only_lowered, stands_alone, stem, words},
};

/// Words, phrases and begins of one search: more is no search that a person wrote.
pub(crate) const TERMS_MAX: usize = 32;
/// Words of all of them together.
pub(crate) const WORDS_MAX: usize = 64;
/// Letters that a word begins with, at least: of one letter there are so many words that a database
/// may look for longer than it can be stopped.
const BEGIN_MIN: usize = 2;

/// A search that can be asked: at least one of its terms must be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    pub terms: Vec<SearchTerm>,
}

/// What must be in a text, or must not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SearchTerm {
    pub negated: bool,
    /// The word may go on.
    pub begins: bool,
    /// One after the other.
    pub words: Vec<String>,
    /// The word in small letters, of which other forms are found where a field has a language. None
    /// of what is meant as it is written: phrases, begins, and what stands in quotation marks.
    pub lowered: Option<String>,
}

impl SearchTerm {
    /// What is looked for among the words of rows with these languages, any of which will do: the
    /// word, or a stem. None of phrases of several words.
    pub(crate) fn forms(&self, languages: Languages) -> Vec<String> {
        let [word] = self.words.as_slice() else {
            return Vec::new();
        };
        let lowered = self.lowered.iter();
        let stems = lowered.flat_map(|lowered| languages.iter().filter_map(|language| stem(language, lowered)));
        std::iter::once(word.clone()).chain(stems).collect()
    }
}

/// A part of a search as it is written.
struct Part<'t> {
    /// The number of its first letter, from 1.
    place: usize,
    text: &'t str,
    negated: bool,
    quoted: bool,
}

impl Search {
    /// Takes a search apart, or says where it is wrong and what to write.
    pub(crate) fn parse(text: &str) -> Result<Search, String> {
        let mut terms = Vec::new();
        let mut count = 0;
        let mut rest = Rest { text, place: 1 };
        while let Some(part) = rest.next()? {
            let term = part.term()?;
            count += term.words.len();
            terms.push(term);
            if terms.len() > TERMS_MAX {
                return Err(format!("more than {TERMS_MAX} words and phrases; search for fewer"));
            }
            if count > WORDS_MAX {
                return Err(format!("more than {WORDS_MAX} words; search for fewer"));
            }
        }
        match terms.iter().any(|term| !term.negated) {
            true => Ok(Search { terms }),
            false if terms.is_empty() => {
                Err("nothing to search for; leave it out or give null for all rows".to_owned())
            }
            false => Err("only what must not be there; give a word that must be, too".to_owned()),
        }
    }

    /// The terms that must be there.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &SearchTerm> {
        self.terms.iter().filter(|term| !term.negated)
    }

    /// Those that must not.
    pub(crate) fn unwanted(&self) -> impl Iterator<Item = &SearchTerm> {
        self.terms.iter().filter(|term| term.negated)
    }
}

/// What is left of a search.
struct Rest<'t> {
    text: &'t str,
    place: usize,
}

impl<'t> Rest<'t> {
    fn next(&mut self) -> Result<Option<Part<'t>>, String> {
        self.skip(char::is_whitespace);
        if self.text.is_empty() {
            return Ok(None);
        }
        let place = self.place;
        let negated = self.text.starts_with('-');
        if negated {
            self.step(1);
        }
        if negated && self.text.chars().next().is_none_or(char::is_whitespace) {
            return Err(format!(
                "the `-` at letter {place} stands alone; write it right before what must not be there, or leave it out"
            ));
        }
        if !self.text.starts_with('"') {
            let text = self.skip(|letter| !letter.is_whitespace() && letter != '"');
            return Ok(Some(Part {
                place,
                text,
                negated,
                quoted: false,
            }));
        }
        let quote = self.place;
        self.step(1);
        let text = self.skip(|letter| letter != '"');
        if self.text.is_empty() {
            return Err(format!(
                "the quotation mark at letter {quote} is not closed; write another one behind the phrase, or leave it out"
            ));
        }
        self.step(1);
        if self.text.starts_with('*') {
            return Err(format!(
                "the phrase at letter {place} has a `*` behind it; only a word can go on: write `\"a phrase\" begin*`"
            ));
        }
        Ok(Some(Part {
            place,
            text,
            negated,
            quoted: true,
        }))
    }

    /// Goes over these letters, and gives them.
    fn skip(&mut self, over: impl Fn(char) -> bool) -> &'t str {
        let length = self.text.find(|letter: char| !over(letter)).unwrap_or(self.text.len());
        self.step(length)
    }

    fn step(&mut self, bytes: usize) -> &'t str {
        let (passed, rest) = self.text.split_at_checked(bytes).unwrap_or((self.text, ""));
        self.place += passed.chars().count();
        self.text = rest;
        passed
    }
}

impl Part<'_> {
    fn term(&self) -> Result<SearchTerm, String> {
        let Part { place, text, .. } = self;
        let (plain, begins) = match text.strip_suffix('*') {
            Some(plain) if !self.quoted => (plain, true),
            _ => (*text, false),
        };
        let found = words(plain);
        let shown = if self.quoted {
            format!("\"{text}\"")
        } else {
            (*text).to_owned()
        };
        if !self.quoted && plain.contains('*') {
            return Err(format!(
                "`{shown}` at letter {place}: a `*` stands at the end of a word; write its begin, as in `begin*`"
            ));
        }
        match found.len() {
            0 if begins => Err(format!(
                "the `*` at letter {place} has no begin of a word before it; write `begin*`, or leave it out"
            )),
            0 => Err(format!(
                "`{shown}` at letter {place} has no letter or digit; leave it out"
            )),
            1 if begins && found.iter().any(|word| is_short(word)) => Err(format!(
                "`{shown}` at letter {place} begins with less than {BEGIN_MIN} letters, as too many words do; write more of \
                 them before the `*`, or leave it out"
            )),
            1 => Ok(self.of(begins, found)),
            _ if begins => Err(format!(
                "`{shown}` at letter {place} is several words, and only one can go on; write `\"{}\"`, or the last word \
                 alone with its `*`",
                plain.trim()
            )),
            _ => Ok(self.of(false, found)),
        }
    }

    fn of(&self, begins: bool, words: Vec<String>) -> SearchTerm {
        let is_as_written = self.quoted || begins || words.len() > 1;
        SearchTerm {
            negated: self.negated,
            begins,
            words,
            lowered: if is_as_written { None } else { only_lowered(self.text) },
        }
    }
}

/// Whether too many words begin with this one. Where each letter is a word, nothing goes on.
fn is_short(begin: &str) -> bool {
    begin.chars().nth(BEGIN_MIN - 1).is_none() && !begin.starts_with(stands_alone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Language;

    /// A search in words.
    fn told(text: &str) -> String {
        let search = match Search::parse(text) {
            Ok(search) => search,
            Err(error) => return error,
        };
        let terms = search.terms.iter().map(|term| {
            let (not, begins) = (if term.negated { "-" } else { "" }, if term.begins { "*" } else { "" });
            format!("{not}[{}]{begins}", term.words.join(" "))
        });
        terms.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_grammar() {
        for (text, want) in [
            ("Fire sword", "[fire] [sword]"),
            ("\"Fire  Sword\" -ice", "[fire sword] -[ice]"),
            ("sw* -\"old one\"", "[sw]* -[old one]"),
            ("well-known -e-mail", "[well known] -[e mail]"),
            ("a\"b c\"d", "[a] [b c] [d]"),
            ("don't AND or NOT", "[don t] [and] [or] [not]"),
            ("(a) name:b ^c {d}", "[a] [name b] [c] [d]"),
            ("東京 塔*", "[東 京] [塔]*"),
            ("\u{a0}x\u{2003}y ", "[x] [y]"),
            ("-\"a\" b", "-[a] [b]"),
        ] {
            assert_eq!(told(text), want, "{text}");
        }
    }

    #[test]
    fn forms_in_languages() {
        let languages: Languages = [Language::English, Language::German].into_iter().collect();
        let forms = |text: &str| {
            let search = Search::parse(text).expect("a search");
            let forms = search.terms.iter().map(|term| term.forms(languages).join(","));
            let forms = forms.collect::<Vec<_>>().join(" ");
            let forms = forms.replace(Language::English.sign(), "en:");
            forms.replace(Language::German.sign(), "de:")
        };
        for (text, want) in [
            ("Running (Häuser)", "running,en:run,de:running hauser,en:hauser,de:haus"),
            ("-runs", "runs,en:run,de:run"),
            ("\"running\" runn* -\"runs\"", "running runn runs"),
            ("e-mails 東 塔*", " 東 塔"),
        ] {
            let text = if text.starts_with('-') {
                format!("x {text}")
            } else {
                text.to_owned()
            };
            let found = forms(&text);
            assert_eq!(found.strip_prefix("x,en:x,de:x ").unwrap_or(&found), want, "{text}");
        }
    }

    #[test]
    fn faults_name_their_place() {
        for (text, want) in [
            ("", "nothing to search for"),
            (" \n", "nothing to search for"),
            ("-a -b", "only what must not be there"),
            ("ä \"b c", "mark at letter 3 is not closed"),
            ("\"", "mark at letter 1 is not closed"),
            ("a *", "the `*` at letter 3"),
            ("-*", "the `*` at letter 1"),
            ("a*b", "`a*b` at letter 1"),
            ("old a*", "`a*` at letter 5 begins with less than 2 letters"),
            ("x -É*", "`É*` at letter 3 begins with less than 2 letters"),
            ("**", "`**` at letter 1"),
            ("\"a b\"*", "phrase at letter 1 has a `*`"),
            ("foo-ba*", "several words, and only one can go on; write `\"foo-ba\"`"),
            ("a - b", "the `-` at letter 3 stands alone"),
            ("a -", "the `-` at letter 3 stands alone"),
            ("a & b", "`&` at letter 3"),
            ("a \"\"", "`\"\"` at letter 3"),
            ("\u{1f44d}", "`\u{1f44d}` at letter 1"),
        ] {
            let found = told(text);
            assert!(found.contains(want), "{text}: {found}");
        }
        assert!(told(&"a ".repeat(TERMS_MAX)).starts_with("[a]"));
        assert!(told(&"a ".repeat(TERMS_MAX + 1)).contains("more than 32 words and phrases"));
        assert!(told(&"東".repeat(WORDS_MAX + 1)).contains("more than 64 words"));
    }
}
