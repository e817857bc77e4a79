//! A store goes over to a newer definition without closing a connection. Knows which parts of a handle belong to a
//! definition and which to the database.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    catalog::{Catalog, Valid},
    change::Bus,
    layout::Layout,
};

use super::{
    Inner, Store, StoreError, applied, fan_out,
    follow::{self, Heard},
    place,
    standing::Seen,
};

impl Store {
    /// Whether [`Store::redefine`] would accept this layout; changes nothing.
    pub async fn accepts(&self, layout: &Layout) -> Result<(), StoreError> {
        applied::accepts(&self.inner, layout).await
    }

    /// A handle for a newer definition over the same connections, after what it adds was applied.
    ///
    /// The older handle goes on answering reads, and is as it was when this fails. It must not harvest any more: commits
    /// through the one are announced on its own bus only, as positions of types mean something else in each definition.
    pub async fn redefine(&self, catalog: Arc<Valid<Catalog>>, layout: Arc<Layout>) -> Result<Store, StoreError> {
        let older = &self.inner;
        let inner = Inner {
            catalog,
            layout,
            dialect: older.dialect,
            place: older.place.clone(),
            writer: older.writer.clone(),
            readers: Arc::clone(&older.readers),
            lookups: Arc::clone(&older.lookups),
            own: Arc::clone(&older.own),
            bus: Bus::default(),
            ground: Arc::clone(&older.ground),
            heard: Heard::default(),
            seen: Seen::beside(&older.seen),
            runs: Mutex::default(),
            process: Arc::clone(&older.process),
            retention: Mutex::new(*older.retention.lock().unwrap_or_else(PoisonError::into_inner)),
            lock: older.lock.clone(),
            #[cfg(test)]
            clock: older.clock.clone(),
        };
        applied::apply(&inner, false).await?;
        fan_out::forget_others(&inner).await?;
        place::check(&inner).await?;
        follow::begin(&inner).await?;
        Ok(Store { inner: Arc::new(inner) })
    }
}
