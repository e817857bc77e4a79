//! From a stored value to its JSON form on the wire. The SQL of `store::read` renders the same forms inside the database.

use serde_json::Value as Json;

use super::{MICROS_PER_SECOND, Scalar, Value};

impl Scalar {
    /// The JSON a client sees for a stored value of this scalar. A JSON scalar that does not parse is served as text.
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
}

/// `03:20:00.500000` as `03:20:00.5`.
fn trim_fraction(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// Microseconds as seconds in ISO 8601: `PT90S`, `-PT0.5S`.
fn duration_text(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let magnitude = micros.unsigned_abs();
    let unit = MICROS_PER_SECOND.unsigned_abs();
    let text = format!("{sign}PT{}.{:06}", magnitude / unit, magnitude % unit);
    format!("{}S", trim_fraction(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_forms() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            (Scalar::BigInt, Value::Int(7), "\"7\""),
            (Scalar::Duration, Value::Int(-500_000), "\"-PT0.5S\""),
            (Scalar::Duration, Value::Int(90_000_000), "\"PT90S\""),
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
