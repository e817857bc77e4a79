//! What is known of the rows of a type without looking at them: how many there are, how wide their
//! values are, and how they spread over their links. Knows numbers; how they come to be is told in
//! `figures`.

use std::collections::HashMap;

use crate::{catalog::FieldId, value::Value};

/// The figures of one type, as of the last time when its statistics were made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub rows: u64,
    /// Mean bytes of the values of fields that hold texts or documents; null counts two.
    pub widths: HashMap<FieldId, u64>,
    /// How the rows spread over the values of a field: references, indexed fields, and where the
    /// database counts them by itself enums.
    pub fields: HashMap<FieldId, Spread>,
    /// How the links of a field spread over the two sides.
    pub links: HashMap<FieldId, Links>,
}

/// The links of a to-many field.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Links {
    pub rows: u64,
    /// Over the rows that have them.
    pub by_owner: Option<Spread>,
    /// Over the rows that they lead to.
    pub by_target: Option<Spread>,
}

/// How rows spread over values: a few values have many rows each, all others share the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    /// Rows that have a value there.
    pub rows: u64,
    /// Different values, if that is known.
    pub values: Option<u64>,
    /// Of a key of several parts, the one that the values are; none: all of them.
    pub part: Option<usize>,
    /// Rows of the values that have many.
    pub(crate) heavy: HashMap<String, u64>,
    pub(crate) heavy_rows: u64,
}

/// Stands between the parts of a key.
const BETWEEN: char = '\u{1f}';

impl Spread {
    /// A spread of so many rows over so many values, some of which are known to have many.
    pub(crate) fn new(rows: u64, values: Option<u64>, heavy: impl IntoIterator<Item = (Vec<String>, u64)>) -> Spread {
        let heavy = heavy.into_iter().map(|(parts, rows)| (joined(parts.iter()), rows));
        let heavy: HashMap<String, u64> = heavy.collect();
        let heavy_rows = heavy.values().sum::<u64>().min(rows);
        Spread {
            rows,
            values,
            part: None,
            heavy,
            heavy_rows,
        }
    }

    /// The rows of a key that is one of those with many; none for all others.
    pub(crate) fn many_of(&self, key: &[&Value]) -> Option<u64> {
        let text = match (self.part, key) {
            (Some(part), key) => written(key.get(part)?)?,
            (None, [one]) => written(one)?,
            (None, parts) => {
                let parts: Option<Vec<String>> = parts.iter().map(|part| written(part)).collect();
                joined(parts?.iter())
            }
        };
        self.heavy.get(&text).copied()
    }

    /// The rows of each value that has many.
    pub(crate) fn heavy(&self) -> impl ExactSizeIterator<Item = u64> {
        self.heavy.values().copied()
    }

    /// The mean rows of each other value, if there are so many values in all.
    pub(crate) fn light(&self, values: f64) -> f64 {
        let others = (values - self.heavy.len() as f64).max(1.0);
        self.rows.saturating_sub(self.heavy_rows) as f64 / others
    }
}

fn joined<'p>(parts: impl Iterator<Item = &'p String>) -> String {
    let mut text = String::new();
    for (at, part) in parts.enumerate() {
        if at > 0 {
            text.push(BETWEEN);
        }
        text.push_str(part);
    }
    text
}

/// A value as either database casts it to text; none for kinds that they write in ways of their
/// own.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Float(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn rows_of_a_key() {
        let heavy = [
            (vec!["a".to_owned(), "1".to_owned()], 900),
            (vec!["b".to_owned(), "2".to_owned()], 50),
        ];
        let spread = Spread::new(1_000, None, heavy);
        let (a, b, one) = (text("a"), text("b"), Value::Int(1));
        assert_eq!(spread.many_of(&[&a, &one]), Some(900));
        assert_eq!(spread.many_of(&[&b, &one]), None);
        assert_eq!(spread.light(12.0), 5.0);
        // Where only the second part is known.
        let second = Spread {
            part: Some(1),
            ..Spread::new(10, None, [(vec!["1".to_owned()], 7)])
        };
        assert_eq!(second.many_of(&[&b, &one]), Some(7));
        assert_eq!(second.many_of(&[&b]), None);
    }

    #[test]
    fn what_is_known_may_be_older_than_the_rows() {
        let spread = Spread::new(10, None, [(vec!["a".to_owned()], 30)]);
        assert_eq!(spread.light(1.0), 0.0);
    }
}
