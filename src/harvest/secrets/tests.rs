//! Secrets in texts, bodies and what is kept of them.

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
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&secrets.reveal(&covered)), read(body));
        covered
    };
    let body = r#"{"self":"/x?api_key=0a1b%2F2c3d","by":"acme-corporation","is":"0a1b\/2c3d"}"#;
    for (header, text, want) in [
        (
            None,
            "/x?api_key={$env.KEY}",
            r#"{"self":"/x?api_key={$env.KEY|@uri}","by":"acme-corporation","is":"{$env.KEY}"}"#,
        ),
        (
            Some("X-Api-Key"),
            "{$env.KEY}",
            r#"{"self":"/x?api_key={$env.KEY|@uri}","by":"acme-corporation","is":"{$env.KEY}"}"#,
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
fn a_credential_of_digits_spoils_no_json() {
    let environment = Environment::default().with("PIN", "12345678");
    let template = Template::parse("{$env.PIN}", &["env"], Encoding::Raw).expect("a template");
    let secrets = Secrets::in_templates(std::iter::once((Some("X-Password"), &template)), &environment);
    for (body, want) in [
        (r#"{"pin":12345678}"#, r#"{"pin":"{$env.PIN}"}"#),
        (r#"[12345678,12345678.0]"#, r#"["{$env.PIN}","{$env.PIN}"]"#),
        // Other numbers in which its digits stand.
        (
            r#"[123456789, 912345678, -12345678]"#,
            r#"[123456789, 912345678, -12345678]"#,
        ),
        (
            r#"[0.12345678, 1234567812345678, 5]"#,
            r#"[0.12345678, 1234567812345678, 5]"#,
        ),
        (
            r#"{"a\"12345678":"12345678, 5"}"#,
            r#"{"a\"{$env.PIN}":"{$env.PIN}, 5"}"#,
        ),
        ("{\"a\":\"\n{\"pin\":12345678}", "{\"a\":\"\n{\"pin\":\"{$env.PIN}\"}"),
    ] {
        let covered = secrets.cover(Bytes::from_static(body.as_bytes()));
        assert_eq!(String::from_utf8_lossy(&covered), want);
    }
    assert_eq!(secrets.mask("12345678"), "{$env.PIN}");
}

/// The second one is found in what looks like a number that begins within the first one.
#[test]
fn credentials_that_stand_side_by_side() {
    let environment = Environment::default().with("KEY", "key-2024").with("PIN", "12345678");
    let template = |text: &str| Template::parse(text, &["env"], Encoding::Raw).expect("a template");
    let (key, pin) = (template("{$env.KEY}"), template("{$env.PIN}"));
    let headers = [(Some("X-Api-Key"), &key), (Some("X-Password"), &pin)];
    let secrets = Secrets::in_templates(headers.into_iter(), &environment);
    for (body, want) in [
        ("key-202412345678", "{$env.KEY}\"{$env.PIN}\""),
        ("\"key-202412345678\"", "\"{$env.KEY}{$env.PIN}\""),
        ("key-2024-12345678-12345678", "{$env.KEY}-{$env.PIN}-{$env.PIN}"),
    ] {
        let covered = secrets.cover(Bytes::from_static(body.as_bytes()));
        assert_eq!(String::from_utf8_lossy(&covered), want);
    }
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
fn any_spelling_is_masked_and_given_back() {
    let secrets = hidden("/x?key={$env.KEY}", "sEcr3t+/k&ey=Z9");
    for (text, shown, kept) in [
        (
            "/t1?tok=sEcr3t%2B/k%26ey%3DZ9&p=2",
            "/t1?tok={$env.KEY|spelled}&p=2",
            Some("/t1?tok={$env.KEY|spelled 6p,C,2p,C,2p,C,2p}&p=2"),
        ),
        (
            "%73Ecr3t+%2fk&ey=%5A9 sEcr3t+/k&ey=Z9",
            "{$env.KEY|spelled} {$env.KEY}",
            Some("{$env.KEY|spelled C,6p,c,5p,C,p} {$env.KEY}"),
        ),
        ("key%3DsEcr3t%2B%2Fk%26ey%3DZ9", "key={$env.KEY|spelled}", None),
        ("sEcr3t\\u00252B/k&ey=Z9", "{$env.KEY|spelled}", None),
        ("c0Vjc%6aN0Ky9rJmV5PVo5", "{$env.KEY|@base64|spelled}", None),
        ("no sEcr3t%2B/k…", "no {$env.KEY|spelled}…", Some("no sEcr3t%2B/k…")),
    ] {
        assert_eq!(secrets.mask(text), shown);
        let back = secrets.keep(text);
        assert_eq!(
            back.as_deref().map(|kept| secrets.reveal(kept)),
            back.as_ref().map(|_| text.to_owned())
        );
        if kept.is_some() {
            assert_eq!(back.as_deref(), kept);
        }
    }
    // What a body has in JSON's escapes is read without them.
    let body = r#"{"next":"\/t?key=sEcr3t\u00252B\/k%26ey=Z9","b":"\"sEcr3t+\/k&ey=Z9\n"}"#;
    let covered = secrets.cover(Bytes::from_static(body.as_bytes()));
    let read = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
    let (covered, body) = (read(&covered), read(body.as_bytes()));
    assert_eq!(covered["next"], "/t?key={$env.KEY|spelled 10p,C,2p,C,5p}");
    for member in ["next", "b"] {
        let text = covered[member].as_str().expect("a text");
        assert!(!text.contains("cr3t"), "{text}");
        assert_eq!(secrets.reveal(text), body[member].as_str().expect("a text"));
    }
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
