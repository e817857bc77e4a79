//! Statements over many rows: texts that they share. Knows shapes of SQL; no meaning.

use crate::store::{bind::Kind, dialect::Dialect};

/// Quoted names with commas.
pub fn names<'a>(dialect: &dyn Dialect, names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| dialect.quote(name))
        .collect::<Vec<_>>()
        .join(",")
}

/// The same to be read, of a table or its alias: exact numbers as the text that they are elsewhere.
pub fn read_names<'a>(
    dialect: &dyn Dialect,
    table: &str,
    columns: impl IntoIterator<Item = (&'a str, Kind)>,
) -> String {
    let read = |(name, kind)| match kind {
        Kind::Decimal => format!("CAST({table}.{} AS TEXT)", dialect.quote(name)),
        _ => format!("{table}.{}", dialect.quote(name)),
    };
    columns.into_iter().map(read).collect::<Vec<_>>().join(",")
}
