//! Strict JSON to jq values. Knows RFC 8259 and a depth limit; knows no record's meaning.
//!
//! jaq's own reader accepts a superset (comments, `NaN`, byte strings) and recurses without limit, so an upstream's
//! mistake would pass as data. Numbers keep every digit.

use std::borrow::Cow;

use bytes::Bytes;
use hifijson::{
    SliceLexer,
    num::LexWrite as _,
    str::LexAlloc as _,
    token::{Expect, Lex as _},
};
use jaq_json::{Map, Num, Val};

/// Nesting beyond this is no data but an attack on the stack.
const DEPTH_MAX: usize = 128;

/// Digits are turned into a number in quadratic time, and no measurement needs so many.
pub(super) const NUMBER_MAX: usize = 1_000;

/// Why a text is not JSON.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("byte {at}: {message}")]
pub(super) struct JsonError {
    pub at: usize,
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

/// Parses exactly one JSON value. Its texts are parts of `source`, as far as they hold no escapes: a copy of each would be
/// half the cost of reading.
pub(super) fn parse(source: &Bytes) -> Result<Val, JsonError> {
    // Byte order marks are not JSON, but editors put them into files.
    let text = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    let mut lexer = SliceLexer::new(text);
    let parsed = match lexer.ws_peek() {
        Some(next) => value(DEPTH_MAX, next, &mut lexer, source),
        None => Err(Expect::Value.into()),
    };
    let trailing = parsed.is_ok() && lexer.ws_peek().is_some();
    let at = text.len() - lexer.as_slice().len();
    let long_number = matches!(parsed, Err(Cause::LongNumber));
    let error = |message: String| JsonError {
        at,
        message,
        cut_off: at >= text.len(),
        long_number,
    };
    match parsed {
        Ok(_) if trailing => Err(error("something follows the value".to_owned())),
        Ok(value) => Ok(value),
        Err(Cause::LongNumber) => Err(error(format!("a number of more than {NUMBER_MAX} characters"))),
        Err(Cause::Json(hifijson::Error::Depth)) => Err(error(format!("nested deeper than {DEPTH_MAX}"))),
        Err(Cause::Json(cause)) => Err(error(cause.to_string())),
    }
}

fn value(depth: usize, next: u8, lexer: &mut SliceLexer<'_>, source: &Bytes) -> Result<Val, Cause> {
    let depth = depth.checked_sub(1).ok_or(Cause::Json(hifijson::Error::Depth))?;
    match next {
        b'a'..=b'z' => {
            let word = lexer.null_or_bool().ok_or(Expect::Value)?;
            Ok(word.map_or(Val::Null, Val::Bool))
        }
        b'0'..=b'9' | b'-' => number(lexer),
        b'"' => {
            let text = lexer.discarded().str_string().map_err(hifijson::Error::from)?;
            Ok(Val::utf8_str(shared(text, source)))
        }
        b'[' => array(depth, lexer, source),
        b'{' => object(depth, lexer, source),
        _ => Err(Expect::Value.into()),
    }
}

/// The lexer borrows from the source what it need not unescape.
fn shared(text: Cow<'_, str>, source: &Bytes) -> Bytes {
    match text {
        Cow::Borrowed(text) => source.slice_ref(text.as_bytes()),
        Cow::Owned(text) => text.into_bytes().into(),
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

fn array(depth: usize, lexer: &mut SliceLexer<'_>, source: &Bytes) -> Result<Val, Cause> {
    let mut items = Vec::new();
    lexer.discarded().seq(b']', SliceLexer::ws_peek, |next, lexer| {
        items.push(value(depth, next, lexer, source)?);
        Ok::<_, Cause>(())
    })?;
    Ok(Val::Arr(items.into()))
}

fn object(depth: usize, lexer: &mut SliceLexer<'_>, source: &Bytes) -> Result<Val, Cause> {
    // Most records have a handful of fields: one allocation instead of three.
    let mut fields = Map::with_capacity_and_hasher(8, Default::default());
    lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
        lexer.expect(|_| Some(next), b'"').ok_or(Expect::String)?;
        let key = Val::utf8_str(shared(lexer.str_string().map_err(hifijson::Error::from)?, source));
        lexer.expect(SliceLexer::ws_peek, b':').ok_or(Expect::Colon)?;
        let next = lexer.ws_peek().ok_or(Expect::Value)?;
        // Of a repeated key the last value counts, as in every common parser.
        fields.insert(key, value(depth, next, lexer, source)?);
        Ok::<_, Cause>(())
    })?;
    Ok(Val::obj(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<Val, JsonError> {
        super::parse(&Bytes::copy_from_slice(text))
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
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err(), "UTF-8 is checked");
    }

    #[test]
    fn long_numbers_are_refused_unread() {
        let digits = |count: usize| format!("[{}]", "7".repeat(count));
        assert!(parse(digits(NUMBER_MAX).as_bytes()).is_ok());
        // Turned into a number, this one takes minutes.
        for text in [digits(10_000_000), format!("-0.{}e5", "1".repeat(NUMBER_MAX))] {
            let error = parse(text.as_bytes()).expect_err("refused");
            assert!(error.long_number && error.message.contains("1000"), "{error}");
        }
        assert!(!parse(b"[1,]").expect_err("refused").long_number);
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(parse(nested(DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
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
