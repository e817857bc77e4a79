//! Where broken values end: texts with characters that are none, bare words, nesting without end.
//! Knows bytes; knows no records.
//!
//! One bad value must not cost a page. Where its end is plain, it is taken as a whole, and the text
//! goes on behind it.

/// A broken text.
#[derive(Debug, PartialEq)]
pub(super) struct Text {
    /// Bytes up to and with the closing quote.
    pub length: usize,
    /// Where the first fault is.
    pub at: usize,
    pub what: &'static str,
}

/// Reads a broken text from after its opening quote; none when it does not end, or nothing is wrong
/// with it.
pub(super) fn text(source: &[u8]) -> Option<Text> {
    let mut first: Option<(usize, &'static str)> = None;
    let mut at = 0;
    loop {
        let rest = source.get(at..)?;
        let run = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if let (None, Some((inside, what))) = (first, fault(&rest[..run])) {
            first = Some((at + inside, what));
        }
        at += run;
        if source.get(at) == Some(&b'"') {
            break;
        }
        let (length, what) = escape(source.get(at + 1..)?)?;
        if let (None, Some(what)) = (first, what) {
            first = Some((at, what));
        }
        at += 1 + length;
    }
    first.map(|(first, what)| Text {
        length: at + 1,
        at: first,
        what,
    })
}

/// What is wrong with bytes between quotes and escapes.
fn fault(bytes: &[u8]) -> Option<(usize, &'static str)> {
    let valid = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    let control = bytes[..valid].iter().position(|byte| *byte < 0x20);
    match control {
        Some(at) => Some((at, "a text with a control character that is not escaped")),
        None => (valid < bytes.len()).then_some((valid, "a text with bytes that are no UTF-8")),
    }
}

/// What follows a backslash: its length, and what is wrong with it.
fn escape(rest: &[u8]) -> Option<(usize, Option<&'static str>)> {
    Some(match rest.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => (1, None),
        b'u' => unicode(rest),
        _ => (0, Some("a text with an escape that JSON does not have")),
    })
}

/// `uD83D` and, if it belongs to it, `\uDE00`.
fn unicode(rest: &[u8]) -> (usize, Option<&'static str>) {
    const LONE: Option<&str> = Some("a text with a lone surrogate");
    let low = || hex(rest.get(7..11)).filter(|_| rest.get(5..7) == Some(b"\\u"));
    match hex(rest.get(1..5)) {
        None => (1, Some("a text with an escape that JSON does not have")),
        Some(0xd800..0xdc00) => match low() {
            Some(0xdc00..0xe000) => (11, None),
            _ => (5, LONE),
        },
        Some(0xdc00..0xe000) => (5, LONE),
        Some(_) => (5, None),
    }
}

fn hex(digits: Option<&[u8]>) -> Option<u16> {
    let digits = std::str::from_utf8(digits?).ok()?;
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// The length of a bare word that stands where a value should, if what follows is what may follow a
/// value.
pub(super) fn word(source: &[u8]) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'$');
    let length = source.iter().take_while(|byte| is_part(byte)).count();
    let after = source[length..].iter().find(|byte| !byte.is_ascii_whitespace());
    (length > 0 && matches!(after, Some(b',' | b']' | b'}'))).then_some(length)
}

/// The length of an array or object, whatever is in it; none when it does not end.
pub(super) fn nested(source: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0usize, 0);
    loop {
        match source.get(at)? {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b'"' => at = quoted(source, at + 1)?,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Where the closing quote is of a text that begins there.
fn quoted(source: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match source.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (source, at, what) in [
            (&b"cut \\ud83d\" rest"[..], 4, "a lone surrogate"),
            (b"\\udc00\\ud83d\\ude00\"", 0, "a lone surrogate"),
            (b"\\ud83dx\\u0041\"", 0, "a lone surrogate"),
            (b"\\ud83d\\u0041\"", 0, "a lone surrogate"),
            (b"\\n\\ud83d\\ude00\\ud83d\"", 14, "a lone surrogate"),
            (b"a\tb\nc\"", 1, "a control character that is not escaped"),
            (b"\xc3\xa9\xff\t\\n\"", 2, "bytes that are no UTF-8"),
            (b"\t\xff\"", 0, "a control character that is not escaped"),
            (b"a\\x41\"", 1, "an escape that JSON does not have"),
            (b"\\u12g4\"", 0, "an escape that JSON does not have"),
            (b"\\\xff\"", 0, "an escape that JSON does not have"),
        ] {
            let found = text(source).expect("it ends");
            assert_eq!((found.at, found.what), (at, format!("a text with {what}").as_str()));
            assert_eq!(source[found.length - 1], b'"', "{found:?}");
        }
        for source in [&b"open"[..], b"open\\", b"open\\\"", b"", b"\\u12", b"all is well\""] {
            assert_eq!(text(source), None, "{source:?}");
        }
    }

    #[test]
    fn words() {
        for (source, want) in [
            (&b"NaN,"[..], Some(3)),
            (b"-Infinity ]", Some(9)),
            (b"undefined\n}", Some(9)),
            (b"007]", Some(3)),
            (b"NaN", None),
            (b"NaN:", None),
            (b"'a'", None),
            (b", ", None),
        ] {
            assert_eq!(word(source), want, "{}", String::from_utf8_lossy(source));
        }
    }

    #[test]
    fn nesting() {
        for (source, want) in [
            (&b"[[]],1"[..], Some(4)),
            (b"{\"]\\\"\":[\"}\"]} ", Some(13)),
            (b"[[]", None),
            (b"[\"", None),
            (b"[\"\\", None),
        ] {
            assert_eq!(nested(source), want, "{}", String::from_utf8_lossy(source));
        }
    }
}
