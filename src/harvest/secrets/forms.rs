//! The spellings in which a text comes back: in URLs, forms, JSON, HTML, base64. Knows texts only.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is left as it is by the usual ways of percent-encoding: RFC 3986's, JavaScript's, and that
/// of a query by browsers.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const COMPONENT: &AsciiSet = &UNRESERVED
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
/// The digits of base64, with those of its form for URLs.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The forms of a text that are looked for in any spelling, too.
pub(super) const PLAIN: [&str; 6] = [
    "",
    "|plus",
    "|@base64",
    "|@base64 bare",
    "|@base64url",
    "|@base64url bare",
];

/// Percent-encoded as RFC 3986 has it.
pub(super) fn strict(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A text in all its forms, the plain one first, each with a name that a marker can hold.
pub(super) fn of(text: &str) -> Vec<(&'static str, String)> {
    let strict = strict(text);
    let lower = lower_hex(&strict);
    let json = serde_json::Value::from(text).to_string();
    let json = json.get(1..json.len() - 1).unwrap_or_default().to_owned();
    let base64 = base64(text);
    let base64url = base64.replace('+', "-").replace('/', "_");
    vec![
        ("", text.to_owned()),
        ("|@uri", strict.clone()),
        ("|@uri lower", lower.clone()),
        ("|form", strict.replace("%20", "+")),
        ("|form lower", lower.replace("%20", "+")),
        ("|component", utf8_percent_encode(text, COMPONENT).to_string()),
        ("|query", utf8_percent_encode(text, QUERY).to_string()),
        ("|@uri twice", utf8_percent_encode(&strict, UNRESERVED).to_string()),
        ("|json /", json.replace('/', "\\/")),
        ("|json <", escaped(&json)),
        ("|json", json),
        ("|html", html(text)),
        ("|@base64", base64.clone()),
        ("|@base64 bare", base64.trim_end_matches('=').to_owned()),
        ("|@base64url", base64url.clone()),
        ("|@base64url bare", base64url.trim_end_matches('=').to_owned()),
        ("|plus", text.replace(' ', "+")),
    ]
}

/// As encoders of JSON do that care for HTML.
fn escaped(json: &str) -> String {
    let mut out = json.to_owned();
    for (sign, code) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\'', "\\u0027"),
        ('+', "\\u002b"),
    ] {
        out = out.replace(sign, code);
    }
    out
}

fn html(text: &str) -> String {
    let named = [
        ('&', "&amp;"),
        ('<', "&lt;"),
        ('>', "&gt;"),
        ('"', "&quot;"),
        ('\'', "&#39;"),
    ];
    named
        .into_iter()
        .fold(text.to_owned(), |out, (sign, name)| out.replace(sign, name))
}

/// As a name and a password are sent with a request, if there are any.
pub(super) fn basic(user: &str, password: &str) -> String {
    match (user, password) {
        ("", "") => String::new(),
        _ => base64(&format!("{user}:{password}")),
    }
}

/// RFC 4648, with its padding.
fn base64(text: &str) -> String {
    let mut out = String::with_capacity(text.len().div_ceil(3) * 4);
    for three in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS
                .get((bits >> (18 - 6 * at) & 63) as usize)
                .copied()
                .unwrap_or(b'=');
            out.push(if at > three.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// `%2F` as `%2f`.
fn lower_hex(text: &str) -> String {
    let mut digits = 0;
    let lowered = text.chars().map(|sign| match (sign, digits) {
        ('%', _) => {
            digits = 2;
            sign
        }
        (_, 0) => sign,
        _ => {
            digits -= 1;
            sign.to_ascii_lowercase()
        }
    });
    lowered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_in_lower_case() {
        assert_eq!(lower_hex("A%2FB%C3%A9C"), "A%2fB%c3%a9C");
    }

    #[test]
    fn base64_with_its_padding() {
        for (text, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("~~?>", "fn4/Pg=="),
        ] {
            assert_eq!(base64(text), want);
        }
    }

    #[test]
    fn spellings_of_json() {
        assert_eq!(escaped("a<b>&'+"), "a\\u003cb\\u003e\\u0026\\u0027\\u002b");
        assert!(of("a\"b").contains(&("|json", "a\\\"b".to_owned())));
    }
}
