//! What reads give. Plain data.

use std::{collections::HashMap, time::Duration};

use crate::value::Key;

/// The answer to a read.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The `data` object as JSON text.
    pub json: String,
    /// The change log's head in the same snapshot.
    pub head: i64,
    /// How long the statement took; waiting for a reader is no part of it.
    pub took: Duration,
}

/// Rows that were loaded by key.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// Each found key with the JSON object of its row.
    pub rows: HashMap<Key, String>,
    /// The change log's head in the same snapshot; none where there were several.
    pub head: Option<i64>,
    /// How long the statements took.
    pub took: Duration,
}

/// How the database runs a statement.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    pub sql: String,
    /// One line per step, indented by depth.
    pub plan: Vec<String>,
}
