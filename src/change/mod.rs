//! What a commit changed, how new that is, and the bounded bus that says so. Knows types and fields
//! by position or name; knows no rows, no SQL, no sockets.

mod versions;

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::broadcast;

#[cfg(test)]
use crate::catalog::EntityId;
use crate::catalog::Part;

pub(crate) use versions::{Cell, Moment, News, Seen, Told, Versions};

/// Commits that a slow listener may fall behind; beyond it the listener is told that it lagged and
/// re-reads.
const BUS_CAPACITY: usize = 1_024;

/// In the place of the change log's head of an answer that no commit can change any more: it is of
/// a moment before that of the last commit which it could have seen.
pub(crate) const SETTLED: i64 = i64::MAX;

/// One committed transaction of the harvest, or several.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// The change log's head after it.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests compare it yet"))]
    pub head: i64,
    pub changed: Changed,
}

/// What a commit changed.
#[derive(Clone, Debug)]
pub(crate) enum Changed {
    /// These parts. None at all where the rows that changed are read as they were.
    Parts(Arc<BTreeSet<Part>>),
    /// Nobody knows; so anything.
    Anything,
}

impl Changed {
    /// Whether it may have changed what reads these parts.
    pub(crate) fn meets(&self, parts: &BTreeSet<Part>) -> bool {
        match self {
            Changed::Parts(changed) => !changed.is_disjoint(parts),
            Changed::Anything => !parts.is_empty(),
        }
    }

    /// The types that it is about; none of them where nobody knows.
    #[cfg(test)]
    pub(crate) fn entities(&self) -> BTreeSet<EntityId> {
        match self {
            Changed::Parts(parts) => parts.iter().map(|part| part.entity).collect(),
            Changed::Anything => BTreeSet::new(),
        }
    }
}

/// Announces commits after they happened. Cloning gives another handle to the same bus.
#[derive(Clone, Debug)]
pub(crate) struct Bus {
    sender: broadcast::Sender<Commit>,
}

impl Default for Bus {
    fn default() -> Self {
        Bus {
            sender: broadcast::channel(BUS_CAPACITY).0,
        }
    }
}

impl Bus {
    /// Announces to whoever listens; nobody listening is no error.
    pub(crate) fn announce(&self, commit: Commit) {
        let _ = self.sender.send(commit);
    }

    /// Listens to every commit from now on. `Lagged` means: something changed, read again.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Commit> {
        self.sender.subscribe()
    }
}
