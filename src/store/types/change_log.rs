//! How much of the change log is kept, and where it stands. Plain data.

use std::time::Duration;

/// How much of the change log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub age: Duration,
    pub changes: u64,
}

impl Default for Retention {
    /// A month, and a million changes: whoever is further behind reads everything again.
    fn default() -> Retention {
        Retention {
            age: Duration::from_secs(30 * 86_400),
            changes: 1_000_000,
        }
    }
}

/// The state of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogHead {
    /// Numbers of different epochs cannot be compared.
    pub epoch: String,
    /// The oldest change that is kept; one more than `head` when none is.
    pub first: i64,
    /// The newest change; 0 before the first.
    pub head: i64,
}
