//! Runs as they are asked for, claimed and ended. Plain data.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::catalog::{EntityId, Missing};

use super::{
    group::{Checkpoint, GroupOutcome},
    status::{Due, FetchStatus, Reason},
    told::Told,
};

/// A checkpoint older than this is not resumed: an upstream's pages will have shifted.
pub(crate) const RESUME_MAX: Duration = Duration::from_secs(15 * 60);

/// How long a run belongs to its process without a sign of life: with one look at the ledger after
/// it, another process goes on within thirty seconds.
pub(crate) const LEASE: Duration = Duration::from_secs(24);

/// A process that was not heard of for so long has no share in the sources any more.
pub(crate) const PROCESS_GONE: Duration = Duration::from_secs(15);

/// What the ledger lacks of a fetch's slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Slots to queue, oldest first.
    pub add: Vec<Due>,
    /// Waiting slots to keep, the newest ones; the others are left out.
    pub keep: usize,
    /// Remember that the schedule was looked at.
    pub looked: bool,
}

/// The rule that compares a fetch's schedule with what the ledger knows of it. Pure: it may be
/// asked twice.
pub(crate) type PlanRule<'r> = &'r (dyn Fn(&FetchStatus, DateTime<Utc>) -> Plan + Send + Sync);

/// The rule that says how a run ends, by what its last groups did, and whether all of its records
/// were refused. Pure: it may be asked twice.
pub(crate) type EndRule<'r> = &'r (dyn Fn(&GroupOutcome, Option<&AllRefused>) -> Finish + Send + Sync);

/// Asks for the next run of a fetch.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub fetch: String,
    pub entity: EntityId,
    /// As in [`StartRun::resume`].
    pub resume: Option<u64>,
    /// A slot that waits stands for an older run that is closed; otherwise that one is made due
    /// again.
    pub newer_covers: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct StartRun {
    /// The fetch's name: its entity's.
    pub fetch: String,
    pub entity: EntityId,
    /// The instant the run stands for; at most one run per fetch and slot.
    pub slot: DateTime<Utc>,
    pub reason: Reason,
    /// An interrupted run that has read at least so many pages is gone on with; `None`: this is
    /// always a new one.
    pub resume: Option<u64>,
}

/// A claimed run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub id: i64,
    pub fetch: String,
    pub entity: EntityId,
    /// Raised by each claim; every transaction of the run checks it.
    pub fence: i64,
    /// In which generation of this process's database it was claimed; it does not outlive that.
    pub generation: u64,
    /// Set when an interrupted run is resumed.
    pub checkpoint: Option<Checkpoint>,
}

/// A run of which every record was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllRefused {
    pub count: u64,
    /// The first of them, with its key and the reason.
    pub first: String,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) enum Finish {
    /// Every page was read without error and the count matched the declared total.
    Complete {
        missing: Missing,
        /// The part of the stored rows that may be deleted, 0 to 1.
        missing_max: f64,
        told: Told,
    },
    /// With an error's public text. Nothing is deleted.
    Failed { error: String },
    /// Stopped by a shutdown; the checkpoint stays usable.
    Interrupted,
}
