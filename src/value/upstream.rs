//! From an upstream's JSON to stored values: forgiving about form (`"42"` for an Int), never about
//! meaning.

use std::fmt;

use jaq_json::{Num, Val};

use super::{Decimal, Scalar, Value, as_broken, first_broken, time};

/// Characters of an offending value that an error repeats.
const SHOWN_CHARS: usize = 60;

/// An upstream value that does not fit its scalar.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct Misfit {
    pub expected: String,
    /// What stood there, shortened to 60 characters.
    pub found: String,
}

impl Misfit {
    pub fn new(expected: impl Into<String>, found: &Val) -> Misfit {
        Misfit {
            expected: expected.into(),
            found: describe(found),
        }
    }
}

/// A value as an error shows it: its kind and its beginning, or what is broken in its place.
pub(crate) fn describe(value: &Val) -> String {
    if let Some(words) = as_broken(value) {
        return words.to_owned();
    }
    let kind = match value {
        Val::Null => return "null".to_owned(),
        Val::Bool(_) => "the boolean",
        Val::Num(_) => "the number",
        Val::BStr(_) | Val::TStr(_) => "the text",
        Val::Arr(_) => "the array",
        Val::Obj(_) => "the object",
    };
    format!("{kind} {}", shortened(&value.to_string()))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

impl Scalar {
    /// Converts one upstream value; JSON `null` gives [`Value::Null`] (whether that is allowed is
    /// the field's affair).
    ///
    /// Numbers written as text and text identifiers written as numbers are accepted; a value that
    /// would lose something (`1.5` for an Int, an out-of-range integer) is a [`Misfit`].
    pub fn from_upstream(self, value: &Val) -> Result<Value, Misfit> {
        if matches!(value, Val::Null) {
            return Ok(Value::Null);
        }
        if holds_nul(value) {
            return Err(Misfit::new(
                "text without the character U+0000, which databases cannot keep",
                value,
            ));
        }
        let converted = match self {
            Scalar::Id => identifier(value).map(Value::Text),
            Scalar::String => text_or_number(value).map(Value::Text),
            Scalar::Int => integer(value).filter(|int| i32::try_from(*int).is_ok()).map(Value::Int),
            Scalar::BigInt => integer(value).map(Value::Int),
            Scalar::Float => float(value).map(Value::Float),
            Scalar::Boolean => boolean(value).map(Value::Bool),
            Scalar::Json => json(value).map(Value::Text),
            Scalar::Decimal => number_text(value)
                .and_then(|text| Decimal::parse(text.trim()))
                .map(|decimal| Value::Text(decimal.into_string())),
            _ => text(value).and_then(|text| self.parse_text(text.trim())),
        };
        converted.ok_or_else(|| match first_broken(value) {
            Some(words) => Misfit {
                expected: self.expectation().to_owned(),
                found: words.to_owned(),
            },
            None => Misfit::new(self.expectation(), value),
        })
    }

    /// Reads the text form of a scalar that is written as text: times, UUID, URL.
    pub(super) fn parse_text(self, text: &str) -> Option<Value> {
        match self {
            Scalar::DateTime => time::date_time(text).map(Value::Text),
            Scalar::Date => time::date(text).map(Value::Text),
            Scalar::Time => time::time(text).map(Value::Text),
            Scalar::Duration => time::duration_micros(text).map(Value::Int),
            Scalar::Uuid => uuid(text).map(Value::Text),
            Scalar::Url => url::Url::parse(text).ok().map(|_| Value::Text(text.to_owned())),
            _ => None,
        }
    }

    /// What an error says was expected.
    pub(super) fn expectation(self) -> &'static str {
        match self {
            Scalar::Id => "an ID (text or a whole number)",
            Scalar::String => "a String (text or a number)",
            Scalar::Int => "an Int (a whole number of 32 bits)",
            Scalar::Float => "a Float (a finite number)",
            Scalar::Boolean => "a Boolean (true or false)",
            Scalar::BigInt => "a BigInt (a whole number of 64 bits)",
            Scalar::Decimal => "a Decimal (a number of at most 200 digits a side)",
            Scalar::DateTime => "a DateTime (RFC 3339, such as 2026-11-21T03:20:00Z)",
            Scalar::Date => "a Date (such as 2026-11-21)",
            Scalar::Time => "a Time (such as 03:20:00)",
            Scalar::Duration => "a Duration (ISO 8601 without years and months, such as PT90S)",
            Scalar::Uuid => "a UUID",
            Scalar::Url => "an absolute URL",
            Scalar::Json => "JSON (which has no NaN and no infinity)",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => out.write_str("null"),
            Value::Bool(value) => write!(out, "{value}"),
            Value::Int(value) => write!(out, "{value}"),
            Value::Float(value) => write!(out, "{value}"),
            Value::Text(value) => out.write_str(value),
        }
    }
}

/// Whether a text in it, or a key, has the character U+0000, which no text of PostgreSQL can have.
fn holds_nul(value: &Val) -> bool {
    match value {
        Val::TStr(text) => text.contains(&0),
        Val::Null | Val::Bool(_) | Val::Num(_) | Val::BStr(_) => false,
        Val::Arr(_) | Val::Obj(_) => holds_nul_inside(value),
    }
}

fn holds_nul_inside(value: &Val) -> bool {
    // The values within values that are still to be looked at: upstreams may nest as deep as they
    // like.
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Val::TStr(text) if text.contains(&0) => return true,
            Val::Arr(values) => open.extend(values.iter()),
            Val::Obj(members) => open.extend(members.iter().flat_map(|(key, value)| [key, value])),
            _ => {}
        }
    }
    false
}

/// Compact JSON; `None` for what a filter can make and JSON cannot say, such as NaN.
fn json(value: &Val) -> Option<String> {
    let text = value.to_string();
    serde_json::from_str::<serde::de::IgnoredAny>(&text).ok()?;
    Some(text)
}

fn text(value: &Val) -> Option<&str> {
    match value {
        Val::TStr(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

fn text_or_number(value: &Val) -> Option<String> {
    match value {
        Val::Num(_) => Some(value.to_string()),
        _ => text(value).map(str::to_owned),
    }
}

fn number_text(value: &Val) -> Option<String> {
    text_or_number(value)
}

/// A text as it is; of a number its digits, in whatever spelling it came.
fn identifier(value: &Val) -> Option<String> {
    match value {
        Val::Num(_) => whole_number(value),
        _ => text(value).map(str::to_owned),
    }
}

/// The digits of a number without a fraction: `1`, `1.0` and `1e0` are one number, of which exports
/// write any spelling.
pub(crate) fn whole_number(value: &Val) -> Option<String> {
    match value {
        Val::Num(Num::Int(_) | Num::BigInt(_)) => Some(value.to_string()),
        Val::Num(_) => {
            let decimal = Decimal::parse(&value.to_string())?.into_string();
            Some(decimal).filter(|decimal| !decimal.contains('.'))
        }
        _ => None,
    }
}

fn integer(value: &Val) -> Option<i64> {
    match value {
        Val::Num(Num::Int(int)) => i64::try_from(*int).ok(),
        _ => {
            let decimal = Decimal::parse(number_text(value)?.trim())?;
            decimal.as_str().parse().ok()
        }
    }
}

fn float(value: &Val) -> Option<f64> {
    let float = match value {
        Val::Num(Num::Int(int)) => *int as f64,
        Val::Num(Num::Float(float)) => *float,
        Val::Num(Num::Dec(text)) => text.parse().ok()?,
        _ => {
            let text = number_text(value)?;
            let text = text.trim();
            // Rust also reads "inf" and "nan", which no upstream means as numbers.
            text.ends_with(|last: char| last.is_ascii_digit() || last == '.')
                .then(|| text.parse().ok())??
        }
    };
    // -0 and 0 are one number; one form keeps the hash of a row stable.
    float.is_finite().then_some(float + 0.0)
}

fn boolean(value: &Val) -> Option<bool> {
    match value {
        Val::Bool(value) => Some(*value),
        _ => match text(value)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
    }
}

/// Accepts hyphenated hexadecimal of any case, 8-4-4-4-12.
fn uuid(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let hexadecimal = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    (lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(hexadecimal)).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(scalar: Scalar, json: &str) -> Result<Value, Misfit> {
        let value = jaq_json::read::parse_single(json.as_bytes()).expect("test JSON");
        scalar.from_upstream(&value)
    }

    #[test]
    fn forgiving_about_form() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            (Scalar::Id, "42", text("42")),
            (Scalar::Id, "42.0", text("42")),
            (Scalar::Id, "4.2e1", text("42")),
            (Scalar::Id, "-0.0", text("0")),
            (Scalar::Id, "738529527931269425", text("738529527931269425")),
            (Scalar::Id, "738529527931269425.0", text("738529527931269425")),
            (Scalar::Id, "12345678901234567890123", text("12345678901234567890123")),
            // A text is nobody's number.
            (Scalar::Id, "\"42.0\"", text("42.0")),
            (Scalar::Id, "\" 42\"", text(" 42")),
            (Scalar::String, "\"a\\u00e9\"", text("aé")),
            (Scalar::String, "1.50", text("1.50")),
            (Scalar::Int, "\"42\"", Value::Int(42)),
            (Scalar::Int, "42.0", Value::Int(42)),
            (Scalar::Float, "\"1.5\"", Value::Float(1.5)),
            (Scalar::Float, "-0.0", Value::Float(0.0)),
            (Scalar::BigInt, "9007199254740993", Value::Int(9_007_199_254_740_993)),
            (Scalar::BigInt, "\"-9223372036854775808\"", Value::Int(i64::MIN)),
            (
                Scalar::Decimal,
                "0.10000000000000000000001",
                text("0.10000000000000000000001"),
            ),
            (Scalar::Boolean, "\"true\"", Value::Bool(true)),
            (Scalar::Duration, "\"PT1M\"", Value::Int(60_000_000)),
            (
                Scalar::Uuid,
                "\"6BA7B810-9DAD-11D1-80B4-00C04FD430C8\"",
                text("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            ),
            (Scalar::Url, "\"https://example.org/a\"", text("https://example.org/a")),
            (
                Scalar::Json,
                "{\"b\":[1,2.50],\"a\":null}",
                text("{\"b\":[1,2.50],\"a\":null}"),
            ),
            (Scalar::Date, "null", Value::Null),
        ];
        for (scalar, json, want) in cases {
            assert_eq!(convert(scalar, json), Ok(want), "{scalar} {json}");
        }
    }

    #[test]
    fn what_is_broken_is_nothing() {
        let mark = || crate::value::broken("`NaN`, which is no JSON", 7, b"NaN\0");
        let scalars = [
            Scalar::Id,
            Scalar::String,
            Scalar::Float,
            Scalar::Boolean,
            Scalar::Date,
            Scalar::Json,
        ];
        for scalar in scalars {
            for value in [mark(), Val::Arr(vec![mark()].into())] {
                let misfit = scalar.from_upstream(&value).expect_err("refused");
                assert_eq!(misfit.found, "`NaN`, which is no JSON (byte 7)", "{scalar}");
            }
        }
    }

    #[test]
    fn never_about_meaning() {
        let cases = [
            (Scalar::Int, "1.5"),
            (Scalar::Int, "2147483648"),
            (Scalar::Int, "\"\""),
            (Scalar::BigInt, "9223372036854775808"),
            (Scalar::Float, "\"inf\""),
            (Scalar::Float, "1e999"),
            (Scalar::Boolean, "1"),
            (Scalar::String, "{}"),
            (Scalar::Id, "true"),
            (Scalar::Id, "14.5"),
            (Scalar::Id, "1e-1"),
            (Scalar::Id, "NaN"),
            (Scalar::Uuid, "\"6ba7b8109dad11d180b400c04fd430c8\""),
            (Scalar::Url, "\"/relative\""),
            (Scalar::DateTime, "1700000000"),
            (Scalar::String, "\"a\\u0000b\""),
            (Scalar::Json, "{\"a\":[\"\\u0000\"]}"),
            (Scalar::Json, "{\"\\u0000\":1}"),
            (Scalar::Json, "[NaN]"),
        ];
        for (scalar, json) in cases {
            assert!(convert(scalar, json).is_err(), "{scalar} {json}");
        }
    }
}
