//! What a run tells whoever watches it, and its report. Knows counts; knows no terminal.

use std::time::Duration;

use crate::store::{FieldRequestCounts, GroupOutcome, RunSummary};

/// Watches a run. Calls come from the run's own task and must not block.
pub(crate) trait Progress: Send + Sync {
    /// A group of rows was committed.
    fn committed(&self, _done: &Committed) {}

    /// Something that a person should know: a retry, a resumed run.
    fn message(&self, _text: &str) {}
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Silent;

impl Progress for Silent {}

/// The sums of a run after a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Committed {
    pub pages: u64,
    /// Pages in all, when the upstream says so.
    pub pages_total: Option<u64>,
    /// Rows read, refused ones included.
    pub rows: u64,
    /// Rows in all, when the upstream says so.
    pub rows_total: Option<u64>,
    pub bytes: u64,
    /// Bytes in all, when they are known beforehand (files).
    pub bytes_total: Option<u64>,
    pub refused: u64,
    pub outcome: GroupOutcome,
}

/// How a run went.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct RunReport {
    pub summary: RunSummary,
    pub elapsed: Duration,
    /// Of a field's fetch: what became of its requests.
    pub requests: Option<FieldRequestCounts>,
}

impl RunReport {
    /// `3 of 320 requests failed`, where each row has one.
    pub(crate) fn failed_requests(&self) -> Option<String> {
        let requests = self.requests.as_ref().filter(|requests| requests.failed > 0)?;
        let all = requests.done + requests.failed + requests.left;
        Some(format!("{} of {all} requests failed", requests.failed))
    }
}
