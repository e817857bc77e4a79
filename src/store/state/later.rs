//! Rows of a run that are tried again at its end. Knows how much that may be; writes nothing.

use std::{collections::HashMap, sync::Arc};

use crate::{
    store::types::{Refused, UpsertOutcome},
    value::{Key, Row},
};

/// Rows that one run keeps, and their bytes: more than that are no matter of values that move. What
/// is beyond stays refused until the next run, which reads its pages again.
const ROWS_MAX: usize = 10_000;
const BYTES_MAX: usize = 16 << 20;

/// What a run tries again at its end.
#[derive(Clone, Default)]
pub(crate) struct Later {
    pub(crate) rows: HashMap<Key, Waiting>,
    pub(crate) bytes: usize,
    /// Rows so far, whatever became of them: their order.
    pub(crate) count: u64,
    /// What the quarantine says of them.
    pub(crate) told: Vec<Told>,
}

/// A row of the run's type that was refused, or one of its children.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) row: Arc<Row>,
    pub(crate) order: u64,
    pub(crate) counted: Counted,
}

/// Among which rows of its run a row was counted; one that waits for its copies was not yet, as one
/// that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Refused,
    Written,
    Same,
}

impl Counted {
    pub(crate) fn of(outcome: UpsertOutcome) -> Counted {
        match outcome {
            UpsertOutcome::Refused(_) => Counted::Refused,
            UpsertOutcome::New(_) | UpsertOutcome::Changed(_) => Counted::Written,
            UpsertOutcome::Same(_) | UpsertOutcome::Open(_) => Counted::Same,
        }
    }
}

/// An entry of the quarantine.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) id: i64,
    pub(crate) key: Option<String>,
    pub(crate) reason: String,
}

impl Told {
    pub(crate) fn is_of(&self, refused: &Refused) -> bool {
        self.key == refused.key && self.reason == refused.reason
    }
}

/// What a group adds, once it is committed.
#[derive(Default)]
pub(crate) struct Rest {
    /// Rows that it brought anew: what they were before counts no more.
    pub(crate) again: Vec<Key>,
    pub(crate) rows: Vec<(Key, Row, Counted)>,
    /// Rows that wait for their last copy. For them there is room.
    pub(crate) held: Vec<(Key, Row)>,
    pub(crate) told: Vec<Told>,
}

impl Rest {
    pub(crate) fn is_empty(&self) -> bool {
        self.again.is_empty() && self.rows.is_empty() && self.held.is_empty() && self.told.is_empty()
    }

    /// Notes an entry of the quarantine about one of the rows.
    pub(crate) fn tell(&mut self, id: i64, refused: &Refused) {
        self.told.push(Told {
            id,
            key: refused.key.clone(),
            reason: refused.reason.clone(),
        });
    }
}

impl Later {
    /// Adds what a committed group left, as long as there is room for all of it.
    pub(crate) fn add(&mut self, rest: Rest) {
        let written = rest.rows.iter().map(|(key, ..)| key);
        let held = rest.held.iter().map(|(key, _)| key);
        for key in rest.again.iter().chain(written).chain(held) {
            if let Some(old) = self.rows.remove(key) {
                self.bytes -= old.row.size();
            }
        }
        for (key, row) in rest.held {
            self.wait(key, row, Counted::Refused);
        }
        if !self.has_room(rest.rows.iter().map(|(_, row, _)| row)) {
            tracing::warn!(
                rows = rest.rows.len(),
                "too many rows were refused for values that are taken: these are tried again by the next run"
            );
            return;
        }
        self.told.extend(rest.told);
        for (key, row, counted) in rest.rows {
            self.wait(key, row, counted);
        }
    }

    pub(crate) fn wait(&mut self, key: Key, row: Row, counted: Counted) {
        self.count += 1;
        self.bytes += row.size();
        let order = self.count;
        let row = Arc::new(row);
        self.rows.insert(key, Waiting { row, order, counted });
    }

    /// Whether these fit in beside what waits already.
    pub(crate) fn has_room<'r>(&self, rows: impl Iterator<Item = &'r Row>) -> bool {
        let (count, bytes) = rows.fold((0, 0), |(count, bytes), row| (count + 1, bytes + row.size()));
        self.rows.len() + count <= ROWS_MAX && self.bytes + bytes <= BYTES_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.told.is_empty()
    }
}
