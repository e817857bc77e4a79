//! Refused records, and which of them are asked for. Plain data.

use chrono::{DateTime, Utc};

/// Which refused records are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuarantineFilter {
    pub fetch: Option<String>,
    /// A part of the reason, in any case.
    pub reason: Option<String>,
    /// The key as it is shown.
    pub key: Option<String>,
    pub runs: QuarantineRuns,
}

/// Of which runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum QuarantineRuns {
    /// The one of each fetch that began last; of a field's fetch, the last answers.
    #[default]
    Last,
    One(i64),
    /// All whose records are kept.
    All,
}

/// A record in the quarantine.
#[derive(Clone, Debug)]
pub(crate) struct Quarantined {
    /// Its number; later ones are higher.
    pub id: i64,
    pub run: i64,
    pub fetch: String,
    pub key: Option<String>,
    pub reason: String,
    pub record: String,
    /// What it was asked for by, once its page has ended.
    pub request: Option<String>,
    pub at: DateTime<Utc>,
}
