//! What goes in and out of the store. Plain data.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    catalog::{EntityId, Missing},
    layout::ColumnKind,
    query::{Operand, TextTest},
    store::{db::params::Kind, system::readings::Reading},
    value::{Key, Row, Scalar},
};

use super::told::Told;

/// A checkpoint older than this is not resumed: an upstream's pages will have shifted.
pub const RESUME_MAX: Duration = Duration::from_secs(15 * 60);

/// How long a run belongs to its process without a sign of life: with one look at the ledger after it, another process goes
/// on within thirty seconds.
pub const LEASE: Duration = Duration::from_secs(24);

/// A process that was not heard of for so long has no share in the sources any more.
pub const PROCESS_GONE: Duration = Duration::from_secs(15);

/// Whether a handle may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Write,
    /// May write, and may do the steps of a changed definition that lose data.
    Destructive,
    Read,
    /// The same beside a definition that need not fit what is stored: only [`super::Store::plan`] asks then.
    Compare,
}

impl Access {
    pub fn writes(self) -> bool {
        matches!(self, Access::Write | Access::Destructive)
    }
}

/// A compiled read.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: std::sync::Arc<str>,
    /// The operands in the order of their numbers in the statement.
    pub(crate) binds: std::sync::Arc<[Bind]>,
    /// The members of the answer's object.
    pub(crate) roots: std::sync::Arc<[RootShape]>,
    /// The types whose rows it reads or goes by.
    pub(crate) types: std::sync::Arc<[EntityId]>,
}

/// An operand and the form in which it is bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bind {
    pub operand: Operand,
    pub form: BindForm,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BindForm {
    /// A value that is compared with a column.
    Column(ColumnKind),
    /// A number of rows.
    Count,
    /// The operand of a test of text, as the dialect wants it.
    Test(TextTest),
    /// The operand of a test of texts as it was written.
    Whole,
    /// The wire form, as list columns hold it.
    Wire(Scalar),
}

#[derive(Clone, Debug)]
pub(crate) struct RootShape {
    /// The response key as JSON text with its colon.
    pub key: String,
    /// JSON that needs no row; everything else comes from the statement.
    pub constant: Option<String>,
}

/// A compiled load by key.
#[derive(Clone, Debug)]
pub struct KeyedStatement {
    /// The statement for one key.
    pub sql: std::sync::Arc<str>,
    /// What follows the list of keys.
    pub(crate) tail: std::sync::Arc<str>,
    /// Constants and parameters of the statement; the keys' values are numbered after them.
    pub(crate) binds: std::sync::Arc<[Bind]>,
    /// The columns of one key.
    pub(crate) kinds: std::sync::Arc<[Kind]>,
    /// The types whose rows it reads or goes by.
    pub(crate) types: std::sync::Arc<[EntityId]>,
}

/// The answer to a read.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The `data` object as JSON text.
    pub json: String,
    /// The change log's head in the same snapshot.
    pub head: i64,
    /// How long the statement took; waiting for a reader is no part of it.
    pub took: Duration,
}

/// Rows that were loaded by key.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Each found key with the JSON object of its row.
    pub rows: HashMap<Key, String>,
    /// How long the statements took.
    pub took: Duration,
}

/// How the database runs a statement.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub sql: String,
    /// One line per step, indented by depth.
    pub plan: Vec<String>,
}

/// Why a run started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
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
pub struct Due {
    pub slot: DateTime<Utc>,
    pub reason: Reason,
}

/// What the ledger lacks of a fetch's slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Slots to queue, oldest first.
    pub add: Vec<Due>,
    /// Waiting slots to keep, the newest ones; the others are left out.
    pub keep: usize,
    /// Remember that the schedule was looked at.
    pub looked: bool,
}

/// The rule that compares a fetch's schedule with what the ledger knows of it. Pure: it may be asked twice.
pub type PlanRule<'r> = &'r (dyn Fn(&FetchStatus, DateTime<Utc>) -> Plan + Send + Sync);

/// The rule that says how a run ends, by what its last groups did, and whether all of its records were refused. Pure: it may be
/// asked twice.
pub type EndRule<'r> = &'r (dyn Fn(&GroupOutcome, Option<&AllRefused>) -> Finish + Send + Sync);

/// Asks for the next run of a fetch.
#[derive(Clone, Debug)]
pub struct Claim {
    pub fetch: String,
    pub entity: EntityId,
    /// As in [`StartRun::resume`].
    pub resume: Option<u64>,
    /// A slot that waits stands for an older run that is closed; otherwise that one is made due again.
    pub newer_covers: bool,
}

#[derive(Clone, Debug)]
pub struct StartRun {
    /// The fetch's name: its entity's.
    pub fetch: String,
    pub entity: EntityId,
    /// The instant the run stands for; at most one run per fetch and slot.
    pub slot: DateTime<Utc>,
    pub reason: Reason,
    /// An interrupted run that has read at least so many pages is gone on with; `None`: this is always a new one.
    pub resume: Option<u64>,
}

/// A claimed run.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: i64,
    pub fetch: String,
    pub entity: EntityId,
    /// Raised by each claim; every transaction of the run checks it.
    pub fence: i64,
    /// In which era of this process's database it was claimed; it does not outlive that.
    pub era: u64,
    /// Set when an interrupted run is resumed.
    pub checkpoint: Option<Checkpoint>,
}

/// Where to go on. `next` is the harvest's own JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub next: String,
    pub pages: u64,
    pub rows: u64,
}

/// A page, or a part of a large one; a transaction writes one or more of them.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub rows: Vec<Row>,
    /// The request (as in [`RequestState::request`]) whose stored rows are all seen again: an unchanged page, for which
    /// [`super::Store::vouches`] said that it may stand for them.
    pub unchanged: Option<String>,
    pub refused: Vec<Refused>,
    /// Records that the definition's `keep` left out.
    pub left_out: u64,
    /// No key may come twice in the run: the group is refused otherwise.
    pub once: bool,
    /// Records that were put together with others of their key, and so are no rows of their own.
    pub copies: u64,
    /// Bytes received since the last group.
    pub bytes: u64,
    /// Pages finished with this group: 0 or 1.
    pub pages: u64,
    /// Remembers this request's validators and the rows of all its groups; given with the last group of a page. With an
    /// unchanged page: what its headers say anew.
    pub request: Option<RequestState>,
    /// Where a resumed run would go on after this group; none in the middle of a page.
    pub checkpoint: Option<Checkpoint>,
}

/// What is remembered of a request, so that an unchanged page costs nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestState {
    /// The request's identity: its URL after placeholders, or the file's path.
    pub request: String,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// A hash of the body.
    pub body_hash: Option<String>,
    /// What paging took from the page; the harvest's own JSON.
    pub page: String,
    /// Rows of the page, refused ones included.
    pub rows: u64,
}

/// A record that did not become a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The key, as far as it could be read, to be shown.
    pub key: Option<String>,
    /// The whole key of a record that stands for a row of the fetched type: what is stored under it stays as it was.
    pub id: Option<Key>,
    /// `price: expected a Float (a finite number), found the text "cheap"`.
    pub reason: String,
    /// The record as JSON, cut at 64 KiB (the reason then says so).
    pub record: String,
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GroupOutcome {
    pub new: u64,
    pub changed: u64,
    pub same: u64,
    /// Rows that an earlier page of this run brought already: pages that shifted while being read.
    pub repeated: u64,
    /// Records whose key came before in this run, on whatever page.
    pub copies: u64,
}

/// A run of which every record was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllRefused {
    pub count: u64,
    /// The first of them, with its key and the reason.
    pub first: String,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Finish {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RunState {
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
pub struct RunSummary {
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
    /// It went on after an interruption: its first pages may be older than its last ones by as much as [`RESUME_MAX`].
    pub resumed: bool,
    /// The process that claimed it last.
    pub owner: Option<String>,
}

/// Who has the newest run of a fetch in hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It has ended.
    #[default]
    Ended,
    /// A process whose lease is good.
    Held,
    /// Nobody: it was interrupted, or its process has not been heard of for a lease.
    Free,
}

/// Fields whose values only a full harvest can bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refill {
    pub fields: Vec<String>,
    pub since: DateTime<Utc>,
}

/// How much of the change log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
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
pub struct LogHead {
    /// Numbers of different epochs cannot be compared.
    pub epoch: String,
    /// The oldest change that is kept; one more than `head` when none is.
    pub first: i64,
    /// The newest change; 0 before the first.
    pub head: i64,
}

/// What is known of a fetch.
#[derive(Clone, Debug, Default)]
pub struct FetchStatus {
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
    pub reading: Reading,
    /// It is left alone for now.
    pub aside: Option<Aside>,
}

/// Why a fetch is left alone, and until when: a process ended while it was at work on a large page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    pub until: DateTime<Utc>,
    /// As people see it.
    pub page: String,
    /// How many processes ended so, one after the other.
    pub ended: u64,
}
