//! Languages in which words are searched: what the forms of a word have in common. Knows the
//! stemmers of the Snowball project and the names of languages; takes no text apart.
//!
//! What is stored holds stems, so a language's sign and its stemmer stay what they are: another
//! version of the stemmer would be another language here, found anew where it is used.

use std::panic::{AssertUnwindSafe, catch_unwind};

use snowball_stemmers_rs::{Algorithm, Stemmer};

macro_rules! languages {
    ($($language:ident $name:literal,)*) => {
        /// A language, as `@search(language:)` names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum Language {
            $(#[serde(rename = $name)] $language,)*
        }

        impl Language {
            const ALL: &'static [Language] = &[$(Language::$language,)*];

            /// Its name in a definition.
            pub fn name(self) -> &'static str {
                match self {
                    $(Language::$language => $name,)*
                }
            }

            fn stemmer(self) -> Stemmer {
                Stemmer::create(match self {
                    $(Language::$language => Algorithm::$language,)*
                })
            }
        }
    };
}

// In the order of their signs: a new one comes at the end.
languages! {
    Arabic "ARABIC",
    Armenian "ARMENIAN",
    Basque "BASQUE",
    Catalan "CATALAN",
    Czech "CZECH",
    Danish "DANISH",
    Dutch "DUTCH",
    English "ENGLISH",
    Esperanto "ESPERANTO",
    Estonian "ESTONIAN",
    Finnish "FINNISH",
    French "FRENCH",
    German "GERMAN",
    Greek "GREEK",
    Hindi "HINDI",
    Hungarian "HUNGARIAN",
    Indonesian "INDONESIAN",
    Irish "IRISH",
    Italian "ITALIAN",
    Lithuanian "LITHUANIAN",
    Nepali "NEPALI",
    Norwegian "NORWEGIAN",
    Persian "PERSIAN",
    Polish "POLISH",
    Portuguese "PORTUGUESE",
    Romanian "ROMANIAN",
    Russian "RUSSIAN",
    Serbian "SERBIAN",
    Sesotho "SESOTHO",
    Spanish "SPANISH",
    Swedish "SWEDISH",
    Tamil "TAMIL",
    Turkish "TURKISH",
    Ukrainian "UKRAINIAN",
    Yiddish "YIDDISH",
}

/// The sign of the first language. Those that follow are in the private part of Unicode as well: no
/// text has a word with one.
const FIRST_SIGN: u32 = 0xE000;

impl Language {
    pub(crate) fn named(name: &str) -> Option<Language> {
        Language::ALL.iter().copied().find(|language| language.name() == name)
    }

    /// What a stem of this language begins with, so that it is no word and no stem of another one.
    pub(crate) fn sign(self) -> char {
        char::from_u32(FIRST_SIGN + self as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// What the forms of a word have in common; the word is in small letters, with its accents.
    pub(crate) fn stem(self, word: &str) -> Option<String> {
        let stemmer = self.stemmer();
        // Made by a generator from rules: whatever slip is in them, it may cost one word its forms
        // and nothing else. Queries and rows get the same of it.
        let stem = catch_unwind(AssertUnwindSafe(|| stemmer.stem(word).into_owned()));
        stem.ok().filter(|stem| !stem.is_empty())
    }
}

/// Some languages, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Languages(u64);

impl Languages {
    pub(crate) fn iter(self) -> impl Iterator<Item = Language> {
        let all = Language::ALL.iter().copied();
        all.filter(move |language| self.0 & (1 << *language as u32) != 0)
    }
}

impl FromIterator<Language> for Languages {
    fn from_iter<T: IntoIterator<Item = Language>>(languages: T) -> Languages {
        let bits = languages.into_iter().map(|language| 1_u64 << language as u32);
        Languages(bits.fold(0, |all, one| all | one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::words::words;

    #[test]
    fn each_has_a_sign_of_its_own() {
        assert!(Language::ALL.len() <= 64);
        for (at, language) in Language::ALL.iter().enumerate() {
            assert_eq!(u32::from(language.sign()), FIRST_SIGN + at as u32);
            assert!(words(&language.sign().to_string()).is_empty());
            assert_eq!(Language::named(language.name()), Some(*language));
            let stored = serde_json::to_string(language).expect("JSON");
            assert_eq!(stored, format!("\"{}\"", language.name()));
        }
        let some: Languages = [Language::Yiddish, Language::Arabic, Language::Yiddish]
            .into_iter()
            .collect();
        assert_eq!(some.iter().collect::<Vec<_>>(), [Language::Arabic, Language::Yiddish]);
    }

    /// Letters of all scripts that have such, put together to words of all lengths.
    #[test]
    fn no_word_is_too_much_for_a_stemmer() {
        let letters: Vec<char> = ('a'..='\u{24ff}').filter(|letter| letter.is_alphanumeric()).collect();
        let mut state = 7_u64;
        let mut dice = |sides: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % sides
        };
        for language in Language::ALL {
            for _ in 0..2_000 {
                // Most from one script, as in words.
                let begin = dice(letters.len());
                let length = 1 + dice(24);
                let letter = |dice: &mut dyn FnMut(usize) -> usize| letters[(begin + dice(30)) % letters.len()];
                let word: String = (0..length).map(|_| letter(&mut dice)).collect();
                let stemmer = language.stemmer();
                let stem = catch_unwind(AssertUnwindSafe(|| stemmer.stem(&word).into_owned()));
                assert!(stem.is_ok(), "{language:?}: {word}");
            }
        }
    }
}
