//! What differs between databases in the SQL we write. Knows fragments of text; no rows, no runs, no connection.

use crate::{layout::ColumnKind, value::Scalar};

/// One database's way of writing what the store needs. Small on purpose, and without any business logic.
pub trait Dialect: Send + Sync + 'static {
    /// The most parameters that one statement may have.
    fn max_params(&self) -> usize;
    /// A quoted identifier.
    fn quote(&self, name: &str) -> String;
    /// The placeholder of the parameter with this number, counted from 1.
    fn param(&self, number: usize) -> String;
    /// The column's type, collation included.
    fn column_type(&self, kind: ColumnKind) -> &'static str;
    /// What follows an expression that is compared or ordered, for kinds that do not compare as they are stored.
    fn collate(&self, kind: ColumnKind) -> &'static str;
    /// The wire form of a column as JSON text that is never SQL null.
    fn wire(&self, column: &str, kind: ColumnKind, nullable: bool) -> String;
    /// A text as a SQL literal.
    fn literal(&self, text: &str) -> String;
    /// Texts put together; none of them is null.
    fn concat(&self, parts: &[String]) -> String;
    /// Aggregates the text expression `text` over ordered rows to a JSON array.
    fn array(&self, text: &str, from: &str) -> String;
    /// The member `name` of the JSON object `document`: JSON text or SQL null.
    fn member(&self, document: &str, name: &str) -> String;
    /// The elements of the JSON array `document` as rows of `alias` with the columns `key` and `value`.
    fn elements(&self, document: &str, alias: &str) -> String;
    /// `contains`, `startsWith`, `endsWith`, `like` and `ilike`.
    fn text_test(&self, column: &str, test: crate::query::TextTest, param: &str) -> String;
    /// A `LIKE` pattern in the form that [`Dialect::text_test`] expects for `Like`.
    fn pattern(&self, like: &str) -> String;
    /// The database's clock as RFC 3339 text in UTC with milliseconds, `seconds` from now.
    fn now(&self, seconds: i64) -> String;
}

/// The scalar whose wire form a column's values have.
pub fn scalar_of(kind: ColumnKind) -> Scalar {
    match kind {
        ColumnKind::Scalar(scalar) => scalar,
        ColumnKind::Enum => Scalar::String,
        ColumnKind::Document => Scalar::Json,
    }
}
