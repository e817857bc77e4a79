//! The processes that share a database, as they see each other. Plain data.

use chrono::{DateTime, Utc};

/// A live process that harvests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessSeen {
    pub id: String,
    /// It runs a harvest by hand.
    pub by_hand: bool,
    /// Its definition is not in force: it harvests nothing.
    pub replaced: bool,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
}

/// A process among those that harvest from one database, at the time of its last sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attendance {
    /// Its place, from 0.
    pub rank: usize,
    pub count: usize,
    /// A lock keeps all others out for as long as the database is open.
    pub alone: bool,
    /// It was not known before, or was given up meanwhile: the others have not counted on it.
    pub joined: bool,
    pub now: DateTime<Utc>,
    /// Of all others, the oldest last sign of life.
    pub others_seen: Option<DateTime<Utc>>,
}
