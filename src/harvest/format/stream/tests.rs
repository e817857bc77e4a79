//! Texts with a list in them, cut at every byte.

use super::*;

/// Gives its bytes one by one, so that every token is cut.
struct Drip<'t>(&'t [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else {
            return Ok(0);
        };
        out[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

fn walked(text: &str, keys: &[&str]) -> Result<(Vec<String>, Outline), Broken> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let mut items = Vec::new();
    let each = &mut |item: Item| {
        items.push(String::from_utf8_lossy(&item.text).into_owned());
        assert_eq!(item.number, items.len() as u64);
        assert!(text.as_bytes()[item.at as usize..].starts_with(&item.text), "{text}");
        true
    };
    let outline = walk(Drip(text.as_bytes()), &keys, each)?;
    Ok((items, outline))
}

#[test]
fn lists_and_what_is_beside_them() {
    let cases: [(&str, &[&str], &[&str], &str); 8] = [
        ("[]", &[], &[], "[]"),
        (
            " [ 1 , \"a]\\\"\" ,{\"b\":[2,{}]}, null ] ",
            &[],
            &["1", "\"a]\\\"\"", "{\"b\":[2,{}]}", "null"],
            " []",
        ),
        (
            "{\"a\":{\"items\":[0]},\"items\":[1,2],\"last\": \"}\"}",
            &["items"],
            &["1", "2"],
            "{\"a\":{\"items\":[0]},\"items\":[],\"last\": \"}\"}",
        ),
        (
            "{\"d\":{\"x\":1,\"it\\u0065ms\":[[1],[2]]},\"n\":3}",
            &["d", "items"],
            &["[1]", "[2]"],
            "{\"d\":{\"x\":1,\"it\\u0065ms\":[]},\"n\":3}",
        ),
        (
            "{\"items\":{\"k\":{\"v\":1},\"l\":2}}",
            &["items"],
            &["{\"v\":1}", "2"],
            "{\"items\":{}}",
        ),
        ("{}", &["items"], &[], "{}"),
        ("\u{feff}[true]", &[], &["true"], "[]"),
        (
            "{\"items\":null,\"n\":[1]}",
            &["items"],
            &[],
            "{\"items\":null,\"n\":[1]}",
        ),
    ];
    for (text, keys, want, rest) in cases {
        let (items, outline) = walked(text, keys).expect(text);
        assert_eq!(items, want, "{text}");
        assert_eq!(String::from_utf8_lossy(&outline.rest), rest, "{text}");
        assert_eq!(outline.found, !rest.contains("null") && rest != "{}", "{text}");
    }
}

#[test]
fn what_is_no_json() {
    for (text, cut_off) in [
        ("", true),
        ("[1", true),
        ("[1,", true),
        ("[\"a", true),
        ("{\"items\":[{\"a\":1}", true),
        ("[1,]", false),
        ("[,1]", false),
        ("[1 2]", false),
        ("[1]]", false),
        ("[{\"a\":[1}, {\"b\":2}]", false),
        ("{\"items\" [1]}", false),
        ("{items:[1]}", false),
    ] {
        match walked(text, if text.starts_with('{') { &["items"] } else { &[] }) {
            Err(Broken::NotJson(error)) => assert_eq!(error.cut_off, cut_off, "{text}: {error}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let twice = walked("{\"items\":[1],\"items\":[2]}", &["items"]);
    assert!(matches!(twice, Err(Broken::Twice)), "{twice:?}");
}

#[test]
fn items_are_bounded() {
    let text = format!("[1,\"{}\"]", "x".repeat(LINE_MAX));
    let walked = walk(text.as_bytes(), &[], &mut |_| true);
    assert!(matches!(walked, Err(Broken::TooLong { item: Some(2) })), "{walked:?}");
    let text = format!("{{\"a\":\"{}\",\"b\":[]}}", "x".repeat(LINE_MAX));
    let walked = walk(text.as_bytes(), &["b".to_owned()], &mut |_| true);
    assert!(matches!(walked, Err(Broken::TooLong { item: None })), "{walked:?}");
}
