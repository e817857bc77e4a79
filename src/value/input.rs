//! From a GraphQL input value (a variable or literal, as JSON) to a stored value: strict, as the
//! specification asks.

use serde_json::Value as Json;

use super::{Decimal, Scalar, Value};

/// An input that does not fit its scalar; the text is meant for the client.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct InputError {
    pub expected: &'static str,
    pub found: String,
}

impl Scalar {
    /// Converts one non-null operand to its stored form. `null` is an error here: it never means
    /// "match all".
    pub fn from_input(self, input: &Json) -> Result<Value, InputError> {
        // PostgreSQL has no such text, not even to compare with.
        if let Json::String(text) = input
            && text.contains('\0')
        {
            return Err(InputError {
                expected: "text without the character U+0000",
                found: input.to_string(),
            });
        }
        let converted = match (self, input) {
            (Scalar::Id, Json::Number(number)) if number.is_i64() || number.is_u64() => {
                Some(Value::Text(number.to_string()))
            }
            (Scalar::Id | Scalar::String, Json::String(text)) => Some(Value::Text(text.clone())),
            (Scalar::Int, Json::Number(number)) => number
                .as_i64()
                .filter(|int| i32::try_from(*int).is_ok())
                .map(Value::Int),
            (Scalar::Float, Json::Number(number)) => number.as_f64().map(|float| Value::Float(float + 0.0)),
            (Scalar::Boolean, Json::Bool(value)) => Some(Value::Bool(*value)),
            (Scalar::BigInt, Json::Number(number)) => number.as_i64().map(Value::Int),
            (Scalar::BigInt, Json::String(text)) => text.parse().ok().map(Value::Int),
            (Scalar::Decimal, Json::Number(number)) => decimal(&number.to_string()),
            (Scalar::Decimal, Json::String(text)) => decimal(text),
            (Scalar::Json, input) if !input.is_null() => Some(Value::Text(input.to_string())),
            (scalar, Json::String(text)) => scalar.parse_text(text),
            _ => None,
        };
        converted.ok_or_else(|| InputError {
            expected: self.expectation(),
            found: input.to_string(),
        })
    }
}

fn decimal(text: &str) -> Option<Value> {
    Decimal::parse(text).map(|decimal| Value::Text(decimal.into_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strict() {
        assert_eq!(Scalar::Id.from_input(&json!(7)), Ok(Value::Text("7".to_owned())));
        assert_eq!(Scalar::BigInt.from_input(&json!("12")), Ok(Value::Int(12)));
        assert_eq!(
            Scalar::Decimal.from_input(&json!("1.50")),
            Ok(Value::Text("1.5".to_owned()))
        );
        for (scalar, input) in [
            (Scalar::Int, json!("7")),
            (Scalar::String, json!(7)),
            (Scalar::String, json!("a\0")),
            (Scalar::Boolean, json!("true")),
            (Scalar::Date, json!(null)),
            (Scalar::Json, json!(null)),
        ] {
            assert!(scalar.from_input(&input).is_err(), "{scalar} {input}");
        }
    }
}
