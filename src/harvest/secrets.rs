//! What comes from `$env` and must not be seen, also when an upstream repeats it. Knows texts;
//! knows no requests and no rows.
//!
//! A secret is found in the forms that it can have been sent in, and a marker takes its place:
//! `{$env.KEY}`. What is kept of a request gets it back from the marker when it is used, so a
//! database never holds it. Rows are data: in them, only what is sent as a credential is no part of
//! what an upstream has to say.

mod forms;
mod kept;

use std::cmp::Reverse;

use bytes::Bytes;
use url::Url;

use crate::{
    catalog::{Catalog, SourceId, template::Template},
    config::Environment,
};

use super::environment::environment_object;

/// Shorter texts stand in ordinary words and numbers, and nobody could tell them from a secret.
const LENGTH_MIN: usize = 6;
/// So much of a secret is known again where a text was cut.
const BEGIN: usize = 8;
/// So long is what is taken out of rows.
const LENGTH_MIN_IN_ROWS: usize = 8;
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

/// The secrets that one source is sent.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<Word>);

struct Word {
    text: String,
    marker: String,
    /// How much of it is enough at a cut; none: only all of it.
    begin: Option<usize>,
    /// It is sent to be let in, and is taken out of rows, too.
    credential: bool,
}

impl std::fmt::Debug for Word {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.marker)
    }
}

impl Secrets {
    /// Those of a source: of its address, its headers, and the paths of its fetches.
    pub(super) fn of(catalog: &Catalog, id: SourceId, environment: &Environment) -> Secrets {
        let source = catalog.source(id);
        let fetches = catalog.fetch_ids().map(|fetch| catalog.fetch(fetch));
        let paths = fetches.filter(|fetch| fetch.source == id).map(|fetch| &fetch.path);
        let headers = source.headers.iter().map(|(name, value)| (Some(name.as_str()), value));
        let addresses = std::iter::once(&source.url)
            .chain(paths)
            .map(|template| (None, template));
        Secrets::in_templates(headers.chain(addresses), environment)
    }

    /// With the name of the header that each template is of.
    fn in_templates<'t>(
        templates: impl Iterator<Item = (Option<&'t str>, &'t Template)>,
        environment: &Environment,
    ) -> Secrets {
        let mut secrets = Secrets::default();
        for (header, template) in templates {
            secrets.add(template, environment, header.is_some_and(is_credential));
        }
        secrets.0.sort_by_key(|word| Reverse(word.text.len()));
        secrets
    }

    fn add(&mut self, template: &Template, environment: &Environment, credential: bool) {
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
                });
            }
        }
    }

    /// A value in all its forms, and the parts of it that are secret by themselves.
    fn value(&mut self, value: &str, name: &str, credential: bool) {
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
                    text,
                });
            }
        }
    }

    fn word(&mut self, mut word: Word) {
        if let Some(known) = self.0.iter_mut().find(|known| known.text == word.text) {
            known.credential |= word.credential;
            return;
        }
        while self.0.iter().any(|known| known.marker == word.marker) {
            word.marker.push('\'');
        }
        self.0.push(word);
    }

    /// A text for people, with markers in the place of secrets; also of those that are cut.
    pub(super) fn mask(&self, text: &str) -> String {
        self.replaced(text, |_| true, true)
    }

    /// A body without the credentials that it repeats. Who makes a request of a link in it reveals
    /// them.
    pub(super) fn cover(&self, body: Bytes) -> Bytes {
        let is_in = |text: &str| self.0.iter().any(|word| word.credential && text.contains(&word.text));
        if !body.utf8_chunks().any(|chunk| is_in(chunk.valid())) {
            return body;
        }
        let mut out = Vec::with_capacity(body.len());
        for chunk in body.utf8_chunks() {
            let text = self.replaced(chunk.valid(), |word| word.credential, false);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(chunk.invalid());
        }
        out.into()
    }

    /// A text for a database: [`Secrets::reveal`] gives it back. None: it cannot.
    pub(super) fn keep(&self, text: &str) -> Option<String> {
        let kept = self.replaced(text, |_| true, false);
        (self.reveal(&kept) == text).then_some(kept)
    }

    /// A text as it was before [`Secrets::keep`] or [`Secrets::cover`].
    pub(super) fn reveal(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for word in &self.0 {
            if out.contains(&word.marker) {
                out = out.replace(&word.marker, &word.text);
            }
        }
        out
    }

    /// Replaces secrets from left to right; of several at one place the longest.
    fn replaced(&self, text: &str, which: impl Fn(&Word) -> bool, cut: bool) -> String {
        let words = self.0.iter().filter(|word| which(word));
        let mut found: Vec<_> = words.map(|word| (word, word.find(text, 0, cut))).collect();
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        loop {
            for (word, place) in &mut found {
                if place.is_some_and(|(at, _)| at < done) {
                    *place = word.find(text, done, cut);
                }
            }
            let first = found
                .iter()
                .filter_map(|(word, place)| place.map(|place| (*word, place)));
            let Some((word, (at, length))) = first.min_by_key(|(_, (at, length))| (*at, Reverse(*length))) else {
                break;
            };
            out.push_str(text.get(done..at).unwrap_or_default());
            out.push_str(&word.marker);
            done = at + length;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        out
    }
}

impl Word {
    /// Where it stands in a text after a place, and how long it is there.
    fn find(&self, text: &str, from: usize, cut: bool) -> Option<(usize, usize)> {
        let rest = text.get(from..)?;
        let whole = rest.find(&self.text).map(|at| (from + at, self.text.len()));
        let begin = self.begin.filter(|_| cut).and_then(|begin| self.text.get(..begin));
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
                let length = both.map(|(sign, _)| sign.len_utf8()).sum();
                is_cut(here.get(length..)?).then_some((from + at, length))
            });
        [whole, cuts.next()].into_iter().flatten().min()
    }
}

/// Whether a text was cut before the rest of it: at its end, or in a piece that is quoted.
fn is_cut(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['…', '"'])
}

/// Whether a header or a parameter of this name says who asks.
fn is_credential(name: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::template::Encoding;

    fn hidden(template: &str, value: &str) -> Secrets {
        let environment = Environment::default().with("KEY", value);
        let template = Template::parse(template, &["env", "page"], Encoding::Raw).expect("a template");
        Secrets::in_templates(std::iter::once((None, &template)), &environment)
    }

    #[test]
    fn rows_lose_credentials_alone() {
        let environment = Environment::default()
            .with("KEY", "0a1b/2c3d")
            .with("TENANT", "acme-corporation");
        let template = |text: &str| Template::parse(text, &["env"], Encoding::Raw).expect("a template");
        let covered = |header: Option<&str>, text: &str, body: &str| {
            let secrets = Secrets::in_templates(std::iter::once((header, &template(text))), &environment);
            let covered = secrets.cover(Bytes::copy_from_slice(body.as_bytes()));
            let covered = String::from_utf8(covered.into()).expect("a text");
            assert_eq!(secrets.reveal(&covered), body);
            covered
        };
        let body = r#"{"self":"/x?api_key=0a1b%2F2c3d","by":"acme-corporation","is":"0a1b\/2c3d"}"#;
        for (header, text, want) in [
            (
                None,
                "/x?api_key={$env.KEY}",
                r#"{"self":"/x?api_key={$env.KEY|@uri}","by":"acme-corporation","is":"{$env.KEY|json /}"}"#,
            ),
            (
                Some("X-Api-Key"),
                "{$env.KEY}",
                r#"{"self":"/x?api_key={$env.KEY|@uri}","by":"acme-corporation","is":"{$env.KEY|json /}"}"#,
            ),
            (None, "/{$env.TENANT}/x?tenant={$env.TENANT}", body),
            (Some("X-Tenant"), "{$env.TENANT}", body),
        ] {
            assert_eq!(covered(header, text, body), want, "{text}");
        }
        // Whatever is no text stays.
        let secrets = Secrets::in_templates(std::iter::once((None, &template("?key={$env.KEY}"))), &environment);
        let body = Bytes::from_static(b"\xff0a1b/2c3d\xfe");
        assert_eq!(secrets.cover(body), Bytes::from_static(b"\xff{$env.KEY}\xfe"));
    }

    #[test]
    fn masks_every_form_and_gives_it_back() {
        let secrets = hidden("Bearer {$env.KEY}", "p/q r+ss\"t");
        for (text, want) in [
            ("token p/q r+ss\"t!", "token {$env.KEY}!"),
            ("?k=p%2Fq%20r%2Bss%22t&a=1", "?k={$env.KEY|@uri}&a=1"),
            ("?k=p%2fq%20r%2bss%22t", "?k={$env.KEY|@uri lower}"),
            ("?k=p%2Fq+r%2Bss%22t", "?k={$env.KEY|form}"),
            ("?k=p/q%20r+ss%22t", "?k={$env.KEY|query}"),
            (
                "?to=%3Fk%3Dp%252Fq%2520r%252Bss%2522t",
                "?to=%3Fk%3D{$env.KEY|@uri twice}",
            ),
            ("{\"k\":\"p/q r+ss\\\"t\"}", "{\"k\":\"{$env.KEY|json}\"}"),
            ("{\"k\":\"p\\/q r+ss\\\"t\"}", "{\"k\":\"{$env.KEY|json /}\"}"),
            ("a=\"p/q r+ss&quot;t\"", "a=\"{$env.KEY|html}\""),
            ("cC9xIHIrc3MidA==", "{$env.KEY|@base64}"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(secrets.mask(text), want);
            assert_eq!(secrets.keep(text).as_deref(), Some(want));
            assert_eq!(secrets.reveal(want), text);
        }
        // A text that looks masked would come back as another one.
        assert_eq!(secrets.keep("?k={$env.KEY}"), None);
    }

    #[test]
    fn a_text_that_was_cut_shows_no_beginning() {
        let secrets = hidden("{$env.KEY}", "0123456789abcdef");
        for (text, want) in [
            ("the text \"k 0123456789…", "the text \"k {$env.KEY}…"),
            ("it begins \"0123456789a\"", "it begins \"{$env.KEY}\""),
            ("0123456789abcdef0123456789", "{$env.KEY}{$env.KEY}"),
            ("0123456789 is a number", "0123456789 is a number"),
            ("0123456…", "0123456…"),
        ] {
            assert_eq!(secrets.mask(text), want);
        }
        assert_eq!(secrets.keep("0123456789").as_deref(), Some("0123456789"));
    }

    #[test]
    fn what_filters_make_of_a_secret_is_one() {
        let secrets = hidden("Basic {\"user:\" + $env.KEY | @base64}", "hunter22");
        let masked = secrets.mask("got Basic dXNlcjpodW50ZXIyMg== and hunter22");
        assert_eq!(masked, "got Basic {'user:' + $env.KEY | @base64} and {$env.KEY}");
        let scheme = hidden("{$env.KEY}", "Bearer 0a1b2c3d");
        assert_eq!(
            scheme.mask("a Bearer 0a1b2c3d, or 0a1b2c3d"),
            "a {$env.KEY}, or {$env.KEY|word 0}"
        );
        assert_eq!(scheme.mask("send a Bearer token"), "send a Bearer token");
    }

    #[test]
    fn short_values_are_known_by_their_parameter_only() {
        let secrets = hidden("/items?page={$page}&k={$env.KEY}", "ab");
        let masked = secrets.mask("/items?k=ab&page=2 ab");
        assert_eq!(masked, "/items?k={$env.KEY}&page=2 ab");
        assert_eq!(secrets.reveal("/items?k={$env.KEY}&page=2"), "/items?k=ab&page=2");
        assert_eq!(hidden("{$env.KEY}", "a").mask("a banana"), "a banana");
        assert_eq!(hidden("/items?k={$env.KEY}", "").mask("/items?k=&a"), "/items?k=&a");
    }

    #[test]
    fn of_an_address_what_stands_in_it() {
        let secrets = hidden("{$env.KEY}", "https://bob:swordfish@shop.example/t/0a1b2c3d/");
        assert_eq!(
            secrets.mask("https://shop.example/t/0a1b2c3d/items?by=swordfish Ym9iOnN3b3JkZmlzaA=="),
            "https://shop.example{$env.KEY|path}/items?by={$env.KEY|password} {$env.KEY|basic}"
        );
    }
}
