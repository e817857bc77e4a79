//! What became of a row that was to be written. Plain data.

/// What became of a row that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpsertOutcome {
    New(i64),
    Changed(i64),
    Same(i64),
    /// Stored as it is to be, but for children that were refused when it was written; they have
    /// been tried again.
    Open(i64),
    /// Refused; the number is that of the older row that stays, if there is one.
    Refused(Option<i64>),
}

impl UpsertOutcome {
    pub(crate) fn row(self) -> Option<i64> {
        match self {
            UpsertOutcome::New(row)
            | UpsertOutcome::Changed(row)
            | UpsertOutcome::Same(row)
            | UpsertOutcome::Open(row) => Some(row),
            UpsertOutcome::Refused(row) => row,
        }
    }
}
