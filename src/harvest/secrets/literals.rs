//! Where numbers stand in a text that is read as JSON later. Knows JSON's signs; knows no secrets.

use std::ops::Range;

/// A longer run of signs is no number that anybody sends: the greatest double has 309 digits.
const NUMBER_MAX: usize = 400;

/// How far a text was looked through, and whether that is within a string.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Literals {
    at: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Literals {
    /// The number that these bytes are a part of; none within strings, and where no number is.
    /// Later places are asked for later.
    pub(super) fn number(&mut self, text: &str, part: Range<usize>) -> Option<Range<usize>> {
        self.go(text, part.start);
        if self.in_string {
            return None;
        }
        let bytes = text.as_bytes();
        let of_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        // No further than that, or a text of one long run is gone through at each part of it.
        let before = bytes.get(..part.start)?.iter().rev().take(NUMBER_MAX);
        let before = before.take_while(of_number).count();
        let behind = bytes.get(part.start..)?.iter().take(NUMBER_MAX);
        let behind = behind.take_while(of_number).count();
        if before + behind >= NUMBER_MAX {
            return None;
        }
        let number = part.start - before..part.start + behind;
        let is_number = || serde_json::from_str::<serde_json::Number>(text.get(number.clone())?).ok();
        (part.end <= number.end && is_number().is_some()).then_some(number)
    }

    /// What follows is the text of which this one is the beginning.
    pub(super) fn leave(&mut self, text: &str) {
        self.go(text, text.len());
        self.at = 0;
    }

    fn go(&mut self, text: &str, to: usize) {
        for byte in text.as_bytes().get(self.at..to).unwrap_or_default() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                // No string goes over its end, so a broken line spoils nothing behind it.
                b'\n' => self.in_string = false,
                _ => {}
            }
        }
        self.at = self.at.max(to);
    }
}

/// Whether a number is this text, or is it with a fraction or an exponent behind.
pub(super) fn is_it(number: &str, text: &str) -> bool {
    let rest = number.strip_prefix(text);
    rest.is_some_and(|rest| !rest.starts_with(|sign: char| sign.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_outside_of_strings() {
        let text = r#"{"a\"1":12,"b":[-1.5e3,"7"],"c":nan8}"#;
        let of = |part: &str| {
            let at = text.find(part).expect("a part");
            let number = Literals::default().number(text, at..at + part.len());
            number.and_then(|number| text.get(number))
        };
        assert_eq!(of("12"), Some("12"));
        assert_eq!(of("5e"), Some("-1.5e3"));
        assert_eq!(of("7"), None);
        assert_eq!(of("8"), Some("8"));
        assert_eq!(of("12,"), None);
        assert_eq!(of("1\":"), None);
    }

    #[test]
    fn very_long_runs_are_no_numbers() {
        for (digits, is_one) in [(NUMBER_MAX - 1, true), (NUMBER_MAX, false), (3 * NUMBER_MAX, false)] {
            let text = format!("[0.{}]", "1".repeat(digits - 2));
            for at in [3, digits / 2, digits - 2] {
                let number = Literals::default().number(&text, at..at + 1);
                assert_eq!(number, is_one.then_some(1..digits + 1), "{digits} {at}");
            }
        }
    }

    #[test]
    fn strings_go_over_pieces_and_no_lines() {
        let mut literals = Literals::default();
        literals.leave("[\"a");
        assert_eq!(literals.number("12\",34", 0..2), None);
        assert_eq!(literals.number("12\",34", 4..6), Some(4..6));
        let mut literals = Literals::default();
        assert_eq!(literals.number("[\"a\n12", 4..6), Some(4..6));
    }

    #[test]
    fn a_number_is_a_text_up_to_its_fraction() {
        assert!(is_it("12345678", "12345678") && is_it("12345678.0", "12345678") && is_it("1.5", "1.5"));
        assert!(!is_it("123456789", "12345678") && !is_it("912345678", "12345678"));
    }
}
