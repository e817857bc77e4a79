//! Fair shares of what there is a bounded amount of: requests, sockets, live queries, bytes. Knows
//! clients as numbers; knows neither addresses nor what is shared.
//!
//! Nobody is given a number of his own: who has few may always take more, and who has many only
//! while much is free. So one client alone may have four fifths of all, and there is room for the
//! next one whatever the first does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// A client may have so many times what is free.
const TIMES_FREE: usize = 4;

/// Who asks, as far as fairness goes: those with the same number share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Client(pub u128);

/// All that there is of one kind.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    taken: Mutex<Taken>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Client, usize>,
}

/// What is taken of it; free again when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    client: Client,
    amount: usize,
}

/// Why there is nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// All is taken.
    All,
    /// This client has so much that what is free is for others.
    Client,
}

impl Shares {
    pub(crate) fn new(most: usize) -> Arc<Shares> {
        Arc::new(Shares {
            most,
            taken: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// How many places there are.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// The most that one client may have of it when nobody else has any.
    pub(crate) fn most_of_one(&self) -> usize {
        self.most.saturating_add(1).saturating_mul(TIMES_FREE) / (TIMES_FREE + 1)
    }

    /// What is taken of it.
    #[cfg(test)]
    pub(crate) fn in_use(&self) -> usize {
        self.taken().all
    }

    /// Takes one.
    pub(crate) fn take(self: &Arc<Self>, client: Client) -> Result<Share, Denied> {
        let mut share = self.none(client);
        share.grow(1)?;
        Ok(share)
    }

    /// A share of nothing, to grow.
    pub(crate) fn none(self: &Arc<Self>, client: Client) -> Share {
        Share {
            shares: Arc::clone(self),
            client,
            amount: 0,
        }
    }

    /// Waits until nothing is taken.
    pub(crate) async fn all_free(&self) {
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

impl Share {
    /// Takes so much more, or nothing.
    pub(crate) fn grow(&mut self, amount: usize) -> Result<(), Denied> {
        if amount == 0 {
            return Ok(());
        }
        let mut taken = self.shares.taken();
        let free = self.shares.most.saturating_sub(taken.all);
        let own = taken.by.get(&self.client).copied().unwrap_or(0);
        if amount > free {
            return Err(Denied::All);
        }
        // What is free afterwards counts: one large amount must not take what many small ones may
        // not.
        if own.saturating_add(amount) > (free - amount + 1).saturating_mul(TIMES_FREE) {
            return Err(Denied::Client);
        }
        taken.all += amount;
        taken.by.insert(self.client, own + amount);
        self.amount += amount;
        Ok(())
    }

    /// How much it is.
    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    fn give_back(&mut self) {
        let mut taken = self.shares.taken();
        taken.all = taken.all.saturating_sub(self.amount);
        if let Some(own) = taken.by.get_mut(&self.client) {
            *own = own.saturating_sub(self.amount);
            if *own == 0 {
                taken.by.remove(&self.client);
            }
        }
        if taken.all == 0 {
            self.shares.emptied.notify_waiters();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.give_back();
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

    #[test]
    fn amounts_grow() {
        let shares = Shares::new(100);
        let mut share = shares.none(Client(1));
        assert_eq!(share.grow(101), Err(Denied::All));
        assert_eq!(share.grow(60), Ok(()));
        assert_eq!((share.grow(21), share.amount()), (Err(Denied::Client), 60));
        assert_eq!(share.grow(20), Ok(()));
        assert_eq!((share.grow(1), share.amount()), (Err(Denied::Client), 80));
        assert_eq!(share.grow(0), Ok(()), "nothing is always there");
        let mut other = shares.none(Client(2));
        assert_eq!(other.grow(17), Err(Denied::Client));
        assert_eq!((other.grow(16), other.grow(5)), (Ok(()), Err(Denied::All)));
        drop((share, other));
        assert_eq!(shares.in_use(), 0);
    }

    /// In whatever steps it is taken, one client gets no more than its part.
    #[test]
    fn one_step_takes_no_more_than_many() {
        for most in [1, 2, 3, 7, 100, 64_000_000] {
            let (shares, part) = (Shares::new(most), Shares::new(most).most_of_one());
            assert!(shares.none(Client(1)).grow(part + 1).is_err(), "{part} of {most}");
            let mut share = shares.none(Client(1));
            for step in [part / 2, part - part / 2 - 1, 1] {
                assert_eq!(share.grow(step), Ok(()), "{part} of {most}");
            }
            assert!(share.grow(1).is_err(), "{part} of {most}");
        }
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
