//! Deletions that wait for a person. Plain data.

use chrono::{DateTime, Utc};

/// What may have been decided of held rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing yet.
    Open,
    /// They may go, when the next complete run misses them, too.
    Approved,
    /// They stay, until the upstream has them again.
    Kept,
}

impl Decision {
    pub(crate) const ALL: [Decision; 3] = [Decision::Open, Decision::Approved, Decision::Kept];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Decision::Open => "open",
            Decision::Approved => "approved",
            Decision::Kept => "kept",
        }
    }
}

/// Rows that a complete run did not see, and that were too many to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldDeletion {
    pub fetch: String,
    pub rows: u64,
    /// When the last run that missed them ended.
    pub at: DateTime<Utc>,
}
