//! One request and its answer as a file that people read. Knows that file's form; knows no HTTP
//! client, and nothing of what an answer means.
//!
//! ```text
//! > source farm
//! > GET /items?page=1
//! > accept: application/json
//! < 200
//! < content-type: application/json
//!
//! {"items": …}
//! ```
//!
//! What is behind the first empty line is the body, byte by byte.

use bytes::Bytes;
use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_64;

/// How the name of a file begins that says what was asked for: so many characters of it.
const NAME_SHOWN: usize = 60;
/// Said of an answer whose end was that of its connection.
const OPEN: &str = "until the connection ends";
/// How the files of a cassette end.
pub(crate) const EXTENSION: &str = "http";

/// What was asked for. Equal questions have equal answers, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub source: String,
    pub method: String,
    /// What follows the source's address.
    pub path: String,
    pub body: String,
}

/// One request and its answer, without any secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exchange {
    pub question: Question,
    /// The headers of the request: to be read by people, and not compared.
    pub asked: Vec<(String, String)>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Nothing said where the body ends, but for the connection.
    pub open: bool,
}

/// Why a text is no exchange, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misread {
    /// Counted from one.
    pub line: usize,
    pub message: String,
}

impl Question {
    /// `GET /items?page=1`.
    pub(crate) fn shown(&self) -> String {
        match self.body.is_empty() {
            true => format!("{} {}", self.method, self.path),
            false => format!("{} {} with {}", self.method, self.path, self.body),
        }
    }

    /// As it is compared: JSON by its values, and a secret by its name. In which form it was sent
    /// is not known where its value is not.
    pub(crate) fn compared(&self) -> Question {
        let body = match serde_json::from_str::<Json>(&self.body) {
            Ok(mut body) => {
                body.sort_all_objects();
                body.to_string()
            }
            Err(_) => self.body.clone(),
        };
        Question {
            path: named(&self.path),
            body: named(&body),
            ..self.clone()
        }
    }

    /// The name of its file, the same on every machine and whatever else was asked for: what is
    /// asked for, as far as names of files take it, and a hash of all of it. `again` counts from
    /// nought.
    pub(crate) fn file_name(&self, again: usize) -> String {
        let mut shown = String::new();
        for sign in format!("{} {} {}", self.source, self.method, self.path).chars() {
            match sign {
                sign if sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_') => shown.push(sign),
                _ if shown.ends_with('-') => {}
                _ => shown.push('-'),
            }
        }
        let shown: String = shown.chars().take(NAME_SHOWN).collect();
        let all = [&*self.source, &self.method, &self.path, &self.body].join("\n");
        let again = match again {
            0 => String::new(),
            again => format!("-{}", again + 1),
        };
        let hash = xxh3_64(all.as_bytes()) as u32;
        format!("{}-{hash:08x}{again}.{EXTENSION}", shown.trim_matches('-'))
    }
}

impl Exchange {
    /// Its file.
    pub(crate) fn write(&self) -> Vec<u8> {
        let question = &self.question;
        let mut text = format!(
            "> source {}\n> {} {}\n",
            question.source, question.method, question.path
        );
        let header = |sign: char, (name, value): &(String, String)| format!("{sign} {name}: {value}\n");
        self.asked.iter().for_each(|named| text.push_str(&header('>', named)));
        if !question.body.is_empty() {
            text.push_str(">\n");
            question
                .body
                .split('\n')
                .for_each(|line| text.push_str(&format!("> {line}\n")));
        }
        let open = if self.open { format!(" {OPEN}") } else { String::new() };
        text.push_str(&format!("< {}{open}\n", self.status));
        self.headers.iter().for_each(|named| text.push_str(&header('<', named)));
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Reads a file of [`Exchange::write`], or one that a person wrote.
    pub(crate) fn read(bytes: &[u8]) -> Result<Exchange, Misread> {
        let (head, body) = parted(bytes);
        let text = std::str::from_utf8(head).map_err(|_| misread(1, "the lines before the body are not UTF-8"))?;
        let mut exchange = Exchange {
            body: Bytes::copy_from_slice(body),
            ..Exchange::default()
        };
        let mut lines = text.lines().zip(1..).peekable();
        let mut asked = lines_of(&mut lines, '>').into_iter();
        let (source, at) = asked.next().ok_or_else(|| misread(1, "expected `> source NAME`"))?;
        let source = source.strip_prefix("source ").map(str::trim);
        exchange.question.source = source
            .ok_or_else(|| misread(at, "expected `> source NAME`"))?
            .to_owned();
        let (line, at) = asked
            .next()
            .ok_or_else(|| misread(at, "expected `> GET /path` behind this line"))?;
        let (method, path) = line
            .split_once(' ')
            .ok_or_else(|| misread(at, "expected `> GET /path`"))?;
        (exchange.question.method, exchange.question.path) = (method.to_owned(), path.trim().to_owned());
        let asked: Vec<(&str, usize)> = asked.collect();
        let end = asked
            .iter()
            .position(|(line, _)| line.is_empty())
            .unwrap_or(asked.len());
        let (headers, body) = asked.split_at(end);
        exchange.asked = headers.iter().map(header).collect::<Result<_, _>>()?;
        exchange.question.body = body
            .iter()
            .skip(1)
            .map(|(line, _)| *line)
            .collect::<Vec<_>>()
            .join("\n");
        let answer = lines_of(&mut lines, '<');
        let at = asked.last().map_or(at, |(_, at)| *at) + 1;
        let (status, headers) = answer
            .split_first()
            .ok_or_else(|| misread(at, "expected `< 200`, the answer's status"))?;
        (exchange.status, exchange.open) = status_of(status.0).ok_or_else(|| {
            misread(
                status.1,
                &format!("expected a status such as `< 200`, or `< 200 {OPEN}`"),
            )
        })?;
        exchange.headers = headers.iter().map(header).collect::<Result<_, _>>()?;
        match lines.next() {
            None => Ok(exchange),
            Some((_, at)) => Err(misread(
                at,
                "expected an empty line before the body; lines of the request begin with `>`, of the answer with `<`",
            )),
        }
    }
}

/// A text whose markers of secrets say no more than their names: `{$env.KEY}`.
fn named(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, marker)) = rest.split_once("{$env.") {
        let end = marker.find('}').unwrap_or(marker.len());
        let name = marker.get(..end).unwrap_or_default();
        let name = name.split('|').next().unwrap_or_default().trim_end();
        out.push_str(&format!("{before}{{$env.{name}"));
        rest = marker.get(end..).unwrap_or_default();
    }
    out + rest
}

/// What stands before the first empty line, and behind it.
fn parted(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if line.trim_ascii().is_empty() {
            let body = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
            return (bytes.get(..at).unwrap_or_default(), body);
        }
        at += end.map_or(rest.len(), |end| end + 1);
    }
    (bytes, &[])
}

type Lines<'t, I> = std::iter::Peekable<I>;

/// The lines that begin with a sign, without it, each with its number.
fn lines_of<'t>(lines: &mut Lines<'t, impl Iterator<Item = (&'t str, usize)>>, sign: char) -> Vec<(&'t str, usize)> {
    let mut found = Vec::new();
    while let Some((line, at)) = lines.next_if(|(line, _)| line.starts_with(sign)) {
        let rest = line.get(1..).unwrap_or_default();
        found.push((rest.strip_prefix(' ').unwrap_or(rest), at));
    }
    found
}

fn header((line, at): &(&str, usize)) -> Result<(String, String), Misread> {
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| misread(*at, "expected a header, such as `content-type: text/csv`"))?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// `200` or `200 until the connection ends`.
fn status_of(text: &str) -> Option<(u16, bool)> {
    let (status, rest) = text.split_once(' ').unwrap_or((text, ""));
    let status = status.parse().ok().filter(|status| (100..=599).contains(status))?;
    match rest.trim() {
        "" => Some((status, false)),
        OPEN => Some((status, true)),
        _ => None,
    }
}

fn misread(line: usize, message: &str) -> Misread {
    Misread {
        line,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> Exchange {
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Exchange {
            question: Question {
                source: "farm".to_owned(),
                method: "POST".to_owned(),
                path: "/items?page=1&size={$env.SIZE}".to_owned(),
                body: "{\n  \"a\": 1\n}".to_owned(),
            },
            asked: vec![named("accept", "application/json"), named("x-key", "{hidden}")],
            status: 200,
            headers: vec![named("link", "</items?page=2>; rel=\"next\"")],
            body: Bytes::from_static(b"\n> 1\n\nnot \xff UTF-8"),
            open: false,
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let whole = exchange();
        let open = Exchange {
            open: true,
            status: 404,
            body: Bytes::new(),
            ..exchange()
        };
        let bare = Exchange {
            asked: vec![],
            headers: vec![],
            question: Question {
                body: String::new(),
                ..whole.question.clone()
            },
            ..exchange()
        };
        for exchange in [whole, open, bare] {
            assert_eq!(Exchange::read(&exchange.write()), Ok(exchange.clone()), "{exchange:?}");
        }
    }

    #[test]
    fn names_are_stable_and_told_apart() {
        let question = exchange().question;
        let name = question.file_name(0);
        assert!(name.starts_with("farm-POST-items-page-1-size-env.SIZE-"), "{name}");
        assert_eq!(name, question.clone().file_name(0));
        assert_eq!(question.file_name(1), name.replace(".http", "-2.http"));
        let other = Question {
            body: "{}".to_owned(),
            ..question.clone()
        };
        assert_ne!(other.file_name(0), name);
        let long = Question {
            path: "/ä".repeat(500),
            ..question
        };
        assert!(long.file_name(10).len() < 100);
    }

    #[test]
    fn questions_are_compared_by_what_they_ask() {
        let question = |path: &str, body: &str| Question {
            path: path.to_owned(),
            body: body.to_owned(),
            ..Question::default()
        };
        let sent = question(
            "/t?k={$env.KEY|@uri}&n=1",
            r#"{"a":[1,2],"b":"{$env.B | ltrimstr('x')}"}"#,
        );
        let written = question("/t?k={$env.KEY}&n=1", r#"{ "b": "{$env.B}", "a": [1, 2] }"#);
        assert_eq!(sent.compared(), written.compared());
        for other in [
            question("/t?k={$env.KEYS}&n=1", &written.body),
            question(&written.path, r#"{"b":"{$env.B}","a":[2,1]}"#),
            question(&written.path, ""),
        ] {
            assert_ne!(other.compared(), written.compared());
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, part) in [
            ("", 1, "> source NAME"),
            ("> GET /items\n< 200\n", 1, "> source NAME"),
            ("> source farm\n< 200\n", 1, "> GET /path"),
            ("> source farm\n> GET\n< 200\n", 2, "> GET /path"),
            ("> source farm\n> GET /\n> what\n< 200\n", 3, "a header"),
            ("> source farm\n> GET /\n", 3, "< 200"),
            ("> source farm\n> GET /\n< fine\n", 3, "a status"),
            ("> source farm\n> GET /\n< 200 fine\n", 3, "a status"),
            ("> source farm\n> GET /\n< 200\n[]", 4, "an empty line"),
        ] {
            let wrong = Exchange::read(text.as_bytes()).expect_err(text);
            assert_eq!(wrong.line, line, "{text}: {wrong:?}");
            assert!(wrong.message.contains(part), "{text}: {wrong:?}");
        }
    }
}
