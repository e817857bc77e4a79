//! How what has begun gets on: so many bytes within so many seconds, again and again. Knows bytes
//! and time; no connection.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes that have to leave, or arrive, within [`PATIENCE`]: slower than any line that a person
/// would wait at.
pub(super) const STEP: usize = 64 * 1024;
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How what has begun gets on, step by step.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When the step under way began, and what has come of it.
    since: Option<Instant>,
    bytes: usize,
}

impl Progress {
    /// So many bytes more.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= STEP {
            self.rest();
        }
    }

    /// There is more to come, from now on if it was not so before; until when its next step may
    /// take.
    pub(super) fn awaited(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now) + PATIENCE
    }

    /// The same of what was said to come before; none where nothing was.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + PATIENCE)
    }

    /// Nothing is to come.
    pub(super) fn rest(&mut self) {
        *self = Progress::default();
    }
}
