//! What other processes tell of. Asks nobody.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// What other processes tell of.
#[derive(Default)]
pub(crate) struct Heard {
    /// The database has no notifications.
    pub(crate) mute: AtomicBool,
    /// Another process has told that there is work, or that it waits for a sign of life.
    pub(crate) work: Notify,
}

impl Heard {
    /// What another handle of the same process has heard, for one that goes on after it.
    pub(crate) fn beside(older: &Heard) -> Heard {
        Heard {
            mute: AtomicBool::new(older.mute.load(Ordering::Relaxed)),
            work: Notify::new(),
        }
    }
}
