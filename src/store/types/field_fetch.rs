//! What goes in and out of the store for a field fetch, whose requests are each about one
//! row, the parent of what the answer lists. Plain data.

use crate::{
    catalog::FetchId,
    value::{Key, Row, Scalar, Value},
};

use super::{
    group::{Refused, RequestState},
    run::Run,
};

/// A row whose request is claimed: what the request is made of, and what is remembered of the last
/// good answer.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    /// Its number, by which the request is known.
    pub row: i64,
    pub key: Vec<Value>,
    /// The values that the path names, in the order of `catalog::FieldFetch::this`.
    pub this: Vec<(Scalar, Value)>,
    /// The row's hash when it was claimed: an answer is about this version of the row.
    pub hash: i64,
    /// Failures of this request in this run so far.
    pub tries: u32,
    /// None: never answered, or read by another definition.
    pub before: Option<RequestState>,
}

/// What came back for one row.
#[derive(Clone, Debug)]
pub(crate) struct ParentAnswer {
    pub parent: Parent,
    pub pages: u64,
    pub bytes: u64,
    /// Records that the definition's `keep` left out.
    pub left_out: u64,
    /// Records whose key had come before in it.
    pub copies: u64,
    /// Why it may not be all of it. Of one that is as it was, what is known holds.
    pub doubt: Option<String>,
    pub outcome: ParentOutcome,
}

#[derive(Clone, Debug)]
pub(crate) enum ParentOutcome {
    /// The same as last time: nothing is written but that.
    Same(RequestState),
    Read {
        /// Rows of the target, whole.
        rows: Vec<Row>,
        /// What the field then leads to, in order.
        links: Vec<Key>,
        refused: Vec<Refused>,
        /// None: it is read in full next time.
        state: Option<RequestState>,
    },
    /// With an error's public text; it is tried again after so many seconds, or not in this run.
    /// Where all its records were refused, these go into quarantine.
    Failed {
        error: String,
        again_in: Option<i64>,
        refused: Vec<Refused>,
    },
}

impl ParentOutcome {
    /// Whether an answer has a link that is neither a row's nor a refused record's.
    pub(crate) fn leads_on(&self) -> bool {
        match self {
            ParentOutcome::Read {
                rows, links, refused, ..
            } => links.len() > rows.len() + refused.iter().filter(|refused| refused.id.is_some()).count(),
            ParentOutcome::Same(_) | ParentOutcome::Failed { .. } => false,
        }
    }
}

/// What a person should know of the answers that stand, whichever run and process got them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AnswersTold {
    /// Answers that may not be all of it, and what is to be said of the first of them.
    pub doubts: u64,
    pub doubt: Option<String>,
    /// Records whose key had come before in their answer.
    pub copies: u64,
}

/// Whether a run has requests that nobody has answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Some,
    None,
    /// The run has ended, or another process has taken it over.
    RunEnded,
}

/// A run whose requests any process may help with.
#[derive(Clone, Debug)]
pub(crate) struct OpenFieldFetch {
    pub fetch: FetchId,
    pub run: Run,
}

/// Requests by state: answered, failed for good, and still to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct FieldRequestCounts {
    pub done: u64,
    pub failed: u64,
    pub left: u64,
    /// Records of the last good answers that were refused; of all runs.
    pub refused: u64,
    /// Some of the failures, each with the key of its row.
    pub errors: Vec<String>,
}
