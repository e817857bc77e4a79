//! The words of what stands in no line of its own: tests, orders, operands. Knows the read; no
//! catalog.

use crate::{
    query::{Compare, Direction, Form, JsonTest, Nulls, Operand, Quantifier, TextTest},
    value::{JsonPath, Value},
};

/// ` at a.b[0]`; nothing for the value itself.
pub(super) fn path_words(path: &JsonPath) -> String {
    match path.steps() {
        [] => String::new(),
        _ => format!(" at {path}"),
    }
}

/// As what the value of a field is ordered.
pub(super) fn form_words(form: &Form) -> String {
    match form {
        Form::Value => String::new(),
        Form::WithoutCase => " without case".to_owned(),
        Form::Json(path) => path_words(path),
    }
}

pub(super) fn json_test(test: &JsonTest) -> String {
    match test {
        JsonTest::Exists => "exists".to_owned(),
        JsonTest::IsNull => "is null".to_owned(),
        JsonTest::Compare { compare, operand: with } => format!("{} {}", sign(*compare), operand(with)),
        JsonTest::In { operands } => format!("in ({})", list(operands)),
        JsonTest::Text { test, operand: with } => format!("{} {}", test_word(*test), operand(with)),
        JsonTest::Has { operand: with } => format!("has {}", operand(with)),
        JsonTest::HasKey { operand: with } => format!("has the member {}", operand(with)),
    }
}

pub(super) fn quantifier_word(quantifier: Quantifier) -> &'static str {
    match quantifier {
        Quantifier::Some => "some ",
        Quantifier::Every => "every ",
        Quantifier::None => "no ",
    }
}

pub(super) fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Eq => "=",
        Compare::Gt => ">",
        Compare::Gte => ">=",
        Compare::Lt => "<",
        Compare::Lte => "<=",
    }
}

pub(super) fn test_word(test: TextTest) -> &'static str {
    match test {
        TextTest::Contains => "contains",
        TextTest::StartsWith => "starts with",
        TextTest::EndsWith => "ends with",
        TextTest::Like => "like",
        TextTest::ILike => "ilike",
    }
}

pub(super) fn direction(direction: Direction, nulls: Nulls) -> String {
    let direction = if direction == Direction::Descending {
        " desc"
    } else {
        ""
    };
    let nulls = if nulls == Nulls::First { " nulls first" } else { "" };
    [direction, nulls].concat()
}

pub(super) fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

pub(super) fn list(operands: &[Operand]) -> String {
    joined(operands.iter().map(operand), ", ")
}

pub(super) fn operand(operand: &Operand) -> String {
    match operand {
        Operand::Value(constant) => value(constant),
        Operand::Param(number) => format!("${number}"),
    }
}

/// As one would write it in a query.
pub(in crate::graphql) fn value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => format!("{text:?}"),
    }
}
