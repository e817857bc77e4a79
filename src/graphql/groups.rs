//! Which live queries are open, and who may listen to one more. Knows groups and places; runs
//! nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{ApiError, Client, Code, Denied, Share, Shares, listeners::Listeners, lock::lock, prepare::PlanId};
use crate::value::Key;

/// The groups of live queries, and how many more listeners there may be.
pub(super) struct Live {
    groups: Arc<Mutex<HashMap<GroupId, Arc<Listeners>>>>,
    places: Arc<Shares>,
}

/// A plan and the values of its parameters; equal live queries have the same.
pub(super) type GroupId = (PlanId, Key);

impl Live {
    pub(super) fn new(limit: usize) -> Live {
        Live {
            groups: Arc::default(),
            places: Shares::new(limit),
        }
    }

    /// None open yet, of as many as the older definition's API allows: its listeners come over with
    /// their places.
    pub(super) fn after(older: &Live) -> Live {
        Live {
            groups: Arc::default(),
            places: older.places.clone(),
        }
    }

    /// A place for one more listener.
    pub(super) fn place(&self, client: Client) -> Result<Place, ApiError> {
        let share = self.places.take(client).map_err(|denied| {
            let most = self.places.most();
            let message = match denied {
                Denied::All => format!("{most} live queries are open, more are not allowed"),
                Denied::Client => {
                    format!("your address has so many of the {most} live queries that the rest is for others")
                }
            };
            let message = format!("{message}; raise it with --limit subscriptions=…");
            ApiError::new(Code::TooManySubscriptions, message)
        })?;
        Ok(Place {
            _share: Arc::new(share),
        })
    }

    #[cfg(test)]
    pub(super) fn open_groups(&self) -> usize {
        self.groups().len()
    }

    pub(super) fn groups(&self) -> MutexGuard<'_, HashMap<GroupId, Arc<Listeners>>> {
        lock(&self.groups)
    }
}

/// A listener's place among all that there may be; kept when its live query goes on under a newer
/// definition.
#[derive(Clone)]
pub(super) struct Place {
    _share: Arc<Share>,
}
