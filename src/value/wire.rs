//! From a stored value to its JSON form on the wire. The SQL of `store::read` renders the same
//! forms inside the database.

use serde_json::Value as Json;

use super::{MICROS_PER_SECOND, Scalar, Value, float_text};

impl Scalar {
    /// The JSON a client sees for a stored value of this scalar. A JSON scalar that does not parse
    /// is served as text.
    pub fn to_wire(self, value: &Value) -> Json {
        match (self, value) {
            (_, Value::Null) => Json::Null,
            (_, Value::Bool(value)) => Json::Bool(*value),
            (Scalar::BigInt, Value::Int(value)) => Json::String(value.to_string()),
            (Scalar::Duration, Value::Int(micros)) => Json::String(duration_text(*micros)),
            (_, Value::Int(value)) => Json::from(*value),
            (_, Value::Float(value)) => Json::from(*value),
            (Scalar::Json, Value::Text(text)) => {
                serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()))
            }
            (Scalar::DateTime, Value::Text(text)) => {
                Json::String(format!("{}Z", trim_fraction(text.trim_end_matches('Z'))))
            }
            (Scalar::Time, Value::Text(text)) => Json::String(trim_fraction(text).to_owned()),
            (_, Value::Text(text)) => Json::String(text.clone()),
        }
    }

    /// The same as text, in the bytes that a column of this scalar is served in: floats as short as
    /// they go, JSON as it came.
    pub fn to_wire_text(self, value: &Value) -> String {
        match (self, value) {
            (_, Value::Float(value)) => float_text(*value).unwrap_or_else(|| "null".to_owned()),
            (Scalar::Json, Value::Text(text)) => text.clone(),
            _ => self.to_wire(value).to_string(),
        }
    }
}

/// `03:20:00.500000` as `03:20:00.5`.
fn trim_fraction(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// The one spelling of a length of time, ISO 8601 in days, hours, minutes and seconds, each as
/// large as it goes: `P1DT2H`,
/// `PT1M30S`, `-PT0.5S`, `PT0S`.
pub(crate) fn duration_text(micros: i64) -> String {
    let second = MICROS_PER_SECOND.unsigned_abs();
    let (minutes, rest) = (
        micros.unsigned_abs() / (60 * second),
        micros.unsigned_abs() % (60 * second),
    );
    let part = |count: u64, unit: &str| match count {
        0 => String::new(),
        count => format!("{count}{unit}"),
    };
    let seconds = match rest {
        0 if micros != 0 => String::new(),
        rest => format!("{}S", trim_fraction(&format!("{}.{:06}", rest / second, rest % second))),
    };
    let clock = [part(minutes / 60 % 24, "H"), part(minutes % 60, "M"), seconds].concat();
    let sign = if micros < 0 { "-" } else { "" };
    let mark = if clock.is_empty() { "" } else { "T" };
    format!("{sign}P{}{mark}{clock}", part(minutes / 1_440, "D"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_spelling() {
        for (text, want) in [
            ("PT0S", "PT0S"),
            ("PT90S", "PT1M30S"),
            ("PT1M30S", "PT1M30S"),
            ("PT24H", "P1D"),
            ("P1DT2H", "P1DT2H"),
            ("P2W", "P14D"),
            ("-PT0.5S", "-PT0.5S"),
            ("PT60.25S", "PT1M0.25S"),
            ("P1DT0.000001S", "P1DT0.000001S"),
            ("PT10M", "PT10M"),
            ("PT36H10S", "P1DT12H10S"),
        ] {
            let micros = crate::value::duration_micros(text).expect("a duration");
            assert_eq!(duration_text(micros), want);
            assert_eq!(crate::value::duration_micros(want), Some(micros));
        }
        for micros in [i64::MIN, i64::MAX, i64::MIN + 1] {
            let text = duration_text(micros);
            assert!(
                micros == i64::MIN || crate::value::duration_micros(&text) == Some(micros),
                "{text}"
            );
        }
    }

    #[test]
    fn wire_texts_are_those_of_columns() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (scalar, value, want) in [
            (Scalar::Float, Value::Float(1.0), "1"),
            (Scalar::Float, Value::Float(1e21), "1e+21"),
            (Scalar::Float, Value::Float(1e-7), "1e-07"),
            (
                Scalar::Json,
                text("{\"b\":12345678901234567890123.50}"),
                "{\"b\":12345678901234567890123.50}",
            ),
            (Scalar::Decimal, text("1.5"), "\"1.5\""),
            (Scalar::Boolean, Value::Null, "null"),
        ] {
            assert_eq!(scalar.to_wire_text(&value), want);
        }
    }

    #[test]
    fn wire_forms() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            (Scalar::BigInt, Value::Int(7), "\"7\""),
            (Scalar::Duration, Value::Int(-500_000), "\"-PT0.5S\""),
            (Scalar::Duration, Value::Int(90_000_000), "\"PT1M30S\""),
            (
                Scalar::DateTime,
                text("2026-11-21T03:20:00.000000Z"),
                "\"2026-11-21T03:20:00Z\"",
            ),
            (
                Scalar::DateTime,
                text("2026-11-21T03:20:00.120000Z"),
                "\"2026-11-21T03:20:00.12Z\"",
            ),
            (Scalar::Time, text("10:00:00.000000"), "\"10:00:00\""),
            (Scalar::Json, text("{\"b\":1,\"a\":2}"), "{\"b\":1,\"a\":2}"),
            (Scalar::Float, Value::Float(1.5), "1.5"),
        ];
        for (scalar, value, want) in cases {
            assert_eq!(scalar.to_wire(&value).to_string(), want);
        }
    }
}
