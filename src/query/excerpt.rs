//! Excerpts of texts in which something that is searched for stands. Knows the words of texts, as
//! `value::words` finds them; knows no row and no database, so that both give the same.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

use super::search::{Search, SearchTerm};
use crate::value::{
    Language,
    words::{Left, stem, stem_of},
};

/// Stands where something of the text is left out.
const LEFT_OUT: &str = "…";
/// Bytes of one word that are shown, and of what stands between two words.
const WORD_SHOWN: usize = 255;
const BETWEEN_SHOWN: usize = 100;

/// Some words of a text, those among them that were searched for apart from the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Excerpt {
    /// One after the other; no two that follow each other are alike.
    pub parts: Vec<(String, bool)>,
}

impl Excerpt {
    pub(crate) fn text(&self) -> String {
        self.parts.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// With the signs of HTML written as such, and these around what was searched for.
    pub(crate) fn html(&self, before: &str, after: &str) -> String {
        let mut html = String::new();
        for (text, found) in &self.parts {
            html.push_str(if *found { before } else { "" });
            for letter in text.chars() {
                match letter {
                    '&' => html.push_str("&amp;"),
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '"' => html.push_str("&quot;"),
                    '\'' => html.push_str("&#39;"),
                    _ => html.push(letter),
                }
            }
            html.push_str(if *found { after } else { "" });
        }
        html
    }

    fn push(&mut self, text: &str, found: bool) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some((last, of)) if *of == found => last.push_str(text),
            _ => self.parts.push((text.to_owned(), found)),
        }
    }
}

/// What is looked for in the fields of a language.
pub(crate) struct Sought {
    language: Option<Language>,
    terms: Vec<SoughtTerm>,
}

struct SoughtTerm {
    words: Vec<String>,
    begins: bool,
    stem: Option<String>,
}

/// A run of letters in a text.
struct Piece {
    place: Range<usize>,
    /// The places of its words among all.
    words: Range<usize>,
    /// The terms of which it has something.
    terms: BTreeSet<usize>,
    /// It goes on with what the piece before it began: what lies between them belongs to it.
    goes_on: bool,
}

impl Sought {
    pub(crate) fn of(search: &Search, language: Option<Language>) -> Sought {
        let term = |term: &SearchTerm| SoughtTerm {
            words: term.words.clone(),
            begins: term.begins,
            stem: language.and_then(|language| stem(language, term.lowered.as_deref()?)),
        };
        Sought {
            language,
            terms: search.wanted().map(term).collect(),
        }
    }

    /// An excerpt of about so many words of a field, of one text or of a list: where most of what
    /// is searched for stands, of such places the first. None where nothing does.
    pub(crate) fn excerpt<'t>(&self, texts: impl Iterator<Item = &'t str>, words: usize) -> Option<Excerpt> {
        let mut left = Left::of_field();
        let mut best: Option<(Score, Excerpt)> = None;
        for text in texts {
            let pieces = self.pieces(text, &mut left);
            let Some((score, window)) = best_window(&pieces, words.max(1)) else {
                continue;
            };
            if best.as_ref().is_none_or(|(known, _)| score > *known) {
                best = Some((score, cut_out(text, &pieces, window)));
            }
        }
        best.map(|(_, excerpt)| excerpt)
    }

    /// The pieces of a text, as far as it is searched, with what was searched for in them.
    fn pieces(&self, text: &str, left: &mut Left) -> Vec<Piece> {
        let mut words: Vec<String> = Vec::new();
        let mut pieces: Vec<Piece> = Vec::new();
        left.take(text, |place, word| {
            let at = words.len();
            words.push(word.to_owned());
            match pieces.last_mut() {
                Some(last) if last.place == place => last.words.end = at + 1,
                _ => pieces.push(Piece {
                    place,
                    words: at..at + 1,
                    terms: BTreeSet::new(),
                    goes_on: false,
                }),
            }
        });
        let stems = self.stems(text, &pieces);
        for (number, term) in self.terms.iter().enumerate() {
            match term.words.as_slice() {
                [word] => mark_words(&mut pieces, (number, term), word, (&words, &stems)),
                phrase => mark_phrases(&mut pieces, number, phrase, &words),
            }
        }
        pieces
    }

    /// The stem of each piece, where any is looked for.
    fn stems(&self, text: &str, pieces: &[Piece]) -> Vec<Option<String>> {
        let language = self
            .language
            .filter(|_| self.terms.iter().any(|term| term.stem.is_some()));
        let Some(language) = language else {
            return Vec::new();
        };
        // A stemmer takes longer than a look.
        let mut known: HashMap<&str, Option<String>> = HashMap::new();
        let stems = pieces.iter().map(|piece| {
            let written = text.get(piece.place.clone()).unwrap_or_default();
            known
                .entry(written)
                .or_insert_with(|| stem_of(language, written))
                .clone()
        });
        stems.collect()
    }
}

/// Pieces that are a word, begin with it, or have its stem.
fn mark_words(
    pieces: &mut [Piece],
    (number, term): (usize, &SoughtTerm),
    wanted: &str,
    (words, stems): (&[String], &[Option<String>]),
) {
    for (at, piece) in pieces.iter_mut().enumerate() {
        let own = words.get(piece.words.clone()).unwrap_or_default();
        let is_it = own.iter().any(|word| match term.begins {
            true => word.starts_with(wanted),
            false => word == wanted,
        });
        let has_stem = term.stem.is_some() && stems.get(at) == Some(&term.stem);
        if is_it || has_stem {
            piece.terms.insert(number);
        }
    }
}

fn mark_phrases(pieces: &mut [Piece], number: usize, phrase: &[String], words: &[String]) {
    let begins = words.windows(phrase.len().max(1)).enumerate();
    for (begin, _) in begins.filter(|(_, some)| *some == phrase) {
        let end = begin + phrase.len();
        let mut first = true;
        let from = pieces.partition_point(|piece| piece.words.end <= begin);
        for piece in pieces.iter_mut().skip(from).take_while(|piece| piece.words.start < end) {
            piece.terms.insert(number);
            piece.goes_on |= !first;
            first = false;
        }
    }
}

/// How much of what is searched for there is: of how many terms, and in how many pieces.
type Score = (usize, usize);

/// The pieces that are shown: so many, where most of what is searched for stands, with about as
/// many others on both sides of it.
fn best_window(pieces: &[Piece], words: usize) -> Option<(Score, Range<usize>)> {
    let found: Vec<usize> = (0..pieces.len())
        .filter(|at| pieces.get(*at).is_some_and(|piece| !piece.terms.is_empty()))
        .collect();
    let mut best: Option<(Score, Range<usize>)> = None;
    let mut end = 0;
    // How many of the pieces from one that was found on, up to where the excerpt ends, have a term.
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for (begin, first) in found.iter().enumerate() {
        while let Some(next) = found.get(end).filter(|next| **next < first + words) {
            for term in pieces.get(*next).into_iter().flat_map(|piece| &piece.terms) {
                *counts.entry(*term).or_default() += 1;
            }
            end += 1;
        }
        let score = (counts.len(), end - begin);
        let last = found.get(end.saturating_sub(1)).copied().unwrap_or(*first);
        if best.as_ref().is_none_or(|(known, _)| score > *known) {
            best = Some((score, *first..last + 1));
        }
        for term in pieces.get(*first).into_iter().flat_map(|piece| &piece.terms) {
            if let Some(count) = counts.get_mut(term) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(term);
                }
            }
        }
    }
    let (score, core) = best?;
    let spare = words.saturating_sub(core.len());
    let end = (core.end + spare - spare / 2).min(pieces.len());
    let start = core.start.saturating_sub(spare - (end - core.end));
    let end = (start + words).max(core.end).min(pieces.len());
    Some((score, start..end))
}

/// The text of these pieces with what lies between them, as far as that is short.
fn cut_out(text: &str, pieces: &[Piece], window: Range<usize>) -> Excerpt {
    let mut excerpt = Excerpt::default();
    let mut end = match window.start.checked_sub(1).and_then(|before| pieces.get(before)) {
        Some(before) => {
            excerpt.push(LEFT_OUT, false);
            // A quotation mark or a bracket right before a word belongs to it.
            let gap = pieces
                .get(window.start)
                .and_then(|first| text.get(before.place.end..first.place.start));
            let opening = gap
                .unwrap_or_default()
                .trim_end_matches(|sign: char| !sign.is_whitespace())
                .len();
            before.place.end + opening
        }
        None => 0,
    };
    for (at, piece) in pieces.get(window.clone()).unwrap_or_default().iter().enumerate() {
        let between = text.get(end..piece.place.start).unwrap_or_default();
        push_short(&mut excerpt, between, BETWEEN_SHOWN, piece.goes_on && at > 0);
        let word = text.get(piece.place.clone()).unwrap_or_default();
        push_short(&mut excerpt, word, WORD_SHOWN, !piece.terms.is_empty());
        end = piece.place.end;
    }
    let rest = text.get(end..).unwrap_or_default();
    match window.end < pieces.len() {
        true => {
            // A full stop or a bracket right behind a word belongs to it.
            let closing: String = rest
                .chars()
                .take(4)
                .take_while(|sign| !sign.is_whitespace() && !sign.is_alphanumeric())
                .collect();
            excerpt.push(&closing, false);
            excerpt.push(LEFT_OUT, false);
        }
        false => push_short(&mut excerpt, rest, BETWEEN_SHOWN, false),
    }
    excerpt
}

fn push_short(excerpt: &mut Excerpt, text: &str, most: usize, found: bool) {
    if text.len() <= most {
        return excerpt.push(text, found);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
    excerpt.push(text.get(..end.unwrap_or_default()).unwrap_or_default(), found);
    excerpt.push(LEFT_OUT, found);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(search: &str, texts: &[&str], words: usize, language: Option<Language>) -> String {
        let search = Search::parse(search).expect("a search");
        let excerpt = Sought::of(&search, language).excerpt(texts.iter().copied(), words);
        excerpt.map_or("-".to_owned(), |excerpt| {
            assert!(excerpt.parts.windows(2).all(|two| two[0].1 != two[1].1), "{excerpt:?}");
            let parts = excerpt.parts.iter().map(|(text, found)| match found {
                true => format!("[{text}]"),
                false => text.clone(),
            });
            parts.collect()
        })
    }

    #[test]
    fn what_was_found_is_marked() {
        for (search, text, words, want) in [
            ("sword", "The old Sword.", 24, "The old [Sword]."),
            ("SWORD old", "(old) sword, swords", 24, "([old]) [sword], swords"),
            ("\"old sword\"", "an old  sword, old", 24, "an [old  sword], old"),
            ("sw* -x", "swords (swift)", 24, "[swords] ([swift])"),
            ("creme", "Crème brûlée", 24, "[Crème] brûlée"),
            ("東京", "新東京塔", 24, "新[東京]塔"),
            ("e-mail", "an e-mail", 24, "an [e-mail]"),
            ("nothing", "an old sword", 24, "-"),
            ("d", "a b c d e f g", 3, "…c [d] e…"),
            ("a", "a b c d", 3, "[a] b c…"),
            ("d", "a b c d", 3, "…b c [d]"),
            ("a d", "a b. \"c d\" e f", 4, "[a] b. \"c [d]\"…"),
            ("a d", "a x x x a d x x", 4, "…x [a] [d] x…"),
            ("d", "a b c (d) e f g", 1, "…([d])…"),
            ("\"c d e\"", "a b c d e f g", 1, "…[c]…"),
        ] {
            assert_eq!(shown(search, &[text], words, None), want, "{search}: {text}");
        }
    }

    #[test]
    fn of_a_list_the_best_item_is_shown() {
        let texts = ["old", "an old sword", "a sword, old"];
        assert_eq!(shown("sword old", &texts, 24, None), "an [old] [sword]");
        assert_eq!(shown("sword", &[], 24, None), "-");
    }

    #[test]
    fn other_forms_are_marked_in_their_language() {
        let english = Some(Language::English);
        let text = "He runs, running to the run";
        assert_eq!(shown("runs", &[text], 24, english), "He [runs], [running] to the [run]");
        assert_eq!(shown("runs", &[text], 24, None), "He [runs], running to the run");
        assert_eq!(shown("\"runs\"", &[text], 24, english), "He [runs], running to the run");
        assert_eq!(
            shown("runs", &[text], 24, Some(Language::Hindi)),
            "He [runs], running to the run"
        );
    }

    #[test]
    fn html_is_safe() {
        let search = Search::parse("b").expect("a search");
        let text = "<a> & \"b\" 'c' <script>";
        let excerpt = Sought::of(&search, None)
            .excerpt(std::iter::once(text), 24)
            .expect("found");
        assert_eq!(excerpt.text(), text);
        let want = "&lt;a&gt; &amp; &quot;<b>b</b>&quot; &#39;c&#39; &lt;script&gt;";
        assert_eq!(excerpt.html("<b>", "</b>"), want);
    }

    /// However long words are, and what lies between them.
    #[test]
    fn excerpts_have_an_end() {
        let text = format!("{}a{} {}", " ".repeat(5_000), "-".repeat(5_000), "é".repeat(5_000));
        let found = shown("a", &[&text], 24, None);
        assert!(found.contains("…[a]") && found.len() < 700, "{found}");
        // Behind what is searched of a text nothing is found.
        let far = format!("{}a", "b ".repeat(60_000));
        assert_eq!(shown("a", &[&far], 24, None), "-");
    }
}
