//! What is wanted of the places in a row where what was searched for stands. Knows neither GraphQL
//! nor SQL; how such places are found is in `excerpt` beside it.

use super::{filter::Operand, member::Member};
use crate::catalog::FieldId;

/// Words of an excerpt, and how many there may be.
pub(crate) const WORDS: i64 = 24;
pub(crate) const WORDS_MAX: i64 = 100;
/// What stands around a word that was found in HTML, and how many bytes that may have.
pub(crate) const BEFORE: &str = "<mark>";
pub(crate) const AFTER: &str = "</mark>";
pub(crate) const MARK_MAX: usize = 200;

/// The searched fields of a row in which something of a search stands, an object for each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matches {
    /// All fields of the type that are searched.
    pub fields: Vec<FieldId>,
    /// None where nothing is searched for: then there are none.
    pub search: Option<Operand>,
    /// About so many words are shown.
    pub words: Operand,
    pub output: Vec<Member<MatchValue>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MatchValue {
    /// A constant text: `__typename`.
    Constant(String),
    /// The name of the field.
    Field,
    /// The excerpt as it is.
    Text,
    /// The same as HTML.
    Html { before: Operand, after: Operand },
    /// The same in parts.
    Parts(Vec<Member<PartValue>>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PartValue {
    Constant(String),
    Text,
    /// Whether the part was searched for.
    Found,
}

impl Matches {
    /// All operands, to be changed.
    pub(super) fn operands(&mut self) -> impl Iterator<Item = &mut Operand> {
        let marks = self.output.iter_mut().flat_map(|member| match &mut member.value {
            MatchValue::Html { before, after } => vec![before, after],
            MatchValue::Constant(_) | MatchValue::Field | MatchValue::Text | MatchValue::Parts(_) => Vec::new(),
        });
        self.search.iter_mut().chain([&mut self.words]).chain(marks)
    }
}
