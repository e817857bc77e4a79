//! What is known of the rows of each type, remembered for a while. Knows the store's figures; knows
//! no query.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    catalog::EntityId,
    store::{Figures, Store, StoreError},
};

/// How long figures serve that another process may have made anew; those of this one serve until it
/// does so.
const AGE_MAX: Duration = Duration::from_secs(30);

/// Figures by type; of those that were asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::graphql) struct Known(Vec<Option<Arc<Figures>>>);

/// A cache of `Store::figures`.
#[derive(Default)]
pub(super) struct Statistics {
    known: Mutex<Remembered>,
    /// One asks at a time; others wait for it.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Remembered {
    /// `Store::statistics_made` when all this was read.
    made: u64,
    since: Vec<Option<Instant>>,
    known: Arc<Known>,
}

impl Known {
    pub(super) fn of(&self, entity: EntityId) -> Option<&Figures> {
        self.0.get(entity.index())?.as_deref()
    }

    #[cfg(test)]
    pub(super) fn made(figures: impl IntoIterator<Item = Figures>) -> Known {
        Known(figures.into_iter().map(|figures| Some(Arc::new(figures))).collect())
    }
}

impl Statistics {
    /// The figures of these types at least; read where none are known that are young enough.
    pub(super) async fn known(&self, store: &Store, of: &BTreeSet<EntityId>) -> Result<Arc<Known>, StoreError> {
        if let Some(known) = self.young(store, of) {
            return Ok(known);
        }
        let _guard = self.asking.lock().await;
        for entity in of {
            let made = store.statistics_made();
            if self.lock().is_young(made, *entity) {
                continue;
            }
            let older = self.lock().known.0.get(entity.index()).cloned().flatten();
            let figures = match (store.figures(*entity).await, older) {
                (Ok(figures), _) => Arc::new(figures),
                // Whoever asks will hear from the database himself.
                (Err(error), Some(older)) => {
                    tracing::debug!(%error, "estimates go by older figures");
                    older
                }
                (Err(error), None) => return Err(error),
            };
            self.lock().note(made, *entity, figures);
        }
        Ok(self.lock().known.clone())
    }

    fn young(&self, store: &Store, of: &BTreeSet<EntityId>) -> Option<Arc<Known>> {
        let made = store.statistics_made();
        let remembered = self.lock();
        let all = of.iter().all(|entity| remembered.is_young(made, *entity));
        all.then(|| remembered.known.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn is_young(&self, made: u64, entity: EntityId) -> bool {
        let since = self.since.get(entity.index()).copied().flatten();
        self.made == made && since.is_some_and(|since| since.elapsed() < AGE_MAX)
    }

    fn note(&mut self, made: u64, entity: EntityId, figures: Arc<Figures>) {
        if self.made != made {
            self.since.clear();
            self.made = made;
        }
        let known = &mut Arc::make_mut(&mut self.known).0;
        let least = entity.index() + 1;
        known.resize(known.len().max(least), None);
        self.since.resize(self.since.len().max(least), None);
        if let (Some(place), Some(since)) = (known.get_mut(entity.index()), self.since.get_mut(entity.index())) {
            (*place, *since) = (Some(figures), Some(Instant::now()));
        }
    }
}
