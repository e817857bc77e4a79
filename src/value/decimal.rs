//! Exact decimal numbers as canonical text. Knows digits; no arithmetic is done on them.

use std::cmp::Ordering;

/// Digits kept before and after the point; more is refused, never rounded.
const DIGITS_MAX: usize = 200;

/// A decimal number in canonical form: optional `-`, no leading zeros, no trailing zeros after the
/// point, no exponent, `0` for zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal(String);

impl Decimal {
    /// Reads `12`, `-1.50`, `+3e-2`; `None` when the text is no decimal number or has more than 200
    /// digits on a side.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let empty = whole.is_empty() && fraction.is_empty();
        if empty || !digits_only(whole) || !digits_only(fraction) {
            return None;
        }
        let digits: String = [whole, fraction].concat();
        let point = whole.len() as i64 + i64::from(exponent);
        Self::from_digits(negative, &digits, point)
    }

    /// `digits` with the decimal point after the first `point` of them (which may lie outside).
    fn from_digits(negative: bool, digits: &str, point: i64) -> Option<Decimal> {
        let leading = digits.len() - digits.trim_start_matches('0').len();
        let digits = &digits[leading..];
        let point = point - leading as i64;
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Decimal("0".to_owned()));
        }
        let limit = DIGITS_MAX as i64;
        if point > limit || digits.len() as i64 - point > limit {
            return None;
        }
        let length = digits.len() as i64;
        let mut text = String::with_capacity(digits.len() + 3);
        if negative {
            text.push('-');
        }
        if point <= 0 {
            text.push_str("0.");
            (point..0).for_each(|_| text.push('0'));
            text.push_str(digits);
        } else if point >= length {
            text.push_str(digits);
            (length..point).for_each(|_| text.push('0'));
        } else {
            let (whole, fraction) = digits.split_at(point as usize);
            text.push_str(whole);
            text.push('.');
            text.push_str(fraction);
        }
        Some(Decimal(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Compares two canonical decimals by value; the collation of decimal columns in SQLite.
///
/// Total over any text (a collation must be), meaningful for canonical ones.
pub(crate) fn compare_decimal_text(left: &str, right: &str) -> Ordering {
    match (left.strip_prefix('-'), right.strip_prefix('-')) {
        (Some(left), Some(right)) => compare_magnitude(right, left),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => compare_magnitude(left, right),
    }
}

fn compare_magnitude(left: &str, right: &str) -> Ordering {
    let (left_whole, left_fraction) = left.split_once('.').unwrap_or((left, ""));
    let (right_whole, right_fraction) = right.split_once('.').unwrap_or((right, ""));
    left_whole
        .len()
        .cmp(&right_whole.len())
        .then_with(|| left_whole.cmp(right_whole))
        .then_with(|| left_fraction.cmp(right_fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        let cases = [
            ("12", Some("12")),
            ("-1.50", Some("-1.5")),
            ("+3e-2", Some("0.03")),
            ("1.2e3", Some("1200")),
            ("-0.000", Some("0")),
            ("0012.0", Some("12")),
            (".5", Some("0.5")),
            (
                "123456789012345678901234567890.123456789",
                Some("123456789012345678901234567890.123456789"),
            ),
            ("1e999", None),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("NaN", None),
        ];
        for (text, want) in cases {
            let got = Decimal::parse(text);
            assert_eq!(got.as_ref().map(Decimal::as_str), want, "{text}");
        }
    }

    #[test]
    fn order_is_by_value() {
        let ascending = ["-100", "-12.5", "-12.4", "-0.1", "0", "0.09", "0.1", "2", "10", "10.01"];
        for pair in ascending.windows(2) {
            assert_eq!(compare_decimal_text(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare_decimal_text(pair[1], pair[0]), Ordering::Greater);
        }
    }
}
