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

impl Fault {
    /// A fault at a place.
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault {
            message: message.into(),
            span: Some(span),
            label: None,
            hint: None,
        }
    }

    pub fn label(mut self, label: impl Into<String>) -> Fault {
        self.label = Some(label.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }
}

/// Sorts faults by their place; those about the whole file come last.
pub fn in_file_order(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by_key(|fault| fault.span.as_ref().map_or(usize::MAX, |span| span.start));
    faults.dedup();
    faults
}
