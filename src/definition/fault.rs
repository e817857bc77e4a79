//! A fault of a definition: what is wrong, where, and what to do. Knows positions in texts; knows
//! no schema.

use std::ops::Range;

/// One fault, with the place it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// One sentence: what is wrong.
    pub message: String,
    /// The place, when there is one: a byte range of the definition's text.
    pub span: Option<Range<usize>>,
    /// A few words put at the caret.
    pub label: Option<String>,
    /// A second place that the fault is about, and a few words put at its caret.
    pub other: Option<(Range<usize>, String)>,
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
            other: None,
            hint: None,
        }
    }

    pub fn label(mut self, label: impl Into<String>) -> Fault {
        self.label = Some(label.into());
        self
    }

    /// Shows a second place too, such as the first of two declarations.
    pub fn beside(mut self, span: Range<usize>, label: impl Into<String>) -> Fault {
        self.other = Some((span, label.into()));
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }
}

/// Sorts faults by their place; those about the whole definition come last.
pub(crate) fn in_file_order(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by_key(|fault| fault.span.as_ref().map_or(usize::MAX, |span| span.start));
    faults.dedup();
    faults
}
