//! What a commit changed, and the bounded bus that says so. Knows types by position; knows no rows,
//! no SQL, no sockets.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::broadcast;

use crate::catalog::EntityId;

/// Commits that a slow listener may fall behind; beyond it the listener is told that it lagged and
/// re-reads.
const BUS_CAPACITY: usize = 1_024;

/// One committed transaction of the harvest.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// The change log's head after it.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests compare it yet"))]
    pub head: i64,
    /// The types with changed rows.
    pub entities: Arc<BTreeSet<EntityId>>,
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
