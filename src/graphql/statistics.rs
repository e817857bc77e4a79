//! Rows per type, remembered for a while. Knows the store's counts; knows no query.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::store::{Store, StoreError};

/// How long counts serve: they only feed an estimate, and counting a large table takes a while.
const AGE_MAX: Duration = Duration::from_secs(30);

/// A cache of `Store::row_counts`.
#[derive(Default)]
pub(super) struct Statistics {
    known: Mutex<Option<(Instant, Arc<[u64]>)>>,
    /// One count at a time; others wait for it.
    counting: tokio::sync::Mutex<()>,
}

impl Statistics {
    /// Rows by entity; counted when nothing young enough is known.
    pub async fn rows(&self, store: &Store, entities: usize) -> Result<Arc<[u64]>, StoreError> {
        if let Some(known) = self.young() {
            return Ok(known);
        }
        let _guard = self.counting.lock().await;
        if let Some(known) = self.young() {
            return Ok(known);
        }
        let mut rows = vec![0; entities];
        for (entity, count) in store.row_counts().await? {
            if let Some(row) = rows.get_mut(entity.index()) {
                *row = count;
            }
        }
        let rows: Arc<[u64]> = rows.into();
        *self.lock() = Some((Instant::now(), rows.clone()));
        Ok(rows)
    }

    fn young(&self) -> Option<Arc<[u64]>> {
        let known = self.lock();
        let (at, rows) = known.as_ref()?;
        (at.elapsed() < AGE_MAX).then(|| rows.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<[u64]>)>> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
