//! Answers that are kept for whoever asks the same again, as long as nothing that they go by has
//! changed; and equal operations under way, which run once. Knows plans, values and versions; runs
//! nothing.
//!
//! An answer is of one state of the database, which its statement has told: the change log's head.
//! It is good while no part that its plan reads is newer than that. So nothing is thrown away when
//! something is written: who asks next sees that it is too old.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use lru::LruCache;
use tokio::sync::watch;

use super::{
    kept::{Data, Whole},
    lock::lock,
    prepare::PlanId,
};
use crate::{change::Moment, value::Value};

/// What an entry takes beside its bytes and its texts.
const ENTRY: usize = 512;
/// What one value takes beside its text.
const VALUE: usize = 32;
/// An answer that takes more than this part of all the room is not kept: others would go for it.
const PART: usize = 8;

/// A plan with the values of its parameters; who asks is part of the plan.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub plan: PlanId,
    pub params: Arc<[Value]>,
}

impl PartialEq for Asked {
    fn eq(&self, other: &Asked) -> bool {
        self.plan == other.plan && self.params == other.params
    }
}

impl Eq for Asked {}

impl Hash for Asked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.plan.hash(state);
        self.params.iter().for_each(|value| value.hash_key(state));
    }
}

impl Asked {
    fn size(&self) -> usize {
        let text = |value: &Value| match value {
            Value::Text(text) => VALUE + text.len(),
            _ => VALUE,
        };
        ENTRY + self.params.iter().map(text).sum::<usize>()
    }
}

/// The state that an answer is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub era: u64,
    pub head: i64,
}

impl State {
    /// Whether an answer of this state is what would be read at a moment, where `newest` is the
    /// newest of the parts that it goes by. What is settled is so after all of them.
    pub(super) fn holds(self, moment: &Moment, newest: i64) -> bool {
        self.era == moment.era && newest <= self.head
    }
}

/// The answers of one definition's API.
pub(super) struct Answers {
    most: usize,
    kept: Mutex<Kept>,
    flights: Mutex<HashMap<Asked, Open>>,
    counts: Arc<Counts>,
}

struct Kept {
    entries: LruCache<Asked, (Whole, State)>,
    bytes: usize,
}

#[derive(Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
    shared: AtomicU64,
}

/// How the cache does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheFigures {
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
    /// Misses that came from another's run.
    pub shared: u64,
    pub entries: usize,
    pub bytes: usize,
}

impl Answers {
    /// Room for so many bytes; with none, nothing is kept and nothing shared.
    pub(super) fn new(most: usize) -> Answers {
        Answers {
            most,
            kept: Mutex::new(Kept {
                entries: LruCache::unbounded(),
                bytes: 0,
            }),
            flights: Mutex::default(),
            counts: Arc::default(),
        }
    }

    /// Room for as much in their place, for another definition; what was counted goes on.
    pub(super) fn after(older: &Answers) -> Answers {
        Answers {
            counts: older.counts.clone(),
            ..Answers::new(older.most)
        }
    }

    pub(super) fn are_kept(&self) -> bool {
        self.most > 0
    }

    /// The answer of a state that holds at this moment; whether there is one is counted.
    pub(super) fn get(&self, asked: &Asked, moment: &Moment, newest: i64) -> Option<(Whole, State)> {
        let good = self.find(asked, moment, newest);
        let count = match good {
            Some(_) => &self.counts.hits,
            None => &self.counts.misses,
        };
        count.fetch_add(1, Ordering::Relaxed);
        good
    }

    /// The same for one who was counted.
    pub(super) fn find(&self, asked: &Asked, moment: &Moment, newest: i64) -> Option<(Whole, State)> {
        let mut kept = lock(&self.kept);
        let found = kept.entries.get(asked).cloned();
        let good = found.filter(|(_, state)| state.holds(moment, newest));
        if good.is_none() {
            kept.remove(asked);
        }
        good
    }

    /// Keeps an answer, for which others go that nobody has asked for so long.
    pub(super) fn put(&self, asked: Asked, whole: Whole, state: State) {
        let size = asked.size() + whole.len();
        if size > self.most / PART {
            return;
        }
        let mut kept = lock(&self.kept);
        // One of those who shared it has put it there, or somebody a newer one.
        let is_there = |(_, there): &(Whole, State)| there.era == state.era && there.head >= state.head;
        if kept.entries.peek(&asked).is_some_and(is_there) {
            return;
        }
        kept.remove(&asked);
        kept.bytes += size;
        kept.entries.put(asked, (whole, state));
        let mut evicted = 0;
        while kept.bytes > self.most && kept.remove_oldest() {
            evicted += 1;
        }
        drop(kept);
        self.counts.evictions.fetch_add(evicted, Ordering::Relaxed);
    }

    pub(super) fn figures(&self) -> CacheFigures {
        let kept = lock(&self.kept);
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheFigures {
            hits: count(&self.counts.hits),
            misses: count(&self.counts.misses),
            evictions: count(&self.counts.evictions),
            shared: count(&self.counts.shared),
            entries: kept.entries.len(),
            bytes: kept.bytes,
        }
    }

    /// Somebody had what another ran.
    pub(super) fn note_shared(&self) {
        self.counts.shared.fetch_add(1, Ordering::Relaxed);
    }

    /// Joins those who ask the same just now.
    pub(super) fn join(&self, asked: &Asked) -> Joined<'_> {
        let mut flights = lock(&self.flights);
        let open = flights.entry(asked.clone()).or_default();
        open.joined += 1;
        let flight = open.flight.clone();
        Joined {
            all: self,
            asked: asked.clone(),
            phases: flight.0.subscribe(),
            flight,
        }
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        lock(&self.flights).len()
    }
}

impl Kept {
    fn remove(&mut self, asked: &Asked) {
        if let Some((whole, _)) = self.entries.pop(asked) {
            self.bytes -= asked.size() + whole.len();
        }
    }

    fn remove_oldest(&mut self) -> bool {
        let Some((asked, (whole, _))) = self.entries.pop_lru() else {
            return false;
        };
        self.bytes -= asked.size() + whole.len();
        true
    }
}

/// One that can still be joined, and how many have joined it and not left.
#[derive(Default)]
struct Open {
    flight: Arc<Flight>,
    joined: usize,
}

/// One operation that several ask for. Each of them waits for a turn of its own; whose comes first
/// runs it for all.
struct Flight(watch::Sender<Phase>);

impl Default for Flight {
    fn default() -> Flight {
        Flight(watch::Sender::new(Phase::Waiting))
    }
}

#[derive(Clone)]
enum Phase {
    Waiting,
    Running,
    /// It is over; with the answer, if there is one that others may have.
    Landed(Option<(Data, State)>),
}

/// One who asks.
pub(super) struct Joined<'a> {
    all: &'a Answers,
    asked: Asked,
    flight: Arc<Flight>,
    phases: watch::Receiver<Phase>,
}

/// The one who runs it. However that ends, the others hear of it.
pub(super) struct Running<'a>(&'a Joined<'a>);

impl Joined<'_> {
    /// Waits for what comes of another's run: its answer, if there is one.
    pub(super) async fn landed(&self) -> Option<(Data, State)> {
        let mut phases = self.phases.clone();
        let landed = phases.wait_for(|phase| matches!(phase, Phase::Landed(_))).await;
        match landed.as_deref() {
            Ok(Phase::Landed(answer)) => answer.clone(),
            _ => None,
        }
    }

    /// Begins to run it, unless another does or did.
    pub(super) fn begin(&self) -> Option<Running<'_>> {
        let begun = self.flight.0.send_if_modified(|phase| {
            let waits = matches!(phase, Phase::Waiting);
            if waits {
                *phase = Phase::Running;
            }
            waits
        });
        // Made only then: whoever drops it ends the run.
        begun.then(|| Running(self))
    }

    /// Whether somebody's turn has come.
    pub(super) fn is_begun(&self) -> bool {
        !matches!(*self.flight.0.borrow(), Phase::Waiting)
    }
}

impl Running<'_> {
    /// What came of it.
    pub(super) fn land(self, answer: Option<(Data, State)>) {
        self.0.close();
        self.0.flight.0.send_replace(Phase::Landed(answer));
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Nobody else changes it while this one runs.
        if matches!(*self.0.flight.0.borrow(), Phase::Running) {
            // First, so that who hears of it begins anew.
            self.0.close();
            self.0.flight.0.send_replace(Phase::Landed(None));
        }
    }
}

impl Joined<'_> {
    /// Nobody else joins: who asks from now on may want a newer answer.
    fn close(&self) {
        self.if_open(&mut lock(&self.all.flights), |_| true);
    }

    /// Takes it out of what can be joined, if it is there still and this says so.
    fn if_open(&self, flights: &mut HashMap<Asked, Open>, ends: impl FnOnce(&mut Open) -> bool) {
        let open = flights.get_mut(&self.asked);
        let open = open.filter(|open| Arc::ptr_eq(&open.flight, &self.flight));
        if open.is_some_and(ends) {
            flights.remove(&self.asked);
        }
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        // Counted here, where no two leave at once: of two who look whether somebody is left, each
        // would see the other.
        self.if_open(&mut lock(&self.all.flights), |open| {
            open.joined -= 1;
            open.joined == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::graphql::{Client, Limits, kept::Keeping};

    fn asked(number: i64) -> Asked {
        Asked {
            plan: PlanId::numbered(1),
            params: vec![Value::Int(number)].into(),
        }
    }

    fn moment(era: u64, upto: i64) -> Moment {
        Moment {
            era,
            epoch: "e".into(),
            layout: 1,
            upto,
        }
    }

    async fn data(bytes: usize) -> Data {
        let keeping = Keeping::new(&Limits::default());
        keeping.keep("x".repeat(bytes), [Client(1)]).await.expect("room")
    }

    async fn whole(bytes: usize) -> Whole {
        data(bytes).await.memory().expect("in memory")
    }

    const STATE: State = State { era: 1, head: 10 };

    #[tokio::test]
    async fn an_answer_is_good_until_something_that_it_reads_is_newer() {
        let answers = Answers::new(1_000_000);
        let get = |era, upto, newest| answers.get(&asked(1), &moment(era, upto), newest).is_some();
        assert!(!get(1, 10, 5));
        answers.put(asked(1), whole(100).await, STATE);
        assert!(get(1, 10, 5) && get(1, 99, 10));
        assert!(answers.get(&asked(2), &moment(1, 10), 5).is_none(), "another value");
        assert!(!get(1, 99, 11));
        assert!(!get(1, 99, 10), "it is gone");
        answers.put(asked(1), whole(100).await, STATE);
        assert!(!get(2, 10, 5), "of another era");
        let figures = answers.figures();
        assert_eq!(
            (figures.hits, figures.misses, figures.entries, figures.bytes),
            (2, 5, 0, 0)
        );
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_bytes() {
        let answers = Answers::new(20_000);
        let whole = whole(1_000).await;
        for number in 0..100 {
            answers.put(asked(number), whole.clone(), STATE);
            assert!(answers.figures().bytes <= 20_000);
            // The first one is asked for again and again.
            assert!(answers.get(&asked(0), &moment(1, 10), 5).is_some());
        }
        let figures = answers.figures();
        assert_eq!((figures.entries, figures.evictions), (12, 88));
        answers.put(asked(1), self::whole(2_400).await, STATE);
        assert!(answers.get(&asked(1), &moment(1, 10), 5).is_none(), "too large a part");
        assert!(!Answers::new(0).are_kept());
    }

    #[tokio::test]
    async fn one_runs_for_all() {
        let answers = Answers::new(1_000_000);
        let (first, second) = (answers.join(&asked(1)), answers.join(&asked(1)));
        assert_eq!(answers.under_way(), 1);
        let running = second.begin().expect("nobody runs yet");
        assert!(first.begin().is_none() && first.is_begun());
        assert!(first.landed().now_or_never().is_none());
        running.land(Some((data(10).await, STATE)));
        assert!(first.landed().await.is_some());
        // Who comes now begins anew.
        let third = answers.join(&asked(1));
        assert!(!third.is_begun());
        drop((first, second));
        assert_eq!(answers.under_way(), 1);
        // One that is given up is told, and ends with all who wait.
        let fourth = answers.join(&asked(1));
        drop(third.begin().expect("nobody runs yet"));
        assert!(fourth.landed().await.is_none());
        drop((third, fourth));
        assert_eq!(answers.under_way(), 0);
        drop(answers.join(&asked(2)));
        assert_eq!(answers.under_way(), 0);
        // Whoever is about to have left is no longer counted.
        let fifth = answers.join(&asked(1));
        let leaving = fifth.flight.clone();
        drop(fifth);
        assert_eq!(answers.under_way(), 0);
        drop(leaving);
    }

    #[tokio::test]
    async fn no_older_answer_takes_a_newer_ones_place() {
        let answers = Answers::new(1_000_000);
        let newer = State { era: 1, head: 12 };
        answers.put(asked(1), whole(100).await, newer);
        answers.put(asked(1), whole(50).await, STATE);
        let found = answers.get(&asked(1), &moment(1, 12), 11).expect("the newer one");
        assert_eq!((found.0.len(), found.1), (100, newer));
        // A log that has gone may have had larger numbers.
        answers.put(asked(1), whole(50).await, State { era: 2, head: 3 });
        assert!(answers.get(&asked(1), &moment(2, 3), 3).is_some());
    }
}
