//! How a database sees what lies inside a stored text: a value at a place in JSON, and a text
//! without the case of its letters. Knows fragments of text; which order values have is told by
//! `value::json`, what becomes of a letter by `value::fold`.
//!
//! Steps of a path and operands are parameters, never a part of a statement's text.

use crate::value::{JsonPath, Value};

/// A place in a JSON document.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    /// The document: an expression, which may be null.
    pub document: &'p str,
    pub path: &'p JsonPath,
    /// The parameters of what [`Inside::steps`] gave.
    pub steps: &'p [String],
}

/// One database's way.
pub(crate) trait Inside: Send + Sync {
    /// A path as parameters: texts and whole numbers.
    fn steps(&self, path: &JsonPath) -> Vec<Value>;
    /// The JSON that stands there; null where nothing does.
    fn json(&self, place: Place<'_>) -> String;
    /// The text that `value::json_key` makes of it, in the order of its bytes.
    fn key(&self, place: Place<'_>) -> String;
    /// The text that stands there; null where something else does.
    fn text(&self, place: Place<'_>) -> String;
    /// Whether an object with a member of this name stands there.
    fn has_member(&self, place: Place<'_>, name: &str) -> String;
    /// Whether a list with an item of this key stands there.
    fn has_item(&self, place: Place<'_>, key: &str) -> String;
    /// A text as `value::folded` makes it, in the order of its bytes.
    fn folded(&self, text: &str) -> String;
}
