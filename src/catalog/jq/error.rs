//! Why a filter is refused, or fails. Knows messages; knows no filters.

/// Why a filter was refused at load.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct JqFault {
    pub message: String,
    /// The byte of the filter's text that it is about, when known.
    pub at: Option<usize>,
}

/// Why a filter failed on a value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct JqError {
    pub message: String,
    /// It took more memory than it may: what it was given is at fault, or the filter.
    pub too_much: bool,
}
