//! Short runs of one operation with different values that wait for turns at the same time:
//! whoever's turn comes lets those of others go in it, too. Knows turns and the store's contract;
//! knows no listener and no SQL.
//!
//! Thousands of live queries wake with one commit, and a hop to a reader and back takes longer than
//! many a statement. A turn that is shared remains one turn: whose it is goes first, what is
//! expected to take long never shares, and after a while, or so many bytes, the rest waits for
//! turns of its own. Each run is a statement with bounds, time and failures of its own, and ends
//! when its listeners leave. A statement that does not end in its time keeps its thread, but not
//! the turn.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    lock::lock,
    prepare::{Bound, PlanId},
    turns::{Turn, Turns, Work},
};
use crate::{
    store::{Answer, Heard, Runs, Statement, Store, StoreError},
    value::{Key, Value},
};

/// How long a shared turn takes in more runs: long beside a hop, short beside what anybody notices.
/// What is expected to take longer runs alone.
const TIME: Duration = if cfg!(test) {
    Duration::from_secs(60)
} else {
    Duration::from_millis(5)
};
/// Bytes of a shared turn's answers, which are in the memory until each is kept.
const BYTES: usize = 1_000_000;

/// Whether an operation with these values may share turns.
pub(super) fn is_short(bound: &Bound) -> bool {
    bound.expected() <= TIME
}

/// All runs that wait for a turn and may go in another's.
#[derive(Default)]
pub(super) struct Together {
    waiting: Mutex<Waiting>,
    /// Turns that were shared so far, and runs that began in them.
    #[cfg(test)]
    pub shared: std::sync::atomic::AtomicUsize,
    #[cfg(test)]
    pub begun: std::sync::atomic::AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    tickets: u64,
    /// Of those that may go together, in the order in which they came.
    alike: HashMap<Alike, BTreeMap<u64, Run>>,
}

/// A plan, and the values that are the same in all runs of one statement.
type Alike = (PlanId, Key);

struct Run {
    values: Arc<[Value]>,
    told: oneshot::Sender<Ran>,
}

/// What came of a run. Its turn lasts until all who share it have put their answers away.
pub(super) struct Ran {
    pub read: Result<Answer, StoreError>,
    pub _turn: Arc<Turn>,
}

/// How the waiting for a turn ended.
pub(super) enum Waited {
    /// The run is over already.
    Ran(Ran),
    /// It is its turn, and nobody is there to share it.
    Turn(Turn),
}

/// A run's place among those that wait; it leaves when this is dropped.
struct Place<'t> {
    all: &'t Together,
    alike: Alike,
    ticket: u64,
    told: oneshot::Receiver<Ran>,
}

impl Together {
    /// Waits until the run is over, in whoever's turn, or until it may run alone. None when it was
    /// given up: it may try again.
    pub(super) async fn wait(
        self: &Arc<Self>,
        store: &Store,
        statement: &Statement,
        bound: &Bound,
        turns: &Arc<Turns>,
        work: Work,
    ) -> Option<Waited> {
        let mut place = self.join(statement, bound);
        let turn = tokio::select! {
            biased;
            ran = &mut place.told => return ran.ok().map(Waited::Ran),
            turn = turns.take(work, Duration::MAX) => turn?,
        };
        match self.begin(&place) {
            Begun::Alone => return Some(Waited::Turn(turn)),
            // Under way in another's turn.
            Begun::Already => drop(turn),
            Begun::First(own) => {
                let shared = Shared {
                    all: self.clone(),
                    alike: place.alike.clone(),
                    first: Some(own),
                    sharing: Sharing::new(turn),
                    until: Instant::now() + TIME,
                    bytes: 0,
                };
                #[cfg(test)]
                self.shared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let (store, statement) = (store.clone(), statement.clone());
                // By itself: the others' runs go on if this one's listeners leave.
                tokio::spawn(async move {
                    let sharing = shared.sharing.clone();
                    let ended = store.read_each(&statement, shared).await;
                    sharing.end(ended);
                });
            }
        }
        (&mut place.told).await.ok().map(Waited::Ran)
    }

    fn join(&self, statement: &Statement, bound: &Bound) -> Place<'_> {
        let (told, hears) = oneshot::channel();
        let values = bound.params.clone();
        let alike = (bound.prepared.id, statement.alike(&values));
        let mut waiting = lock(&self.waiting);
        waiting.tickets += 1;
        let ticket = waiting.tickets;
        waiting
            .alike
            .entry(alike.clone())
            .or_default()
            .insert(ticket, Run { values, told });
        Place {
            all: self,
            alike,
            ticket,
            told: hears,
        }
    }

    /// It is a run's turn.
    fn begin(&self, place: &Place<'_>) -> Begun {
        let mut waiting = lock(&self.waiting);
        let Some(own) = waiting.take(&place.alike, Some(place.ticket)) else {
            return Begun::Already;
        };
        match waiting.alike.contains_key(&place.alike) {
            true => Begun::First(own),
            false => Begun::Alone,
        }
    }

    /// How many runs wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.waiting).alike.values().map(BTreeMap::len).sum()
    }
}

enum Begun {
    /// Another's turn has it.
    Already,
    Alone,
    /// With others behind it.
    First(Run),
}

impl Waiting {
    /// Takes a run out of those that are alike, or the first one of them.
    fn take(&mut self, alike: &Alike, ticket: Option<u64>) -> Option<Run> {
        let runs = self.alike.get_mut(alike)?;
        let run = match ticket {
            Some(ticket) => runs.remove(&ticket),
            None => runs.pop_first().map(|(_, run)| run),
        };
        if runs.is_empty() {
            self.alike.remove(alike);
        }
        run
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        drop(lock(&self.all.waiting).take(&self.alike, Some(self.ticket)));
    }
}

/// The runs of a shared turn, taken one by one.
struct Shared {
    all: Arc<Together>,
    alike: Alike,
    first: Option<Run>,
    sharing: Arc<Sharing>,
    until: Instant,
    bytes: usize,
}

/// What a shared turn's thread has, and who looks after it.
struct Sharing(Mutex<State>);

struct State {
    /// None when it is over.
    turn: Option<Arc<Turn>>,
    /// Who waits for the runs under way, in the order in which they began.
    under_way: VecDeque<oneshot::Sender<Ran>>,
}

impl Sharing {
    fn new(turn: Turn) -> Arc<Sharing> {
        Arc::new(Sharing(Mutex::new(State {
            turn: Some(Arc::new(turn)),
            under_way: VecDeque::new(),
        })))
    }

    /// Whether the turn lasts, so that a run may begin.
    fn begin(&self, told: oneshot::Sender<Ran>) -> bool {
        let mut state = lock(&self.0);
        let lasts = state.turn.is_some();
        if lasts {
            state.under_way.push_back(told);
        }
        lasts
    }

    /// Tells what came of the first run under way, unless its listeners have left.
    fn tell(&self, read: Result<Answer, StoreError>) {
        let (turn, told) = {
            let mut state = lock(&self.0);
            (state.turn.clone(), state.under_way.pop_front())
        };
        if let (Some(_turn), Some(told)) = (turn, told) {
            let _ = told.send(Ran { read, _turn });
        }
    }

    /// Ends the turn, whatever its thread is at.
    fn end(&self, ended: Result<(), StoreError>) {
        if let Err(error) = ended {
            self.tell(Err(error));
        }
        let (turn, left) = {
            let mut state = lock(&self.0);
            (state.turn.take(), std::mem::take(&mut state.under_way))
        };
        // Its end calls others.
        drop((turn, left));
    }

    fn is_heard(&self) -> bool {
        let state = lock(&self.0);
        state.under_way.front().is_none_or(|told| !told.is_closed())
    }
}

impl Runs for Shared {
    fn next(&mut self) -> Option<Arc<[Value]>> {
        let run = loop {
            let run = match self.first.take() {
                Some(first) => first,
                None if Instant::now() >= self.until || self.bytes >= BYTES => return None,
                None => lock(&self.all.waiting).take(&self.alike, None)?,
            };
            // Whose listeners have left need not run.
            if !run.told.is_closed() {
                break run;
            }
        };
        #[cfg(test)]
        self.all.begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.sharing.begin(run.told).then_some(run.values)
    }

    fn done(&mut self, read: Result<Answer, StoreError>) {
        self.bytes += read.as_ref().map_or(0, |answer| answer.json.len());
        self.sharing.tell(read);
    }

    fn heard(&self) -> Heard {
        let sharing = self.sharing.clone();
        Arc::new(move || sharing.is_heard())
    }
}
