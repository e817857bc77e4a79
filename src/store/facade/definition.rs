//! What is asked about the definition of a handle, and how it comes into force.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    catalog::{Catalog, Valid},
    change::Bus,
    layout::Layout,
    store::{
        Store,
        cluster::place,
        context::Context,
        error::StoreError,
        in_force,
        migrate::apply::{self, Committing},
        state::{changed::Changed, deferred::Deferred, heard::Heard, in_force::Seen, run_memory::Memories},
        types::DefinitionStatus,
    },
};

/// Pauses before the database is asked again what became of a commit: doubled each time, up to the
/// longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl Store {
    /// Whether [`Store::come_into_force`] would accept this layout; changes nothing.
    pub(crate) async fn accepts(&self, layout: &Layout) -> Result<(), StoreError> {
        apply::accepts(&self.context, layout).await
    }

    /// A handle for a newer definition over the same connections, of no use before
    /// [`Store::come_into_force`]. It harvests only after the older one has come to rest: commits
    /// through the one are announced on its own bus only, as positions of types mean something else
    /// in each definition.
    pub(crate) fn redefined(&self, catalog: Arc<Valid<Catalog>>, layout: Arc<Layout>) -> Store {
        let older = &self.context;
        let context = Context {
            catalog,
            layout,
            dialect: older.dialect,
            place: older.place.clone(),
            writer: older.writer.clone(),
            readers: Arc::clone(&older.readers),
            lookups: Arc::clone(&older.lookups),
            own: Arc::clone(&older.own),
            bus: Bus::default(),
            guard: Arc::clone(&older.guard),
            heard: Heard::beside(&older.heard),
            versions: Arc::clone(&older.versions),
            told: Mutex::new(*older.told.lock().unwrap_or_else(PoisonError::into_inner)),
            looking: tokio::sync::Mutex::default(),
            seen: Seen::beside(&older.seen),
            deferred: Deferred::default(),
            writable: Arc::clone(&older.writable),
            journal: Arc::clone(&older.journal),
            changed: Changed::default(),
            runs: Memories::default(),
            process: Arc::clone(&older.process),
            retention: Mutex::new(*older.retention.lock().unwrap_or_else(PoisonError::into_inner)),
            lock: older.lock.clone(),
            #[cfg(test)]
            clock: older.clock.clone(),
        };
        Store {
            context: Arc::new(context),
        }
    }

    /// Brings the tables to the definition of this handle, without losing anything: all of it, or
    /// none when it fails. `committing` is called before each commit that may do so; from then
    /// until the end, the tables may be those of either.
    ///
    /// A commit whose answer is lost may have happened. So what fails for that is tried until the
    /// database says; what was done already is then not done again.
    pub(crate) async fn come_into_force(&self, committing: Committing<'_>) -> Result<(), StoreError> {
        let committed = AtomicBool::new(false);
        let committing = || {
            committed.store(true, Ordering::Relaxed);
            committing();
        };
        let mut pause = PAUSE;
        loop {
            let applied = async {
                apply::apply(&self.context, false, &committing).await?;
                // What connections are asked about from now on.
                place::check(&self.context).await
            };
            let applied = applied.await;
            // The newest layout is another one.
            self.context.versions.doubt();
            match applied {
                Err(StoreError::Unreachable | StoreError::Crowded) if committed.load(Ordering::Relaxed) => {
                    tracing::warn!("the database went away while a definition came into force; it is asked again");
                    tokio::time::sleep(pause).await;
                    pause = PAUSE_MAX.min(pause * 2);
                }
                done => return done,
            }
        }
    }

    /// Whether the definition of this handle is in force; asks the database.
    pub(crate) async fn definition_status(&self) -> Result<DefinitionStatus, StoreError> {
        in_force::look(&self.context).await
    }

    /// Waits until it is known that the definition of this handle is not in force any more.
    pub(crate) async fn replaced(&self) {
        self.context.seen.replaced().await;
    }
}
