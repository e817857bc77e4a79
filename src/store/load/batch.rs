//! Statements over many rows: texts that they share. Knows shapes of SQL; no meaning.

use crate::store::dialect::Dialect;

/// Quoted names with commas.
pub fn names<'a>(dialect: &dyn Dialect, names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| dialect.quote(name))
        .collect::<Vec<_>>()
        .join(",")
}
