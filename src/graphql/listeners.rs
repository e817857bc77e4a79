//! Who listens to a live query, and what each of them has not taken yet. Knows clients and answers;
//! runs nothing.
//!
//! An answer is kept for those who have not taken it and for nobody else, because many live queries
//! would hold the room that answers need on their way. Who comes later shares what somebody still
//! has, or asks for another run.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use super::{
    ApiError, Client,
    kept::{Data, Loan, Print},
    lock::lock,
};

/// What came of a run.
pub(super) type Answer = Result<Data, ApiError>;
/// The same without its bytes, to be compared with what comes next.
pub(super) type Told = Result<Print, ApiError>;

pub(super) fn told(answer: &Answer) -> Told {
    answer.as_ref().map(Data::print).map_err(ApiError::clone)
}

/// All who listen to one live query.
#[derive(Default)]
pub(super) struct Listeners {
    state: Mutex<State>,
    asked: Notify,
    left: Notify,
}

#[derive(Default)]
struct State {
    /// In the order in which they came.
    slots: BTreeMap<u64, Arc<Slot>>,
    came: u64,
    told: Option<Told>,
    /// For who comes next.
    newest: Loan,
    is_asked: bool,
}

/// What waits for one listener.
struct Slot {
    client: Client,
    waiting: Mutex<Waiting>,
    called: Notify,
}

struct Waiting {
    answer: Option<Answer>,
    is_new: bool,
    is_over: bool,
}

/// One listener's part; it leaves when this is dropped.
pub(super) struct Listening {
    all: Arc<Listeners>,
    slot: Arc<Slot>,
    number: u64,
}

impl Listeners {
    /// Listens from now on; the newest answer comes first, from a run of its own if nobody has it
    /// any more.
    pub(super) fn join(self: &Arc<Self>, client: Client) -> Listening {
        let mut state = lock(&self.state);
        let answer = state.newest.data().map(Ok);
        if answer.is_none() {
            state.is_asked = true;
            self.asked.notify_one();
        }
        let slot = Arc::new(Slot {
            client,
            waiting: Mutex::new(Waiting {
                is_new: answer.is_none(),
                answer,
                is_over: false,
            }),
            called: Notify::new(),
        });
        state.came += 1;
        let number = state.came;
        state.slots.insert(number, slot.clone());
        Listening {
            all: self.clone(),
            slot,
            number,
        }
    }

    /// Tells what is new, and whoever has heard nothing yet whatever came.
    pub(super) fn tell(&self, answer: &Answer) {
        let mut state = lock(&self.state);
        let told = told(answer);
        let differs = state.told.as_ref() != Some(&told);
        for slot in state.slots.values() {
            slot.offer(answer, differs);
        }
        // A failure is not what the next one should hear, if a run may give him more.
        state.newest = answer.as_ref().map_or_else(|_| Loan::default(), Data::lend);
        state.told = Some(told);
        state.is_asked = false;
    }

    /// The newest answer is not what is stored any more: nobody else begins with it.
    pub(super) fn outdate(&self) {
        lock(&self.state).newest = Loan::default();
    }

    /// Waits until somebody is there for whom no answer is kept.
    pub(super) async fn asked(&self) {
        while !lock(&self.state).is_asked {
            self.asked.notified().await;
        }
    }

    /// Waits until nobody listens.
    pub(super) async fn left(&self) {
        while !self.is_empty() {
            self.left.notified().await;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.state).slots.is_empty()
    }

    /// All whose live query it is, in the order in which they came.
    pub(super) fn clients(&self) -> Vec<Client> {
        let mut seen = HashSet::new();
        let state = lock(&self.state);
        let clients = state.slots.values().map(|slot| slot.client);
        clients.filter(|client| seen.insert(*client)).collect()
    }

    /// Nothing will be told any more.
    pub(super) fn end(&self) {
        for slot in lock(&self.state).slots.values() {
            lock(&slot.waiting).is_over = true;
            slot.called.notify_one();
        }
    }
}

impl Slot {
    fn offer(&self, answer: &Answer, differs: bool) {
        let mut waiting = lock(&self.waiting);
        if differs || waiting.is_new {
            waiting.answer = Some(answer.clone());
            waiting.is_new = false;
            self.called.notify_one();
        }
    }

    /// What waits; the end inside when there will be nothing more.
    fn take(&self) -> Option<Option<Answer>> {
        let mut waiting = lock(&self.waiting);
        match waiting.answer.take() {
            None if waiting.is_over => Some(None),
            None => None,
            answer => Some(answer),
        }
    }
}

impl Listening {
    /// The newest answer that this listener has not taken; none when the live query has ended.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        loop {
            if let Some(next) = self.slot.take() {
                return next;
            }
            self.slot.called.notified().await;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = lock(&self.all.state);
        state.slots.remove(&self.number);
        if state.slots.is_empty() {
            self.all.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::graphql::{Code, Limits, kept::Keeping};

    /// Larger ones count.
    const LARGE: usize = 5_000;

    struct World {
        keeping: Arc<Keeping>,
        all: Arc<Listeners>,
    }

    impl World {
        fn new() -> World {
            World {
                keeping: Keeping::new(&Limits::default()),
                all: Arc::default(),
            }
        }

        async fn tell(&self, letter: &str, bytes: usize) {
            let data = self.keeping.keep(letter.repeat(bytes), [Client(1)]).await;
            self.all.tell(&data);
        }

        fn is_asked(&self) -> bool {
            self.all.asked().now_or_never().is_some()
        }
    }

    /// The first letter of what a listener hears at once; `-` for a failure.
    fn heard(listener: &mut Listening) -> Option<char> {
        let answer = listener.next().now_or_never()?.expect("no end");
        Some(answer.map_or('-', |data| char::from(data.whole()[0])))
    }

    #[tokio::test]
    async fn an_answer_is_kept_until_all_have_taken_it() {
        let world = World::new();
        let (mut first, mut second) = (world.all.join(Client(1)), world.all.join(Client(2)));
        assert!(world.is_asked());
        world.tell("a", LARGE).await;
        assert_eq!((heard(&mut first), heard(&mut first)), (Some('a'), None));
        assert_eq!(world.keeping.in_memory(), LARGE);
        // One more shares what the second has not taken.
        let mut third = world.all.join(Client(3));
        assert!(!world.is_asked());
        assert_eq!((heard(&mut second), heard(&mut third)), (Some('a'), Some('a')));
        assert_eq!(world.keeping.in_memory(), 0);
        // The next one asks anew, and what comes is news to nobody else.
        let mut fourth = world.all.join(Client(3));
        assert!(world.is_asked());
        world.tell("a", LARGE).await;
        assert!(!world.is_asked());
        assert_eq!((heard(&mut fourth), heard(&mut first)), (Some('a'), None));
        // Who takes nothing hears the newest.
        world.tell("b", LARGE).await;
        world.tell("c", LARGE).await;
        assert_eq!((heard(&mut second), heard(&mut third)), (Some('c'), Some('c')));
        drop((first, fourth));
        assert_eq!(world.keeping.in_memory(), 0);
    }

    #[tokio::test]
    async fn small_answers_wait_for_who_comes_next_until_they_are_old() {
        let world = World::new();
        let _first = world.all.join(Client(1));
        world.tell("a", 10).await;
        assert_eq!(heard(&mut world.all.join(Client(1))), Some('a'));
        assert!(!world.is_asked());
        world.all.outdate();
        let mut late = world.all.join(Client(1));
        assert_eq!(heard(&mut late), None);
        assert!(world.is_asked());
        // A failure is told, and tried again for who comes next.
        world.all.tell(&Err(ApiError::new(Code::Timeout, "late")));
        assert_eq!(heard(&mut late), Some('-'));
        let mut next = world.all.join(Client(1));
        assert!(world.is_asked());
        world.tell("a", 10).await;
        assert_eq!((heard(&mut next), heard(&mut late)), (Some('a'), Some('a')));
    }

    #[tokio::test]
    async fn who_leaves_and_what_ends_is_noticed() {
        let world = World::new();
        let (first, mut second) = (world.all.join(Client(7)), world.all.join(Client(8)));
        let third = world.all.join(Client(7));
        assert_eq!(world.all.clients(), [Client(7), Client(8)]);
        drop(first);
        assert_eq!(world.all.clients(), [Client(8), Client(7)]);
        drop(third);
        assert_eq!(world.all.clients(), [Client(8)]);
        assert_eq!(world.all.left().now_or_never(), None);
        world.tell("a", 10).await;
        world.all.end();
        assert_eq!(heard(&mut second), Some('a'));
        assert!(second.next().await.is_none());
        drop(second);
        world.all.left().await;
    }
}
