//! Whose turn it is, where few can work at once: at the database's readers, at planning. Knows clients and kinds of work; knows no
//! work.
//!
//! Of all who wait, whoever has the least under way goes next, so that a client with a hundred operations slows itself. Some places
//! are never one client's, nor those of work that is known to take long, so that what is quick and rare finds one. Live queries
//! go when nobody else waits, or after a while; those of one client leave two places.

use std::{
    collections::{BTreeMap, HashMap},
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
    Live(Client),
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
    live_by: HashMap<Client, usize>,
    /// Those of requests, in the order in which they came.
    waiting: Vec<Waiter>,
    /// Those of each client's live queries, by their tickets; there may be many.
    waiting_live: HashMap<Client, BTreeMap<u64, Waiter>>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiter {
    work: Work,
    since: Instant,
    called: oneshot::Sender<()>,
}

/// Who is called next: of the requests, by its place in their queue; or a client's live query.
enum Next {
    Request(usize),
    Live(Client),
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
    ticket: u64,
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
            state.tickets += 1;
            let ticket = state.tickets;
            match work {
                Work::Live(client) => {
                    state.waiting_live.entry(client).or_default().insert(ticket, waiter);
                }
                _ if state.waiting.len() >= WAITING_MAX => return None,
                _ => state.waiting.push(waiter),
            }
            Waiting {
                turns: self,
                work,
                ticket,
                called: heard,
            }
        };
        tokio::time::timeout(patience, waiting.turn()).await.ok()
    }

    /// The client of these that has least under way.
    pub fn least_busy(&self, clients: &[Client]) -> Client {
        let state = self.state();
        let least = clients.iter().min_by_key(|client| state.all_of(**client));
        least.copied().unwrap_or_default()
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
            // They leave two places: for their own client's requests, and for others.
            Work::Live(client) => self.live < (places - 1).max(1) && (free > 2 || self.all_of(client) == 0),
            Work::Long(client) => self.long < (places / 2).max(1) && self.has_room(client, free),
            Work::Request(client) => self.has_room(client, free),
        }
    }

    /// Whether a client may have one more. The last place is for who has none.
    fn has_room(&self, client: Client, free: usize) -> bool {
        let all = self.all_of(client);
        all == 0 || (free > 1 && all < free * TIMES_FREE)
    }

    fn own(&self, client: Client) -> usize {
        self.by.get(&client).copied().unwrap_or(0)
    }

    /// All that a client has under way.
    fn all_of(&self, client: Client) -> usize {
        self.own(client) + self.live_of(client)
    }

    fn live_of(&self, client: Client) -> usize {
        self.live_by.get(&client).copied().unwrap_or(0)
    }

    /// Who is next; a live query that has waited for long goes before requests.
    fn next(&self, places: usize, now: Instant) -> Option<Next> {
        let live = self.next_live(places);
        if let Some((since, client)) = live
            && now >= since + LIVE_PATIENCE
        {
            return Some(Next::Live(client));
        }
        let request = self.next_request(places).map(Next::Request);
        request.or(live.map(|(_, client)| Next::Live(client)))
    }

    fn next_request(&self, places: usize) -> Option<usize> {
        let own = |waiter: &Waiter| match waiter.work {
            Work::Request(client) | Work::Long(client) | Work::Live(client) => self.own(client),
        };
        let able = self.waiting.iter().enumerate();
        let able = able.filter(|(_, waiter)| self.may(waiter.work, places));
        let next = able.min_by_key(|(at, waiter)| (own(waiter), *at));
        next.map(|(at, _)| at)
    }

    /// Whose live query is next: of the clients that have the fewest under way, whoever has waited longest.
    fn next_live(&self, places: usize) -> Option<(Instant, Client)> {
        let first = |(client, queue): (&Client, &BTreeMap<u64, Waiter>)| Some((*client, queue.values().next()?.since));
        let able = self.waiting_live.iter().filter_map(first);
        let able = able.filter(|(client, _)| self.may(Work::Live(*client), places));
        let next = able.min_by_key(|(client, since)| (self.live_of(*client), *since));
        next.map(|(client, since)| (since, client))
    }

    /// Takes the next one out of its queue.
    fn call(&mut self, places: usize, now: Instant) -> Option<Waiter> {
        match self.next(places, now)? {
            Next::Request(at) => Some(self.waiting.remove(at)),
            Next::Live(client) => {
                let first = *self.waiting_live.get(&client)?.keys().next()?;
                self.take_live(client, first)
            }
        }
    }

    /// Takes a live query out of its client's queue, if it still waits.
    fn take_live(&mut self, client: Client, ticket: u64) -> Option<Waiter> {
        let queue = self.waiting_live.get_mut(&client)?;
        let waiter = queue.remove(&ticket);
        if queue.is_empty() {
            self.waiting_live.remove(&client);
        }
        waiter
    }

    fn begin(&mut self, work: Work) {
        self.all += 1;
        match work {
            Work::Live(client) => {
                self.live += 1;
                *self.live_by.entry(client).or_default() += 1;
            }
            Work::Long(client) => {
                self.long += 1;
                *self.by.entry(client).or_default() += 1;
            }
            Work::Request(client) => *self.by.entry(client).or_default() += 1,
        }
    }

    fn finish(&mut self, work: Work) {
        self.all = self.all.saturating_sub(1);
        let (by, client) = match work {
            Work::Live(client) => {
                self.live = self.live.saturating_sub(1);
                (&mut self.live_by, client)
            }
            Work::Long(client) => {
                self.long = self.long.saturating_sub(1);
                (&mut self.by, client)
            }
            Work::Request(client) => (&mut self.by, client),
        };
        if let Some(own) = by.get_mut(&client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                by.remove(&client);
            }
        }
    }
}

impl Waiting<'_> {
    async fn turn(&mut self) -> Turn {
        match (&mut self.called).await {
            Ok(()) => self.turns.turn(self.work),
            // The queue keeps who waits, and the turns live as long as this.
            Err(_) => std::future::pending().await,
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
        match self.work {
            Work::Live(client) => drop(state.take_live(client, self.ticket)),
            Work::Request(_) | Work::Long(_) => state.waiting.retain(|waiter| !waiter.called.is_closed()),
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

    fn query(client: u128) -> Work {
        Work::Live(Client(client))
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
        let live = now(&turns, query(5)).await;
        let quick = now(&turns, request(3)).await;
        let (mut another, mut next) = (
            Box::pin(turns.take(query(6), LATE)),
            Box::pin(turns.take(request(3), LATE)),
        );
        assert!((&mut another).now_or_never().is_none() && (&mut next).now_or_never().is_none());
        drop(quick);
        let next = next.now_or_never().flatten().expect("before the live query");
        let mut after = Box::pin(turns.take(request(4), LATE));
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

    #[tokio::test(start_paused = true)]
    async fn the_last_place_is_for_who_has_none() {
        for places in 1..=5 {
            let turns = Turns::new(places);
            let mut held = vec![now(&turns, request(1)).await];
            while let Some(turn) = turns.take(request(1), SOON).await {
                held.push(turn);
            }
            assert!(held.len() < places || places == 1, "{} of {places}", held.len());
            if places > 1 {
                now(&turns, request(2)).await;
            }
        }
        // Also when others have some.
        let turns = Turns::new(4);
        let _held = [
            now(&turns, request(1)).await,
            now(&turns, request(1)).await,
            now(&turns, request(2)).await,
        ];
        assert!(turns.take(request(1), SOON).await.is_none());
        assert!(turns.take(request(2), SOON).await.is_none());
        now(&turns, request(3)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn live_queries_of_one_client_wait_behind_those_of_others() {
        let turns = Turns::new(4);
        let mut first = vec![now(&turns, query(1)).await, now(&turns, query(1)).await];
        // Two places are for others and for requests, of which the last is for others.
        assert!(turns.take(query(1), SOON).await.is_none());
        let own = now(&turns, request(1)).await;
        assert!(turns.take(request(1), SOON).await.is_none());
        assert_eq!(turns.least_busy(&[Client(1), Client(2), Client(3)]), Client(2));
        let second = now(&turns, query(2)).await;
        drop(own);
        let mut more = Box::pin(turns.take(query(1), LATE));
        let mut other = Box::pin(turns.take(query(3), LATE));
        let mut leaves = Box::pin(turns.take(query(3), LATE));
        for waits in [&mut more, &mut other, &mut leaves] {
            assert!(waits.now_or_never().is_none());
        }
        first.pop();
        assert!((&mut more).now_or_never().is_none(), "it has one already");
        let third = other.now_or_never().flatten().expect("its turn");
        drop(leaves);
        assert_eq!(turns.state().waiting_live.len(), 1, "who leaves is forgotten");
        drop((second, third));
        more.now_or_never().flatten().expect("its turn");
        drop(first);
        assert_eq!(turns.state().live, 0);
        assert!(turns.state().live_by.is_empty() && turns.state().waiting_live.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn live_queries_that_have_waited_go_before_requests() {
        let turns = Turns::new(4);
        let mut held = vec![now(&turns, query(1)).await];
        for client in 2..=4 {
            held.push(now(&turns, request(client)).await);
        }
        let mut more = Box::pin(turns.take(query(1), LATE));
        let mut other = Box::pin(turns.take(query(5), LATE));
        assert!((&mut more).now_or_never().is_none() && (&mut other).now_or_never().is_none());
        tokio::time::advance(2 * LIVE_PATIENCE).await;
        let mut next = Box::pin(turns.take(request(6), LATE));
        assert!((&mut next).now_or_never().is_none());
        held.pop();
        let other = other.now_or_never().flatten().expect("before the request");
        assert!((&mut next).now_or_never().is_none());
        drop(other);
        // However long the other one has waited: its client has one, and leaves two places.
        next.now_or_never().flatten().expect("its turn");
        held.pop();
        assert!((&mut more).now_or_never().is_none());
        held.pop();
        more.now_or_never().flatten().expect("its turn");
    }
}
