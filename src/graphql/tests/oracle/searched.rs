//! Searches at random, which rows they find, how well, and what is shown of them, in the plainest
//! way. Knows the words of the worlds, of which an `s` at the end makes another form; no stemmer
//! and no index.

use rand::{Rng as _, seq::IndexedRandom as _};
use serde_json::{Value as Json, json};

use super::{
    ask::{Ask, Maker, Rows, Word},
    naive::Naive,
    world::WORDS,
};

/// A row: its type, and which of its rows.
type At = (usize, usize);

/// Whether two words are forms of one.
fn is_form(one: &str, other: &str) -> bool {
    one.trim_end_matches('s') == other.trim_end_matches('s')
}

impl Maker<'_> {
    pub(super) fn words(&mut self) -> Vec<Word> {
        let word = |maker: &mut Self| *WORDS.choose(maker.random).expect("one");
        let begins = ["al", "bet", "gam", "alpha", "x1"];
        let mut all = vec![match self.random.random_range(0..3) {
            0 => Word::Has(word(self)),
            1 => Word::Begins(self.some(&begins).expect("one")),
            _ => Word::Phrase(word(self), word(self)),
        }];
        if self.random.random_bool(0.4) {
            all.push(Word::Lacks(word(self)));
        }
        all
    }

    /// What is asked of the rows of a list: where that is searched, what was found as well.
    pub(super) fn asks_of(&mut self, rows: &Rows, of: usize, depth: usize) -> Vec<Ask> {
        let mut asks = self.asks(of, depth);
        if !rows.search.is_empty() && self.random.random_bool(0.6) {
            let words = self.some(&[None, Some(1), Some(50)]).expect("one");
            let at = self.random.random_range(0..=asks.len());
            asks.insert(at, Ask::Matches(rows.search.clone(), words));
        }
        asks
    }
}

impl Naive<'_> {
    fn own_words(&self, at: At) -> Vec<String> {
        let text = self.leaf(at, "words");
        let words = text.as_str().unwrap_or_default().split_whitespace();
        words.map(str::to_owned).collect()
    }

    /// Whether a word of a row is one that is searched for.
    fn is_meant(&self, (of, _): At, own: &str, word: &str) -> bool {
        own == word || self.0.types[of].language && is_form(own, word)
    }

    pub(super) fn found(&self, at: At, words: &[Word]) -> bool {
        let own = self.own_words(at);
        let has = |word: &str| own.iter().any(|found| self.is_meant(at, found, word));
        words.iter().all(|word| match word {
            Word::Has(word) => has(word),
            Word::Lacks(word) => !has(word),
            Word::Begins(word) => own.iter().any(|found| found.starts_with(word)),
            Word::Phrase(one, two) => own.windows(2).any(|pair| pair == [*one, *two]),
        })
    }

    /// How well a row has the words: all that are searched for count, the same in every row here,
    /// whose texts are short.
    pub(super) fn rank(&self, at: At, words: &[Word]) -> usize {
        let own = self.own_words(at);
        let worth = |times: usize| 1_000 * times / (times + 1);
        let of = |word: &str| worth(own.iter().filter(|found| **found == word).count());
        let ranks = words.iter().map(|word| match word {
            Word::Has(word) => of(word),
            Word::Phrase(one, two) => of(one) + of(two),
            Word::Begins(word) => worth(own.iter().filter(|found| found.starts_with(word)).count()),
            Word::Lacks(_) => 0,
        });
        ranks.sum()
    }

    /// What `searchMatches` says of a row, with one word or with all of them.
    pub(super) fn excerpts(&self, at: At, search: &[Word], most: usize) -> Json {
        let own = self.own_words(at);
        let mut found = vec![false; own.len()];
        // Whether the word goes on with a phrase that the one before it began.
        let mut goes_on = vec![false; own.len()];
        for word in search {
            for (place, one) in own.iter().enumerate() {
                let is_it = match word {
                    Word::Has(word) => self.is_meant(at, one, word),
                    Word::Begins(begin) => one.starts_with(begin),
                    Word::Phrase(first, second) => {
                        let is_pair = one == first && own.get(place + 1).is_some_and(|next| next == second);
                        if is_pair {
                            (found[place + 1], goes_on[place + 1]) = (true, true);
                        }
                        is_pair
                    }
                    Word::Lacks(_) => false,
                };
                found[place] |= is_it;
            }
        }
        let Some(first) = found.iter().position(|found| *found) else {
            return json!([]);
        };
        let shown = match most {
            1 => first..first + 1,
            _ => 0..own.len(),
        };
        let mut parts: Vec<(String, bool)> = Vec::new();
        let mut push = |text: &str, is_found: bool| match parts.last_mut() {
            Some((last, of)) if *of == is_found => last.push_str(text),
            _ => parts.push((text.to_owned(), is_found)),
        };
        if shown.start > 0 {
            push("…", false);
        }
        for place in shown.clone() {
            if place > shown.start {
                push(" ", goes_on[place]);
            }
            push(&own[place], found[place]);
        }
        if shown.end < own.len() {
            push("…", false);
        }
        let text: String = parts.iter().map(|(text, _)| text.as_str()).collect();
        let html: Vec<String> = parts
            .iter()
            .map(|(text, found)| match found {
                true => format!("<mark>{text}</mark>"),
                false => text.clone(),
            })
            .collect();
        let parts: Vec<Json> = parts
            .iter()
            .map(|(text, found)| json!({ "text": text, "found": found }))
            .collect();
        json!([{ "field": "words", "text": text, "html": html.concat(), "parts": parts }])
    }
}
