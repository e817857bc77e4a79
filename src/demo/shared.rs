//! The world as requests and time hold it, one at a time. Knows a lock; knows no request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::world::World;

/// A world; cloning gives another handle to the same.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(super) fn new(world: World) -> Shared {
        Shared(Arc::new(Mutex::new(world)))
    }

    /// The world as it is; hold the guard only briefly, others wait for it.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        // A panic while holding it can only come from a test; the world is plain data and stays
        // usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
