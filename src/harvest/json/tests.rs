//! What is JSON, what is not, and what is marked.

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

/// Whatever takes memory is counted, whatever it is.
#[test]
fn values_have_a_budget() {
    let text = |one: &str, count: usize| format!("[{}]", vec![one; count].join(","));
    for (one, each) in [
        ("{}", 112),
        ("[]", 48),
        ("\"\"", 32),
        ("0.5", 80),
        ("12345678901234567890", 80),
        ("NaN", 160),
        ("{\"a\":1}", 112 + 64 + 32),
        ("1", 0),
    ] {
        let count = 3 * OPEN_KEPT;
        let parsed = |room: usize| parse_within(&text(one, count).into(), 0, room);
        let most = count * (each + size_of::<Val>());
        assert!(parsed(10 * most).is_ok(), "{one}");
        let error = parsed(most / 2).expect_err("it takes more");
        assert!(error.too_much && !error.cut_off, "{one}: {error}");
    }
    let letters = format!("\"\\n{}\"", "x".repeat(100_000));
    assert!(parse_within(&letters.into(), 0, 50_000).expect_err("a copy").too_much);
}
