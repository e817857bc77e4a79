//! Fair shares of what there is a bounded number of: requests, sockets, live queries. Knows clients as numbers; knows neither
//! addresses nor what is shared.
//!
//! Nobody is given a number of his own: who has few may always take more, and who has many only while much is free. So one
//! client alone may have four fifths of all, and there is room for the next one whatever the first does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// A client may have so many times what is free.
const TIMES_FREE: usize = 4;

/// Who asks, as far as fairness goes: those with the same number share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client(pub u128);

/// Places of one kind.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    taken: Mutex<Taken>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Client, usize>,
}

/// A place that is taken; free again when dropped.
#[derive(Debug)]
pub struct Share {
    shares: Arc<Shares>,
    client: Client,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// All are taken.
    All,
    /// This client has so many that what is free is for others.
    Client,
}

impl Shares {
    pub fn new(most: usize) -> Arc<Shares> {
        Arc::new(Shares {
            most,
            taken: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// How many places there are.
    pub fn most(&self) -> usize {
        self.most
    }

    pub fn take(self: &Arc<Self>, client: Client) -> Result<Share, Denied> {
        let mut taken = self.taken();
        let free = self.most.saturating_sub(taken.all);
        let own = taken.by.get(&client).copied().unwrap_or(0);
        if free == 0 {
            return Err(Denied::All);
        }
        if own >= free.saturating_mul(TIMES_FREE) {
            return Err(Denied::Client);
        }
        taken.all += 1;
        taken.by.insert(client, own + 1);
        Ok(Share {
            shares: Arc::clone(self),
            client,
        })
    }

    /// Waits until no place is taken.
    pub async fn all_free(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            // Registered before the look, so that no end falls between.
            emptied.as_mut().enable();
            if self.taken().all == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by.get_mut(&self.client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by.remove(&self.client);
            }
        }
        if taken.all == 0 {
            self.shares.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(shares: &Arc<Shares>, client: u128) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(Client(client)).ok()).collect()
    }

    #[test]
    fn who_comes_later_finds_room() {
        let shares = Shares::new(100);
        let first = take_all(&shares, 1);
        assert_eq!(first.len(), 80);
        assert_eq!(shares.take(Client(1)).err(), Some(Denied::Client));
        let second = take_all(&shares, 2);
        assert_eq!(second.len(), 16);
        assert_eq!(take_all(&shares, 3).len(), 4);
        drop(first);
        // What is free now is the second's too.
        assert_eq!(take_all(&shares, 2).len(), 64);
        drop(second);
        assert_eq!(shares.taken().by.len(), 0);
    }

    #[test]
    fn the_last_place_is_anybodys() {
        let shares = Shares::new(2);
        let both = take_all(&shares, 1);
        assert_eq!(both.len(), 2);
        assert_eq!(shares.take(Client(2)).err(), Some(Denied::All));
    }

    #[tokio::test]
    async fn the_end_of_all_is_waited_for() {
        let shares = Shares::new(10);
        shares.all_free().await;
        let place = shares.take(Client(1)).expect("a place");
        let mut end = std::pin::pin!(shares.all_free());
        assert_eq!(futures_util::FutureExt::now_or_never(end.as_mut()), None);
        drop(place);
        end.await;
    }
}
