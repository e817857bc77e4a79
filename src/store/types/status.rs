//! What is told of runs and fetches. Plain data.

use chrono::{DateTime, Utc};

use super::told::Told;

/// How what is stored of a fetch was read, seen from the definition of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SignatureState {
    /// As this definition does, or nobody knows.
    #[default]
    Same,
    /// In another way: a whole harvest is owed.
    Changed,
    /// Live processes have a definition in force that reads it in another way: it is theirs to
    /// harvest.
    Others,
}

/// Why a run started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Schedule,
    Start,
    Hand,
    Retry,
    /// Fields came that what is stored has no values for.
    Refill,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reason::Schedule => "schedule",
            Reason::Start => "start",
            Reason::Hand => "hand",
            Reason::Retry => "retry",
            Reason::Refill => "refill",
        }
    }

    pub(crate) fn from_name(name: &str) -> Reason {
        match name {
            "start" => Reason::Start,
            "hand" => Reason::Hand,
            "retry" => Reason::Retry,
            "refill" => Reason::Refill,
            _ => Reason::Schedule,
        }
    }
}

/// A slot and why there is a run in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub slot: DateTime<Utc>,
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum RunState {
    /// A slot that waits for a process.
    Queued,
    Running,
    Complete,
    Failed,
    Interrupted,
}

impl RunState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Running => "running",
            RunState::Complete => "complete",
            RunState::Failed => "failed",
            RunState::Interrupted => "interrupted",
        }
    }

    pub(crate) fn from_name(name: &str) -> RunState {
        match name {
            "queued" => RunState::Queued,
            "running" => RunState::Running,
            "complete" => RunState::Complete,
            "failed" => RunState::Failed,
            _ => RunState::Interrupted,
        }
    }
}

/// A row of the ledger.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct RunSummary {
    pub id: i64,
    pub fetch: String,
    pub slot: DateTime<Utc>,
    pub state: RunState,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub pages: u64,
    pub bytes: u64,
    pub new: u64,
    pub changed: u64,
    pub same: u64,
    pub gone: u64,
    pub refused: u64,
    /// Records whose key had come before in the run.
    pub repeated: u64,
    /// Rows whose deletion is held because they were too many.
    pub held: u64,
    /// Records that the definition's `keep` left out.
    pub left_out: u64,
    pub error: Option<String>,
    pub told: Told,
    /// It went on after an interruption: its first pages may be older than its last ones by as much
    /// as [`RESUME_MAX`].
    pub resumed: bool,
    /// The process that claimed it last.
    pub owner: Option<String>,
}

/// Who has the newest run of a fetch in hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It has ended.
    #[default]
    Ended,
    /// A process whose lease is good.
    Leased,
    /// Nobody: it was interrupted, or its process has not been heard of for a lease.
    Free,
}

/// Fields whose values only a full harvest can bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refill {
    pub fields: Vec<String>,
    pub since: DateTime<Utc>,
}

/// What is known of a fetch.
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchStatus {
    pub fetch: String,
    /// The run that began last; slots that wait have not begun.
    pub last: Option<RunSummary>,
    pub last_complete: Option<RunSummary>,
    /// When a run last ended that has seen everything: complete, and without a doubt.
    pub whole_at: Option<DateTime<Utc>>,
    /// Failures since the last complete run.
    pub failures: u32,
    /// Who has `last` in hand.
    pub hold: Hold,
    /// Slots that wait, oldest first.
    pub queued: Vec<Due>,
    /// The newest slot that the ledger knows, whatever became of it.
    pub newest_slot: Option<DateTime<Utc>>,
    /// When the schedule was last looked at, for fetches that leave missed slots out.
    pub looked_at: Option<DateTime<Utc>>,
    pub refill: Option<Refill>,
    pub signature: SignatureState,
    /// It is left alone for now.
    pub aside: Option<Aside>,
}

/// Why a fetch is left alone, and until when: a process ended while it was at work on a large page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    pub until: DateTime<Utc>,
    /// As people see it.
    pub page: String,
    /// How many processes ended so, one after the other.
    pub ended: u64,
}
