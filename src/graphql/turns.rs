//! Whose turn it is, where few can work at once: at the database's readers, at planning. Knows
//! clients and kinds of work; knows no work.
//!
//! It is clients that wait, each with a line of its own requests. Of all, whoever has the least
//! under way goes next, so that a client with a hundred operations slows itself. Two places are
//! never one client's live queries', nor those of work that is known to take long, so that what is
//! quick and rare finds one; the last one is for who has none.
//!
//! Clients go in the order in which they came, as long as the wait is short: not longer than ten
//! turns take, or not behind more than ten. Else there are more than can be answered, and in their
//! order all of them would wait until just before they are turned away. So who has waited for
//! longer is late: he gives way to those who have just come, leaves two places for who is just
//! coming, and of the late ones the last is the first. Most are then answered as if there were few;
//! the others go when there is room, or are told so. Within a line the first one goes first for
//! much longer, because who asks for sixty pages at once wants all, and waits for himself. Live
//! queries go when nobody else waits, or after a while.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::Client;

/// How long a live query gives way to requests.
const LIVE_PATIENCE: Duration = Duration::from_secs(1);
/// Places that are left for others: one for who comes, and one for who comes then.
const LEFT: usize = 2;
/// A client may have so many times the places that are free.
const TIMES_FREE: usize = 3;
/// A wait behind so many turns is short, and one of so long: less than an operating system lets a
/// thread wait for a processor, because whoever waits for a turn waits for that, too.
const SHORT_TURNS: u32 = 10;
const SHORT: Duration = Duration::from_millis(2);
/// The part of its patience for which a request goes before those that its own client sent later.
const IN_ORDER_PART: u32 = 3;
/// The last turn counts as so many of those before, in the mean of their lengths.
const TURNS_MEANT: u32 = 16;
/// Requests that wait.
const WAITING_MAX: usize = 4_096;

/// What somebody wants a turn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// A request's.
    Request(Client),
    /// The same, of which it is known that it takes long.
    Long(Client),
    /// A live query's, after a change.
    Live(Client),
}

impl Work {
    fn client(self) -> Client {
        match self {
            Work::Request(client) | Work::Long(client) | Work::Live(client) => client,
        }
    }

    fn is_live(self) -> bool {
        matches!(self, Work::Live(_))
    }

    fn is_quick(&self) -> bool {
        matches!(self, Work::Request(_))
    }

    fn is_long(&self) -> bool {
        matches!(self, Work::Long(_))
    }
}

/// All turns of a kind.
#[derive(Debug)]
pub(super) struct Turns {
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// So many who wait are no crowd.
    few: usize,
    all: usize,
    long: usize,
    live: usize,
    by: HashMap<Client, usize>,
    live_by: HashMap<Client, usize>,
    /// How long turns of requests last, and of long ones.
    length: Mean,
    length_long: Mean,
    queues: HashMap<Work, Queue>,
    /// Requests that wait.
    waiting: usize,
    tickets: u64,
}

/// Those of one client who wait for turns of one kind, by their tickets, so in the order in which
/// they came.
#[derive(Debug)]
struct Queue {
    /// Since when none of them was called or left.
    since: Instant,
    waiters: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    since: Instant,
    /// How long it goes before those behind it.
    in_order: Duration,
    called: oneshot::Sender<()>,
}

impl Queue {
    /// Who goes first: whoever came first, of those who have not waited for so long that the others
    /// would wait in vain too; else the last one.
    fn first(&self, now: Instant) -> Option<u64> {
        let goes = |waiter: &Waiter| now.saturating_duration_since(waiter.since) < waiter.in_order;
        let first = self.waiters.iter().find(|(_, waiter)| goes(waiter));
        first
            .or_else(|| self.waiters.last_key_value())
            .map(|(ticket, _)| *ticket)
    }
}

/// A mean in which those of long ago count for little.
#[derive(Debug, Default)]
struct Mean(Duration);

impl Mean {
    fn note(&mut self, length: Duration) {
        self.0 = self.0 / TURNS_MEANT * (TURNS_MEANT - 1) + length / TURNS_MEANT;
    }
}

/// A turn; the next one's when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    work: Work,
    began: Instant,
}

/// Somebody in a line. Who leaves it in the moment in which he is called passes the turn on.
struct Waiting<'t> {
    turns: &'t Arc<Turns>,
    work: Work,
    ticket: u64,
    called: oneshot::Receiver<()>,
}

impl Turns {
    pub(super) fn new(places: usize) -> Arc<Turns> {
        Arc::new(Turns {
            places: places.max(1),
            state: Mutex::new(State {
                few: SHORT_TURNS as usize,
                ..State::default()
            }),
        })
    }

    /// A turn at once, or when it comes; none when it does not come in that time, or too many wait
    /// for theirs.
    pub(super) async fn take(self: &Arc<Self>, work: Work, patience: Duration) -> Option<Turn> {
        let mut waiting = {
            let mut state = self.state();
            let now = Instant::now();
            if state.may(work, self.places) && state.next(self.places, now).is_none() {
                state.begin(work);
                return Some(self.turn(work));
            }
            let (ticket, called) = state.line_up(work, patience, now)?;
            Waiting {
                turns: self,
                work,
                ticket,
                called,
            }
        };
        tokio::time::timeout(patience, waiting.turn()).await.ok()
    }

    /// The client of these that has least under way.
    pub(super) fn least_busy(&self, clients: &[Client]) -> Client {
        let state = self.state();
        let least = clients.iter().min_by_key(|client| state.all_of(**client));
        least.copied().unwrap_or_default()
    }

    fn turn(self: &Arc<Self>, work: Work) -> Turn {
        Turn {
            turns: Arc::clone(self),
            work,
            began: Instant::now(),
        }
    }

    /// Ends a turn and calls who is next.
    fn end(&self, work: Work, length: Option<Duration>) {
        let mut state = self.state();
        state.finish(work);
        if let (Some(length), Some(mean)) = (length, state.length_of(work)) {
            mean.note(length);
        }
        state.call_next(self.places, Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many of the places may be taken by what leaves some.
fn but_left(places: usize) -> usize {
    places.saturating_sub(LEFT).max(1)
}

impl State {
    fn may(&self, work: Work, places: usize) -> bool {
        let free = places.saturating_sub(self.all);
        if free == 0 {
            return false;
        }
        match work {
            // They leave two places: for their own client's requests, and for others.
            Work::Live(client) => self.live < (places - 1).max(1) && (free > LEFT || self.all_of(client) == 0),
            Work::Long(client) => self.long < but_left(places) && self.has_room(client, free),
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

    fn length_of(&mut self, work: Work) -> Option<&mut Mean> {
        match work {
            Work::Request(_) => Some(&mut self.length),
            Work::Long(_) => Some(&mut self.length_long),
            Work::Live(_) => None,
        }
    }

    /// How long a wait for such a turn is short.
    fn short(&self, work: Work, places: usize) -> Duration {
        let (mean, places) = match work {
            Work::Long(_) => (&self.length_long, but_left(places)),
            Work::Request(_) | Work::Live(_) => (&self.length, places),
        };
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        (mean.0 / places).saturating_mul(SHORT_TURNS).max(SHORT)
    }

    /// Whether so few clients wait for turns of a kind that nobody has many before him. What made
    /// them wait for long was no crowd.
    fn are_few(&self, is_of_kind: fn(&Work) -> bool) -> bool {
        let of_kind = self.queues.keys().filter(|work| is_of_kind(work));
        of_kind.count() <= self.few
    }

    /// Calls who may go now.
    fn call_next(&mut self, places: usize, now: Instant) {
        while let Some(work) = self.next(places, now) {
            let Some(called) = self.call(work, now) else { break };
            self.begin(work);
            // Nobody may be there any more.
            if called.send(()).is_err() {
                self.finish(work);
            }
        }
    }

    /// Whether who is late leaves the places that are free: who has a turn that ends soon will ask
    /// again, and not be late.
    fn leaves_places(&self, places: usize) -> bool {
        self.all >= but_left(places) && self.all > self.long + self.live
    }

    /// Whose turn is next; a live query that has waited for long goes before requests.
    fn next(&self, places: usize, now: Instant) -> Option<Work> {
        if self.all >= places {
            return None;
        }
        let live = self.next_live(places);
        if let Some((since, work)) = live
            && now >= since + LIVE_PATIENCE
        {
            return Some(work);
        }
        let request = self.next_request(places, now);
        request.or(live.map(|(_, work)| work))
    }

    /// Of the clients that have the fewest under way, the one that will be late first; else the one
    /// that is late since last.
    fn next_request(&self, places: usize, now: Instant) -> Option<Work> {
        let [quick, long] = [Work::Request, Work::Long].map(|of| of(Client::default()));
        let quick = (self.short(quick, places), self.are_few(Work::is_quick));
        let long = (self.short(long, places), self.are_few(Work::is_long));
        let able = self.queues.iter().filter_map(|(work, queue)| {
            let (short, are_few) = match work {
                Work::Request(_) => quick,
                Work::Long(_) => long,
                Work::Live(_) => return None,
            };
            let waited = now.saturating_duration_since(queue.since);
            let is_late = waited > short && !are_few;
            if !self.may(*work, places) || (is_late && self.leaves_places(places)) {
                return None;
            }
            let first = *queue.waiters.keys().next()?;
            Some(((self.own(work.client()), is_late, waited.abs_diff(short), first), *work))
        });
        able.min_by_key(|(rank, _)| *rank).map(|(_, work)| work)
    }

    /// Whose live query is next: of the clients that have the fewest under way, whoever has waited
    /// longest.
    fn next_live(&self, places: usize) -> Option<(Instant, Work)> {
        let queues = self.queues.iter().filter(|(work, _)| work.is_live());
        let first = queues.filter_map(|(work, queue)| Some((queue.waiters.values().next()?.since, *work)));
        let able = first.filter(|(_, work)| self.may(*work, places));
        able.min_by_key(|(since, work)| (self.live_of(work.client()), *since))
    }

    /// Puts somebody into his line; none when too many wait.
    fn line_up(&mut self, work: Work, patience: Duration, now: Instant) -> Option<(u64, oneshot::Receiver<()>)> {
        if !work.is_live() {
            if self.waiting >= WAITING_MAX {
                return None;
            }
            self.waiting += 1;
        }
        let (called, heard) = oneshot::channel();
        let waiter = Waiter {
            since: now,
            in_order: patience / IN_ORDER_PART,
            called,
        };
        self.tickets += 1;
        let queue = self.queues.entry(work).or_insert_with(|| Queue {
            since: now,
            waiters: BTreeMap::new(),
        });
        queue.waiters.insert(self.tickets, waiter);
        Some((self.tickets, heard))
    }

    /// Calls who is first in a line.
    fn call(&mut self, work: Work, now: Instant) -> Option<oneshot::Sender<()>> {
        let ticket = self.queues.get(&work)?.first(now)?;
        self.leave(work, ticket, now).map(|waiter| waiter.called)
    }

    /// Takes somebody out of his line, if he still waits.
    fn leave(&mut self, work: Work, ticket: u64, now: Instant) -> Option<Waiter> {
        let queue = self.queues.get_mut(&work)?;
        let waiter = queue.waiters.remove(&ticket)?;
        queue.since = now;
        if queue.waiters.is_empty() {
            self.queues.remove(&work);
        }
        if !work.is_live() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        Some(waiter)
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
            return self.turns.end(self.work, None);
        }
        let (mut state, now) = (self.turns.state(), Instant::now());
        state.leave(self.work, self.ticket, now);
        // The wait of the others in his line begins anew, so they may not be late any more.
        if !self.work.is_live() {
            state.call_next(self.turns.places, now);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.end(self.work, Some(self.began.elapsed()));
    }
}

#[cfg(test)]
mod tests;
