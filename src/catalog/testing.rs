//! Catalogs for unit tests, each from a definition's text: one builder for whatever comes after the
//! catalog. Knows two shorthands; what a test needs beside its text it changes itself.

use crate::definition::{self, SourceFile};

use super::{Catalog, Valid, load};

/// The catalog of a text, or a panic with all that is wrong in it. `@f` stands for a fetch of which
/// nothing matters, and where no source is declared, `s` is.
pub(crate) fn catalog(text: &str) -> Valid<Catalog> {
    let fetch = "@fetch(source: \"s\", GET: \"/a\") ";
    let source = "extend schema @source(name: \"s\", url: \"https://api.example.org\")\n";
    let before = if text.contains("@source") { "" } else { source };
    let files = [SourceFile {
        path: "test.graphql".into(),
        text: before.to_owned() + &text.replace("@f ", fetch),
    }];
    load(&files).unwrap_or_else(|faults| panic!("{}", definition::render(&files, &faults, false)))
}

/// The same before anybody relies on it, for what a test changes in it.
pub(crate) fn draft(text: &str) -> Catalog {
    catalog(text).0
}
