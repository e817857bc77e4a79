//! How new each part of each type is, as far as this process has heard. Knows types and fields by
//! name, so that one definition can follow another; asks nobody.
//!
//! Two things keep it true. A commit of our own is expected before it happens: should its end not
//! be noted, whatever the reason, everything is in doubt until somebody looks. And what others
//! commit is known up to the last look, whose beginning says how old it may be.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

/// For so long after a look nobody need look again: nothing is told of as being newer than it is by
/// more than that.
const LEASE: Duration = Duration::from_millis(900);
/// Commits of our own that are kept apart until those before them are heard of.
const LATER_MAX: usize = 64;

/// How new one part is: the log's head after the commit that changed it last.
pub(crate) type Cell = Arc<AtomicI64>;

/// How new each part of each type is.
#[derive(Default)]
pub(crate) struct Versions {
    cells: Mutex<HashMap<String, HashMap<String, Cell>>>,
    /// Nothing is older.
    floor: AtomicI64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts the beginnings from which nothing that was known holds.
    era: u64,
    epoch: Arc<str>,
    layout: i64,
    /// Of the connection that was asked.
    generation: u64,
    /// The head that the last look saw.
    heard: i64,
    /// All commits up to this head are noted.
    upto: i64,
    /// Spans of our own commits beyond it: after the first, up to the second.
    later: BTreeMap<i64, i64>,
    /// How often there was doubt, and of how many of them a look has told.
    doubts: u64,
    settled: u64,
    looked: Option<Instant>,
    /// An answer has shown what was committed up to this head.
    shown: i64,
    /// What the last look saw of [`Seen::missed`].
    missed: i64,
    /// A commit was given up whose end nobody noted: it may happen yet.
    is_abandoned: bool,
}

/// What was known at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// What was known in another era says nothing in this one.
    pub era: u64,
    /// The log's epoch, and the number of the newest layout.
    pub epoch: Arc<str>,
    pub layout: i64,
    /// All commits up to this head were noted.
    pub upto: i64,
}

/// What a look at the database saw, in one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub epoch: String,
    pub head: i64,
    pub layout: i64,
    /// Changes in the log whose commits said nothing of parts: those of an older version of this
    /// program, which runs on beside a newer one.
    pub missed: i64,
    /// Type, field, and how new it is; of those only that are newer than was asked.
    pub parts: Vec<(String, String, i64)>,
}

/// Up to where the commits of others were told on one of this process's buses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    era: u64,
    head: i64,
    missed: i64,
}

/// A look that has begun.
pub(crate) struct Look {
    /// What is newer is asked for.
    pub since: i64,
    told: Told,
    doubts: u64,
    shown: i64,
    pub generation: u64,
    began: Instant,
}

/// What a look has found that was not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Parts(Vec<(String, String)>),
    Anything,
}

/// A commit of our own that is about to happen. Unless its end is noted, there is doubt.
pub(crate) struct Noting<'v> {
    versions: &'v Versions,
    era: u64,
    done: bool,
}

impl Versions {
    /// How new a part is, from now on; an empty field is for which rows there are.
    pub(crate) fn cell(&self, entity: &str, field: &str) -> Cell {
        let mut cells = lock(&self.cells);
        let fields = cells.entry(entity.to_owned()).or_default();
        fields.entry(field.to_owned()).or_default().clone()
    }

    /// How new the newest of some parts is.
    pub(crate) fn newest(&self, cells: &[Cell]) -> i64 {
        let floor = self.floor.load(Ordering::Acquire);
        let newest = cells.iter().map(|cell| cell.load(Ordering::Acquire));
        newest.fold(floor, i64::max)
    }

    /// What is known, if that is all there is: nothing is in doubt, nothing newer was shown to
    /// anybody, and no other process writes (`alone`), or somebody looked just now. `generation` is
    /// that of connections at this moment.
    #[cfg(test)]
    pub(crate) fn moment(&self, alone: bool, generation: u64) -> Option<Moment> {
        self.moment_since(alone, generation, None)
    }

    /// The same for one who has asked at this time: a look that began since then is as good as one
    /// of his own, however long it took.
    pub(crate) fn moment_since(&self, alone: bool, generation: u64, asked: Option<Instant>) -> Option<Moment> {
        let state = lock(&self.state);
        let is_young = |looked: Instant| looked.elapsed() < LEASE || asked.is_some_and(|asked| asked <= looked);
        let young = || state.looked.is_some_and(is_young);
        let alone = alone && !state.is_abandoned;
        let is_all = state.shown <= state.upto && (alone || young());
        let is_known = state.is_sure() && state.generation == generation && is_all;
        is_known.then(|| state.moment())
    }

    /// What is known, whether or not that is all; none where nothing is.
    pub(crate) fn known(&self, generation: u64) -> Option<Moment> {
        let state = lock(&self.state);
        (state.is_sure() && state.generation == generation).then(|| state.moment())
    }

    /// Something may have been committed that nobody has noted.
    pub(crate) fn doubt(&self) {
        lock(&self.state).doubts += 1;
    }

    /// An answer shows what was committed up to this head; so none that comes later may show less,
    /// although that commit is not heard of yet.
    pub(crate) fn show(&self, head: i64) {
        let mut state = lock(&self.state);
        state.shown = state.shown.max(head);
    }

    /// Begins a commit of our own.
    pub(crate) fn noting(&self) -> Noting<'_> {
        Noting {
            versions: self,
            era: lock(&self.state).era,
            done: false,
        }
    }

    /// Begins a look for a bus on which so much was told.
    pub(crate) fn look(&self, generation: u64, told: Told) -> Look {
        let state = lock(&self.state);
        let sure = state.is_sure() && state.generation == generation;
        Look {
            since: match sure {
                true if state.is_told(told) => state.upto,
                true => state.upto.min(told.head),
                false => -1,
            },
            told,
            doubts: state.doubts,
            shown: state.shown,
            generation,
            began: Instant::now(),
        }
    }

    /// Ends a look: what it has found that was not known, or not told; and what is told then.
    pub(crate) fn settle(&self, look: &Look, seen: Seen) -> (News, Told) {
        let mut state = lock(&self.state);
        let is_first = state.looked.is_none();
        let elsewhere = !is_first && (*state.epoch != *seen.epoch || seen.head < look.since);
        if elsewhere || !is_first && state.layout != seen.layout {
            state.era += 1;
        }
        if elsewhere {
            // What is older was not asked for.
            self.raise(seen.head);
            (state.upto, state.heard) = (seen.head, seen.head);
            state.later.clear();
        }
        if state.missed != seen.missed {
            self.floor.fetch_max(seen.head, Ordering::AcqRel);
            state.missed = seen.missed;
        }
        // Another bus may have had the news, and this one not.
        let is_told = state.is_told(look.told);
        let is_another = state.era != look.told.era || state.missed != look.told.missed;
        let mut news = Vec::new();
        for (entity, field, seq) in seen.parts {
            let before = match entity.is_empty() {
                true => self.floor.fetch_max(seq, Ordering::AcqRel),
                false => self.cell(&entity, &field).fetch_max(seq, Ordering::AcqRel),
            };
            if before < seq || !is_told && look.told.head < seq {
                news.push((entity, field));
            }
        }
        (state.epoch, state.layout) = (seen.epoch.into(), seen.layout);
        state.generation = look.generation;
        state.heard = state.heard.max(seen.head);
        state.reach(seen.head);
        state.settled = state.settled.max(look.doubts);
        // What was shown before the look is what it saw. A larger number is of another log.
        if state.shown == look.shown {
            state.shown = state.shown.min(state.upto);
        }
        state.looked = Some(look.began);
        let told = Told {
            era: state.era,
            head: seen.head,
            missed: state.missed,
        };
        // What was committed before anybody could listen is no news.
        let news = match is_another || news.iter().any(|(entity, _)| entity.is_empty()) {
            _ if is_first => News::Parts(Vec::new()),
            true => News::Anything,
            false => News::Parts(news),
        };
        (news, told)
    }

    /// Nothing is older than that any more.
    fn raise(&self, head: i64) {
        self.floor.store(head, Ordering::Release);
        let cells = lock(&self.cells);
        let all = cells.values().flat_map(HashMap::values);
        all.for_each(|cell| cell.store(head, Ordering::Release));
    }
}

impl State {
    fn is_sure(&self) -> bool {
        self.looked.is_some() && self.doubts == self.settled
    }

    fn moment(&self) -> Moment {
        Moment {
            era: self.era,
            epoch: self.epoch.clone(),
            layout: self.layout,
            upto: self.upto,
        }
    }

    fn is_told(&self, told: Told) -> bool {
        told.era == self.era && told.missed == self.missed && told.head >= self.heard
    }

    /// All commits up to a head are noted; and what follows it of our own.
    fn reach(&mut self, head: i64) {
        self.upto = self.upto.max(head);
        while let Some((after, upto)) = self.later.first_key_value().map(|(after, upto)| (*after, *upto)) {
            if after > self.upto {
                break;
            }
            self.upto = self.upto.max(upto);
            self.later.pop_first();
        }
    }
}

impl Noting<'_> {
    /// It happened: the log's numbers after the first and up to the second are its own, and these
    /// are the parts that it changed.
    pub(crate) fn committed<'p>(mut self, (after, upto): (i64, i64), parts: impl Iterator<Item = (&'p str, &'p str)>) {
        for (entity, field) in parts {
            self.versions.cell(entity, field).fetch_max(upto, Ordering::AcqRel);
        }
        let mut state = lock(&self.versions.state);
        // Its numbers are of another log.
        if state.era != self.era {
            return;
        }
        state.later.insert(after, upto);
        let reached = state.upto;
        state.reach(reached);
        if state.later.len() > LATER_MAX {
            state.later.clear();
            state.doubts += 1;
        }
        drop(state);
        self.done = true;
    }

    /// It was no commit, and will not be one.
    pub(crate) fn left(mut self) {
        self.done = true;
    }
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        if !self.done {
            let mut state = lock(&self.versions.state);
            state.doubts += 1;
            // It goes on without whoever waited for it, and may end after any look.
            state.is_abandoned = true;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
