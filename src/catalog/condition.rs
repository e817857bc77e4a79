//! Conditions on a row by its own fields, with the values that they compare with. Plain data.

use super::ids::FieldId;
use crate::value::{Value, version_for};

/// A condition on a row. Two-valued: a comparison with a null is false, and `Not` is the exact
/// complement.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// True when empty.
    And(Vec<Condition>),
    /// False when empty.
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        field: FieldId,
        compare: Compare,
        value: Value,
    },
    /// True when one of the values equals; false for none.
    In {
        field: FieldId,
        values: Vec<Value>,
    },
    IsNull {
        field: FieldId,
    },
    /// `%`, `_` and `\` are only special to `Like` and `ILike`.
    Text {
        field: FieldId,
        test: TextTest,
        text: String,
    },
    /// A list that holds all (or any) of the values.
    Has {
        field: FieldId,
        all: bool,
        values: Vec<Value>,
    },
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Eq,
    Gt,
    Gte,
    Lt,
    Lte,
}

/// How a text is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
    /// SQL `LIKE`, case-sensitive, escape `\`.
    Like,
    /// The same without regard to case, as `value::fold` has it.
    ILike,
}

impl TextTest {
    pub(crate) const ALL: [TextTest; 5] = [
        TextTest::Contains,
        TextTest::StartsWith,
        TextTest::EndsWith,
        TextTest::Like,
        TextTest::ILike,
    ];

    /// What the test is called where one filters.
    pub(crate) fn name(self) -> &'static str {
        match self {
            TextTest::Contains => "contains",
            TextTest::StartsWith => "startsWith",
            TextTest::EndsWith => "endsWith",
            TextTest::Like => "like",
            TextTest::ILike => "ilike",
        }
    }

    pub(crate) fn named(name: &str) -> Option<TextTest> {
        TextTest::ALL.into_iter().find(|test| test.name() == name)
    }
}

/// Whether a pattern ends in an escape of nothing, which standard SQL has as an error.
pub(crate) fn ends_open(like: &str) -> bool {
    like.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

impl Condition {
    /// The fields that it goes by.
    pub fn fields(&self) -> Vec<FieldId> {
        match self {
            Condition::And(all) | Condition::Or(all) => all.iter().flat_map(Condition::fields).collect(),
            Condition::Not(one) => one.fields(),
            Condition::Compare { field, .. }
            | Condition::In { field, .. }
            | Condition::IsNull { field }
            | Condition::Text { field, .. }
            | Condition::Has { field, .. } => vec![*field],
        }
    }

    /// What values that are computed by it depend on, beside its own words: the case of letters as
    /// the program knows it.
    pub(crate) fn version(&self) -> Option<String> {
        match self {
            Condition::And(all) | Condition::Or(all) => all.iter().find_map(Condition::version),
            Condition::Not(one) => one.version(),
            Condition::Text {
                test: TextTest::ILike,
                text,
                ..
            } => version_for(text),
            Condition::Text { .. }
            | Condition::Compare { .. }
            | Condition::In { .. }
            | Condition::IsNull { .. }
            | Condition::Has { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_nothing() {
        for (like, open) in [
            ("", false),
            ("a", false),
            ("\\", true),
            ("a\\\\", false),
            ("%\\\\\\", true),
            ("\\a", false),
        ] {
            assert_eq!(ends_open(like), open, "{like}");
        }
    }
}
