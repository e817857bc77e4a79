//! Text as a terminal may have it: what others wrote must not move its cursor, hide lines or turn
//! words round. Knows characters; knows nothing of what is said.

use std::borrow::Cow;

/// The text with every control character written as JSON writes it (`\u001b`), but for the ends of
/// lines; so JSON stays JSON.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    written_out(text, is_control)
}

/// The same of a line of the log, whose own colours stay: the log itself sees to all others, and
/// not to those that turn the direction of what follows them.
pub(crate) fn straight(text: &str) -> Cow<'_, str> {
    written_out(text, turns)
}

fn written_out(text: &str, is_meant: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(is_meant) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_meant(character) {
            true => plain.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => plain.push(character),
        }
    }
    Cow::Owned(plain)
}

fn is_control(character: char) -> bool {
    turns(character) || (character.is_control() && character != '\n')
}

fn turns(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        for (text, want) in [
            ("plain\ntext \u{e4} \u{1f33e}\n", "plain\ntext \u{e4} \u{1f33e}\n"),
            ("\u{1b}[2J\u{7}", "\\u001b[2J\\u0007"),
            ("\u{9b}31m\u{7f}\r\t", "\\u009b31m\\u007f\\u000d\\u0009"),
            ("a\u{202e}b\u{2066}c", "a\\u202eb\\u2066c"),
        ] {
            assert_eq!(plain(text), want, "{text:?}");
        }
        assert_eq!(straight("\u{1b}[2ma\u{202e}b"), "\u{1b}[2ma\\u202eb");
        let json = serde_json::json!({ "a": "\u{9b}\u{1b}" });
        let again: serde_json::Value = serde_json::from_str(&plain(&json.to_string())).expect("JSON");
        assert_eq!(again, json);
    }
}
