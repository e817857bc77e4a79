//! What this process has changed since statistics were made. Counts only.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::catalog::EntityId;

/// What this process has written or deleted since the statistics of a table were made.
#[derive(Default)]
pub(crate) struct Changed {
    pub(crate) rows: Mutex<HashMap<EntityId, u64>>,
    /// Types that have figures, as far as that was looked at.
    pub(crate) measured: Mutex<HashSet<EntityId>>,
    pub(crate) made: AtomicU64,
}

impl Changed {
    pub(crate) fn note(&self, counts: &[(EntityId, u64)]) {
        let mut changed = lock(&self.rows);
        for (entity, count) in counts {
            *changed.entry(*entity).or_default() += count;
        }
    }

    /// How often statistics were made anew.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    pub(crate) fn of(&self, entity: EntityId) -> u64 {
        lock(&self.rows).get(&entity).copied().unwrap_or(0)
    }

    pub(crate) fn forget(&self, entity: EntityId) {
        lock(&self.rows).remove(&entity);
    }

    pub(crate) fn measured(&self, entity: EntityId) {
        lock(&self.measured).insert(entity);
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
