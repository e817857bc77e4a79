//! The words of texts, as a search compares them: without case and accents. Knows Unicode; knows no
//! query and no index.
//!
//! Both databases are given these words and take nothing apart themselves, so that what is found is
//! the same on both, whatever they know of languages.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, is_combining_mark},
};

use super::Language;

/// Bytes of a field's text up to which its words are found, and bytes that these may have. Ten
/// fields then stay below the megabyte that PostgreSQL allows the words of a row.
pub(crate) const TEXT_MAX: usize = 100_000;
/// Fields of a type that are searched, at most; one with a language counts as two, because its
/// stems may have as many bytes as its words.
pub(crate) const FIELDS_MAX: usize = 10;
/// Bytes by which words are told apart; PostgreSQL allows 2,046.
const WORD_MAX: usize = 255;
/// Ends a field or an item of a list, and is no word, so that no phrase reaches over it. With the
/// number of its field behind it, it says that the field's text was longer than [`TEXT_MAX`].
const END: char = '|';

/// The words of a row while its fields come, with blanks between.
#[derive(Default)]
pub(crate) struct RowWords {
    text: String,
    fields: usize,
}

impl RowWords {
    /// The next field: its text, or those of its list. In a language, the stems of its words come
    /// behind them.
    pub(crate) fn field<'t>(&mut self, texts: impl Iterator<Item = &'t str>, language: Option<Language>) {
        let mut left = Left::of_field();
        let mut stems = Stems::default();
        let mut whole = true;
        for text in texts {
            whole = whole
                && left.take(text, |place, word| {
                    self.push(word);
                    if let Some(language) = language {
                        stems.add(language, text.get(place).unwrap_or_default());
                    }
                });
            self.push(&END.to_string());
        }
        if language.is_some() {
            stems.found.iter().for_each(|stem| self.push(stem));
            self.push(&END.to_string());
        }
        if !whole || stems.is_cut {
            self.push(&cut_mark(self.fields));
        }
        self.fields += 1;
    }

    fn push(&mut self, word: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(word);
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// What stands among the words of a row when the text of its field with this number, of those that
/// are searched, was too long.
pub(crate) fn cut_mark(field: usize) -> String {
    format!("{END}{field}")
}

/// The words of a text, however long it is.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = Left {
        text: usize::MAX,
        words: usize::MAX,
    };
    left.take(text, |_, word| all.push(word.to_owned()));
    all
}

/// The only word of a text as a stemmer takes it: in small letters, with its accents. None where
/// there are several, or none.
pub(crate) fn only_lowered(text: &str) -> Option<String> {
    let mut pieces = Pieces::of(text);
    let (start, end) = pieces.next()?;
    match pieces.next() {
        None => text.get(start..end).map(lowered),
        Some(_) => None,
    }
}

fn lowered(piece: &str) -> String {
    if piece.is_ascii() {
        return piece.to_ascii_lowercase();
    }
    let letters = piece.nfkc().filter(|letter| !is_unseen(*letter));
    letters.flat_map(char::to_lowercase).nfc().collect()
}

/// What the forms of a word, as [`only_lowered`] gives it, have in common, with the sign of their
/// language. None where that is nothing, and for letters that stand alone.
pub(crate) fn stem(language: Language, lowered: &str) -> Option<String> {
    if lowered.len() > WORD_MAX || lowered.starts_with(stands_alone) {
        return None;
    }
    let stem = language.stem(lowered)?;
    let (mut word, mut folded) = (String::new(), Vec::new());
    fold(&stem, &mut word, |word| folded.push(word.to_owned()));
    match folded.as_slice() {
        [one] => Some(format!("{}{}", language.sign(), cut(one))),
        _ => None,
    }
}

/// The stem of a word as it stands in a text.
pub(crate) fn stem_of(language: Language, piece: &str) -> Option<String> {
    stem(language, &lowered(piece))
}

/// The stems of a field's words while these come.
#[derive(Default)]
struct Stems {
    found: Vec<String>,
    /// Those of words that came before: a stemmer takes longer than a look.
    known: HashMap<String, Option<String>>,
    /// Different ones, and their bytes: an index has each once.
    different: HashSet<String>,
    bytes: usize,
    is_cut: bool,
}

impl Stems {
    fn add(&mut self, language: Language, piece: &str) {
        let stem = match self.known.get(piece) {
            Some(stem) => stem.clone(),
            None => {
                let stem = stem_of(language, piece);
                self.known.insert(piece.to_owned(), stem.clone());
                stem
            }
        };
        let Some(stem) = stem.filter(|_| !self.is_cut) else {
            return;
        };
        if self.different.insert(stem.clone()) {
            self.bytes += stem.len();
        }
        self.is_cut = self.bytes > TEXT_MAX;
        if !self.is_cut {
            self.found.push(stem);
        }
    }
}

/// How much of a field may still come.
pub(crate) struct Left {
    text: usize,
    words: usize,
}

impl Left {
    /// As much of a field as is searched.
    pub(crate) fn of_field() -> Left {
        Left {
            text: TEXT_MAX,
            words: TEXT_MAX,
        }
    }

    /// Gives each word and where in the text it stands, one after the other of what is one run of
    /// letters there; whether all of them were given.
    pub(crate) fn take(&mut self, text: &str, mut each: impl FnMut(Range<usize>, &str)) -> bool {
        let mut word = String::new();
        for (start, end) in Pieces::of(text) {
            if end > self.text {
                return false;
            }
            let piece = text.get(start..end).unwrap_or_default();
            let mut fits = true;
            fold(piece, &mut word, |word| {
                let word = cut(word);
                fits = fits && word.len() <= self.words;
                if fits {
                    self.words -= word.len();
                    each(start..end, word);
                }
            });
            if !fits {
                return false;
            }
        }
        // What comes behind need not be read to say so.
        let whole = text.len() <= self.text;
        self.text = self.text.saturating_sub(text.len());
        whole
    }
}

/// The first bytes of a word that is too long, up to a character's end.
fn cut(word: &str) -> &str {
    let end = (0..=WORD_MAX.min(word.len()))
        .rev()
        .find(|at| word.is_char_boundary(*at));
    word.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// The places of words in a text: runs of letters, digits and their marks.
struct Pieces<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Pieces<'t> {
    fn of(text: &'t str) -> Pieces<'t> {
        Pieces { text, at: 0 }
    }
}

impl Iterator for Pieces<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let rest = self.text.get(self.at..)?;
        let begin = rest.find(char::is_alphanumeric)?;
        let word = rest.get(begin..)?;
        let alone = word.chars().next().is_some_and(stands_alone);
        let ends = |(at, letter): &(usize, char)| {
            let goes_on = is_mark(*letter) || !alone && letter.is_alphanumeric() && !stands_alone(*letter);
            *at > 0 && !goes_on
        };
        let length = word.char_indices().find(ends).map_or(word.len(), |(at, _)| at);
        let start = self.at + begin;
        self.at = start + length;
        Some((start, self.at))
    }
}

/// What stands inside of words and is no letter: marks on letters, and signs that nobody sees.
fn is_mark(letter: char) -> bool {
    is_combining_mark(letter) || is_unseen(letter)
}

/// The soft hyphen, and what joins letters or keeps them apart in print.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Letters of scripts that are written without blanks: each is taken for a word, and a word of
/// several of them for a phrase.
pub(crate) fn stands_alone(letter: char) -> bool {
    matches!(letter,
        // Thai, Lao, Myanmar, Khmer.
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        // Hiragana; Chinese characters.
        | '\u{3041}'..='\u{309f}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Gives a word without case, accents and forms of the same letter; several where it has such in it
/// that are no letters, as `½` has.
fn fold(piece: &str, word: &mut String, mut each: impl FnMut(&str)) {
    word.clear();
    if piece.is_ascii() {
        word.push_str(piece);
        word.make_ascii_lowercase();
        return each(word);
    }
    for letter in piece.nfkd().filter(|letter| !is_accent(*letter)) {
        // By way of upper case, which makes one of letters that only differ in lower case, as both
        // forms of the small sigma and both kinds of i; the sharp s has one of its own.
        let cases = letter.to_lowercase().flat_map(char::to_uppercase);
        for letter in cases.flat_map(char::to_lowercase) {
            match letter {
                letter if letter.is_alphanumeric() || is_combining_mark(letter) => {
                    if !is_accent(letter) {
                        word.push(letter);
                    }
                }
                letter if is_unseen(letter) => {}
                _ => give(word, &mut each),
            }
        }
    }
    give(word, &mut each);
}

/// Gives a word, if it is more than marks.
fn give(word: &mut String, each: &mut impl FnMut(&str)) {
    if word.contains(char::is_alphanumeric) {
        each(word);
    }
    word.clear();
}

/// Whether a mark only changes how a letter sounds. The signs of vowels in Indian scripts are
/// letters of their own, and the marks of voice in Japanese make other ones.
fn is_accent(letter: char) -> bool {
    canonical_combining_class(letter) != 0 && !matches!(letter, '\u{3099}' | '\u{309a}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of each line of a file is in another one, to be read.
    fn lines(texts: &str, expected: &str, found: impl Fn(&str) -> Vec<String>) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/words");
        let texts = std::fs::read_to_string(path.join(texts)).expect("texts");
        let lines = texts
            .lines()
            .map(|text| format!("{text}\n    {}\n", found(text).join(" · ")));
        let found: String = lines.collect();
        let expected = path.join(expected);
        if std::env::var_os("HAYLOFT_BLESS").is_some() {
            std::fs::write(&expected, &found).expect("written");
        }
        assert_eq!(found, std::fs::read_to_string(&expected).expect("expected"));
    }

    #[test]
    fn texts_and_their_words() {
        lines("texts.txt", "words.txt", words);
    }

    /// Stems that are stored have to be those that are searched for.
    #[test]
    fn texts_and_their_stems() {
        lines("languages.txt", "stems.txt", |line| {
            let (name, text) = line.split_once(' ').expect("a language");
            let language = Language::named(name).expect("a language");
            let pieces = Pieces::of(text).map(|(start, end)| stem_of(language, &text[start..end]));
            let stems = pieces.map(|stem| match stem {
                Some(stem) => stem.strip_prefix(language.sign()).expect("its sign").to_owned(),
                None => "-".to_owned(),
            });
            stems.collect()
        });
    }

    #[test]
    fn stems_stand_behind_the_words() {
        let mut row = RowWords::default();
        row.field(["Running runs", "run"].into_iter(), Some(Language::English));
        row.field(std::iter::once("runs"), None);
        let sign = Language::English.sign();
        let want = format!("running runs | run | {sign}run {sign}run {sign}run | runs |");
        assert_eq!(row.finish(), want);
        assert_eq!(only_lowered(" (Größe!) "), Some("größe".to_owned()));
        assert_eq!(only_lowered("e-mail"), None);
        // Words that all have another stem: there is an end to them, too.
        let many: Vec<String> = (0..20_000).map(|number| format!("{number:x}")).collect();
        let mut row = RowWords::default();
        row.field(std::iter::once(many.join(" ").as_str()), Some(Language::English));
        let found = row.finish();
        assert!(
            found.ends_with(" | |0") && found.len() < 3 * TEXT_MAX,
            "{}",
            found.len()
        );
    }

    #[test]
    fn both_forms_of_a_letter_are_the_same() {
        for text in ["Ünïcödé", "Ḗξω", "ガギグ", "한국어", "क्षि", "Ệ", "ﬃ"] {
            let (composed, apart): (String, String) = (text.nfc().collect(), text.nfd().collect());
            assert_eq!(words(&composed), words(&apart), "{text}");
        }
    }

    /// What was folded stays as it is: a search for a word as it is stored finds it.
    #[test]
    fn words_of_words_are_the_same() {
        let letters: String = ('\u{1}'..='\u{2ffff}').flat_map(|letter| [letter, ' ']).collect();
        for word in words(&letters) {
            assert_eq!(words(&word).concat(), word, "{word:?}");
            assert!(!word.contains(['"', '\'', '\\', '|', ' ', '\n', '\u{0}']), "{word:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_words() {
        let row = |text: &str| {
            let mut row = RowWords::default();
            row.field(std::iter::once("first"), None);
            row.field([text, "second"].into_iter(), None);
            row.finish()
        };
        assert_eq!(row("a B"), "first | a b | second |");
        let long = "äb ".repeat(TEXT_MAX);
        let found = row(&long);
        assert!(found.starts_with("first | ab ab "), "{}", &found[..40]);
        assert!(found.ends_with(" ab | | |1"), "{}", &found[found.len() - 40..]);
        // Each has four bytes in the text.
        assert_eq!(found.matches("ab").count(), TEXT_MAX / 4);
        // Whatever comes behind: it need not be read.
        let alone = |text: &str| {
            let mut row = RowWords::default();
            row.field(std::iter::once(text), None);
            row.finish()
        };
        assert_eq!(alone(&" ".repeat(TEXT_MAX)), "|");
        assert_eq!(alone(&" ".repeat(TEXT_MAX + 1)), "| |0");
        // A letter that becomes eighteen.
        let found = row(&"\u{fdfa} ".repeat(TEXT_MAX / 5));
        assert!(found.len() < 2 * TEXT_MAX && found.ends_with("|1"), "{}", found.len());
        let word = words(&"ä".repeat(1_000)).concat();
        assert_eq!(word, "a".repeat(WORD_MAX));
        assert_eq!(words(&"я".repeat(1_000)).concat(), "я".repeat(WORD_MAX / 2));
    }
}
