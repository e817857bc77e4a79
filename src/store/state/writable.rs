//! Whether what is harvested can be written, as far as this process has seen. Knows one kind of failure; no transaction.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::{Inner, Store, error::StoreError};

/// Set by a write that found no room, until harvested rows are committed again.
#[derive(Debug, Default)]
pub(crate) struct Writable {
    is_full: AtomicBool,
}

impl Writable {
    /// Notes a failure of a write.
    pub fn failed(&self, error: &StoreError) {
        if matches!(error, StoreError::Full) {
            self.is_full.store(true, Ordering::Relaxed);
        }
    }

    fn written(&self) {
        self.is_full.store(false, Ordering::Relaxed);
    }
}

/// Notes what became of harvested rows. The ledger's own small writes say nothing: they find room where a page has none.
pub(crate) fn noted<T>(inner: &Inner, done: Result<T, StoreError>) -> Result<T, StoreError> {
    match &done {
        Ok(_) => inner.writable.written(),
        Err(error) => inner.writable.failed(error),
    }
    done
}

impl Store {
    /// Why harvests cannot write, in words for everybody; none as long as they can.
    pub fn cannot_write(&self) -> Option<String> {
        let is_full = self.inner.writable.is_full.load(Ordering::Relaxed);
        is_full.then(|| StoreError::Full.to_string())
    }
}
