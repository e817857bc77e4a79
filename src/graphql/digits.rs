//! Numbers in a request's variables, with all their digits. Knows JSON's text and the types of
//! variables; knows no plan.
//!
//! What reads JSON here keeps a number as a double or in 64 bits, and so would round a `Decimal`.
//! [`read_json`] hides the numbers that would not survive that in texts, before the JSON is read;
//! [`settled`] gives every number the form that its variable's type is checked and bound in.

use std::borrow::Cow;

use apollo_compiler::{
    Node, Schema,
    ast::{Type, Value as Literal},
    executable::Operation,
    response::{JsonMap, JsonValue, serde_json_bytes::serde_json::Number},
    schema::ExtendedType,
};
use serde::de::DeserializeOwned;

/// Begins a text that stands for a number. No text of a request may have this character: databases
/// cannot keep it.
const MARK: &str = "\0number ";
/// The same as JSON writes it.
const MARK_JSON: &[u8] = b"\"\\u0000number ";
/// Digits that every double keeps.
const DIGITS_SAFE: usize = 15;

/// Reads what a client sent, with all digits of its numbers: the door for every request.
pub(crate) fn read_json<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(&keep_digits(json))
}

/// Whether a text was a number in what [`read_json`] has read: where a text is wanted, that is
/// none.
pub(crate) fn was_number(text: &str) -> bool {
    kept_number(text).is_some()
}

/// The number that a text stands for.
pub(super) fn kept_number(text: &str) -> Option<&str> {
    text.strip_prefix(MARK).filter(|number| is_number(number))
}

/// JSON whose numbers all survive being read: those that a double or 64 bits would round are marked
/// texts.
fn keep_digits(json: &[u8]) -> Cow<'_, [u8]> {
    let mut kept: Vec<u8> = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at = text_end(json, at),
            b'-' | b'0'..=b'9' => {
                let end = number_end(json, at);
                let number = json.get(at..end).unwrap_or_default();
                if !survives(number) {
                    kept.extend_from_slice(json.get(copied..at).unwrap_or_default());
                    kept.extend_from_slice(MARK_JSON);
                    kept.extend_from_slice(number);
                    kept.push(b'"');
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    kept.extend_from_slice(json.get(copied..).unwrap_or_default());
    Cow::Owned(kept)
}

/// The place behind a text that begins here.
fn text_end(json: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    loop {
        match json.get(at) {
            None => return at,
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// The place behind what looks like a number.
fn number_end(json: &[u8], begin: usize) -> usize {
    let rest = json.get(begin..).unwrap_or_default();
    let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    begin + rest.iter().take_while(|byte| part(byte)).count()
}

/// Whether a number is the same after it was read; what is no number of JSON stays, so that whoever
/// reads it says so.
fn survives(number: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(number).ok().filter(|text| is_number(text)) else {
        return true;
    };
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return true;
    }
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    let digits = digits.skip_while(|digit| *digit == b'0').count();
    digits == 0 || digits <= DIGITS_SAFE && text.parse::<f64>().is_ok_and(f64::is_normal)
}

/// The grammar of JSON's numbers.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// The declared variables with their numbers in the form of their types; those that were left out
/// have their defaults.
pub(super) fn settled(schema: &Schema, operation: &Operation, given: &JsonMap) -> JsonMap {
    let mut out = JsonMap::new();
    for variable in &operation.variables {
        let name = variable.name.as_str();
        if let Some((key, value)) = given.get_key_value(name) {
            out.insert(key.clone(), of_value(schema, &variable.ty, value));
        } else if let Some(value) = variable
            .default_value
            .as_ref()
            .and_then(|node| of_literal(schema, &variable.ty, node))
        {
            out.insert(name, value);
        }
    }
    out
}

fn of_value(schema: &Schema, ty: &Type, value: &JsonValue) -> JsonValue {
    match value {
        JsonValue::Array(items) => {
            let items = items.iter().map(|item| of_value(schema, ty.item_type(), item));
            JsonValue::Array(items.collect())
        }
        JsonValue::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let value = match member(schema, ty, name.as_str()) {
                    Some(ty) => of_value(schema, ty, value),
                    None => value.clone(),
                };
                (name.clone(), value)
            });
            JsonValue::Object(members.collect())
        }
        JsonValue::String(text) => match kept_number(text.as_str()) {
            Some(number) => of_number(ty.inner_named_type(), number),
            None => value.clone(),
        },
        JsonValue::Number(number) if !number.is_i64() || ty.inner_named_type() == "Float" => {
            of_number(ty.inner_named_type(), &number.to_string())
        }
        _ => value.clone(),
    }
}

/// The type of an input object's member.
fn member<'s>(schema: &'s Schema, ty: &Type, name: &str) -> Option<&'s Type> {
    match schema.types.get(ty.inner_named_type())? {
        ExtendedType::InputObject(input) => Some(&input.fields.get(name)?.ty),
        _ => None,
    }
}

/// A number in the form in which its type takes it: exact ones as texts, doubles as such.
fn of_number(type_name: &str, number: &str) -> JsonValue {
    let whole = !number.contains(['.', 'e', 'E']);
    match type_name {
        "Decimal" | "BigInt" => number.into(),
        "ID" if whole => number.into(),
        // Whoever compares with it takes it out again.
        "JSON" => [MARK, number].concat().into(),
        _ => {
            let integer = number.parse::<i64>().ok().filter(|_| type_name != "Float");
            let float = number.parse::<f64>().ok();
            match (integer, float.and_then(Number::from_f64)) {
                (Some(integer), _) => integer.into(),
                (None, Some(float)) => JsonValue::Number(float),
                // Beyond every double: a text that is said to be none.
                (None, None) if type_name == "Float" => number.into(),
                (None, None) => f64::MAX.into(),
            }
        }
    }
}

/// A default as the JSON that would be given in its place; none for what validation refuses.
fn of_literal(schema: &Schema, ty: &Type, node: &Node<Literal>) -> Option<JsonValue> {
    Some(match node.as_ref() {
        Literal::Null => JsonValue::Null,
        Literal::Enum(name) => name.as_str().into(),
        Literal::String(text) => text.as_str().into(),
        Literal::Boolean(value) => (*value).into(),
        Literal::Int(number) => of_number(ty.inner_named_type(), number.as_str()),
        Literal::Float(number) => of_number(ty.inner_named_type(), number.as_str()),
        Literal::List(items) => {
            let items = items.iter().map(|item| of_literal(schema, ty.item_type(), item));
            JsonValue::Array(items.collect::<Option<_>>()?)
        }
        Literal::Object(members) => {
            let members = members.iter().map(|(name, node)| {
                let ty = member(schema, ty, name.as_str())?;
                Some((name.as_str().into(), of_literal(schema, ty, node)?))
            });
            JsonValue::Object(members.collect::<Option<_>>()?)
        }
        Literal::Variable(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    fn kept(json: &str) -> String {
        String::from_utf8(keep_digits(json.as_bytes()).into_owned()).expect("text")
    }

    #[test]
    fn what_survives_stays() {
        for json in [
            "{}",
            "{\"a\": 1, \"b\": [-0, 0.1, 1e3, 18446744073709551615, -9223372036854775808, 123456789012.345, 1e-300]}",
            "{\"query\": \"{ a(b: 12345678901234567890123) \\\"1.2345678901234567890\\\" }\"}",
            "[\"\\\\\", 1.5]",
            // No JSON; whoever reads it says so.
            "{\"a\": 1-2, \"b\": 01234567890123456789012, \"c\": 1.23456789012345678901.2}",
            "\"open 1.23456789012345678901",
            "",
        ] {
            assert!(matches!(keep_digits(json.as_bytes()), Cow::Borrowed(_)), "{json}");
        }
    }

    #[test]
    fn what_would_be_rounded_is_marked() {
        for number in [
            "0.1234567890123456",
            "1234567890.123456789012345",
            "18446744073709551616",
            "-9223372036854775809",
            "1.0000000000000000",
            "1e400",
            "1e-400",
            "0.0000000000000000000000000000000000000000001234567890123456789E-5",
        ] {
            let json = format!("{{\"a\": [1, {number}], \"b\": {number}, \"c\": 2}}");
            let marked = format!("\"\\u0000number {number}\"");
            let want = json.replace(number, &marked);
            assert_eq!(kept(&json), want);
            let read: Json = serde_json::from_str(&kept(&json)).expect("JSON");
            assert_eq!(read["b"].as_str(), Some(&*format!("{MARK}{number}")));
        }
    }

    /// Whatever is not marked is read and written again as the same number.
    #[test]
    fn nothing_else_is_rounded() {
        let mut seed = 7_u64;
        let mut next = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..20_000 {
            let digits = |count: u64, next: &mut dyn FnMut(u64) -> u64| -> String {
                (0..count).map(|_| char::from(b'0' + next(10) as u8)).collect()
            };
            let mut number = format!("{}{}", next(9) + 1, digits(next(19), &mut next));
            if next(2) == 0 {
                number = format!("{number}.{}", digits(next(19) + 1, &mut next));
            }
            if next(3) == 0 {
                number = format!("{number}e{}", next(700) as i64 - 350);
            }
            if let Cow::Borrowed(_) = keep_digits(number.as_bytes()) {
                let read: Json = serde_json::from_str(&number).expect("a number");
                let exact = crate::value::Decimal::parse(&number);
                let again = crate::value::Decimal::parse(&read.to_string());
                assert_eq!(again, exact, "{number}");
            }
        }
    }
}
