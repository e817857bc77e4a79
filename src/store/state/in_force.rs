//! What a handle knows of its definition: whether it is in force. Asks nobody.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tokio::sync::watch;

use crate::store::{error::StoreError, types::DefinitionStatus};

/// What a handle knows of its definition.
#[derive(Default)]
pub(crate) struct Seen {
    known: watch::Sender<Known>,
    /// The newest record made by this process, whichever of its handles did.
    own: Arc<AtomicI64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The newest record when it was looked at last.
    record: i64,
    status: DefinitionStatus,
}

impl Seen {
    /// That of another handle of the same process.
    pub(crate) fn beside(older: &Seen) -> Seen {
        Seen {
            known: watch::Sender::default(),
            own: Arc::clone(&older.own),
        }
    }

    /// Before the commit by which this handle's definition comes into force: other handles of the
    /// process look from now on.
    pub(crate) fn applying(&self, record: i64) {
        self.own.store(record, Ordering::Relaxed);
    }

    /// The newest record made by this process.
    pub(crate) fn own(&self) -> i64 {
        self.own.load(Ordering::Relaxed)
    }

    /// As far as this handle knows.
    pub(crate) fn status(&self) -> DefinitionStatus {
        self.known.borrow().status
    }

    /// Waits until it is known that the definition is not in force any more.
    pub(crate) async fn replaced(&self) {
        let mut known = self.known.subscribe();
        // The sender lives as long as this handle, so there is always an answer.
        let _ = known.wait_for(|known| known.status != DefinitionStatus::InForce).await;
    }

    /// After that commit.
    pub(crate) fn applied(&self, record: i64) {
        let status = DefinitionStatus::InForce;
        self.known.send_replace(Known { record, status });
    }

    pub(crate) fn of(&self, record: i64) -> Option<DefinitionStatus> {
        let known = *self.known.borrow();
        (known.record == record).then_some(known.status)
    }

    /// Remembers what was found, and tells it when it is something else than before.
    pub(crate) fn note(&self, record: i64, status: DefinitionStatus) {
        let before = self.known.send_replace(Known { record, status });
        // A newer definition of this process itself is told of by who exchanges them.
        if before.record != record && self.own.load(Ordering::Relaxed) != record {
            tell(before.status, status);
        }
    }
}

fn tell(before: DefinitionStatus, now: DefinitionStatus) {
    match (before, now) {
        (DefinitionStatus::InForce, DefinitionStatus::InForce) => {
            tracing::info!("another process has put a newer definition in force, which this one is compatible with");
        }
        (_, DefinitionStatus::InForce) => {
            tracing::info!("this definition is compatible with the one in force again; it goes on");
        }
        (before, now) if before == now => {}
        (_, DefinitionStatus::ReadsOnly) => {
            tracing::error!(
                "{}; nothing is harvested here until then, and queries are answered",
                StoreError::Replaced
            );
        }
        (_, DefinitionStatus::Replaced) => {
            tracing::error!(
                "{}; nothing is harvested or answered here until then",
                StoreError::Replaced
            );
        }
    }
}
