//! A fault of a definition: what is wrong, where, and what to do. Knows positions in files; knows no schema.

use std::{ops::Range, path::PathBuf};

/// One file of a definition.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// As the user named it; shown in diagnostics.
    pub path: PathBuf,
    pub text: String,
}

/// One fault, with the place it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// One sentence: what is wrong.
    pub message: String,
    /// The place, when there is one: a byte range of the file.
    pub span: Option<Range<usize>>,
    /// A few words put at the caret.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}
