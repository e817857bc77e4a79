//! Strict JSON to jq values. Knows RFC 8259 and a depth limit; knows no record's meaning.
//!
//! jaq's own reader accepts a superset (comments, `NaN`, byte strings) and recurses without limit, so an upstream's
//! mistake would pass as data. Numbers keep every digit. A broken value among others is marked, and spoils only what needs it.

use std::borrow::Cow;

use bytes::Bytes;
use hifijson::{
    SliceLexer,
    num::LexWrite as _,
    str::LexAlloc as _,
    token::{Expect, Lex as _},
};
use jaq_json::{Map, Num, Val};

use super::mend;
use crate::value::broken;

/// Nesting beyond this is no data but an attack on the stack.
const DEPTH_MAX: usize = 128;

/// Digits are turned into a number in quadratic time, and no measurement needs so many.
pub(super) const NUMBER_MAX: usize = 1_000;

/// Bytes of a bare word that are told.
const WORD_SHOWN: usize = 20;

/// Why a text is not JSON.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("byte {at}: {message}")]
pub(super) struct JsonError {
    pub at: u64,
    pub message: String,
    /// The text ended where something was still open.
    pub cut_off: bool,
    /// It is JSON, but for a number longer than [`NUMBER_MAX`].
    pub long_number: bool,
}

enum Cause {
    Json(hifijson::Error),
    LongNumber,
}

impl From<hifijson::Error> for Cause {
    fn from(error: hifijson::Error) -> Cause {
        Cause::Json(error)
    }
}

impl From<Expect> for Cause {
    fn from(error: Expect) -> Cause {
        Cause::Json(error.into())
    }
}

/// Parses exactly one JSON value, which begins at the byte `from` of its text. Its texts are parts of `source`, as far as they
/// hold no escapes: a copy of each would be half the cost of reading.
///
/// A value within it that is broken, but whose end is plain, is marked ([`broken`]); a mark and an error have their place in the
/// text.
pub(super) fn parse(source: &Bytes, from: u64) -> Result<Val, JsonError> {
    // Byte order marks are not JSON, but editors put them into files.
    let text = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    let mut lexer = SliceLexer::new(text);
    let reader = Reader {
        source,
        length: text.len(),
        from,
    };
    let parsed = match lexer.ws_peek() {
        Some(next) => reader.value(DEPTH_MAX, next, &mut lexer),
        None => Err(Expect::Value.into()),
    };
    let trailing = parsed.is_ok() && lexer.ws_peek().is_some();
    let long_number = matches!(parsed, Err(Cause::LongNumber));
    let error = |message: String| JsonError {
        at: reader.at(lexer.as_slice()),
        message,
        cut_off: lexer.as_slice().is_empty(),
        long_number,
    };
    match parsed {
        Ok(_) if trailing => Err(error("something follows the value".to_owned())),
        Ok(value) => Ok(value),
        Err(Cause::LongNumber) => Err(error(long_number_text())),
        Err(Cause::Json(hifijson::Error::Depth)) => Err(error(format!("nested deeper than {DEPTH_MAX}"))),
        Err(Cause::Json(cause)) => Err(error(cause.to_string())),
    }
}

/// What the values of one text are made from.
struct Reader<'a> {
    source: &'a Bytes,
    /// Of the text without its mark.
    length: usize,
    from: u64,
}

impl Reader<'_> {
    /// The place of what is still to be read.
    fn at(&self, rest: &[u8]) -> u64 {
        self.from + (self.length - rest.len()) as u64
    }

    fn value(&self, depth: usize, next: u8, lexer: &mut SliceLexer<'_>) -> Result<Val, Cause> {
        let begin = lexer.as_slice();
        match next {
            b'"' => {
                let text = self.text(lexer.discarded());
                // A text that is nothing but a broken value is no JSON at all.
                return text.and_then(|text| match text {
                    Val::BStr(_) if depth == DEPTH_MAX => Err(Expect::String.into()),
                    text => Ok(text),
                });
            }
            b'[' | b'{' => {
                return match depth.checked_sub(1) {
                    Some(depth) if next == b'[' => self.array(depth, lexer),
                    Some(depth) => self.object(depth, lexer),
                    None => self.too_deep(lexer),
                };
            }
            _ => {}
        }
        let plain = match next {
            b'a'..=b'z' => match lexer.null_or_bool() {
                Some(word) => Ok(word.map_or(Val::Null, Val::Bool)),
                None => Err(Expect::Value.into()),
            },
            b'0'..=b'9' | b'-' => number(lexer),
            _ => Err(Expect::Value.into()),
        };
        let goes_on = lexer.as_slice().first().is_some_and(u8::is_ascii_alphanumeric);
        if (plain.is_ok() && !goes_on) || depth == DEPTH_MAX {
            return plain;
        }
        let Some(length) = mend::word(begin) else { return plain };
        let what = match plain {
            Err(Cause::LongNumber) => long_number_text(),
            _ => format!("`{}`, which is no JSON", shortened(&begin[..length])),
        };
        Ok(self.broken(&what, 0, length, begin, lexer))
    }

    /// Marks what begins at `begin`, and goes on behind it; `at` is where in it the fault is.
    fn broken<'l>(&self, what: &str, at: usize, length: usize, begin: &'l [u8], lexer: &mut SliceLexer<'l>) -> Val {
        let (raw, rest) = begin.split_at(length);
        *lexer = SliceLexer::new(rest);
        broken(what, self.at(begin) + at as u64, raw)
    }

    fn too_deep<'l>(&self, lexer: &mut SliceLexer<'l>) -> Result<Val, Cause> {
        let begin = lexer.as_slice();
        let length = mend::nested(begin).ok_or(Cause::Json(hifijson::Error::Depth))?;
        let what = format!("values nested deeper than {DEPTH_MAX}");
        Ok(self.broken(&what, 0, length, begin, lexer))
    }

    /// A text after its opening quote.
    fn text<'l>(&self, lexer: &mut SliceLexer<'l>) -> Result<Val, Cause> {
        let begin = lexer.as_slice();
        let error = match lexer.str_string() {
            Ok(text) => return Ok(Val::utf8_str(self.shared(text))),
            Err(error) => hifijson::Error::from(error),
        };
        let text = mend::text(begin).ok_or(error)?;
        let (raw, rest) = begin.split_at(text.length);
        *lexer = SliceLexer::new(rest);
        let raw = raw.strip_suffix(b"\"").unwrap_or(raw);
        Ok(broken(text.what, self.at(begin) + text.at as u64, raw))
    }

    /// The lexer borrows from the source what it need not unescape.
    fn shared(&self, text: Cow<'_, str>) -> Bytes {
        match text {
            Cow::Borrowed(text) => self.source.slice_ref(text.as_bytes()),
            Cow::Owned(text) => text.into_bytes().into(),
        }
    }

    fn array(&self, depth: usize, lexer: &mut SliceLexer<'_>) -> Result<Val, Cause> {
        let mut items = Vec::new();
        lexer.discarded().seq(b']', SliceLexer::ws_peek, |next, lexer| {
            items.push(self.value(depth, next, lexer)?);
            Ok::<_, Cause>(())
        })?;
        Ok(Val::Arr(items.into()))
    }

    fn object(&self, depth: usize, lexer: &mut SliceLexer<'_>) -> Result<Val, Cause> {
        // Most records have a handful of fields: one allocation instead of three.
        let mut fields = Map::with_capacity_and_hasher(8, Default::default());
        lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
            lexer.expect(|_| Some(next), b'"').ok_or(Expect::String)?;
            let key = self.text(lexer)?;
            lexer.expect(SliceLexer::ws_peek, b':').ok_or(Expect::Colon)?;
            let next = lexer.ws_peek().ok_or(Expect::Value)?;
            let value = match next {
                b',' | b'}' => broken("nothing where a value should be", self.at(lexer.as_slice()), &[]),
                _ => self.value(depth, next, lexer)?,
            };
            // Of a repeated key the last value counts, as in every common parser.
            fields.insert(key, value);
            Ok::<_, Cause>(())
        })?;
        Ok(Val::obj(fields))
    }
}

fn number(lexer: &mut SliceLexer<'_>) -> Result<Val, Cause> {
    let (text, parts) = lexer.num_string().validated().map_err(hifijson::Error::from)?;
    let text: &str = text;
    if text.len() > NUMBER_MAX {
        return Err(Cause::LongNumber);
    }
    let whole = parts.is_int().then(|| Num::from_str_radix(text, 10)).flatten();
    Ok(Val::Num(whole.unwrap_or_else(|| Num::Dec(text.to_owned().into()))))
}

fn long_number_text() -> String {
    format!("a number of more than {NUMBER_MAX} characters")
}

/// The beginning of a word.
fn shortened(word: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(word.get(..WORD_SHOWN).unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{as_written, first_broken};

    fn parse(text: &[u8]) -> Result<Val, JsonError> {
        super::parse(&Bytes::copy_from_slice(text), 0)
    }

    #[test]
    fn accepts() {
        for text in [
            "null",
            " true ",
            "-0.5e3",
            "\"a\\u00e9\\n\"",
            "[1,[],{}]",
            "{\"a\":{\"b\":[null]},\"c\":1.50}",
            "123456789012345678901234567890",
        ] {
            let parsed = parse(text.as_bytes());
            assert!(parsed.is_ok(), "{text}: {parsed:?}");
        }
        let exact = parse(b"[0.10000000000000000000001,123456789012345678901234567890]").map(|value| value.to_string());
        assert_eq!(
            exact.as_deref(),
            Ok("[0.10000000000000000000001,123456789012345678901234567890]")
        );
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "  ",
            "nul",
            "NaN",
            "Infinity",
            "+1",
            "01",
            "1.",
            "[NaN:1]",
            "[NaN",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{1:2}",
            "# x\n1",
            "b\"x\"",
            "'a'",
            "\"a",
            "[1",
            "1 2",
            "\"\u{1}\"",
            "\"\\ud800\"",
            "[\"open]",
            "[,1]",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err(), "UTF-8 is checked");
        assert!(parse(b"[\xff]").is_err(), "UTF-8 is checked");
    }

    /// One bad value or character leaves all others as they are.
    #[test]
    fn what_spoils_one_value_only() {
        for (text, want, first) in [
            (
                &b"[1,{\"v\":NaN,\"w\":2}]"[..],
                r#"[1,{"v":"NaN","w":2}]"#,
                "`NaN`, which is no JSON (byte 8)",
            ),
            (
                b" [ 01, True ,.5,1.,+1,-Infinity,2]",
                r#"["01","True",".5","1.","+1","-Infinity",2]"#,
                "`01`, which is no JSON (byte 3)",
            ),
            (
                b"{\"t\":\"a\tb\",\"u\":\"c\"}",
                r#"{"t":"a\tb","u":"c"}"#,
                "a text with a control character that is not escaped (byte 7)",
            ),
            (
                b"[\"\xc3\xa9 \xff\"]",
                "[\"é \u{fffd}\"]",
                "a text with bytes that are no UTF-8 (byte 5)",
            ),
            (
                b"[\"\\ud800\",\"b\"]",
                r#"["\\ud800","b"]"#,
                "a text with a lone surrogate (byte 2)",
            ),
            (
                b"{\"na\xffme\":1}",
                "{\"na\u{fffd}me\":1}",
                "a text with bytes that are no UTF-8 (byte 4)",
            ),
            (
                b"{\"v\": ,\"w\":}",
                r#"{"v":"","w":""}"#,
                "nothing where a value should be (byte 6)",
            ),
        ] {
            let value = parse(text).expect("it is read");
            assert_eq!(as_written(&value).to_string(), want);
            assert_eq!(first_broken(&value), Some(first));
        }
        let later = super::parse(&Bytes::from_static(b"[NaN]"), 100).expect("it is read");
        assert_eq!(first_broken(&later), Some("`NaN`, which is no JSON (byte 101)"));
        let clean = parse(b"{\"a\":[1,\"\\u00e9\",null]}").expect("it is read");
        assert_eq!(first_broken(&clean), None);
    }

    #[test]
    fn long_numbers_are_refused_unread() {
        let digits = |count: usize| format!("[{}]", "7".repeat(count));
        assert!(parse(digits(NUMBER_MAX).as_bytes()).is_ok());
        // Turned into a number, this one takes minutes.
        for text in ["7".repeat(10_000_000), format!("-0.{}e5", "1".repeat(NUMBER_MAX))] {
            let error = parse(text.as_bytes()).expect_err("refused");
            assert!(error.long_number && error.message.contains("1000"), "{error}");
            // Among others it spoils only what needs it.
            let among = parse(format!("[{text},1]").as_bytes()).expect("it is read");
            assert!(first_broken(&among).is_some_and(|words| words.contains("1000")));
        }
        assert!(!parse(b"[1,]").expect_err("refused").long_number);
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
        // Where it ends it spoils only what needs it.
        let value = parse(nested(1_000_000).as_bytes()).expect("it is read");
        assert_eq!(first_broken(&value), Some("values nested deeper than 128 (byte 128)"));
    }

    #[test]
    fn knows_a_cut_off_text() {
        for (text, cut_off) in [("{\"a\":[1,", true), ("{\"a\":\"b", true), ("{\"a\"}", false)] {
            assert_eq!(
                parse(text.as_bytes()).map_err(|error| error.cut_off),
                Err(cut_off),
                "{text}"
            );
        }
    }
}
