//! Whose turn it is, where few can work at once: at the database's readers, at planning. Knows clients and kinds of work; knows no
//! work.
//!
//! Of all who wait, whoever has the least under way goes next, so that a client with a hundred operations slows itself. Some places
//! are never one client's, nor those of work that is known to take long, so that what is quick and rare finds one. Live queries
//! go when nobody else waits, or after a while.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::Client;

/// How long a live query gives way to requests.
const LIVE_PATIENCE: Duration = Duration::from_secs(1);
/// A client may have so many times the places that are free.
const TIMES_FREE: usize = 3;
/// Requests that wait: each look for the next one goes through all of them.
const WAITING_MAX: usize = 4_096;

/// What somebody wants a turn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A request's.
    Request(Client),
    /// The same, of which it is known that it takes long.
    Long(Client),
    /// A live query's, after a change.
    Live,
}

/// All turns of a kind.
#[derive(Debug)]
pub(super) struct Turns {
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: usize,
    long: usize,
    live: usize,
    by: HashMap<Client, usize>,
    /// Those of requests, and of live queries, in the order in which they came.
    waiting: Vec<Waiter>,
    waiting_live: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    work: Work,
    since: Instant,
    called: oneshot::Sender<()>,
}

/// A turn; the next one's when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    work: Work,
}

/// Somebody in the queue. Who leaves it in the moment in which he is called passes the turn on.
struct Waiting<'t> {
    turns: &'t Arc<Turns>,
    work: Work,
    called: oneshot::Receiver<()>,
}

impl Turns {
    pub fn new(places: usize) -> Arc<Turns> {
        Arc::new(Turns {
            places: places.max(1),
            state: Mutex::default(),
        })
    }

    /// A turn at once, or when it comes; none when it does not come in that time, or too many wait for theirs.
    pub async fn take(self: &Arc<Self>, work: Work, patience: Duration) -> Option<Turn> {
        let mut waiting = {
            let mut state = self.state();
            if state.may(work, self.places) && state.next(self.places, Instant::now()).is_none() {
                state.begin(work);
                return Some(self.turn(work));
            }
            let (called, heard) = oneshot::channel();
            let since = Instant::now();
            let waiter = Waiter { work, since, called };
            match work {
                Work::Live => state.waiting_live.push_back(waiter),
                _ if state.waiting.len() >= WAITING_MAX => return None,
                _ => state.waiting.push(waiter),
            }
            Waiting {
                turns: self,
                work,
                called: heard,
            }
        };
        tokio::time::timeout(patience, waiting.turn()).await.ok()
    }

    fn turn(self: &Arc<Self>, work: Work) -> Turn {
        Turn {
            turns: Arc::clone(self),
            work,
        }
    }

    /// Ends a turn and calls who is next.
    fn end(&self, work: Work) {
        let mut state = self.state();
        state.finish(work);
        let now = Instant::now();
        while let Some(Waiter { work, called, .. }) = state.call(self.places, now) {
            state.begin(work);
            // Nobody may be there any more.
            if called.send(()).is_err() {
                state.finish(work);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may(&self, work: Work, places: usize) -> bool {
        let free = places.saturating_sub(self.all);
        if free == 0 {
            return false;
        }
        match work {
            Work::Live => self.live < (places - 1).max(1),
            Work::Long(client) => self.long < (places / 2).max(1) && self.own(client) < free * TIMES_FREE,
            Work::Request(client) => self.own(client) < free * TIMES_FREE,
        }
    }

    fn own(&self, client: Client) -> usize {
        self.by.get(&client).copied().unwrap_or(0)
    }

    /// Who is next, by its place in the queue of requests; `None` inside is the first live query. None when nobody may.
    fn next(&self, places: usize, now: Instant) -> Option<Option<usize>> {
        let live = self.waiting_live.front().filter(|_| self.may(Work::Live, places));
        if live.is_some_and(|waiter| now >= waiter.since + LIVE_PATIENCE) {
            return Some(None);
        }
        let own = |waiter: &Waiter| match waiter.work {
            Work::Request(client) | Work::Long(client) => self.own(client),
            Work::Live => 0,
        };
        let able = self.waiting.iter().enumerate();
        let able = able.filter(|(_, waiter)| self.may(waiter.work, places));
        match able.min_by_key(|(at, waiter)| (own(waiter), *at)) {
            Some((at, _)) => Some(Some(at)),
            None => live.map(|_| None),
        }
    }

    /// Takes the next one out of its queue.
    fn call(&mut self, places: usize, now: Instant) -> Option<Waiter> {
        match self.next(places, now)? {
            Some(at) => Some(self.waiting.remove(at)),
            None => self.waiting_live.pop_front(),
        }
    }

    fn begin(&mut self, work: Work) {
        self.all += 1;
        match work {
            Work::Live => self.live += 1,
            Work::Long(client) => {
                self.long += 1;
                *self.by.entry(client).or_default() += 1;
            }
            Work::Request(client) => *self.by.entry(client).or_default() += 1,
        }
    }

    fn finish(&mut self, work: Work) {
        self.all = self.all.saturating_sub(1);
        let client = match work {
            Work::Live => {
                self.live = self.live.saturating_sub(1);
                return;
            }
            Work::Long(client) => {
                self.long = self.long.saturating_sub(1);
                client
            }
            Work::Request(client) => client,
        };
        if let Some(own) = self.by.get_mut(&client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by.remove(&client);
            }
        }
    }
}

impl Waiting<'_> {
    fn turn(&mut self) -> impl Future<Output = Turn> {
        let (turns, work) = (self.turns, self.work);
        let called = &mut self.called;
        async move {
            match called.await {
                Ok(()) => turns.turn(work),
                // The queue keeps who waits, and the turns live as long as this.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.called.close();
        if self.called.try_recv().is_ok() {
            return self.turns.end(self.work);
        }
        let mut state = self.turns.state();
        let stays = |waiter: &Waiter| !waiter.called.is_closed();
        match self.work {
            Work::Live => state.waiting_live.retain(stays),
            Work::Request(_) | Work::Long(_) => state.waiting.retain(stays),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.end(self.work);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const SOON: Duration = Duration::from_secs(1);
    const LATE: Duration = Duration::from_secs(100);

    fn request(client: u128) -> Work {
        Work::Request(Client(client))
    }

    async fn now(turns: &Arc<Turns>, work: Work) -> Turn {
        turns.take(work, SOON).now_or_never().flatten().expect("a turn at once")
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_least_goes_next() {
        let turns = Turns::new(4);
        let mut first = vec![
            now(&turns, request(1)).await,
            now(&turns, request(1)).await,
            now(&turns, request(1)).await,
        ];
        // The last place is for others.
        assert!(turns.take(request(1), SOON).await.is_none());
        let second = now(&turns, request(2)).await;
        let (mut more, mut other) = (
            Box::pin(turns.take(request(1), LATE)),
            Box::pin(turns.take(request(3), LATE)),
        );
        assert!((&mut more).now_or_never().is_none() && (&mut other).now_or_never().is_none());
        first.pop();
        assert!((&mut more).now_or_never().is_none(), "it has two already");
        let third = other.now_or_never().flatten().expect("its turn");
        drop((second, third));
        more.now_or_never().flatten().expect("its turn");
        drop(first);
        assert_eq!(turns.state().all, 0);
        assert!(turns.state().by.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn long_work_and_live_queries_leave_room() {
        let turns = Turns::new(4);
        let _long = [
            now(&turns, Work::Long(Client(1))).await,
            now(&turns, Work::Long(Client(2))).await,
        ];
        assert!(turns.take(Work::Long(Client(3)), SOON).await.is_none());
        let live = now(&turns, Work::Live).await;
        let quick = now(&turns, request(3)).await;
        let (mut another, mut next) = (
            Box::pin(turns.take(Work::Live, LATE)),
            Box::pin(turns.take(request(3), LATE)),
        );
        assert!((&mut another).now_or_never().is_none() && (&mut next).now_or_never().is_none());
        drop(quick);
        let next = next.now_or_never().flatten().expect("before the live query");
        let mut after = Box::pin(turns.take(request(3), LATE));
        assert!((&mut after).now_or_never().is_none());
        // It has waited long enough.
        drop(live);
        after.now_or_never().flatten().expect("before the live query");
        another.now_or_never().flatten().expect("nobody else waits");
        drop(next);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_not_lost() {
        let turns = Turns::new(1);
        let held = now(&turns, request(1)).await;
        let mut leaves = Box::pin(turns.take(request(2), LATE));
        let mut stays = Box::pin(turns.take(request(3), LATE));
        assert!((&mut leaves).now_or_never().is_none() && (&mut stays).now_or_never().is_none());
        drop(held);
        // Called, and gone before it heard so.
        drop(leaves);
        assert!(
            turns.state().waiting.is_empty(),
            "only the other one waited, and was called"
        );
        stays.now_or_never().flatten().expect("its turn");
        now(&turns, request(1)).await;
        assert_eq!(turns.state().all, 0);
    }
}
