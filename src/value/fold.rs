//! The case of letters, letter by letter, as `ilike` disregards it. Knows Unicode; knows no
//! pattern.
//!
//! One letter stays one letter, so that `_` counts the same in both cases: `ß` is no `ss`. A letter
//! of ASCII is folded with none beyond it, so that an ASCII text is folded as it always was: the
//! sign of Kelvin is no `k`.

use std::{collections::HashMap, ops::RangeInclusive, sync::LazyLock};

/// Raised where another letter is folded otherwise than before, but for what a newer Unicode
/// changes: what is computed by this test and stored is computed anew then.
const VERSION: u32 = 1;

/// Behind the last letter that has a case.
const END: char = '\u{1ffff}';

/// A letter without its case.
pub(crate) fn fold(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    // By way of upper case, which makes one of both forms of the small sigma.
    let lower = only(letter.to_lowercase()).unwrap_or(letter);
    let upper = only(lower.to_uppercase()).unwrap_or(lower);
    let folded = only(upper.to_lowercase()).unwrap_or(lower);
    match folded.is_ascii() {
        true => letter,
        false => folded,
    }
}

fn only(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next()?;
    letters.next().is_none().then_some(first)
}

/// Which folding a pattern is tested by, as one text; none where all its letters are of ASCII,
/// which were always folded alike.
pub(crate) fn version_for(pattern: &str) -> Option<String> {
    let (major, minor, _) = char::UNICODE_VERSION;
    (!pattern.is_ascii()).then(|| format!("folded {VERSION} by Unicode {major}.{minor}"))
}

pub(crate) fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// The other letters beyond ASCII that are folded to each of these.
static OTHERS: LazyLock<HashMap<char, Vec<char>>> = LazyLock::new(|| {
    let mut others: HashMap<char, Vec<char>> = HashMap::new();
    for letter in '\u{80}'..=END {
        let folded = fold(letter);
        if folded != letter {
            others.entry(folded).or_default().push(letter);
        }
    }
    others
});

/// The letters that have to be replaced in a text, so that it can be compared with this one, which
/// is folded; and behind them, in the same order, those that take their place. Letters of ASCII are
/// left out.
pub(crate) fn replaced(folded: &str) -> String {
    let (mut letters, mut places) = (String::new(), String::new());
    for letter in folded.chars().filter(|letter| !letter.is_ascii()) {
        let known = places.contains(letter);
        for other in OTHERS.get(&letter).into_iter().flatten().filter(|_| !known) {
            letters.push(*other);
            places.push(letter);
        }
    }
    letters + &places
}

/// All letters in these ranges that have another case, and those that take their place, in the same
/// order. Letters of ASCII are left out.
pub(crate) fn all_replaced(ranges: &[RangeInclusive<char>]) -> (String, String) {
    let (mut letters, mut places) = (String::new(), String::new());
    for letter in ranges.iter().cloned().flatten().filter(|letter| !letter.is_ascii()) {
        let folded = fold(letter);
        if folded != letter {
            letters.push(letter);
            places.push(folded);
        }
    }
    (letters, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_without_their_case() {
        for (text, want) in [
            ("", ""),
            ("AZaz09%_", "azaz09%_"),
            ("ÄÖÜß\u{1e9e}", "äöüßß"),
            ("ΣΊΣΥΦΟΣ ς", "σίσυφοσ σ"),
            ("ЖЁ", "жё"),
            ("İıſ\u{212a}", "İıſ\u{212a}"),
            ("Å\u{212b}", "åå"),
            ("Ǆǅǆ", "ǆǆǆ"),
            ("\u{10400}", "\u{10428}"),
            ("東", "東"),
        ] {
            assert_eq!(folded(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_folded_stays() {
        for letter in '\u{0}'..=char::MAX {
            let once = fold(letter);
            assert_eq!(fold(once), once, "{letter}");
            assert_eq!(once.is_ascii(), letter.is_ascii(), "{letter}");
            assert!(letter <= END || once == letter, "{letter}");
        }
    }

    #[test]
    fn all_letters_with_a_case() {
        assert_eq!(
            all_replaced(&['\u{1}'..='\u{7f}', '\u{3000}'..='\u{9fff}']),
            (String::new(), String::new())
        );
        assert_eq!(
            all_replaced(&['Ä'..='Å', 'А'..='Б']),
            ("ÄÅАБ".to_owned(), "äåаб".to_owned())
        );
        let (letters, places) = all_replaced(&['\u{80}'..=char::MAX]);
        let pairs = letters.chars().zip(places.chars());
        assert!(
            pairs
                .into_iter()
                .all(|(letter, place)| fold(letter) == place && place != letter)
        );
        assert_eq!(
            letters.chars().count(),
            ('\u{80}'..=END).filter(|letter| fold(*letter) != *letter).count()
        );
    }

    /// Whoever replaces these letters of a text finds in it what he would find in a folded one.
    #[test]
    fn letters_to_replace() {
        assert_eq!(replaced("a%_東"), "");
        assert_eq!(replaced("ää"), "Ää");
        assert_eq!(replaced("aσ"), "Σςσσ");
        for letter in '\u{80}'..=END {
            let with = replaced(&fold(letter).to_string());
            let (from, to) = with.split_at(
                with.char_indices()
                    .nth(with.chars().count() / 2)
                    .map_or(0, |(at, _)| at),
            );
            let place = from.chars().position(|from| from == letter);
            let found = place.and_then(|at| to.chars().nth(at)).unwrap_or(letter);
            assert_eq!(found, fold(letter), "{letter}");
        }
    }
}
