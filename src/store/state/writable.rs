//! Whether what is harvested can be written, as far as this process has seen. Knows one kind of
//! failure; no transaction.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::error::StoreError;

/// Set by a write that found no room, until harvested rows are committed again.
#[derive(Debug, Default)]
pub(crate) struct Writable {
    pub(crate) is_full: AtomicBool,
}

impl Writable {
    /// Notes a failure of a write.
    pub(crate) fn failed(&self, error: &StoreError) {
        if matches!(error, StoreError::Full) {
            self.is_full.store(true, Ordering::Relaxed);
        }
    }

    /// Notes what became of harvested rows. The ledger's own small writes say nothing: they find
    /// room where a page has none.
    pub(crate) fn noted<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match &done {
            Ok(_) => self.is_full.store(false, Ordering::Relaxed),
            Err(error) => self.failed(error),
        }
        done
    }
}
