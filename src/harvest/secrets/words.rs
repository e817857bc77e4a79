//! The words that are secret at one time, each in all its forms, and what takes their place. Knows
//! texts; knows no source.

use std::cmp::Reverse;

use bytes::Bytes;
use url::Url;

use super::{
    forms,
    literals::{self, Literals},
    spelled::{self, Needle, Search},
    ways,
};
use crate::{catalog::template::Template, config::Environment, harvest::environment::environment_object};

/// Shorter texts stand in ordinary words and numbers, and nobody could tell them from a secret.
const LENGTH_MIN: usize = 6;
/// So much of a secret is known again where a text was cut.
const BEGIN: usize = 8;
/// So long is what is taken out of rows.
const LENGTH_MIN_IN_ROWS: usize = 8;
/// Tokens that are looked for: requests with the ones before may be under way.
const TOKENS_KNOWN: usize = 4;
/// How the names of headers and parameters end that carry credentials.
const CREDENTIALS: [&str; 16] = [
    "key",
    "token",
    "secret",
    "auth",
    "authorization",
    "password",
    "passwd",
    "pwd",
    "pass",
    "sig",
    "signature",
    "session",
    "cookie",
    "credential",
    "credentials",
    "appid",
];
/// What says how a secret is sent, and is none.
const SCHEMES: [&str; 6] = ["basic", "bearer", "digest", "negotiate", "apikey", "token"];

/// The secrets at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    pub words: Vec<Word>,
    /// Tokens among them, the newest last.
    tokens: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Word {
    text: String,
    marker: String,
    /// How much of it is enough at a cut; none: only all of it.
    begin: Option<usize>,
    /// It is sent to be let in, and is taken out of rows, too.
    credential: bool,
    /// It is looked for in any spelling; else it is a spelling itself.
    plain: bool,
    /// The upstream gave it.
    token: bool,
}

/// What becomes of what is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// People read it; a beginning is enough where the text was cut.
    Show,
    /// It is given back as it was.
    Keep,
    /// The same, of a text that is within JSON and is read from it before.
    Cover,
    /// The same of all secrets, also of those that are no credentials.
    CoverAll,
}

impl Aim {
    fn wants(self, word: &Word) -> bool {
        self != Aim::Cover || word.credential
    }

    /// Within JSON, which stays JSON.
    fn covers(self) -> bool {
        matches!(self, Aim::Cover | Aim::CoverAll)
    }
}

impl std::fmt::Debug for Word {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.marker)
    }
}

impl Words {
    /// The token's marker says the same of each, so what is kept of one is revealed as the newest.
    pub(super) fn learn(&mut self, token: &str) {
        self.tokens.retain(|known| known != token);
        self.tokens.push(token.to_owned());
        let old = self.tokens.len().saturating_sub(TOKENS_KNOWN);
        self.tokens.drain(..old);
        self.words.retain(|word| !word.token);
        for (at, token) in self.tokens.clone().iter().rev().enumerate() {
            let before = self.words.len();
            self.value(token, &format!("token{}", "'".repeat(at)), true);
            self.words.iter_mut().skip(before).for_each(|word| word.token = true);
        }
        self.sort();
    }

    pub(super) fn sort(&mut self) {
        self.words.sort_by_key(|word| Reverse(word.text.len()));
    }

    pub(super) fn add(&mut self, template: &Template, environment: &Environment, credential: bool) {
        for name in template.env_names() {
            if let Some(value) = environment.get(name) {
                self.value(value, &format!("$env.{name}"), credential);
            }
        }
        let lookup = |name: &str| (name == "env").then(|| environment_object(template, environment));
        for made in template.env_values(&lookup) {
            // A marker may stand inside of JSON.
            let expression = made.expression.replace('"', "'").replace('\\', "/");
            let credential = credential || made.parameter.as_deref().is_some_and(is_credential);
            self.value(&made.value, &expression, credential);
            // Short values are known by the parameter that they are sent in.
            let Some(parameter) = made.parameter.filter(|_| !made.value.is_empty()) else {
                continue;
            };
            for (form, text) in forms::of(&made.value) {
                self.word(Word {
                    text: format!("{parameter}={text}"),
                    marker: format!("{parameter}={{{expression}{form}}}"),
                    begin: None,
                    credential,
                    plain: forms::PLAIN.contains(&form),
                    token: false,
                });
            }
        }
    }

    /// A value in all its forms, and the parts of it that are secret by themselves.
    pub(super) fn value(&mut self, value: &str, name: &str, credential: bool) {
        for (part, text) in parts(value) {
            let credential = credential || matches!(part.as_str(), "|user" | "|password" | "|basic");
            if text.len() < LENGTH_MIN {
                continue;
            }
            for (form, text) in forms::of(&text) {
                self.word(Word {
                    begin: begin_of(&text),
                    marker: format!("{{{name}{part}{form}}}"),
                    credential: credential && text.len() >= LENGTH_MIN_IN_ROWS,
                    plain: forms::PLAIN.contains(&form),
                    token: false,
                    text,
                });
            }
        }
    }

    fn word(&mut self, mut word: Word) {
        if let Some(known) = self.words.iter_mut().find(|known| known.text == word.text) {
            known.credential |= word.credential;
            known.plain |= word.plain;
            return;
        }
        while self.words.iter().any(|known| known.marker == word.marker) {
            word.marker.push('\'');
        }
        self.words.push(word);
    }

    /// A text for people, with markers in the place of secrets; also of those that are cut.
    pub(super) fn mask(&self, text: &str) -> String {
        self.replaced(text, Aim::Show, &mut Literals::default())
    }

    /// A body without the credentials that it repeats. Who makes a request of a link in it reveals
    /// them. JSON stays JSON: in the place of a number, the marker is a string.
    pub(super) fn cover(&self, body: Bytes) -> Bytes {
        self.covered(body, Aim::Cover)
    }

    /// The same of all secrets, for a body that is kept as a whole and shown.
    pub(super) fn cover_all(&self, body: Bytes) -> Bytes {
        self.covered(body, Aim::CoverAll)
    }

    fn covered(&self, body: Bytes, aim: Aim) -> Bytes {
        let words = || self.words.iter().filter(|word| aim.wants(word));
        let search = Words::search(words().filter(|word| word.plain), aim);
        let is_in = |text: &str| words().any(|word| text.contains(&word.text)) || search.next(text, 0).is_some();
        if words().next().is_none() || !body.utf8_chunks().any(|chunk| is_in(chunk.valid())) {
            return body;
        }
        let (mut out, mut literals) = (Vec::with_capacity(body.len()), Literals::default());
        for chunk in body.utf8_chunks() {
            out.extend_from_slice(self.replaced(chunk.valid(), aim, &mut literals).as_bytes());
            literals.leave(chunk.valid());
            out.extend_from_slice(chunk.invalid());
        }
        out.into()
    }

    /// A text for a database: [`Words::reveal`] gives it back. None: it cannot.
    pub(super) fn keep(&self, text: &str) -> Option<String> {
        let kept = self.replaced(text, Aim::Keep, &mut Literals::default());
        (self.reveal(&kept) == text).then_some(kept)
    }

    /// A text as it was before [`Words::keep`], or as it is read from a body before
    /// [`Words::cover`].
    pub(super) fn reveal(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for word in &self.words {
            if out.contains(&word.marker) {
                out = out.replace(&word.marker, &word.text);
            }
            if word.plain {
                out = word.respelled(out);
            }
        }
        out
    }

    fn search<'w>(words: impl Iterator<Item = &'w Word>, aim: Aim) -> Search<'w> {
        let needle = |word: &'w Word| Needle {
            text: &word.text,
            begin: word.begin.filter(|_| aim == Aim::Show),
        };
        Search::of(words.map(needle).collect())
    }

    /// Replaces secrets from left to right; of several at one place the longest.
    fn replaced(&self, text: &str, aim: Aim, literals: &mut Literals) -> String {
        let words = || self.words.iter().filter(|word| aim.wants(word));
        let plain: Vec<&Word> = words().filter(|word| word.plain).collect();
        let search = Words::search(plain.iter().copied(), aim);
        let spelled = |from: usize| {
            let found = search.next(text, from)?;
            Some((*plain.get(found.needle)?, (found.at, found.length)))
        };
        let mut found: Vec<_> = words().map(|word| (word, word.find(text, 0, aim))).collect();
        let mut otherwise = spelled(0);
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        loop {
            for (word, place) in &mut found {
                if place.is_some_and(|(at, _)| at < done) {
                    *place = word.find(text, done, aim);
                }
            }
            if otherwise.is_some_and(|(_, (at, _))| at < done) {
                otherwise = spelled(done);
            }
            let first = found
                .iter()
                .filter_map(|(word, place)| place.map(|place| (*word, place)))
                .chain(otherwise);
            let Some((word, (at, length))) = first.min_by_key(|(_, (at, length))| (*at, Reverse(*length))) else {
                break;
            };
            let number = aim.covers().then(|| literals.number(text, at..at + length));
            let (place, marker) = match number.flatten() {
                Some(number) => {
                    let place = number.start.max(done)..number.end;
                    // What is before it has its own marker already.
                    let rest = word.in_place_of(text.get(place.clone()).unwrap_or_default());
                    (place, rest)
                }
                None => {
                    let place = at..at + length;
                    let found = text.get(place.clone()).unwrap_or_default();
                    (place, self.marker(word, found, aim))
                }
            };
            out.push_str(text.get(done..place.start).unwrap_or_default());
            out.push_str(&marker);
            done = place.end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        out
    }

    /// What takes the place of a word that stands in a text like this.
    fn marker(&self, word: &Word, found: &str, aim: Aim) -> String {
        let read: Option<String> = match aim {
            aim if aim.covers() && found.contains('\\') => serde_json::from_str(&format!("\"{found}\"")).ok(),
            _ => None,
        };
        let found = read.as_deref().unwrap_or(found);
        if let Some(form) = self.words.iter().find(|form| form.text == found) {
            return form.marker.clone();
        }
        let (head, tail) = word.spelled_marker();
        match aim {
            Aim::Show if !word.plain || word.text.starts_with(found) => word.marker.clone(),
            Aim::Show => [head.trim_end(), &tail].concat(),
            Aim::Keep | Aim::Cover | Aim::CoverAll => {
                let spelling = ways::spelling(&word.text, found);
                [&head, spelling.as_deref().unwrap_or(ways::ANY), &tail].concat()
            }
        }
    }
}

impl Word {
    /// Where it stands in a text after a place, and how long it is there.
    fn find(&self, text: &str, from: usize, aim: Aim) -> Option<(usize, usize)> {
        let rest = text.get(from..)?;
        let whole = rest.find(&self.text).map(|at| (from + at, self.text.len()));
        let begin = self.begin.filter(|_| aim == Aim::Show);
        let begin = begin.and_then(|begin| self.text.get(..begin));
        // Behind the first whole one none is looked for, or each of many would be looked at again
        // and again.
        let until = whole.map_or(text.len(), |(at, _)| at) - from;
        let mut cuts = begin
            .into_iter()
            .flat_map(|begin| rest.match_indices(begin))
            .take_while(|(at, _)| *at < until)
            .filter_map(|(at, _)| {
                let here = rest.get(at..)?;
                let both = here.chars().zip(self.text.chars()).take_while(|(a, b)| a == b);
                let length: usize = both.map(|(sign, _)| sign.len_utf8()).sum();
                let broken = spelled::cut(here.get(length..)?)?;
                Some((from + at, length + broken))
            });
        [whole, cuts.next()].into_iter().flatten().min()
    }

    /// What takes the place of a number of JSON in which it stands. A longer number is another
    /// one, and stays.
    fn in_place_of(&self, number: &str) -> String {
        match literals::is_it(number, &self.text) {
            true => format!("\"{}\"", self.marker),
            false => number.to_owned(),
        }
    }

    /// What stands before and behind the letters of a spelling.
    fn spelled_marker(&self) -> (String, String) {
        let (head, tail) = self
            .marker
            .split_at(self.marker.rfind('}').unwrap_or(self.marker.len()));
        (format!("{head}|spelled "), tail.to_owned())
    }

    /// A text with this word in the spellings that its markers tell.
    fn respelled(&self, text: String) -> String {
        let (head, tail) = self.spelled_marker();
        if !text.contains(&head) {
            return text;
        }
        let (mut out, mut rest) = (String::new(), text.as_str());
        while let Some((before, behind)) = rest.split_once(&head) {
            out.push_str(before);
            let told = behind.split_once(&tail);
            let word = told.and_then(|(spelling, behind)| Some((ways::spell(&self.text, spelling)?, behind)));
            let (word, behind) = word.unwrap_or_else(|| (head.clone(), behind));
            out.push_str(&word);
            rest = behind;
        }
        out.push_str(rest);
        out
    }
}

/// Whether a header or a parameter of this name says who asks.
pub(in crate::harvest) fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|end| name.ends_with(end))
}

/// The length of the beginning by which a text that was cut is known.
fn begin_of(text: &str) -> Option<usize> {
    let (at, _) = text.char_indices().nth(BEGIN)?;
    Some(at)
}

/// A value and the words of it; of an address what stands in it, for that it is called is no
/// secret.
fn parts(value: &str) -> Vec<(String, String)> {
    if let Some(url) = Url::parse(value).ok().filter(Url::has_host) {
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        return [
            ("|user", user.to_owned()),
            ("|password", password.to_owned()),
            ("|basic", forms::basic(user, password)),
            ("|path", url.path().trim_end_matches('/').to_owned()),
            ("|query", url.query().unwrap_or_default().to_owned()),
        ]
        .map(|(part, text)| (part.to_owned(), text))
        .into();
    }
    let mut parts = vec![(String::new(), value.to_owned())];
    let words = value.split_whitespace().filter(|word| *word != value);
    let secret = words.filter(|word| !SCHEMES.contains(&word.to_ascii_lowercase().as_str()));
    parts.extend(
        (0..)
            .zip(secret)
            .map(|(at, word): (usize, _)| (format!("|word {at}"), word.to_owned())),
    );
    parts
}
